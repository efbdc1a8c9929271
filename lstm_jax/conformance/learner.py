"""Whether a learner keeps its contract."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.conformance.findings import (
    conclude,
    in_lanes,
    lane,
    same,
    shapes,
    stacked,
    traced_anew,
)
from lstm_jax.ops.fit import normalised
from lstm_jax.training.config import LaneConfigs, Learner, LearnerState, Lesson, TrialConfig
from lstm_jax.training.trial import KEY_IMPL
from lstm_jax.types import Array, Key, Net, Sequence

LANES = 3

Begun = Callable[[Key], LearnerState]


class Block(NamedTuple):
    """What a learner is asked in lanes; `learn` is compiled once."""

    learn: Callable[..., tuple[Lesson, LearnerState]]
    state: LearnerState
    sequence: Sequence
    keys: Key | None


def check_learner(learner: Learner, config: TrialConfig, *, key: Key | None = None) -> None:
    """Try on a learner what `training.config.Learner` says in prose.

    Args:
      learner: the learner.
      config: a small configuration that it fits; its own `learner` is not asked.
      key: what weights and sequences are drawn from.

    Raises:
      ValueError: listing every promise that is broken, one line each, with the mend.

    Example:
      >>> import optax
      >>> from lstm_jax import tasks
      >>> from lstm_jax.cells.simple import elman
      >>> from lstm_jax.gradients import bptt
      >>> from lstm_jax.losses import squared_error
      >>> from lstm_jax.networks.readout import readout
      >>> from lstm_jax.training.gradient_descent import gradient_descent
      >>> from lstm_jax.training.judging import within
      >>> from lstm_jax.training.stopping import streak
      >>> learner = gradient_descent(bptt, squared_error, optax.sgd(0.1))
      >>> net, task = readout(elman(inputs=2, hidden=2), outputs=1), tasks.adding(20)
      >>> check_learner(learner, TrialConfig(net, task, learner, within(0.1), streak(9), 99, 9))
    """
    key = jax.random.key(0, impl=KEY_IMPL) if key is None else key
    config = config._replace(learner=learner)
    begun = _begun(config)
    block = cache(lambda: _block(config, begun, key))
    with jax.enable_x64(True):
        conclude(
            "the learner",
            {"init": lambda: _init(config, begun, key)},
            {"learn": lambda: _lesson(block())},
            {
                "learn": lambda: _learn(block()),
                "predict": lambda: _predict(config, block()),
                "draws": lambda: _draws(config, block()),
                "summary": lambda: _summary(config, begun(key)),
            },
        )


def _init(config: TrialConfig, begun: Begun, key: Key) -> Iterator[str]:
    state = begun(key)
    if not isinstance(state, LearnerState):
        yield f"expected a LearnerState, got a {type(state).__name__}"
        return
    if any(jnp.issubdtype(jnp.result_type(a), jax.dtypes.prng_key) for a in jax.tree.leaves(state)):
        yield "typed keys, which a checkpoint cannot hold; keep jax.random.key_data(key)"
    elif not same(_begun(config)(key), state, 0):
        yield "gives another state for the same key; draw from the key alone"
    drawn = jax.eval_shape(config.net.init, key)
    if jax.tree.map(jnp.shape, state.params) != jax.tree.map(jnp.shape, drawn):
        yield f"params: expected {shapes(drawn)}, those of the net, got {shapes(state.params)}"


def _begun(config: TrialConfig) -> Begun:
    """The learner's `init`, traced anew."""
    return traced_anew(partial(config.learner.init, config))


def _block(config: TrialConfig, begun: Begun, key: Key) -> Block:
    """A block of lanes that differ in their weights, sequences and keys."""
    keys = jax.random.split(key, LANES)
    state = stacked([*map(begun, keys)])

    batch = config.batch
    drawn = keys if batch is None else jax.vmap(lambda k: jax.random.split(k, batch), 0, -1)(keys)
    sample = config.task.sample
    for _ in range(drawn.ndim):
        sample = jax.vmap(sample, in_axes=-1, out_axes=-1)
    sequence = jax.jit(lambda keys: normalised(sample(keys)))(drawn)
    noisy = config.learner.draws or (isinstance(config.net, Net) and config.net.draws)
    learn = partial(config.learner.learn, LaneConfigs(lambda settings: config, None, 1))
    return Block(jax.jit(learn), state, sequence, drawn if noisy else None)


