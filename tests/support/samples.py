"""Many sequences of a task at once, one sequence out of many, and the statistics of counts."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

import jax
import numpy as np

from lstm_jax.types import Sequence, Task

BLOCK = 512  # lanes drawn at once: one number, so that a task is compiled once


@cache
def _sampler(task: Task):
    return jax.jit(jax.vmap(task.sample, out_axes=-1))


def many(task: Task, count: int, seed: int = 0) -> Sequence:
    """`count` sequences as NumPy arrays, stacked on the last axis."""
    blocks = -(-count // BLOCK)
    keys = jax.random.split(jax.random.key(seed), (blocks, BLOCK))
    drawn = [jax.tree.map(np.asarray, _sampler(task)(block)) for block in keys]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, -1)[..., :count], *drawn)


def lane(sequences: Sequence, i: int) -> Sequence:
    """The i-th of many sequences."""
    return jax.tree.map(lambda leaf: leaf[..., i], sequences)


def each(sequences: Sequence) -> Iterator[Sequence]:
    """One sequence after the other."""
    return (lane(sequences, i) for i in range(sequences.length.size))


def edited(sequence: Sequence, field: str, index, value) -> Sequence:
    """The sequence with one entry changed, for controls that must fail."""
    array = getattr(sequence, field).copy()
    array[index] = value
    return sequence.replace(**{field: array})


def assert_frequencies(values: Iterable, expected: dict) -> None:
    """Counts agree with probabilities: nothing outside, and chi-squared within 5 sigma."""
    found = Counter(np.asarray(values).tolist())
    assert set(found) <= set(expected), f"values outside of {sorted(expected)}"
    counts = np.array([found[value] for value in expected])
    mean = counts.sum() * np.array(list(expected.values()))
    excess = (((counts - mean) ** 2 / mean).sum() - (len(mean) - 1)) / np.sqrt(2 * len(mean))
    assert abs(excess) < 5, f"chi-squared is {excess:.1f} sigma off"


def assert_uniform(values: Iterable, support: Iterable) -> None:
    """As `assert_frequencies`, with equal probabilities."""
    support = list(support)
    assert_frequencies(values, dict.fromkeys(support, 1 / len(support)))


def assert_moments(values: np.ndarray, mean: float, variance: float, fourth: float) -> None:
    """Mean and variance agree within 5 sigma; `fourth` is the fourth central moment."""
    n = values.size
    assert abs(values.mean() - mean) < 5 * np.sqrt(variance / n)
    error = np.sqrt((fourth - variance**2) / n)
    assert abs(((values - mean) ** 2).mean() - variance) < 5 * error
