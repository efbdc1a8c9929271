"""Single changes to rows: what the text leaves open, or what the original program may have done.

A change is named data; changes that do not exclude each other combine into readings,
`direct+silent-0.1` (see `readings`). `study` tries them. A change is offered for a row
where it changes anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from experiments.paper.lstm_rows import HIDDEN
from experiments.paper.row import Row
from lstm_jax.ops.activations import (
    clipped_linear,
    identity,
    linearised_logistic,
    logistic_without_slope,
)
from lstm_jax.training.stopping import validation
from lstm_jax.types import Key, Sequence, Task


@dataclass(frozen=True)
class Change:
    """One thing read otherwise.

    Attributes:
      name: in words joined by hyphens.
      description: in one line, what it changes.
      about: what of a row it is about; two changes about the same exclude each other.
      change: from a row to the settings that take other values; none where it says nothing.
      searched: whether a study tries it of its own accord.
    """

    name: str
    description: str
    about: str
    change: Callable[[Row], Mapping[str, Any]]
    searched: bool = True


def _set(name: str, description: str, about: str, *experiments: str, **fields: Any) -> Change:
    """Other settings, for some experiments only or for all."""

    def change(row: Row) -> dict[str, Any]:
        return fields if not experiments or row.experiment in experiments else {}

    return Change(name, description, about, change)


def _of(name: str, description: str, about: str, *experiments: str, **words: Any) -> Change:
    """Other words to the task, for some experiments only."""

    def change(row: Row) -> dict[str, Any]:
        if row.experiment not in experiments:
            return {}
        return {"task": partial(row.training.task, **words)}

    return Change(name, description, about, change)


def with_targets(low: float, high: float, task: Callable[..., Task], **words: Any) -> Task:
    """A task whose targets 0 and 1 are `low` and `high`; goals stay."""
    made = task(**words)

    def changed(sequence: Sequence) -> Sequence:
        return sequence.replace(targets=low + (high - low) * sequence.targets)

    def sample(key: Key) -> Sequence:
        return changed(made.sample(key))

    exam = made.evaluation_set
    return made._replace(sample=sample, evaluation_set=exam and (lambda i: changed(exam(i))))


def _targets(row: Row) -> dict[str, Any]:
    if row.experiment != "1":
        return {}
    return {"task": partial(with_targets, 0.1, 0.9, row.training.task)}


def _later(row: Row) -> dict[str, Any]:
    return {"silent_below": 0.1, "silent_once_grown": True} if row.training.growth else {}


def _end_only(row: Row) -> dict[str, Any]:
    return {"end_only_once_grown": True} if row.training.growth else {}


def _gates_lower(row: Row) -> dict[str, Any]:
    if "input_gate" not in row.net.biased or not row.net.input_gates:
        return {}
    now = row.net.input_gate or (0.0,) * len(row.net.blocks)
    return {"input_gate": tuple(bias - 3.0 for bias in now)}


def _rarer_tests(row: Row) -> dict[str, Any]:
    if row.experiment[0] != "3":
        return {}
    size, _, *criteria = row.evaluation.stop.args  # pyright: ignore[reportFunctionMemberAccess]
    return {"stop": partial(validation, size, 10_000, *criteria)}


def _second(row: Row) -> dict[str, Any]:
    if row.experiment not in ("4", "5"):
        return {}
    T = row.training.task.args[0]  # pyright: ignore[reportFunctionMemberAccess]
    return {"task": partial(row.training.task, second_among=T // 2 - 2)}


CHANGES = (
    _set("linear-output", "output net", "output", activation=identity),
    _set("tangent-output", "output 1/2 + net/4", "output", activation=linearised_logistic),
    _set("clipped-output", "output net, held in [0, 1]", "output", activation=clipped_linear),
    _set("no-slope", "output error without f'", "output", activation=logistic_without_slope),
    _set("silent-0.1", "errors below 0.1 are not sent", "silence", silent_below=0.1),
    _set("silent-0.2", "errors below 0.2 are not sent", "silence", silent_below=0.2),
    Change("silent-later", "errors below 0.1 are not sent once a cell is there", "silence", _later),
    Change("end-only", "errors at the end only once a cell is there", "end", _end_only),
    Change("targets-0.1-0.9", "targets 0.1 and 0.9", "targets", _targets),
    _set("direct", "inputs feed the outputs too", "direct", direct=True),
    _set("g-1", "g from -1 to 1", "g", squash_input=(-1.0, 1.0)),
    _set("g-half", "g from -1/2 to 1/2", "g", squash_input=(-0.5, 0.5)),
    _set("g-unit", "g from 0 to 1", "g", squash_input=(0.0, 1.0)),
    _set(
        "fixed-biases",
        "no bias is trained",
        "biases",
        untrained=HIDDEN,
        output_bias_trained=False,
    ),
    _set(
        "gate-biases",
        "gate biases alone are trained",
        "biases",
        untrained=("cell",),
        output_bias_trained=False,
    ),
    _set("output-bias", "output units have biases", "output bias", output_bias=True),
    _set("cells-heard", "cells alone feed the hidden layer", "recurrence", recurrence="cells"),
    _set("no-recurrence", "nothing inside the hidden layer", "recurrence", recurrence="none"),
    Change("weights/10", "initial range / 10", "range",
        lambda row: {"weights": row.net.weights / 10}),
    Change("weights/2", "initial range / 2", "range",
        lambda row: {"weights": row.net.weights / 2}),
    _set("recurrent-0", "recurrent weights begin at 0", "recurrent", recurrent_weights=0.0),
    Change(
        "recurrent/10",
        "initial range of recurrent weights / 10",
        "recurrent",
        lambda row: {"recurrent_weights": row.net.weights / 10},
    ),
    Change("input-gates-lower", "input-gate biases 3 lower", "gates", _gates_lower),
    _set(
        "drawn-gates",
        "gate biases drawn like weights",
        "gates",
        input_gate=None,
        output_gate=None,
    ),
    _set("gates-of-4", "input-gate biases -3 and -6", "gates", "5", input_gate=(-3, -6)),
    Change("double-rate", "the factor 2 in the error", "rate",
        lambda row: {"rate": 2 * row.training.rate}),
    Change("half-rate", "half the rate", "rate", lambda row: {"rate": row.training.rate / 2}),
    _set("rate-0.5", "rate 0.5", "rate", "5", rate=0.5),
    _set("no-range-factors", "g' and h' as if from 0 to 1", "slopes", range_factors=False),
    Change(
        "other-schedule",
        "weights change once a sequence instead of at every step, or the reverse",
        "schedule",
        lambda row: {"every_step": not row.training.every_step},
    ),
    _of("first-mark-kept", "a marked first pair keeps marker 1, value 0", "marks", "4", "5",
        keep_first_mark=True),
    _of("no-end-markers", "no markers at the ends", "marks", "4", "5", end_markers=False),
    Change("second-sooner", "second mark among T/2 - 2 pairs", "second", _second),
    _of("deviation-0.1", "target noise of deviation 0.1", "noise", "3c", target_variance=0.01),
    _of("input-deviation-0.2", "input noise of deviation 0.2", "input noise", "3a", "3b", "3c",
        variance=0.04),
    _set("tolerance-of-sum", "0.04 is meant of the sum, which is 4 times the output's", "tolerance",
        "4", tolerance=0.01),
    _set("symbol-before-last", "the last symbol but one alone makes a string right", "success", "1",
        judged_at_end=True, judged_before_end=1),
    Change("tests-every-10000", "the test is made every 10,000 sequences", "test", _rarer_tests),
    _set("window-counts", "the right sequences at the end count", "count", window_counts=True),
    Change("full-gradient", "the full gradient instead of the truncated one", "gradient",
        lambda row: {"gradient": "full"}, searched=False),
    Change("no-output-gates", "no output gates", "output gates",
        lambda row: {"output_gates": False, "output_gate": None}, searched=False),
)  # fmt: skip
BY_NAME = {change.name: change for change in CHANGES}


def offered(row: Row) -> dict[str, Change]:
    """The changes that change anything about a row; none of a rival's."""
    if row.rival:
        return {}
    return {c.name: c for c in CHANGES if differs(row, c.change(row)) and _makes_sense(row, c)}


def differs(row: Row, settings: Mapping[str, Any]) -> bool:
    """Whether settings are other than those of a row."""
    return not all(same(row.setting(name), value) for name, value in settings.items())


def same(one: Any, other: Any) -> bool:
    """Whether two settings are equal; functions that are given arguments compare by these."""
    if isinstance(one, partial) and isinstance(other, partial):
        given = [(p.func, len(p.args), p.keywords) for p in (one, other)]
        return given[0] == given[1] and all(map(same, one.args, other.args))
    return one == other


def _makes_sense(row: Row, change: Change) -> bool:
    """Not: biases of a net without, targets at the end at every step, a window that is none."""
    if change.about == "biases":
        return bool(row.net.biased) or row.net.output_bias
    if change.about == "schedule":
        return row.training.every_step  # other tasks have one error, at the end
    if change.about == "count":
        return bool(row.evaluation.stop().test_window)
    if change.about == "recurrent":
        return row.net.recurrence != "none"
    if change.name == "drawn-gates":
        return row.net.input_gate is not None or row.net.output_gate is not None
    return True
