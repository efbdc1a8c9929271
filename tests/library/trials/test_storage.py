"""What is kept of a run: whole lines, whole checkpoints, and clear words when that cannot be."""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.trials import RunError, locks
from lstm_jax.trials.storage import Folder, Storage, folder_of, open_storage
from tests.library.trials.tiny import OVER

IDENTITY = {"identity": {"row": "tiny", "seed": 3, "blocks": [2, 2]}, "lanes": 4}
SETTINGS = {"rate": np.float32([0.1, 0.2, 0.3])}
STATE = {
    "weights": np.random.default_rng(0).normal(size=(20_000, 3)).astype(np.float32),
    "odd": np.float32([[np.nan, -np.inf, -0.0], [1e-42, np.inf, 1.0]]),
    "key": np.array([[2**32 - 1, 0, 1], [7, 8, 9]], np.uint32),
    "right": np.array([True, False, True]),
    "none": np.zeros((1, 0, 3), np.float32),
}
IDS = np.array([4, -1, 7])


def refused(folder, says: str, process: int = 0, processes: int = 1) -> str:
    """Opening the folder is refused with these words, in one line; the line."""
    with pytest.raises(RunError, match=says) as refusal, open_storage(folder, process, processes):
        pass
    return one_line(refusal)


def record(trial: int) -> dict:
    return {**OVER, "trial": trial, "phase": "solved", "curve": [0.1 + trial, None, 1 / 3]}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "tiny"


@pytest.fixture
def storage(folder):
    """Two records and a checkpoint."""
    with opened(folder) as storage:
        storage.append(record(5))
        storage.append(record(2))
        storage.save(STATE, IDS)
        yield storage


@contextlib.contextmanager
def opened(folder, identity=IDENTITY, process=0, processes=1, settings=SETTINGS):
    with open_storage(folder, process, processes) as storage:
        storage.claim(lambda: identity, settings)
        yield storage


def reading(folder) -> Storage:
    """Another look at a folder that is held."""
    return Folder(folder, 0)


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
    ((kept, kept_ids),) = storage.load(state)
    assert kept.keys() == state.keys()
    for name, leaf in state.items():
        assert (kept[name].dtype, kept[name].shape) == (leaf.dtype, leaf.shape)
        assert kept[name].tobytes() == leaf.tobytes(), name
    assert kept_ids.tolist() == ids.tolist()


def one_line(refusal) -> str:
    text = str(refusal.value)
    assert "\n" not in text and len(text) < 500
    return text


# -- records ----------------------------------------------------------------------------------


def test_records_come_back_in_the_order_they_came(storage, folder):
    assert storage.records() == reading(folder).records() == [record(5), record(2)]
    text = lines(folder).read_text()
    assert [json.loads(line) for line in text.splitlines()] == storage.records()


def test_each_process_writes_its_own_and_reads_the_records_of_all(folder):
    with (
        opened(folder, process=0, processes=2) as one,
        opened(folder, process=1, processes=2) as two,
    ):
        one.append(record(5))
        two.append(record(1))
        one.save(STATE, IDS)
        two.save(STATE, IDS + 1)
        assert one.records() == two.records() == [record(5), record(1)]
        for storage, first in ((one, IDS), (two, IDS + 1)):
            assert [ids.tolist() for _, ids in storage.load(STATE)] == [first.tolist()]
    assert len(lines(folder).read_text().splitlines()) == 1
    with opened(folder, process=1, processes=3) as another:  # whose trials may be in any
        held = [ids.tolist() for _, ids in another.load(STATE)]
        assert held == [(IDS + 1).tolist(), IDS.tolist()]  # own ones first


def test_half_a_line_of_another_process_is_left_alone(folder):
    """It is about to be whole."""
    with opened(folder, process=0, processes=2) as one:
        path = folder / "records.1.jsonl"
        path.write_bytes(json.dumps(record(1)).encode() + b"\n" + b'{"trial": 3, "ph')
        before = path.read_bytes()
        assert one.records() == [record(1)] and path.read_bytes() == before


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


def test_control_half_a_line_would_spoil_the_next(storage, folder):
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


