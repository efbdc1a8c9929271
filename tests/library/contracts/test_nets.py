"""Nets that map whole sequences learn in trials, by BPTT; rules that need a cell refuse them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.cells.memory_block import memory_block
from lstm_jax.cells.simple import elman
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import bptt, by_definition, forward_traces, parallel_scan, rtrl, windowed
from lstm_jax.losses import squared_error
from lstm_jax.networks.unroll import net_of, predict
from lstm_jax.ops.activations import identity
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.records import CAPPED, SOLVED
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.types import SequenceLoss
from tests.support.slow import slow

from . import nets, toys
from .family import lstm
from .problems import run

RIGHT = recent(64, Criterion(wrong_below=1))
CASES = {
    "feed-forward": (nets.feed_forward(1, 4, 1), toys.shifted(0), squared_error),
    "bidirectional": (
        nets.bidirectional(lstm(1, 4), lstm(1, 4), 1),
        toys.shifted(1),
        squared_error,
    ),
    "multidimensional": (nets.multidimensional(3, 6, 1), toys.corner(), squared_error),
    "grid": (nets.grid(1, 6, 2, 1), toys.shifted(-1), squared_error),
    "attention": (nets.attention(2, 6, 1), toys.marked(), squared_error),
    "encoder-decoder": (
        nets.encoder_decoder(lstm(1, 8), lstm(4, 8), 1, target_time=2),
        toys.first_two_backwards(),
        toys.own_squares,
    ),
    "labels without their times": (
        net_of(elman(3, 3, activation=identity, init_scale=0.5)),
        toys.frames(),
        toys.ctc,
    ),
}
every = pytest.mark.parametrize("name", CASES)
CELL = memory_block(Topology(1, (1,)))


# the library has nets of these kinds, whose own tests and studies learn
OWN = {"bidirectional", "multidimensional", "grid", "attention", "encoder-decoder"}


@pytest.mark.parametrize("name", slow(CASES, OWN))
def test_it_learns_in_lanes(name):
    net, task, loss = CASES[name]
    judge = toys.decoded if loss is toys.ctc else within(0.5)

    def build(rate):
        learner = gradient_descent(bptt, loss, optax.adam(rate))
        return TrialConfig(net, task, learner, judge, RIGHT, 8_000, 32, batch=16)

    state = run(build, ticks=500, lanes=3, settings=jnp.array([0.03, 0.03, 0.0]))
    assert state.phase.tolist() == [SOLVED, SOLVED, CAPPED], state.sequences  # the last: a control
    assert int(state.tally.wrong.sum()) <= 4


@every
def test_what_lies_behind_the_end_does_not_matter(name):
    net, task, _ = CASES[name]
    params, keys = net.init(jax.random.key(0)), jax.random.split(jax.random.key(1), 8)
    sequences = jax.vmap(task.sample, out_axes=-1)(keys)
    behind = jnp.arange(task.steps)[:, None, None] >= sequences.length[None, None]
    spoiled = sequences.replace(inputs=jnp.where(behind, 7.0, sequences.inputs))
    grads = jax.jit(lambda s: bptt(net, CASES[name][2])(params, s))
    clean, found = grads(sequences), grads(spoiled)
    for a, b in zip(*map(jax.tree.leaves, (clean.grads, found.grads)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_reversal_goes_by_the_length():
    values = jnp.arange(10.0).reshape(5, 1, 2)
    turned = nets.reverse(values, jnp.array([3, 5]))
    assert turned[:, 0, 0].tolist() == [4, 2, 0, 6, 8]
    assert turned[:, 0, 1].tolist() == [9, 7, 5, 3, 1]


@pytest.mark.parametrize(
    "rule", [by_definition, parallel_scan, forward_traces, rtrl, windowed(3)], ids=lambda r: r.name
)
def test_rules_that_need_a_cell_refuse_a_net_in_one_line(rule):
    net = CASES["feed-forward"][0]
    faces = [rule, *([rule.online] if rule.online else [])]
    for face in faces:
        with pytest.raises(ValueError, match=r"needs a Cell, got a Net; use bptt") as refused:
            face(net, squared_error)
        assert "\n" not in str(refused.value)
    rule(CELL, squared_error)  # and take a cell


def test_a_loss_of_whole_sequences_is_one_number_a_lane():
    net, task, _ = CASES["feed-forward"]
    keys = jax.random.split(jax.random.key(1), 8)
    sequences = jax.vmap(task.sample, out_axes=-1)(keys)
    params = net.init(jax.random.key(0))
    summed = SequenceLoss(lambda outputs, s: toys.squares(outputs, s).sum())
    with pytest.raises(ValueError, match=r"SequenceLoss: expected one error a lane"):
        bptt(net, summed)(params, sequences)
    assert bptt(net, toys.own_squares)(params, sequences).loss.shape == (8,)


def test_outputs_that_do_not_stand_beside_the_targets_are_refused():
    net, task, _ = CASES["encoder-decoder"]
    sequence = task.sample(jax.random.key(0))
    longer = nets.encoder_decoder(lstm(1, 8), lstm(4, 8), 1, target_time=3)
    with pytest.raises(ValueError, match=r"outputs: expected shape \(2, 1\)"):
        predict(longer, longer.init(jax.random.key(0)), sequence)
    assert predict(net, net.init(jax.random.key(0)), sequence).shape == (2, 1)
