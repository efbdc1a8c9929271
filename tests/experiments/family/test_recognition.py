"""Recognition: trials that go through a set, judged on another; and what is not installed."""

import sys

import jax
import numpy as np
import pytest

from experiments.common.errors import UserError
from experiments.family import counting, digits, speakers
from experiments.family.recognition import labelled, percent, recognise
from experiments.studies.trial_source import TrialSource
from lstm_jax.cells.simple import elman
from lstm_jax.networks.feedforward import feed_forward
from lstm_jax.networks.readout import readout
from lstm_jax.networks.sequential import sequential
from lstm_jax.networks.unroll import net_of
from lstm_jax.ops.activations import identity
from lstm_jax.training.trial import make_trial


def signs(number: int, seed: int):
    """Sequences of three steps whose class is the sign of their last number."""
    x = np.random.default_rng(seed).normal(size=(3, 1, number))
    return labelled(x, np.full(number, 3), (x[2, 0] > 0).astype(int), 2)


def test_the_share_of_a_test_set_that_is_right(tmp_path):
    net = sequential(net_of(elman(1, 3)), feed_forward(3, 2, output_activation=identity))
    found = recognise(
        TrialSource(tmp_path), "signs", net, (signs(64, 0), signs(50, 1)),
        trials=2, epochs=20, batch=8, rate=0.05,
    )  # fmt: skip
    assert len(found["shares"]) == 2 and min(found["shares"]) > 0.9
    assert found["weights"] == 3 * (1 + 3 + 1) + 2 * (3 + 1)
    assert len(found["curve"]) == len(found["curve_at"]) > 0
    low, value, high = (found["mean"][key] for key in ("low", "value", "high"))
    assert low <= value <= high and value == pytest.approx(np.mean(found["shares"]))
    assert percent(found) == f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


@pytest.mark.parametrize(
    ("package", "load"),
    [
        ("aeon.datasets", lambda: speakers.utterances("train")),
        ("sklearn.datasets", lambda: digits.pictures("rows")),
    ],
)
def test_what_is_not_installed_is_said_in_one_line(monkeypatch, package, load):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match="not installed: make data") as refused:
        load()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", counting.NETS)
def test_every_counter_can_be_trained(name):
    net = readout(counting.NETS[name](3), 3, activation=identity)
    trial = make_trial(lambda settings: counting.config(net, 2))
    state = jax.eval_shape(trial.init, jax.random.key(0))  # which checks that the parts fit
    assert jax.tree.leaves(state.learner.params)
