"""Tasks by which the paper discusses the limits of its method (Section 6).

It describes them in words; ranges and lengths are our decisions, after its other tasks.
"""

import jax.numpy as jnp

from lstm_jax.ops import random_words
from lstm_jax.tasks.sequences import at_end, check_int, time_steps
from lstm_jax.types import Key, Sequence, Task

XOR, AND = (0.0, 1.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)


def delayed_logic(T: int, truth: tuple[float, float, float, float] = XOR) -> Task:
    """A logical function of two marked signs far apart: the "strongly delayed XOR".

    A step is a pair (sign, marker), signs -1 or 1 with probability 1/2. One of the first
    T//10 pairs and one of the T//10 pairs from T//2 on are marked 1, all others 0. At the
    end the function of the two marked signs is to be told. Knowing one of them does not
    help with XOR, which is why the paper holds it to be hard; with AND it does.

    The sequence has `inputs` `(T + T//10, 2)`, zero from `length` on, `targets` and
    `goals` `(1, 1)` in {0, 1}, and `length` uniform in T..T + T//10.

    Args:
      T: the minimal length, at least 10.
      truth: values for the signs (-, -), (-, +), (+, -), (+, +); `XOR` if not given.

    Raises:
      ValueError: T out of range, or not four values.

    >>> import jax
    >>> sequence = delayed_logic(20).sample(jax.random.key(0))
    >>> signs = sequence.inputs[sequence.inputs[:, 1] == 1, 0]
    >>> signs.tolist(), sequence.targets.tolist()
    ([1.0, 1.0], [[0.0]])
    """
    T = check_int("T", T, 10, random_words.MOST_VALUES, "both marks must fit in")
    if len(truth) != 4:
        raise ValueError(f"truth must have four values, but {truth!r} came; write truth={XOR}.")
    window, steps = T // 10, T + T // 10

    def sample(key: Key) -> Sequence:
        w = random_words.random_words(key, 3 + steps)
        length = T + random_words.uniform_int(w[0], window + 1)
        places = random_words.uniform_int(w[1:3], window) + jnp.array([0, T // 2], jnp.int32)
        t, bits = time_steps(steps), random_words.uniform_int(w[3:], 2)
        marks = (t == places[0]) | (t == places[1])
        inputs = jnp.stack([2.0 * bits.astype(float) - 1, marks.astype(float)], axis=1)
        answer = jnp.asarray(truth)[2 * bits[places[0]] + bits[places[1]]]
        return at_end(jnp.where((t < length)[:, None], inputs, 0), length, answer[None])

    return Task(sample, inputs=2, outputs=1, steps=steps)


def parity(T: int) -> Task:
    """Whether a long sequence of signs has an odd number of +1: guessed, but not learnt.

    The sequence has `inputs` `(T + T//10, 1)`, -1 or 1 with probability 1/2, zero from
    `length` on, `targets` and `goals` `(1, 1)`, 1 for odd, and `length` uniform in
    T..T + T//10. ValueError unless T is at least 1.

    >>> import jax
    >>> sequence = parity(5).sample(jax.random.key(0))
    >>> int((sequence.inputs == 1).sum()), float(sequence.targets[0, 0])
    (2, 0.0)
    """
    T = check_int("T", T, 1, random_words.MOST_VALUES, "there must be something to count")
    steps = T + T // 10

    def sample(key: Key) -> Sequence:
        w = random_words.random_words(key, 1 + steps)
        length = T + random_words.uniform_int(w[0], T // 10 + 1)
        lives, bits = time_steps(steps) < length, random_words.uniform_int(w[1:], 2)
        odd = jnp.sum(jnp.where(lives, bits, 0)) % 2
        inputs = jnp.where(lives, 2.0 * bits.astype(float) - 1, 0)
        return at_end(inputs[:, None], length, odd.astype(float)[None])

    return Task(sample, inputs=1, outputs=1, steps=steps)


def steps_ago(few: int, many: int) -> Task:
    """Whether the one signal came `few` or `many` steps before the end.

    The input is 1 at the signal, which either class has with probability 1/2, and 0
    elsewhere. Before it lie 0 to 10 steps more than are needed, so that time since the
    beginning tells nothing. The paper says that 3 against 11 steps is easy and 99 against
    100 is not.

    The sequence has `inputs` `(many + 11, 1)`, zero from `length` on, `targets` and
    `goals` `(1, 1)`, 1 for `many`, and `length` uniform in many + 1..many + 11.

    Raises:
      ValueError: unless 0 < few < many.

    >>> import jax
    >>> sequence = steps_ago(3, 11).sample(jax.random.key(0))
    >>> int(sequence.length - 1 - sequence.inputs[:, 0].argmax()), sequence.targets.tolist()
    (11, [[1.0]])
    """
    many = check_int("many", many, 2, random_words.MOST_VALUES, "both numbers are above 0")
    few = check_int("few", few, 1, many - 1, "it is the smaller number")
    steps = many + 11

    def sample(key: Key) -> Sequence:
        w = random_words.random_words(key, 2)
        length, late = (
            many + 1 + random_words.uniform_int(w[0], 11),
            random_words.uniform_int(w[1], 2),
        )
        place = length - 1 - jnp.where(late == 1, many, few)
        signal = (time_steps(steps) == place).astype(float)
        return at_end(signal[:, None], length, late.astype(float)[None])

    return Task(sample, inputs=1, outputs=1, steps=steps)
