"""Files that are damaged in one place: a report, or one line that names the file."""

import contextlib
import io
import json
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from experiments.__main__ import main
from experiments.common.structure import read_json
from experiments.paper.readings import LITERAL
from experiments.paper.tables import ROWS
from experiments.running.run_job import read_progress
from tests.experiments.damage import DEEP, spoilt_bytes, spoilt_fields
from tests.experiments.synthetic import job, keep, record

DATA = Path(__file__).parents[2] / "reference" / "data" / "exp4-full.json"
OFTEN = hypothesis.settings(max_examples=150)
SELDOM = hypothesis.settings(max_examples=20)


def spoilt(content: bytes):
    """In one field, or in the text."""
    return st.one_of(spoilt_fields(json.loads(content)), spoilt_bytes(content))


def outcome(*command: str) -> tuple[int, str, str]:
    """Status, output and errors of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(list(command))
    return status, out.getvalue(), err.getvalue()


def law(path: Path, status: int, err: str) -> None:
    """It went well, or one line names the file."""
    assert status in (0, 1) or (status == 2 and err.count("\n") == 1 and path.name in err), err


def read_of_result(folder: Path) -> bytes:
    trials = [record(0, 20_000, first=9_000), record(1, 313_900, phase="capped")]
    return keep(folder, job(trials=2), trials).read_bytes()


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A folder with one result, its path and what it holds."""
    folder = tmp_path_factory.mktemp("result")
    return folder, folder / "results" / "6a.literal.json", read_of_result(folder)


@OFTEN
@hypothesis.given(data=st.data())
def test_report(result, data):
    folder, path, good = result
    path.write_bytes(data.draw(spoilt(good)))
    form = data.draw(st.sampled_from((["--json"], ["--format", "csv"], ["--format", "markdown"])))
    status, out, err = outcome("report", "6", *form, "--folder", str(folder))
    law(path, status, err)
    assert status == 0 or not out


@SELDOM
@hypothesis.given(data=st.data())
def test_figure(result, data):
    folder, path, good = result
    path.write_bytes(data.draw(spoilt(good)))
    status, _, err = outcome("figure", "6a", "--folder", str(folder))
    law(path, status, err)


@OFTEN
@hypothesis.given(data=st.data())
def test_study(tmp_path_factory, data):
    entry = {"trials": 32, "lanes": 32, "cap": 900, "after": [300, 500], "seconds": 1.5}
    entries = [{"changes": c, "seed": s, **entry} for c in ([], ["direct"]) for s in (0, 10_000)]
    good = json.dumps({"row": "6a", "commit": None, "versions": {}, "entries": entries}).encode()
    folder = tmp_path_factory.mktemp("study")
    path = folder / "results" / "study" / "6a.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(data.draw(spoilt(good)))
    status, _, err = outcome("study", "--only-report", "--json", "--folder", str(folder))
    law(path, status, err)


@OFTEN
@hypothesis.given(data=st.data())
def test_claims(tmp_path_factory, data):
    kept = {"claim": "parity", "holds": True, "words": "so", "commit": None, "numbers": {"x": 1}}
    folder = tmp_path_factory.mktemp("claims")
    path = folder / "results" / "claims" / "parity.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(data.draw(spoilt(json.dumps(kept).encode())))
    status, _, err = outcome("claims", "--only-report", "--json", "--folder", str(folder))
    law(path, status, err)


