"""The tutorial's hybrid rule is the truncated gradient, per weight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.analysis import weight_count
from lstm_jax.cells.memory_block import memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import bptt, by_definition, forward_traces, parallel_scan
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.types import Sequence
from tests.reference import hybrid_rule

BLOCKS, INPUTS, OUTPUTS, STEPS = (2, 1), 3, 2, 9
TOPOLOGY = Topology(INPUTS, BLOCKS, forget_gates=True)
NET = readout(memory_block(TOPOLOGY), OUTPUTS)


def given():
    """Parameters, inputs and targets, large enough for gates to matter."""
    params = jax.tree.map(lambda leaf: 12 * leaf, NET.init(jax.random.key(0)))
    inputs = jax.random.normal(jax.random.key(1), (STEPS, INPUTS))
    targets = jax.random.uniform(jax.random.key(2), (STEPS, OUTPUTS))
    return params, Sequence(inputs, targets, targets, jnp.ones(STEPS, bool), jnp.array(STEPS))


def flat(grads):
    """Per weight: hidden layer with its bias, output units with theirs."""
    cell = grads.cell
    hidden = np.concatenate([cell.from_inputs, cell.from_hidden, cell.bias[:, None]], axis=1)
    return hidden, np.concatenate([grads.from_cell, grads.bias[:, None]], axis=1)


@pytest.mark.parametrize(
    "rule", [by_definition, parallel_scan, forward_traces], ids=lambda r: r.name
)
def test_it_is_the_truncated_gradient(rule, x64):
    params, sequence = given()
    found = flat(jax.jit(lambda p: rule(NET, squared_error)(p, sequence).grads)(params))
    cell = params.cell
    expected = hybrid_rule.gradients(
        BLOCKS,
        np.concatenate([cell.from_inputs, cell.from_hidden], axis=1),
        np.asarray(cell.bias),
        np.asarray(params.from_cell),
        np.asarray(params.bias),
        np.asarray(sequence.inputs),
        np.asarray(sequence.targets),
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)
    full = flat(bptt(NET, squared_error)(params, sequence).grads)
    assert np.abs(full[0] - expected[0]).max() > 1e-4  # control: it is not the full gradient


@pytest.mark.parametrize("blocks", [(1,), (2, 1), (3, 3)])
@pytest.mark.parametrize("forget_gates", [False, True])
def test_weights_are_those_of_the_tutorial(blocks, forget_gates):
    """Every unit of the hidden layer sees inputs, all of the layer, and its bias."""
    topology = Topology(INPUTS, blocks, forget_gates=forget_gates)
    net = readout(memory_block(topology), OUTPUTS)
    cells, gates = sum(blocks), len(blocks) * (3 if forget_gates else 2)
    into_hidden = (cells + gates) * (INPUTS + cells + gates + 1)
    into_outputs = OUTPUTS * (cells + 1)
    assert weight_count(net) == into_hidden + into_outputs