@pytest.mark.parametrize(
    "line, says",
    [
        ("{}", "without trial, phase"),
        ("3", "a int and no object"),
        ('{"trial": 1}', "without phase"),
        ("null", "no object"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("\xff", "not JSON"),
        (json.dumps(record(-1)), "trial is -1"),
        (json.dumps(record(2**31 - 1)), "trial is 2147483647"),
        (json.dumps({**record(1), "trial": True}), "trial is True"),
        (json.dumps({**record(1), "trial": 1.0}), "trial is 1.0"),
        (json.dumps({**record(1), "sequences": None}), "sequences is None"),
        (json.dumps({**record(1), "phase": "training"}), "phase is 'training'"),
        (json.dumps(record(5)), r"second record of trial 5, the first is .*0\.jsonl line 1"),
    ],
)
def test_a_line_that_does_not_fit_is_named(line, says, storage, folder):
    with lines(folder).open("ab") as file:
        file.write(line.encode("latin-1") + b"\n")
    with pytest.raises(RunError, match=rf"records\.0\.jsonl line 3 .*{says}") as refusal:
        storage.records()
    one_line(refusal)
    lines(folder).write_bytes(b"\n".join(lines(folder).read_bytes().split(b"\n")[:2]) + b"\n")
    assert storage.records() == [record(5), record(2)]  # as it says


# -- checkpoints ------------------------------------------------------------------------------


def test_a_checkpoint_comes_back_bit_for_bit(storage, folder):
    assert_kept(storage)
    assert_kept(reading(folder))
    with pytest.raises(AssertionError):
        assert_kept(storage, {**STATE, "odd": STATE["odd"] + 1})


def test_the_last_checkpoint_stays_alone(storage, folder):
    later = {**STATE, "weights": STATE["weights"] + 1}
    storage.save(later, IDS + 1)
    storage.save({**later, "weights": jnp.asarray(later["weights"])}, IDS + 1)
    assert_kept(storage, later, IDS + 1)
    assert len(list(folder.glob("checkpoint.*"))) == 1


def test_no_checkpoint_is_none(folder):
    with opened(folder) as storage:
        assert list(storage.load(STATE)) == []


def test_a_full_disk_leaves_the_checkpoint_as_it_was(storage):
    other = {**STATE, "weights": STATE["weights"] + 1}
    with files_up_to(2**16), pytest.raises(RunError, match=r"tiny.*make room") as refusal:
        storage.save(other, IDS)
    assert len(str(refusal.value)) < 500 and "\n" not in str(refusal.value)
    assert_kept(storage)
    storage.save(other, IDS)
    assert_kept(storage, other)


def test_what_was_left_half_written_does_not_count_and_is_removed(folder):
    """As a process leaves it that was killed while it wrote; others may be writing still."""
    gone = ["checkpoint.0.npz.1.part", "checkpoint.2.npz.1.part", "identity.json.1.part"]
    stays = ["checkpoint.1.npz.1.part", "of_a_person.part"]
    with opened(folder, processes=2) as storage:
        storage.save(STATE, IDS)
    for name in gone + stays:
        (folder / name).write_bytes(b"PK half")
    with opened(folder, processes=2) as storage:
        assert_kept(storage)
        assert sorted(p.name for p in folder.glob("*.part")) == sorted(stays)


def emptied(checkpoint: Path):
    checkpoint.write_bytes(b"")


def scrambled(checkpoint: Path):
    checkpoint.write_bytes(checkpoint.read_bytes()[::-1])


def cut(checkpoint: Path):
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])


def flipped(checkpoint: Path):
    content = bytearray(checkpoint.read_bytes())
    content[content.index(STATE["key"].tobytes()) + 5] ^= 1
    checkpoint.write_bytes(content)


def foreign(checkpoint: Path):
    with checkpoint.open("wb") as file:
        np.savez(file, **STATE)


def single(checkpoint: Path):
    with checkpoint.open("wb") as file:
        np.save(file, IDS)


@pytest.mark.parametrize("harm", [emptied, scrambled, cut, flipped, foreign, single])
def test_a_checkpoint_that_cannot_be_read_is_refused(harm, storage, folder):
    path = folder / "checkpoint.0.npz"
    harm(path)
    with pytest.raises(RunError, match=r"checkpoint\.0\.npz is no checkpoint .* remove it") as why:
        list(storage.load(STATE))
    assert "finished ones are kept" in one_line(why)
    assert storage.records() == [record(5), record(2)]
    path.unlink()  # as it says
    assert list(storage.load(STATE)) == []


