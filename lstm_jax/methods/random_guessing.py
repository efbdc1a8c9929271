"""Random weight guessing: no learning at all, a test of how hard a task is.

Hochreiter and Schmidhuber, Bridging long time lags by weight guessing and "Long Short
Term Memory", 1996; Schmidhuber, Hochreiter and Bengio, Evaluating benchmark problems by
random guessing, 2001. Weights are drawn at random until a net happens to get all
sequences right. It knows nothing of time lags and so does not mind them: a task that it
solves says little about the methods that are tried on it (Section 5 of the 1997 paper).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.ops import random_words
from lstm_jax.ops.lanes import tree_where
from lstm_jax.ops.running_sum import RunningSum
from lstm_jax.training.config import (
    LaneConfigs,
    LearnerState,
    Lesson,
    TrialConfig,
    weights_key,
)
from lstm_jax.training.judging import Judgement
from lstm_jax.training.stopping import Criterion, Stop
from lstm_jax.types import Array, Key, Params, Sequence


class Tried(NamedTuple):
    """How the present guess does; every field `(*lanes)`.

    Attributes:
      sequences: how many it was tried on; 0 for a new guess.
      wrong: how many of them it got wrong.
      error: sum of their mean absolute errors.
    """

    sequences: Array
    wrong: Array
    error: RunningSum


class Guesses(NamedTuple):
    """Where guesses come from, and when the next one is due.

    Attributes:
      key: `(2, *lanes)` uint32, key data.
      number: `(*lanes)` int32, guesses made, the present one included.
      tried: the present one; the stopping rule keeps the same book.
    """

    key: Array
    number: Array
    tried: Tried


def random_guessing(limit: float = 100.0) -> "RandomGuessing":
    """A learner that draws all weights and biases anew whenever a guess has failed.

    A guess is drawn uniformly from `[-limit, limit]` and tried on one training sequence after
    another; the next guess is made as soon as the trial's stopping rule, `all_right(...)`,
    says that the present one cannot pass any more. If it passes, the trial is tested like
    any other.

    Decisions. In the literature a guess is tried on a fixed training set of 100
    sequences; here every sequence is a fresh one, as in training. A guess costs the
    sequences that it was tried on. All of them count as `sequences`, to which the cap
    applies; `reached` leaves out those of the last guess.

    Args:
      limit: range of the weights; the literature has 100.

    Returns:
      A learner for a `TrialConfig` whose `stop` is `all_right(size, criterion)`; the
      records of its trials also count the `guesses`.

    Raises:
      ValueError: a range that is not above 0; by `init`, another stopping rule.

    Example:
      >>> from lstm_jax import tasks
      >>> from lstm_jax.cells.memory_block import memory_block
      >>> from lstm_jax.cells.topology import Topology
      >>> from lstm_jax.networks.readout import readout
      >>> from lstm_jax.training.judging import within
      >>> from lstm_jax.training.trial import make_trial
      >>> config = TrialConfig(
      ...     net=readout(memory_block(Topology(inputs=1, blocks=(1,))), outputs=1),
      ...     task=tasks.two_sequence(10, 1),
      ...     learner=random_guessing(),
      ...     judge=within(0.2),
      ...     stop=all_right(10),
      ...     max_sequences=10_000,
      ...     test_sequences=100,
      ... )
      >>> trial = make_trial(lambda settings: config)
      >>> state = trial.advance(trial.init(jax.random.key(0, impl="threefry2x32")), 50)
      >>> trial.summary(state)["guesses"] > 1
      True
    """
    if not 0 < limit < float("inf"):
        raise ValueError(f"expected a range of the weights above 0, limit=100 say, got {limit}")
    return RandomGuessing(limit)


class RandomGuessing(NamedTuple):
    """The learner that `random_guessing` makes."""

    limit: float

    @property
    def draws(self) -> bool:
        """Guesses come from the trial's own key, drawn once."""
        return False

    @property
    def in_turn(self) -> bool:
        """One small net: lanes go side by side."""
        return False

    def init(self, config: TrialConfig, key: Key) -> LearnerState:
        """The first guess."""
        tried = config.stop.init()
        if not isinstance(tried, Tried):
            raise ValueError(
                "stop: expected all_right(size, criterion) of a trial that guesses, got another "
                "stopping rule; a guess is given up as soon as it cannot pass"
            )
        if config.batch is not None:
            raise ValueError(f"batch: expected None of a trial that guesses, got {config.batch}")
        shapes = jax.eval_shape(config.net.init, key)
        first = Guesses(jax.random.key_data(weights_key(key)), jnp.ones((), jnp.int32), tried)
        return LearnerState(_guess(first, shapes, self.limit), first)

    def learn(
        self,
        lanes: LaneConfigs,
        state: LearnerState,
        sequence: Sequence,
        active: Array,
        key: Key | None,
    ) -> tuple[Lesson, LearnerState]:
        """The present guess tried on a sequence, and the next one if it has failed."""
        config, guesses = lanes.together, state.memory
        outputs = self.predict(config, state, sequence)
        judged = config.judge(outputs, sequence)
        tried, _ = config.stop.update(guesses.tried, judged, active)
        failed = active & (tried.sequences == 0)
        guesses = Guesses(guesses.key, guesses.number + failed.astype(jnp.int32), tried)
        params = _guess(guesses, state.params, self.limit)  # the same ones if it did not fail
        nothing = jnp.zeros(failed.shape, outputs.dtype)
        return Lesson(outputs, nothing), LearnerState(params, guesses)

    def predict(self, config: TrialConfig, state: LearnerState, sequence: Sequence) -> Array:
        """The net's outputs beside the targets."""
        return config.predict(state.params, sequence)

    def summary(self, state: LearnerState) -> dict:
        """How many guesses were made."""
        return {"guesses": int(state.memory.number)}


