"""What is kept of a run: whole lines, whole checkpoints, and clear words when that cannot be."""

import contextlib
import json
import os
import resource
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.storage import RunError, Storage, open_storage

IDENTITY = {"row": "tiny", "seed": 3, "settings": {"rate": 0.1, "blocks": (2, 2)}}
STATE = {
    "weights": np.random.default_rng(0).normal(size=(20_000, 4)).astype(np.float32),
    "odd": np.float32([np.nan, -np.inf, -0.0, 1e-42]),
    "key": np.array([[2**32 - 1], [7]], np.uint32),
    "right": np.array([True, False]),
    "none": np.zeros((1, 0, 4), np.float32),
}
IDS = np.array([4, -1, 7])


def record(trial: int) -> dict:
    return {"trial": trial, "phase": "solved", "curve": [0.1 + trial, None, 1 / 3]}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "tiny"


@pytest.fixture
def storage(folder):
    """Two records and a checkpoint."""
    storage = open_storage(folder, IDENTITY)
    storage.append(record(5))
    storage.append(record(2))
    storage.save(STATE, IDS)
    return storage


def lines(folder: Path) -> Path:
    return folder / "records.0.jsonl"


@contextlib.contextmanager
def files_up_to(size: int):
    """No file can grow beyond `size` bytes: writes come short, then fail, as on a full disk."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def assert_kept(storage, state=STATE, ids=IDS):
    """The last checkpoint is this one, bit for bit."""
    kept, kept_ids = storage.load(state)
    assert kept.keys() == state.keys()
    for name, leaf in state.items():
        assert (kept[name].dtype, kept[name].shape) == (leaf.dtype, leaf.shape)
        assert kept[name].tobytes() == leaf.tobytes(), name
    assert kept_ids.tolist() == ids.tolist()


# -- records ----------------------------------------------------------------------------------


def test_records_come_back_in_the_order_they_came(storage, folder):
    assert storage.records() == open_storage(folder, IDENTITY).records() == [record(5), record(2)]
    text = lines(folder).read_text()
    assert [json.loads(line) for line in text.splitlines()] == storage.records()


def test_each_process_has_records_of_its_own(storage, folder):
    other = open_storage(folder, IDENTITY, process=1)
    assert other.records() == [] and other.load(STATE) is None
    other.append(record(1))
    assert storage.records() == [record(5), record(2)] and other.records() == [record(1)]


def test_half_a_line_is_cut_off_wherever_it_ends(storage, folder):
    """The last line counts when its end of line is there, and only then."""
    whole = lines(folder).read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        lines(folder).write_bytes(whole[:end])
        assert storage.records() == [record(5)]
        assert lines(folder).read_bytes() == whole[:first]
        storage.append(record(2))
        assert lines(folder).read_bytes() == whole


def test_control_half_a_line_would_spoil_the_next(folder):
    storage = open_storage(folder, IDENTITY)
    storage.append(record(5))
    with lines(folder).open("ab") as file:
        file.write(b'{"trial": 2, "ph')
    storage.append(record(1))  # without having read them first
    with pytest.raises(RunError, match=r"records\.0\.jsonl"):
        storage.records()


@pytest.mark.parametrize("room", [0, 1, 20])
def test_a_full_disk_leaves_the_records_as_they_were(room, storage, folder):
    before = lines(folder).read_bytes()
    with files_up_to(len(before) + room), pytest.raises(RunError, match=r"tiny.*make room"):
        storage.append(record(9))
    assert lines(folder).read_bytes() == before
    storage.append(record(9))
    assert storage.records() == [record(5), record(2), record(9)]


def test_control_a_full_disk_cuts_a_line(storage, folder):
    before = lines(folder).read_bytes()
    with files_up_to(len(before) + 20), open(lines(folder), "ab", buffering=0) as file:
        file.write(json.dumps(record(9)).encode())
    assert len(lines(folder).read_bytes()) == len(before) + 20


def test_a_disk_that_fails_later_leaves_the_records_as_they_were(storage, folder, monkeypatch):
    """Some file systems report a full disk only when they are asked to write through."""

    def fail(_):
        raise OSError(28, "No space left on device")

    before = lines(folder).read_bytes()
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError, match="No space left on device"):
        storage.append(record(9))
    assert lines(folder).read_bytes() == before


def test_a_line_that_is_no_record_is_refused_and_left_alone(storage, folder):
    spoilt = lines(folder).read_bytes().replace(b'"phase"', b'"pha', 1)
    lines(folder).write_bytes(spoilt)
    with pytest.raises(RunError, match=r"records\.0\.jsonl"):
        storage.records()
    assert lines(folder).read_bytes() == spoilt


# -- checkpoints ------------------------------------------------------------------------------


def test_a_checkpoint_comes_back_bit_for_bit(storage, folder):
    assert_kept(storage)
    assert_kept(open_storage(folder, IDENTITY))
    with pytest.raises(AssertionError):
        assert_kept(storage, {**STATE, "odd": np.float32([np.nan, -np.inf, 0.0, 1e-42])})


def test_the_last_checkpoint_stays_alone(storage, folder):
    later = {**STATE, "weights": STATE["weights"] + 1}
    storage.save(later, IDS + 1)
    storage.save({**later, "weights": jnp.asarray(later["weights"])}, IDS + 1)
    assert_kept(storage, later, IDS + 1)
    assert len(list((folder / "checkpoint.0").iterdir())) == 1


def test_no_checkpoint_is_none(folder):
    storage = open_storage(folder, IDENTITY)
    assert storage.load(STATE) is None
    (folder / "checkpoint.0").mkdir()
    assert storage.load(STATE) is None


# what writes checkpoints leaves errors behind in threads of its own
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_leaves_the_checkpoint_as_it_was(storage):
    other = {**STATE, "weights": STATE["weights"] + 1}
    with files_up_to(2**16), pytest.raises(RunError, match=r"tiny.*make room") as refusal:
        storage.save(other, IDS)
    assert len(str(refusal.value)) < 500 and "\n" not in str(refusal.value)
    assert_kept(storage)
    storage.save(other, IDS)
    assert_kept(storage, other)


def test_a_checkpoint_that_was_not_finished_does_not_count(storage, folder):
    """As a process leaves it that was killed while it wrote."""
    storage.save(STATE, IDS)
    (done,) = (folder / "checkpoint.0").iterdir()
    left = done.with_name(f"{int(done.name) + 1}.orbax-checkpoint-tmp")
    shutil.copytree(done, left)
    (left / "default" / "_METADATA").unlink()
    assert_kept(open_storage(folder, IDENTITY))
    storage.save({**STATE, "right": ~STATE["right"]}, IDS)
    assert_kept(storage, {**STATE, "right": ~STATE["right"]})


def emptied(checkpoint: Path):
    for path in [p for p in checkpoint.rglob("*") if p.is_file()]:
        path.write_bytes(b"")


def scrambled(checkpoint: Path):
    for path in [p for p in checkpoint.rglob("*") if p.is_file()]:
        path.write_bytes(path.read_bytes()[::-1])


def without_metadata(checkpoint: Path):
    for path in [*checkpoint.rglob("_METADATA"), *checkpoint.rglob("manifest.ocdbt")]:
        path.unlink()


@pytest.mark.parametrize("harm", [emptied, scrambled, without_metadata])
def test_a_checkpoint_that_cannot_be_read_is_refused(harm, storage, folder):
    harm(folder / "checkpoint.0")
    with pytest.raises(RunError, match=r"checkpoint\.0 is no checkpoint .* remove it") as refusal:
        open_storage(folder, IDENTITY).load(STATE)
    assert "\n" not in str(refusal.value)
    assert storage.records() == [record(5), record(2)]
    shutil.rmtree(folder / "checkpoint.0")  # as it says
    assert open_storage(folder, IDENTITY).load(STATE) is None


def test_a_checkpoint_of_more_or_fewer_lanes_is_welcome(storage):
    kept, _ = storage.load({**STATE, "weights": STATE["weights"][:, :2]})
    assert kept["weights"].tobytes() == STATE["weights"].tobytes()


@pytest.mark.parametrize(
    "other",
    [
        {**STATE, "more": np.zeros(3)},
        {"key": STATE["key"]},
        {**STATE, "weights": STATE["weights"][:5]},
        {**STATE, "right": STATE["right"].astype(np.float32)},
    ],
)
def test_a_checkpoint_of_another_net_is_refused(other, storage):
    with pytest.raises(RunError, match=r"no checkpoint of this run .* remove it"):
        storage.load(other)


# -- whose folder it is -----------------------------------------------------------------------


def test_a_folder_is_made_and_opened_again(folder):
    open_storage(str(folder), IDENTITY)
    assert json.loads((folder / "identity.json").read_text())["settings"]["blocks"] == [2, 2]
    open_storage(folder, IDENTITY)
    assert [path.name for path in folder.iterdir()] == ["identity.json"]


@pytest.mark.parametrize(
    "change, says",
    [
        ({"seed": 4}, "seed: 3 there, 4 now"),
        ({"lanes": 8}, "lanes: None there, 8 now"),
        ({"row": "other", "seed": 5}, "row: 'tiny' there, 'other' now, seed: 3 there, 5 now"),
    ],
)
def test_the_folder_of_another_run_is_refused(change, says, storage, folder):
    with pytest.raises(RunError, match="another run") as refusal:
        open_storage(folder, {**IDENTITY, **change})
    assert says in str(refusal.value) and str(folder) in str(refusal.value)
    assert "give another folder or remove it" in str(refusal.value)
    assert storage.records() == [record(5), record(2)]


def test_the_folder_of_a_run_of_which_more_is_known_is_refused(storage, folder):
    with pytest.raises(RunError, match="seed: 3 there, None now"):
        open_storage(folder, {"row": IDENTITY["row"], "settings": IDENTITY["settings"]})


@pytest.mark.parametrize("content", [b"", b"{", b"no json", b"\xff\xfe{}", b"[1, 2]", b'"tiny"'])
def test_an_identity_that_is_none_is_refused(content, storage, folder):
    (folder / "identity.json").write_bytes(content)
    with pytest.raises(RunError, match=r"identity\.json .*another folder"):
        open_storage(folder, IDENTITY)
    assert (folder / "identity.json").read_bytes() == content


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file.*give a folder that can be written"):
        open_storage(tmp_path / "file" / "run", IDENTITY)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file.*give a folder that can be written"):
        open_storage(tmp_path / "file", IDENTITY)


def test_a_read_only_folder_is_refused(folder, monkeypatch):
    """Permissions do not bind every user, so the refusal of the file system is played."""

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunError, match=r"tiny.*Read-only file system.*can be written"):
        open_storage(folder, IDENTITY)


def test_a_folder_that_is_gone_is_refused(storage, folder):
    shutil.rmtree(folder)
    with pytest.raises(RunError, match="No such file"):
        storage.append(record(9))
    with pytest.raises(RunError):
        storage.save(STATE, IDS)


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nowhere = open_storage(None, IDENTITY)
    assert type(nowhere) is Storage
    nowhere.append(record(1))
    nowhere.save(STATE, IDS)
    assert nowhere.records() == [] and nowhere.load(STATE) is None
    assert list(tmp_path.iterdir()) == []
