"""Connectionist temporal classification: labels of a sequence that nobody has cut into pieces.

A net says at every step how probable each label is, or the blank. A labelling is as probable
as all alignments together that become it once repetitions are merged and blanks left out
(Graves et al. 2006). The error is -log of that, by `optax.ctc_loss`.

Example:
  >>> logits = jnp.log(jnp.array([[0.4, 0.6], [0.3, 0.7]]))  # two steps; blank and one label
  >>> error = ctc_error(logits, jnp.array([1]), jnp.array(2), jnp.array(1))
  >>> round(float(jnp.exp(-error)), 3)  # 1 - 0.4 * 0.3
  0.88
  >>> best_path(logits, jnp.array(2))[0].tolist()
  [1, 0]
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.core import Tracer

from lstm_jax.ops.fit import check_length, living_input, living_steps, living_targets
from lstm_jax.types import Array, Sequence, SequenceLoss

BLANK = 0


class Labelling(NamedTuple):
    """Strings of labels.

    Attributes:
      labels: `(steps, *lanes)` int32, 0 behind the end.
      length: `(*lanes)` int32.
    """

    labels: Array
    length: Array


def ctc_error(logits: Array, labels: Array, length: Array, label_length: Array) -> Array:
    """-log of the probability of labels, all alignments together; `(*lanes)`, never below 0.

    Labels that no alignment can spell, because there are fewer living steps than labels and
    blanks between equal neighbours, have the error infinity and send no signal: their gradient
    is 0. No labels at all are a labelling like others: blanks throughout.

    Args:
      logits: `(time, classes, *lanes)`, class 0 is the blank; behind `length` anything.
      labels: `(label_time, *lanes)` integers from 1 to classes - 1; behind `label_length` anything.
      length: `(*lanes)` living steps.
      label_length: `(*lanes)` labels.

    Raises:
      ValueError: shapes or kinds that do not fit; values that can be seen to lie out of range.
    """
    if labels.shape[1:] != logits.shape[2:] or jnp.shape(length) != logits.shape[2:]:
        raise ValueError(
            f"expected logits (time, classes, *lanes), labels (label_time, *lanes) and lengths "
            f"(*lanes), got {logits.shape}, {labels.shape} and {jnp.shape(length)}"
        )
    _check_logits(logits, length)
    if not jnp.issubdtype(jnp.result_type(labels), jnp.integer):
        raise ValueError(f"labels: expected integers, got {jnp.result_type(labels)}")
    most, lanes = len(labels), jnp.shape(length)
    check_length("label_length", label_length, lanes, most, "the places for labels")
    if not any(isinstance(one, Tracer) for one in (labels, label_length)):
        said = np.arange(most).reshape(most, *[1] * len(lanes)) < np.asarray(label_length)
        seen = np.asarray(labels)
        wrong = seen[said & ~((seen > BLANK) & (seen < logits.shape[1]))]
        if wrong.size:
            raise ValueError(
                f"labels: expected values from 1 to {logits.shape[1] - 1}, all classes but the "
                f"blank, got {wrong[0]}"
            )
    given = logits, labels, jnp.asarray(length), jnp.asarray(label_length)
    return _over_lanes(_error, logits.ndim - 2, *given)


def _check_logits(logits: Array, length: Array) -> None:
    """ValueError for logits that are no reals, and lengths that do not fit."""
    if not jnp.issubdtype(jnp.result_type(logits), jnp.floating):
        raise ValueError(f"logits: expected reals, got {jnp.result_type(logits)}")
    check_length("length", length, jnp.shape(logits)[2:], len(logits), "the number of steps")


def _error(logits: Array, labels: Array, length: Array, label_length: Array) -> Array:
    """Of a single lane."""
    frames = living_steps(len(logits), length)
    said = living_steps(len(labels), label_length)
    # behind the end there is nothing, not even NaN
    logits = jnp.where(frames[:, None], logits, 0)
    labels = jnp.where(said, labels, BLANK).astype(jnp.int32)
    silent = [(~alive).astype(logits.dtype) for alive in (frames, said)]
    given = logits, silent[0], labels, silent[1]
    # the sum of many rounded terms can end a little below -log 1; the slope is left as it is
    with jax.numpy_dtype_promotion("standard"):  # a constant of optax's is a float32
        loss = optax.ctc_loss(*(part[None] for part in given), blank_id=BLANK)[0]
    loss = loss.astype(logits.dtype)
    loss = loss - lax.stop_gradient(jnp.minimum(loss, 0))
    repeated = jnp.sum(said[1:] & (labels[1:] == labels[:-1]), dtype=jnp.int32)
    possible = jnp.sum(said, dtype=jnp.int32) + repeated <= jnp.sum(frames, dtype=jnp.int32)
    return jnp.where(possible, loss, jnp.inf)


def _sequence_error(outputs: Array, sequence: Sequence) -> Array:
    wanted = labelling(sequence)
    return ctc_error(outputs, wanted.labels, sequence.length, wanted.length)


ctc = SequenceLoss(_sequence_error)
"""`ctc_error` as a loss: outputs are logits, targets `(target_time, classes, *lanes)` one-hot
vectors of labels in a time of their own; those without a mask are left out."""


def labelling(sequence: Sequence) -> Labelling:
    """The labels that a sequence wants, from its targets: the place of the largest in each.

    Targets that the mask leaves out are left out.
    """
    alive = living_targets(sequence) & sequence.mask
    labels = jnp.argmax(sequence.targets, axis=1).astype(jnp.int32)
    return _over_lanes(_those, labels.ndim - 1, labels, alive)


def _those(labels: Array, alive: Array) -> Labelling:
    """The labels marked alive, moved together to the front."""
    place = jnp.where(alive, jnp.cumsum(alive, dtype=jnp.int32) - 1, len(labels))
    moved = jnp.zeros_like(labels).at[place].set(labels, mode="drop")
    return Labelling(moved, jnp.sum(alive, dtype=jnp.int32))


def best_path(logits: Array, length: Array) -> Labelling:
    """What the most probable class of every step spells: greedy decoding.

    Not always the most probable labelling, whose alignments may each be less probable.

    Args:
      logits: `(time, classes, *lanes)`.
      length: `(*lanes)` living steps.

    Raises:
      ValueError: logits or lengths that do not fit.
    """
    _check_logits(logits, length)

    def of_lane(logits: Array, length: Array) -> Labelling:
        path = living_input(jnp.argmax(logits, axis=1), living_steps(len(logits), length))
        path = path.astype(jnp.int32)
        before = jnp.concatenate([jnp.zeros_like(path[:1]), path[:-1]])
        return _those(path, (path != BLANK) & (path != before))

    return _over_lanes(of_lane, logits.ndim - 2, logits, jnp.asarray(length))


class _Beam(NamedTuple):
    """Prefixes side by side.

    Attributes:
      labels: `(width, time)`.
      length: `(width,)`; -1 of a place that nothing stands in.
      blank, label: `(width,)` log-probability of alignments that end in a blank, or do not.
    """

    labels: Array
    length: Array
    blank: Array
    label: Array


def prefix_beam(logits: Array, length: Array, width: int) -> tuple[Labelling, Array]:
    """The most probable labelling that a search of so many prefixes finds.

    Alignments that spell the same prefix are added up (Graves et al. 2006, Hannun 2014), so
    that a beam wide enough to lose no prefix finds the most probable labelling of all.

    Args:
      logits: `(time, classes, *lanes)`.
      length: `(*lanes)` living steps.
      width: prefixes kept from step to step.

    Returns:
      The labelling, and `(*lanes)` the log-probability found for it: at most its true one.

    Raises:
      ValueError: a width below 1; logits or lengths that do not fit.
    """
    if width < 1:
        raise ValueError(f"width: expected at least 1, got {width}")
    _check_logits(logits, length)

    def of_lane(logits: Array, length: Array) -> tuple[Labelling, Array]:
        steps = len(logits)
        nothing = jnp.full((width,), -jnp.inf, logits.dtype)
        begin = _Beam(
            jnp.zeros((width, steps), jnp.int32),
            jnp.full((width,), -1, jnp.int32).at[0].set(0),
            nothing.at[0].set(0),
            nothing,
        )
        alive = living_steps(steps, length)
        logs = jax.nn.log_softmax(jnp.where(alive[:, None], logits, 0), axis=1)

        def body(beam: _Beam, step: tuple[Array, Array]) -> tuple[_Beam, None]:
            alive, log = step
            after = _advance(beam, log)
            return jax.tree.map(lambda a, b: jnp.where(alive, a, b), after, beam), None

        beam, _ = lax.scan(body, begin, (alive, logs))
        total = jnp.logaddexp(beam.blank, beam.label)
        best = jnp.argmax(total)
        return Labelling(beam.labels[best], beam.length[best]), total[best]

    return _over_lanes(of_lane, logits.ndim - 2, logits, jnp.asarray(length))


def _advance(beam: _Beam, log: Array) -> _Beam:
    """A step on: every prefix stays as it is, or a label is added to it."""
    width, classes = len(beam.length), len(log)
    rows, ends = jnp.arange(width, dtype=jnp.int32), jnp.maximum(beam.length - 1, 0)
    last = jnp.where(beam.length > 0, beam.labels[rows, ends], BLANK)
    total = jnp.logaddexp(beam.blank, beam.label)
    # [p, k]: prefix p with label k; after itself a label needs a blank between
    every = jnp.arange(classes, dtype=jnp.int32)
    longer = log[None] + jnp.where(
        last[:, None] == every[None], beam.blank[:, None], total[:, None]
    )
    longer = jnp.where(every[None] == BLANK, -jnp.inf, longer)
    # a prefix made longer may be one that stands in the beam already: [p, q]
    time = jnp.arange(beam.labels.shape[1], dtype=jnp.int32)
    shorter = jnp.where(time[None] < ends[:, None], beam.labels, 0)
    same = jnp.all(beam.labels[:, None] == shorter[None], axis=2)
    same &= (beam.length[:, None] + 1 == beam.length[None]) & (beam.length[None] > 0)
    joins = jnp.where(same, longer[rows[:, None], last[None]], -jnp.inf)
    again = jnp.where(beam.length > 0, beam.label + log[last], -jnp.inf)
    stays_blank, stays_label = total + log[BLANK], _add_up(again, joins)
    taken = jnp.any(same[:, :, None] & (last[None, :, None] == every[None, None]), axis=1)
    longer = jnp.where(taken, -jnp.inf, longer)

    scores = jnp.concatenate([jnp.logaddexp(stays_blank, stays_label), longer.reshape(-1)])
    score, chosen = lax.top_k(scores, width)
    stays = chosen < width
    parent = jnp.where(stays, chosen, (chosen - width) // classes)
    label = jnp.where(stays, BLANK, (chosen - width) % classes).astype(jnp.int32)
    length = jnp.where(stays, beam.length[parent], beam.length[parent] + 1)
    place = jnp.where(stays, beam.labels.shape[1], beam.length[parent])
    labels = beam.labels[parent].at[rows, place].set(label, mode="drop")
    return _Beam(
        labels,
        jnp.where(score == -jnp.inf, -1, length),
        jnp.where(stays, stays_blank[parent], -jnp.inf),
        jnp.where(stays, stays_label[parent], score),
    )


def _add_up(own: Array, joins: Array) -> Array:
    """`log(exp(own[q]) + sum_p exp(joins[p, q]))`."""
    return jax.nn.logsumexp(jnp.concatenate([own[None], joins]), axis=0)


def edit_distance(found: Labelling, wanted: Labelling) -> Array:
    """Labels to insert, to delete or to change, at least, to make one string the other.

    Divided by the number of labels wanted, all sequences together, it is the label error rate.

    Args:
      found, wanted: of the same lanes; padding may differ.

    Returns:
      `(*lanes)` int32.

    Raises:
      ValueError: lengths that can be seen to lie out of range.

    Example:
      >>> wanted = Labelling(jnp.array([1, 2, 3]), jnp.array(3))
      >>> int(edit_distance(Labelling(jnp.array([2, 2, 0]), jnp.array(2)), wanted))
      2
    """
    for name, one in {"found.length": found, "wanted.length": wanted}.items():
        lanes, most = jnp.shape(one.labels)[1:], len(one.labels)
        check_length(name, one.length, lanes, most, "the places for labels")
    return _over_lanes(_distance, found.length.ndim, *found, *wanted)


def _distance(found: Array, found_length: Array, wanted: Array, wanted_length: Array) -> Array:
    columns = jnp.arange(len(wanted) + 1, dtype=jnp.int32)

    def row(before: Array, step: tuple[Array, Array]) -> tuple[Array, None]:
        label, alive = step
        changed = before[:-1] + (wanted != label).astype(before.dtype)
        best = jnp.concatenate([before[:1] + 1, jnp.minimum(changed, before[1:] + 1)])
        # insertions from the left: the least of best[j'] + (j - j')
        after = lax.cummin(best - columns) + columns
        return jnp.where(alive, after, before), None

    last, _ = lax.scan(row, columns, (found, living_steps(len(found), found_length)))
    return last[wanted_length]


def _over_lanes(function: Callable[..., Any], lanes: int, *given: Array) -> Any:
    """A function of arrays without lanes, of arrays that end in so many axes of lanes."""
    for _ in range(lanes):
        function = jax.vmap(function, in_axes=-1, out_axes=-1)
    return function(*given)
