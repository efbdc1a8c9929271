"""What can be set of a row by hand, and what each field takes: settings, parameters of its task."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from experiments.common.errors import UserError
from experiments.common.numbers import survives
from experiments.paper.row import Row
from experiments.paper.serial_names import FUNCTIONS
from experiments.paper.settings import SETTINGS
from experiments.paper.values import Named
from lstm_jax.cells.topology import KINDS
from lstm_jax.training.records import MOST_SEQUENCES
from lstm_jax.training.stopping import Criterion

_ACTIVATIONS = (
    "clipped_linear", "linear", "linearised_logistic", "logistic", "logistic_without_slope"
)  # fmt: skip
_CELLS = ("coupled_lstm", "elman", "gru", "lstm", "peephole_lstm", "rnn")
_GROWTHS = ("when_slow",)
_OPTIMIZERS = ("adagrad", "adam", "adamax", "adamw", "lion", "rmsprop", "sgd")
_SHARES = ("b1", "b2", "decay", "momentum")  # of what was before
_RULES = ("bptt", "by_definition", "forward_traces", "parallel_scan", "rtrl")
_STOPS = ("recent", "streak", "validation")
_TASKS = (
    "adding", "delayed_logic", "fixed_distractors", "multiplication", "parity",
    "random_distractors", "random_lag", "steps_ago", "temporal_order", "two_sequence",
)  # fmt: skip


class Field(NamedTuple):
    """What a setting takes.

    Attributes:
      expected: in words, for whoever gave something else.
      take: from what was parsed to the setting; ValueError where it is something else.
    """

    expected: str
    take: Callable[[Any], Any]


def _refuse(*_: Any) -> Any:
    raise ValueError


def _real(least: float | None = None, above: float | None = None) -> Callable[[Any], float]:
    def take(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            _refuse()
        survives(value, "a number")
        if (least is not None and value < least) or (above is not None and value <= above):
            _refuse()
        return float(value)

    return take


def _whole(least: int) -> Callable[[Any], int]:
    def take(value: Any) -> int:
        number = int(value) if isinstance(value, float) and value.is_integer() else value  # 1e3
        if isinstance(number, bool) or not isinstance(number, int):
            return _refuse()
        return number if least <= number <= MOST_SEQUENCES else _refuse()

    return take


def _flag(value: Any) -> bool:
    return value if isinstance(value, bool) else _refuse()


def _several(take: Callable[[Any], Any]) -> Callable[[Any], tuple]:
    def each(value: Any) -> tuple:
        values = value if type(value) is tuple else (value,)
        return tuple(map(take, values)) or _refuse()

    return each


def _or_none(take: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else take(value)


def _word(*words: str) -> Callable[[Any], str]:
    def take(value: Any) -> str:
        good = isinstance(value, Named) and not value.arguments and not value.keywords
        return value.name if good and value.name in words else _refuse()

    return take


def _range(value: Any) -> tuple[float, float]:
    low, high = _several(_real())(value)
    return (low, high) if low < high else _refuse()


def _kinds(value: Any) -> tuple[str, ...]:
    return () if value in (None, ()) else _several(_word(*KINDS))(value)


def _function(*names: str, by_place: bool = False) -> Callable[[Any], Any]:
    """A function by its kept name; called, it is given these arguments, by name or by place."""

    def take(value: Any) -> Any:
        if not isinstance(value, Named) or value.name not in names:
            _refuse()
        made = FUNCTIONS[value.name]
        if not value.arguments and not value.keywords:
            return made
        arguments = [_argument(one) for one in value.arguments]
        keywords = {word: _argument(one) for word, one in value.keywords.items()}
        takes = [word for word in inspect.signature(made).parameters if word not in _NOT_OURS]
        if strange := set(keywords) - set(takes):
            raise UserError(
                f"{value.name} takes {', '.join(takes)}, and no {', '.join(sorted(strange))}"
            )
        if arguments and not by_place:  # a learning rate, or inputs, would stand there
            raise UserError(f"{value.name} takes its options by name: {', '.join(takes)}")
        return partial(made, *arguments, **keywords)

    return take


# what a row gives by other settings, and what no text can say
_NOT_OURS = {"learning_rate", "inputs", "hidden", "accumulator_dtype", "mu_dtype", "mask", "grow"}


def _argument(value: Any) -> Any:
    """A number, or a word; nothing is called inside a call."""
    if isinstance(value, Named):
        return _refuse() if value.arguments or value.keywords else value.name
    return value


def _optimizer(value: Any) -> Any:
    """An optimizer, whose options are numbers; shares of what was before lie below 1."""
    made = _function(*_OPTIMIZERS)(value)
    for name, option in (made.keywords if isinstance(made, partial) else {}).items():
        if option is not None and not isinstance(option, int | float):
            raise UserError(f"{name}: expected a number, got {option}")
        if name in _SHARES and option is not None and not 0 <= option < 1:
            raise UserError(f"{name}: expected a number from 0 to below 1, got {option}")
    return made


def _stop(value: Any) -> Any:
    """A stopping rule, whose tuples are criteria: wrong sequences below, and an error below."""
    made = _function(*_STOPS, by_place=True)(value)
    if not isinstance(made, partial):
        _refuse()
    arguments = [Criterion(*one) if isinstance(one, tuple) else one for one in made.args]
    return partial(made.func, *arguments, **made.keywords)


def _gradient(value: Any) -> Any:
    if isinstance(value, Named) and value.name == "windowed":
        return _function("windowed", by_place=True)(value) if value.arguments else _refuse()
    return _word("truncated", "full", *_RULES)(value)


def _names(names: tuple[str, ...]) -> str:
    return f"one of {', '.join(names)}"


_BIASES = "a number, one a block such as -3,-6, or none to draw them"
_RANGE = "two numbers such as -1,1, or none for no squashing"
_KIND = f"out of {', '.join(KINDS)}, or none"
_FLAG = Field("true or false", _flag)
FIELDS = {
    "activation": Field(_names(_ACTIVATIONS), _function(*_ACTIVATIONS)),
    "biased": Field(_KIND, _kinds),
    "blocks": Field("cells of each block, such as 2,2", _several(_whole(1))),
    "cap": Field(f"a whole number from 1 to {MOST_SEQUENCES:,}", _whole(1)),
    "cell": Field(
        f"none for the memory blocks of 1997, or {_names(_CELLS)}, with its options if any: "
        "lstm(forget_bias=5)",
        _or_none(_function(*_CELLS)),
    ),
    "clip": Field("the largest norm of a gradient, or none", _or_none(_real(above=0))),
    "direct": _FLAG,
    "end_only_once_grown": _FLAG,
    "every_step": _FLAG,
    "forget_gate": Field(
        "initial biases of forget gates, as many as blocks or one for all, or none for no such "
        "gates",
        _or_none(_several(_real())),
    ),
    "gradient": Field(
        f"truncated, full, windowed(STEPS), or {_names(_RULES)}",
        _gradient,
    ),
    "growth": Field("none, or when_slow", _or_none(_function(*_GROWTHS))),
    "input_gate": Field(_BIASES, _or_none(_several(_real()))),
    "input_gates": _FLAG,
    "judged_at_end": _FLAG,
    "judged_before_end": Field("a whole number, 0 or more", _whole(0)),
    "optimizer": Field(f"{_names(_OPTIMIZERS)}, with its numbers if any: adam(b1=0.8)", _optimizer),
    "output_bias": _FLAG,
    "output_bias_trained": _FLAG,
    "output_gate": Field(_BIASES, _or_none(_several(_real()))),
    "output_gates": _FLAG,
    "range_factors": _FLAG,
    "rate": Field("a number above 0", _real(above=0)),
    "recurrence": Field("all, cells or none", lambda v: _word("all", "cells")(v) if v else "none"),
    "recurrent_weights": Field("a number, 0 or more, or none", _or_none(_real(least=0))),
    "silent_below": Field("a number, 0 or more", _real(least=0)),
    "silent_once_grown": _FLAG,
    "squash_input": Field(_RANGE, _or_none(_range)),
    "squash_state": Field(_RANGE, _or_none(_range)),
    "stop": Field(
        f"{_names(_STOPS)} with its numbers, such as recent(2000,(1,0.01)), a pair a criterion",
        _stop,
    ),
    "task": Field(
        f"{_names(_TASKS)} with its numbers, such as adding(50)", _function(*_TASKS, by_place=True)
    ),
    "test": Field(f"a whole number from 0 to {MOST_SEQUENCES:,}", _whole(0)),
    "tolerance": Field("a number above 0, or none for the most active", _or_none(_real(above=0))),
    "untrained": Field(_KIND, _kinds),
    "weights": Field("a number above 0", _real(above=0)),
    "window_counts": _FLAG,
}
# what the net of a rival has, and what an own way to learn reads of its row
_OF_RIVALS = ("cap", "test", "tolerance", "weights")
_OF_DESCENT = (
    *_OF_RIVALS, "clip", "every_step", "judged_at_end", "judged_before_end", "optimizer", "rate",
    "silent_below", "stop", "window_counts",
)  # fmt: skip
_DESCENDING = ("BPTT", "Elman", "RTRL")
# what memory blocks have and other cells have not
OF_BLOCKS = frozenset({
    "biased", "forget_gate", "growth", "input_gate", "input_gates", "output_gate", "output_gates",
    "range_factors", "recurrence", "recurrent_weights", "squash_input", "squash_state", "untrained",
})  # fmt: skip


def fields(row: Row) -> dict[str, Field]:
    """What can be set of a row, by name: settings that its method reads, its task's parameters.

    Example:
      >>> from experiments.paper.tables import ROWS
      >>> sorted(set(fields(ROWS["4-100"])) - set(SETTINGS))
      ['T', 'end_markers', 'keep_first_mark', 'second_among']
    """
    if row.rival:
        names = _OF_DESCENT if row.method in _DESCENDING else _OF_RIVALS
        return {name: FIELDS[name] for name in names}
    if row.training.pairs:  # a fixed set of strings
        return {name: field for name, field in FIELDS.items() if name != "task"}
    return {**FIELDS, **dict(_of_task(row))}


def _of_task(row: Row) -> Iterator[tuple[str, Field]]:
    """The parameters of a row's task, a field each."""
    made = innermost(row.training.task)
    for name, parameter in inspect.signature(made).parameters.items():
        if name not in SETTINGS:
            now = parameter.default
            if isinstance(now, bool):
                yield name, _FLAG
            elif isinstance(now, tuple):
                yield name, Field(f"{len(now)} numbers", _so_many(len(now)))
            else:
                yield name, Field("a number, or none", _or_none(_number))


def _number(value: Any) -> int | float:
    return value if isinstance(value, int) and not isinstance(value, bool) else _real()(value)


def _so_many(number: int) -> Callable[[Any], tuple]:
    def take(value: Any) -> tuple:
        values = _several(_real())(value)
        return values if len(values) == number else _refuse()

    return take


def innermost(task: Callable) -> Callable:
    """The function that makes the task, below arguments given and changes of its targets."""
    while isinstance(task, partial):
        below = [one for one in task.args if callable(one)]
        task = below[-1] if below else task.func
    return task
