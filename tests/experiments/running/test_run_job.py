"""From a row to its result file, in small: runs, interruptions, sweeps, workers, figures."""

import io
import json
import pickle
import shutil
from functools import partial

import numpy as np
import pytest

from experiments.__main__ import main
from experiments.paper.readings import LITERAL
from experiments.paper.tables import ROWS
from experiments.running import results, run_job
from experiments.running.jobs import Job
from experiments.studies import sweep
from lstm_jax.training.stopping import streak

SMALL = ROWS["2c-50-50"].with_settings(  # every output is right: over after 300 sequences
    tolerance=2.0, stop=partial(streak, 300), cap=1000, test=20
)


def small(**options):
    return Job(SMALL, LITERAL, **{"trials": 3, "lanes": 2, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with one complete result."""
    folder = tmp_path_factory.mktemp("whole")
    seen = []
    outcome = run_job.run(small(), folder, on_chunk=seen.append)
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
    assert "was complete already" in run_job.run(small(), folder).says
    assert outcome.path.read_bytes() == before


def test_a_run_that_was_put_down_goes_on_and_ends_the_same(whole, tmp_path):
    first = run_job.run(small(), tmp_path, budget_s=1e-6)
    assert first.result is None and "run it again" in first.says
    assert not (tmp_path / "results").exists()
    spent = run_job.read_progress(first.path).seconds
    second = run_job.run(small(), tmp_path)
    assert second.result["records"] == whole[1].result["records"]
    assert second.result["seconds"] > spent > 0


def test_the_result_of_another_run_is_not_overwritten(whole, capsys):
    folder, outcome, _ = whole
    before = outcome.path.read_bytes()
    other = run_job.run(small(trials=2), folder)
    assert "holds another run and is untouched" in other.says
    assert outcome.path.read_bytes() == before
    assert results.read(other.path)["records"] == outcome.result["records"][:2]


def test_a_working_folder_of_another_version(whole, capsys):
    folder, _, _ = whole
    path = run_job.working_folder(folder, small()) / "identity.json"
    kept = path.read_text()
    path.write_text(kept.replace('"format": 1', '"format": 0'))
    with pytest.raises(run_job.UserError, match="another run"):
        run_job.run(small(), folder)
    path.write_text(kept)


def half(content):
    return content[: len(content) // 2]


def arrays(**named):
    file = io.BytesIO()
    np.savez(file, **named)
    return file.getvalue()


def damaged(good):
    """Files of weights in which something is wrong, by what it is."""
    with np.load(io.BytesIO(good)) as file:
        held = {name: file[name] for name in file.files}
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    first = next(name for name in held if name != "trial")
    return {
        "empty": b"",
        "half": half(good),
        "text": b"no weights",
        "flipped": good[:200] + bytes(255 - b for b in good[200:260]) + good[260:],
        "pickle": pickle.dumps(held),
        "objects": arrays(**{**held, first: np.array([{}], object)}),
        "one array": single.getvalue(),
        "other names": arrays(trial=held["trial"], w=np.zeros(3)),
        "further names": arrays(**held, w=np.zeros(3)),
        "other shapes": arrays(**{**held, first: np.zeros((1, 1), np.float32)}),
        "other kind": arrays(**{**held, first: held[first].astype("U9")}),
        "no trial": arrays(**{k: v for k, v in held.items() if k != "trial"}),
        "many trials": arrays(**{**held, "trial": np.arange(3)}),
        "half a trial": arrays(**{**held, "trial": np.array(0.5)}),
    }


KINDS = ("empty", "half", "text", "flipped", "pickle", "objects", "one array", "other names",
         "further names", "other shapes", "other kind", "no trial", "many trials",
         "half a trial")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_weights_beside_a_result(whole, tmp_path, capsys, kind):
    folder, outcome, _ = whole
    shutil.copytree(folder / "results", tmp_path / "results")
    path = tmp_path / "results" / outcome.path.with_suffix(".npz").name
    path.write_bytes(damaged(path.read_bytes())[kind])
    assert main(["figure", "2c-50-50", "--folder", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and path.name in err and "remove it" in err


@pytest.mark.parametrize("kind", ["half", "other shapes"])
def test_a_run_goes_on_beside_damaged_weights(whole, tmp_path, capsys, kind):
    good = whole[1].path.with_suffix(".npz").read_bytes()
    work = run_job.working_folder(tmp_path, small())
    work.mkdir(parents=True)
    (work / "weights.npz").write_bytes(damaged(good)[kind])
    outcome = run_job.run(small(), tmp_path)
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "weights.npz holds no net of this row" in err
    assert outcome.result["records"] == whole[1].result["records"]
    assert outcome.path.with_suffix(".npz").read_bytes()
    assert (work / "weights.damaged").read_bytes() == damaged(good)[kind]
    assert main(["figure", "2c-50-50", "--folder", str(tmp_path)]) == 0


def test_damaged_weights_are_not_kept_with_a_result(whole, tmp_path, capsys):
    """Every trial was over: none is solved any more that could leave another net."""
    shutil.copytree(whole[0] / "runs", tmp_path / "runs")
    (run_job.working_folder(tmp_path, small()) / "weights.npz").write_bytes(b"")
    path = run_job.run(small(), tmp_path).path
    assert path.exists() and not path.with_suffix(".npz").exists()
    assert "weights.damaged" in capsys.readouterr().err
    assert main(["figure", "2c-50-50", "--folder", str(tmp_path)]) == 0
    drawn = sorted(path.name for path in (tmp_path / "runs" / "figures").iterdir())
    assert drawn == [f"2c-50-50.literal.{name}.png" for name in ("after", "curves")]


def test_damaged_progress(whole, tmp_path, capsys):
    shutil.copytree(whole[0] / "runs", tmp_path / "runs")
    (run_job.working_folder(tmp_path, small()) / "progress.json").write_text('{"seconds": "x"}')
    run_job.run(small(), tmp_path)
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "progress.json" in err and "time is counted from now" in err


def test_records_that_are_none(whole, tmp_path, capsys):
    shutil.copytree(whole[0] / "runs", tmp_path / "runs")
    (run_job.working_folder(tmp_path, small()) / "records.0.jsonl").write_text("{\n")
    with pytest.raises(run_job.UserError, match="records"):
        run_job.run(small(), tmp_path)


def test_points_of_a_sweep_that_differ_little_are_two(tmp_path):
    job = Job(ROWS["6a"], LITERAL, 2)
    first, second = (sweep._plain(one) for one in sweep.points(job, sweep.Grid((1e-7, 2e-7))))
    assert (first["rate"], second["rate"]) == (1e-7, 2e-7)


def test_what_is_no_checkpoint(tmp_path):
    work = run_job.working_folder(tmp_path, small())
    assert run_job.run(small(), tmp_path, budget_s=1e-6).result is None
    (work / "checkpoint.0.npz").write_bytes(b"nonsense")
    with pytest.raises(run_job.UserError, match="no checkpoint") as caught:
        run_job.run(small(), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_sweep_is_one_call(tmp_path):
    row = ROWS["6a"].with_settings(tolerance=2.0, stop=partial(streak, 100), cap=200, test=10)
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
