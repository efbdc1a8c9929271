"""The report of a folder of results that are known."""

import csv
import json

import numpy as np
import pytest
from rich.console import Console

from experiments.common.intervals import bootstrap, wilson
from experiments.paper.tables import ROWS
from experiments.reporting import report
from experiments.running import results
from tests.experiments.synthetic import job, keep, record


@pytest.fixture
def found(tmp_path):
    afters = [20_000, 30_000, 28_000]
    trials = [record(i, n) for i, n in enumerate(afters)]
    keep(tmp_path, job(trials=4), [*trials, record(3, 313_900, phase="capped")])
    two = [record(0, 40_000, first=30_000), record(1, 60_000, first=50_000)]
    keep(tmp_path, job("3a-100-1", "X", trials=2), two)
    keep(tmp_path, job("6b", trials=1), [record(0, 10, phase="diverged")])
    return results.read_all(tmp_path / "results")


def by_name(listed):
    return {(line["row"], line["reading"]): line for line in listed}


def test_figures_of_a_row(found):
    line = by_name(report.lines(found))["6a", "literal"]
    afters = [20_000, 30_000, 28_000]
    assert (line["solved"], line["trials"]) == (3, 4)
    assert line["success"] == wilson(3, 4)._asdict()
    assert line["mean"] == bootstrap(afters)._asdict() and line["mean"]["value"] == 26_000
    assert line["median"] == bootstrap(afters, np.median)._asdict()
    assert line["test"]["wrong"] == 2 and line["test"]["root_squared"] == pytest.approx(0.02)
    assert line["published"]["after"] == 31_390 and line["seconds"] == 12.3


def test_every_row_appears_and_says_when_it_was_not_run(found):
    lines = by_name(report.lines(found))
    assert {row for row, _ in lines} == set(ROWS)
    assert lines["4-100", "literal"]["trials"] == 0
    assert report.cells(lines["4-100", "Y"])["solved"] == "not run"
    assert ("4-100", "X") not in lines and lines["3a-100-1", "X"]["solved"] == 2


def test_a_table_of_its_own(found):
    assert {line["row"] for line in report.lines(found, 9)} == {"6a", "6b"}


def test_words(found):
    lines = by_name(report.lines(found))
    cells = report.cells(lines["6a", "literal"])
    assert cells["solved"] == "3/4 [30 %, 95 %]"
    assert cells["mean after"].startswith("26,000 [2") and cells["paper"] == "31,390"
    assert cells["test"] == "2.0 of 2,560 wrong" and cells["paper's test"] == "1 of 2560 wrong"
    cells = report.cells(lines["3a-100-1", "X"])
    assert (cells["ST1 mean"], cells["paper's ST1"]) == ("40,000", "58,370")
    assert cells["test"] == "0.000781 wrong"
    failed = report.cells(lines["6b", "literal"])
    assert failed["mean after"] == "-" and failed["solved"] == "0/1 [0 %, 79 %]"


def test_markdown_has_as_many_cells_in_every_line(found):
    text = report.as_markdown(report.lines(found))
    for table in text.split("**")[2::2]:
        widths = {line.count("|") for line in table.splitlines() if line.startswith("|")}
        assert len(widths) == 1
    assert "| 6a | literal | 3/4 [30 %, 95 %] |" in text and "not run" in text


def test_csv_and_json_hold_the_numbers(found):
    lines = report.lines(found)
    rows = list(csv.DictReader(report.as_csv(lines).splitlines()))
    row = next(r for r in rows if r["row"] == "6a")
    assert float(row["mean.value"]) == 26_000 and row["published.after"] == "31390"
    assert len(rows) == len(lines)
    assert json.loads(json.dumps(lines))[0]["row"] == "guess-3a-100-3"


def test_the_terminal_shows_brackets(found):
    console = Console(width=250, record=True, quiet=True)
    with console.capture() as captured:
        console.quiet = False
        for table in report.as_terminal(report.lines(found, 9)):
            console.print(table)
    assert "Table 9" in captured.get() and "26,000 [2" in captured.get()