def test_a_checkpoint_of_more_or_fewer_lanes_is_welcome(storage):
    ((kept, _),) = storage.load({name: leaf[..., :2] for name, leaf in STATE.items()})
    assert kept["weights"].tobytes() == STATE["weights"].tobytes()


@pytest.mark.parametrize(
    "other",
    [
        {**STATE, "more": np.zeros(3)},
        {"key": STATE["key"]},
        {**STATE, "weights": STATE["weights"][:5]},
        {**STATE, "right": STATE["right"].astype(np.float32)},
        {**STATE, "right": np.zeros((2, 3), bool)},
    ],
)
def test_a_checkpoint_of_another_net_is_refused(other, storage):
    with pytest.raises(RunError, match=r"no checkpoint of this run .* remove it"):
        list(storage.load(other))


@pytest.mark.parametrize(
    "state, ids",
    [
        ({**STATE, "right": STATE["right"][:2]}, IDS),
        (STATE, np.array([4, 4, -1])),
        (STATE, IDS[:2]),
        (STATE, IDS.astype(np.float32)),
    ],
)
def test_a_checkpoint_whose_lanes_do_not_fit_is_refused(state, ids, storage):
    storage.save(state, ids)
    with pytest.raises(RunError, match=r"no checkpoint of this run .* remove it"):
        list(storage.load(STATE))


# -- whose folder it is -----------------------------------------------------------------------


def test_a_folder_is_made_and_opened_again(folder):
    with opened(str(folder)):
        assert json.loads((folder / "identity.json").read_text()) == IDENTITY
    with opened(folder) as storage:
        assert storage.folder == folder


@pytest.mark.parametrize(
    "change, says",
    [
        ({"identity": {**IDENTITY["identity"], "seed": 4}}, "identity.seed: 3 there, 4 now"),
        ({"lanes": 8}, "lanes: 4 there, 8 now"),
        ({"key": 8}, "key: None there, 8 now"),
        ({"identity": {}}, "identity: None there, {} now, identity.row: 'tiny' there, None now"),
    ],
)
def test_the_folder_of_another_run_is_refused(change, says, storage, folder):
    with pytest.raises(RunError, match="another run") as refusal:
        storage.claim(lambda: {**IDENTITY, **change}, SETTINGS)
    assert says in one_line(refusal) and str(folder) in str(refusal.value)
    assert "give another folder or remove it" in str(refusal.value)
    assert storage.records() == [record(5), record(2)]


@pytest.mark.parametrize(
    "rates, says",
    [
        ([0.1, 0.25], r"settings\['rate'\] of trial 1: 0\.2\d* there, 0\.25 now"),
        ([0.1, 0.2, np.nan], "of trial 2"),
    ],
)
def test_other_settings_are_refused(rates, says, storage):
    with pytest.raises(RunError, match=says) as refusal:
        storage.claim(lambda: IDENTITY, {"rate": np.float32(rates)})
    one_line(refusal)


def test_more_and_fewer_settings_are_welcome(storage):
    rates = np.float32([0.1, 0.2, 0.3, 0.4])
    for count in (2, 4, 1, 3):
        storage.claim(lambda: IDENTITY, {"rate": rates[:count]})
    with pytest.raises(RunError, match="of trial 3"):  # control: the longest are remembered
        storage.claim(lambda: IDENTITY, {"rate": np.append(rates[:3], np.float32(0.5))})


def test_spoilt_settings_are_refused(storage, folder):
    (folder / "settings.npz").write_bytes(b"PK")
    with pytest.raises(RunError, match=r"settings\.npz .*another folder"):
        storage.claim(lambda: IDENTITY, SETTINGS)


def test_records_of_nobody_knows_what_are_refused(storage, folder):
    (folder / "identity.json").unlink()
    with pytest.raises(RunError, match=r"no identity\.json.*another folder"):
        storage.claim(lambda: IDENTITY, SETTINGS)


