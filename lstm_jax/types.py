"""The nouns: a sequence, a task, a cell, a net, a loss, a gradient rule.

One convention holds everywhere: **units are axis 0, whatever follows is lanes**.
The same step serves one sequence (no lanes), a minibatch that shares its weights
(lanes on the activations only) and a block of independent trials (lanes on the
weights too). Sequences put time in front: `(time, units, *lanes)`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from dataclasses import replace as _replace
from functools import partial
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import jax

Array = jax.Array
Key = jax.Array
Params = Any  # a pytree of arrays, units first, lanes last; absent arrays are None
State = Any  # a pytree of arrays, units first, lanes last
Memory = Any  # a pytree of arrays: what a rule carries from step to step
P = TypeVar("P")
S = TypeVar("S")
P_contra = TypeVar("P_contra", contravariant=True)

TargetsAt = Literal["steps", "end", "own"]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=("inputs", "targets", "goals", "mask", "length", "target_length"),
    meta_fields=("targets_at",),
)
@dataclass(frozen=True)
class Sequence:
    """One training sequence, padded on the right to a fixed number of steps.

    Where the targets stand is said by `targets_at`, in words and not by shapes:

    * `"steps"`: beside the inputs, `target_time = time`;
    * `"end"`: one, at the last living step `length - 1`, `target_time = 1`;
    * `"own"`: in a time of their own with `target_length` living steps, for nets whose
      outputs do not go with their inputs (`SequenceLoss`, encoders and decoders).

    A step has an error signal where `mask` is true *and* it lives: below `length`, for
    `"end"` where `length` is at least 1, for `"own"` below `target_length`. Nothing else is
    ever read of inputs behind the end or of targets without a signal: they may be NaN.
    A length below 0 counts as 0, one above the number of steps as that number; where it can
    be seen beforehand it is refused (`ops.fit`).

    The name is the field's word and hides `collections.abc.Sequence`, which no module here
    needs beside it.

    Attributes:
      inputs: `(time, inputs, *lanes)` real vectors, or `(time, *lanes)` integer
        symbols, which stand for one-hot vectors and never become them.
      targets: `(target_time, outputs, *lanes)`, what the error signal is made of.
      goals: `(target_time, outputs, *lanes)`, what success is judged by: the targets
        themselves unless the task says otherwise (targets without their noise,
        the set of legal successors).
      mask: `(target_time, *lanes)` bool, true where there is an error signal.
      length: `(*lanes)` int32, the number of living steps.
      targets_at: where the targets stand; static.
      target_length: `(*lanes)` int32, living targets of `"own"`; else None.
    """

    inputs: Array
    targets: Array
    goals: Array
    mask: Array
    length: Array
    targets_at: TargetsAt = field(default="steps", metadata={"static": True})
    target_length: Array | None = None

    def replace(self, **changes: Any) -> "Sequence":
        """The same sequence with some fields changed."""
        return _replace(self, **changes)


class Task(NamedTuple):
    """A source of sequences: a key in, a `Sequence` out.

    Attributes:
      sample: `key -> Sequence` without lanes; pure, jit-able, vmappable.
      inputs: number of input units, or of symbols.
      outputs: number of output units.
      steps: number of steps every sequence is padded to.
      evaluation_set: `index -> Sequence`, a fixed set of sequences to validate and to test
        with; None to draw them like those for training.
      training_set: `(key, index) -> Sequence`, the sequence that training number `index` is
        about: a fixed set gone through over and over again. The key is one for the whole trial,
        so that an order drawn from it and the number of the epoch holds for all of that epoch.
        None to draw them by `sample`.
      training_size: number of sequences in the training set; 0 without one.
    """

    sample: Callable[[Key], Sequence]
    inputs: int
    outputs: int
    steps: int
    evaluation_set: Callable[[Array], Sequence] | None = None
    training_set: Callable[[Key, Array], Sequence] | None = None
    training_size: int = 0


class Carousel(NamedTuple):
    """The part of a state through which error flows back in time under the 1997 cut.

    A lens: it takes the part out of a state and puts a state together around another one,
    however the state is built.

    Attributes:
      split: `state -> (part, rebuild)` with `rebuild(part) -> state`; the part is any pytree
        of arrays.
      diagonal: whether under the cut every component of the part depends on itself alone one
        step earlier. What it is in a memory block, and is not in a stack of two, whose upper
        carousel receives the lower one. The forms without a backward loop need it.
    """

    split: Callable[[State], tuple[Any, Callable[[Any], State]]]
    diagonal: bool

    @classmethod
    def of_fields(cls, *names: str, diagonal: bool) -> "Carousel":
        """Some fields of a state that is a NamedTuple.

        Example:
          >>> class State(NamedTuple):
          ...     cell_state: float
          ...     activations: float
          >>> part, rebuild = Carousel.of_fields("cell_state", diagonal=True).split(State(1, 2))
          >>> part, rebuild({"cell_state": 3})
          ({'cell_state': 1}, State(cell_state=3, activations=2))
        """

        def split(state: State):
            part = {name: getattr(state, name) for name in names}
            return part, lambda part: state._replace(**part)

        return cls(split, diagonal)


class NetInputs(NamedTuple):
    """A step taken apart at its net inputs, which is what gradients carried forward need.

    The state after a step is `activate(net_input(rows(params), state, x), state)`: no other
    parameters reach it. Each net input is the product of one row of the weights with the
    same sources. Every component of the carousel, where there is one, is fed by `kinds`
    net inputs (its own, its input gate's, ...).

    The net inputs must not read the carousel itself: under the cut what they read is held
    still. A gate that looks at the carousel (a peephole) reads a *copy* of it, another field
    of the state; `check_cell` and the rules that rely on this see to it.

    Attributes:
      rows: `params -> rows`, the part of the parameters that makes the net inputs: a
        pytree of arrays with one row a unit.
      net_input: `(rows, state, x) -> net` `(units, *lanes)`.
      activate: `(net, state) -> state`, the rest of the step.
      add_outer: `(traces, eligibility, state, x) -> traces` adds
        `eligibility (units,) x sources` to traces shaped like rows of the weights, of
        which there may be any number.
      carousel_rows: `(kinds, components)` integers as tuples, the row of every net input that
        feeds a component; empty without a carousel.
      constant_error: true if the derivative of the carousel from step to step is 1 whatever
        the net inputs are (the constant error carousel); traces then never decay. True
        without a carousel.
    """

    rows: Callable[[Params], Any]
    net_input: Callable[[Any, State, Array], Array]
    activate: Callable[[Array, State], State]
    add_outer: Callable[[Any, Array, State, Array], Any]
    carousel_rows: tuple[tuple[int, ...], ...]
    constant_error: bool


# no named tuple: JAX keeps weak references to functions, which a tuple does not allow
@dataclass(frozen=True)
class StepByNet:
    """A step taken apart at its net inputs, and nothing but these three: `Cell.step`.

    `unroll` takes the weights out of the loop of its derivative where a step is one of these and
    all lanes share the weights. Whoever puts another function in its place has that one, whole.
    Unlike in `NetInputs`, a net input may be any function of the parameters.

    Attributes:
      net: `(params, state, x) -> net` `(units, *lanes)`.
      activate: `(net, state) -> state`.
      read: `(params, state_t, x_t) -> y_t`.
      prepared: `params -> ((state, x) -> net)`: the same net inputs of one sequence and real x,
        where what depends on the parameters alone is computed once, before the loop over
        time. None if there is no such thing.
    """

    net: Callable[[Params, State, Array], Array]
    activate: Callable[[Array, State], State]
    read: Callable[[Params, State, Array], Array]
    prepared: Callable[[Params], Callable[[State, Array], Array]] | None = None

    def __call__(self, params: Params, state: State, x: Array) -> tuple[State, Array]:
        """One step, as `Cell.step` has it."""
        state = self.activate(self.net(params, state, x), state)
        return state, self.read(params, state, x)


class InitialState(Protocol):
    """Makes the state before the first step: zeros."""

    def __call__(self, lanes: tuple[int, ...] = (), dtype: Any = None) -> State:
        """`(lanes, dtype)` to a state whose arrays end in the lanes."""
        ...


class Cell(NamedTuple, Generic[P, S]):
    """A recurrent net as functions; a net with an output layer is again a `Cell`.

    Attributes:
      init: `key -> params`, without lanes.
      initial_state: `(lanes=(), dtype=None) -> state`, before the first step: zeros.
      step: `(params, state, x) -> (state, y)`, one time step, lane by lane.
      inputs: number of input units, or of symbols.
      outputs: number of output units.
      carousel: the part of the state through which error flows back in time under the 1997
        cut; None where it flows nowhere.
      net_inputs: the step taken apart, for gradients carried forward; None if the cell
        does not offer it.
      read: `(params, state_t, x_t) -> y_t`, the outputs from the state *after* the step; None
        if the cell does not offer it. Rules that need the error at the present state, not
        at the last one, read it (eligibility propagation, SnAp, random feedback).
    """

    init: Callable[[Key], P]
    initial_state: InitialState
    step: Callable[[P, S, Array], tuple[S, Array]]
    inputs: int
    outputs: int
    carousel: Carousel | None = None
    net_inputs: NetInputs | None = None
    read: Callable[[P, S, Array], Array] | None = None


class Apply(Protocol[P_contra]):
    """A whole sequence through a net."""

    def __call__(
        self, params: P_contra, inputs: Any, length: Array, key: Key | None = None, /
    ) -> Array:
        """`(params, inputs, length, key) -> outputs`.

        Args:
          params: of the net, shared by all lanes or one set a lane.
          inputs: `(time, inputs, *lanes)`, or `(time, *lanes)` symbols.
          length: `(*lanes)` living steps; what is behind must not matter.
          key: `(*lanes)` typed keys, of a net that draws (dropout, noise) while it learns;
            None while it is evaluated: then it does not draw.

        Returns:
          `(target_time, outputs, *lanes)`: as many steps as the inputs, or a time of its own.
        """
        ...


class Net(NamedTuple, Generic[P]):
    """A map of whole sequences: what BPTT and evaluation need, and no more.

    A cell becomes one by `net_of(cell)`; nets that read a sequence both ways, attend to it,
    answer with another sequence, or have no state at all are written as one.

    Attributes:
      init: `key -> params`, without lanes.
      apply: `(params, inputs, length, key) -> outputs`.
      inputs: number of input units, or of symbols.
      outputs: number of output units.
      draws: whether `apply` with a key is random.
      taught: `(params, sequence, key) -> outputs`, the outputs that errors are taken of while
        the net learns by `bptt`, of a net that is told targets then (teacher forcing); None of
        all others, whose outputs are those of `apply`.
    """

    init: Callable[[Key], P]
    apply: Apply[P]
    inputs: int
    outputs: int
    draws: bool = False
    taught: Callable[..., Array] | None = None


class LossAndGrads(NamedTuple, Generic[P]):
    """What a gradient rule returns.

    Attributes:
      loss: `(*lanes)`, the error summed over the steps with an error signal. It is a number
        to look at: its own derivative by JAX would not be the rule's gradient (nor, under a
        cut, the true one), so taking it is refused. The gradient is in `grads`.
      outputs: `(target_time, outputs, *lanes)`, beside the targets of the sequence; steps
        behind the end mean nothing.
      grads: shaped like the parameters; the sum over the lanes where they are shared. They can
        be differentiated; of a rule that holds activations constant (a window, a cut) JAX's
        derivative holds them constant, too. Through `rtrl` and `forward_traces`, which loop
        until the longest lane ends, forward mode compiles and reverse mode runs eagerly only.
    """

    loss: Array
    outputs: Array
    grads: P


class Loss(Protocol):
    """The error of one step, summed over the outputs (axis 0)."""

    def __call__(self, output: Array, target: Array, /) -> Array:
        """`(outputs, *lanes), (outputs, *lanes) -> (*lanes)`."""
        ...


class SequenceLoss(NamedTuple):
    """The error of a whole sequence, for targets in a time of their own.

    Attributes:
      error: `(outputs, sequence) -> (*lanes)`. It must respect `mask`, `length` and
        `target_length` itself.
    """

    error: Callable[[Array, Sequence], Array]


class GradientFn(Protocol[P]):
    """The gradient of one sequence, bound to a net and a loss."""

    def __call__(self, params: P, sequence: Sequence, key: Key | None = None, /) -> LossAndGrads[P]:
        """`(params, sequence, key) -> LossAndGrads`.

        `key`, `(*lanes)` typed keys, is for nets and rules that draw; None where none does.
        """
        ...


class OnlineGradient(NamedTuple):
    """A gradient rule taken one step at a time: weights may change between any two steps.

    Attributes:
      init: `(params, lanes=(), key=None) -> memory`, before the first step. The memory is a
        pytree: what the rule carries of the net, of its past, and of its randomness.
      update: `(params, memory, x, target, mask) -> (memory, LossAndGrads)`. The gradient is
        that of this step's error alone; `outputs` are `(outputs, *lanes)`, without time.
    """

    init: Callable[..., Memory]
    update: Callable[[Params, Memory, Array, Array, Array | bool], tuple[Memory, LossAndGrads]]


class GradientRule(NamedTuple):
    """How the error of a sequence becomes a gradient; a value with two faces.

    `rule(net, loss)` is `rule.sequence(net, loss)`. What the rules of this library compute, take
    and cost is told by `help(lstm_jax.gradients)`; each has its equations and an example at the
    head of its file.

    Attributes:
      name: as the field calls it.
      sequence: `(net, loss) -> GradientFn`, the gradient of a whole sequence with weights
        held still; None if the rule has none.
      online: `(cell, loss) -> OnlineGradient`, step by step; None if the rule has none.
      draws: whether the rule itself is random and must be given a key.
    """

    name: str
    sequence: Callable[[Any, Any], GradientFn] | None = None
    online: Callable[[Cell, Loss], OnlineGradient] | None = None
    draws: bool = False

    def __call__(self, net: Any, loss: Any, /) -> GradientFn:
        """The gradient of whole sequences.

        Raises:
          ValueError: no net or no loss; the rule has steps only.
        """
        if not isinstance(net, Cell | Net):
            raise ValueError(f"net: expected a Cell or a Net, got a {type(net).__name__}")
        if not isinstance(loss, SequenceLoss) and not callable(loss):
            raise ValueError(
                f"loss: expected a function (output, target) -> error, losses.squared_error say, "
                f"got {loss!r}"
            )
        if self.sequence is None:
            raise ValueError(
                f"{self.name} has no gradient of a whole sequence; write "
                f"{self.name}.online(net, loss), or gradient_descent(..., every_step=True)"
            )
        return self.sequence(net, loss)
