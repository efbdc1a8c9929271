"""Error flow in conventional recurrent nets: why it vanishes (Section 3.1 of 1997).

For net(t) = W y(t-1) + ..., y(t) = f(net(t)) and error signals theta(t) = -dE/dnet(t),
theta(t-1) = F'(t-1) W^T theta(t) with F' the diagonal matrix of f'(net): error is scaled
at every step, so over many steps it vanishes or blows up.

Here `weights[i, j]` is w_ij, from unit j to unit i, and `slopes[m-1, i]` is
f'_i(net_i(t-m)), the most recent step first.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from lstm_jax.ops.xla import precision_of_products
from lstm_jax.types import Array

MOST_PATHS = 10**6


def error_flow(weights: Array, slopes: Array) -> Array:
    """How error flows: d theta(t-q)/d theta(t) = F'(t-q) W^T ... F'(t-1) W^T, for each lag.

    Equation 1 of the 1997 paper (the recursion) for all pairs of units at once.

    Args:
      weights: `(n, n)`.
      slopes: `(q, n)`.

    Returns:
      `(q, n, n)`, [m-1, v, u] is d theta_v(t-m)/d theta_u(t).

    Example:
      >>> error_flow(jnp.array([[2.0]]), jnp.full((4, 1), 0.25)).ravel().tolist()
      [0.5, 0.25, 0.125, 0.0625]
    """
    steps = slopes[:, :, None] * weights.T[None]
    precision = precision_of_products()
    return lax.associative_scan(
        lambda recent, older: jnp.matmul(older, recent, precision=precision), steps
    )


def path_products(weights: Array, slopes: Array, u: int, v: int) -> Array:
    """The product of f' w along each of the n^(q-1) paths from unit u at t to v at t-q.

    prod_{m=1..q} f'_{l_m}(net_{l_m}(t-m)) w_{l_{m-1} l_m}, with l_0 = u and l_q = v:
    the terms of equation 2 of the 1997 paper, equation 21 of the tutorial. (Both write
    the indices of w the other way round; this order is that of their recursions.)

    Args:
      weights: `(n, n)`.
      slopes: `(q, n)`.
      u: where the error enters.
      v: where it leaves.

    Returns:
      `(n^(q-1),)`.

    Example:
      >>> path_products(jnp.eye(2), jnp.ones((3, 2)), 0, 0).tolist()
      [1.0, 0.0, 0.0, 0.0]
    """
    lag, units = slopes.shape
    if units ** (lag - 1) > MOST_PATHS:
        raise ValueError(
            f"{units} units and lag {lag} make {units ** (lag - 1)} paths; "
            f"at most {MOST_PATHS} are listed, use error_flow for their sum"
        )
    between = np.indices((units,) * (lag - 1)).reshape(lag - 1, units ** (lag - 1))
    l = np.pad(between, ((1, 1), (0, 0)), constant_values=((u, v), (0, 0)))  # noqa: E741
    steps = np.arange(lag)[:, None]
    return jnp.prod(slopes[steps, l[1:]] * weights[l[:-1], l[1:]], axis=0)


def vanishing_factor(weights: Array, slopes: Array, u: int, v: int) -> Array:
    """What scales an error from u to v: the sum over all paths; arguments of `path_products`.

    d theta_v(t-q)/d theta_u(t), equation 2 of the 1997 paper written out; `error_flow` has
    the same number at [-1, v, u].

    Example:
      >>> float(vanishing_factor(jnp.ones((2, 2)), jnp.full((3, 2), 0.25), u=0, v=1))
      0.0625
    """
    return path_products(weights, slopes, u, v).sum()


def vanishing_bound(weights: Array, lag: Array | int, steepest: Array | float = 0.25) -> Array:
    """`|d theta_v(t-q)/d theta_u(t)| <= n (f'_max ||W||)^q`, for all u and v.

    Section 3.1 of the 1997 paper, in its norm `||W|| = max_r sum_s |w_rs|`.

    Args:
      weights: `(n, n)`.
      lag: q.
      steepest: f'_max, the largest slope; 0.25 is that of the logistic.

    Returns:
      Shaped like `lag`.

    Example:
      >>> float(vanishing_bound(jnp.ones((2, 2)), lag=3))
      0.25
    """
    norm = jnp.abs(weights).sum(axis=1).max()
    return len(weights) * (steepest * norm) ** jnp.asarray(lag, float)


def vanishing_bound_by_largest(units: int, largest: Array | float, lag: Array | int) -> Array:
    """`|d theta_v(t-q)/d theta_u(t)| <= n tau^q`, `tau = n w_max / 4`, for logistic units.

    Exponential decay when every `|w| <= w_max < 4/n` (Section 3.1 of the 1997 paper).

    Args:
      units: n.
      largest: w_max, the largest absolute weight.
      lag: q.

    Example:
      >>> float(vanishing_bound_by_largest(units=2, largest=1.0, lag=3))
      0.25
    """
    return units * (units * jnp.asarray(largest, float) / 4.0) ** jnp.asarray(lag, float)
