"""Errors of one step, their sum over a sequence, and the signals that they send."""

import jax
import jax.numpy as jnp
import optax

from lstm_jax.ops.lanes import tree_where
from lstm_jax.types import Array, Loss, Sequence, SequenceLoss


def squared_error(output: Array, target: Array) -> Array:
    """E = 1/2 sum_k (target_k - y_k)^2, without the factor 2 of the paper's equation 16.

    Args:
      output: `(outputs, *lanes)`.
      target: `(outputs, *lanes)`.

    Returns:
      `(*lanes)`.

    Example:
      >>> float(squared_error(jnp.array([1.0, 0.0]), jnp.array([0.0, 0.0])))
      0.5
    """
    return 0.5 * jnp.sum((target - output) ** 2, axis=0)


def squared_error_beyond(tolerance: float | Array) -> Loss:
    """Squared error of which an output closer than `tolerance` to its target sends none.

    Args:
      tolerance: a number, or `(*lanes)`.
    """

    def loss(output: Array, target: Array) -> Array:
        error = target - output
        return 0.5 * jnp.sum(jnp.where(jnp.abs(error) < tolerance, 0, error) ** 2, axis=0)

    return loss


def sigmoid_cross_entropy(logits: Array, target: Array) -> Array:
    """Cross-entropy of independent binary outputs, given their net inputs; `(*lanes)`."""
    return jnp.sum(optax.losses.sigmoid_binary_cross_entropy(logits, target), axis=0)


def softmax_cross_entropy(logits: Array, target: Array) -> Array:
    """Cross-entropy of one class out of many, given net inputs; `(*lanes)`."""
    return optax.losses.softmax_cross_entropy(logits, target, axis=0)


def masked_error(
    loss: Loss, output: Array, target: Array, mask: Array | bool
) -> tuple[Array, Array]:
    """The errors of steps, and the error signals dE/dy, where there is an error signal.

    Both are 0 where the mask is false, whatever the target is there: the signal is taken
    and then silenced, so that no infinite slope is ever multiplied by 0.

    Args:
      loss: error of one step.
      output: `(outputs, *lanes)`; time may be one of the lanes.
      target: the same shape.
      mask: `(*lanes)` bool.

    Returns:
      `(*lanes)` errors and `(outputs, *lanes)` signals.

    Raises:
      ValueError: the loss is not one number a lane.

    Example:
      >>> y, d = jnp.ones((1, 2)), jnp.array([[0.0, jnp.nan]])
      >>> masked_error(squared_error, y, d, jnp.array([True, False]))[1].tolist()
      [[1.0, 0.0]]
    """
    errors, pull = jax.vjp(lambda output: loss(output, target), output)
    _expect_shape(errors, output.shape[1:])
    (signal,) = pull(jnp.ones_like(errors))
    return tree_where(mask, errors, jnp.zeros_like(errors)), tree_where(
        mask, signal, jnp.zeros_like(signal)
    )


def error_signal(
    loss: Loss | SequenceLoss, outputs: Array, sequence: Sequence
) -> tuple[Array, Array]:
    """The error of a sequence, summed over its steps, and dE/dy at every step.

    Args:
      loss: error of one step, or of the whole sequence.
      outputs: `(target_time, outputs, *lanes)`, beside the targets.
      sequence: targets and mask, as `ops.fit.normalised` leaves them.

    Returns:
      `(*lanes)` and `(target_time, outputs, *lanes)`.

    Raises:
      ValueError: a loss that is not one number a step, or a sequence, and lane.
    """
    if isinstance(loss, SequenceLoss):
        errors, pull = jax.vjp(lambda outputs: loss.error(outputs, sequence), outputs)
        if errors.shape != sequence.length.shape:
            raise ValueError(
                f"SequenceLoss: expected one error a lane, shape {sequence.length.shape}, got "
                f"{errors.shape}; sum over time and outputs, axes 0 and 1"
            )
        return errors, pull(jnp.ones_like(errors))[0]
    errors, signal = masked_error(
        loss, jnp.moveaxis(outputs, 1, 0), jnp.moveaxis(sequence.targets, 1, 0), sequence.mask
    )
    return jnp.sum(errors, axis=0), jnp.moveaxis(signal, 0, 1)


def expect_error_a_lane(loss: Loss | SequenceLoss, outputs: int) -> None:
    """ValueError for a loss of steps that mixes steps or lanes, seen on shapes alone.

    Args:
      loss: whose numbers have no lanes; losses of whole sequences are not looked at.
      outputs: number of outputs.

    Example:
      >>> expect_error_a_lane(lambda output, target: ((output - target) ** 2).mean(), 1)
      Traceback (most recent call last):
        ...
      ValueError: loss: expected one error a step and lane, shape (2, 3), got (); ...
    """
    if not isinstance(loss, SequenceLoss):
        like = jax.ShapeDtypeStruct((outputs, 2, 3), jnp.result_type(float))
        _expect_shape(jax.eval_shape(loss, like, like), (2, 3))


def _expect_shape(errors: jax.ShapeDtypeStruct | Array, lanes: tuple[int, ...]) -> None:
    if errors.shape != lanes:
        raise ValueError(
            f"loss: expected one error a step and lane, shape {lanes}, got {errors.shape}; sum "
            "over the outputs, axis 0"
        )


def expect_loss_of_steps(rule: str, loss: Loss | SequenceLoss) -> None:
    """ValueError for a loss of whole sequences, which rules that go step by step cannot take."""
    if isinstance(loss, SequenceLoss):
        raise ValueError(
            f"{rule} needs a loss of one step, loss(output, target), got a SequenceLoss; use bptt"
        )
