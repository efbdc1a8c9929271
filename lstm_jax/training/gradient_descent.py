"""The usual learner: a gradient rule, a loss, an optimizer; once a sequence or at every step.

Trials are independent, so every lane's optimizer sees the weights of that lane alone: what
looks at a whole net (a norm over all gradients, the number of axes of an array) does in lanes
what it does in a plain loop.
"""

from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.interpreters.partial_eval import dce_jaxpr

from lstm_jax.gradients.minibatch import over_batch
from lstm_jax.losses import expect_error_a_lane
from lstm_jax.ops.lanes import masked_loop, tree_where
from lstm_jax.ops.no_derivative import no_derivative
from lstm_jax.ops.sparse_columns import add_columns, gather_columns
from lstm_jax.training.config import (
    LaneConfigs,
    LearnerState,
    Lesson,
    TrialConfig,
    weights_key,
)
from lstm_jax.types import (
    Array,
    GradientFn,
    GradientRule,
    Key,
    Loss,
    OnlineGradient,
    Params,
    Sequence,
    SequenceLoss,
)


class DescentMemory(NamedTuple):
    """What gradient descent keeps beside the weights.

    Attributes:
      opt_state: of the optimizer.
      rule: what the rule remembers of the sequences before; None with resets.
    """

    opt_state: Any
    rule: Any


Resets = bool | Literal["after_errors"]

_RULE = 2**31 - 1  # the stream of a learner's key that its rule draws from; nets split theirs


def gradient_descent(
    rule: GradientRule,
    loss: Loss | SequenceLoss,
    optimizer: optax.GradientTransformation,
    *,
    every_step: bool = False,
    sparse: bool = False,
    resets: Resets = True,
) -> "GradientDescent":
    """A learner that changes weights by a gradient rule and an optimizer.

    Args:
      rule: how the error becomes a gradient, `gradients.forward_traces` say.
      loss: the error of one step, or of the whole sequence.
      optimizer: any optax transformation that needs gradients and weights alone. It is
        applied in every lane by itself; numbers in it that are settings of a trial may differ
        from lane to lane. One that draws (`optax.add_noise`) is refused: its key is its own
        and not the trial's, so that all trials would get the same noise; noise belongs in a
        gradient rule with `draws`, which is given the trial's keys.
      every_step: weights change at every step that has an error, not once a sequence.
      sparse: change only the weights of symbols that occur, at a cost that does not
        grow with the number of symbols. It pays where that is several times the number
        of steps, and needs an optimizer without state whose update is linear in the
        gradient and looks at nothing else: plain SGD.
      resets: whether the net starts every sequence anew; if False, what a rule that takes
        steps remembers goes on from one sequence into the next; if "after_errors", it does
        until the trial's judge finds a sequence wrong, and the next starts anew.

    Raises:
      ValueError: parts that do not go together.

    Example:
      >>> from lstm_jax.gradients import bptt
      >>> from lstm_jax.losses import squared_error
      >>> learner = gradient_descent(bptt, squared_error, optax.sgd(0.1))
      >>> gradient_descent(bptt, squared_error, optax.sgd(0.1), every_step=True)
      Traceback (most recent call last):
        ...
      ValueError: bptt has no on-line form, which every_step=True needs; ...
    """
    if not isinstance(rule, GradientRule):
        raise ValueError(
            f"rule: expected a GradientRule, gradients.bptt say, got {_called(rule)}; give the "
            "rule itself, not what it returns and not one of its faces"
        )
    if every_step and rule.online is None:
        raise ValueError(
            f"{rule.name} has no on-line form, which every_step=True needs; use forward_traces, "
            "rtrl or windowed(n), or leave every_step off"
        )
    if not every_step and rule.sequence is None:
        raise ValueError(
            f"{rule.name} goes step by step only; write every_step=True, so that weights change "
            "at every step"
        )
    if sparse and every_step:
        raise ValueError("sparse learning changes weights once a sequence; leave every_step off")
    if resets not in (True, False, "after_errors"):
        raise ValueError(f"resets: expected True, False or 'after_errors', got {resets!r}")
    resets = "after_errors" if resets == "after_errors" else bool(resets)  # of 1, of NumPy's, too
    if resets is not True and not every_step:
        raise ValueError(
            f"a net with resets={resets!r} learns at every step; write every_step=True"
        )
    if not isinstance(optimizer, optax.GradientTransformation):
        raise ValueError(
            f"optimizer: expected an optax transformation, optax.sgd(0.1) say, got "
            f"{_called(optimizer)}"
        )
    return GradientDescent(rule, loss, optimizer, every_step, sparse, resets)


