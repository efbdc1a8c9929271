"""Learning from the columns that occur equals learning from the whole table."""

from functools import cache

import jax
import numpy as np
import optax
import pytest

from lstm_jax.cells.memory_block import memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import bptt, by_definition, forward_traces
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.ops.sparse_columns import add_columns, gather_columns
from lstm_jax.tasks import random_lag
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.stopping import streak
from lstm_jax.training.trial import make_trial
from tests.support.bridge import lane

RATE = 0.5
TASK = random_lag(6, 5, most_extra=4)
NET = readout(memory_block(Topology(TASK.inputs, (1, 2))), 2)
FEW = readout(memory_block(Topology(TASK.steps, (1, 2))), 2)  # with a column a step
RULES = {rule.name: rule for rule in (forward_traces, by_definition, bptt)}


@cache
def drawn_by(draw):
    return jax.jit(jax.vmap(draw, out_axes=-1))


gathered, added = jax.jit(gather_columns), jax.jit(add_columns)


def drawn(lanes: int):
    """Parameters and sequences in lanes; with 6 distractors some symbols occur twice."""
    keys = jax.random.split(jax.random.key(3), lanes)
    return drawn_by(NET.init)(keys), drawn_by(TASK.sample)(keys)


def moved(grads):
    return jax.tree.map(lambda g: -RATE * np.asarray(g), grads)


def close(left, right) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12), left, right)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("lanes", [1, 3])
def test_columns_that_occur_learn_as_in_the_whole_table(rule, lanes, x64):
    params, sequence = drawn(lanes)
    learn = jax.jit(RULES[rule](NET, squared_error))
    whole = learn(params, sequence)
    columns, renumbered = gathered(params, sequence)
    few = jax.jit(RULES[rule](FEW, squared_error))(columns, renumbered)
    close(whole.loss, few.loss)
    changed = added(params, moved(few.grads), sequence)
    close(jax.tree.map(np.add, params, moved(whole.grads)), changed)


def test_control_a_column_lost_is_noticed(x64):
    params, sequence = drawn(3)
    learn = jax.jit(RULES["forward_traces"](FEW, squared_error))
    columns, renumbered = gathered(params, sequence)
    updates = moved(learn(columns, renumbered).grads)
    forgotten = sequence.replace(length=sequence.length - 2)
    changed = added(params, updates, sequence)
    with pytest.raises(AssertionError):
        close(changed, added(params, updates, forgotten))


def test_without_lanes(x64):
    params, sequence = lane(drawn(1), 0)
    columns, renumbered = gathered(params, sequence)
    assert columns.cell.from_inputs.shape == (7, TASK.steps)
    whole, few = (jax.jit(RULES["forward_traces"](net, squared_error)) for net in (NET, FEW))
    close(whole(params, sequence).loss, few(columns, renumbered).loss)


def trained(sparse: bool, optimizer=None):
    trial = make_trial(
        lambda _: TrialConfig(
            NET,
            TASK,
            gradient_descent(
                forward_traces, squared_error, optimizer or optax.sgd(RATE), sparse=sparse
            ),
            within(0.2),
            streak(1000),
            max_sequences=50,
            test_sequences=0,
        )
    )
    keys = jax.random.split(jax.random.key(5), 2)
    state = jax.jit(jax.vmap(trial.init, in_axes=(0, None), out_axes=-1))(keys, None)
    return jax.jit(trial.advance)(state, 60)


def test_training_is_the_same_and_stops_at_the_cap(x64):
    dense, sparse = trained(False), trained(True)
    assert dense.sequences.tolist() == sparse.sequences.tolist() == [50, 50]
    close(dense.params, sparse.params)


def test_an_optimizer_with_state_is_refused():
    with pytest.raises(ValueError, match="optimizer without state"):
        trained(True, optax.adam(0.1))


def test_real_inputs_are_refused():
    params, sequence = drawn(1)
    real = sequence.replace(inputs=sequence.inputs.astype(float))
    with pytest.raises(ValueError, match="expected integer symbols"):
        gathered(params, real)


def test_a_symbol_without_a_column_has_none_here_either(x64):
    params, sequence = drawn(2)
    symbols = np.array(sequence.inputs)
    symbols[1, 0], symbols[2, 1] = -1, TASK.inputs + 3

    def learned(params, sequence):
        columns, renumbered = gather_columns(params, sequence)
        few = forward_traces(FEW, squared_error)(columns, renumbered)
        updates = jax.tree.map(lambda g: -RATE * g, few.grads)
        return few.loss, add_columns(params, updates, sequence)

    def whole(params, sequence):
        found = forward_traces(NET, squared_error)(params, sequence)
        return found.loss, jax.tree.map(lambda p, g: p - RATE * g, params, found.grads)

    vectors = np.moveaxis(np.asarray(jax.nn.one_hot(symbols, TASK.inputs)), -1, 1)
    found = jax.jit(learned)(params, sequence.replace(inputs=symbols))
    close(found, jax.jit(whole)(params, sequence.replace(inputs=vectors)))
    with pytest.raises(AssertionError):  # control
        close(found[0], jax.jit(learned)(params, sequence)[0])
