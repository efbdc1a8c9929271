"""Errors of one step, and their sum over a sequence."""

import jax.numpy as jnp
import optax

from lstm_jax.types import Array, Loss, Sequence


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


def sequence_error(loss: Loss, outputs: Array, sequence: Sequence) -> Array:
    """The error summed over the steps that have an error signal.

    Args:
      loss: error of one step.
      outputs: `(time or 1, outputs, *lanes)`, beside the targets.
      sequence: targets and mask.

    Returns:
      `(*lanes)`.
    """
    steps = loss(jnp.moveaxis(outputs, 1, 0), jnp.moveaxis(sequence.targets, 1, 0))
    return jnp.sum(jnp.where(sequence.mask, steps, 0), axis=0)
