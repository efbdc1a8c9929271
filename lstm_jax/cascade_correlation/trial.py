"""A trial of cascade-correlation as a state machine, for `trials.run_trials`.

A tick is one epoch, of the outputs or of the candidates, or one look at the test set.
Shapes never change: units that are not there have weights of 0, which makes them silent,
and their slopes 0 too. A trial is wide already, with hundreds of strings side by side; so
lanes take turns, each in its own phase, and pay for no phase but that.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.cascade_correlation.experiment import CascadeExperiment, cascade_net, check
from lstm_jax.cascade_correlation.look import Look, candidate_slopes, look, output_slopes
from lstm_jax.cascade_correlation.pool import draw_pool, install
from lstm_jax.cascade_correlation.regime import Progress, begin, go_on
from lstm_jax.cells.cascade import CascadeParams
from lstm_jax.quickprop import quickprop
from lstm_jax.training import (
    CAPPED,
    DIVERGED,
    SOLVED,
    TESTING,
    TRAINING,
    Curve,
    Tally,
    Trial,
    curve_points,
    extend_curve,
    first_reached,
    no_curve,
    no_tally,
)
from lstm_jax.types import Array, Key
from lstm_jax.wiring import Readout, freeze

OUTPUTS, CANDIDATES = range(2)  # what learns
_INIT, _POOL = range(2)  # streams of a trial's key; pools go on to one for each unit


class CascadeState(NamedTuple):
    """One trial, or a block of them with lanes on the last axis of every leaf.

    Attributes:
      key: `(2, *lanes)` uint32, key data: all randomness of the trial.
      settings: numbers that may differ from lane to lane.
      params: the net's, a `Readout` with `CascadeParams` for its cell.
      candidates: the pool, in rows.
      output_memory, candidate_memory: quickprop's.
      phase: `(*lanes)` int32, index into `training.PHASES`.
      learning: `(*lanes)` int32, `OUTPUTS` or `CANDIDATES`.
      progress: of what is learning.
      units: `(*lanes)` int32, hidden units so far.
      epochs: `(2, *lanes)` int32, epochs of the outputs and of the candidates so far.
      failed: `(*lanes)` bool, whether the present weights have failed the test.
      sequences: `(*lanes)` int32, string presentations so far.
      reached: `(2, *lanes)` int32, presentations when first the training set was right, and
        when both sets were, or -1.
      tally: of the last test.
      curve: the learning curve.
    """

    key: Array
    settings: Any
    params: Readout
    candidates: CascadeParams
    output_memory: Any
    candidate_memory: Any
    phase: Array
    learning: Array
    progress: Progress
    units: Array
    epochs: Array
    failed: Array
    sequences: Array
    reached: Array
    tally: Tally
    curve: Curve


def make_cascade_trial(build: Callable[[Any], CascadeExperiment]) -> Trial:
    """A trial of the experiment that `build(settings)` describes.

    Decisions, where the papers are silent or the programs offer a choice:

    * A trial is solved when every string of both sets is right. The training set is judged
      at every epoch of the outputs, the test set whenever the training set is right; if
      that fails, training goes on. Where the two counts in `reached` are equal, the first
      test was passed.
    * `sequences` counts string presentations: the whole training set at every epoch, of the
      outputs and of the candidates alike. As in the programs, the epoch that finds all
      right is not counted; nor is a test. The record has `output_epochs` and
      `candidate_epochs` besides, for whoever counts otherwise.
    * A candidate climbs by the signs of its present covariances; the programs take those of
      the epoch before, to save one pass. The derivatives are exact, through its own
      recurrence; the paper carries them forward in time, here reverse mode through the
      same steps gives the same sums at less cost.
    * The last epoch of the candidates installs the best of them as it was measured.
    * Quickprop's memory of the weights into the outputs outlives the candidates' epochs, as
      in the programs. The first weight from a new unit to an output is minus its covariance
      with that output's error.
    * A trial has failed (`capped`) at `cap` presentations, or when the outputs stagnate and
      there are as many hidden units as there can be.

    Args:
      build: from settings (a pytree of numbers, without lanes) to the experiment. Shapes
        must not depend on them. Where trials have different sets, select them by a number:
        `at_lane(sets, index)`, sets from `stack_sets`.

    Returns:
      `Trial(init, advance, details)`. The result depends on the key and the settings alone.

    Raises:
      ValueError: by `init`, if sets or sizes do not fit together.

    Example: a symbol to be remembered for four steps, which takes a hidden unit.
      >>> from lstm_jax.tasks.long_lag import fixed_distractors
      >>> from lstm_jax.trials import run_trials
      >>> task = fixed_distractors(4)
      >>> eight = jax.vmap(task.sample, out_axes=-1)(jax.random.split(jax.random.key(0), 8))
      >>> trial = make_cascade_trial(lambda _: CascadeExperiment(eight, eight, task.inputs))
      >>> (record,) = run_trials(trial, jax.random.key(1), 1, lanes=1)
      >>> record["phase"], record["units"]
      ('solved', 1)
    """

    def init(key: Key, settings: Any = None) -> CascadeState:
        experiment = build(settings)
        check(experiment)
        net = cascade_net(
            experiment.inputs,
            experiment.training.targets.shape[1],
            experiment.units,
            experiment.weights,
        )
        params = net.init(jax.random.fold_in(key, _INIT))
        none = jnp.zeros((), jnp.int32)
        candidates = _next_pool(experiment, key, none)
        return CascadeState(
            key=jax.random.key_data(key),
            settings=settings,
            params=params,
            candidates=candidates,
            output_memory=quickprop(0.0).init(_into_outputs(params)),
            candidate_memory=quickprop(0.0).init(candidates),
            phase=none + TRAINING,
            learning=none + OUTPUTS,
            progress=begin(experiment.outputs.patience),
            units=none,
            epochs=jnp.zeros(2, jnp.int32),
            failed=jnp.zeros((), bool),
            sequences=none,
            reached=jnp.full(2, -1, jnp.int32),
            tally=no_tally(none),
            curve=no_curve(experiment.cap),
        )

    def advance(state: CascadeState, n: Array | int) -> CascadeState:
        def one(state: CascadeState) -> CascadeState:
            tick = partial(_tick, build(state.settings))

            def going(carry: tuple[Array, CascadeState]) -> Array:
                return (carry[0] < n) & (carry[1].phase <= TESTING)

            begun = jnp.zeros((), jnp.int32), state
            return lax.while_loop(going, lambda carry: (carry[0] + 1, tick(carry[1])), begun)[1]

        return one(state) if state.phase.ndim == 0 else _in_turn(one, state)

    return Trial(init, advance, _details)


def _details(state: CascadeState) -> dict:
    outputs, candidates = (int(n) for n in state.epochs)
    return {
        "units": int(state.units),
        "output_epochs": outputs,
        "candidate_epochs": candidates,
    }


def _in_turn(one: Callable[[Any], Any], state: Any) -> Any:
    """Lane by lane, from and to the last axis."""
    front = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), state)
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), lax.map(one, front))


def _tick(experiment: CascadeExperiment, state: CascadeState) -> CascadeState:
    """One epoch, or one look at the test set."""
    testing = state.phase == TESTING
    seen = look(experiment, state.params, freeze(testing, experiment.test, experiment.training))
    ways = _train_outputs, _train_candidates, _test
    what = jnp.where(testing, len(ways) - 1, state.learning)
    return lax.switch(what, [partial(way, experiment) for way in ways], state, seen)


def _train_outputs(experiment: CascadeExperiment, state: CascadeState, seen: Look) -> CascadeState:
    """A step of the weights into the outputs; or to the test, if the training set is right."""
    right = jnp.stack([seen.tally.wrong == 0, jnp.zeros_like(state.failed)])
    to_test = state._replace(
        phase=jnp.full_like(state.phase, TESTING),
        reached=first_reached(state.reached, right, state.sequences),
    )
    return freeze(right[0] & ~state.failed, to_test, _step_outputs(experiment, state, seen))


def _step_outputs(experiment: CascadeExperiment, state: CascadeState, seen: Look):
    regime, into = experiment.outputs, _into_outputs(state.params)
    rule = quickprop(regime.epsilon / seen.cases, mu=regime.mu, decay=regime.decay)
    slopes = output_slopes(state.params, experiment.training, seen)
    steps, memory = rule.update(slopes, state.output_memory, into)
    progress, over = go_on(regime, state.progress, seen.error)
    state = _count(experiment, state, seen, OUTPUTS, seen.error)._replace(
        params=_add(into, steps)._replace(cell=state.params.cell),
        output_memory=memory,
        progress=progress,
        failed=jnp.zeros_like(state.failed),
    )
    return freeze(over, _turn_to_candidates(experiment, state), state)


def _turn_to_candidates(experiment: CascadeExperiment, state: CascadeState) -> CascadeState:
    """A new pool; or the end, if there is no room for another unit."""
    candidates = _next_pool(experiment, jax.random.wrap_key_data(state.key), state.units)
    full = (state.phase == TRAINING) & (state.units >= experiment.units)
    return state._replace(
        phase=jnp.where(full, CAPPED, state.phase),
        learning=jnp.full_like(state.learning, CANDIDATES),
        candidates=candidates,
        candidate_memory=quickprop(0.0).init(candidates),
        progress=begin(experiment.candidates.limit),
    )


def _train_candidates(
    experiment: CascadeExperiment, state: CascadeState, seen: Look
) -> CascadeState:
    """A step of all candidates; or the best of them becomes a hidden unit."""
    regime = experiment.candidates
    slopes, found = candidate_slopes(state.candidates, experiment.training, seen)
    scores = jnp.sum(jnp.abs(found), axis=1)
    best = jnp.argmax(scores)
    progress, over = go_on(regime, state.progress, scores[best])
    epsilon = regime.epsilon / (seen.cases * (1 + experiment.inputs + state.units))
    rule = quickprop(epsilon, mu=regime.mu, decay=regime.decay)
    steps, memory = rule.update(slopes, state.candidate_memory, state.candidates)
    state = _count(experiment, state, seen, CANDIDATES, scores[best])
    climbed = state._replace(
        candidates=_add(state.candidates, steps),
        candidate_memory=memory,
        progress=progress,
    )
    installed = state._replace(
        params=install(state.params, state.candidates, best, state.units, found[best]),
        units=state.units + 1,
        learning=jnp.full_like(state.learning, OUTPUTS),
        progress=begin(experiment.outputs.patience),
    )
    return freeze(over, installed, climbed)


def _test(experiment: CascadeExperiment, state: CascadeState, seen: Look) -> CascadeState:
    """The end, if the test set is right; otherwise training goes on with a step."""
    right = seen.tally.wrong == 0
    both = jnp.stack([jnp.zeros_like(right), right])
    return state._replace(
        phase=jnp.where(right, SOLVED, jnp.full_like(state.phase, TRAINING)),
        failed=~right,
        reached=first_reached(state.reached, both, state.sequences),
        tally=seen.tally,
    )


def _count(experiment: CascadeExperiment, state: CascadeState, seen: Look, kind: int, value):
    """One epoch more: the whole training set was presented. The end, if it was one too many."""
    sequences = state.sequences + seen.tally.sequences
    error = seen.tally.error / seen.tally.sequences
    phase = jnp.where(sequences >= experiment.cap, CAPPED, state.phase)
    return state._replace(
        epochs=state.epochs.at[kind].add(1),
        sequences=sequences,
        curve=extend_curve(state.curve, sequences, error, curve_points(experiment.cap)),
        phase=jnp.where(jnp.isfinite(value), phase, DIVERGED),
    )


def _next_pool(experiment: CascadeExperiment, key: Key, units: Array) -> CascadeParams:
    """The candidates for one unit more than there are."""
    return draw_pool(
        jax.random.fold_in(key, _POOL + units),
        pool=experiment.pool,
        inputs=experiment.inputs,
        most=experiment.units,
        units=units,
        weights=experiment.weights,
    )


def _add(weights: Any, steps: Any) -> Any:
    return jax.tree.map(jnp.add, weights, steps)


def _into_outputs(params: Readout) -> Readout:
    return params._replace(cell=())
