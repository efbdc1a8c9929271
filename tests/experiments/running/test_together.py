"""Several processes on one job: they divide its trials, and leave the result of one process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.__main__ import main
from experiments.common.errors import UserError
from experiments.running import together
from tests.support.ports import free_port

ROOT = Path(__file__).parents[3]
TRIALS = 6
WHAT = ["run", "xor-10", "--trials", str(TRIALS), "--lanes", "2", "--set", "test=40", "T=10"]


def start(folder: Path, processes: int, cap: int) -> list[subprocess.Popen]:
    options = ["--folder", str(folder), "--coordinator", f"localhost:{free_port()}"]
    options += ["--processes", str(processes)]
    return [
        subprocess.Popen(
            [sys.executable, "-m", "experiments", *WHAT, f"cap={cap}", *options,
             "--process", str(i)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for i in range(processes)
    ]  # fmt: skip


def result_of(folder: Path) -> dict:
    (path,) = (folder / "results").glob("*.json")
    return json.loads(path.read_text())


def alone(folder: Path, cap: int) -> dict:
    command = [sys.executable, "-m", "experiments", *WHAT, f"cap={cap}", "--folder", str(folder)]
    subprocess.run([*command, "--workers", "1"], cwd=ROOT, check=True, capture_output=True)
    return result_of(folder)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_the_result_is_that_of_one_process(processes, tmp_path):
    children = start(tmp_path / "together", processes, cap=500)
    said = [child.communicate(timeout=300) for child in children]
    assert [child.returncode for child in children] == [0] * processes, said
    assert len(said[0][0].splitlines()) == 1 and f"of {TRIALS} solved" in said[0][0]
    assert not any(out for out, _ in said[1:])  # one speaks for all
    found = result_of(tmp_path / "together")
    assert found["records"] == alone(tmp_path / "alone", cap=500)["records"]
    (work,) = (tmp_path / "together" / "runs").iterdir()
    shares = [len(p.read_text().splitlines()) for p in work.glob("records.*.jsonl")]
    assert len(shares) == processes and max(shares) - min(shares) <= 1


@pytest.mark.slow
def test_where_one_dies_the_next_start_goes_on(tmp_path):
    children = start(tmp_path / "together", 2, cap=20_000)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "together").glob("runs/*/records.*.jsonl")):
        assert time.monotonic() < deadline and all(c.poll() is None for c in children)
        time.sleep(0.05)
    children[0].send_signal(signal.SIGKILL)  # the coordinator
    time.sleep(0.5)
    for child in children:
        child.kill()
        child.communicate()
    assert not (tmp_path / "together" / "results").exists()
    again = start(tmp_path / "together", 3, cap=20_000)
    said = [child.communicate(timeout=300) for child in again]
    assert [child.returncode for child in again] == [0] * 3, said
    records = result_of(tmp_path / "together")["records"]
    assert records == alone(tmp_path / "alone", cap=20_000)["records"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--processes", "2"], "go together; add --coordinator"),
        (["--coordinator", "localhost:1", "--processes", "2", "--process", "2"], "from 0 to 1"),
        *(
            (["--coordinator", where, "--processes", "1", "--process", "0"], "expected HOST:PORT")
            for where in ("foo", "foo:bar", "localhost:99999", "localhost:0", ":1", "")
        ),
    ],
)
def test_what_does_not_go_together_is_told(words, says, tmp_path, capsys):
    assert main(["run", "6a", *words, "--folder", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err


def test_a_cluster_that_is_not_there_is_told():
    """In a process of its own: what is tried once cannot be tried again."""
    ask = "from experiments.running.together import join\njoin(True)"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True)
    assert "UserError: JAX cannot join the other processes" in done.stderr


def test_names_of_files_are_of_their_processes():
    assert together.name_of("weights.npz", 0) == "weights.npz"
    assert together.name_of("weights.npz", 3) == "weights.3.npz"
    assert together.name_of("lock", 2) == "lock.2"
    with pytest.raises(UserError, match="go together"):
        together.join(False, process=1)
