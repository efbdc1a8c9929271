"""Laws that are tried one after another, and the one error that lists what broke."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.types import Array, Key

Law = Callable[[], Iterator[str]]


def conclude(what: str, *stages: dict[str, Law]) -> None:
    """Try all laws; a stage is not begun if one before it found something.

    Args:
      what: the object, for the error.
      stages: laws by the name of what each is about. A law yields findings; if it raises, that
        is one.

    Raises:
      ValueError: listing every finding of a stage, one line each.
    """
    for laws in stages:
        found = [line for name, law in laws.items() for line in _tried(name, law)]
        if found:
            heading = f"{what} breaks {len(found)} of what its contract promises:"
            raise ValueError("\n".join([heading, *found]))


def _tried(name: str, law: Law) -> Iterator[str]:
    try:
        for finding in law():
            yield f"{name}: {finding}"
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        yield f"{name}: raised {type(error).__name__}: {first}"


def traced_anew(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled once for every shape; JAX has not seen it before."""
    return jax.jit(lambda *given: function(*given))


def shapes(tree: Any) -> Any:
    """Structure, shapes and types of a tree, as something to compare and to print."""
    return jax.tree.map(lambda a: f"{jnp.result_type(a)}{list(jnp.shape(a))}", tree)


def same(found: Any, expected: Any, tolerance: float = 1e-8) -> bool:
    """Whether trees agree to a fraction of their largest entry, NaN only where NaN."""
    if jax.tree.structure(found) != jax.tree.structure(expected):
        return False
    pairs = list(zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True))
    if any(jnp.shape(a) != jnp.shape(b) for a, b in pairs):
        return False
    largest = max([1e-3, *(float(np.max(np.abs(_finite(b)), initial=0)) for _, b in pairs)])
    return all(
        np.allclose(a, b, rtol=0, atol=tolerance * largest, equal_nan=True) for a, b in pairs
    )


def _finite(values: Any) -> np.ndarray:
    return np.nan_to_num(np.asarray(values, float), nan=0, posinf=0, neginf=0)


def disturbed(key: Key, tree: Any, scale: float = 0.3) -> Any:
    """The tree with Gaussian noise on its reals, so that nothing in it is special."""
    noise = numbers(key)

    def noisy(leaf: Array) -> Array:
        kind = jnp.result_type(leaf)
        if not jnp.issubdtype(kind, jnp.floating):
            return leaf
        return jnp.asarray(np.asarray(leaf) + scale * noise.normal(size=jnp.shape(leaf)), kind)

    return jax.tree.map(noisy, tree)


def numbers(key: Key) -> np.random.Generator:
    """Randomness of a key by NumPy, which compiles no program for every shape."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def normal(key: Key, shape: tuple[int, ...]) -> Array:
    """Gaussian numbers."""
    return jnp.asarray(numbers(key).normal(size=shape))


def in_lanes(tree: Any, number: int) -> Any:
    """The same in so many lanes."""
    return jax.tree.map(lambda a: _by_numpy(lambda b: np.repeat(b[..., None], number, -1), a), tree)


def lane(tree: Any, i: int) -> Any:
    """One lane of a tree."""
    return jax.tree.map(lambda a: _by_numpy(lambda b: b[..., i], a), tree)


def stacked(trees: list) -> Any:
    """Trees side by side in lanes."""
    return jax.tree.map(lambda *a: _by_numpy(lambda *b: np.stack(b, -1), *a), *trees)


def _by_numpy(function: Callable[..., np.ndarray], *arrays: Any) -> Array:
    """What a function of the last axis makes of arrays, by NumPy, which compiles no program.

    Keys are no numbers, but a few words each: those go in front.
    """
    first = arrays[0]
    if isinstance(first, jax.Array) and jnp.issubdtype(first.dtype, jax.dtypes.prng_key):
        words = [np.moveaxis(np.asarray(jax.random.key_data(a)), -1, 0) for a in arrays]
        found = np.moveaxis(function(*words), 0, -1)
        return jax.random.wrap_key_data(jnp.asarray(found), impl=jax.random.key_impl(first))
    return jnp.asarray(function(*map(np.asarray, arrays)))


def path_of(path: Any) -> str:
    """Where a leaf stands in a tree."""
    return jax.tree_util.keystr(path) or "all"


def slopes_by_differences(error: Callable[[Any], Array], params: Any, eps: float = 1e-5) -> Any:
    """The derivative of a number by every parameter, by central differences."""
    leaves, structure = jax.tree.flatten(params)

    def of_leaf(place: int):
        leaf = leaves[place]

        def moved(one: Array) -> Array:
            step = eps * one.reshape(leaf.shape)
            plus, minus = (
                structure.unflatten([*leaves[:place], leaf + s, *leaves[place + 1 :]])
                for s in (step, -step)
            )
            return (error(plus) - error(minus)) / (2 * eps)

        return jax.vmap(moved)(jnp.eye(leaf.size, dtype=leaf.dtype)).reshape(leaf.shape)

    return structure.unflatten([of_leaf(place) for place in range(len(leaves))])
