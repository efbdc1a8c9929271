"""What a trial learns with, and how one sequence changes its weights: once, or at every step."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jax import lax

from lstm_jax.columns import add_occurring, occurring
from lstm_jax.growth import Growth
from lstm_jax.stopping import Judge, Stop
from lstm_jax.types import (
    Array,
    Cell,
    Key,
    Learn,
    Learned,
    Loss,
    Params,
    Rule,
    Sequence,
    StepRule,
    Stepwise,
    Task,
)
from lstm_jax.wiring import fold, freeze


class Experiment(NamedTuple):
    """All that a trial needs.

    Attributes:
      net: a cell whose outputs stand beside the targets.
      task: where sequences come from.
      rule: how the net learns, `gradients.truncated.online` say; if weights change at
        every step a rule that takes steps, `gradients.truncated.stepwise` say.
      loss: the error of one step.
      optimizer: an optax transformation; numbers in it may be `(*lanes)` arrays.
      judge: when a sequence is right.
      stop: when training is over.
      cap: training sequences after which a trial that has not stopped has failed.
      test: sequences in the test that follows training.
      sparse: change only the weights of symbols that occur, at a cost that does not
        grow with the number of symbols. It pays where that is several times the number
        of steps, and needs an optimizer without state whose update is linear in the
        gradient: plain SGD.
      every_step: weights change at every step that has an error, not once a sequence.
      growth: when settings change as the trial goes on, so that the net gets another
        unit, say; None if they do not.
      resets: whether the net starts every sequence anew; if not, what a rule that takes
        steps remembers goes on from one sequence into the next.
    """

    net: Cell
    task: Task
    rule: Rule | StepRule
    loss: Loss
    optimizer: optax.GradientTransformation
    judge: Judge
    stop: Stop
    cap: int
    test: int
    sparse: bool = False
    every_step: bool = False
    growth: Growth | None = None
    resets: bool = True


class Weights(NamedTuple):
    """What learning changes.

    Attributes:
      params: of the net.
      opt_state: of the optimizer.
      memory: what the rule remembers of the sequences before; None with resets.
    """

    params: Params
    opt_state: Any
    memory: Any


class Learner(NamedTuple):
    """How the weights of a trial come about, by gradient descent say.

    Attributes:
      fresh: `(experiment, key) -> Weights` without lanes, before the first sequence.
      learn: `(experiment, weights, sequence, active) -> (learned, weights)`, what comes
        of a sequence; lanes that are not `active` keep their weights. Of `learned` the
        outputs and the loss are used; a loss that is no number ends the trial.
      details: `weights -> dict`, what the record of a trial says of them; of weights
        without lanes, as NumPy arrays.
    """

    fresh: Callable[[Experiment, Key], Weights]
    learn: Callable[[Experiment, Weights, Sequence, Array], tuple[Learned, Weights]]
    details: Callable[[Weights], dict] = lambda weights: {}


def fresh(experiment: Experiment, key: Key) -> Weights:
    """Weights before the first sequence, without lanes.

    Raises:
      ValueError: parts of the experiment do not go together: sparse learning with a
        state of the optimizer or with changes at every step, no resets with changes
        once a sequence.
    """
    params = experiment.net.init(key)
    opt_state = experiment.optimizer.init(params)
    if experiment.sparse and jax.tree.leaves(opt_state):
        raise ValueError(
            "sparse learning needs an optimizer without state, optax.sgd(rate) say, got "
            f"one with {jax.tree.map(jnp.shape, opt_state)}"
        )
    if experiment.sparse and experiment.every_step:
        raise ValueError("sparse learning changes weights once a sequence; leave every_step off")
    if not (experiment.resets or experiment.every_step):
        raise ValueError("a net without resets learns at every step; write every_step=True")
    memory = None if experiment.resets else _step_rule(experiment).init(params)
    return Weights(params, opt_state, memory)


def learn(
    experiment: Experiment, weights: Weights, sequence: Sequence, active: Array
) -> tuple[Learned, Weights]:
    """What the rule says of a sequence, and the weights after it.

    The one place where weights change, and only in lanes that are active.

    Args:
      experiment: what to learn with.
      weights: as they are, each leaf `(..., *lanes)`.
      sequence: one a lane.
      active: `(*lanes)` bool.
    """
    if experiment.every_step:
        return _learn_step_by_step(experiment, weights, sequence, active)
    params, seen = weights.params, sequence
    if experiment.sparse:
        params, seen = occurring(params, sequence)
    rule = cast(Learn, experiment.rule(experiment.net, experiment.loss))
    learned = rule(params, seen)
    updates, opt_state = _updates(experiment, learned, weights.opt_state, params, active)
    if experiment.sparse:
        params = add_occurring(weights.params, updates, sequence)
    else:
        params = optax.apply_updates(params, updates)
    return learned, weights._replace(params=params, opt_state=opt_state)


DESCENT = Learner(fresh, learn)


def _learn_step_by_step(
    experiment: Experiment, weights: Weights, sequence: Sequence, active: Array
) -> tuple[Learned, Weights]:
    """Weights change after every step that has an error; `grads` are not added up."""
    rule, last = _step_rule(experiment), sequence.length - 1
    at_end = len(sequence.targets) != len(sequence.inputs)

    def body(carry, step, alive):
        (params, opt_state, memory), errors, outputs = carry
        t, x, target, mask = step
        due = mask & (t == last if at_end else alive)
        after, learned = rule.update(params, memory, x, target, due)
        updates, opt_state = _updates(experiment, learned, opt_state, params, active & due)
        if at_end:
            outputs = freeze(due, learned.outputs[None], outputs)
        else:
            outputs = lax.dynamic_update_index_in_dim(outputs, learned.outputs, t, 0)
        if not experiment.resets:  # else nobody asks what comes after the end
            after = freeze(alive, after, memory)
        weights = Weights(optax.apply_updates(params, updates), opt_state, after)
        return weights, errors + learned.loss, outputs

    errors = jnp.zeros(last.shape, sequence.targets.dtype)
    begun = weights
    if experiment.resets:
        begun = weights._replace(memory=rule.init(weights.params, last.shape))
    times = jnp.arange(len(sequence.inputs))
    targets, masks = (
        jnp.broadcast_to(leaf, (len(times), *leaf.shape[1:]))
        for leaf in (sequence.targets, sequence.mask)
    )
    carry = fold(
        body,
        (begun, errors, jnp.zeros_like(sequence.targets)),
        (times, sequence.inputs, targets, masks),
        sequence.length,
    )
    after, errors, outputs = carry
    if experiment.resets:
        after = after._replace(memory=None)
    return Learned(errors, outputs, None), after


def _step_rule(experiment: Experiment) -> Stepwise:
    return cast(Stepwise, experiment.rule(experiment.net, experiment.loss))


def _updates(experiment: Experiment, learned: Learned, opt_state, params, active: Array):
    """What to add to the weights, nothing in lanes that are not active; the optimizer after."""
    updates, after = experiment.optimizer.update(learned.grads, opt_state, params)
    updates = freeze(active, updates, jax.tree.map(jnp.zeros_like, updates))
    return updates, freeze(active, after, opt_state)
