"""Real processes that are killed or interrupted, and go on to the same records."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import pytest

from tests.library.trials.tiny import EVERY, NUMBER, compiled_once, kept, pace, run, texts
from tests.support.ports import free_port
from tests.support.slow import slow

ROOT = Path(__file__).parents[3]


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


def process(*arguments, programs: Path) -> subprocess.Popen:
    """The tiny trials in a process of its own, with programs compiled on its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JAX_COMPILATION_CACHE_DIR": str(programs),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return subprocess.Popen(
        [sys.executable, Path(__file__).with_name("process.py"), *map(str, arguments)],
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
        said, errors = last.communicate(timeout=600)
    assert last.returncode == 0, errors
    first = said_by(said.splitlines()[0])
    assert said.splitlines()[-1] == f"returned {NUMBER}"
    assert first[0] >= before[0] and first[1] > before[1] > 0, "it did not begin where it was"
    assert texts(kept(folder)) == texts(reference.records)
    assert texts(kept(folder)) != texts(run(key=jax.random.key(8)).records)


# -- several processes ------------------------------------------------------------------------


def together(folder: Path, *options, programs: Path) -> list[subprocess.Popen]:
    """Both processes of a distributed run."""
    port = free_port()
    return [
        process(folder, 1, "--process", i, 2, "--port", port, *options, programs=programs)
        for i in (0, 1)
    ]


def end(children: list[subprocess.Popen]) -> None:
    for child in children:
        child.kill()
        child.communicate()


def all_kept(folder: Path) -> list[dict]:
    return [r for path in folder.glob("records.*.jsonl") for r in kept(folder, _number(path))]


def _number(path: Path) -> int:
    return int(path.name.split(".")[1])


def cut_short(moments: random.Random, folder: Path, programs: Path) -> None:
    """Start both, kill one of them at a random moment, and then the other."""
    children = together(folder, "--slow", "--chunks", 3, programs=programs)
    try:
        victim = moments.choice(children)
        if moments.random() < 0.7:
            for _ in range(moments.randrange(1, 4)):
                victim.stdout.readline()
            time.sleep(moments.uniform(0, 0.1))
        else:
            time.sleep(moments.uniform(0, 8))  # while it starts
        victim.kill()
        assert victim.wait() == -signal.SIGKILL, victim.stderr.read()
        time.sleep(moments.choice([0, 0.5]))
    finally:
        end(children)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_processes_of_which_any_is_killed_go_on_to_the_same_records(
    kills, reference, tmp_path, programs
):
    """A distributed run; the first process coordinates it."""
    moments = random.Random(kills)
    for _ in range(kills):
        cut_short(moments, tmp_path, programs)
    children = together(tmp_path, programs=programs)
    try:
        ends = [child.communicate(timeout=600) for child in children]
    finally:
        end(children)
    returned = []
    for i, (child, (said, errors)) in enumerate(zip(children, ends, strict=True)):
        assert child.returncode == 0, errors
        assert sorted(texts(kept(tmp_path, i))) == EVERY[i::2]
        returned.append(int(said.split()[-1]))
    assert max(returned) == NUMBER and min(returned) >= NUMBER / 2
    assert texts(all_kept(tmp_path)) == {**texts(all_kept(tmp_path)), **texts(reference.records)}
    assert sorted(texts(all_kept(tmp_path))) == EVERY


def test_the_next_run_may_have_another_number_of_processes(reference, tmp_path, programs):
    cut_short(random.Random(3), tmp_path, programs)
    with process(tmp_path, 1, programs=programs) as last:
        said, errors = last.communicate(timeout=600)
    assert last.returncode == 0 and said.splitlines()[-1] == f"returned {NUMBER}", errors
    found = texts(all_kept(tmp_path))
    assert found == {**found, **texts(reference.records)} and sorted(found) == EVERY


# -- interrupted ------------------------------------------------------------------------------


def interrupted(child: subprocess.Popen, number: signal.Signals) -> str:
    """Send a signal and see that it has its way; what was said of it."""
    child.send_signal(number)
    _, errors = child.communicate(timeout=600)
    assert child.returncode == -number, errors
    (line,) = [line for line in errors.splitlines() if line.startswith(number.name)]
    return line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_makes_a_checkpoint_and_has_its_way(number, reference, tmp_path, programs):
    """No other checkpoint is made here."""
    folder = tmp_path / "run"
    with process(folder, 1, "--slow", "--rarely", programs=programs) as child:
        before = [said_by(child.stdout.readline()) for _ in range(4)][-1]
        line = interrupted(child, number)
    told = re.search(r"(\d+) of 40 trials are recorded, (\d+) under way are kept in (\S+);", line)
    assert int(told[1]) == len(kept(folder)) >= before[0] and told[3] == str(folder)
    assert "start the same run again to go on" in line and (folder / "checkpoint.0.npz").exists()
    with process(folder, 1, "--slow", programs=programs) as last:
        said, errors = last.communicate(timeout=600)
    assert last.returncode == 0, errors
    assert said_by(said.splitlines()[0])[1] > before[1], "it did not begin where it was"
    assert texts(kept(folder)) == texts(reference.records)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after_s", slow((0.3, 2.0), [2.0]))
def test_a_signal_while_it_compiles_has_its_way(number, after_s, reference, tmp_path):
    folder = tmp_path / "run"
    with process(folder, 1, "--slow", "--tell", programs=tmp_path / "none") as child:
        assert child.stdout.readline() == "compiling\n"
        time.sleep(after_s)
        line = interrupted(child, number)
    assert "start the same run again to go on" in line
    assert texts(run(folder=folder).records) == texts(reference.records)


def test_a_signal_reaches_who_listened_before(reference, tmp_path, capfd):
    """If that does not end the process, the run goes on; without a folder nothing is changed."""
    heard, begun = [], []

    def send(progress):
        begun.append(progress)
        if len(begun) in (1, 3):
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(len(begun)))
    try:
        assert texts(run(folder=tmp_path, on_chunk=send).records) == texts(reference.records)
        assert heard == [1, 3] and capfd.readouterr().err.count("SIGTERM: ") == 2
        begun.clear()
        assert texts(run(on_chunk=send).records) == texts(reference.records)
        assert heard == [1, 3, 1, 3] and capfd.readouterr().err == ""
        os.kill(os.getpid(), signal.SIGTERM)
        assert len(heard) == 5
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_is_ignored_stays_ignored(tmp_path, capfd):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        records = run(
            folder=tmp_path, on_chunk=lambda _: os.kill(os.getpid(), signal.SIGINT)
        ).records
        assert len(records) == NUMBER and capfd.readouterr().err == ""
    finally:
        signal.signal(signal.SIGINT, before)


def test_elsewhere_than_in_the_main_thread_nothing_is_changed(tmp_path):
    handlers = []
    thread = threading.Thread(
        target=lambda: run(
            folder=tmp_path, number=2, on_chunk=lambda _: handlers.append(_handlers())
        )
    )
    before = _handlers()
    thread.start()
    thread.join()
    assert handlers and all(one == before for one in handlers)
    run(folder=tmp_path, number=3, on_chunk=lambda _: handlers.append(_handlers()))  # control
    assert handlers[-1] != before == _handlers()


def _handlers():
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
