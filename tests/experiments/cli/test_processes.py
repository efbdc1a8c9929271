"""What shows in processes of their own only: backends, devices, pipes."""

import subprocess
import sys

import pytest

from tests.experiments.processes import CPU, ROOT, finished, started

WALK = """
import importlib, pkgutil
import jax
from jax._src import xla_bridge

def every(name):
    module = importlib.import_module(name)
    for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if found.name != "__main__":
            every(f"{{name}}.{{found.name}}")

every("lstm_jax")
every("experiments")
{more}
assert not xla_bridge._backends, "a backend was started"
jax.config.update("jax_num_cpu_devices", 3)
print(len(jax.devices()))
"""


def test_importing_everything_starts_no_backend():
    _, out, err = finished("-c", WALK.format(more=""))
    assert out == "3\n", err


def test_control_a_module_that_computes_is_noticed():
    _, _, err = finished("-c", WALK.format(more="jax.numpy.zeros(3)"))
    assert "a backend was started" in err


def test_two_devices(tmp_path):
    options = ["--trials", "4", "--lanes", "2", "--budget", "0.01", "--folder", str(tmp_path)]
    status, out, err = finished("-m", "experiments", "run", "6a", "--devices", "2", *options)
    assert (status, err) == (0, "") and "0 of 4 trials over" in out


@pytest.mark.parametrize(
    "command", [["report"], ["report", "--format", "csv"], ["list"], ["list", "--json"]]
)
def test_a_reader_that_goes_away_is_no_error(command):
    with started("-m", "experiments", *command) as process:
        process.stdout.close()  # before anything is written
        err = process.stderr.read()
        assert process.wait(60) == 141 and err == ""


def test_a_full_disk_below_the_output():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "experiments", "list", "--json"]
        done = subprocess.run(
            command, cwd=ROOT, env=CPU, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
