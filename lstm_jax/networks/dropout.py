"""Units left out at random while a net learns."""

import jax
import jax.numpy as jnp

from lstm_jax.ops.fit import checked
from lstm_jax.ops.lanes import over_keys
from lstm_jax.types import Array, Key, Net


def dropout(units: int, rate: float, *, one_mask: bool = False) -> Net:
    """Every number is left out with a probability, and the others are made larger.

    With a key (while it learns) outputs are 0 with probability `rate` and `x / (1 - rate)`
    otherwise; without one they are x. Put it between layers by `sequential`.

    Args:
      units: number of inputs and of outputs.
      rate: probability, 0 <= rate < 1.
      one_mask: whether one set of units is left out at all steps of a sequence (variational
        dropout, Gal and Ghahramani 2016), instead of another one at every step (Srivastava et
        al. 2014; Zaremba et al. 2014).

    Returns:
      A net without parameters: its params are `()`.

    Raises:
      ValueError: no units, a rate that is no such probability.

    Example:
      >>> net, x = dropout(1000, 0.25), jnp.ones((2, 1000))
      >>> y = net.apply((), x, jnp.array(2), jax.random.key(0))
      >>> 0.7 < float((y > 0).mean()) < 0.8, bool((net.apply((), x, jnp.array(2)) == x).all())
      (True, True)
    """
    if units < 1:
        raise ValueError(f"units: expected at least 1, got {units}")
    if not 0 <= rate < 1:
        raise ValueError(f"rate: expected 0 <= rate < 1, got {rate}")

    def apply(params: tuple, inputs: Array, length: Array, key: Key | None = None, /) -> Array:
        if key is None or not rate:
            return inputs
        shape = (1 if one_mask else len(inputs), units)

        def kept(key: Key) -> Array:  # of bits: the same in single and in double precision
            drawn = jax.random.bits(key, shape, jnp.uint32)
            return drawn >= jnp.uint32(round(rate * 2**32))

        return jnp.where(over_keys(kept, key), inputs / (1 - rate), 0)

    return checked(Net(lambda key: (), apply, units, units, draws=rate > 0))
