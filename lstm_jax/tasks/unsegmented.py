"""Labels of a signal that nobody has cut into pieces: what CTC is for."""

import jax.numpy as jnp
import numpy as np

from lstm_jax.ops import random_words
from lstm_jax.tasks.sequences import check_int, one_hot, time_steps
from lstm_jax.types import Key, Sequence, Task

LABELS = 4  # ramps: up or down, on one channel or on the other
_SHORTEST, _LONGEST = 3, 6  # steps of a ramp
_PAUSE = 3  # at most, before each ramp


def unsegmented(most: int = 5, noise: float = 0.2) -> Task:
    """A signal of two channels with ramps in it, to be told which and in what order.

    Label 1 rises from 0 to 1 on the first channel and 2 falls from 1 to 0, 3 and 4 do so on
    the second. Each takes 3 to 6 steps, with 0 to 3 steps of silence before; how long, and
    where one ends, is not told. Single steps do not tell rising from falling: what comes
    before and after does. Everything is drawn uniformly, and uniform noise is added.

    The sequence has `inputs` `(9 * most, 2)` reals, `length` to the end of the last ramp;
    `targets` and `goals` `(9 * most, 5)`, labels as one-hot vectors, class 0 being the blank
    of CTC, in a time of their own with `target_length` 1..most.

    Args:
      most: labels in a sequence.
      noise: of every input, uniform in [-noise, noise].

    Raises:
      ValueError: a number out of range.

    >>> import jax
    >>> sequence = unsegmented().sample(jax.random.key(0))
    >>> n = int(sequence.target_length)
    >>> sequence.targets[:n].argmax(axis=1).tolist(), int(sequence.length)
    ([4, 2, 2, 3, 1], 33)
    """
    most = check_int("most", most, 1, 1000, "labels in a sequence")
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise: expected a number from 0 on, got {noise}")
    steps = most * (_LONGEST + _PAUSE)

    def sample(key: Key) -> Sequence:
        w = random_words.random_words(key, 1 + 3 * most + 2 * steps)
        number = 1 + random_words.uniform_int(w[0], most)
        of_label, of_ramp, of_pause = jnp.split(w[1 : 1 + 3 * most], 3)
        label = 1 + random_words.uniform_int(of_label, LABELS)
        takes = _SHORTEST + random_words.uniform_int(of_ramp, _LONGEST - _SHORTEST + 1)
        pause = random_words.uniform_int(of_pause, _PAUSE + 1)
        ends = jnp.cumsum(takes + pause, dtype=jnp.int32)
        said = time_steps(most) < number
        length = ends[number - 1]
        # [step, label]: how far each ramp is at each step, from 0 to 1
        into = time_steps(steps)[:, None] - (ends - takes)[None]
        there = (into >= 0) & (into < takes[None]) & said[None]
        phase = into.astype(float) / (takes[None] - 1).astype(float)
        height = jnp.where((label % 2 == 1)[None], phase, 1 - phase)
        channel = one_hot((label - 1) // 2, 2)
        signal = jnp.where(there, height, 0) @ channel
        hiss = noise * random_words.uniform_signed(w[1 + 3 * most :]).reshape(steps, 2)
        inputs = jnp.where((time_steps(steps) < length)[:, None], signal + hiss, 0)
        labels = jnp.where(said, label, 0)
        targets = jnp.zeros((steps, LABELS + 1)).at[:most].set(one_hot(labels, LABELS + 1))
        mask = time_steps(steps) < number
        targets = targets * mask[:, None].astype(float)
        return Sequence(inputs, targets, targets, mask, length, "own", number)

    return Task(sample, inputs=2, outputs=LABELS + 1, steps=steps)
