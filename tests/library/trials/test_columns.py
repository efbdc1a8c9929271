"""Records as columns: a line a trial, a line a point, nothing lost and nothing invented."""

import numpy as np
import pytest

from lstm_jax.trials import curve_columns, record_columns
from tests.library.trials.tiny import run


def test_every_record_is_a_line_and_every_point_of_a_curve():
    records = run().records
    table, curves = record_columns(records), curve_columns(records)
    assert {len(column) for column in table.values()} == {len(records)}
    assert table["trial"].tolist() == [r["trial"] for r in records]
    assert table["phase"].tolist() == [r["phase"] for r in records]
    assert table["reached_1"].tolist() == [r["reached"][0] for r in records]
    for record in records:
        own = curves["trial"] == record["trial"]
        errors = [e for e in record["curve"] if e is not None]
        assert curves["error"][own].tolist() == errors
        assert curves["sequences"][own].tolist() == record["curve_at"][: len(errors)]


def test_no_records_are_empty_columns():
    assert all(len(column) == 0 for column in record_columns([]).values())
    assert [column.dtype.kind for column in curve_columns([]).values()] == ["i", "U", "i", "f"]


def test_criteria_and_tests_that_are_not_there_are_told_apart():
    one = {"trial": 0, "phase": "capped", "sequences": 5, "reached": [-1], "test": None}
    test = {"sequences": 10, "wrong": 2, "error": 0.5, "squared": 0.25}
    two = {"trial": 1, "phase": "solved", "sequences": 9, "reached": [4, 9], "test": test}
    table = record_columns([one, two])
    assert table["reached_2"].tolist() == [-1, 9]
    assert table["test_sequences"].tolist() == [0, 10] and np.isnan(table["test_error"][0])


@pytest.mark.parametrize("what", [{}, None, [1], [{}], [{"trial": 1}], 3])
def test_what_is_no_record_is_refused(what):
    for columns in (record_columns, curve_columns):
        with pytest.raises(ValueError, match=r"^expected records of run_trials, got"):
            columns(what)
