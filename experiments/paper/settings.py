"""What a trial of a row depends on, in three groups; `SETTINGS` names each setting for good.

Changes, results and `Row.with_settings` speak of a setting by its name in `SETTINGS`,
whichever group it is in and whatever its attribute is called.
"""

from collections.abc import Callable
from dataclasses import dataclass

import optax

from lstm_jax.cells.topology import KINDS, Kind, Topology
from lstm_jax.ops.activations import Activation, logistic
from lstm_jax.training.growth import Growth
from lstm_jax.training.stopping import Stop
from lstm_jax.types import Cell, GradientRule, Task


@dataclass(frozen=True)
class NetSettings:
    """The net of a row, and the weights that it begins with.

    Attributes:
      inputs, outputs, blocks: units, and cells per block; no blocks in a rival's row.
      weights: initial weights are drawn from `[-weights, weights]`.
      recurrent_weights: the same for the weights inside the hidden layer; None for `weights`.
      input_gate, output_gate: initial biases, one a block or one for all; None to draw them.
      forget_gate: the same of forget gates; None for no such gates.
      input_gates, output_gates, recurrence, biased, untrained: see `Topology`.
      squash_input, squash_state: ranges of g and h, see `Topology`.
      direct: whether the input units feed the output units too.
      output_bias, output_bias_trained: whether output units have a bias, and learn it.
      activation: of the output units.
      cell: makes another hidden layer of inputs and cells, as many as all blocks have; None for
        the memory blocks of 1997, whose other settings it does not have.
    """

    inputs: int
    outputs: int
    blocks: tuple[int, ...] = ()
    weights: float = 0.1
    recurrent_weights: float | None = None
    input_gate: tuple[float, ...] | None = None
    output_gate: tuple[float, ...] | None = None
    input_gates: bool = True
    output_gates: bool = True
    recurrence: str = "all"
    biased: tuple[Kind, ...] = KINDS
    untrained: tuple[Kind, ...] = ()
    squash_input: tuple[float, float] | None = (-2.0, 2.0)
    squash_state: tuple[float, float] | None = (-1.0, 1.0)
    direct: bool = False
    output_bias: bool = True
    output_bias_trained: bool = True
    activation: Activation = logistic
    forget_gate: tuple[float, ...] | None = None
    cell: Callable[..., Cell] | None = None

    @property
    def topology(self) -> Topology:
        """The hidden layer of memory blocks."""
        return Topology(
            inputs=self.inputs,
            blocks=self.blocks,
            input_gates=self.input_gates,
            output_gates=self.output_gates,
            forget_gates=self.forget_gate is not None,
            squash_input=self.squash_input,
            squash_state=self.squash_state,
            recurrence=self.recurrence,  # pyright: ignore[reportArgumentType]
            biased=self.biased,
            untrained=self.untrained,
        )


@dataclass(frozen=True)
class TrainingSettings:
    """What is learnt, and how.

    Attributes:
      task: makes the task; of a row with `pairs` it is given the trial's pair of sets.
      rate: learning rate.
      pairs: number of pairs of training and test sets; trial i has pair i modulo `pairs`.
      every_step: weights change at every step that has an error, not once a sequence.
      gradient: "truncated", "full", the name of a rule, or what makes one.
      range_factors: whether g' and h' have the widths of their ranges as factors.
      silent_below: an output closer to its target than this sends no error signal.
      silent_once_grown: `silent_below` holds only once the net has grown.
      end_only_once_grown: once the net has grown, only the last step sends an error.
      growth: makes the rule by which blocks are added one by one, given how to add one;
        None if all are there from the start.
      optimizer: makes the optimizer, given the rate.
      clip: the largest norm of a gradient, beyond which it is made shorter; None: no limit.
    """

    task: Callable[..., Task]
    rate: float
    pairs: int = 0
    every_step: bool = False
    gradient: str | Callable[[], GradientRule] = "truncated"
    range_factors: bool = True
    silent_below: float = 0.0
    silent_once_grown: bool = False
    end_only_once_grown: bool = False
    growth: Callable[..., Growth] | None = None
    optimizer: Callable[..., optax.GradientTransformation] = optax.sgd
    clip: float | None = None


@dataclass(frozen=True)
class EvaluationSettings:
    """When a sequence is right, when a trial is over, and what is tested then.

    Attributes:
      tolerance: a sequence is right if every output is closer to its goal than this; None:
        if at every step every legal symbol is more active than every other.
      stop: makes the stopping rule.
      cap: training sequences at which a trial has failed.
      test: sequences in the test after training.
      judged_at_end: whether the last step alone makes a sequence right or wrong.
      judged_before_end: if so, not the last step with an error but so many before.
      window_counts: whether the successive right sequences that end a trial of
        experiment 2c count as training sequences (the paper calls them a test).
    """

    tolerance: float | None
    stop: Callable[[], Stop]
    cap: int
    test: int = 2560
    judged_at_end: bool = False
    judged_before_end: int = 0
    window_counts: bool = False


# by the name of each setting its attribute of a row, in the order in which results keep them
SETTINGS = {
    "task": "training.task",
    "inputs": "net.inputs",
    "outputs": "net.outputs",
    "rate": "training.rate",
    "tolerance": "evaluation.tolerance",
    "stop": "evaluation.stop",
    "cap": "evaluation.cap",
    "blocks": "net.blocks",
    "weights": "net.weights",
    "input_gate": "net.input_gate",
    "output_gate": "net.output_gate",
    "recurrence": "net.recurrence",
    "biased": "net.biased",
    "untrained": "net.untrained",
    "output_bias": "net.output_bias",
    "output_bias_trained": "net.output_bias_trained",
    "activation": "net.activation",
    "window_counts": "evaluation.window_counts",
    "test": "evaluation.test",
    "input_gates": "net.input_gates",
    "output_gates": "net.output_gates",
    "squash_input": "net.squash_input",
    "squash_state": "net.squash_state",
    "range_factors": "training.range_factors",
    "gradient": "training.gradient",
    "direct": "net.direct",
    "recurrent_weights": "net.recurrent_weights",
    "judged_at_end": "evaluation.judged_at_end",
    "judged_before_end": "evaluation.judged_before_end",
    "every_step": "training.every_step",
    "silent_below": "training.silent_below",
    "silent_once_grown": "training.silent_once_grown",
    "growth": "training.growth",
    "end_only_once_grown": "training.end_only_once_grown",
    "pairs": "training.pairs",
    "forget_gate": "net.forget_gate",
    "cell": "net.cell",
    "optimizer": "training.optimizer",
    "clip": "training.clip",
}
