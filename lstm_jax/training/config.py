"""What a trial is made of: a net, a task, a learner, a judge, and when it is over."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax

from lstm_jax.gradients.minibatch import predict_batch
from lstm_jax.networks.unroll import predict
from lstm_jax.training.growth import Growth
from lstm_jax.training.judging import Judge
from lstm_jax.training.stopping import Stop
from lstm_jax.types import Array, Cell, Key, Net, Params, Sequence, Task


def weights_key(key: Key) -> Key:
    """The stream of a trial's key that belongs to its initial weights."""
    return jax.random.fold_in(key, 0)


class LearnerState(NamedTuple):
    """What learning changes.

    Attributes:
      params: of the net.
      memory: all else that the learner keeps from one sequence to the next.
    """

    params: Params
    memory: Any


class Lesson(NamedTuple):
    """What came of one sequence, or of one batch of them.

    Attributes:
      outputs: `(target_time, outputs, *lanes)`, by which the sequence is judged; of a batch
        with its axis before the lanes.
      loss: `(*lanes)`, with a batch `(batch, *lanes)`; one that is no number ends the trial
        as diverged.
      stuck: `(*lanes)` bool, whether the learner cannot go on, which ends the trial as
        capped.
      judged: `(*lanes)` bool, whether the stopping rule is to see the outputs.
      counted: `(*lanes)` bool, whether the sequences count as training; not if the learner
        only looked at them, and will be shown them again.
    """

    outputs: Array
    loss: Array
    stuck: Array | bool = False
    judged: Array | bool = True
    counted: Array | bool = True


class Learner(Protocol):
    """How the weights of a trial come about: by gradient descent, by guessing, by growing.

    A value; `training.gradient_descent` makes the usual one.
    """

    @property
    def draws(self) -> bool:
        """Whether `learn` needs a key of its own for every sequence."""
        ...

    @property
    def in_turn(self) -> bool:
        """Whether lanes learn one after the other instead of side by side.

        For what is wide enough in one lane, a batch of hundreds of sequences say: every lane
        then pays for its own branches of a `lax.switch` alone, and for nothing once it is over.
        """
        ...

    def init(self, config: "TrialConfig", key: Key) -> LearnerState:
        """The state before the first sequence, without lanes; refuses what does not fit.

        `key` is the trial's own. Initial weights are drawn from `weights_key(key)`.
        """
        ...

    def learn(
        self,
        lanes: "LaneConfigs",
        state: LearnerState,
        sequence: Sequence,
        active: Array,
        key: Key | None,
    ) -> tuple[Lesson, LearnerState]:
        """What comes of a sequence in every lane; lanes not `active` keep their state.

        With `TrialConfig.batch` every array of the sequence has a batch axis before its lanes.
        The key is `(*lanes)` typed keys, with a batch `(batch, *lanes)`, one for every sequence,
        where the learner or the net draws; else None.
        """
        ...

    def predict(self, config: "TrialConfig", state: LearnerState, sequence: Sequence) -> Array:
        """The net's outputs beside the targets, without learning and without drawing."""
        ...

    def summary(self, state: LearnerState) -> dict:
        """What the record of a trial says of it; of a state without lanes, as NumPy arrays."""
        ...


class TrialConfig(NamedTuple):
    """All that a trial needs.

    Attributes:
      net: a cell, or a net, whose outputs stand beside the targets.
      task: where sequences come from.
      learner: how the weights come about, `gradient_descent(rule, loss, optimizer)` say.
      judge: when a sequence is right.
      stop: when training is over.
      max_sequences: training sequences after which a trial that has not stopped has failed.
      test_sequences: sequences in the test that follows training; 0 for none.
      growth: when settings change as the trial goes on, so that the net gets another
        unit, say; None if they do not.
      batch: sequences that are learned from at once, in every trial; None for one after the
        other. A batch counts as a whole: whether training is over is seen at its end.
    """

    net: Cell | Net
    task: Task
    learner: Learner
    judge: Judge
    stop: Stop
    max_sequences: int
    test_sequences: int
    growth: Growth | None = None
    batch: int | None = None

    def predict(self, params: Params, sequence: Sequence) -> Array:
        """Outputs beside the targets of a sequence, or of all of a batch; nothing is drawn."""
        outputs = predict if self.batch is None else predict_batch
        return outputs(self.net, params, sequence)


class LaneConfigs(NamedTuple):
    """The configurations of all lanes of a block.

    Attributes:
      build: from settings to a configuration.
      settings: numbers that may differ from lane to lane, `(*lanes)` each.
      lanes: number of lane axes, 0 or 1.
    """

    build: Callable[[Any], TrialConfig]
    settings: Any
    lanes: int

    @property
    def together(self) -> TrialConfig:
        """One configuration whose numbers have lanes; its net draws what the first lane's does."""
        config = self.build(self.settings)
        if not self.lanes:
            return config

        def init(key: Key) -> Params:  # numbers with lanes would draw weights out of shape
            first = jax.tree.map(lambda leaf: leaf[(..., *[0] * self.lanes)], self.settings)
            return self.build(first).net.init(key)

        return config._replace(net=config.net._replace(init=init))

    def each(self, function: Callable[..., Any], *args: Any) -> Any:
        """`function(config, *args)` in every lane by itself, as if it were alone.

        What looks at a whole net, a norm over all weights or the number of axes of an
        array, then sees one lane's.
        """

        def alone(settings: Any, *args: Any) -> Any:
            return function(self.build(settings), *args)

        if not self.lanes:
            return alone(self.settings, *args)
        return jax.vmap(alone, in_axes=-1, out_axes=-1)(self.settings, *args)
