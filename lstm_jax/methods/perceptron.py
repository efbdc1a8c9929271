"""One unit that learns: the perceptron rule and the delta rule (Understanding LSTM, Section 3).

  s = w x + b,  y = 1 if s > 0 else -1     a threshold unit
  perceptron rule:  w += rate (d - y) x    changes where the answer is wrong (Rosenblatt 1958)
  delta rule:       w += rate (d - s) x    the gradient of 1/2 (d - s)^2 (Widrow and Hoff 1960)

The perceptron rule ends after finitely many changes wherever a line separates the classes, and
never where none does (XOR). The delta rule reaches the least-squares fit in either case.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.types import Array


class Unit(NamedTuple):
    """A unit with one output.

    Attributes:
      weights: `(inputs,)`.
      bias: `()`.
    """

    weights: Array
    bias: Array


class Taught(NamedTuple):
    """What came of `teach`.

    Attributes:
      unit: as it is at the end.
      solved: `()` bool, whether it is right about all examples.
      epochs: `()` int32, how often it went through them.
      changes: `()` int32, at how many examples it was wrong on the way.
    """

    unit: Unit
    solved: Array
    epochs: Array
    changes: Array


Rule = Callable[[Unit, Array, Array, float], Unit]


def net_input(unit: Unit, x: Array) -> Array:
    """The net input s `()` of one example `(inputs,)`."""
    return jnp.sum(unit.weights * x) + unit.bias


def threshold(net: Array) -> Array:
    """1 above 0, -1 elsewhere.

    Example:
      >>> threshold(jnp.array([-2.0, 0.0, 3.0])).tolist()
      [-1.0, -1.0, 1.0]
    """
    return jnp.where(net > 0, 1, -1).astype(net.dtype)


def perceptron_rule(unit: Unit, x: Array, target: Array, rate: float) -> Unit:
    """The unit after one example; it changes only where its answer is wrong.

    Args:
      unit: as it is.
      x: `(inputs,)`.
      target: `()`, d: 1 or -1.
      rate: above 0.
    """
    return _moved(unit, x, rate * (target - threshold(net_input(unit, x))))


def delta_rule(unit: Unit, x: Array, target: Array, rate: float) -> Unit:
    """The unit after one example, a step down the gradient of 1/2 (d - s)^2.

    Args:
      unit: as it is.
      x: `(inputs,)`.
      target: `()`, d: any number.
      rate: above 0; it diverges where this is too large for the inputs.
    """
    return _moved(unit, x, rate * (target - net_input(unit, x)))


def _moved(unit: Unit, x: Array, by: Array) -> Unit:
    return Unit(unit.weights + by * x, unit.bias + by)


def teach(
    rule: Rule, unit: Unit, xs: Array, targets: Array, *, rate: float = 1.0, most_epochs: int = 1000
) -> Taught:
    """Go through examples in order, epoch after epoch, until all answers are right.

    Args:
      rule: `perceptron_rule` or `delta_rule`.
      unit: where to begin.
      xs: `(examples, inputs)`.
      targets: `(examples,)`, 1 or -1.
      rate: of the rule.
      most_epochs: after which it ends unsolved.

    Raises:
      ValueError: shapes that do not fit.

    Example: AND is learnt, XOR is not.
      >>> corners = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
      >>> begin = Unit(jnp.zeros(2), jnp.zeros(()))
      >>> bool(teach(perceptron_rule, begin, corners, jnp.array([-1.0, -1, -1, 1])).solved)
      True
      >>> bool(teach(perceptron_rule, begin, corners, jnp.array([-1.0, 1, 1, -1])).solved)
      False
    """
    if xs.ndim != 2 or targets.shape != xs.shape[:1] or unit.weights.shape != xs.shape[1:]:
        raise ValueError(
            "expected examples (examples, inputs), targets (examples,) and weights (inputs,), got "
            f"{xs.shape}, {targets.shape} and {unit.weights.shape}"
        )

    def wrong(unit: Unit) -> Array:
        answers = jax.vmap(lambda x: threshold(net_input(unit, x)))(xs)
        return jnp.sum(answers != targets, dtype=jnp.int32)

    def example(carry: tuple[Unit, Array], at: tuple[Array, Array]):
        unit, changes = carry
        x, target = at
        missed = threshold(net_input(unit, x)) != target
        return (rule(unit, x, target, rate), changes + missed.astype(jnp.int32)), None

    def epoch(carry: tuple[Unit, Array, Array]) -> tuple[Unit, Array, Array]:
        unit, epochs, changes = carry
        (unit, changes), _ = lax.scan(example, (unit, changes), (xs, targets))
        return unit, epochs + 1, changes

    def going(carry: tuple[Unit, Array, Array]) -> Array:
        return (wrong(carry[0]) > 0) & (carry[1] < most_epochs)

    none = jnp.zeros((), jnp.int32)
    unit, epochs, changes = lax.while_loop(going, epoch, (unit, none, none))
    return Taught(unit, wrong(unit) == 0, epochs, changes)
