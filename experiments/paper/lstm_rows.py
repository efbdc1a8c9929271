"""Every LSTM row of the tables of the 1997 paper: its settings and its published figures.

The single source of both. A row is the *literal* reading of the paper; `readings` says
what else it may mean, `methods.build` makes an experiment of the two.

Decisions. The paper does not say how often the test set of experiment 3 is tried: here
every 1000 training sequences, so its figures come in thousands. Every row has a cap on
the training sequences of a trial, beyond which the trial counts as failed: ten times the
published mean where sequences have up to 300 steps, three times where they are longer and
in 6b, whose failing trials would take most of the time of its table.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax

from experiments.paper.row import Published, Row
from experiments.paper.settings import EvaluationSettings, NetSettings, TrainingSettings
from lstm_jax.cells.topology import Kind
from lstm_jax.tasks import (
    adding,
    fixed_distractors,
    from_pairs,
    multiplication,
    random_distractors,
    random_lag,
    reber_sets,
    temporal_order,
    two_sequence,
)
from lstm_jax.training.growth import when_slow
from lstm_jax.training.stopping import Criterion, recent, streak, validation
from lstm_jax.types import Array, Sequence, Task

GATES: tuple[Kind, ...] = ("input_gate", "output_gate")
HIDDEN: tuple[Kind, ...] = ("cell", *GATES)


def _cap(after: int | None, steps: int, window: int = 0) -> int:
    assert after is not None
    return after * (10 if steps <= 300 else 3) + window


@cache
def reber_set_pairs(number: int) -> tuple[Sequence, Sequence]:
    """Training and test sets of experiment 1, `(pairs, ...)`: concrete, always the same ones."""
    with jax.ensure_compile_time_eval():
        return jax.vmap(reber_sets)(jax.random.split(jax.random.key(0), number))


def reber_pairs(number: int, pair: Array | int = 0) -> Task:
    """Experiment 1 with one of `number` pairs of training and test sets."""
    return from_pairs(*reber_set_pairs(number), pair=pair)


def reber_row(rate: float, cap: int, net: dict[str, Any] | None = None, **about: Any) -> Row:
    """A row of experiment 1, with what all of them share, the rivals' too."""
    return Row(
        table=1,
        trials=30,
        net=NetSettings(inputs=7, outputs=7, weights=0.2, **(net or {})),
        training=TrainingSettings(
            task=partial(reber_pairs, 3), rate=rate, pairs=3, every_step=True
        ),
        evaluation=EvaluationSettings(
            tolerance=None, stop=partial(validation, 512, 100, Criterion()), cap=cap, test=0
        ),
        **about,
    )


def _reber(
    number: int, blocks: tuple[int, ...], rate: float, published: Published, weight_count: int
) -> Row:
    """A row of Table 1: weights change at every step, gates alone have biases."""
    size = f"{len(blocks)} blocks of {blocks[0]}"
    return reber_row(
        name=f"1-{number}",
        experiment="1",
        title=f"embedded Reber grammar, {size}, rate {rate}",
        published=published,
        weight_count=weight_count,
        rate=rate,
        cap=_cap(published.after, 12),
        net={
            "blocks": blocks,
            "output_gate": tuple(-1.0 - j for j in range(len(blocks))),
            "biased": GATES,
            "output_bias": False,
        },
    )


TABLE_1 = (
    _reber(1, (1, 1, 1, 1), 0.1, Published(39_740), 264),
    _reber(2, (2, 2, 2), 0.1, Published(21_730), 276),
    _reber(3, (2, 2, 2), 0.2, Published(14_060, success=0.97), 276),
    _reber(4, (1, 1, 1, 1), 0.5, Published(9_500, success=0.97), 264),
    _reber(5, (2, 2, 2), 0.5, Published(8_440, after_range=(3_800, 24_100)), 276),
)


def long_lag_row(
    task: Callable[[int], Task],
    p: int,
    cap: int,
    training: dict[str, Any],
    net: dict[str, Any] | None = None,
    **about: Any,
) -> Row:
    """A row of experiments 2a and 2b, with what all of them share, the rivals' too."""
    return Row(
        table=2,
        trials=18,
        net=NetSettings(inputs=p + 1, outputs=p + 1, weights=0.2, **(net or {})),
        training=TrainingSettings(task=partial(task, p), **training),
        evaluation=EvaluationSettings(
            tolerance=0.25, stop=partial(streak, 10_000), cap=cap, test=0
        ),
        **about,
    )