def _answer(block: Block, *active: bool) -> tuple[Lesson, LearnerState]:
    """What comes of it where these lanes are active; all of them if none is named."""
    where = jnp.array(active or [True] * LANES)
    return block.learn(block.state, block.sequence, where, block.keys)


def _lesson(block: Block) -> Iterator[str]:
    found = _answer(block)
    if not isinstance(found[0], Lesson) or not isinstance(found[1], LearnerState):
        yield f"expected (Lesson, LearnerState), got {tuple(type(f).__name__ for f in found)}"
        return
    lesson, after = found
    lanes = block.sequence.length.shape
    if jnp.shape(lesson.loss) != lanes:
        yield f"loss: expected shape {lanes}, one number a sequence, got {jnp.shape(lesson.loss)}"
    if jnp.shape(lesson.outputs) != jnp.shape(block.sequence.targets):
        yield (
            f"outputs: expected shape {jnp.shape(block.sequence.targets)}, that of the targets, "
            f"got {jnp.shape(lesson.outputs)}"
        )
    if shapes(after) != shapes(block.state):
        yield (
            f"expected the state as it came, {shapes(block.state)}, got {shapes(after)}; keep "
            "structure, shapes and types"
        )


def _learn(block: Block) -> Iterator[str]:
    _, everywhere = _answer(block)
    _, some = _answer(block, True, False, True)
    if not same(lane(some, 1), lane(block.state, 1), 0):
        yield "a lane that is not active has another state; write ops.lanes.tree_where(active, ...)"
    if not same(lane(some, 0), lane(everywhere, 0)):
        yield "a lane learns something else while another is not active; never mix lanes"
    for i in range(LANES):
        state, sequence = (in_lanes(lane(a, i), LANES) for a in (block.state, block.sequence))
        _, after = _answer(Block(block.learn, state, sequence, _one(block, i)))
        if not same(lane(after, 0), lane(everywhere, i)):
            yield (
                f"lane {i} learns something else beside others than beside itself; let what looks "
                "at a whole net see one lane (LaneConfigs.each)"
            )
            return


def _one(block: Block, i: int) -> Key | None:
    return None if block.keys is None else jnp.stack([block.keys[..., i]] * LANES, -1)


def _predicted(config: TrialConfig) -> Callable[[LearnerState, Sequence], Array]:
    """The learner's `predict`, traced anew."""
    return traced_anew(partial(config.learner.predict, config))


def _predict(config: TrialConfig, block: Block) -> Iterator[str]:
    outputs = _predicted(config)(block.state, block.sequence)
    if jnp.shape(outputs) != jnp.shape(block.sequence.targets):
        yield (
            f"expected outputs of shape {jnp.shape(block.sequence.targets)}, that of the targets, "
            f"got {jnp.shape(outputs)}"
        )
    elif not same(_predicted(config)(block.state, block.sequence), outputs, 0):
        yield "gives something else when it is asked again; prediction draws nothing"


def _draws(config: TrialConfig, block: Block) -> Iterator[str]:
    if not config.learner.draws:
        return
    assert block.keys is not None
    others = jax.tree.map(lambda k: jnp.roll(k, 1, -1), block.keys)
    found, other = (_answer(block._replace(keys=keys))[1] for keys in (block.keys, others))
    if same(found, other, 0):
        yield "another key teaches the same; draw, or let draws be False"


def _summary(config: TrialConfig, state: Any) -> Iterator[str]:
    found = config.learner.summary(jax.tree.map(np.asarray, state))
    if not isinstance(found, dict):
        yield f"expected a dict, got a {type(found).__name__}; write {{}} for nothing"
        return
    for name, value in found.items():
        if not isinstance(value, int | float | str | bool | list | None):
            yield (
                f"{name}: expected what JSON can hold, got a {type(value).__name__}; write "
                "int(...), float(...) or .tolist()"
            )