@SELDOM
@hypothesis.given(data=st.data())
def test_check(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("check") / "spoilt.json"
    path.write_bytes(data.draw(spoilt(DATA.read_bytes())))
    status, _, err = outcome("check", str(path))
    law(path, status, err)


@OFTEN
@hypothesis.given(data=st.data())
def test_progress(tmp_path_factory, data):
    good = {"trials": 3, "done": 1, "solved": 1, "running": 2, "sequences": 900, "seconds": 1.5}
    folder = tmp_path_factory.mktemp("progress")
    (folder / "progress.json").write_bytes(data.draw(spoilt(json.dumps(good).encode())))
    try:
        assert read_progress(folder).seconds >= 0
    except Exception as error:
        assert type(error).__name__ == "UserError" and "progress.json" in str(error)


NAN, HUGE = "NaN, which is no number", "a number from 0 to"
RECORD = '"sequences": 20000, "reached"'


@pytest.mark.parametrize(
    "old, new, says",
    [
        ('"trials": 2', '"trials": 3', "records should be a list of 3, one a trial, not 2"),
        ('"trials": 2', '"trials": true', "trials should be a whole number from 1"),
        ('"trials": 2', '"trials": -2', "trials should be a whole number from 1"),
        ('"seed": 0', '"seed": 4294967296', "seed should be a whole number from 0 to 4294967295"),
        ('"seed": 0', '"seed": 0, "seed": 1', "the field 'seed' is there twice"),
        ('"seconds": 12.3', '"seconds": NaN', NAN),
        ('"seconds": 12.3', '"seconds": null', "seconds should be a number from 0 to 1e+12"),
        ('"seconds": 12.3', f'"seconds": 1{"0" * 400}', "seconds should be"),
        ('"seconds": 12.3', '"seconds": -1', "seconds should be"),
        ('"row": "6a"', '"row": ["6a"]', "row should be a text"),
        ('"trial": 1', '"trial": 0', "records[1].trial should be 1, not 0"),
        ('"phase": "solved"', '"phase": "happy"', "records[0].phase should be one of solved"),
        (RECORD, '"sequences": -1, "reached"', "records[0].sequences should be a whole number"),
        (RECORD, '"sequences": 9, "reached"', "records[0].reached should be at most 9"),
        ("[9000, 20000]", "[]", "records[0].reached should be a list of at least 1"),
        ("[9000, 20000]", "[9000, -1]", "records[0].reached should be at least 0 at the end"),
        ('"wrong": 2', '"wrong": 2561', "records[0].test.wrong should be at most 2560"),
        ('"wrong": 2, ', "", "records[0].test.wrong should be there"),
        ('"wrong": 2', '"wrong": 2, "right": 1', "records[0].test.right should be absent"),
        ('"curve": [0.1,', '"curve": [-0.1,', "records[0].curve[0] should be a number from 0"),
        ('"curve": [0.1,', f'"curve": [{DEEP},', "nested too deeply"),
    ],
)
def test_the_line_names_the_field_and_what_was_expected(tmp_path, old, new, says):
    good = read_of_result(tmp_path).decode()
    assert old in good and outcome("report", "6a", "--folder", str(tmp_path))[0] == 0
    path = tmp_path / "results" / "6a.literal.json"
    path.write_text(good.replace(old, new, 1))
    for command in (["report"], ["figure", "6a"]):
        status, out, err = outcome(*command, "--folder", str(tmp_path))
        assert (status, out) == (2, "") and err.count("\n") == 1
        assert "6a.literal.json is no result file: " in err and says in err


def test_control_a_file_whose_fields_are_not_checked(tmp_path):
    path = tmp_path / "any.json"
    path.write_text('{"seconds": -1}')
    assert read_json(path, "file") == {"seconds": -1}


def test_a_result_under_another_name(tmp_path):
    path = tmp_path / "results" / "6a.literal.json"
    read_of_result(tmp_path)
    path.rename(path.with_name("6b.literal.json"))
    status, _, err = outcome("figure", "6b", "--folder", str(tmp_path))
    assert status == 2 and "holds row 6a literal, not 6b literal" in err
    read_of_result(tmp_path)
    status, _, err = outcome("report", "--folder", str(tmp_path))
    assert status == 2 and "both hold row 6a literal" in err


def test_a_curve_that_is_too_long(tmp_path):
    keep(tmp_path, job(trials=1), [record(0, 10, cap=10**9)])
    assert LITERAL.read(ROWS["6a"]).evaluation.cap < 10**9
    status, _, err = outcome("figure", "6a", "--folder", str(tmp_path))
    assert status == 2 and "holds a curve of" in err


@pytest.mark.parametrize(
    "row, reading, near", [("6c", "literal", "6b or 6a"), ("6a", "ful", "did you mean full?")]
)
def test_rows_and_readings_that_nobody_knows_are_told(tmp_path, row, reading, near):
    good = read_of_result(tmp_path).decode()
    other = good.replace('"row": "6a"', f'"row": "{row}"').replace(
        '"reading": "literal"', f'"reading": "{reading}"'
    )
    (tmp_path / "results" / "other.json").write_text(other)
    status, out, err = outcome("report", "6a", "--folder", str(tmp_path))
    assert status == 0 and "1/2" in out
    assert err.count("\n") == 1 and f"left out {row} {reading}" in err and near in err


def test_studies_and_claims_that_nobody_knows_are_told(tmp_path):
    for kind, name, good in (
        ("study", "6a", {"row": "6a", "entries": []}),
        ("study", "6z", {}),
        ("claims", "parity", {"claim": "parity", "holds": True, "words": "so", "commit": None,
                              "numbers": {}}),
        ("claims", "party", {}),
    ):  # fmt: skip
        path = tmp_path / "results" / kind / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(good))
    for command, says in (("study", "the study 6z: "), ("claims", "the claim party: ")):
        status, _, err = outcome(command, "--only-report", "--json", "--folder", str(tmp_path))
        assert status == 0 and f"left out {says}" in err and "did you mean" in err
