"""SnAp, RFLO and eligibility propagation by a reach pattern and `Cell.read`, with their laws."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.cells.memory_block import memory_block
from lstm_jax.cells.simple import fully_recurrent
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import by_definition, rtrl
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.ops.activations import identity
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import linear
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.records import CAPPED, SOLVED
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.types import Carousel, Cell

from . import toys
from .approximations import eprop, influence, random_feedback, reach, rflo, snap
from .family import LeakyParams, LeakyState, draw, leaky, zero_state
from .problems import gap, grads_by, run, three

pytestmark = pytest.mark.usefixtures("x64")
KEY = jax.random.key(0)


def element_wise(inputs: int, units: int) -> Cell:
    """h(t) = tanh(W x(t) + u h(t-1)), u one number a unit: the whole state is a carousel."""

    def step(params, state, x):
        net = linear(params.from_inputs, x)
        h = jnp.tanh(net + along_lanes(params.from_hidden, net) * state.h)
        return LeakyState(h), h

    return Cell(
        lambda key: LeakyParams(*draw(key, (units, inputs), (units,), scale=1.0)),
        zero_state(LeakyState, units),
        step,
        inputs,
        units,
        Carousel.of_fields("h", diagonal=True),
        read=lambda params, state, x: state.h,
    )


def ring(inputs: int, units: int) -> Cell:
    """Every unit receives the one before it in a ring, and no other, not even itself."""
    there = jnp.roll(jnp.eye(units), 1, axis=0)

    def step(params, state, x):
        mask = there.reshape(units, units, *[1] * (params.from_hidden.ndim - 2))
        net = linear(params.from_inputs, x) + linear(mask * params.from_hidden, state.h)
        return LeakyState(jnp.tanh(net)), jnp.tanh(net)

    return leaky(inputs, units)._replace(step=step, carousel=None)


def with_output(cell):
    return readout(cell, outputs=2, activation=identity, init_scale=0.7)


def by_rules(cell, **rules):
    params, sequence = cell.init(KEY), three(cell)
    return grads_by(rules, cell, params, sequence)


def test_snap_reaches_as_far_as_it_says():
    cell = ring(2, 3)
    counts = [sum(int(leaf.sum()) for leaf in jax.tree.leaves(reach(cell, n))) for n in range(1, 5)]
    assert counts == [3 * 3, 2 * 3 * 3, 3 * 3 * 3, 3 * 3 * 3]  # two inputs and one unit each


@pytest.mark.parametrize(
    ("make", "enough", "too_few"),
    [(element_wise, 1, None), (ring, 3, 2), (lambda i, u: fully_recurrent(i, u, u), 2, 1)],
    ids=["element-wise", "ring", "dense"],
)
def test_snap_is_rtrl_when_it_reaches_everything(make, enough, too_few):
    cell = with_output(make(2, 3))
    rules = {"rtrl": rtrl, "snap": snap(enough)}
    if too_few:
        rules["too few"] = snap(too_few)
    found = by_rules(cell, **rules)
    assert gap(found["snap"], found["rtrl"]) < 1e-10
    if too_few:
        assert gap(found["too few"], found["rtrl"]) > 1e-4


def test_eligibility_propagation_is_the_truncated_gradient_of_1997():
    block = memory_block(Topology(inputs=2, blocks=(2, 1), forget_gates=True))
    found = by_rules(with_output(block), eprop=eprop, truncated=by_definition, full=rtrl)
    assert gap(found["eprop"], found["truncated"]) < 1e-10
    assert gap(found["eprop"], found["full"]) > 1e-4


def test_eligibility_propagation_is_exact_where_recurrence_is_element_wise():
    found = by_rules(with_output(element_wise(2, 3)), eprop=eprop, full=rtrl)
    assert gap(found["eprop"], found["full"]) < 1e-10


def test_rflo_with_the_feedback_of_the_net_and_without_recurrence_is_exact():
    cell = with_output(leaky(2, 3, leak=0.3))
    params, sequence = cell.init(KEY), three(cell)

    def without(p, scale):
        return p._replace(cell=p.cell._replace(from_hidden=scale * p.cell.from_hidden))

    rules = {"rflo": rflo(0.3, None), "random": rflo(0.3, random_feedback(3, 2)), "full": rtrl}
    found = grads_by(rules, cell, without(params, 0.0), sequence)
    assert gap(found["rflo"], found["full"]) < 1e-10
    # readout weights get their own gradient whatever the feedback is
    np.testing.assert_allclose(found["random"].from_cell, found["full"].from_cell, atol=1e-12)
    assert gap(found["random"].cell, found["full"].cell) > 1e-2
    found = grads_by({k: rules[k] for k in ("rflo", "full")}, cell, params, sequence)
    assert gap(found["rflo"], found["full"]) > 1e-4  # control: recurrence is left out


@pytest.mark.parametrize(
    ("rule", "every_step"),
    [(snap(1), False), (eprop, True), (rflo(0.5, random_feedback(8, 1)), False)],
    ids=["snap", "eprop", "rflo"],
)
def test_they_learn_in_lanes(rule, every_step):
    cell = readout(leaky(1, 8, leak=0.5), outputs=1, activation=identity, init_scale=0.7)
    stop = recent(20, Criterion(error_below=0.5))

    def build(rate):
        learner = gradient_descent(rule, squared_error, optax.sgd(rate), every_step=every_step)
        return TrialConfig(cell, toys.shifted(-1), learner, within(1.0), stop, 2500, 0)

    state = run(build, 2500, lanes=3, settings=jnp.array([0.05, 0.05, 0.0]))
    assert state.phase.tolist() == [SOLVED, SOLVED, CAPPED]  # the last: a control


def test_a_cell_without_read_is_refused():
    with pytest.raises(ValueError, match="a cell with read"):
        influence(leaky(1, 2)._replace(read=None), squared_error)
