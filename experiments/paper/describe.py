"""The settings of a row as result files keep them: plain data, named by `serial_names`."""

import dataclasses
from functools import partial
from typing import Any

from experiments.common.errors import UserError
from experiments.paper.row import Rival, Row
from experiments.paper.serial_names import FUNCTIONS, KEYWORDS, METHODS, NETS
from experiments.paper.settings import (
    SETTINGS,
    EvaluationSettings,
    NetSettings,
    TrainingSettings,
)
from lstm_jax.training.stopping import Criterion

_KEPT_KEYWORDS = {word: kept for kept, word in KEYWORDS.items()}


def describe(row: Row) -> dict[str, Any]:
    """The settings of a row as JSON has them: everything that a trial depends on.

    Raises:
      UserError: a setting that has no name to be kept by.

    Example:
      >>> from experiments.paper.tables import ROWS
      >>> describe(ROWS["4-100"])["task"], describe(ROWS["4-100"])["stop"]
      (['adding', 100], ['recent', 2000, [1, 0.01]])
    """
    settings = {name: _plain(row.setting(name)) for name in SETTINGS}
    return {**settings, "rival": row.rival and _rival(row.rival)}


def describe_defaults() -> dict[str, Any]:
    """The settings that a row need not name, likewise."""
    groups = {"net": NetSettings, "training": TrainingSettings, "evaluation": EvaluationSettings}
    given = {
        f"{name}.{field.name}": field.default
        for name, group in groups.items()
        for field in dataclasses.fields(group)
    }
    defaults = {name: given[path] for name, path in SETTINGS.items()}
    named = {k: _plain(v) for k, v in defaults.items() if v is not dataclasses.MISSING}
    return {**named, "rival": None}


def _plain(value: Any) -> Any:
    if isinstance(value, partial):
        named = {_keyword(k): _plain(v) for k, v in value.keywords.items()}
        return [_function(value.func), *map(_plain, value.args), *([named] if named else [])]
    if isinstance(value, Criterion):
        return [_plain(value.wrong_below), _plain(value.error_below)]
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if callable(value):
        return _function(value)
    return str(value) if value == float("inf") else value


def _rival(rival: Rival) -> dict[str, Any]:
    name, *made_with = rival.net
    if rival.method not in METHODS:
        raise _unnamed("METHODS", rival.method)
    if name not in NETS:
        raise _unnamed("NETS", name)
    net, named = NETS[name]
    kept = [net, *map(_plain, made_with), *([dict(named)] if named else [])]
    return {"method": rival.method, "units": rival.units, "net": kept, **METHODS[rival.method]}


def _function(function: Any) -> str:
    for kept, known in FUNCTIONS.items():
        if known is function:
            return kept
    raise _unnamed("FUNCTIONS", getattr(function, "__qualname__", repr(function)))


def _keyword(word: str) -> str:
    if word not in _KEPT_KEYWORDS:
        raise _unnamed("KEYWORDS", word)
    return _KEPT_KEYWORDS[word]


def _unnamed(table: str, what: str) -> UserError:
    """The error for what results could not be compared by."""
    return UserError(
        f"expected a setting that has a name to be kept by, got {what}; give it one in {table} of "
        f"{__package__}/serial_names.py"
    )
