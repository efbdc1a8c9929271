"""Whether the carousel of a cell is a lens, and diagonal as it says."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from lstm_jax.conformance.findings import Law, disturbed, same, shapes
from lstm_jax.gradients.truncated import cut, split
from lstm_jax.types import Array, Cell, State


def carousel_laws(cell: Cell, moments: Callable[[], Any]) -> dict[str, Law]:
    """The laws of a carousel; none without one."""
    if cell.carousel is None:
        return {}
    return {
        "carousel": lambda: _lens(cell, moments()),
        "carousel.diagonal": lambda: _diagonal(cell, moments()),
    }


def _lens(cell: Cell, at) -> Iterator[str]:
    assert cell.carousel is not None  # carousel_laws saw to it
    for state in at.states:
        part, rebuild = cell.carousel.split(state)
        if not same(rebuild(part), state, 0) or shapes(rebuild(part)) != shapes(state):
            yield "rebuild(part) is not the state it was split from; put back all that is no part"
            return
        other = disturbed(jax.random.key(0), part)
        found, _ = cell.carousel.split(rebuild(other))
        if not same(found, other, 0):
            yield (
                "what rebuild puts in, split does not take out; let rebuild replace all fields of "
                "the part by those it is given"
            )
            return


def _diagonal(cell: Cell, at) -> Iterator[str]:
    assert cell.carousel is not None
    mixed, derivative = False, jax.jit(partial(part_by_part, cell, at.params))
    for state, x in zip(at.states, at.inputs, strict=True):
        by_part = np.asarray(derivative(state, x))
        mixed = mixed or bool(np.any(np.abs(by_part - np.diag(np.diag(by_part))) > 1e-12))
    if mixed and cell.carousel.diagonal:
        yield (
            "components depend on one another from step to step though diagonal=True; write "
            "Carousel(..., diagonal=False), or let what mixes them read a copy in another field"
        )
    if not mixed and not cell.carousel.diagonal:
        warnings.warn(
            "the carousel is declared not diagonal, but no component depended on another; with "
            "diagonal=True parallel_scan and forward_traces could take it",
            stacklevel=2,
        )


def part_by_part(cell: Cell, params, state: State, x: Array) -> Array:
    """The derivative of the carousel by the carousel a step before, under the cut."""
    part, rebuild = split(cell, state)
    flat, unflatten = ravel_pytree(part)

    def after(flat: Array) -> Array:
        moved, _ = cut(cell).step(params, rebuild(unflatten(flat)), x)
        return ravel_pytree(split(cell, moved)[0])[0]

    return jax.jacfwd(after)(flat)
