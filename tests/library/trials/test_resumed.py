"""A run that was killed, put down, or left by a full disk goes on to the same records."""

import resource
import shutil
from itertools import cycle, pairwise
from pathlib import Path

import numpy as np
import pytest

from lstm_jax.trials import RunError
from lstm_jax.trials import run as engine
from lstm_jax.trials.storage import Folder
from tests.library.trials.tiny import (
    EVERY,
    LANES,
    NUMBER,
    Run,
    compiled_once,
    differing,
    kept,
    pace,
    run,
    texts,
)

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
        ((state, ids),) = right(storage, like)
        yield state._replace(key=np.roll(state.key, 1, axis=-1)), ids

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
    shutil.copy(tmp_path / "checkpoint.0.npz", older)
    later, _ = sitting(tmp_path)
    assert later.ended
    older.rename(tmp_path / "checkpoint.0.npz")
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


def test_a_disk_too_full_for_a_checkpoint_loses_no_record(reference, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_CHECKPOINT_S", 0.0)
    with FullDisk(tmp_path, after=8) as disk, pytest.raises(RunError, match="make room"):
        run(folder=tmp_path, on_chunk=disk)
    assert 8 <= len(kept(tmp_path)) < NUMBER
    monkeypatch.undo()
    assert texts(run(folder=tmp_path).records) == texts(reference.records)


def test_a_spoilt_checkpoint_is_refused_and_can_be_removed(reference, tmp_path):
    sitting(tmp_path)
    before = kept(tmp_path)
    (tmp_path / "checkpoint.0.npz").write_bytes(b"spoilt")
    with pytest.raises(RunError, match=r"checkpoint\.0\.npz .*remove it"):
        run(folder=tmp_path)
    assert kept(tmp_path) == before
    (tmp_path / "checkpoint.0.npz").unlink()
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
    assert texts(run(**asked, devices=2).records) == texts(before)


def test_a_folder_that_cannot_be_is_refused_before_anything_runs(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(engine, "_chunks", "nothing runs")
    with pytest.raises(RunError, match="give a folder that can be written"):
        run(folder=tmp_path / "file" / "run")
