"""What `bench --layers` returns and shows; how long anything takes is not asserted."""

import json

import numpy as np
import pytest

from experiments.__main__ import main
from experiments.benchmarks import layer_speed, other_libraries, speed_tables
from tests.support.shown import shown

SIZE = (5, 3, 2, 4)


@pytest.mark.parametrize("kind", layer_speed.KINDS)
@pytest.mark.parametrize("name", ["lstm_jax", "flax"])
def test_every_library_runs_the_layer_that_is_asked_for(name, kind):
    forward, training = layer_speed.MAKE[name](kind, SIZE)
    outputs = np.asarray(forward())
    assert sorted(outputs.shape) == sorted((5, 3, 4)) and np.abs(outputs).max() < 1
    error, grads = training()
    assert np.isfinite(error) and grads is not None


def test_programs_of_their_own_under_one_allocator(monkeypatch):
    monkeypatch.setattr(layer_speed, "SIZES", (SIZE,))
    seen = {}

    def run(command, env, **more):
        seen.update(env)
        numbers = {layer_speed.label(k, SIZE): {"forward": 1.0, "training": 4.0} for k in ("lstm",)}
        return type("Done", (), {"returncode": 0, "stdout": json.dumps(numbers)})

    monkeypatch.setattr(other_libraries.subprocess, "run", run)
    found = layer_speed.bench(0.01, ("lstm_jax", "flax"))
    assert json.loads(json.dumps(found)) == found
    assert seen["XLA_FLAGS"] == "" and layer_speed.ALLOCATOR.items() <= seen.items()
    text = shown(speed_tables.layers_table(found))
    for word in ("lstm 5x3x2x4", "4.00 (1.00x)", "MALLOC_TRIM_THRESHOLD_"):
        assert word in text


def test_a_library_that_fails_or_is_not_there_says_so(monkeypatch):
    monkeypatch.setattr(layer_speed, "find_spec", lambda name: None if name == "torch" else name)
    failed = type("Done", (), {"returncode": 1, "stderr": "Traceback\nValueError: broken\n"})
    monkeypatch.setattr(other_libraries.subprocess, "run", lambda *_, **__: failed)
    found = layer_speed.bench(0.01, ("flax", "torch"))["libraries"]
    assert found == {"flax": "failed: ValueError: broken", "torch": "not installed (make peers)"}


def test_one_measurement_at_a_time(capsys):
    assert main(["bench", "--layers", "--peers"]) == 2
    assert "--layers" in capsys.readouterr().err
