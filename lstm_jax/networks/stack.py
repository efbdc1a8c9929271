"""Cells on top of one another, as one cell (Understanding LSTM, equation 52)."""

from itertools import pairwise

import jax

from lstm_jax.types import Array, Carousel, Cell, Key, Params, State


def stack(*cells: Cell, residual: bool = False) -> Cell:
    """Cells one above the other: each reads the outputs of the one below at the same step.

    A step of the whole is a step of each, so that every rule that takes a cell takes a stack.
    Under the 1997 cut error flows back through the carousels of all cells. They are not
    diagonal together (the upper one receives from the lower), so that the rules which need
    that refuse a stack; `by_definition` takes it.

    Args:
      cells: from the bottom to the top.
      residual: whether each cell above the first adds what it reads to its outputs.

    Returns:
      A cell whose params and state are tuples, one entry a cell.

    Raises:
      ValueError: no cell; numbers of inputs and outputs that do not fit.

    Example:
      >>> from lstm_jax.cells.lstm import lstm
      >>> from lstm_jax.cells.gru import gru
      >>> net = stack(lstm(3, 4), gru(4, 2))
      >>> net.inputs, net.outputs
      (3, 2)
    """
    _expect_to_fit(cells, residual)

    def init(key: Key) -> tuple[Params, ...]:
        keys = jax.random.split(key, len(cells))
        return tuple(cell.init(k) for cell, k in zip(cells, keys, strict=True))

    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> tuple[State, ...]:
        return tuple(cell.initial_state(lanes, dtype) for cell in cells)

    def step(params: Params, state: State, x: Array) -> tuple[State, Array]:
        after, y = [], x
        for number, (cell, p, s) in enumerate(zip(cells, params, state, strict=True)):
            s, above = cell.step(p, s, y)
            after.append(s)
            y = y + above if residual and number else above
        return tuple(after), y

    return Cell(init, initial_state, step, cells[0].inputs, cells[-1].outputs, _carousel(cells))


def _carousel(cells: tuple[Cell, ...]) -> Carousel | None:
    """The carousels of all cells that have one."""
    if all(cell.carousel is None for cell in cells):
        return None

    def split(state: State):
        pairs = [
            ((), lambda part, s=s: s) if cell.carousel is None else cell.carousel.split(s)
            for cell, s in zip(cells, state, strict=True)
        ]
        parts, rebuilds = zip(*pairs, strict=True)
        return parts, lambda parts: tuple(r(p) for r, p in zip(rebuilds, parts, strict=True))

    alone = len(cells) == 1 and cells[0].carousel is not None and cells[0].carousel.diagonal
    return Carousel(split, diagonal=bool(alone))


def _expect_to_fit(cells: tuple[Cell, ...], residual: bool) -> None:
    if not cells:
        raise ValueError("stack: expected at least one cell, got none")
    for number, (lower, upper) in enumerate(pairwise(cells), start=2):
        if upper.inputs != lower.outputs:
            raise ValueError(
                f"stack: expected cell {number} with {lower.outputs} inputs, the outputs of the "
                f"one below, got {upper.inputs}"
            )
        if residual and upper.outputs != upper.inputs:
            raise ValueError(
                f"stack: expected cell {number} with as many outputs as inputs, which residual="
                f"True adds up, got {upper.inputs} and {upper.outputs}"
            )
