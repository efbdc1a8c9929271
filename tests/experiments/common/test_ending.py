"""Signals end a process at any time, with one line, and its workers with it."""

import signal
import subprocess
import sys
import time

import pytest

from tests.experiments.processes import ANNOUNCING, ended, finished, started, wait_for

SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
ASKED = "from experiments.common.ending import *; end_when_asked(); print('ready', flush=True);"
DEAF = "import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 2 * 10**9)"  # one instruction


def one_line(err: str, number: int) -> bool:
    name = signal.Signals(number).name
    return err == f"ended by {name}; run the same command again to go on\n"


def after_its_first_line(
    code: str, *words: str, number: int = signal.SIGTERM, later_s: float = 0
) -> tuple[int, str]:
    """Status and errors of a process that gets a signal, twice, when it has said something."""
    with started("-c", code, *words) as process:
        process.stdout.readline()
        time.sleep(later_s)
        process.send_signal(number)
        process.send_signal(number)
        return ended(process)


@pytest.mark.parametrize("number, status", SIGNALS)
@pytest.mark.parametrize("work", ["import time; time.sleep(60)", DEAF])
def test_a_signal_ends_a_process_at_work(work, number, status):
    code, err = after_its_first_line(ASKED + work, number=number, later_s=0.5)
    assert code == status and one_line(err, number)


def test_control_a_deaf_process_that_has_a_handler_only():
    asked = "import signal; signal.signal(15, lambda *_: exit(143)); print(flush=True);"
    with started("-c", asked + DEAF) as process:
        process.stdout.readline()
        time.sleep(1)  # until the instruction has begun
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)


@pytest.mark.parametrize("module", ["jax", "optax", "experiments.running.workers"])
def test_a_signal_ends_a_process_that_still_imports(tmp_path, module):
    command = ["run", "6a", "--workers", "1", "--folder", str(tmp_path)]
    code, err = after_its_first_line(ANNOUNCING.format(module=module), *command)
    assert code == 143 and one_line(err, signal.SIGTERM)


def test_an_end_that_cannot_be_raised_is_no_traceback():
    work = "class A:\n def __del__(self): os.kill(os.getpid(), 15)\nA(); time.sleep(60)"
    code, _, err = finished("-c", f"import os, time; {ASKED}\n{work}")
    assert code == 143 and one_line(err, signal.SIGTERM)


def test_an_end_waits_for_what_belongs_together():
    work = "with not_now():\n os.kill(os.getpid(), 15); print('whole')\nprint('beyond')"
    code, out, _ = finished("-c", f"import os; {ASKED}\n{work}")
    assert (code, out) == (143, "ready\nwhole\n")


def test_an_ignored_signal_stays_ignored():
    work = f"signal.signal(1, signal.SIG_IGN); {ASKED} os.kill(os.getpid(), 1); print('on')"
    assert finished("-c", f"import os, signal; {work}") == (0, "ready\non\n", "")


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_with_their_process(tmp_path):
    command = ["run", "6a", "6b", "--workers", "2", "--lanes", "64", "--folder", str(tmp_path)]
    with started("-m", "experiments", *command) as process:
        wait_for(lambda: len(list(tmp_path.glob("runs/*/identity.json"))) == 2)
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            children = [int(pid) for pid in file.read().split()]
        assert len(children) == 2 and all(map(alive, children))
        process.terminate()
        code, err = ended(process)
        assert code == 143 and one_line(err, signal.SIGTERM)
        assert not any(map(alive, children))
