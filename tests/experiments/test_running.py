"""From a row to its result file, in small: runs, interruptions, sweeps, workers, figures."""

import json
from dataclasses import replace
from functools import partial

import pytest

from experiments import results, running, sweep
from experiments.__main__ import main
from experiments.jobs import Job
from experiments.readings import LITERAL
from experiments.tables import ROWS
from lstm_jax.stopping import streak

SMALL = replace(  # every output is right, so that a trial ends after 300 sequences
    ROWS["2c-50-50"], tolerance=2.0, stop=partial(streak, 300), cap=1000, test=20
)


def small(**options):
    return Job(SMALL, LITERAL, **{"trials": 3, "lanes": 2, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with one complete result."""
    folder = tmp_path_factory.mktemp("whole")
    seen = []
    outcome = running.run(small(), folder, on_chunk=seen.append)
    return folder, outcome, seen


def test_a_run_leaves_a_result_and_a_trained_net(whole):
    folder, outcome, seen = whole
    assert outcome.path == folder / "results" / "2c-50-50.literal.json"
    assert "3 of 3 solved, mean 0" in outcome.says and "paper 30,000" in outcome.says
    found = results.read(outcome.path)
    assert [r["trial"] for r in found["records"]] == [0, 1, 2]
    assert all(r["sequences"] == 300 and r["reached"] == [0] for r in found["records"])
    assert outcome.path.with_suffix(".npz").exists() and seen[-1].done == 3
    assert found["seconds"] > 0


def test_a_complete_run_is_left_alone(whole):
    folder, outcome, _ = whole
    before = outcome.path.read_bytes()
    assert "was complete already" in running.run(small(), folder).says
    assert outcome.path.read_bytes() == before


def test_a_run_that_was_put_down_goes_on_and_ends_the_same(whole, tmp_path):
    first = running.run(small(), tmp_path, budget_s=1e-6)
    assert first.result is None and "run it again" in first.says
    assert not (tmp_path / "results").exists()
    spent = running.read_progress(first.path).seconds
    second = running.run(small(), tmp_path)
    assert second.result["records"] == whole[1].result["records"]
    assert second.result["seconds"] > spent > 0


def test_the_result_of_another_run_is_not_overwritten(whole, capsys):
    folder, outcome, _ = whole
    before = outcome.path.read_bytes()
    other = running.run(small(trials=2), folder)
    assert "holds another run and is untouched" in other.says
    assert outcome.path.read_bytes() == before
    assert results.read(other.path)["records"] == outcome.result["records"][:2]


def test_a_working_folder_of_another_version(whole, capsys):
    folder, _, _ = whole
    path = running.working_folder(folder, small()) / "identity.json"
    kept = path.read_text()
    path.write_text(kept.replace('"format": 1', '"format": 0'))
    with pytest.raises(running.UserError, match="another run"):
        running.run(small(), folder)
    path.write_text(kept)


def test_what_is_no_checkpoint(tmp_path):
    work = running.working_folder(tmp_path, small())
    (work / "checkpoint.0" / "1" / "default").mkdir(parents=True)
    (work / "checkpoint.0" / "1" / "default" / "_METADATA").write_text("nonsense")
    with pytest.raises(running.UserError, match="no checkpoint") as caught:
        running.run(small(), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_sweep_is_one_call(tmp_path):
    row = replace(ROWS["6a"], tolerance=2.0, stop=partial(streak, 100), cap=200, test=10)
    grid = sweep.Grid(rate=(0.5, 0.1), input_gate=((-3,), (-1, -2)))
    found = sweep.run_shown(Job(row, LITERAL, 2, lanes=8), grid, tmp_path, None)
    assert [p["rate"] for p in found["points"]] == [0.5, 0.5, 0.1, 0.1]
    assert [p["input_gate"] for p in found["points"][:2]] == [[-3, -3], [-1, -2]]
    assert all(p["solved"] == p["over"] == 2 for p in found["points"])
    assert sweep.table(found).row_count == 4
    (kept,) = tmp_path.glob("runs/sweep.*/sweep.json")
    assert json.loads(kept.read_text()) == found


def test_figures(whole, capsys):
    folder, _, _ = whole
    assert main(["figure", "2c-50-50", "--folder", str(folder)]) == 0
    drawn = sorted(path.name for path in (folder / "runs" / "figures").iterdir())
    assert drawn == [f"2c-50-50.literal.{name}.png" for name in ("after", "curves", "gates")]


def test_workers_run_rows_at_the_same_time(tmp_path, capfd):
    rows = ["2c-50-50", "3b-100-3"]
    options = ["--trials", "1", "--budget", "0.001", "--lanes", "1", "--folder", str(tmp_path)]
    assert main(["run", *rows, *options, "--workers", "2"]) == 0
    out, err = capfd.readouterr()
    assert sorted(line.split()[0] for line in out.splitlines()) == rows and err == ""
    assert all("0 of 1 trials over" in line for line in out.splitlines())
