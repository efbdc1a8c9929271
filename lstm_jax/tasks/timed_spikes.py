"""Precise timing: intervals between spikes, to be measured or to be kept (Gers et al. 2002).

Departure: intervals are drawn anew for every spike, or told by an input, so that a single task
has many sequences; the paper trains and tests with one interval, or with streams.
"""

import jax.numpy as jnp

from lstm_jax.ops import random_words
from lstm_jax.tasks.sequences import check_int, time_steps
from lstm_jax.types import Key, Sequence, Task


def measured_spikes(shortest: int = 10, choices: int = 2, spikes: int = 5) -> Task:
    """Tell at every spike how long ago the last one was.

    The only input is 1 at a spike and 0 else; the first spike is at step 0. The interval to the
    next is uniform among `choices` lengths from `shortest` on, by a step longer each. At every
    spike but the first, `targets` and `goals` `(steps, 1)` are where the interval just over lies
    between the shortest, 0, and the longest, 1; no other step is judged.

    Args:
      shortest: interval, in steps.
      choices: how many intervals there are.
      spikes: in a sequence.

    Raises:
      ValueError: a number out of range.

    >>> import jax
    >>> sequence = measured_spikes(shortest=3, choices=2, spikes=3).sample(jax.random.key(1))
    >>> sequence.inputs[:, 0].astype(int).tolist()
    [1, 0, 0, 1, 0, 0, 0, 1, 0]
    >>> sequence.targets[:, 0].astype(int).tolist(), int(sequence.length)
    ([0, 0, 0, 0, 0, 0, 0, 1, 0], 8)
    """
    shortest, choices, spikes = _checked(shortest, choices, spikes)
    steps = 1 + (spikes - 1) * (shortest + choices - 1)

    def sample(key: Key) -> Sequence:
        words = random_words.random_words(key, spikes - 1)
        longer = random_words.uniform_int(words, choices)
        at = jnp.cumsum(jnp.concatenate([jnp.zeros(1, jnp.int32), shortest + longer]))
        here = time_steps(steps)[:, None] == at[None]
        place = longer.astype(float) / (choices - 1)
        target = jnp.sum(jnp.where(here[:, 1:], place[None], 0), axis=1)[:, None]
        spike, asked = jnp.any(here, axis=1), jnp.any(here[:, 1:], axis=1)
        return Sequence(spike.astype(float)[:, None], target, target, asked, at[-1] + 1)

    return Task(sample, inputs=1, outputs=1, steps=steps)


def generated_spikes(shortest: int = 10, choices: int = 2, spikes: int = 5) -> Task:
    """Give a spike at even intervals, whose length an input tells.

    The only input is the same at all steps: where the interval lies between the shortest, 0,
    and the longest, 1, of `choices` lengths from `shortest` on. `targets` and `goals`
    `(steps, 1)` are 1 at the last step of every interval and 0 else; all steps are judged.

    Args:
      shortest: interval, in steps.
      choices: how many intervals there are.
      spikes: in a sequence.

    Raises:
      ValueError: a number out of range.

    >>> import jax
    >>> sequence = generated_spikes(shortest=3, choices=2, spikes=2).sample(jax.random.key(0))
    >>> sequence.inputs[0].tolist(), sequence.targets[:, 0].astype(int).tolist()
    ([1.0], [0, 0, 0, 1, 0, 0, 0, 1])
    """
    shortest, choices, spikes = _checked(shortest, choices, spikes)
    steps = spikes * (shortest + choices - 1)

    def sample(key: Key) -> Sequence:
        longer = random_words.uniform_int(random_words.random_words(key, 1)[0], choices)
        t, interval = time_steps(steps), shortest + longer
        length = spikes * interval
        spike = ((t + 1) % interval == 0) & (t < length)
        told = jnp.broadcast_to(longer.astype(float) / (choices - 1), (steps, 1))
        target = spike.astype(float)[:, None]
        return Sequence(told, target, target, t < length, length)

    return Task(sample, inputs=1, outputs=1, steps=steps)


def _checked(shortest: int, choices: int, spikes: int) -> tuple[int, int, int]:
    return (
        check_int("shortest", shortest, 2, 10**5, "shortest interval, in steps"),
        check_int("choices", choices, 2, 10**4, "lengths of intervals"),
        check_int("spikes", spikes, 2, 10**4, "spikes in a sequence"),
    )
