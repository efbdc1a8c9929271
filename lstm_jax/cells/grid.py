"""One block of a Grid LSTM: a hidden and a memory vector in and out along every dimension.

With H = [h_0; ...; h_{N-1}], all incoming hidden vectors, for every dimension d:

  i, f, o, g = rows of W_d H + b_d
  m_d' = sig(f) m_d + sig(i) tanh(g)
  h_d' = tanh(sig(o) m_d')

(Kalchbrenner, Danihelka and Graves 2015; Understanding LSTM, equations 55 and 56.) What leaves
along d is `o tanh(m)` in many implementations, as in an LSTM: `tanh_of_product=False`.
Dimension 0 is depth; without memory it is `h_0' = tanh(W_0 H + b_0)`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.ops.initializers import uniform
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import linear
from lstm_jax.types import Array, Key


class Transform(NamedTuple):
    """Of one dimension of a block; rows i, f, o, g, or of a depth without memory g alone.

    Attributes:
      weights: `(rows * hidden, dimensions * hidden, *lanes)`.
      bias: `(rows * hidden, *lanes)`; None without.
    """

    weights: Array
    bias: Array | None


class GridParams(NamedTuple):
    """A Grid LSTM.

    Attributes:
      proj_h, proj_m: `(hidden, inputs, *lanes)`, from the input to what enters the depth; the
        second None for a depth without memory.
      layers: of each layer one `Transform` a dimension; a single layer if they are tied.
      repeats: of each layer an empty entry more that stands for it again, when they are tied.
    """

    proj_h: Array
    proj_m: Array | None
    layers: tuple[tuple[Transform, ...], ...]
    repeats: tuple[tuple[()], ...] = ()

    @property
    def depth(self) -> int:
        """Blocks one above the other."""
        return len(self.layers) + len(self.repeats)

    def layer(self, number: int) -> tuple[Transform, ...]:
        """The transforms of a layer."""
        return self.layers[0 if self.repeats else number]


def init_grid(
    key: Key,
    dimensions: int,
    inputs: int,
    hidden: int,
    layers: int,
    tied: bool,
    depth_memory: bool,
    bias: bool,
) -> GridParams:
    """Weights and biases uniform in `[-1, 1] / sqrt(hidden)`; see `networks.grid_sweep`."""
    scale, own = hidden**-0.5, 1 if tied else layers
    for_h, for_m, *keys = jax.random.split(key, 2 + own)

    def transform(key: Key, rows: int) -> Transform:
        for_weights, for_bias = jax.random.split(key)
        weights = uniform(for_weights, (rows * hidden, dimensions * hidden), scale)
        return Transform(weights, uniform(for_bias, (rows * hidden,), scale) if bias else None)

    def layer(key: Key) -> tuple[Transform, ...]:
        rows = [4 if depth_memory or d else 1 for d in range(dimensions)]
        each = jax.random.split(key, dimensions)
        return tuple(transform(k, r) for k, r in zip(each, rows, strict=True))

    return GridParams(
        uniform(for_h, (hidden, inputs), scale),
        uniform(for_m, (hidden, inputs), scale) if depth_memory else None,
        tuple(layer(k) for k in keys),
        ((),) * (layers - own),
    )


def project(params: GridParams, x: Array) -> tuple[Array, Array]:
    """What enters the depth at a point: `(hidden, *lanes)` hidden and memory vectors."""
    h = linear(params.proj_h, x)
    return h, jnp.zeros_like(h) if params.proj_m is None else linear(params.proj_m, x)


def grid_block(
    transforms: tuple[Transform, ...],
    hs: tuple[Array, ...],
    ms: tuple[Array, ...],
    *,
    tanh_of_product: bool = True,
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """One block.

    Args:
      transforms: one a dimension.
      hs: incoming hidden vectors, `(hidden, *lanes)` each.
      ms: incoming memory vectors; that of a depth without memory goes on as it came.
      tanh_of_product: whether h' is tanh(o m'), the paper's, or o tanh(m').

    Returns:
      Outgoing hidden and memory vectors.

    Example:
      >>> params = init_grid(jax.random.key(0), 2, 1, 3, 1, False, True, True)
      >>> none = (jnp.zeros(3),) * 2
      >>> hs, ms = grid_block(params.layer(0), none, none)
      >>> len(hs), ms[1].shape
      (2, (3,))
    """
    together = jnp.concatenate(hs)
    pairs = []
    for transform, m in zip(transforms, ms, strict=True):
        net = linear(transform.weights, together)
        if transform.bias is not None:
            net = net + along_lanes(transform.bias, net)
        if len(net) == len(m):
            pairs.append((jnp.tanh(net), m))
            continue
        i, f, o, g = jnp.split(net, 4)
        m = jax.nn.sigmoid(f) * m + jax.nn.sigmoid(i) * jnp.tanh(g)
        o = jax.nn.sigmoid(o)
        pairs.append((jnp.tanh(o * m) if tanh_of_product else o * jnp.tanh(m), m))
    after, memories = zip(*pairs, strict=True)
    return after, memories
