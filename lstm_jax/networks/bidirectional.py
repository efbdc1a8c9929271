"""Two cells, one of which reads the sequence from its end (Schuster and Paliwal 1997)."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.networks.unroll import Remat
from lstm_jax.networks.unroll import unroll as run_through
from lstm_jax.types import Array, Cell, Key, Net, Params


class Both(NamedTuple):
    """Something of the cell that reads forwards, and of the one that reads backwards."""

    forwards: Params
    backwards: Params


def bidirectional(
    forwards: Cell, backwards: Cell, *, unroll: int = 1, remat: Remat = None
) -> Net[Both]:
    """A net of two cells; the outputs of both stand one after the other at every step.

    The second cell begins at each sequence's own last step, whatever the padding. The whole
    sequence is needed for any output, so that no rule that goes step by step can take it:
    it learns by `bptt`.

    Args:
      forwards: reads from the first step on.
      backwards: reads from the last living step on.
      unroll, remat: as in `networks.unroll.unroll`.

    Raises:
      ValueError: cells with different numbers of inputs.

    Example:
      >>> from lstm_jax.cells.lstm import lstm
      >>> net = bidirectional(lstm(3, 4), lstm(3, 4))
      >>> net.apply(net.init(jax.random.key(0)), jnp.ones((5, 3)), jnp.array(5), None).shape
      (5, 8)
    """
    if forwards.inputs != backwards.inputs:
        raise ValueError(
            f"bidirectional: expected cells with the same number of inputs, got {forwards.inputs} "
            f"and {backwards.inputs}"
        )

    def init(key: Key) -> Both:
        one, other = jax.random.split(key)
        return Both(forwards.init(one), backwards.init(other))

    def apply(params: Both, inputs: Array, length: Array, key: Key | None = None, /) -> Array:
        how = {"length": length, "unroll": unroll, "remat": remat}
        return unroll_both(forwards, backwards, params, inputs, **how)[1]

    return Net(init, apply, forwards.inputs, forwards.outputs + backwards.outputs)


def unroll_both(
    forwards: Cell,
    backwards: Cell,
    params: Both,
    inputs: Array,
    states: Both | None = None,
    length: Array | None = None,
    *,
    unroll: int = 1,
    remat: Remat = None,
) -> tuple[Both, Array]:
    """Run two cells over a sequence, one in each direction.

    Args:
      forwards: reads from the first step on.
      backwards: reads from the last living step on.
      params: of both.
      inputs: `(time, inputs, *lanes)`, or `(time, *lanes)` symbols.
      states: where each begins; None for zeros.
      length: `(*lanes)` living steps; None if all live.
      unroll, remat: as in `networks.unroll.unroll`.

    Returns:
      States after the last step of each (the second: after step 0), and outputs
      `(time, outputs of both, *lanes)`, zero behind the end.
    """
    one, other = states or Both(None, None)
    run = partial(run_through, length=length, unroll=unroll, remat=remat)
    after, ahead = run(forwards, params.forwards, inputs, one)
    before, back = run(backwards, params.backwards, reverse(inputs, length), other)
    return Both(after, before), jnp.concatenate([ahead, reverse(back, length)], axis=1)


def reverse(values: Array, length: Array | None = None) -> Array:
    """Living steps turned around, padding left where it is.

    Args:
      values: `(time, ..., *lanes)`.
      length: `(*lanes)` living steps; None to turn all of them.

    Example:
      >>> reverse(jnp.array([1, 2, 3, 0]), jnp.array(3)).tolist()
      [3, 2, 1, 0]
    """
    if length is None:
        return jnp.flip(values, axis=0)
    ends = jnp.clip(jnp.asarray(length, jnp.int32), 0, len(values))
    ends = ends.reshape((1,) * (values.ndim - ends.ndim) + ends.shape)
    time = jnp.arange(len(values), dtype=jnp.int32).reshape(-1, *[1] * (values.ndim - 1))
    at = jnp.where(time < ends, ends - 1 - time, time)
    return jnp.take_along_axis(values, jnp.broadcast_to(at, values.shape), axis=0)
