"""Inside a program a symbol that there is not means what its one-hot vector is: zeros."""

from functools import lru_cache

import jax
import numpy as np
import pytest

from lstm_jax.cells.memory_block import Initialization, memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from tests.support.bridge import KEY, assert_close, side_by_side
from tests.support.rules import OUTPUTS, RULES, STEPS, all_rules, sequence

FEW, MANY = 3, 20
SOME = ("bptt", "forward_traces")


@lru_cache
def net(symbols: int):
    return readout(memory_block(Topology(symbols, (1,)), Initialization(scale=1.0)), OUTPUTS)


def asked(count: int, lanes: int | None):
    """Weights, and symbols of which every third is out of range."""
    drawn = np.random.default_rng(count).integers(0, count, (STEPS, *([lanes] if lanes else [])))
    drawn[::3], drawn[1] = -1, count
    given = sequence() if lanes is None else side_by_side(*(sequence(seed=i) for i in range(lanes)))
    keys = jax.random.split(KEY, lanes or 1)
    params = [jax.tree.map(np.asarray, net(count).init(key)) for key in keys]
    return side_by_side(*params) if lanes else params[0], given, drawn.astype(np.int32)


@pytest.mark.parametrize(
    ("count", "lanes", "names"),
    [(FEW, None, tuple(RULES)), (FEW, 2, SOME), (MANY, 2, SOME), (MANY, None, SOME)],
)
def test_a_symbol_out_of_range_is_a_vector_of_zeros(count, lanes, names):
    params, given, symbols = asked(count, lanes)
    vectors = np.moveaxis(np.asarray(jax.nn.one_hot(symbols, count)), -1, 1)
    learn = all_rules(net(count), names)
    found = learn(params, given.replace(inputs=symbols))
    expected = learn(params, given.replace(inputs=vectors))
    inside = learn(params, given.replace(inputs=np.clip(symbols, 0, count - 1)))
    for rule in names:
        assert_close(found[rule], expected[rule], 1e-6)
        with pytest.raises(AssertionError):  # control: the nearest symbol
            assert_close(found[rule], inside[rule], 1e-6)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_where_it_is_seen_it_is_refused(rule):
    params, given, symbols = asked(FEW, None)
    learn = rule(net(FEW), squared_error)
    with pytest.raises(ValueError, match=r"inputs: expected values from 0 to 2, 3 symbols, got -1"):
        learn(params, given.replace(inputs=symbols))
    jax.eval_shape(learn, params, given.replace(inputs=np.abs(symbols) % FEW))  # control
