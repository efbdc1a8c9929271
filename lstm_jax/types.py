"""The words everybody uses: a cell, a sequence, a task, what a gradient rule returns.

One convention holds everywhere: **units are axis 0, whatever follows is lanes**.
The same step serves one sequence (no lanes), a minibatch that shares its weights
(lanes on the activations only) and a block of independent trials (lanes on the
weights too). Sequences put time in front: `(time, units, *lanes)`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

Array = jax.Array
Key = jax.Array
Params = Any  # a NamedTuple of arrays, units first, lanes last
State = Any  # a NamedTuple of arrays, units first, lanes last


class Sequence(NamedTuple):
    """One training sequence, padded on the right to a fixed number of steps.

    A task whose only target stands at the end of the sequence gives `targets`,
    `goals` and `mask` a time axis of length 1; that entry belongs to the last
    living step, `length - 1`. Otherwise their time axis is that of `inputs`.

    Attributes:
      inputs: `(time, inputs, *lanes)` real vectors, or `(time, *lanes)` integer
        symbols, which stand for one-hot vectors and never become them.
      targets: `(time or 1, outputs, *lanes)`, what the error signal is made of.
      goals: `(time or 1, outputs, *lanes)`, what success is judged by: the targets
        themselves unless the task says otherwise (targets without their noise,
        the set of legal successors).
      mask: `(time or 1, *lanes)` bool, true where there is an error signal.
      length: `(*lanes)` int32, the number of living steps, at least 1.
    """

    inputs: Array
    targets: Array
    goals: Array
    mask: Array
    length: Array


class Task(NamedTuple):
    """A source of sequences: a key in, a `Sequence` out.

    Attributes:
      sample: `key -> Sequence` without lanes; pure, jit-able, vmappable.
      inputs: number of input units, or of symbols.
      outputs: number of output units.
      steps: number of steps every sequence is padded to.
      exam: `index -> Sequence`, a fixed set of sequences to validate and to test with;
        None to draw them like those for training.
    """

    sample: Callable[[Key], Sequence]
    inputs: int
    outputs: int
    steps: int
    exam: Callable[[Array], Sequence] | None = None


class NetInputs(NamedTuple):
    """A step taken apart at its net inputs, which is what gradients carried forward need.

    The state after a step is `fire(combine(weights(params), state, x), state)`: no other
    parameters reach it. Each net input is the product of one row of the weights with the
    same sources. Every component of the carousel, where there is one, is fed by `kinds`
    net inputs (its own, its input gate's, ...).

    Attributes:
      weights: `params -> weights`, the part of the parameters that makes the net
        inputs: a NamedTuple of arrays with one row a unit.
      combine: `(weights, state, x) -> net` `(rows, *lanes)`.
      fire: `(net, state) -> state`, the rest of the step.
      feeds: `(kinds, components)` integers, the row of every net input that feeds
        a component; `(0, 0)` without a carousel.
      accumulate: `(traces, eligibility, state, x) -> traces` adds
        `eligibility (rows,) x sources` to traces shaped like rows of the weights, of
        which there may be any number.
      constant: true if the derivative of the carousel from step to step is 1 whatever
        the net inputs are (the constant error carousel); traces then never decay. True
        without a carousel.
    """

    weights: Callable[[Params], Any]
    combine: Callable[[Any, State, Array], Array]
    fire: Callable[[Array, State], State]
    feeds: np.ndarray
    accumulate: Callable[[Any, Array, State, Array], Any]
    constant: bool


class Cell(NamedTuple):
    """A recurrent net as functions; a net with an output layer is again a `Cell`.

    Attributes:
      init: `key -> params`, without lanes.
      start: `lanes -> state`, the state before the first step: zeros.
      step: `(params, state, x) -> (state, y)`, one time step.
      carousel: names of the fields of the state through which error flows back in
        time under the 1997 cut; their Jacobian from step to step is diagonal.
      inputs: number of input units, or of symbols.
      outputs: number of output units.
      net_inputs: the step taken apart, for gradients carried forward; None if the cell
        does not offer it.
    """

    init: Callable[[Key], Params]
    start: Callable[..., State]
    step: Callable[[Params, State, Array], tuple[State, Array]]
    carousel: tuple[str, ...]
    inputs: int
    outputs: int
    net_inputs: NetInputs | None = None


class Learned(NamedTuple):
    """What a gradient rule returns.

    Attributes:
      loss: `(*lanes)`, the error summed over the masked steps.
      outputs: `(time or 1, outputs, *lanes)`, beside the targets of the sequence.
      grads: shaped like the parameters.
    """

    loss: Array
    outputs: Array
    grads: Params


class Loss(Protocol):
    """The error of one step, summed over the outputs (axis 0)."""

    def __call__(self, output: Array, target: Array) -> Array:
        """`(outputs, *lanes), (outputs, *lanes) -> (*lanes)`."""
        ...


Learn = Callable[[Params, Sequence], Learned]
Rule = Callable[[Cell, Loss], Learn]


class Stepwise(NamedTuple):
    """A rule taken one step at a time: weights may change between any two steps.

    Attributes:
      init: `(params, lanes) -> memory`, before the first step; `lanes` is `()` by default.
        The memory is a pytree; what the rule carries of the net and of its past.
      update: `(params, memory, x, target, mask) -> (memory, Learned)`. The gradient is
        that of this step's error alone; `outputs` are `(outputs, *lanes)`, without time.
    """

    init: Callable[..., Any]
    update: Callable[[Params, Any, Array, Array, Array], tuple[Any, Learned]]


StepRule = Callable[[Cell, Loss], Stepwise]
