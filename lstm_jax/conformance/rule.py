"""Whether a gradient rule keeps its contract."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.conformance.findings import (
    Law,
    conclude,
    disturbed,
    in_lanes,
    lane,
    normal,
    same,
    shapes,
)
from lstm_jax.losses import squared_error
from lstm_jax.networks.unroll import at_targets
from lstm_jax.ops.fit import fitted, living_steps
from lstm_jax.types import (
    Array,
    Cell,
    GradientFn,
    GradientRule,
    Key,
    LossAndGrads,
    Net,
    Params,
    Sequence,
)

STEPS, LENGTHS = 5, (5, 3, 4)


class Asked(NamedTuple):
    """A rule with a net, and sequences in lanes to ask it about.

    Attributes:
      rule, net: what is tried.
      gradient: of the rule for the net, compiled once for each shape.
      params: without lanes.
      sequences: of several lengths, in lanes; what lies behind the end is 0.
      keys: one a lane, or None of a rule that does not draw.
    """

    rule: GradientRule
    net: Cell | Net
    gradient: GradientFn
    params: Params
    sequences: Sequence
    keys: Key | None

    def by(self, rule: GradientRule) -> GradientFn:
        """The gradient by a rule, another or this one traced anew."""
        return jax.jit(rule(self.net, squared_error))

    def key(self, i: int) -> Key | None:
        """The key of a lane."""
        return None if self.keys is None else self.keys[i]


def check_rule(
    rule: GradientRule,
    *,
    cell: Cell | Net,
    against: GradientRule | None = None,
    key: Key | None = None,
) -> None:
    """Try on a gradient rule what `types.GradientRule` says in prose; in float64.

    A rule that draws is held to the same laws with its keys held still. The sum of its on-line
    gradients with weights held still is held to be that of the sequence, on five steps.

    Args:
      rule: the rule.
      cell: a small cell, or net, to try it with.
      against: a rule that it must agree with, `bptt` say; None for none.
      key: what the numbers are drawn from.

    Raises:
      ValueError: listing every promise that is broken, one line each, with the mend.

    Example:
      >>> from lstm_jax.cells.simple import elman
      >>> from lstm_jax.gradients import bptt, by_definition, rtrl
      >>> check_rule(rtrl, cell=elman(inputs=2, hidden=2), against=bptt)
      >>> check_rule(by_definition, cell=elman(inputs=2, hidden=2), against=bptt)
      Traceback (most recent call last):
        ...
      ValueError: the rule by_definition breaks 1 of what its contract promises:
      against: the gradients are not those of bptt, off by ...
    """
    key = jax.random.key(0) if key is None else key
    if rule.sequence is None and rule.online is None:
        raise ValueError(f"the rule {rule.name} has neither face; give it sequence= or online=")
    with jax.enable_x64(True):
        asked = _asked(rule if rule.sequence else _summed(rule), cell, key)
        laws: dict[str, Law] = {
            "lanes": lambda: _lanes(asked),
            "mask": lambda: _mask(asked),
            "length": lambda: _length(asked),
            "end": lambda: _end(asked),
            "draws": lambda: _draws(asked),
        }
        if rule.sequence is not None and rule.online is not None:
            laws["online"] = lambda: _online(asked)
        if against is not None:
            laws["against"] = lambda: _against(asked, against)
        conclude(f"the rule {rule.name}", {"sequence": lambda: _shapes(asked)}, laws)


def _summed(rule: GradientRule) -> GradientRule:
    """The rule whose gradient of a sequence is the sum of its on-line ones, weights held still."""

    def sequence(net: Any, loss: Any) -> GradientFn:
        assert rule.online is not None  # check_rule saw to it
        init, update = rule.online(net, loss)

        def gradient(params, sequence, key=None, /) -> LossAndGrads:
            sequence, outputs = fitted(net, params, sequence), []
            memory = init(params, sequence.length.shape, key)
            total = jnp.zeros(sequence.length.shape), jax.tree.map(jnp.zeros_like, params)
            for t, x in enumerate(sequence.inputs):
                at_end = sequence.targets_at == "end"
                mask = sequence.mask[0 if at_end else t]
                due = mask & (t == sequence.length - 1) if at_end else mask
                target = sequence.targets[0 if at_end else t]
                memory, found = update(params, memory, x, target, due)
                total = jax.tree.map(jnp.add, total, (found.loss, found.grads))
                outputs.append(found.outputs)
            return LossAndGrads(total[0], at_targets(jnp.stack(outputs), sequence), total[1])

        return gradient

    return rule._replace(sequence=sequence)


def _asked(rule: GradientRule, net: Cell | Net, key: Key) -> Asked:
    for_params, for_inputs, for_targets, for_rule = jax.random.split(key, 4)
    lanes, length = len(LENGTHS), jnp.array(LENGTHS, jnp.int32)
    alive = living_steps(STEPS, length)
    inputs = normal(for_inputs, (STEPS, net.inputs, lanes))
    targets = normal(for_targets, (STEPS, net.outputs, lanes))
    inputs, targets = (jnp.where(alive[:, None], a, 0) for a in (inputs, targets))
    keys = jax.random.split(for_rule, lanes) if rule.draws else None
    sequences = Sequence(inputs, targets, targets, alive, length)
    gradient = jax.jit(rule(net, squared_error))
    params = disturbed(for_params, net.init(key))
    return Asked(rule, net, gradient, params, sequences, keys)


def _shapes(asked: Asked) -> Iterator[str]:
    found = asked.gradient(asked.params, asked.sequences, asked.keys)
    if not isinstance(found, LossAndGrads):
        yield f"expected a LossAndGrads, got a {type(found).__name__}"
        return
    lanes = len(LENGTHS)
    if jnp.shape(found.loss) != (lanes,):
        yield f"loss: expected shape {(lanes,)}, one number a lane, got {jnp.shape(found.loss)}"
    wanted = (STEPS, asked.net.outputs, lanes)
    if jnp.shape(found.outputs) != wanted:
        yield f"outputs: expected shape {wanted}, got {jnp.shape(found.outputs)}"
    if shapes(found.grads) != shapes(asked.params):
        yield (
            f"grads: expected the shapes of the parameters, {shapes(asked.params)}, got "
            f"{shapes(found.grads)}; sum over the lanes where they are shared"
        )
    if not same(asked.by(asked.rule)(asked.params, asked.sequences, asked.keys), found, 0):
        yield "gives something else when it is asked again; draw from the key alone"


def _lanes(asked: Asked) -> Iterator[str]:
    params, sequences, keys = asked.params, asked.sequences, asked.keys
    alone = [asked.gradient(params, lane(sequences, i), asked.key(i)) for i in range(len(LENGTHS))]
    shared = asked.gradient(params, sequences, keys)
    total = jax.tree.map(lambda *g: sum(g), *[found.grads for found in alone])
    if not same(shared.grads, total):
        yield "the gradient of shared weights is not the sum over the lanes; add the lanes up"
    if not same(shared.loss, jnp.stack([found.loss for found in alone])):
        yield "the loss of a lane is not what it is alone; never mix lanes"
    own = asked.gradient(in_lanes(params, len(LENGTHS)), sequences, keys)
    for i, found in enumerate(alone):
        if not same(lane(own.grads, i), found.grads):
            yield f"lane {i} with its own weights has another gradient than alone; never mix lanes"
            return


def _mask(asked: Asked) -> Iterator[str]:
    """The error is a sum over the steps that the mask tells, and nothing else is read."""
    sequences = asked.sequences
    even = (jnp.arange(STEPS) % 2 == 0)[:, None]
    halves = [
        sequences.replace(
            mask=sequences.mask & half,
            targets=jnp.where((sequences.mask & half)[:, None], sequences.targets, jnp.nan),
        )
        for half in (even, ~even)
    ]
    one, other = (asked.gradient(asked.params, half, asked.keys) for half in halves)
    whole = asked.gradient(asked.params, sequences, asked.keys)
    total = jax.tree.map(jnp.add, (one.loss, one.grads), (other.loss, other.grads))
    if not same(total, (whole.loss, whole.grads)):
        yield (
            "loss and gradients are not the sum over the steps with an error signal; count a step "
            "where the mask is true and nowhere else, and read no other targets (ops.fit.fitted)"
        )


def _length(asked: Asked) -> Iterator[str]:
    sequences = asked.sequences
    behind = ~living_steps(STEPS, sequences.length)[:, None]
    spoiled = sequences.replace(
        inputs=jnp.where(behind, jnp.nan, sequences.inputs),
        targets=jnp.where(behind, jnp.nan, sequences.targets),
        mask=jnp.ones_like(sequences.mask),
    )
    clean, found = (asked.gradient(asked.params, s, asked.keys) for s in (sequences, spoiled))
    if not same((found.loss, found.grads), (clean.loss, clean.grads)):
        yield "what lies behind the end matters; go by the length (ops.fit.fitted)"
    none = asked.gradient(
        asked.params, sequences.replace(length=jnp.zeros_like(sequences.length)), asked.keys
    )
    if any(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves((none.loss, none.grads))):
        yield "a sequence of length 0 has a loss or a gradient; it must be 0"


def _end(asked: Asked) -> Iterator[str]:
    """One target at the end is a mask that is true there alone."""
    sequences = asked.sequences
    alive = living_steps(STEPS, sequences.length)
    last = alive & ~living_steps(STEPS, sequences.length - 1)
    target = jnp.sum(jnp.where(last[:, None], sequences.targets, 0), axis=0)
    at_end = sequences.replace(
        targets=target[None],
        goals=target[None],
        mask=jnp.ones_like(sequences.mask[:1]),
        targets_at="end",
    )
    found = asked.gradient(asked.params, at_end, asked.keys)
    told = asked.gradient(asked.params, sequences.replace(mask=last), asked.keys)
    if not same((found.loss, found.grads), (told.loss, told.grads)):
        yield (
            "one target at the end, targets_at='end', is not what a mask is that is true at the "
            "last living step alone; take that step's output (networks.unroll.at_targets)"
        )


def _draws(asked: Asked) -> Iterator[str]:
    if not asked.rule.draws or asked.keys is None:
        return
    found = asked.gradient(asked.params, asked.sequences, asked.keys)
    others = jax.vmap(partial(jax.random.fold_in, data=1))(asked.keys)
    if same(asked.gradient(asked.params, asked.sequences, others).grads, found.grads):
        yield "another key gives the same gradient; draw, or write GradientRule(..., draws=False)"


def _online(asked: Asked) -> Iterator[str]:
    whole = asked.gradient(asked.params, asked.sequences, asked.keys)
    summed = asked.by(_summed(asked.rule))
    found = summed(asked.params, asked.sequences, asked.keys)
    if not same((found.loss, found.grads), (whole.loss, whole.grads)):
        yield (
            "the gradients of the steps, weights held still, do not add up to that of the "
            "sequence; make both of one memory (gradients.forward_mode.forward_rule)"
        )


def _against(asked: Asked, against: GradientRule) -> Iterator[str]:
    found = asked.gradient(asked.params, asked.sequences, asked.keys)
    expected = asked.by(against)(asked.params, asked.sequences, None)
    if not same(found.grads, expected.grads):
        yield (
            f"the gradients are not those of {against.name}, off by "
            f"{_off(found.grads, expected.grads):.0e} of the largest"
        )


def _off(found: Params, expected: Params) -> Array:
    pairs = list(zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True))
    largest = jnp.max(jnp.array([jnp.max(jnp.abs(b)) for _, b in pairs]))
    return jnp.max(jnp.array([jnp.max(jnp.abs(a - b)) for a, b in pairs])) / largest
