"""A batch is the mean over its sequences, whichever way products go, in any number of lanes."""

import jax
import numpy as np
import pytest

from lstm_jax.cells.lstm import lstm
from lstm_jax.gradients import bptt, minibatch
from lstm_jax.losses import squared_error
from lstm_jax.networks.unroll import predict
from lstm_jax.ops.lanes import over_keys
from lstm_jax.types import Sequence
from tests.library.contracts.noise import weight_noise

CELL, BATCH, STEPS = lstm(2, 3), 4, 5
RULE = weight_noise(bptt, 0.1)  # one that draws, from a key a sequence


def asked(lanes):
    """Parameters, sequences of several lengths and keys, the batch before the lanes."""
    rng = np.random.default_rng(0)
    keys = jax.random.split(jax.random.key(0), (BATCH, *lanes))
    params = jax.jit(lambda keys: over_keys(CELL.init, keys))(keys[0])
    shape = BATCH, *lanes
    inputs, targets = (rng.normal(size=(STEPS, n, *shape)) for n in (2, 3))
    length = rng.integers(1, STEPS + 1, size=shape)
    mask = rng.random((STEPS, *shape)) < 0.7
    return params, Sequence(inputs, targets, targets, mask, length), keys


def one_of(tree, *place):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[..., *place], tree)


alone = jax.jit(RULE(CELL, squared_error))
read = jax.jit(lambda params, sequence: predict(CELL, params, sequence))


@pytest.mark.parametrize("lanes", [(), (2, 3)], ids=str)
@pytest.mark.parametrize("most", [0, 10**9], ids=["lane by lane", "side by side"])
def test_it_is_the_mean_over_the_sequences(monkeypatch, most, lanes, x64):
    monkeypatch.setattr(minibatch, "MOST_SIDE_BY_SIDE", most)
    params, sequences, keys = asked(lanes)
    rule = RULE(CELL, squared_error)
    found = jax.jit(minibatch.over_batch(rule))(params, sequences, keys)
    outputs = jax.jit(lambda p, s: minibatch.predict_batch(CELL, p, s))(params, sequences)
    for place in [*np.ndindex(lanes)][:3]:
        ours = one_of(params, *place)
        several = [(one_of(sequences, b, *place), keys[b, *place]) for b in range(BATCH)]
        each = [alone(ours, *one) for one in several]
        mean = jax.tree.map(lambda *g: sum(g) / BATCH, *[one.grads for one in each])
        for a, b in zip(jax.tree.leaves(found.grads), jax.tree.leaves(mean), strict=True):
            np.testing.assert_allclose(a[..., *place], b, rtol=1e-10, atol=1e-12)
        for b, (one, (sequence, _)) in enumerate(zip(each, several, strict=True)):
            np.testing.assert_allclose(found.loss[b, *place], one.loss, rtol=1e-12)
            np.testing.assert_allclose(outputs[..., b, *place], read(ours, sequence), rtol=1e-12)
        with pytest.raises(AssertionError):  # control: sequences of one batch differ
            np.testing.assert_allclose(found.loss[0, *place], each[1].loss, rtol=1e-3)