def all_right(size: int = 256, criterion: Criterion = Criterion()) -> Stop:
    """Stop when the present weights were tried on `size` sequences and the criterion holds.

    The count begins anew as soon as the criterion cannot hold any more. The last `size`
    sequences count as a test and not as training.

    Raises:
      ValueError: a size below 1.
    """
    if size < 1:
        raise ValueError(f"expected size >= 1 sequences for every guess, got {size}")

    def init() -> Tried:
        none = jnp.zeros((), jnp.int32)
        return Tried(none, none, RunningSum.zeros(()))

    def update(tried: Tried, new: Judgement, active: Array) -> tuple[Tried, Array]:
        sequences, wrong = tried.sequences + 1, tried.wrong + new.wrong.astype(jnp.int32)
        error = tried.error.add(new.error)
        held = (sequences >= size) & criterion.holds(wrong, error.value / size)
        failed = (wrong >= criterion.wrong_below) | ((sequences >= size) & ~held)
        after = Tried(sequences, wrong, error)
        after = tree_where(failed, jax.tree.map(jnp.zeros_like, after), after)
        return tree_where(active, after, tried), held[None]

    return Stop(init, update, (criterion,), test_window=size)


def _guess(guesses: Guesses, like: Params, limit: float) -> Params:
    """The weights of every lane's present guess, shaped like `like`."""
    leaves, structure = jax.tree.flatten(like)
    lanes = guesses.number.ndim
    shapes = [leaf.shape[: leaf.ndim - lanes] for leaf in leaves]
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])

    def draw(key, number):
        key = jax.random.fold_in(jax.random.wrap_key_data(key, impl="threefry2x32"), number)
        weights = limit * random_words.uniform_signed(random_words.random_words(key, ends[-1]))
        parts = jnp.split(weights, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    if lanes:
        draw = jax.vmap(draw, in_axes=-1, out_axes=-1)
    drawn = draw(guesses.key, guesses.number)
    drawn = [part.astype(leaf.dtype) for part, leaf in zip(drawn, leaves, strict=True)]
    return jax.tree.unflatten(structure, drawn)
