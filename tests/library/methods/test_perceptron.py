"""One unit: what a line separates it learns in finitely many changes, XOR never."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import lax

from lstm_jax.methods.perceptron import Unit, delta_rule, perceptron_rule, teach
from tests.support.bridge import KEY

CORNERS = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
GATES = {"AND": [-1, -1, -1, 1], "OR": [-1, 1, 1, 1], "NAND": [1, 1, 1, -1], "NOR": [1, -1, -1, -1]}
XOR = jnp.array([-1.0, 1.0, 1.0, -1.0])
numbers = st.floats(-10, 10, width=32)


@jax.jit
def taught(weights, bias, targets):
    return teach(perceptron_rule, Unit(weights, bias), CORNERS, targets)


@given(st.sampled_from(sorted(GATES)), numbers, numbers, numbers)
def test_what_a_line_separates_is_learnt_from_anywhere(gate, one, other, bias):
    found = taught(jnp.array([one, other]), jnp.array(bias), jnp.array(GATES[gate], float))
    assert found.solved
    # every change is at a wrong answer, and an epoch without one is the last
    assert found.changes >= found.epochs - 1


@given(numbers, numbers, numbers)
def test_xor_is_never_learnt(one, other, bias):
    found = taught(jnp.array([one, other]), jnp.array(bias), XOR)
    assert not found.solved and found.epochs == 1000
    assert found.changes >= 1000  # wrong in every epoch


def fitted(xs, targets, x64_steps: int):
    """The unit after many small steps of the delta rule."""

    def epoch(_, unit):
        def example(unit, at):
            return delta_rule(unit, at[0], at[1], 0.002), None

        return lax.scan(example, unit, (xs, targets))[0]

    return lax.fori_loop(0, x64_steps, epoch, Unit(jnp.zeros(2), jnp.zeros(())))


@pytest.mark.parametrize("separable", [True, False])
def test_the_delta_rule_reaches_the_least_squares_fit(separable, x64):
    xs = jax.random.normal(KEY, (20, 2))
    targets = jnp.sign(xs[:, 0]) if separable else jnp.sign(xs[:, 0] * xs[:, 1])
    unit = jax.jit(fitted, static_argnums=2)(xs, targets, 5000)
    wide = np.concatenate([xs, np.ones((20, 1))], axis=1)
    expected = np.linalg.lstsq(wide, np.asarray(targets), rcond=None)[0]
    np.testing.assert_allclose([*unit.weights, unit.bias], expected, atol=5e-3)
    assert float(np.abs(expected).max()) > 0.05  # control: it is not where it began


def test_the_delta_rule_is_the_gradient(x64):
    unit, x, target = Unit(jnp.array([0.3, -0.2]), jnp.array(0.1)), jnp.array([1.0, 2.0]), 1.0
    after = delta_rule(unit, x, jnp.array(target), 0.5)

    def error(unit):
        return 0.5 * (target - jnp.sum(unit.weights * x) - unit.bias) ** 2

    expected = jax.tree.map(lambda w, g: w - 0.5 * g, unit, jax.grad(error)(unit))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), after, expected)


def test_shapes_that_do_not_fit_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"got \(4, 2\), \(3,\) and \(2,\)") as refused:
        teach(perceptron_rule, Unit(jnp.zeros(2), jnp.zeros(())), CORNERS, jnp.ones(3))
    assert "\n" not in str(refused.value)
