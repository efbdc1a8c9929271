"""Nets one after the other, as one net."""

from itertools import pairwise

import jax

from lstm_jax.networks.unroll import as_net
from lstm_jax.ops.fit import checked
from lstm_jax.ops.lanes import split_keys
from lstm_jax.types import Array, Cell, Key, Net, Params


def sequential(*nets: Net | Cell) -> Net:
    """Nets one after the other: each reads the outputs of the one before, step beside step.

    Args:
      nets: in the order of the data; cells are unrolled.

    Returns:
      A net whose params are a tuple, one entry a net. It draws if any of them does; each that
      does gets a key of its own.

    Raises:
      ValueError: no net; numbers of inputs and outputs that do not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> from lstm_jax.cells.lstm import lstm
      >>> from lstm_jax.networks.dropout import dropout
      >>> net = sequential(lstm(3, 4), dropout(4, 0.5), lstm(4, 2))
      >>> net.apply(net.init(jax.random.key(0)), jnp.ones((5, 3)), jnp.array(5), None).shape
      (5, 2)
    """
    if not nets:
        raise ValueError("sequential: expected at least one net, got none")
    for number, (lower, upper) in enumerate(pairwise(nets), start=2):
        if upper.inputs != lower.outputs:
            raise ValueError(
                f"sequential: expected net {number} with {lower.outputs} inputs, the outputs of "
                f"the one before, got {upper.inputs}"
            )
    chain = tuple(map(as_net, nets))

    def init(key: Key) -> tuple[Params, ...]:
        keys = jax.random.split(key, len(chain))
        return tuple(net.init(k) for net, k in zip(chain, keys, strict=True))

    def apply(params: Params, inputs: Array, length: Array, key: Key | None = None, /) -> Array:
        keys = [None] * len(chain) if key is None else split_keys(key, len(chain))
        y = inputs
        for net, p, k in zip(chain, params, keys, strict=True):
            y = net.apply(p, y, length, k if net.draws else None)
        return y

    draws = any(net.draws for net in chain)
    return checked(Net(init, apply, chain[0].inputs, chain[-1].outputs, draws))
