"""What a trial of cascade-correlation needs: sets of strings, sizes, and how to learn."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.activations import logistic
from lstm_jax.cascade_correlation.regime import Regime
from lstm_jax.cells.cascade import cascade
from lstm_jax.stopping import Judge, most_active
from lstm_jax.types import Array, Cell, Sequence
from lstm_jax.wiring import readout


class CascadeExperiment(NamedTuple):
    """All that a trial needs. Defaults are those of Fahlman's programs.

    Decision: the programs ask for the greatest number of units and for the limits of
    epochs; here they are 15 units, and 200 epochs in a phase.

    Attributes:
      training: the training set, strings on the last axis, targets in [0, 1] at every
        step that `mask` tells; as `tasks.reber.reber_sets` returns it.
      test: the test set, of the same shape.
      inputs: number of input units, or of symbols.
      units: the most hidden units there can be.
      pool: number of candidates.
      weights: initial weights are drawn uniformly from `[-weights, weights]`.
      outputs: how the weights into the outputs learn.
      candidates: how the weights into the candidates learn.
      judge: when a string is right.
      cap: string presentations after which a trial that has not stopped has failed.
    """

    training: Sequence
    test: Sequence
    inputs: int
    units: int = 15
    pool: int = 8
    weights: float | Array = 1.0
    outputs: Regime = Regime(epsilon=0.35, decay=1e-4)
    candidates: Regime = Regime(epsilon=1.0, change=0.03)
    judge: Judge = most_active
    cap: int = 10**6


def cascade_net(inputs: int, outputs: int, units: int, weights: float | Array = 1.0) -> Cell:
    """The net as a cell: logistic outputs that hear the inputs, the hidden units and a bias.

    `unroll(cascade_net(7, 7, 15), params, inputs)` runs what a finished trial has learned.
    Fahlman's outputs lie in [-1/2, 1/2], and so do his targets: with both shifted by 1/2
    all errors and slopes are the same.

    Args:
      inputs: number of input units, or of symbols.
      outputs: number of output units.
      units: the most hidden units there can be; `init` makes a net without any.
      weights: weights into the outputs are drawn uniformly from `[-weights, weights]`.

    Raises:
      ValueError: fewer than one input, output or unit.

    Example: in the beginning inputs and outputs are all there is.
      >>> params = cascade_net(inputs=2, outputs=1, units=3).init(jax.random.key(0))
      >>> params.from_inputs.shape, params.from_cell.tolist()
      ((1, 2), [[0.0, 0.0, 0.0]])
    """
    hidden = cascade(inputs, units)
    net = readout(hidden, outputs, activation=logistic, direct=True, weights=weights)

    def init(key):
        params = net.init(key)
        return params._replace(from_cell=jnp.zeros_like(params.from_cell))

    return net._replace(init=init)


def stack_sets(pairs: list[tuple[Sequence, Sequence]]) -> tuple[Sequence, Sequence]:
    """Pairs of sets side by side: training sets and test sets, `(..., n, pairs)` each.

    Time is cut to the longest string of all.

    Args:
      pairs: training set and test set, strings on the last axis, the same number in all.

    Raises:
      ValueError: no pairs, or sets of different sizes.

    Example: three pairs, of which a number among the settings selects one for each trial.
      >>> from lstm_jax.tasks.reber import reber_sets
      >>> pairs = [reber_sets(jax.random.key(i), n=16) for i in range(3)]
      >>> training, test = stack_sets(pairs)
      >>> training.inputs.shape == test.inputs.shape, at_lane(test, 2).length.shape
      (True, (16,))
    """
    sizes = {strings.length.shape for pair in pairs for strings in pair}
    if len(sizes) != 1:
        raise ValueError(
            "expected pairs of sets that all have the same number of strings, got lengths of "
            f"shapes {sorted(sizes)}; write for example [reber_sets(key, n=256) for key in keys]"
        )
    steps = max(int(strings.length.max()) for pair in pairs for strings in pair)

    def side_by_side(*sets: Sequence) -> Sequence:
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=-1), *sets)
        cut = {name: leaf[:steps] for name, leaf in stacked._asdict().items() if name != "length"}
        return stacked._replace(**cut)

    training, test = zip(*pairs, strict=True)
    return side_by_side(*training), side_by_side(*test)


def at_lane(tree: Any, index: Array | int) -> Any:
    """One lane of a structure with lanes on the last axis: `leaf[..., index]`."""
    return jax.tree.map(lambda leaf: leaf[..., index], tree)


def check(experiment: CascadeExperiment) -> None:
    """ValueError if sets or sizes do not fit together."""
    training, test, inputs, units, pool, *_ = experiment
    if min(inputs, units, pool) < 1:
        raise ValueError(
            f"expected inputs, units and pool of at least 1, got {inputs}, {units} and {pool}"
        )
    shapes = [jax.tree.map(jnp.shape, strings) for strings in (training, test)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "expected a training set and a test set of the same shape, got "
            f"{shapes[0]} and {shapes[1]}; use stack_sets"
        )
    if training.length.ndim != 1 or len(training.targets) != len(training.inputs):
        raise ValueError(
            "expected a set of strings, stacked on the last axis, with a target at every step, "
            f"got {shapes[0]}"
        )
