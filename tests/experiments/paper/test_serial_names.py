"""What is kept stays comparable: every result and every study belongs to a row as it is today."""

import dataclasses
import json
from functools import partial

import pytest

from experiments.common.errors import UserError
from experiments.common.files import HERE
from experiments.paper import serial_names
from experiments.paper.describe import describe, describe_defaults
from experiments.paper.readings import combine
from experiments.paper.row import Rival
from experiments.paper.select import find_reading, find_row
from experiments.paper.settings import (
    SETTINGS,
    EvaluationSettings,
    NetSettings,
    TrainingSettings,
)
from experiments.paper.tables import ROWS
from lstm_jax.training.stopping import recent

RESULTS = sorted((HERE / "results").glob("*.json"))
STUDIES = sorted((HERE / "results" / "study").glob("*.json"))


def as_json(settings):
    return json.loads(json.dumps(settings))


def deviations(kept):
    """Settings of a result that are not those of its row under its reading."""
    row = find_row(kept["row"])
    today = as_json(describe(find_reading(row, kept["reading"]).read(row)))
    then = as_json(describe_defaults()) | kept["settings"]
    names = sorted(then.keys() | today.keys())
    return [name for name in names if then.get(name, ...) != today.get(name, ...)]


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_kept_result_is_of_a_row_and_a_reading_that_there_are(path):
    kept = json.loads(path.read_text())
    assert path.stem == f"{kept['row']}.{kept['reading']}"
    assert deviations(kept) == []


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_kept_study_is_of_changes_that_its_row_is_offered(path):
    kept = json.loads(path.read_text())
    assert path.stem == kept["row"]
    row = find_row(kept["row"])
    sets = {tuple(entry["changes"]) for entry in kept["entries"]}
    assert all(describe(combine(row, names).read(row)) for names in sets)


def test_there_are_results_and_studies():
    assert len(RESULTS) > 100 and len(STUDIES) > 30


def test_control_another_setting_row_or_reading():
    kept = json.loads((HERE / "results" / "6a.literal.json").read_text())
    for name, value in kept["settings"].items():
        other = {**kept["settings"], name: "other" if value != "other" else None}
        assert deviations({**kept, "settings": other}) == [name]
    rate = {**kept["settings"], "rate": 0.4}
    assert deviations({**kept, "settings": rate}) == ["rate"]
    without = {k: v for k, v in kept["settings"].items() if k != "direct"}
    assert deviations({**kept, "settings": without}) == []  # it had its default
    without = {k: v for k, v in kept["settings"].items() if k != "blocks"}
    assert deviations({**kept, "settings": without}) == ["blocks"]
    for other in ({"row": "6aa"}, {"reading": "Z"}):
        with pytest.raises(UserError):
            deviations({**kept, **other})


def test_every_setting_of_a_row_has_one_name():
    groups = {"net": NetSettings, "training": TrainingSettings, "evaluation": EvaluationSettings}
    fields = [
        f"{name}.{f.name}" for name, group in groups.items() for f in dataclasses.fields(group)
    ]
    assert sorted(SETTINGS.values()) == sorted(fields)


def test_no_two_names_are_of_the_same():
    for table in (serial_names.FUNCTIONS, serial_names.KEYWORDS):
        assert len(set(table.values())) == len(table)


def test_the_names_are_not_those_of_the_code(monkeypatch):
    """A function that is called otherwise from now on keeps its name in results."""
    before = describe(ROWS["4-100"])["task"]
    monkeypatch.setattr(ROWS["4-100"].training.task.func, "__name__", "addition")
    assert describe(ROWS["4-100"])["task"] == before == ["adding", 100]


def my_task():
    """A task that nobody knows."""


@pytest.mark.parametrize(
    "fields, table",
    [
        ({"task": my_task}, "FUNCTIONS"),
        ({"task": partial(my_task, 3)}, "FUNCTIONS"),
        ({"activation": lambda net: net}, "FUNCTIONS"),
        ({"stop": partial(recent, windows=3)}, "KEYWORDS"),
    ],
)
def test_what_has_no_name_is_refused_in_one_line(fields, table):
    with pytest.raises(UserError, match=f"got .*in {table} of") as caught:
        describe(ROWS["4-100"].with_settings(**fields))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "rival, table",
    [(Rival("Hebb", 3, ("one unit", 5)), "METHODS"), (Rival("RTRL", 3, ("perceptron",)), "NETS")],
)
def test_a_rival_without_a_name_is_refused(rival, table):
    with pytest.raises(UserError, match=f"got .*in {table} of"):
        describe(dataclasses.replace(ROWS["4-100"], rival=rival))
    known = dataclasses.replace(rival, method="RTRL", net=("one unit", 5))
    assert describe(dataclasses.replace(ROWS["4-100"], rival=known))["rival"] == {
        "method": "RTRL", "units": 3, "net": ["one_unit", 5], "rule": "stepwise", "trial": None,
    }  # fmt: skip


def test_a_setting_that_there_is_not():
    with pytest.raises(TypeError, match=r"expected one of the settings task, .*, got rival"):
        ROWS["4-100"].with_settings(rival=None)
    assert ROWS["4-100"].with_settings(rate=0.5) == ROWS["4-100"]
