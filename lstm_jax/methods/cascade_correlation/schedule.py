"""How weights learn, and when they have learned enough."""

from typing import NamedTuple

import jax.numpy as jnp

from lstm_jax.types import Array


class PhaseSchedule(NamedTuple):
    """How the weights into the outputs learn, or those into the candidates.

    Every number may be traced, so that trials can differ in it.

    Attributes:
      epsilon, mu, decay: of `quickprop`. Epsilon is divided by the number of cases, which
        are the steps that have a target, and for candidates by that of their sources too.
      patience: epochs without a significant change after which learning is over.
      change: what change is significant, relative to the error or the score itself.
      limit: epochs after which learning is over in any case.
    """

    epsilon: float | Array
    mu: float | Array = 2.0
    decay: float | Array = 0.0
    patience: int | Array = 8
    change: float | Array = 0.01
    limit: int | Array = 200


class Progress(NamedTuple):
    """How learning goes since it last turned from outputs to candidates or back.

    Attributes:
      epochs: `(*lanes)` int32, epochs since then.
      last: `(*lanes)`, error or score at the last significant change.
      quit: `(*lanes)` int32, the epoch at which it is over without another one.
    """

    epochs: Array
    last: Array
    quit: Array


def start(quit: Array | int) -> Progress:
    """Before the first epoch.

    As in the programs, outputs begin with their patience for `quit`, and candidates with
    their limit: they are not given up before their first significant change.
    """
    return Progress(jnp.zeros((), jnp.int32), jnp.zeros(()), jnp.asarray(quit, jnp.int32))


def advance(schedule: PhaseSchedule, progress: Progress, value: Array) -> tuple[Progress, Array]:
    """Progress after an epoch with this error or score, and whether learning is over.

    A change is significant whether for the better or the worse. The first epoch is what
    the next are compared with.

    Example: twice as good is a change, and is the last one.
      >>> schedule = PhaseSchedule(epsilon=1.0, patience=2)
      >>> progress = start(schedule.patience)
      >>> for error in (1.0, 0.5, 0.5, 0.5):
      ...     progress, over = advance(schedule, progress, jnp.array(error))
      ...     print(int(progress.epochs), int(progress.quit), bool(over))
      1 2 False
      2 4 False
      3 4 False
      4 4 True
    """
    epochs = progress.epochs + 1
    off = jnp.abs(value - progress.last) > schedule.change * progress.last
    changed = off & (progress.epochs > 0)
    quit = jnp.where(changed, epochs + schedule.patience, progress.quit).astype(jnp.int32)
    last = jnp.where(changed | (progress.epochs == 0), value, progress.last)
    return Progress(epochs, last, quit), epochs >= jnp.minimum(quit, schedule.limit)