@pytest.mark.parametrize("content", [b"", b"{", b"no json", b"\xff\xfe{}", b"[1, 2]", b'"tiny"'])
def test_an_identity_that_is_none_is_refused(content, storage, folder):
    (folder / "identity.json").write_bytes(content)
    with pytest.raises(RunError, match=r"identity\.json .*another folder"):
        storage.claim(lambda: IDENTITY, SETTINGS)
    assert (folder / "identity.json").read_bytes() == content


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match=r"file.*give a folder that can be written"),
        open_storage(tmp_path / "file" / "run"),
    ):
        pass


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match=r"file.*give a folder that can be written"),
        open_storage(tmp_path / "file"),
    ):
        pass


def test_a_read_only_folder_is_refused(folder, monkeypatch):
    """Permissions do not bind every user, so the refusal of the file system is played."""

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with (
        pytest.raises(RunError, match=r"tiny.*Read-only file system.*can be written"),
        open_storage(folder),
    ):
        pass


def test_a_folder_that_is_gone_is_refused(storage, folder):
    shutil.rmtree(folder)
    with pytest.raises(RunError, match="No such file"):
        storage.append(record(9))
    with pytest.raises(RunError):
        storage.save(STATE, IDS)


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with opened(None) as nowhere:
        assert type(nowhere) is Storage
        nowhere.append(record(1))
        nowhere.save(STATE, IDS)
        assert nowhere.records() == [] and list(nowhere.load(STATE)) == []
    assert list(tmp_path.iterdir()) == []


# -- where it is ------------------------------------------------------------------------------


def test_a_folder_is_where_it_was_when_the_run_began(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with opened("run") as storage:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        storage.append(record(1))
        storage.save(STATE, IDS)
    assert lines(tmp_path / "run").exists() and list(Path.cwd().iterdir()) == []


def test_home_and_file_addresses_are_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder_of("~/runs/1") == tmp_path / "runs" / "1"
    assert folder_of("file:///x/a%20b") == folder_of("file://localhost/x/a b") == Path("/x/a b")
    assert folder_of("a:b/c").name == "c"  # a colon is none of an address


@pytest.mark.parametrize(
    "wrong",
    ["gs://bucket/run", Path("gs://bucket/run"), "s3://b", "https://x/y", "file://host/x", "", b"x",
     "a\0b", "~nobody.of.that.name/x"],
)  # fmt: skip
def test_what_is_no_folder_of_this_machine_is_refused(wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(wrong, "expected .*folder")
    assert list(tmp_path.iterdir()) == []


# -- one at a time ----------------------------------------------------------------------------

HOLD = """
import sys, time
from lstm_jax.trials.storage import open_storage
with open_storage(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])):
    print("held", flush=True)
    time.sleep(100)
"""


@contextlib.contextmanager
def held_by_another(folder: Path, process: int, processes: int):
    command = [sys.executable, "-c", HOLD, str(folder), str(process), str(processes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "held\n"
            yield child
        finally:
            child.kill()


def test_a_second_process_is_refused_until_the_first_dies(folder):
    with held_by_another(folder, 0, 1) as child:
        assert str(folder) in refused(folder, "another process is at work .*wait")
        child.kill()
        child.wait()
        with opened(folder) as storage:
            assert storage.records() == []


def test_processes_of_one_run_share_a_folder_and_no_others_do(folder):
    with held_by_another(folder, 1, 2):
        with open_storage(folder, 0, 2):
            pass
        for process, processes in ((1, 2), (0, 1), (2, 3)):
            refused(folder, r"run\.1\.of\.2\.lock is held", process, processes)


def test_a_second_thread_is_refused(storage, folder):
    said = []

    thread = threading.Thread(target=lambda: said.append(refused(folder, "at work")))
    thread.start()
    thread.join()
    assert said and storage.records() == [record(5), record(2)]


def test_a_folder_is_free_again_when_a_run_failed(folder):
    with pytest.raises(KeyError), open_storage(folder):
        raise KeyError
    with open_storage(folder):
        pass


def test_where_there_is_no_flock_bytes_are_locked(folder, monkeypatch):
    """As on Windows, whose module is played."""
    held = set()

    def locking(descriptor, mode, size):
        found = os.readlink(f"/proc/self/fd/{descriptor}")
        if found in held:
            raise PermissionError(13, "Permission denied")
        held.update({found} if not found.endswith("run.lock") else ())

    windows = SimpleNamespace(locking=locking, LK_LOCK=1, LK_NBLCK=2)
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", windows)
    with open_storage(folder):
        refused(folder, "at work")
