"""The full gradient is the slope of the error, which the truncated one is not."""

import jax
import numpy as np
import pytest

from lstm_jax.losses import error_signal, squared_error
from lstm_jax.networks.unroll import unroll
from tests.support.bridge import gap, net_of, to_flat, to_params
from tests.support.forms import SMALL, TRUNCATED, learner, problem

WIDTH = 1e-5


def slopes(given) -> np.ndarray:
    """Central differences of the library's own error, all weights at once as lanes."""
    nudges = WIDTH * np.eye(len(given.weights))
    nudged = given.weights[:, None] + np.concatenate([nudges, -nudges], axis=1)
    _, sequence = given.ask()
    net = net_of(given.topology)

    def error(params):
        _, outputs = unroll(net, params, sequence.inputs)
        return error_signal(squared_error, outputs, sequence)[0]

    errors = jax.jit(jax.vmap(error, in_axes=-1))(to_params(given.topology, nudged))
    up, down = np.split(np.asarray(errors), 2)
    return (up - down) / (2 * WIDTH)


@pytest.mark.parametrize("name", ["1997", "everything", "hidden units, no recurrence"])
def test_the_full_gradient_is_the_slope_of_the_error(name, x64):
    given = problem(SMALL[name], 90, 8)
    slope = slopes(given)
    learned = learner(given.topology)(*given.ask())
    answers = {r: gap(to_flat(given.topology, found.grads), slope) for r, found in learned.items()}
    assert answers["bptt"] < 1e-8
    for rule in TRUNCATED:  # control, where there is recurrence
        assert (answers[rule] > 1e-4) == (given.topology.recurrence != "none")
