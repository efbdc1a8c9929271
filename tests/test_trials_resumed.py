"""A run that was killed, put down, or left by a full disk goes on to the same records."""

import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from itertools import cycle, pairwise
from pathlib import Path

import jax
import numpy as np
import pytest

from lstm_jax import trials
from lstm_jax.storage import Folder
from lstm_jax.trials import RunError
from tests.trials_tiny import (
    EVERY,
    LANES,
    NUMBER,
    Run,
    compiled_once,
    differing,
    pace,
    run,
    texts,
)

ROOT = Path(__file__).parents[1]
SITTING_S = 7.0  # of the engine's clock here: some five chunks of about thirty


@pytest.fixture(scope="module", autouse=True)
def programs(tmp_path_factory):
    with compiled_once(folder := tmp_path_factory.mktemp("programs")):
        yield folder


@pytest.fixture(scope="module")
def reference(programs):
    with pytest.MonkeyPatch.context() as patch:
        pace(patch)
        return run()


@pytest.fixture(autouse=True)
def steady(monkeypatch):
    pace(monkeypatch)


def kept(folder: Path, process: int = 0) -> list[dict]:
    """The records in a folder, read without our code."""
    text = (folder / f"records.{process}.jsonl").read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def sitting(folder: Path, **options) -> tuple[Run, list]:
    """A run for a while, and its progress."""
    said: list = []
    return run(folder=folder, budget_s=SITTING_S, on_chunk=said.append, **options), said


def sittings(folder: Path, *devices: int) -> tuple[Run, list]:
    """As many sittings as it takes, on these numbers of devices in turn; their progress."""
    ended, said = {}, []
    for number in cycle(devices):
        one, progress = sitting(folder, devices=number)
        assert not ended.keys() & one.ended.keys(), "a trial ended in two sittings"
        ended.update(one.ended)
        said.append(progress)
        assert sorted(r["trial"] for r in one.records) == sorted(ended)
        if len(one.records) == NUMBER:
            return Run(one.records, ended), said
        assert len(said) < 20


# -- put down and taken up --------------------------------------------------------------------


@pytest.mark.parametrize("devices", [(1,), (2, 1)])
def test_a_run_put_down_goes_on_to_the_same_records(devices, reference, tmp_path):
    resumed, said = sittings(tmp_path, *devices)
    assert len(said) >= 4
    assert sorted(resumed.ended) == EVERY and differing(resumed, reference) == []
    assert texts(resumed.records) == texts(reference.records) == texts(kept(tmp_path))
    if devices == (1,):
        for before, after in pairwise(said):
            assert after[0].sequences > before[-1].sequences, "it did not begin where it was"


def test_control_a_checkpoint_that_is_not_right(reference, tmp_path, monkeypatch):
    right = Folder.load

    def exchanged(storage, like):
        state, ids = right(storage, like)
        return state._replace(key=np.roll(state.key, 1, axis=-1)), ids

    sitting(tmp_path)
    monkeypatch.setattr(Folder, "load", exchanged)
    assert differing(run(folder=tmp_path), reference)


def test_a_run_that_is_complete_is_left_alone(reference, tmp_path):
    run(folder=tmp_path)
    before = (tmp_path / "records.0.jsonl").read_bytes()
    again, said = sitting(tmp_path)
    assert texts(again.records) == texts(reference.records)
    assert (again.ended, said) == ({}, [])
    assert (tmp_path / "records.0.jsonl").read_bytes() == before


def test_a_trial_is_recorded_once_when_the_checkpoint_is_older(reference, tmp_path):
    sitting(tmp_path)
    older = tmp_path / "older"
    shutil.copytree(tmp_path / "checkpoint.0", older)
    later, _ = sitting(tmp_path)
    assert later.ended
    shutil.rmtree(tmp_path / "checkpoint.0")
    older.rename(tmp_path / "checkpoint.0")
    rest = run(folder=tmp_path)
    assert not later.ended.keys() & rest.ended.keys()
    assert texts(kept(tmp_path)) == texts(rest.records) == texts(reference.records)


def test_a_trial_whose_line_is_half_is_run_again(reference, tmp_path):
    run(folder=tmp_path)
    path = tmp_path / "records.0.jsonl"
    lost = kept(tmp_path)[-1]["trial"]
    path.write_bytes(path.read_bytes()[:-9])
    again = run(folder=tmp_path)
    assert list(again.ended) == [lost] and differing(again, reference) == []
    assert texts(kept(tmp_path)) == texts(reference.records)


@pytest.mark.parametrize("number", [12, 25])
def test_a_run_can_be_made_longer_and_shorter(number, reference, tmp_path):
    first, _ = sitting(tmp_path, number=number)
    whole = run(folder=tmp_path)
    assert texts(whole.records) == texts(reference.records)
    shutil.rmtree(tmp_path)
    first, _ = sitting(tmp_path)
    shorter = run(number=number, folder=tmp_path)
    assert [r["trial"] for r in shorter.records] == EVERY[:number]
    assert differing(shorter, reference) == [] and not first.ended.keys() & shorter.ended.keys()


# -- killed -----------------------------------------------------------------------------------


