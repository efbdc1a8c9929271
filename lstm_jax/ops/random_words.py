"""Random 32-bit words, and the numbers that tasks make of them.

Sequences are drawn inside the training loop, where random words are most of what
they cost and every call of `jax.random` has an overhead of its own. So a task asks
once for all the words of a sequence and makes its choices from them here, one word
a choice (`jax.random.randint` takes two).

Integers are exact arithmetic on the words, and reals have at most 24 random bits:
the same key draws the same sequence in float32 and in float64, on any device.
"""

import jax
import jax.numpy as jnp

from lstm_jax.types import Array, Key

MOST_VALUES = 2**16  # as many values as `uniform_int` can draw from


def random_words(key: Key, count: int) -> Array:
    """`count` independent words: `(count,)` uint32.

    >>> random_words(jax.random.key(0), 3).shape
    (3,)
    """
    return jax.random.bits(key, (count,), jnp.uint32)


def uniform_int(words: Array, n: int) -> Array:
    """Uniform whole numbers in 0..n-1, one a word: `(...)` uint32 -> int32.

    It is `floor(word * n / 2^32)`, in two halves because the product has 48 bits,
    for n in 1..`MOST_VALUES`. The probability of each value is within 2^-32 of 1/n.

    >>> uniform_int(jnp.uint32([0, 2**31, 2**32 - 1]), 10)
    Array([0, 5, 9], dtype=int32)
    """
    high, low = (words >> 16) * n, (words & 0xFFFF) * n
    return ((high + (low >> 16)) >> 16).astype(jnp.int32)


def uniform(words: Array) -> Array:
    """Uniform reals in [0, 1), multiples of 2^-24: `(...)` uint32 -> default float.

    >>> uniform(jnp.uint32([0, 2**31]))
    Array([0. , 0.5], dtype=float32)
    """
    return (words >> 8).astype(jnp.int32).astype(float) * 2**-24


def uniform_signed(words: Array) -> Array:
    """Uniform reals in [-1, 1), multiples of 2^-23: `(...)` uint32 -> default float.

    >>> uniform_signed(jnp.uint32([0, 2**31]))
    Array([-1.,  0.], dtype=float32)
    """
    return 2 * uniform(words) - 1


def normal(words: Array) -> Array:
    """Standard Gaussian reals: `(...)` uint32 -> default float.

    The inverse of the distribution function at the midpoints of 2^23 equal cells,
    which keeps away from the infinite ends: no value exceeds 5.3 in size.

    >>> bool(abs(normal(jnp.uint32([2**31]))[0]) < 1e-6)
    True
    """
    midpoint = ((words >> 9).astype(jnp.int32).astype(float) + 0.5) * 2**-22 - 1
    return 2**0.5 * jax.lax.erf_inv(midpoint)