def _long_lag(experiment: str, title: str, task: Callable[[int], Task], after: int) -> Row:
    """An LSTM row of experiments 2a and 2b: one cell with an input gate, added later."""
    return long_lag_row(
        task,
        p=100,
        name=experiment,
        experiment=experiment,
        title=title,
        published=Published(after),
        weight_count=10_504,
        cap=_cap(after, 100, 10_000),
        training={"rate": 1.0, "every_step": True, "growth": when_slow},
        net={
            "blocks": (1,),
            "output_gates": False,
            "recurrence": "none",
            "direct": True,
            "squash_input": (0.0, 1.0),
            "squash_state": None,
            "biased": (),
            "output_bias": False,
        },
    )


TABLE_2 = (
    _long_lag("2a", "lag 100, the same distractors", fixed_distractors, 5_040),
    _long_lag("2b", "lag 100, random distractors", random_distractors, 5_680).with_settings(
        judged_at_end=True
    ),
)


def _random_lag(lag: int, distractors: int, after: int, weight_count: int) -> Row:
    """A row of Table 3. Output gates, no biases at all."""
    window = 10_000
    return Row(
        name=f"2c-{lag}-{distractors}",
        table=3,
        experiment="2c",
        title=f"lag {lag}, {distractors} distractors",
        published=Published(after),
        trials=20,
        weight_count=weight_count,
        net=NetSettings(
            inputs=distractors + 4,
            outputs=2,
            blocks=(1, 1),
            biased=(),
            output_bias=False,
            weights=0.2,
        ),
        training=TrainingSettings(task=partial(random_lag, p=distractors, q=lag), rate=0.01),
        evaluation=EvaluationSettings(
            tolerance=0.2,
            stop=partial(streak, window),
            cap=_cap(after, lag, window),
            test=10_000,
        ),
    )


TABLE_3 = (
    _random_lag(50, 50, 30_000, 364),
    _random_lag(100, 100, 31_000, 664),
    _random_lag(200, 200, 33_000, 1264),
    _random_lag(500, 500, 38_000, 3064),
    _random_lag(1000, 1000, 49_000, 6064),
    _random_lag(1000, 500, 49_000, 3064),
    _random_lag(1000, 200, 75_000, 1264),
    _random_lag(1000, 100, 135_000, 664),
    _random_lag(1000, 50, 203_000, 364),
)

_3A = (Criterion(1), Criterion(1, 0.01))
_3B = (Criterion(6), Criterion(6, 0.04))
_3C = (Criterion(1, 0.015),)
_GOALS = {"targets": (0.2, 0.8), "target_variance": 0.1}

# experiment: table, title, variant of the task, when to stop, rate, tolerance
TWO_SEQUENCE = {
    "3a": (4, "two sequences", {}, _3A, 1.0, 0.2),
    "3b": (5, "two sequences, noisy signal", {"noisy_signal": True}, _3B, 1.0, 0.2),
    "3c": (6, "two sequences, noisy targets", _GOALS, _3C, 0.1, 0.1),
}


def _two_sequence(experiment: str, T: int, N: int, published: Published) -> Row:
    """A row of Tables 4 to 6. Biases on the hidden units, none on the output unit."""
    table, title, variant, criteria, rate, tolerance = TWO_SEQUENCE[experiment]
    return Row(
        name=f"{experiment}-{T}-{N}",
        table=table,
        experiment=experiment,
        title=f"{title}, T={T}, N={N}",
        published=published,
        trials=10,
        weight_count=102,
        net=NetSettings(
            inputs=1,
            outputs=1,
            blocks=(1, 1, 1),
            output_bias=False,
            input_gate=(-1, -3, -5),
            output_gate=(-2, -4, -6),
        ),
        training=TrainingSettings(task=partial(two_sequence, T, N, **variant), rate=rate),
        evaluation=EvaluationSettings(
            tolerance=tolerance,
            stop=partial(validation, 256, 1000, *criteria),
            cap=_cap(published.after, T),
        ),
    )


