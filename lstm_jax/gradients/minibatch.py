"""A batch of sequences that share their weights, beside the lanes: its gradient, its outputs."""

import jax

from lstm_jax.networks.unroll import predict
from lstm_jax.types import Array, Cell, GradientFn, Key, LossAndGrads, Net, Params, Sequence


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
        axis = _batch_axis(sequence)
        of_key = None if key is None else axis
        losses, outputs, grads = jax.vmap(
            gradient,
            in_axes=(None, axis, of_key),
            out_axes=LossAndGrads(axis, axis, 0),  # pyright: ignore[reportArgumentType]
        )(params, sequence, key)
        return LossAndGrads(losses, outputs, jax.tree.map(lambda g: g.mean(0), grads))

    return mean


def predict_batch(net: Cell | Net, params: Params, sequence: Sequence) -> Array:
    """Outputs beside the targets of a batch, `(target_time, outputs, batch, *lanes)`."""
    axis = _batch_axis(sequence)
    return jax.vmap(lambda one: predict(net, params, one), in_axes=axis, out_axes=axis)(sequence)


def _batch_axis(sequence: Sequence) -> int:
    """The last before the lanes, of every array of the sequence."""
    return -sequence.length.ndim
