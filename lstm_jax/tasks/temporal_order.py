"""Experiment 6: the order of widely separated symbols decides the class."""

import jax.numpy as jnp

from lstm_jax.ops import random_words
from lstm_jax.tasks.sequences import at_end, one_hot, time_steps
from lstm_jax.types import Key, Sequence, Task

SYMBOLS = "EBabcdXY"

_WINDOWS = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}
_SHORTEST, _LONGEST = 100, 110


def temporal_order(marks: int = 2) -> Task:
    """Experiments 6a (two marks) and 6b (three): temporal order (Section 5.6).

    Symbols are numbered as in `SYMBOLS`: E, B, a, b, c, d, X, Y are 0..7. A sequence
    starts with E, ends with B, has X or Y at each of the marked positions and random
    symbols a-d elsewhere. The class, to be told at the end, is the number that the
    marks spell in binary, X for 0 and Y for 1, the first mark the highest: XX, XY, YX,
    YY are Q, R, S, U, and XXX to YYY are Q, R, S, U, V, A, B, C.

    The sequence has `inputs` `(110,)` int32, 0 from `length` on, `targets` and `goals`
    `(1, 4)` or `(1, 8)` one-hot, and `length` uniform in 100..110.

    Decision: the paper's positions count from 1, so E has position 1 and the mark at
    position t1, uniform in 10..20, stands at index t1 - 1 (t2 in 50..60; with three
    marks t2 in 33..43 and t3 in 66..76). This gives the stated minimal lags, 40 and
    24. All bounds are included.

    Args:
      marks: 2 or 3.

    Raises:
      ValueError: another number of marks.

    >>> import jax
    >>> sequence = temporal_order().sample(jax.random.key(0))
    >>> "".join(SYMBOLS[i] for i in sequence.inputs[:20])
    'EabccadaccddYccaadcd'
    """
    if marks not in _WINDOWS:
        raise ValueError(
            f"marks must be 2 (experiment 6a) or 3 (6b), but {marks!r} came; "
            "write temporal_order(marks=2) or temporal_order(marks=3)."
        )
    classes = 2**marks

    def sample(key: Key) -> Sequence:
        w = random_words.random_words(key, 2 + marks + _LONGEST)
        length = _SHORTEST + random_words.uniform_int(w[0], _LONGEST - _SHORTEST + 1)
        label = random_words.uniform_int(w[1], classes)

        t = time_steps(_LONGEST)
        symbols = SYMBOLS.index("a") + random_words.uniform_int(w[2 + marks :], 4)
        for mark, (earliest, latest) in enumerate(_WINDOWS[marks]):
            place = earliest - 1 + random_words.uniform_int(w[2 + mark], latest - earliest + 1)
            x_or_y = SYMBOLS.index("X") + ((label >> (marks - 1 - mark)) & 1)
            symbols = jnp.where(t == place, x_or_y, symbols)
        symbols = jnp.where(t == length - 1, SYMBOLS.index("B"), symbols)
        symbols = jnp.where((t == 0) | (t >= length), SYMBOLS.index("E"), symbols)
        return at_end(symbols, length, one_hot(label, classes))

    return Task(sample, inputs=len(SYMBOLS), outputs=classes, steps=_LONGEST)
