"""What a row of the paper's tables is: settings, and figures to compare with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lstm_jax.activations import Activation, logistic
from lstm_jax.growth import Growth
from lstm_jax.stopping import Stop
from lstm_jax.topology import KINDS, Kind, Topology
from lstm_jax.training import Trial
from lstm_jax.types import Cell, Rule, StepRule, Task


@dataclass(frozen=True)
class Published:
    """What the paper reports of a row, means over its trials; None where it is silent.

    Attributes:
      after: training sequences until the (last) stopping criterion; None for tasks that the
        paper gives no figures of.
      first_after: the same for the first of two criteria, ST1 of Tables 4 and 5.
      wrong: wrong sequences in the test.
      fraction_wrong: the same as a fraction.
      squared: column "MSE" of Table 8.
      difference: mean absolute difference to the noise-free goal, Table 6.
      after_range: the fewest and the most training sequences of any trial.
      success: fraction of the trials that succeeded; 1 where no failure is reported; 0
        where `after` is when they were given up; None where it is "some fraction".
    """

    after: int | None
    first_after: int | None = None
    wrong: int | None = None
    fraction_wrong: float | None = None
    squared: float | None = None
    difference: float | None = None
    after_range: tuple[int, int] | None = None
    success: float | None = 1.0


@dataclass(frozen=True)
class Rival:
    """Another net or another way to learn than the 1997 LSTM, trained in the same harness.

    Attributes:
      method: its name in the table.
      units: recurrent units.
      net: `(weights=range) -> Cell`.
      rule: how it learns; one that takes steps if the row says `every_step`; None if it
        is no gradient rule, and `trial` says all.
      trial: `Row -> Trial`, of a method that does not learn sequence by sequence.
    """

    method: str
    units: int
    net: Callable[..., Cell]
    rule: Rule | StepRule | None = None
    trial: Callable[[Any], Trial] | None = None


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
      task: makes the task; of a row with `pairs` it is given the trial's pair of sets.
      inputs, outputs, blocks: units, and cells per block; no blocks in a rival's row.
      input_gates, output_gates, recurrence, biased, untrained: see `Topology`.
      squash_input, squash_state: ranges of g and h, see `Topology`.
      range_factors: whether g' and h' have the widths of these ranges as factors.
      gradient: "truncated", or "full".
      direct: whether the input units feed the output units too.
      output_bias, output_bias_trained: whether output units have a bias, and learn it.
      activation: of the output units.
      weights: initial weights are drawn from `[-weights, weights]`.
      recurrent_weights: the same for the weights inside the hidden layer; None for `weights`.
      input_gate, output_gate: initial biases, one a block; None to draw them.
      rate: learning rate.
      tolerance: a sequence is right if every output is closer to its goal than this; None:
        if at every step every legal symbol is more active than every other.
      judged_at_end: whether the last step alone makes a sequence right or wrong.
      judged_before_end: if so, not the last step with an error but so many before.
      stop: makes the stopping rule.
      window_counts: whether the successive right sequences that end a trial of
        experiment 2c count as training sequences (the paper calls them a test).
      cap: training sequences at which a trial has failed.
      test: sequences in the test after training.
      every_step: weights change at every step that has an error, not once a sequence.
      silent_below: an output closer to its target than this sends no error signal.
      growth: makes the rule by which blocks are added one by one, given how to add one;
        None if all are there from the start.
      silent_once_grown: `silent_below` holds only once the net has grown.
      end_only_once_grown: once the net has grown, only the last step sends an error.
      pairs: number of pairs of training and test sets; trial i has pair i modulo `pairs`.
      rival: the net and the rule of a row that is not the LSTM's.
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
    rate: float
    tolerance: float | None
    stop: Callable[[], Stop]
    cap: int
    blocks: tuple[int, ...] = ()
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
    input_gates: bool = True
    output_gates: bool = True
    squash_input: tuple[float, float] | None = (-2.0, 2.0)
    squash_state: tuple[float, float] | None = (-1.0, 1.0)
    range_factors: bool = True
    gradient: Literal["truncated", "full"] = "truncated"
    direct: bool = False
    recurrent_weights: float | None = None
    judged_at_end: bool = False
    judged_before_end: int = 0
    every_step: bool = False
    silent_below: float = 0.0
    silent_once_grown: bool = False
    growth: Callable[..., Growth] | None = None
    end_only_once_grown: bool = False
    pairs: int = 0
    rival: Rival | None = None

    @property
    def units(self) -> int:
        """Units of the hidden layer, gates included."""
        return self.rival.units if self.rival else self.topology.units

    @property
    def topology(self) -> Topology:
        """The hidden layer of an LSTM row."""
        return Topology(
            inputs=self.inputs,
            blocks=self.blocks,
            input_gates=self.input_gates,
            output_gates=self.output_gates,
            squash_input=self.squash_input,
            squash_state=self.squash_state,
            recurrence=self.recurrence,  # pyright: ignore[reportArgumentType]
            biased=self.biased,
            untrained=self.untrained,
        )
