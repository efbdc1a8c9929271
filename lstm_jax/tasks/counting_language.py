"""Languages that have to be counted: a^n b^n and a^n b^n c^n (Gers and Schmidhuber 2001)."""

import jax.numpy as jnp

from lstm_jax.ops import random_words
from lstm_jax.tasks.sequences import check_int, one_hot, time_steps
from lstm_jax.types import Array, Key, Sequence, Task


def counting_language(
    letters: int = 2, fewest: int = 1, most: int = 10, test_most: int = 0
) -> Task:
    """Predict what may come next in strings of n a's, n b's, ... : "aabb", "aabbcc".

    Symbol 0 begins every string and ends it, 1 to `letters` are the letters. What may come
    after an a is an a or a b; after the first b everything is sure, if one has counted. So
    `targets` and `goals` `(steps, letters + 1)` are 1 for every symbol that may come next;
    `inputs` `(steps,)` int32 is the string with its beginning, and every step of it is judged.
    A string of two letters needs one counter that counts up and down; of three letters, two.

    n is uniform in `fewest`..`most`. `evaluation_set` of index i is the string of
    n = 1 + i modulo the largest n, so that a test of as many tells how far a net generalises.

    Args:
      letters: 2 for a^n b^n, 3 for a^n b^n c^n, and so on.
      fewest, most: n in training, both included.
      test_most: largest n of the evaluation set; 0 for `most`. Sequences are padded to it.

    Raises:
      ValueError: a number out of range.

    >>> import jax
    >>> sequence = counting_language(fewest=2, most=2).sample(jax.random.key(0))
    >>> sequence.inputs.tolist(), sequence.targets.astype(int).tolist()
    ([0, 1, 1, 2, 2], [[0, 1, 0], [0, 1, 1], [0, 1, 1], [0, 0, 1], [1, 0, 0]])
    """
    letters = check_int("letters", letters, 2, 100, "the first is counted, the others count down")
    most = check_int("most", most, 1, 10**5, "largest n in training")
    fewest = check_int("fewest", fewest, 1, most, "smallest n in training")
    largest = check_int("test_most", test_most or most, most, 10**5, "largest n in the test")
    steps = 1 + letters * largest

    def string(n: Array) -> Sequence:
        t, length = time_steps(steps), 1 + letters * n
        symbols = jnp.where((t == 0) | (t >= length), 0, 1 + (t - 1) // n)
        following = jnp.where(t + 1 < length, 1 + t // n, 0)
        may = one_hot(following, letters + 1)
        # an a may be the last one, or not
        every = time_steps(letters + 1)
        after_a = ((every == 1) | (every == 2)).astype(float)
        may = jnp.where((symbols == 1)[:, None], after_a[None], may)
        mask = t < length
        may = may * mask[:, None].astype(float)
        return Sequence(symbols, may, may, mask, length)

    def sample(key: Key) -> Sequence:
        word = random_words.random_words(key, 1)[0]
        return string(fewest + random_words.uniform_int(word, most - fewest + 1))

    def evaluation_set(index: Array) -> Sequence:
        return string(1 + jnp.asarray(index, jnp.int32) % largest)

    return Task(sample, letters + 1, letters + 1, steps, evaluation_set)
