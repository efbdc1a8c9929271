"""Every row of Tables 3 to 9 of the 1997 paper: its settings and its published figures.

The single source of both. A row is the *literal* reading of the paper; `readings` says
what else it may mean, `assembly` makes an experiment of the two.

Decisions. The paper does not say how often the test set of experiment 3 is tried: here
every 1000 training sequences, so its figures come in thousands. Every row has a cap on
the training sequences of a trial, beyond which the trial counts as failed: ten times the
published mean where sequences have 50 to 300 steps, three times where they are longer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lstm_jax.activations import Activation, logistic
from lstm_jax.cells.memory_block import KINDS, Kind, Topology
from lstm_jax.stopping import Criterion, Stop, recent, streak, validation
from lstm_jax.tasks import adding, multiplication, random_lag, temporal_order, two_sequence
from lstm_jax.types import Task

GATES: tuple[Kind, ...] = ("input_gate", "output_gate")
HIDDEN: tuple[Kind, ...] = ("cell", *GATES)


@dataclass(frozen=True)
class Published:
    """What the paper reports of a row, means over its trials; None where it is silent.

    Attributes:
      after: training sequences until the (last) stopping criterion.
      first_after: the same for the first of two criteria, ST1 of Tables 4 and 5.
      wrong: wrong sequences in the test.
      fraction_wrong: the same as a fraction.
      squared: column "MSE" of Table 8.
      difference: mean absolute difference to the noise-free goal, Table 6.
      after_range: the fewest and the most training sequences of any trial.
    """

    after: int
    first_after: int | None = None
    wrong: int | None = None
    fraction_wrong: float | None = None
    squared: float | None = None
    difference: float | None = None
    after_range: tuple[int, int] | None = None


@dataclass(frozen=True)
class Row:
    """One row of a table: what is trained, how, until when, and what the paper found.

    Attributes:
      name: how the command line calls it.
      table: number of the table.
      experiment: number of the experiment, "2c" say.
      title: what it is, in words.
      published: the paper's figures.
      trials: the paper's number of trials.
      weight_count: the paper's number of weights.
      task: makes the task.
      inputs, outputs, blocks: units, and cells per block.
      recurrence, biased, untrained: see `Topology`.
      output_bias, output_bias_trained: whether output units have a bias, and learn it.
      activation: of the output units.
      weights: initial weights are drawn from `[-weights, weights]`.
      input_gate, output_gate: initial biases, one a block; None to draw them.
      rate: learning rate.
      tolerance: a sequence is right if every output is closer to its goal than this.
      stop: makes the stopping rule.
      window_counts: whether the successive right sequences that end a trial of
        experiment 2c count as training sequences (the paper calls them a test).
      cap: training sequences at which a trial has failed.
      test: sequences in the test after training.
    """

    name: str
    table: int
    experiment: str
    title: str
    published: Published
    trials: int
    weight_count: int
    task: Callable[..., Task]
    inputs: int
    outputs: int
    blocks: tuple[int, ...]
    rate: float
    tolerance: float
    stop: Callable[[], Stop]
    cap: int
    weights: float = 0.1
    input_gate: tuple[float, ...] | None = None
    output_gate: tuple[float, ...] | None = None
    recurrence: str = "all"
    biased: tuple[Kind, ...] = KINDS
    untrained: tuple[Kind, ...] = ()
    output_bias: bool = True
    output_bias_trained: bool = True
    activation: Activation = logistic
    window_counts: bool = False
    test: int = 2560

    @property
    def topology(self) -> Topology:
        """The hidden layer."""
        return Topology(
            inputs=self.inputs,
            blocks=self.blocks,
            recurrence=self.recurrence,  # pyright: ignore[reportArgumentType]
            biased=self.biased,
            untrained=self.untrained,
        )


def _cap(after: int, steps: int, window: int = 0) -> int:
    return after * (10 if steps <= 300 else 3) + window


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
        task=partial(random_lag, p=distractors, q=lag),
        inputs=distractors + 4,
        outputs=2,
        blocks=(1, 1),
        biased=(),
        output_bias=False,
        weights=0.2,
        rate=0.01,
        tolerance=0.2,
        stop=partial(streak, window),
        cap=_cap(after, lag, window),
        test=10_000,
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
        task=partial(two_sequence, T, N, **variant),
        inputs=1,
        outputs=1,
        blocks=(1, 1, 1),
        output_bias=False,
        input_gate=(-1, -3, -5),
        output_gate=(-2, -4, -6),
        rate=rate,
        tolerance=tolerance,
        stop=partial(validation, 256, 1000, *criteria),
        cap=_cap(published.after, T),
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
        task=partial(adding, T),
        inputs=2,
        outputs=1,
        blocks=(2, 2),
        input_gate=(-3, -6),
        rate=0.5,
        tolerance=0.04,
        stop=partial(recent, 2000, Criterion(1, 0.01)),
        cap=_cap(published.after, T),
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
        task=partial(multiplication, 100),
        inputs=2,
        outputs=1,
        blocks=(2, 2),
        rate=0.1,
        tolerance=0.04,
        stop=partial(recent, 2000, Criterion(wrong_below)),
        cap=_cap(published.after, 100),
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
    task=partial(temporal_order, 2),
    inputs=8,
    outputs=4,
    blocks=(2, 2),
    input_gate=(-2, -4),
    rate=0.5,
    tolerance=0.3,
    stop=partial(recent, 2000, Criterion(1, 0.1)),
    cap=_cap(31_390, 100),
)
_6B = Row(
    name="6b",
    table=9,
    experiment="6b",
    title="temporal order, 3 marks, 8 classes",
    published=Published(571_100, wrong=2),
    trials=10,
    weight_count=308,
    task=partial(temporal_order, 3),
    inputs=8,
    outputs=8,
    blocks=(2, 2, 2),
    input_gate=(-2, -4, -6),
    rate=0.1,
    tolerance=0.3,
    stop=partial(recent, 2000, Criterion(1, 0.1)),
    cap=_cap(571_100, 100),
)
TABLE_9 = (_6A, _6B)

ROWS = {
    row.name: row for row in (*TABLE_3, *TABLE_4, *TABLE_5, *TABLE_6, *TABLE_7, *TABLE_8, *TABLE_9)
}