def process(*arguments, programs: Path) -> subprocess.Popen:
    """The tiny trials in a process of its own, with programs compiled on its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JAX_COMPILATION_CACHE_DIR": str(programs),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return subprocess.Popen(
        [sys.executable, ROOT / "tests" / "trials_process.py", *map(str, arguments)],
        env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def said_by(line: str) -> tuple[int, int]:
    done, sequences = line.split()
    return int(done), int(sequences)


def killed(moments: random.Random, *arguments, programs: Path) -> tuple[int, int]:
    """Start a process, kill it at a random moment; what it said last but one.

    On a fast machine, too, it is killed before it is done: it goes at most two chunks on.
    """
    heard = moments.randrange(2, 6)
    with process(*arguments, "--slow", "--chunks", heard + 2, programs=programs) as child:
        lines = [child.stdout.readline() for _ in range(heard)]
        time.sleep(moments.uniform(0, 0.3))
        child.kill()
        assert child.wait() == -signal.SIGKILL, child.stderr.read()
    return said_by(lines[-2])


def test_a_run_killed_again_and_again_goes_on_to_the_same_records(reference, tmp_path):
    """Begun on two devices, it goes on with one, and ends with two."""
    folder, programs, moments = tmp_path / "run", tmp_path / "programs", random.Random(1)
    for devices in (2, 1, 1):
        before = killed(moments, folder, devices, programs=programs)
        assert len(kept(folder)) < NUMBER
    with process(folder, 2, programs=programs) as last:
        said, errors = last.communicate(timeout=200)
    assert last.returncode == 0, errors
    first = said_by(said.splitlines()[0])
    assert first[0] >= before[0] and first[1] > before[1] > 0, "it did not begin where it was"
    assert texts(kept(folder)) == texts(reference.records)
    assert texts(kept(folder)) != texts(run(key=jax.random.key(8)).records)


# -- several processes ------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return server.getsockname()[1]


def test_processes_share_the_trials_and_keep_their_own(reference, tmp_path, programs):
    """A distributed run, with checkpoints."""
    port = free_port()
    children = [
        process(tmp_path, 1, "--process", i, 2, "--port", port, programs=programs) for i in (0, 1)
    ]
    try:
        ends = [child.communicate(timeout=150) for child in children]
    finally:
        for child in children:
            child.kill()
            child.communicate()
    for i, (child, (_, errors)) in enumerate(zip(children, ends, strict=True)):
        assert child.returncode == 0, errors
        assert sorted(texts(kept(tmp_path, i))) == EVERY[i::2]
        assert (tmp_path / f"checkpoint.{i}").exists()
    union = [*kept(tmp_path, 0), *kept(tmp_path, 1)]
    assert texts(union) == {**texts(union), **texts(reference.records)}


# -- what cannot go on ------------------------------------------------------------------------


class FullDisk:
    """From the `after`-th trial on no file can grow beyond what the records have, and a bit."""

    def __init__(self, folder: Path, after: int):
        self._records, self._after = folder / "records.0.jsonl", after

    def __enter__(self):
        return self

    def __call__(self, progress) -> None:
        if progress.done >= self._after:
            self._limit(self._records.stat().st_size + 20)

    def __exit__(self, *_) -> None:
        self._limit(resource.getrlimit(resource.RLIMIT_FSIZE)[1])

    def _limit(self, size: int) -> None:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
        )


def test_a_full_disk_loses_no_record(reference, tmp_path):
    with FullDisk(tmp_path, after=12) as disk, pytest.raises(RunError, match="make room"):
        run(folder=tmp_path, on_chunk=disk)
    before = kept(tmp_path)
    assert 12 <= len(before) < NUMBER
    rest = run(folder=tmp_path)
    assert sorted({**texts(before), **rest.ended}) == EVERY and differing(rest, reference) == []
    assert texts(kept(tmp_path)) == texts(rest.records) == texts(reference.records)


# what writes checkpoints leaves errors behind in threads of its own
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_disk_too_full_for_a_checkpoint_loses_no_record(reference, tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "_CHECKPOINT_S", 0.0)
    with FullDisk(tmp_path, after=8) as disk, pytest.raises(RunError, match="make room"):
        run(folder=tmp_path, on_chunk=disk)
    assert 8 <= len(kept(tmp_path)) < NUMBER
    monkeypatch.undo()
    assert texts(run(folder=tmp_path).records) == texts(reference.records)


def test_a_spoilt_checkpoint_is_refused_and_can_be_removed(reference, tmp_path):
    sitting(tmp_path)
    before = kept(tmp_path)
    for path in [p for p in (tmp_path / "checkpoint.0").rglob("*") if p.is_file()]:
        path.write_bytes(b"spoilt")
    with pytest.raises(RunError, match=r"checkpoint\.0 .*remove it"):
        run(folder=tmp_path)
    assert kept(tmp_path) == before
    shutil.rmtree(tmp_path / "checkpoint.0")
    assert texts(run(folder=tmp_path).records) == texts(reference.records)


@pytest.mark.parametrize(
    "change, says",
    [
        ({"lanes": LANES + 1}, "lanes: 16 there, 17 now"),
        ({"identity": {"seed": 8}}, "seed: 7 there, 8 now"),
        ({"identity": None}, "seed: 7 there, None now"),
    ],
)
def test_the_folder_of_another_run_is_refused_before_anything_runs(change, says, tmp_path):
    asked = {"folder": tmp_path, "identity": {"seed": 7}, "number": 3}
    run(**asked)
    before = kept(tmp_path)
    with pytest.raises(RunError, match=says):
        run(**{**asked, **change})
    assert kept(tmp_path) == before
    assert run(**asked, devices=2).records == sorted(before, key=lambda r: r["trial"])


def test_a_folder_that_cannot_be_is_refused_before_anything_runs(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(trials, "_chunks", "nothing runs")
    with pytest.raises(RunError, match="give a folder that can be written"):
        run(folder=tmp_path / "file" / "run")
