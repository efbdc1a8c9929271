"""Whether a step is what its `net_inputs` say."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from lstm_jax.conformance.findings import (
    Law,
    disturbed,
    in_lanes,
    lane,
    normal,
    path_of,
    same,
    stacked,
    traced_anew,
)
from lstm_jax.gradients.truncated import split
from lstm_jax.types import Array, Cell, NetInputs

ZERO = 1e-12


def net_inputs_laws(cell: Cell, moments: Callable[[], Any]) -> dict[str, Law]:
    """The laws of a step taken apart; none for a cell that does not offer it."""
    parts = cell.net_inputs
    if parts is None:
        return {}
    laws: dict[str, Law] = {
        "net_inputs": lambda: _whole(cell, parts, moments()),
        "net_inputs.add_outer": lambda: _outer(cell, parts, moments()),
        "net_inputs.carousel_rows": lambda: _rows(cell, parts, moments()),
    }
    if cell.carousel is not None:
        laws["net_inputs.net_input"] = lambda: _not_the_carousel(cell, parts, moments())
        laws["net_inputs.constant_error"] = lambda: _constant(cell, parts, moments())
    return laws


def _whole(cell: Cell, parts: NetInputs, at) -> Iterator[str]:
    params, state, x = at.params, at.states[0], at.inputs[0]
    rows = parts.rows(params)
    number = len(jax.eval_shape(parts.net_input, rows, state, x))
    if any(len(leaf) != number for leaf in jax.tree.leaves(rows)):
        yield f"rows: expected arrays of {number} rows, one a net input, on axis 0"
        return

    @jax.jit
    def by_step(params):
        return cell.step(params, state, x)[0]

    @jax.jit
    def by_parts(params):
        return parts.activate(parts.net_input(parts.rows(params), state, x), state)

    other = disturbed(jax.random.key(1), params)
    if not same(by_parts(params), by_step(params)) or not same(by_parts(other), by_step(other)):
        missing = _not_through_rows(by_step, by_parts, params)
        yield (
            "activate(net_input(rows(params), state, x), state) is not the state after a step"
            + (f"; {missing} reach it otherwise" if missing else "")
            + "; let step be made of them"
        )


def _not_through_rows(by_step, by_parts, params) -> str:
    """Where parameters stand that move the state but none of the net inputs."""

    def moved(function):
        jacobian = jax.jit(jax.jacrev(lambda p: ravel_pytree(function(p))[0]))(params)
        flat, _ = jax.tree_util.tree_flatten_with_path(jacobian)
        return {path_of(path) for path, leaf in flat if np.any(np.abs(leaf) > ZERO)}

    return ", ".join(sorted(moved(by_step) - moved(by_parts)))


def _outer(cell: Cell, parts: NetInputs, at) -> Iterator[str]:
    """Against the derivative of the net inputs; added to what is there; of any number of rows."""
    params, state, x = at.params, at.states[0], at.inputs[0]
    rows, add_outer = parts.rows(params), traced_anew(parts.add_outer)
    number = len(jax.eval_shape(parts.net_input, rows, state, x))
    slopes = normal(jax.random.key(2), (number,))

    @jax.jit
    def pulled(rows):
        return jax.vjp(lambda rows: parts.net_input(rows, state, x), rows)[1](slopes)[0]

    expected = pulled(rows)
    none = jax.tree.map(jnp.zeros_like, rows)
    mend = "; add eligibility x sources to each array of weights, eligibility to the biases"
    if not same(add_outer(none, slopes, state, x), expected):
        yield f"is not the outer product of eligibility and sources{mend}"
    elif not same(add_outer(expected, slopes, state, x), _sum(expected, expected)):
        yield f"does not add to the traces that it is given{mend}"
    first = jax.tree.map(lambda leaf: leaf[:1], expected)
    few = jax.tree.map(jnp.zeros_like, first)
    if not same(add_outer(few, slopes[:1], state, x), first):
        yield f"takes as many rows as there are units only{mend}, whatever their number"
    lanes = len(at.states)
    together = add_outer(
        in_lanes(none, lanes), in_lanes(slopes, lanes), stacked(at.states), stacked(at.inputs)
    )
    for i in range(lanes):
        alone = add_outer(none, slopes, at.states[i], at.inputs[i])
        if not same(lane(together, i), alone):
            yield f"lane {i} is not what it is alone; use ops.linear.add_outer"
            return


def _sum(a, b):
    return jax.tree.map(np.add, a, b)


def _part_of(cell: Cell, parts: NetInputs, state) -> Callable[[Array], Array]:
    """From net inputs to the carousel after the step."""

    def part(net: Array) -> Array:
        return ravel_pytree(split(cell, parts.activate(net, state))[0])[0]

    return part


def _rows(cell: Cell, parts: NetInputs, at) -> Iterator[str]:
    if cell.carousel is None:
        if parts.carousel_rows:
            yield f"expected () without a carousel, got {parts.carousel_rows}"
        return
    components = sum(leaf.size for leaf in jax.tree.leaves(cell.carousel.split(at.states[0])[0]))
    if any(len(rows) != components for rows in parts.carousel_rows):
        yield (
            f"expected one row for each of the {components} components in every kind, got "
            f"{parts.carousel_rows}"
        )
        return
    state, x = at.states[0], at.inputs[0]

    @jax.jit
    def by_net(params):
        net = parts.net_input(parts.rows(params), state, x)
        return jax.jacrev(_part_of(cell, parts, state))(net)

    feeds = np.abs(by_net(at.params)) > ZERO
    told = np.zeros_like(feeds)
    for rows in parts.carousel_rows:
        told[np.arange(components), np.array(rows)] = True
    if np.any(feeds & ~told):
        component, row = (int(i[0]) for i in np.nonzero(feeds & ~told))
        yield (
            f"row {row} feeds component {component} of the carousel and is not told of; add the "
            "rows of its kind"
        )


def _not_the_carousel(cell: Cell, parts: NetInputs, at) -> Iterator[str]:
    state, x = at.states[0], at.inputs[0]
    part, rebuild = split(cell, state)

    @jax.jit
    def by_part(part):
        return jax.jacrev(lambda p: parts.net_input(parts.rows(at.params), rebuild(p), x))(part)

    if any(np.any(np.abs(leaf) > ZERO) for leaf in jax.tree.leaves(by_part(part))):
        yield "reads the carousel; let it read a copy of it in another field of the state"


def _constant(cell: Cell, parts: NetInputs, at) -> Iterator[str]:

    @jax.jit
    def carried(state, x):
        net = parts.net_input(parts.rows(at.params), state, x)
        part, rebuild = split(cell, state)
        flat, unflatten = ravel_pytree(part)
        return jax.jacfwd(lambda flat: _part_of(cell, parts, rebuild(unflatten(flat)))(net))(flat)

    found = [np.asarray(carried(*one)) for one in zip(at.states, at.inputs, strict=True)]
    kept = all(same(one, np.eye(len(one))) for one in found)
    if parts.constant_error and not kept:
        yield (
            "the derivative of the carousel from step to step is not 1; write constant_error=False"
        )
    if kept and not parts.constant_error:
        warnings.warn(
            "the derivative of the carousel from step to step was always 1; with "
            "constant_error=True forward_traces need not compute it",
            stacklevel=2,
        )
