"""A rule's loss is a number to look at; its gradient is an array like others, with derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.losses import squared_error
from tests.support.bridge import real
from tests.support.rules import NET, RULES, sequence, weights

REFUSAL = r"a gradient rule's loss was differentiated .* read \.grads of what the rule returns"
every = pytest.mark.parametrize("name", RULES)
# those that go forward loop until the longest lane ends, which a compiled program does not know,
# and JAX has no reverse mode through such a loop
GOING_FORWARD = {"rtrl", "forward_traces"}
EXACT = {"bptt", "rtrl"}  # the others hold activations constant, and JAX's derivative does so too


def scaled(name: str):
    """A rule's loss, and one number made of its gradient, of weights times a number."""
    params, given = jax.tree.map(real, (weights(), sequence()))
    rule = RULES[name](NET, squared_error)

    def found(scale):
        return rule(jax.tree.map(lambda w: scale * w, params), given)

    def of_grads(scale):
        leaves = jax.tree.leaves(found(scale).grads)
        return sum(jnp.sum(jnp.cos(leaf)) for leaf in leaves)

    return lambda scale: found(scale).loss, of_grads


@every
def test_the_loss_has_no_derivative(name):
    loss, _ = scaled(name)
    slope = jax.grad(loss)
    of_many = jax.vmap(slope)
    other_ways = (jax.jacrev(loss), jax.value_and_grad(loss), of_many) if name == "bptt" else ()
    for wrong in (slope, *other_ways):
        with pytest.raises(TypeError, match=REFUSAL) as refusal:
            jax.eval_shape(wrong, jnp.ones(2) if wrong is of_many else 1.0)  # while it is traced
        assert "\n" not in str(refusal.value)
    assert np.isnan(jax.jit(jax.jacfwd(loss))(1.0)) and jnp.isfinite(jax.jit(loss)(1.0))


def test_the_loss_has_no_derivative_eagerly_either():
    loss, _ = scaled("by_definition")
    with pytest.raises(TypeError, match=REFUSAL):
        jax.grad(loss)(1.0)


@every
def test_the_gradient_has_one_forwards_and_backwards(name, x64):
    _, of_grads = scaled(name)

    @jax.jit
    def along(scale):
        return jax.jvp(of_grads, (scale,), (jnp.ones_like(scale),))

    slope = (along(1 + 1e-5)[0] - along(1 - 1e-5)[0]) / 2e-5
    forward = [along(scale)[1] for scale in (1.0, 2.0)]
    if name in EXACT:
        np.testing.assert_allclose(forward[0], slope, rtol=1e-6)
    else:
        assert 1e-6 < abs(forward[0] - slope) < 1e-3
    assert abs(forward[1] - slope) > 1e-4  # control: at other weights it is another
    backward = jax.jacrev(of_grads)
    backward = backward if name in GOING_FORWARD else jax.jit(backward)
    np.testing.assert_allclose(backward(1.0), forward[0], rtol=1e-9)
