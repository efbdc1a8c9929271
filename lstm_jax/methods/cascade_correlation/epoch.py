"""What one epoch of cascade-correlation does, in one lane.

A batch is the whole training set, so one tick of a trial is one epoch: of the outputs, of the
candidates, or one that finds all strings right and changes nothing. Shapes never change: units
that are not there have weights of 0 and slopes of 0. One lane is wide already, with hundreds
of strings side by side; so lanes take turns, each in its own phase, and pay for that alone.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.cells.cascade import CascadeParams
from lstm_jax.methods.cascade_correlation.evaluation import (
    Evaluation,
    candidate_slopes,
    evaluate,
    output_slopes,
)
from lstm_jax.methods.cascade_correlation.pool import add_unit, draw_pool
from lstm_jax.methods.cascade_correlation.schedule import PhaseSchedule, Progress, advance, start
from lstm_jax.methods.quickprop import quickprop
from lstm_jax.networks.readout import Readout
from lstm_jax.ops.lanes import tree_where
from lstm_jax.training.config import LearnerState, Lesson
from lstm_jax.training.judging import Judge
from lstm_jax.types import Array, Key, Sequence

OUTPUTS, CANDIDATES = range(2)  # what learns
_POOL = 1  # streams of a trial's key from here on: one for the candidates of each unit


class CascadeMemory(NamedTuple):
    """What the learner keeps beside the net's weights.

    Attributes:
      key: `(2, *lanes)` uint32, data of the trial's key.
      candidates: the pool, in rows.
      output_memory, candidate_memory: quickprop's.
      learning: `(*lanes)` int32, `OUTPUTS` or `CANDIDATES`.
      progress: of what is learning.
      units: `(*lanes)` int32, hidden units so far.
      epochs: `(2, *lanes)` int32, epochs of the outputs and of the candidates so far.
      found_right: `(*lanes)` bool, whether the present weights were already seen to get the
        training set right: if there is another epoch, no test was passed.
    """

    key: Array
    candidates: CascadeParams
    output_memory: Any
    candidate_memory: Any
    learning: Array
    progress: Progress
    units: Array
    epochs: Array
    found_right: Array


class CascadeOptions(NamedTuple):
    """The arguments of `cascade_correlation`."""

    pool: int
    init_scale: float | Array
    outputs: PhaseSchedule
    candidates: PhaseSchedule

    def next_pool(self, params: Readout, key: Key, units: Array) -> CascadeParams:
        """The candidates for one unit more than there are, from the trial's key."""
        most, inputs = params.cell.from_inputs.shape
        key = jax.random.fold_in(key, _POOL + units)
        return draw_pool(key, self.pool, inputs, most, units, self.init_scale)


def first_memory(options: CascadeOptions, params: Readout, key: Key) -> CascadeMemory:
    """Before the first epoch, of a net without hidden units."""
    none = jnp.zeros((), jnp.int32)
    candidates = options.next_pool(params, key, none)
    return CascadeMemory(
        key=jax.random.key_data(key),
        candidates=candidates,
        output_memory=quickprop(0.0).init(_into_outputs(params)),
        candidate_memory=quickprop(0.0).init(candidates),
        learning=none + OUTPUTS,
        progress=start(options.outputs.patience),
        units=none,
        epochs=jnp.zeros(2, jnp.int32),
        found_right=jnp.zeros((), bool),
    )


class _Outcome(NamedTuple):
    """What an epoch tells the trial: the error or the score, and the flags of a `Lesson`."""

    value: Array
    stuck: Array
    judged: Array
    counted: Array


def epoch(
    options: CascadeOptions, judge: Judge, state: LearnerState, strings: Sequence, active: Array
) -> tuple[Lesson, LearnerState]:
    """One epoch of a lane; of a lane that does not learn, its outputs alone."""
    seen = evaluate(state.params, strings)
    right = ~jnp.any(judge(seen.outputs, strings).wrong)
    ways = _stay, partial(_train_outputs, right=right), _train_candidates
    way = jnp.where(active, 1 + state.memory.learning, 0)
    branches = [partial(way, options) for way in ways]
    outcome, state = lax.switch(way, branches, state, strings, seen)
    loss = jnp.broadcast_to(outcome.value / len(strings.length), strings.length.shape)
    return Lesson(seen.outputs, loss, outcome.stuck, outcome.judged, outcome.counted), state


