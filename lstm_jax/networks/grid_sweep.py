"""Nets over grids of any number of dimensions: multidimensional LSTM and Grid LSTM.

A point of a grid depends on its predecessors, one step lower along each axis. All points whose
coordinates have the same sum (a wavefront) depend on the wavefront before alone, so that a
sweep is one scan over wavefronts, which computes all points of one side by side.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lstm_jax.cells.grid import GridParams, grid_block, init_grid, project
from lstm_jax.cells.multidimensional import MultiParams, init_multi, multi_step
from lstm_jax.ops.fit import checked, living_steps
from lstm_jax.ops.lanes import tree_where
from lstm_jax.ops.sizes import expect_whole
from lstm_jax.types import Array, Key, Net

Directions = tuple[tuple[int, ...], ...]


def every_direction(dimensions: int) -> Directions:
    """All ways through a grid, forwards along every axis first.

    Example:
      >>> every_direction(2)
      ((1, 1), (1, -1), (-1, 1), (-1, -1))
    """
    return tuple(product((1, -1), repeat=dimensions))


def wavefront_scan(
    step: Callable[[Array, Array, list[Any]], tuple[Any, Array]],
    inputs: Array,
    alive: Array,
    nothing: Any,
    dimensions: int,
) -> Array:
    """Sweep over a grid, wavefront by wavefront.

    Args:
      step: `(x, alive, before) -> (carried, y)` of one point; `before` is what its predecessor
        along each axis carries, `nothing` outside of the grid.
      inputs: `(grid..., inputs, *lanes)`.
      alive: `(grid..., *lanes)` bool; points that are not carry `nothing` and give 0.
      nothing: a pytree of arrays `(..., *lanes)`.
      dimensions: number of grid axes.

    Returns:
      `(grid..., outputs, *lanes)`.
    """
    shape = inputs.shape[:dimensions]
    places, before = _wavefronts(shape)
    width = places.shape[1]
    flat, live = (a.reshape(-1, *a.shape[dimensions:]) for a in (inputs, alive))
    outside = jnp.zeros_like(flat[:1]), jnp.zeros_like(live[:1])
    flat, live = (jnp.concatenate(pair) for pair in ((flat, outside[0]), (live, outside[1])))

    def at_point(x: Array, lives: Array, before: list[Any]) -> tuple[Any, Array]:
        carried, y = step(x, lives, before)
        return tree_where(lives, carried, nothing), tree_where(lives, y, jnp.zeros_like(y))

    def front(last: Any, at: tuple[np.ndarray, np.ndarray]) -> tuple[Any, Array]:
        here, theirs = at
        gathered = [jax.tree.map(lambda a, t=t: a[t], last) for t in theirs]
        carried, ys = jax.vmap(at_point)(flat[here], live[here], gathered)
        closed = jax.tree.map(lambda a, n: jnp.concatenate([a, n[None]]), carried, nothing)
        return closed, ys

    first = jax.tree.map(lambda n: jnp.broadcast_to(n[None], (width + 1, *n.shape)), nothing)
    _, ys = lax.scan(front, first, (places, before))
    order = np.argsort(places.reshape(-1), kind="stable")[: int(np.prod(shape))]
    ys = ys.reshape(-1, *ys.shape[2:])[order]
    return ys.reshape(*shape, *ys.shape[1:])


def _wavefronts(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Points of each wavefront, `(fronts, width)`, and where their predecessors stand.

    The second is `(fronts, dimensions, width)`: places in the wavefront before, `width` for
    outside of the grid. Wavefronts are filled up by a point behind the last.
    """
    points = list(np.ndindex(*shape))
    fronts = [[p for p in points if sum(p) == s] for s in range(sum(shape) - len(shape) + 1)]
    width = max(map(len, fronts))
    places = np.full((len(fronts), width), len(points), np.int32)
    before = np.full((len(fronts), len(shape), width), width, np.int32)
    for number, front in enumerate(fronts):
        last = {p: i for i, p in enumerate(fronts[number - 1])} if number else {}
        for i, point in enumerate(front):
            places[number, i] = np.ravel_multi_index(point, shape)
            for axis in range(len(shape)):
                lower = tuple(c - (a == axis) for a, c in enumerate(point))
                before[number, axis, i] = last.get(lower, width)
    return places, before


