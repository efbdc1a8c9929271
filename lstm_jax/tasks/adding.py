"""Experiments 4 and 5: add, or multiply, the two marked values of a long sequence.

The 1997 tasks (`adding`, `multiplication`) have random lengths, both marks in the
first half and -1 at the ends. The later literature calls something else the adding
problem; those tasks stand here under names of their own (`modern_adding`,
`modern_multiplication`).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from lstm_jax.ops import random_words
from lstm_jax.tasks.sequences import at_end, check_int, time_steps
from lstm_jax.types import Array, Key, Sequence, Task


class _Operation(NamedTuple):
    values: Callable[[Array], Array]  # words -> the range of the values
    neutral: float  # what a value that does not count counts as
    target: Callable[[Array, Array], Array]


_SUM = _Operation(random_words.uniform_signed, 0.0, lambda x1, x2: 0.5 + (x1 + x2) / 4)
_PRODUCT = _Operation(random_words.uniform, 1.0, lambda x1, x2: x1 * x2)


def adding(
    T: int,
    *,
    second_among: int | None = None,
    keep_first_mark: bool = False,
    end_markers: bool = True,
) -> Task:
    """Experiment 4: the sum of two marked values, at the end (Section 5.4).

    A step is a pair (value, marker), values uniform in [-1, 1). One of the first ten
    pairs is marked 1 (its value is X1), then one of the first `second_among` pairs
    still unmarked (X2). The first and the last pair have marker -1, all others 0.
    The target is `0.5 + (X1 + X2) / 4`.

    The sequence has `inputs` `(T + T//10, 2)`, zero from `length` on, `targets` and
    `goals` `(1, 1)` in [0, 1), and `length` uniform in T..T + T//10.

    Decisions: -1 wins over 1 where a mark falls on the first pair, and that pair's
    value then counts as 0. The paper says so of X1; we do the same when it is the
    second mark, for a sum of values that nothing marks could not be learnt. "The
    first T/2 - 1 still unmarked pairs" leaves the first mark out of the count, so
    the second mark falls on positions 1..T/2, which gives the stated lag T/2.

    Args:
      T: the minimal length, at least 20: the first ten pairs lie in the first half.
      second_among: how many unmarked pairs the second mark may fall on; T//2 - 1
        if not given (take T//2 - 2 for "the unmarked ones of the first T/2 - 1").
      keep_first_mark: a mark on the first pair stays 1 and the pair's *value*
        becomes 0, instead of marker -1 and a value that does not count.
      end_markers: false leaves out both -1; a mark on the first pair is then like
        any other, unless `keep_first_mark`.

    Raises:
      ValueError: T or `second_among` out of range.

    >>> import jax
    >>> sequence = adding(100).sample(jax.random.key(0))
    >>> sequence.inputs.shape, sequence.targets.shape
    ((110, 2), (1, 1))
    """
    return _marked_pairs(_SUM, T, second_among, keep_first_mark, end_markers)


def multiplication(
    T: int,
    *,
    second_among: int | None = None,
    keep_first_mark: bool = False,
    end_markers: bool = True,
) -> Task:
    """Experiment 5: the product of two marked values, at the end (Section 5.5).

    Like `adding` in shapes, arguments and errors, with values uniform in [0, 1), the
    target `X1 * X2`, and 1 in place of 0 for a marked first pair that does not count.

    >>> import jax
    >>> sequence = multiplication(100).sample(jax.random.key(0))
    >>> bool(0 <= sequence.targets[0, 0] < 1)
    True
    """
    return _marked_pairs(_PRODUCT, T, second_among, keep_first_mark, end_markers)


def modern_adding(T: int) -> Task:
    """The adding problem of the later literature; not a task of the 1997 paper.

    Exactly T pairs, values uniform in [0, 1); markers are 1 at one step in each half
    and 0 elsewhere; the target is the plain sum of the two marked values, in [0, 2),
    out of reach of a logistic output.

    The sequence has `inputs` `(T, 2)`, `targets` and `goals` `(1, 1)`, `length` T.
    ValueError unless T is at least 2.

    >>> import jax
    >>> int(modern_adding(50).sample(jax.random.key(0)).inputs[:, 1].sum())
    2
    """
    return _one_in_each_half(T, lambda x1, x2: x1 + x2)


def modern_multiplication(T: int) -> Task:
    """Like `modern_adding`, with the product of the marked values, in [0, 1).

    >>> import jax
    >>> modern_multiplication(50).sample(jax.random.key(0)).targets.shape
    (1, 1)
    """
    return _one_in_each_half(T, lambda x1, x2: x1 * x2)


def _marked_pairs(
    operation: _Operation,
    T: int,
    second_among: int | None,
    keep_first_mark: bool,
    end_markers: bool,
) -> Task:
    T = check_int(
        "T", T, 20, random_words.MOST_VALUES, "the first ten pairs must lie in the first half"
    )
    if second_among is None:
        second_among = T // 2 - 1
    second_among = check_int(
        "second_among", second_among, 1, T - 2, "the last pair is never marked"
    )
    steps = T + T // 10
    first_pair_loses = keep_first_mark or end_markers

    def sample(key: Key) -> Sequence:
        w = random_words.random_words(key, 5 + steps)
        length = T + random_words.uniform_int(w[0], T // 10 + 1)
        first, second = _two_places(w[1], w[2], second_among)
        x1, x2 = operation.values(w[3]), operation.values(w[4])
        counts1 = jnp.where(first_pair_loses & (first == 0), operation.neutral, x1)
        counts2 = jnp.where(first_pair_loses & (second == 0), operation.neutral, x2)
        if keep_first_mark:
            x1, x2 = counts1, counts2

        t = time_steps(steps)
        values = _put(operation.values(w[5:]), (first, x1), (second, x2))
        markers = _put(jnp.zeros(steps), (first, 1), (second, 1))
        if end_markers:
            ends = (t == 0) | (t == length - 1)
            kept = keep_first_mark & (markers == 1)
            markers = jnp.where(ends & ~kept, -1, markers)
        pairs = jnp.where((t < length)[:, None], jnp.stack([values, markers], 1), 0)
        return at_end(pairs, length, operation.target(counts1, counts2)[None])

    return Task(sample, inputs=2, outputs=1, steps=steps)


def _one_in_each_half(T: int, target: Callable[[Array, Array], Array]) -> Task:
    T = check_int("T", T, 2, random_words.MOST_VALUES, "each half needs a pair to mark")

    def sample(key: Key) -> Sequence:
        w = random_words.random_words(key, 4 + T)
        first = random_words.uniform_int(w[0], T // 2)
        second = T // 2 + random_words.uniform_int(w[1], T - T // 2)
        x1, x2 = random_words.uniform(w[2]), random_words.uniform(w[3])
        values = _put(random_words.uniform(w[4:]), (first, x1), (second, x2))
        markers = _put(jnp.zeros(T), (first, 1), (second, 1))
        pairs = jnp.stack([values, markers], 1)
        return at_end(pairs, jnp.int32(T), target(x1, x2)[None])

    return Task(sample, inputs=2, outputs=1, steps=T)


def _two_places(word1: Array, word2: Array, second_among: int) -> tuple[Array, Array]:
    """One of the first ten places, then one of the first `second_among` others."""
    first = random_words.uniform_int(word1, 10)
    second = random_words.uniform_int(word2, second_among)
    return first, second + (second >= first).astype(second.dtype)


def _put(row: Array, *entries: tuple[Array, Array | float]) -> Array:
    """The row with a few values put in place, by comparison: no scatter per lane."""
    t = time_steps(row.size)
    for place, value in entries:
        row = jnp.where(t == place, value, row)
    return row
