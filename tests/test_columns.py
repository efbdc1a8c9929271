"""Learning from the columns that occur equals learning from the whole table."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.cells.memory_block import memory_block
from lstm_jax.columns import add_occurring, occurring
from lstm_jax.gradients import truncated
from lstm_jax.gradients.bptt import bptt
from lstm_jax.losses import squared_error
from lstm_jax.stopping import streak, within
from lstm_jax.tasks import random_lag
from lstm_jax.topology import Topology
from lstm_jax.training import Experiment, make_trial
from lstm_jax.types import Sequence
from lstm_jax.wiring import readout

RATE = 0.5
TASK = random_lag(6, 5, most_extra=4)
NET = readout(memory_block(Topology(TASK.inputs, (1, 2))), 2)
RULES = {"online": truncated.online, "definition": truncated.definition, "bptt": bptt}


def drawn(lanes: int):
    """Parameters and sequences in lanes; with 6 distractors some symbols occur twice."""
    keys = jax.random.split(jax.random.key(3), lanes)
    params = jax.vmap(NET.init, out_axes=-1)(keys)
    return params, jax.vmap(TASK.sample, out_axes=-1)(keys)


def moved(params, grads):
    return jax.tree.map(lambda g: -RATE * g, grads)


def close(left, right) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12), left, right)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("lanes", [1, 3])
def test_columns_that_occur_learn_as_in_the_whole_table(rule, lanes, x64):
    params, sequence = drawn(lanes)
    learn = jax.jit(RULES[rule](NET, squared_error))
    whole = learn(params, sequence)
    columns, renumbered = occurring(params, sequence)
    few = learn(columns, renumbered)
    close(whole.loss, few.loss)
    changed = add_occurring(params, moved(columns, few.grads), sequence)
    close(jax.tree.map(jnp.add, params, moved(params, whole.grads)), changed)


def test_control_a_column_lost_is_noticed(x64):
    params, sequence = drawn(3)
    learn = RULES["online"](NET, squared_error)
    columns, renumbered = occurring(params, sequence)
    updates = moved(columns, learn(columns, renumbered).grads)
    forgotten = sequence._replace(length=sequence.length - 2)
    changed = add_occurring(params, updates, sequence)
    with pytest.raises(AssertionError):
        close(changed, add_occurring(params, updates, forgotten))


def test_without_lanes(x64):
    params, sequence = NET.init(jax.random.key(0)), TASK.sample(jax.random.key(1))
    columns, renumbered = occurring(params, sequence)
    assert columns.cell.from_inputs.shape == (7, TASK.steps)
    learn = RULES["online"](NET, squared_error)
    close(learn(params, sequence).loss, learn(columns, renumbered).loss)


def trained(sparse: bool, optimizer=None):
    trial = make_trial(
        lambda _: Experiment(
            NET,
            TASK,
            truncated.online,
            squared_error,
            optimizer or optax.sgd(RATE),
            within(0.2),
            streak(1000),
            cap=50,
            test=0,
            sparse=sparse,
        )
    )
    keys = jax.random.split(jax.random.key(5), 2)
    state = jax.vmap(trial.init, in_axes=(0, None), out_axes=-1)(keys, None)
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
    real = Sequence(*sequence)._replace(inputs=sequence.inputs.astype(float))
    with pytest.raises(ValueError, match="expected integer symbols"):
        occurring(params, real)