def multi_sweep(
    params: MultiParams, inputs: Array, direction: Sequence[int], alive: Array | None = None
) -> Array:
    """A multidimensional LSTM through a grid, in one direction.

    Args:
      params: of `cells.multidimensional`.
      inputs: `(grid..., inputs, *lanes)`.
      direction: of every axis 1 (the predecessor has the lower index) or -1.
      alive: `(grid..., *lanes)` bool; None if all points live. Others are as if outside.

    Returns:
      `(grid..., hidden, *lanes)`, 0 where points do not live.
    """
    dimensions = len(direction)
    lanes = inputs.shape[dimensions + 1 :]
    hidden = params.from_hidden[0].shape[1]
    if alive is None:
        alive = jnp.ones((*inputs.shape[:dimensions], *lanes), bool)
    none = jnp.zeros((hidden, *lanes), inputs.dtype)
    turned = [axis for axis, sign in enumerate(direction) if sign < 0]

    def step(x: Array, lives: Array, before: list[Any]) -> tuple[Any, Array]:
        ys, ss = zip(*before, strict=True)
        y, s = multi_step(params, jnp.where(lives[None], x, 0), ys, ss)
        return (y, s), y

    given = jnp.flip(inputs, turned), jnp.flip(alive, turned)
    return jnp.flip(wavefront_scan(step, *given, (none, none), dimensions), turned)


def multidimensional(
    shape: tuple[int, ...], inputs: int, hidden: int, *, directions: Directions | None = None
) -> Net[tuple[MultiParams, ...]]:
    """Multidimensional LSTMs over a grid whose points come as the steps of a sequence.

    Several directions are several nets, whose outputs stand one after the other at every point
    (Graves, Fernandez and Schmidhuber 2007; Understanding LSTM, equations 53 and 54). Points
    behind the length of a sequence are as if they were outside of the grid.

    Args:
      shape: sizes of the grid; steps are its points, the last axis running fastest.
      inputs: numbers a point.
      hidden: cells of each net.
      directions: signs of the axes, one tuple a net; None for all 2^dimensions of them.

    Raises:
      ValueError: a size below 1, or a direction that is none.

    Example:
      >>> net = multidimensional((3, 4), inputs=1, hidden=2)
      >>> net.apply(net.init(jax.random.key(0)), jnp.ones((12, 1)), jnp.array(12)).shape
      (12, 8)
    """
    _expect_grid(shape, inputs=inputs, hidden=hidden)
    ways = every_direction(len(shape)) if directions is None else directions
    for way in ways:
        if len(way) != len(shape) or not set(way) <= {1, -1}:
            raise ValueError(
                f"directions: expected {len(shape)} signs of 1 or -1 in each, got {way}"
            )

    def init(key: Key) -> tuple[MultiParams, ...]:
        keys = jax.random.split(key, len(ways))
        return tuple(init_multi(k, len(shape), inputs, hidden) for k in keys)

    def apply(
        params: tuple[MultiParams, ...], xs: Array, length: Array, key: Key | None = None, /
    ) -> Array:
        points, alive = _as_grid(shape, xs, length)
        ys = [multi_sweep(p, points, way, alive) for p, way in zip(params, ways, strict=True)]
        y = jnp.concatenate(ys, axis=len(shape))
        return y.reshape(-1, *y.shape[len(shape) :])

    return checked(Net(init, apply, inputs, hidden * len(ways)))


