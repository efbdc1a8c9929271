"""The mean over time: what a whole sequence says, for one answer at its end."""

import jax.numpy as jnp

from lstm_jax.ops.fit import checked, living_inputs
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.types import Array, Key, Net


def running_mean(units: int) -> Net[tuple[()]]:
    """The mean of all steps so far, at every step; at the last living one that of the sequence.

    Between a net that reads a sequence, in both directions say, and an output layer it makes a
    classifier whose targets stand at the end (mean pooling): the state of a cell that reads
    backwards has seen nothing but the last step there.

    Args:
      units: numbers a step.

    Raises:
      ValueError: no units.

    Example:
      >>> net = running_mean(1)
      >>> net.apply((), jnp.array([[1.0], [3.0], [5.0]]), jnp.array(3)).ravel().tolist()
      [1.0, 2.0, 3.0]
    """
    if units < 1:
        raise ValueError(f"units: expected at least 1, got {units}")

    def apply(params: tuple[()], inputs: Array, length: Array, key: Key | None = None, /) -> Array:
        total = jnp.cumsum(living_inputs(inputs, jnp.asarray(length)), axis=0)
        number = jnp.arange(1, len(inputs) + 1, dtype=total.dtype)
        return total / along_lanes(number, total)

    return checked(Net(lambda key: (), apply, units, units))
