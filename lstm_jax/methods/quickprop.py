"""Quickprop: every weight jumps to the minimum of a parabola of its own.

Fahlman, An empirical study of learning speed in back-propagation networks, Carnegie
Mellon CMU-CS-88-162, 1988; as it is used in his cascade-correlation programs (1990).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from lstm_jax.types import Array


class QuickpropState(NamedTuple):
    """What quickprop remembers of its last step.

    Attributes:
      step: how far each weight went; shaped like the parameters.
      slope: the slope that it went by, decay included; shaped like the parameters.
    """

    step: Any
    slope: Any


def quickprop(
    epsilon: float | Array, *, mu: float | Array = 2.0, decay: float | Array = 0.0
) -> optax.GradientTransformation:
    """Quickprop for batch gradients, as an optax transformation.

    With S the slope dE/dw + decay w of a weight, and d its last step, the next one is
    d S(t) / (S(t-1) - S(t)), the minimum of the parabola through both slopes, but at most
    mu d in the old direction; and -epsilon S(t) besides, if the last step was 0 or still
    leads downhill. It minimises; slopes should be sums over the whole training set.

    Decision: the three cases are those of Fahlman's programs. The report of 1988 tells
    them in words, and can be read otherwise where the slope keeps its sign and grows.

    Args:
      epsilon: rate of the gradient part.
      mu: greatest growth from one step to the next; 1.75 to 2.25 are usual.
      decay: weight decay, added to the slope as `decay * w`.

    Every number may be an array that goes with the parameters, `(*lanes)` say. Slopes
    that are 0 leave a weight of 0 where it is, and remember nothing.

    Raises:
      ValueError: by `update`, if it is not given the parameters.

    Example: from E = w^2, whose minimum it finds in the second step.
      >>> w, rule = jnp.array(1.0), quickprop(0.25)
      >>> state = rule.init(w)
      >>> for _ in range(2):
      ...     step, state = rule.update(2 * w, state, w)
      ...     w = w + step
      ...     print(float(w))
      0.5
      -0.25
    """

    def init(params: Any) -> QuickpropState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return QuickpropState(zeros, zeros)

    def update(grads: Any, state: QuickpropState, params: Any = None):
        if params is None:
            raise ValueError(
                "quickprop needs the parameters, for their decay: write "
                "update(grads, state, params)"
            )

        def step(slope: Array, slope_tm1: Array, step_tm1: Array) -> Array:
            return _step(epsilon, mu, slope, slope_tm1, step_tm1)

        slopes = jax.tree.map(lambda g, w: g + decay * w, grads, params)
        steps = jax.tree.map(step, slopes, state.slope, state.step)
        return steps, QuickpropState(steps, slopes)

    return optax.GradientTransformation(init, update)  # pyright: ignore[reportArgumentType]


def _step(epsilon, mu, slope: Array, slope_tm1: Array, step_tm1: Array) -> Array:
    way = jnp.sign(step_tm1)
    downhill = (way == 0) | (way * slope < 0)
    # by the parabola mu d or more, or no minimum ahead: in both cases the longest step
    far = way * (slope - mu / (1 + mu) * slope_tm1) <= 0
    minimum = step_tm1 * slope / jnp.where(far, 1, slope_tm1 - slope)
    return jnp.where(far, mu * step_tm1, minimum) - jnp.where(downhill, epsilon * slope, 0)