class GradientDescent(NamedTuple):
    """The learner that `gradient_descent` makes; its arguments are its fields.

    Every lane is asked for the `optimizer` of its own configuration's learner: one that wraps
    this one must show it, too.
    """

    rule: GradientRule
    loss: Loss | SequenceLoss
    optimizer: optax.GradientTransformation
    every_step: bool
    sparse: bool
    resets: Resets

    @property
    def draws(self) -> bool:
        """Whether the rule is random; a net that draws is asked by the trial."""
        return self.rule.draws

    @property
    def in_turn(self) -> bool:
        """One small net: lanes go side by side."""
        return False

    def init(self, config: TrialConfig, key: Key) -> LearnerState:
        """Weights as the net draws them, an optimizer that has seen nothing.

        Raises:
          ValueError: a net, a loss or an optimizer that the learner cannot work with.
        """
        if config.batch is not None and (self.every_step or self.sparse):
            raise ValueError(
                f"batch: expected None with {'every_step' if self.every_step else 'sparse'}, got "
                f"{config.batch}; sequences of a batch change weights together"
            )
        self._bound(config)
        expect_error_a_lane(self.loss, config.net.outputs)
        params = config.net.init(weights_key(key))
        with _optax_may_promote():
            opt_state = self.optimizer.init(params)
        self._expect_update(params, opt_state)
        if self.sparse:
            self._expect_linear(params, opt_state)
        memory = None
        if self.resets is not True:
            for_rule = jax.random.fold_in(key, _RULE) if self.rule.draws else None
            memory = self._online(config).init(params, (), for_rule)
        return LearnerState(params, DescentMemory(opt_state, memory))

    def learn(
        self,
        lanes: LaneConfigs,
        state: LearnerState,
        sequence: Sequence,
        active: Array,
        key: Key | None,
    ) -> tuple[Lesson, LearnerState]:
        """What the rule says of a sequence, and the weights after it.

        The one place where weights change, and only in lanes that are active.
        """
        if self.every_step:
            return self._learn_step_by_step(lanes, state, sequence, active, key)
        config, (params, memory), seen = lanes.together, state, sequence
        if self.sparse:
            params, seen = gather_columns(params, sequence)
            net = config.net._replace(inputs=len(seen.inputs), init=_draws_no_columns)
            config = config._replace(net=net)
        gradient: Any = self._bound(config)
        if config.batch is not None:
            gradient = over_batch(gradient)
        loss, outputs, grads = gradient(params, seen, key)
        updates, opt_state = self._updates(lanes, grads, memory.opt_state, params, active)
        if self.sparse:
            params = add_columns(state.params, updates, sequence)
        else:
            params = optax.apply_updates(params, updates)
        return Lesson(outputs, loss), LearnerState(params, memory._replace(opt_state=opt_state))

    def predict(self, config: TrialConfig, state: LearnerState, sequence: Sequence) -> Array:
        """The net's outputs beside the targets; nothing is drawn."""
        return config.predict(state.params, sequence)

    def summary(self, state: LearnerState) -> dict:
        """Nothing besides."""
        return {}

    def _bound(self, config: TrialConfig) -> GradientFn | OnlineGradient:
        """The rule for the net and the loss, which it refuses where they do not fit."""
        return self._online(config) if self.every_step else self.rule(config.net, self.loss)

    def _online(self, config: TrialConfig) -> OnlineGradient:
        assert self.rule.online is not None  # gradient_descent saw to it
        return self.rule.online(config.net, self.loss)  # pyright: ignore[reportArgumentType]

    def _updates(self, lanes: LaneConfigs, grads: Params, opt_state, params, active: Array):
        """What to add to the weights, nothing in lanes not active; the optimizer after."""

        def alone(config: TrialConfig, grads, opt_state, params):
            learner: Any = config.learner
            with _optax_may_promote():
                return learner.optimizer.update(grads, opt_state, params)

        updates, after = lanes.each(alone, grads, opt_state, params)
        updates = tree_where(active, updates, jax.tree.map(jnp.zeros_like, updates))
        return updates, tree_where(active, after, opt_state)

    def _learn_step_by_step(self, lanes: LaneConfigs, state: LearnerState, sequence, active, key):
        """Weights change after every step that has an error; gradients are not added up."""
        rule, last = self._online(lanes.together), sequence.length - 1
        at_end = sequence.targets_at == "end"

        def body(carry, step, alive):
            (params, (opt_state, memory)), errors, outputs = carry
            t, x, target, mask = step
            due = mask & (t == last if at_end else alive)
            after, (loss, output, grads) = rule.update(params, memory, x, target, due)
            updates, opt_state = self._updates(lanes, grads, opt_state, params, active & due)
            if at_end:
                outputs = tree_where(due, output[None], outputs)
            else:
                outputs = lax.dynamic_update_index_in_dim(outputs, output, t, 0)
            if self.resets is not True:  # else nobody asks what comes after the end
                after = tree_where(alive & active, after, memory)
            params = optax.apply_updates(params, updates)
            return (params, DescentMemory(opt_state, after)), errors + loss, outputs

        params, memory = state
        if self.resets is True:
            memory = memory._replace(rule=rule.init(params, last.shape, key))
        times = jnp.arange(len(sequence.inputs), dtype=jnp.int32)
        targets, masks = (
            jnp.broadcast_to(leaf, (len(times), *leaf.shape[1:]))
            for leaf in (sequence.targets, sequence.mask)
        )
        (after, memory), errors, outputs = masked_loop(
            body,
            (
                (params, memory),
                jnp.zeros(last.shape, sequence.targets.dtype),
                jnp.zeros_like(sequence.targets),
            ),
            (times, sequence.inputs, targets, masks),
            sequence.length,
        )
        if self.resets is True:
            memory = memory._replace(rule=None)
        elif self.resets == "after_errors":
            wrong = lanes.together.judge(outputs, sequence).wrong & active
            anew = rule.init(after, last.shape, key)
            memory = memory._replace(rule=tree_where(wrong, anew, memory.rule))
        return Lesson(outputs, no_derivative(errors)), LearnerState(after, memory)

    def _expect_update(self, params: Params, opt_state: Any) -> None:
        """An optimizer that gradients and weights are enough for, and that draws nothing."""
        leaves = jax.tree.leaves(opt_state)
        if any(jnp.issubdtype(jnp.result_type(a), jax.dtypes.prng_key) for a in leaves):
            raise ValueError(
                "optimizer: expected one that draws nothing, got one with a key in its "
                "state, whose noise all trials would share; let a gradient rule with draws draw it"
            )
        try:
            with _optax_may_promote():
                jax.eval_shape(self.optimizer.update, params, opt_state, params)
        except Exception as error:  # optimizers raise what they like
            raise ValueError(
                "optimizer: expected one whose update(grads, state, params) needs nothing else, "
                f"got {type(error).__name__}: {str(error).splitlines()[0]}"
            ) from error

    def _expect_linear(self, params: Params, opt_state: Any) -> None:
        """Updates that are told from the gradient of some columns alone, whatever the others."""
        if jax.tree.leaves(opt_state):
            raise ValueError(
                "sparse learning needs an optimizer without state, optax.sgd(rate) say, got "
                f"one with {jax.tree.map(jnp.shape, opt_state)}"
            )

        def update(grads, params):
            with _optax_may_promote():
                return self.optimizer.update(grads, opt_state, params)[0]

        jaxpr = jax.make_jaxpr(update)(params, params).jaxpr
        _, used = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
        if any(used[len(used) // 2 :]):
            raise ValueError(
                "sparse learning needs an optimizer that looks at the gradient alone, got one that "
                "reads the weights (weight decay?); leave sparse off"
            )
        if mixing := _primitives(jaxpr) - _ELEMENT_BY_ELEMENT:
            raise ValueError(
                "sparse learning needs an optimizer that treats every weight by itself, "
                f"optax.sgd(rate) say, got one that computes {', '.join(sorted(mixing))} "
                "(clipping, means, adaptive rates?); leave sparse off"
            )
        try:
            jax.linear_transpose(lambda grads: update(grads, params), params)(params)
        except Exception as error:  # JAX raises many kinds for what is not linear
            raise ValueError(
                "sparse learning needs an update that is linear in the gradient, optax.sgd(rate) "
                "say, got one that is not (clipping, adaptive rates?); leave sparse off"
            ) from error


def _draws_no_columns(key: Key) -> Params:
    """`init` of a net of some columns: they were drawn, and looked at, with all the others."""
    raise ValueError("init: a net of some columns of another draws nothing; ask the whole net")


_ELEMENT_BY_ELEMENT = {"add", "sub", "mul", "div", "neg", "convert_element_type", "copy"}


def _primitives(jaxpr: Any) -> set[str]:
    """Names of the operations of a program, those of the functions that it calls included."""
    inner = [(equation, equation.params.get("jaxpr")) for equation in jaxpr.eqns]
    called = [_primitives(getattr(body, "jaxpr", body)) for _, body in inner if body]
    return {equation.primitive.name for equation, body in inner if not body}.union(*called)


@contextmanager
def _optax_may_promote():
    """Optimizers count on JAX's own promotion of types and ranks, whatever the user has set."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def _called(thing: Any) -> str:
    return getattr(thing, "__name__", None) or f"a {type(thing).__name__}"