def grid_sweep(
    params: GridParams, inputs: Array, dimensions: int, alive: Array | None = None,
    *, tanh_of_product: bool = True,
) -> Array:  # fmt: skip
    """A Grid LSTM over the axes of its input; depth is one dimension more.

    Args:
      params: of `cells.grid`.
      inputs: `(grid..., inputs, *lanes)`.
      dimensions: number of input axes, one less than those of the blocks.
      alive: `(grid..., *lanes)` bool; None if all points live. Others are as if outside.
      tanh_of_product: see `cells.grid.grid_block`.

    Returns:
      `(grid..., hidden, *lanes)`: what leaves the last layer along the depth.
    """
    lanes = inputs.shape[dimensions + 1 :]
    hidden = len(params.proj_h)
    if alive is None:
        alive = jnp.ones((*inputs.shape[:dimensions], *lanes), bool)
    none = jnp.zeros((hidden, *lanes), inputs.dtype)
    nothing = [[(none, none) for _ in range(dimensions)] for _ in range(params.depth)]

    def step(x: Array, lives: Array, before: list[Any]) -> tuple[Any, Array]:
        h, m = project(params, jnp.where(lives[None], x, 0))
        carried = []
        for number in range(params.depth):
            from_below = [before[axis][number][axis] for axis in range(dimensions)]
            hs, ms = zip((h, m), *from_below, strict=True)
            hs, ms = grid_block(params.layer(number), hs, ms, tanh_of_product=tanh_of_product)
            h, m = hs[0], ms[0]
            carried.append(list(zip(hs[1:], ms[1:], strict=True)))
        return carried, h

    return wavefront_scan(step, inputs, alive, nothing, dimensions)


def grid_lstm(
    shape: tuple[int, ...],
    inputs: int,
    hidden: int,
    *,
    layers: int = 1,
    tied: bool = False,
    depth_memory: bool = True,
    bias: bool = True,
    tanh_of_product: bool = True,
) -> Net[GridParams]:
    """A Grid LSTM over a grid whose points come as the steps of a sequence.

    (Kalchbrenner, Danihelka and Graves 2015; Understanding LSTM, equations 55 and 56.) For a
    plain sequence the shape is `(time,)`, and the blocks have two dimensions: depth and time.
    Points behind the length of a sequence are as if they were outside of the grid.

    Args:
      shape: sizes of the input's axes; steps are its points, the last axis running fastest.
      inputs: numbers a point.
      hidden: cells of every block in each dimension.
      layers: blocks one above the other at every point.
      tied: whether all layers share one set of weights.
      depth_memory: whether the depth has memory vectors, as the other dimensions; without it
        is a tanh layer.
      bias: whether units have a bias.
      tanh_of_product: see `cells.grid.grid_block`.

    Raises:
      ValueError: a size below 1.

    Example:
      >>> net = grid_lstm((5,), inputs=2, hidden=3, layers=2)
      >>> net.apply(net.init(jax.random.key(0)), jnp.ones((5, 2)), jnp.array(5)).shape
      (5, 3)
    """
    _expect_grid(shape, inputs=inputs, hidden=hidden, layers=layers)

    def init(key: Key) -> GridParams:
        return init_grid(key, 1 + len(shape), inputs, hidden, layers, tied, depth_memory, bias)

    def apply(params: GridParams, xs: Array, length: Array, key: Key | None = None, /) -> Array:
        points, alive = _as_grid(shape, xs, length)
        y = grid_sweep(params, points, len(shape), alive, tanh_of_product=tanh_of_product)
        return y.reshape(-1, *y.shape[len(shape) :])

    return checked(Net(init, apply, inputs, hidden))


def _as_grid(shape: tuple[int, ...], xs: Array, length: Array) -> tuple[Array, Array]:
    """Steps as points, and which of them live."""
    number = int(np.prod(shape))
    if len(xs) != number:
        raise ValueError(f"inputs: expected {number} steps, the points of {shape}, got {len(xs)}")
    length = jnp.broadcast_to(jnp.asarray(length), xs.shape[2:])
    alive = living_steps(number, length)
    return xs.reshape(*shape, *xs.shape[1:]), alive.reshape(*shape, *alive.shape[1:])


def _expect_grid(shape: tuple[int, ...], **sizes: int) -> None:
    if not isinstance(shape, tuple):
        raise ValueError(f"shape: expected a tuple of sizes, (8, 8) say, got {shape!r}")
    expect_whole(**sizes)
    if not shape or min(shape) < 1:
        raise ValueError(f"shape: expected sizes of at least 1, got {shape}")
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}: expected at least 1, got {size}")
