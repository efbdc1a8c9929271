"""Recurrent cascade-correlation as a learner of the one trial machine."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.cells.cascade import CascadeParams
from lstm_jax.methods.cascade_correlation.epoch import (
    CascadeOptions,
    epoch,
    first_memory,
)
from lstm_jax.methods.cascade_correlation.schedule import PhaseSchedule
from lstm_jax.networks.readout import Readout
from lstm_jax.training.config import (
    LaneConfigs,
    LearnerState,
    Lesson,
    TrialConfig,
    weights_key,
)
from lstm_jax.types import Array, Key, Sequence


def cascade_correlation(
    *,
    pool: int = 8,
    init_scale: float | Array = 1.0,
    outputs: PhaseSchedule = PhaseSchedule(epsilon=0.35, decay=1e-4),
    candidates: PhaseSchedule = PhaseSchedule(epsilon=1.0, change=0.03),
) -> "CascadeCorrelation":
    """A learner that adds hidden units to a `cascade_net`. Defaults are those of the programs.

    Decisions, where the papers say nothing or the programs offer a choice:

    * A trial whose `stop` is `both_sets_right(...)` is solved when every string of both sets
      is right. The training set is judged at every epoch of the outputs, the test set
      whenever the training set is right; if that fails, training goes on, and the test set is
      not tried again before the weights into the outputs have changed. Where the two counts
      in `reached` are equal, the first test was passed.
    * `sequences` counts string presentations: the whole training set at every epoch, of the
      outputs and of the candidates alike. As in the programs, the epoch that finds all
      right is not counted; nor is a test. The record has `output_epochs` and
      `candidate_epochs` besides, for whoever counts otherwise.
    * A candidate climbs by the signs of its present covariances; the programs take those of
      the epoch before, to save one pass. The derivatives are exact, through its own
      recurrence; the paper carries them forward in time, here reverse mode through the
      same steps gives the same sums at less cost.
    * The last epoch of the candidates adds the best of them as it was measured.
    * Quickprop's memory of the weights into the outputs outlives the candidates' epochs, as
      in the programs. The first weight from a new unit to an output is minus its covariance
      with that output's error.
    * A trial has failed (`capped`) at `max_sequences` presentations, or when the outputs
      stagnate and there are as many hidden units as there can be.
    * The programs ask for the limits of epochs; here they are 200 epochs in a phase.

    Args:
      pool: number of candidates.
      init_scale: weights of candidates are drawn uniformly from `[-init_scale, init_scale]`.
      outputs: how the weights into the outputs learn.
      candidates: how the weights into the candidates learn.

    Returns:
      A learner for a `TrialConfig` with `net=cascade_net(...)`, a task that has a training set
      with a target at every step that `mask` tells, in [0, 1], and `batch=` its size.

    Raises:
      ValueError: no candidates; by `init`, another net, no training set, a batch that is not
        the whole training set.

    Example: a symbol to be remembered for four steps, which takes a hidden unit.
      >>> from lstm_jax import tasks
      >>> from lstm_jax.methods.cascade_correlation.net import cascade_net
      >>> from lstm_jax.training.judging import most_active
      >>> from lstm_jax.training.stopping import both_sets_right
      >>> from lstm_jax.training.trial import make_trial
      >>> keys = jax.random.split(jax.random.key(0), 8)
      >>> one = jax.vmap(tasks.fixed_distractors(4).sample, out_axes=-1)(keys)
      >>> sets = jax.tree.map(lambda leaf: leaf[None], one)
      >>> config = TrialConfig(
      ...     net=cascade_net(inputs=5, outputs=5, units=3),
      ...     task=tasks.set_pairs(sets, sets, inputs=5),
      ...     learner=cascade_correlation(),
      ...     judge=most_active,
      ...     stop=both_sets_right(8, 8),
      ...     max_sequences=10_000,
      ...     test_sequences=0,
      ...     batch=8,
      ... )
      >>> trial = make_trial(lambda settings: config)
      >>> state = trial.init(jax.random.key(1, impl="threefry2x32"))
      >>> trial.summary(jax.jit(trial.advance)(state, 500))["units"]
      1
    """
    if pool < 1:
        raise ValueError(f"pool: expected at least 1 candidate, got {pool}")
    return CascadeCorrelation(CascadeOptions(pool, init_scale, outputs, candidates))


class CascadeCorrelation(NamedTuple):
    """The learner that `cascade_correlation` makes of its arguments."""

    options: CascadeOptions

    @property
    def draws(self) -> bool:
        """Candidates come from the trial's own key, one draw a unit."""
        return False

    @property
    def in_turn(self) -> bool:
        """A lane is a whole training set wide, and in a phase of its own."""
        return True

    def init(self, config: TrialConfig, key: Key) -> LearnerState:
        """A net without hidden units, and the first candidates."""
        params = config.net.init(weights_key(key))
        _check(config, params)
        return LearnerState(params, first_memory(self.options, params, key))

    def learn(
        self,
        lanes: LaneConfigs,
        state: LearnerState,
        sequence: Sequence,
        active: Array,
        key: Key | None,
    ) -> tuple[Lesson, LearnerState]:
        """One epoch in every lane."""

        def alone(config: TrialConfig, *args: Any) -> tuple[Lesson, LearnerState]:
            learner: Any = config.learner
            return epoch(learner.options, config.judge, *args)

        return lanes.each(alone, state, sequence, active)

    def predict(self, config: TrialConfig, state: LearnerState, sequence: Sequence) -> Array:
        """The net's outputs beside the targets."""
        return config.predict(state.params, sequence)

    def summary(self, state: LearnerState) -> dict:
        """How many units there are, and how many epochs it took."""
        outputs, candidates = (int(n) for n in state.memory.epochs)
        return {
            "units": int(state.memory.units),
            "output_epochs": outputs,
            "candidate_epochs": candidates,
        }


def _check(config: TrialConfig, params: Any) -> None:
    """ValueError for a trial whose parts do not go together."""
    task = config.task
    if not (isinstance(params, Readout) and isinstance(params.cell, CascadeParams)):
        raise ValueError(
            "net: expected cascade_net(inputs, outputs, units), got another net; "
            "cascade-correlation adds units to that one alone"
        )
    if task.training_set is None or config.batch != task.training_size:
        raise ValueError(
            "batch: expected the size of the task's training set, "
            f"{task.training_size or 'which it lacks (see tasks.set_pairs)'}, got {config.batch}; "
            "an epoch is a batch of the whole set"
        )
    first = jax.eval_shape(task.training_set, jax.random.key(0), jnp.zeros((), jnp.int32))
    if first.targets_at != "steps":
        raise ValueError(
            "targets_at: expected 'steps', strings with their targets beside the inputs, got "
            f"{first.targets_at!r}"
        )
