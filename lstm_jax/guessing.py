"""Random weight guessing: no learning at all, a test of how hard a task is.

Hochreiter and Schmidhuber, Bridging long time lags by weight guessing and "Long Short
Term Memory", 1996; Schmidhuber, Hochreiter and Bengio, Evaluating benchmark problems by
random guessing, 2001. Weights are drawn at random until a net happens to get all
sequences right. It knows nothing of time lags and so does not mind them: a task that it
solves says little about the methods that are tried on it (Section 5 of the 1997 paper).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.learning import Experiment, Learner, Weights
from lstm_jax.stopping import Criterion, Judgement, Stop
from lstm_jax.tasks import draws
from lstm_jax.training import Trial, make_trial
from lstm_jax.types import Array, Key, Learned, Params, Sequence
from lstm_jax.wiring import at_targets, freeze, unroll


class Tried(NamedTuple):
    """How the present guess does; every field `(*lanes)`.

    Attributes:
      sequences: how many it was tried on; 0 for a new guess.
      wrong: how many of them it got wrong.
      error: sum of their mean absolute errors.
    """

    sequences: Array
    wrong: Array
    error: Array


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


def make_guessing(
    build: Callable[[Any], Experiment],
    *,
    limit: float = 100.0,
    size: int = 256,
    criterion: Criterion = Criterion(),
) -> Trial:
    """A trial that guesses the weights of the experiment that `build(settings)` describes.

    A guess draws all weights and biases uniformly from `[-limit, limit]`. It is tried on
    one training sequence after another, and the next guess is made as soon as the
    criterion cannot hold any more. If it holds for `size` sequences, all of them right
    by default, the trial is tested like any other, by `experiment.test` sequences.

    Decisions. In the literature a guess is tried on a fixed training set of 100
    sequences; here every sequence is a fresh one, as in training. A guess costs the
    sequences that it was tried on, 1 to `size`. All of them count as `sequences`, to
    which the cap applies; `reached` leaves out those of the last guess.

    Args:
      build: see `training.make_trial`. Rule, loss, optimizer and stopping rule of the
        experiment do not matter here, nor do its initial weights.
      limit: range of the weights; the literature has 100.
      size: sequences that a guess must be tried on.
      criterion: what they must be like.

    Returns:
      A `Trial` for `run_trials`, whose records also count the `guesses`.

    Raises:
      ValueError: numbers out of range.

    Example:
      >>> import optax
      >>> from lstm_jax import losses, stopping, tasks
      >>> from lstm_jax.cells.memory_block import memory_block
      >>> from lstm_jax.topology import Topology
      >>> from lstm_jax.gradients import truncated
      >>> from lstm_jax.wiring import readout
      >>> def build(settings):
      ...     return Experiment(
      ...         net=readout(memory_block(Topology(inputs=1, blocks=(1,))), outputs=1),
      ...         task=tasks.two_sequence(10, 1),
      ...         rule=truncated.online,
      ...         loss=losses.squared_error,
      ...         optimizer=optax.sgd(1.0),
      ...         judge=stopping.within(0.2),
      ...         stop=stopping.streak(10),
      ...         cap=10_000,
      ...         test=100,
      ...     )
      >>> trial = make_guessing(build, size=10)
      >>> state = trial.advance(trial.init(jax.random.key(0), None), 50)
      >>> trial.details(state)["guesses"] > 1
      True
    """
    if not 0 < limit < float("inf"):
        raise ValueError(f"expected a range of the weights above 0, limit=100 say, got {limit}")
    if size < 1:
        raise ValueError(f"expected size >= 1 sequences for every guess, got {size}")

    def fresh(experiment: Experiment, key: Key) -> Weights:
        shapes = jax.eval_shape(experiment.net.init, key)
        one = jnp.ones((), jnp.int32)
        first = Guesses(jax.random.key_data(key), one, experiment.stop.start())
        return Weights(_guess(first, shapes, limit), first, None)

    def learn(experiment: Experiment, weights: Weights, sequence: Sequence, active: Array):
        _, outputs = unroll(experiment.net, weights.params, sequence.inputs)
        outputs = at_targets(outputs, sequence)
        guesses, judgement = weights.opt_state, experiment.judge(outputs, sequence)
        tried, _ = experiment.stop.update(guesses.tried, judgement, active)
        failed = active & (tried.sequences == 0)
        guesses = Guesses(guesses.key, guesses.number + failed, tried)
        params = _guess(guesses, weights.params, limit)  # the same ones if it did not fail
        nothing = jnp.zeros(failed.shape, outputs.dtype)
        return Learned(nothing, outputs, None), Weights(params, guesses, None)

    def details(weights: Weights) -> dict:
        return {"guesses": int(weights.opt_state.number)}

    def guessing(settings: Any) -> Experiment:
        return build(settings)._replace(stop=_until(size, criterion))

    return make_trial(guessing, Learner(fresh, learn, details))


def _until(size: int, criterion: Criterion) -> Stop:
    """Stop when a guess was tried on so many sequences and the criterion holds for them."""

    def start() -> Tried:
        none = jnp.zeros((), jnp.int32)
        return Tried(none, none, jnp.zeros(()))

    def update(tried: Tried, new: Judgement, active: Array) -> tuple[Tried, Array]:
        sequences, wrong = tried.sequences + 1, tried.wrong + new.wrong
        error = tried.error + new.error.astype(tried.error.dtype)
        held = (sequences >= size) & criterion.holds(wrong, error / size)
        failed = (wrong >= criterion.wrong_below) | ((sequences >= size) & ~held)
        after = Tried(sequences, wrong, error)
        after = freeze(failed, jax.tree.map(jnp.zeros_like, after), after)
        return freeze(active, after, tried), held[None]

    return Stop(start, update, (criterion,), uncounted=size)


def _guess(guesses: Guesses, like: Params, limit: float) -> Params:
    """The weights of every lane's present guess, shaped like `like`."""
    leaves, structure = jax.tree.flatten(like)
    lanes = guesses.number.ndim
    shapes = [leaf.shape[: leaf.ndim - lanes] for leaf in leaves]
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])

    def draw(key, number):
        key = jax.random.fold_in(jax.random.wrap_key_data(key), number)
        weights = limit * draws.signed(draws.words(key, ends[-1]))
        parts = jnp.split(weights, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    if lanes:
        draw = jax.vmap(draw, in_axes=-1, out_axes=-1)
    drawn = draw(guesses.key, guesses.number)
    drawn = [part.astype(leaf.dtype) for part, leaf in zip(drawn, leaves, strict=True)]
    return jax.tree.unflatten(structure, drawn)