def _stay(
    options: CascadeOptions, state: LearnerState, strings: Sequence, seen: Evaluation
) -> tuple[_Outcome, LearnerState]:
    no = jnp.zeros((), bool)
    return _Outcome(seen.error, no, no, no), state


def _train_outputs(
    options: CascadeOptions,
    state: LearnerState,
    strings: Sequence,
    seen: Evaluation,
    right: Array,
) -> tuple[_Outcome, LearnerState]:
    """A step of the weights into the outputs; none if they are found right for the first time."""
    memory, no = state.memory, jnp.zeros((), bool)
    at_rest = state._replace(memory=memory._replace(found_right=~no))
    over, stepped = _step_outputs(options, state, strings, seen)
    most = len(state.params.cell.bias)
    stuck = over & (memory.units >= most)
    return tree_where(
        right & ~memory.found_right,
        (_Outcome(seen.error, no, ~no, no), at_rest),
        (_Outcome(seen.error, stuck, ~memory.found_right, ~no), stepped),
    )


def _step_outputs(
    options: CascadeOptions, state: LearnerState, strings: Sequence, seen: Evaluation
) -> tuple[Array, LearnerState]:
    """Whether the outputs have learned enough, and the state after a step of theirs."""
    schedule, into, memory = options.outputs, _into_outputs(state.params), state.memory
    epsilon = schedule.epsilon / seen.cases.astype(seen.error.dtype)
    rule = quickprop(epsilon, mu=schedule.mu, decay=schedule.decay)
    slopes: Any = output_slopes(state.params, strings, seen)
    steps, output_memory = rule.update(slopes, memory.output_memory, into)
    progress, over = advance(schedule, memory.progress, seen.error)
    after = memory._replace(
        output_memory=output_memory,
        progress=progress,
        epochs=memory.epochs.at[OUTPUTS].add(1),
        found_right=jnp.zeros((), bool),
    )
    params = _add(into, steps)._replace(cell=state.params.cell)
    after = tree_where(over, _turn_to_candidates(options, params, after), after)
    return over, LearnerState(params, after)


def _turn_to_candidates(
    options: CascadeOptions, params: Readout, memory: CascadeMemory
) -> CascadeMemory:
    key = jax.random.wrap_key_data(memory.key, impl="threefry2x32")
    candidates = options.next_pool(params, key, memory.units)
    return memory._replace(
        learning=jnp.full_like(memory.learning, CANDIDATES),
        candidates=candidates,
        candidate_memory=quickprop(0.0).init(candidates),
        progress=start(options.candidates.limit),
    )


def _train_candidates(
    options: CascadeOptions, state: LearnerState, strings: Sequence, seen: Evaluation
) -> tuple[_Outcome, LearnerState]:
    """A step of all candidates; or the best of them becomes a hidden unit."""
    schedule, (params, memory) = options.candidates, state
    slopes, found = candidate_slopes(memory.candidates, strings, seen)
    scores = jnp.sum(jnp.abs(found), axis=1)
    best = jnp.argmax(scores)
    progress, over = advance(schedule, memory.progress, scores[best])
    sources = 1 + params.cell.from_inputs.shape[1] + memory.units
    epsilon = schedule.epsilon / (seen.cases * sources).astype(seen.error.dtype)
    rule = quickprop(epsilon, mu=schedule.mu, decay=schedule.decay)
    steps, candidate_memory = rule.update(slopes, memory.candidate_memory, memory.candidates)
    memory = memory._replace(epochs=memory.epochs.at[CANDIDATES].add(1))
    climbed = memory._replace(
        candidates=_add(memory.candidates, steps),
        candidate_memory=candidate_memory,
        progress=progress,
    )
    grown = memory._replace(
        units=memory.units + 1,
        learning=jnp.full_like(memory.learning, OUTPUTS),
        progress=start(options.outputs.patience),
    )
    taller = add_unit(params, memory.candidates, best, memory.units, found[best])
    no = jnp.zeros((), bool)
    after = tree_where(over, LearnerState(taller, grown), LearnerState(params, climbed))
    return _Outcome(scores[best], no, no, ~no), after


def _add(weights: Any, steps: Any) -> Any:
    return jax.tree.map(jnp.add, weights, steps)


def _into_outputs(params: Readout) -> Any:
    return params._replace(cell=())
