"""Strings to be written again as they are, or backwards."""

import jax
import jax.numpy as jnp

from lstm_jax.ops import random_words
from lstm_jax.tasks.sequences import check_int, one_hot, time_steps
from lstm_jax.types import Array, Key, Sequence, Task

BEGIN, END = 0, 1  # of what is written; letters come after them


def copying(
    letters: int = 8,
    shortest: int = 1,
    longest: int = 10,
    *,
    backwards: bool = False,
    steps: int | None = None,
) -> Task:
    """Read a string, then write it: what an encoder and a decoder are tried on.

    Letters are 2 to `letters` + 1; 0 begins and 1 ends what is written. The sequence has
    `inputs` `(steps,)` int32, `length` uniform in `shortest`..`longest`; `targets` and `goals`
    `(steps + 1, letters + 2)` one-hot, the string and its end, in a time of their own with
    `target_length` = `length` + 1. Letters are independent and equally likely.

    `evaluation_set` of index i has strings of each length in turn: length `shortest` + i modulo
    the number of lengths; the letters are drawn by i.

    Args:
      letters: how many there are.
      shortest, longest: lengths, both included.
      backwards: whether to write from the last letter to the first.
      steps: what inputs are padded to; None for `longest`.

    Raises:
      ValueError: a number out of range.

    >>> import jax
    >>> sequence = copying(shortest=3, longest=3).sample(jax.random.key(0))
    >>> sequence.inputs.tolist(), sequence.targets.argmax(axis=1).tolist()
    ([9, 4, 5], [9, 4, 5, 1])
    """
    letters = check_int("letters", letters, 1, random_words.MOST_VALUES, "there must be some")
    longest = check_int("longest", longest, 1, 10**5, "the longest string")
    shortest = check_int("shortest", shortest, 1, longest, "the shortest string")
    steps = longest if steps is None else check_int("steps", steps, longest, 10**5, "all must fit")
    labels = letters + 2

    def string(words: Array, length: Array) -> Sequence:
        t = time_steps(steps)
        drawn = 2 + random_words.uniform_int(words, letters)
        symbols = jnp.where(t < length, drawn, BEGIN)
        turned = symbols[jnp.clip(length - 1 - t, 0)] if backwards else symbols
        written = jnp.append(turned, BEGIN)
        place = time_steps(steps + 1)
        written = jnp.where(place < length, written, jnp.where(place == length, END, BEGIN))
        mask = place <= length
        targets = one_hot(written, labels) * mask[:, None].astype(float)
        return Sequence(symbols, targets, targets, mask, length, "own", length + 1)

    def sample(key: Key) -> Sequence:
        w = random_words.random_words(key, 1 + steps)
        return string(w[1:], shortest + random_words.uniform_int(w[0], longest - shortest + 1))

    def evaluation_set(index: Array) -> Sequence:
        key = jax.random.fold_in(jax.random.key(0, impl="threefry2x32"), index)
        length = shortest + jnp.asarray(index, jnp.int32) % (longest - shortest + 1)
        return string(random_words.random_words(key, steps), length)

    return Task(sample, labels, labels, steps, evaluation_set)
