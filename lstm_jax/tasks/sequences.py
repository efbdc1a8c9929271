"""What all tasks share: the two ways to attach targets, and the check of a size."""

import operator

import jax.numpy as jnp

from lstm_jax.types import Array, Sequence


def check_int(name: str, value: int, least: int, most: int, why: str) -> int:
    """`value` as an int if it is a whole number in least..most, else a ValueError.

    >>> check_int("T", 100, 20, 1000, "the net is small")
    100
    >>> check_int("T", 5, 20, 1000, "the net is small")
    Traceback (most recent call last):
      ...
    ValueError: T must be a whole number from 20 to 1000 (the net is small), but 5 \
came; write for example T=20.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or not least <= number <= most:
        raise ValueError(
            f"{name} must be a whole number from {least} to {most} ({why}), "
            f"but {value!r} came; write for example {name}={least}."
        )
    return number


def time_steps(steps: int) -> Array:
    """The time of every step, from 0: `(steps,)` int32.

    >>> time_steps(3)
    Array([0, 1, 2], dtype=int32)
    """
    return jnp.arange(steps, dtype=jnp.int32)


def one_hot(symbols: Array, count: int) -> Array:
    """`(...)` integers in 0..count-1 -> `(..., count)` default float.

    >>> one_hot(jnp.int32(1), 3)
    Array([0., 1., 0.], dtype=float32)
    """
    every = jnp.expand_dims(time_steps(count), range(symbols.ndim))
    return (symbols[..., None] == every).astype(float)


def at_end(inputs: Array, length: Array, target: Array, goal: Array | None = None) -> Sequence:
    """A sequence with its only target at the last living step.

    Args:
      inputs: `(time, inputs)` reals or `(time,)` int32 symbols.
      length: `()` int32.
      target: `(outputs,)`.
      goal: `(outputs,)`; the target itself if not given.

    >>> at_end(jnp.zeros((5, 1)), jnp.int32(4), jnp.ones(2)).targets.shape
    (1, 2)
    """
    goal = target if goal is None else goal
    return Sequence(inputs, target[None], goal[None], jnp.ones(1, bool), length, "end")


def next_symbol(symbols: Array, length: Array, count: int) -> Sequence:
    """A string whose every symbol but the first is a target, one step ahead.

    The last living step reads the last symbol and has no target.

    Args:
      symbols: `(time,)` int32 in 0..count-1.
      length: `()` int32.
      count: number of symbols, and of outputs.

    >>> next_symbol(jnp.int32([2, 0, 1, 0]), jnp.int32(3), 3).targets
    Array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    """
    mask = time_steps(symbols.size) < length - 1
    targets = one_hot(jnp.roll(symbols, -1), count) * mask[:, None].astype(float)
    return Sequence(symbols, targets, targets, mask, length)
