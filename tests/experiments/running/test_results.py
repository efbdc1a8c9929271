"""Result files: whole or not there, readable line by line, refused when they are something else."""

import json
import subprocess

import jax
import numpy as np
import pytest

from experiments.common import files, provenance
from experiments.common.errors import UserError
from experiments.common.files import HERE
from experiments.methods.registry import net
from experiments.paper.select import find_reading
from experiments.paper.tables import ROWS
from experiments.running import results
from experiments.running.run_job import shape_of_net
from tests.experiments.synthetic import job, keep, record


def test_what_is_written_is_read_again(tmp_path):
    path = keep(tmp_path, job(), [record(i, 20_000 + i) for i in range(3)])
    found = results.read(path)
    assert (found["row"], found["reading"], found["trials"], found["lanes"]) == (
        "6a", "literal", 3, 16,
    )  # fmt: skip
    assert found["seconds"] == 12.3 and found["settings"]["cap"] == 313_900
    assert {"lstm_jax", "jax", "jaxlib", "optax", "numpy"} == set(found["versions"])
    assert {"kind", "count", "cores", "machine"} == set(found["device"])
    assert [r["sequences"] for r in found["records"]] == [20_000, 20_001, 20_002]
    assert found["records"][0]["test"]["error"] == 0.01235  # 4 digits
    assert found["records"][0]["curve"][0] == 0.1


def test_one_record_is_one_line(tmp_path):
    lines = keep(tmp_path, job(), [record(i, 20_000) for i in range(3)]).read_text().splitlines()
    assert sum('"trial":' in line for line in lines) == 3
    assert max(len(line) for line in lines if '"trial":' not in line) < 1000


def test_the_same_trials_measured_again_are_the_same_run():
    one = results.result(job(), [], 1.0)
    assert results.same_run(one, {**one, "seconds": 2.0, "date": "another", "versions": {}})
    for other in (job(trials=4), job(seed=1), job(lanes=8), job(reading="X")):
        assert not results.same_run(one, results.result(other, [], 1.0))
    before = {k: v for k, v in one["settings"].items() if k != "every_step"}
    assert results.same_run(one, {**one, "settings": before})  # a field that was added since
    assert not results.same_run(one, {**one, "settings": {**before, "every_step": True}})


def test_a_file_of_another_version_is_refused(tmp_path):
    path = keep(tmp_path, job(), [])
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(UserError, match="another version"):
        results.read_all(path.parent)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"format": 1}', "\x00"])
def test_what_is_no_result_is_refused(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(UserError, match="no result file"):
        results.read(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    files.write_text(path, "old")

    def full(file):
        file.write(b"half of the n")
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        files.write_whole(path, full)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        files.write_text(tmp_path / "file" / "x.json", "")
    with pytest.raises(UserError, match="--folder"), files.alone_in(tmp_path / "file"):
        pass


def test_one_process_at_a_time(tmp_path):
    another = pytest.raises(UserError, match="another process")
    with files.alone_in(tmp_path), another, files.alone_in(tmp_path):
        pass
    with files.alone_in(tmp_path):
        pass


def test_weights_are_read_again(tmp_path):
    cell = net(ROWS["6a"])
    params = cell.init(jax.random.key(3))
    results.write_weights(tmp_path / "w.npz", 5, params)
    trial, found = results.read_weights(tmp_path / "w.npz", params)
    assert trial == 5 and jax.tree.structure(found) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, found, params)
    other = jax.eval_shape(net(ROWS["6b"]).init, jax.random.key(0))
    with pytest.raises(UserError, match="another net"):
        results.read_weights(tmp_path / "w.npz", other)
    (tmp_path / "w.npz").write_text("no such thing")
    with pytest.raises(UserError, match="no weights"):
        results.read_weights(tmp_path / "w.npz", params)


def test_large_nets_are_not_kept(tmp_path):
    results.write_weights(tmp_path / "w.npz", 0, {"w": np.zeros(results.MOST_WEIGHTS + 1)})
    assert not (tmp_path / "w.npz").exists()


def test_the_identity_is_json():
    assert json.loads(json.dumps(results.identity(job()))) == results.identity(job())


def test_the_commit_of_the_code_is_kept(tmp_path, monkeypatch):
    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(
            ["git", "-C", tmp_path, *who, *words], capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    monkeypatch.setattr(provenance, "HERE", tmp_path / "experiments")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "README.md").write_text("")
    code = tmp_path / "experiments" / "paper.py"
    code.write_text("")
    assert provenance.commit() is None
    git("init")
    git("add", "-A")
    git("commit", "-m", "first")
    head = git("rev-parse", "--short=12", "HEAD")
    assert provenance.commit() == head == provenance.commit()
    (tmp_path / "README.md").write_text("words decide no number")
    assert provenance.commit() == head
    code.write_text("changed")
    assert provenance.commit() == head + "+"


def test_every_net_that_is_kept_can_be_read():
    """Files from before `absent is None` hold empty arrays in its place."""
    kept = sorted((HERE / "results").glob("*.npz"))
    assert len(kept) > 50
    for path in kept:
        found = results.read(path.with_suffix(".json"))
        row = ROWS[found["row"]]
        like = shape_of_net(row, find_reading(row, found["reading"]))
        trial, _ = results.read_weights(path, like)
        assert 0 <= trial < found["trials"]
