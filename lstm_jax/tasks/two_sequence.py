"""Experiment 3: two classes of noisy sequences, told apart by their beginning."""

import math

import jax.numpy as jnp
import numpy as np

from lstm_jax.ops import random_words
from lstm_jax.tasks.sequences import at_end, check_int, time_steps
from lstm_jax.types import Key, Sequence, Task


def two_sequence(
    T: int,
    N: int,
    *,
    noisy_signal: bool = False,
    targets: tuple[float, float] = (1.0, 0.0),
    target_variance: float = 0.0,
    variance: float = 0.2,
) -> Task:
    """Experiments 3a, 3b, 3c: the two-sequence problem (Section 5.3).

    One real input. The first N elements are +1 in class 1 and -1 in class 2, each
    class with probability 1/2; the others are Gaussian noise with mean 0. At the end
    the class is to be told. The three tasks of the paper are

        3a  two_sequence(T, N)
        3b  two_sequence(T, N, noisy_signal=True)
        3c  two_sequence(T, N, targets=(0.2, 0.8), target_variance=0.1)

    The sequence has `inputs` `(T + T//10, 1)`, zero from `length` on, `targets` and
    `goals` `(1, 1)`, and `length` uniform in T..T + T//10. Goals are the targets
    without their noise.

    Args:
      T: the minimal length, at least N.
      N: the number of elements that tell the class, at least 1.
      noisy_signal: add the input noise to those N elements too.
      targets: of class 1 and of class 2.
      target_variance: of Gaussian noise on the targets (0.01 for the reading of 3c
        in which 0.1 is a standard deviation).
      variance: of the input noise.

    Raises:
      ValueError: T or N out of range, a negative variance, not two targets.

    >>> import jax
    >>> sequence = two_sequence(100, 3).sample(jax.random.key(0))
    >>> sequence.inputs.shape, sequence.inputs[:3, 0].tolist()
    ((110, 1), [-1.0, -1.0, -1.0])
    """
    N = check_int("N", N, 1, random_words.MOST_VALUES, "the class must show somewhere")
    T = check_int("T", T, N, random_words.MOST_VALUES, "the N elements of the class must fit in")
    _check_noise(targets, target_variance, variance)
    steps = T + T // 10

    def sample(key: Key) -> Sequence:
        w = random_words.random_words(key, 3 + steps)
        length = T + random_words.uniform_int(w[0], T // 10 + 1)
        class1 = random_words.uniform_int(w[1], 2) == 0
        goal = jnp.where(class1, *targets).astype(float)[None]
        target = goal + math.sqrt(target_variance) * random_words.normal(w[2])

        t = time_steps(steps)
        noise = math.sqrt(variance) * random_words.normal(w[3:])
        signal = jnp.where(class1, 1.0, -1.0) + (noise if noisy_signal else 0)
        elements = jnp.where(t < N, signal, noise)
        alive = jnp.where(t < length, elements, 0)
        return at_end(alive[:, None], length, target, goal)

    return Task(sample, inputs=1, outputs=1, steps=steps)


def _check_noise(targets, target_variance: float, variance: float) -> None:
    if np.shape(targets) != (2,):
        raise ValueError(
            f"targets must be the pair for class 1 and class 2, but {targets!r} came; "
            "write for example targets=(0.2, 0.8)."
        )
    for name, value in (("target_variance", target_variance), ("variance", variance)):
        if not 0 <= value < math.inf:
            raise ValueError(
                f"{name} must be finite and at least 0, but {value!r} came; "
                f"write {name}=0 for no noise."
            )
