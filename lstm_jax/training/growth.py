"""Sequential construction: when a net gets its next unit, evaluated on the device.

Section 4 of the 1997 paper, solution (1) of the abuse problem: a memory cell and its
gates are added when the error has stopped decreasing. Shapes stay: what grows is a
number in the settings of a trial, which says how many blocks are present
(`memory_block(..., present=...)`), or any other setting.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from lstm_jax.ops.lanes import tree_where
from lstm_jax.ops.running_sum import RunningSum
from lstm_jax.training.judging import Judgement
from lstm_jax.types import Array


class Growth(NamedTuple):
    """When the settings of a trial change, and into what.

    Attributes:
      init: `() -> state` without lanes.
      update: `(state, settings, judgement, active) -> (state, settings)` after every
        training sequence. Lanes that are not active keep both.
    """

    init: Callable[[], Any]
    update: Callable[[Any, Any, Judgement, Array], tuple[Any, Any]]


class Slope(NamedTuple):
    """Mean errors of successive stretches of training; every field `(*lanes)`.

    Attributes:
      seen: sequences of the present stretch.
      total: their errors, summed.
      before: mean error of the stretch before; infinite before the second.
      times: how often the net has grown.
    """

    seen: Array
    total: RunningSum
    before: Array
    times: Array


def when_slow(
    grow: Callable[[Any], Any], *, window: int = 100, ratio: float = 0.99, most: int = 1
) -> Growth:
    """Grow when the error has stopped decreasing.

    That is when the mean absolute error of `window` training sequences is more than
    `ratio` of that of the `window` before; it is seen to after every `window`. After a
    growth the comparison begins anew. Decision: the paper does not say how it saw that
    the error had stopped decreasing.

    Args:
      grow: `settings -> settings`, lane by lane.
      window: sequences of a stretch.
      ratio: what the mean error must fall to, of that before, for the net to stay.
      most: how often the net may grow.

    Raises:
      ValueError: window or most below 1, or a ratio that is not above 0.

    Example:
      >>> growth = when_slow(lambda cells: cells + 1, window=1)
      >>> state, cells = growth.init(), jnp.array(0)
      >>> for error in (0.5, 0.4, 0.399):
      ...     judgement = Judgement(jnp.array(True), jnp.array(error), jnp.array(error))
      ...     state, cells = growth.update(state, cells, judgement, jnp.array(True))
      ...     print(int(cells), end=" ")
      0 0 1
    """
    if window < 1 or most < 1 or not ratio > 0:
        raise ValueError(
            f"expected window >= 1, most >= 1 and ratio > 0, got {window}, {most} and {ratio}"
        )

    def init() -> Slope:
        none = jnp.zeros((), jnp.int32)
        return Slope(none, RunningSum.zeros(()), jnp.full((), jnp.inf), none)

    def update(state: Slope, settings: Any, new: Judgement, active: Array):
        seen, total = state.seen + 1, state.total.add(new.error)
        over, mean = seen == window, total.value / window
        grows = over & (mean > ratio * state.before) & (state.times < most)
        before = jnp.where(over, jnp.where(grows, jnp.inf, mean), state.before)
        none = jnp.zeros_like(seen), RunningSum.zeros(seen.shape)
        seen, total = tree_where(over, none, (seen, total))
        after = Slope(seen, total, before, state.times + grows.astype(jnp.int32))
        settings = tree_where(active & grows, grow(settings), settings)
        return tree_where(active, after, state), settings

    return Growth(init, update)
