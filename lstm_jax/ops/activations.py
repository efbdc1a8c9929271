"""Squashing functions: the logistic f of the 1997 paper, its ranges, and output units."""

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp

from lstm_jax.types import Array

Activation = Callable[[Array], Array]


def logistic(net: Array) -> Array:
    """f(x) = 1 / (1 + exp(-x)), range [0, 1] (equation 3 of the 1997 paper)."""
    return jax.nn.sigmoid(net)


def identity(net: Array) -> Array:
    """The net input itself: a linear unit."""
    return net


def linearised_logistic(net: Array) -> Array:
    """The logistic's tangent at 0, 1/2 + x/4: same value and slope there, no saturation."""
    return 0.5 + net / 4


def clipped_linear(net: Array) -> Array:
    """The identity held within [0, 1]; no error signal passes where it is held."""
    return jnp.clip(net, 0, 1)


@jax.custom_jvp
def logistic_without_slope(net: Array) -> Array:
    """The logistic whose derivative counts as 1: the output error without the factor f'."""
    return jax.nn.sigmoid(net)


@logistic_without_slope.defjvp
def _pass_tangent(primals, tangents):
    return jax.nn.sigmoid(primals[0]), tangents[0]


@lru_cache
def between(low: float, high: float) -> Activation:
    """The logistic stretched to a range: `(high - low) f(x) + low`.

    `between(-2, 2)` is the paper's g (equation 4), `between(-1, 1)` its h (equation 5).

    Example:
      >>> float(between(-2, 2)(0.0))
      0.0
    """
    if not low < high:
        raise ValueError(f"expected a range with low < high, got ({low}, {high})")

    def squash(net: Array) -> Array:
        return (high - low) * jax.nn.sigmoid(net) + low

    return squash


def squash_to(limits: tuple[float, float] | None) -> Activation:
    """`between(*limits)`, or the identity for None."""
    return identity if limits is None else between(*limits)
