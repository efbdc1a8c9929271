"""Experiment 2: a symbol near the start must be remembered until the end.

Symbols are numbered in the paper's order, from 0: first the distractors a_1, a_2, ...,
then, in 2a and 2b, x and y, and in 2c, e, b, x and y.
"""

import jax.numpy as jnp

from lstm_jax.ops import random_words
from lstm_jax.tasks.sequences import at_end, check_int, next_symbol, one_hot, time_steps
from lstm_jax.types import Array, Key, Sequence, Task


def fixed_distractors(p: int) -> Task:
    """Experiment 2a: (x, a_1, ..., a_{p-1}, x) or the same with y (Section 5.2).

    Each with probability 1/2; the next symbol is predicted at every step. Of the p + 1
    symbols a_1..a_{p-1} are 0..p-2, x is p - 1 and y is p.

    The sequence has `inputs` `(p + 1,)` int32, `targets` and `goals` `(p + 1, p + 1)`
    one-hot, `mask` `(p + 1,)` true but at the last step, which reads the last symbol,
    and `length` p + 1. ValueError unless p is at least 2.

    >>> import jax
    >>> fixed_distractors(4).sample(jax.random.key(0)).inputs.tolist()
    [4, 0, 1, 2, 4]
    """
    p = _distractors(p, least=2)

    def sample(key: Key) -> Sequence:
        edge = p - 1 + random_words.uniform_int(random_words.random_words(key, 1)[0], 2)
        symbols = _framed(edge, time_steps(p + 1) - 1)
        return next_symbol(symbols, jnp.int32(p + 1), p + 1)

    return Task(sample, inputs=p + 1, outputs=p + 1, steps=p + 1)


def random_distractors(p: int, *, end_only: bool = False) -> Task:
    """Experiment 2b: like 2a, but the p - 1 symbols in the middle are drawn at random.

    Each is uniform in a_1..a_{p-1}; symbols are numbered as in `fixed_distractors`,
    and so are the shapes of the sequence. The paper asks for a prediction at every
    step, but success is judged at the sequence end alone: by this task with
    `end_only`, which makes the same sequences of the same keys.

    Args:
      p: the delay, at least 2.
      end_only: only the final x or y is a target. It is then never read: the sequence
        has `inputs` `(p,)`, `targets` and `goals` `(1, p + 1)` and `length` p.

    Raises:
      ValueError: p out of range.

    >>> import jax
    >>> random_distractors(6).sample(jax.random.key(0)).inputs.tolist()
    [6, 4, 1, 2, 2, 0, 6]
    """
    p = _distractors(p, least=2)

    def sample(key: Key) -> Sequence:
        w = random_words.random_words(key, p + 1)  # the edge stands first, so its word is free
        edge = p - 1 + random_words.uniform_int(w[0], 2)
        symbols = _framed(edge, random_words.uniform_int(w, p - 1))
        if end_only:
            return at_end(symbols[:-1], jnp.int32(p), one_hot(edge, p + 1))
        return next_symbol(symbols, jnp.int32(p + 1), p + 1)

    return Task(sample, inputs=p + 1, outputs=p + 1, steps=p if end_only else p + 1)


def random_lag(p: int, q: int, *, most_extra: int = 200) -> Task:
    """Experiment 2c: very long lags among many distractors (Section 5.2).

    A sequence is b, then x or y (each with probability 1/2), then q + k distractors,
    then the trigger e, upon which the same x or y is to be predicted. Distractors are
    uniform in a_1..a_p; k counts the further distractors, each with probability 9/10,
    before e with probability 1/10. Of the p + 4 symbols a_1..a_p are 0..p-1, e is p,
    b is p + 1, x is p + 2 and y is p + 3; the two outputs are x and y.

    The final x or y is the target and is never read, so that `length` is q + k + 3,
    one less than the paper's. The sequence has `inputs` `(q + 3 + most_extra,)` int32,
    0 from `length` on, and `targets` and `goals` `(1, 2)` one-hot.

    Decisions: k is clamped to `most_extra`; the probability that this changes
    anything is below 1e-9 by default. The mean of k is 9, so that the paper's mean
    length is q + 13; its q + 14 is its own sum 4 + sum_k (q + k) (9/10)^k / 10, which
    is q + 13 as well.

    Args:
      p: number of distractor symbols, at least 1.
      q: number of distractors in every sequence, at least 0; the minimal lag is q + 1.
      most_extra: the largest k, at least 0.

    Raises:
      ValueError: an argument out of range.

    >>> import jax
    >>> sequence = random_lag(4, 3).sample(jax.random.key(0))
    >>> sequence.inputs[: sequence.length].tolist(), sequence.targets.tolist()
    ([5, 7, 1, 1, 2, 4], [[0.0, 1.0]])
    """
    p = _distractors(p, least=1)
    q = check_int("q", q, 0, 10**6, "it counts distractors")
    most_extra = check_int("most_extra", most_extra, 0, 10**4, "it counts distractors")
    e, b, x = p, p + 1, p + 2
    steps = q + 3 + most_extra

    def sample(key: Key) -> Sequence:
        # b and x or y stand on fixed places, so their words are free for the choices
        w = random_words.random_words(key, steps)
        length = q + 3 + _failures(w[0], 0.9, most_extra)
        which = random_words.uniform_int(w[1], 2)

        t = time_steps(steps)
        symbols = jnp.where(t < length, random_words.uniform_int(w, p), 0)
        for place, symbol in ((0, b), (1, x + which), (length - 1, e)):
            symbols = jnp.where(t == place, symbol, symbols)
        return at_end(symbols, length, one_hot(which, 2))

    return Task(sample, inputs=p + 4, outputs=2, steps=steps)


def _distractors(p: int, least: int) -> int:
    return check_int("p", p, least, random_words.MOST_VALUES, "it sets the number of distractors")


def _framed(edge: Array, middle: Array) -> Array:
    """The middle with its first and last symbol replaced."""
    t = time_steps(middle.size)
    return jnp.where((t == 0) | (t == middle.size - 1), edge, middle)


def _failures(word: Array, probability: float, most: int) -> Array:
    """How often in a row something of this probability happens, at most `most`.

    P(result >= m) = probability^m, by integer comparisons: a logarithm would round
    differently on different devices.
    """
    thresholds = [int(probability**m * 2**32) for m in range(1, most + 1)]
    return (word < jnp.array(thresholds, jnp.uint32)).sum(dtype=jnp.int32)
