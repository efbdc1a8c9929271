"""Feed-forward nets: the contract, the error signals by hand, XOR by two layers and not by one."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lstm_jax.conformance import check_net
from lstm_jax.networks.feedforward import error_signals, feed_forward
from lstm_jax.ops.activations import identity
from tests.support.bridge import KEY, numbers

CORNERS = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
GATES = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NAND": [1, 1, 1, 0], "XOR": [0, 1, 1, 0]}


def test_it_keeps_its_contract():
    check_net(feed_forward(2, 3, 1, output_activation=identity), steps=3)
    check_net(feed_forward(2, 1, bias=False), steps=3)


def error(net, params, x, target):
    y = net.apply(params, x[None], jnp.array(1))[0]
    return 0.5 * jnp.sum((target - y) ** 2)


@pytest.mark.parametrize("sizes", [(3, 2), (3, 4, 2), (2, 3, 3, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_error_signals_by_hand_are_those_of_jax(sizes, bias, x64):
    net = feed_forward(*sizes, bias=bias, init_scale=1.0)

    @jax.jit
    def signals(x, target):
        params = net.init(KEY)
        by_jax = jax.grad(lambda p: error(net, p, x, target))(params)
        return by_jax, error_signals(params, x, target), error_signals(params, x, target + 1)

    x, target = np.random.default_rng(0).normal(size=sizes[:1]), np.linspace(0.0, 1.0, sizes[-1])
    expected, found, other = numbers(signals(x, target))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), found, expected)
    assert np.abs(other[0].weights - found[0].weights).max() > 1e-3  # control


@partial(jax.jit, static_argnums=0)
@partial(jax.vmap, in_axes=(None, None, 0))
def trained(sizes, targets, key):
    """Outputs at the corners after epochs of gradient descent by hand-derived error signals."""
    net, epochs = feed_forward(*sizes, init_scale=1.0), 4000
    wanted = targets[:, None]

    def epoch(_, params):
        grads = jax.vmap(lambda x, d: error_signals(params, x, d))(CORNERS, wanted)
        return jax.tree.map(lambda w, g: w - 2.0 * g.sum(0), params, grads)

    params = lax.fori_loop(0, epochs, epoch, net.init(key))
    return net.apply(params, CORNERS, jnp.array(4))[:, 0]


@pytest.mark.parametrize("gate", GATES)
def test_one_layer_separates_what_is_separable_and_two_layers_xor(gate):
    wanted = np.array(GATES[gate], bool)
    keys = jax.random.split(KEY, 8)

    def solved_by(*sizes):
        outputs = np.asarray(trained(sizes, wanted.astype(np.float32), keys))
        return ((outputs > 0.5) == wanted).all(axis=1)

    solved = solved_by(2, 1)
    assert not solved.any() if gate == "XOR" else solved.all()
    if gate == "XOR":
        assert solved_by(2, 4, 1).all()


@pytest.mark.parametrize("sizes", [(), (2,), (2, 0)])
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(ValueError, match="sizes: expected inputs and outputs") as refused:
        feed_forward(*sizes)
    assert "\n" not in str(refused.value)
