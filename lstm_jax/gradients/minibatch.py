"""A batch of sequences that share their weights, beside the lanes: its gradient, its outputs."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from lstm_jax.networks.unroll import predict
from lstm_jax.types import Array, Cell, GradientFn, Key, LossAndGrads, Net, Params, Sequence

# up to so many weights a net, products of all lanes go side by side; larger ones are products
# of matrices, a lane each, up to 30 times faster then
MOST_SIDE_BY_SIDE = 256


def over_batch(gradient: GradientFn) -> GradientFn:
    """The same gradient for batches: the mean over the sequences of a batch.

    The batch has an axis of its own, the last before the lanes: inputs `(time, units, batch,
    *lanes)`, length `(batch, *lanes)`; so every lane has a batch, and weights, of its own.

    Args:
      gradient: of one sequence, in lanes.

    Returns:
      `(params, sequences, keys) -> LossAndGrads`: losses `(batch, *lanes)`, outputs with the
      batch axis, gradients without it.

    Example:
      >>> import jax.numpy as jnp
      >>> from lstm_jax.cells.simple import elman
      >>> from lstm_jax.gradients import bptt
      >>> from lstm_jax.losses import squared_error
      >>> net, x = elman(inputs=2, hidden=1), jnp.ones((6, 2, 5))
      >>> d, mask = jnp.zeros((6, 1, 5)), jnp.ones((6, 5), bool)
      >>> five = Sequence(x, d, d, mask, jnp.full(5, 6))
      >>> found = over_batch(bptt(net, squared_error))(net.init(jax.random.key(0)), five)
      >>> found.loss.shape, found.grads.from_inputs.shape
      ((5,), (1, 2))
    """

    def mean(params: Params, sequence: Sequence, key: Key | None = None, /) -> LossAndGrads:
        if _is_small(params, sequence):
            axis = _batch_axis(sequence)
            losses, outputs, grads = jax.vmap(
                gradient,
                in_axes=(None, axis, None if key is None else axis),
                out_axes=LossAndGrads(axis, axis, 0),  # pyright: ignore[reportArgumentType]
            )(params, sequence, key)
            return LossAndGrads(losses, outputs, jax.tree.map(lambda g: g.mean(0), grads))
        losses, outputs, total = _lane_by_lane(gradient, params, sequence, key)
        number = sequence.length.shape[0]
        return LossAndGrads(losses, outputs, jax.tree.map(lambda g: g / number, total))

    return mean


def predict_batch(net: Cell | Net, params: Params, sequence: Sequence) -> Array:
    """Outputs beside the targets of a batch, `(target_time, outputs, batch, *lanes)`."""
    if _is_small(params, sequence):
        axis = _batch_axis(sequence)
        return jax.vmap(lambda s: predict(net, params, s), in_axes=axis, out_axes=axis)(sequence)
    return _lane_by_lane(partial(predict, net), params, sequence, None)


def _is_small(params: Params, sequence: Sequence) -> bool:
    weights = sum(leaf.size for leaf in jax.tree.leaves(params))
    return weights <= MOST_SIDE_BY_SIDE * math.prod(sequence.length.shape[1:])


def _lane_by_lane(
    function: Callable[..., Any], params: Params, sequence: Sequence, key: Key | None
) -> Any:
    """A function of the three, to which a batch is lanes of one net."""
    in_axes = (-1, -1, None if key is None else -1)
    for _ in sequence.length.shape[1:]:
        function = jax.vmap(function, in_axes=in_axes, out_axes=-1)
    return function(params, sequence, key)


def _batch_axis(sequence: Sequence) -> int:
    """The last before the lanes, of every array of the sequence."""
    return -sequence.length.ndim