TABLE_4 = (
    _two_sequence("3a", 100, 3, Published(39_850, 27_380, fraction_wrong=0.000195)),
    _two_sequence("3a", 100, 1, Published(64_330, 58_370, fraction_wrong=0.000117)),
    _two_sequence("3a", 1000, 3, Published(452_460, 446_850, fraction_wrong=0.000078)),
)
TABLE_5 = (
    _two_sequence("3b", 100, 3, Published(43_250, 41_740, fraction_wrong=0.00828)),
    _two_sequence("3b", 100, 1, Published(78_430, 74_950, fraction_wrong=0.01500)),
    _two_sequence("3b", 1000, 1, Published(485_080, 481_060, fraction_wrong=0.01207)),
)
TABLE_6 = (
    _two_sequence("3c", 100, 3, Published(269_650, fraction_wrong=0.00558, difference=0.014)),
    _two_sequence("3c", 100, 1, Published(565_640, fraction_wrong=0.00441, difference=0.012)),
)


def _adding(T: int, published: Published) -> Row:
    """A row of Table 7. All units but the inputs have biases."""
    return Row(
        name=f"4-{T}",
        table=7,
        experiment="4",
        title=f"adding, T={T}",
        published=published,
        trials=10,
        weight_count=93,
        net=NetSettings(inputs=2, outputs=1, blocks=(2, 2), input_gate=(-3, -6)),
        training=TrainingSettings(task=partial(adding, T), rate=0.5),
        evaluation=EvaluationSettings(
            tolerance=0.04,
            stop=partial(recent, 2000, Criterion(1, 0.01)),
            cap=_cap(published.after, T),
        ),
    )


TABLE_7 = (
    _adding(100, Published(74_000, wrong=1)),
    _adding(500, Published(209_000, wrong=0)),
    _adding(1000, Published(853_000, wrong=1, after_range=(370_000, 2_020_000))),
)


def _multiplication(wrong_below: int, published: Published) -> Row:
    """A row of Table 8: as adding, with every bias drawn and a smaller rate."""
    return Row(
        name=f"5-{wrong_below}",
        table=8,
        experiment="5",
        title=f"multiplication, below {wrong_below} of 2000 wrong",
        published=published,
        trials=10,
        weight_count=93,
        net=NetSettings(inputs=2, outputs=1, blocks=(2, 2)),
        training=TrainingSettings(task=partial(multiplication, 100), rate=0.1),
        evaluation=EvaluationSettings(
            tolerance=0.04,
            stop=partial(recent, 2000, Criterion(wrong_below)),
            cap=_cap(published.after, 100),
        ),
    )


TABLE_8 = (
    _multiplication(140, Published(482_000, wrong=139, squared=0.0223)),
    _multiplication(13, Published(1_273_000, wrong=14, squared=0.0139)),
)

_6A = Row(
    name="6a",
    table=9,
    experiment="6a",
    title="temporal order, 2 marks, 4 classes",
    published=Published(31_390, wrong=1),
    trials=20,
    weight_count=156,
    net=NetSettings(inputs=8, outputs=4, blocks=(2, 2), input_gate=(-2, -4)),
    training=TrainingSettings(task=partial(temporal_order, 2), rate=0.5),
    evaluation=EvaluationSettings(
        tolerance=0.3,
        stop=partial(recent, 2000, Criterion(1, 0.1)),
        cap=_cap(31_390, 100),
    ),
)
_6B = Row(
    name="6b",
    table=9,
    experiment="6b",
    title="temporal order, 3 marks, 8 classes",
    published=Published(571_100, wrong=2),
    trials=10,
    weight_count=308,
    net=NetSettings(inputs=8, outputs=8, blocks=(2, 2, 2), input_gate=(-2, -4, -6)),
    training=TrainingSettings(task=partial(temporal_order, 3), rate=0.1),
    evaluation=EvaluationSettings(
        tolerance=0.3,
        stop=partial(recent, 2000, Criterion(1, 0.1)),
        cap=3 * 571_100,
    ),
)
TABLE_9 = (_6A, _6B)
