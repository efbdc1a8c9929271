"""What `bench --accelerator` returns and shows; how long anything takes is not asserted."""

import json

import jax
import pytest

from experiments.__main__ import main
from experiments.benchmarks import accelerator, speed_tables
from tests.support.shown import shown

OUT_OF_MEMORY = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.\nmore words"


def text(result) -> str:
    return shown(speed_tables.accelerator_table(result))


def failing(message: str):
    def fastest(prepare, run, seconds):
        raise jax.errors.JaxRuntimeError(message)

    return fastest


@pytest.fixture(autouse=True)
def one_rule(monkeypatch):
    monkeypatch.setattr(accelerator, "RULES", {})


def test_blocks_are_timed_and_weighed():
    result = accelerator.bench((2, 20), 0.01)
    assert json.loads(json.dumps(result)) == result
    timed = result["rules"]["traces"]
    assert timed["2"]["us"] == pytest.approx(2e-3 * timed["2"]["ns"], abs=1e-3)
    assert 8 < timed["20"]["bytes"] / timed["2"]["bytes"] < 11  # what lanes share is little
    shown = text(result)
    for word in ("Row 4-100", result["machine"]["device"], f"{timed['20']['bytes']:,}"):
        assert word in shown


def test_what_the_memory_does_not_hold_is_said(monkeypatch):
    monkeypatch.setattr(accelerator, "fastest", failing(OUT_OF_MEMORY))
    result = accelerator.bench((2,), 0.01)
    assert result["rules"]["traces"] == {"2": {"refused": OUT_OF_MEMORY.splitlines()[0]}}
    assert "out of memory" in text(result)


def test_other_errors_are_errors(monkeypatch):
    monkeypatch.setattr(accelerator, "fastest", failing("INTERNAL: broken"))
    with pytest.raises(jax.errors.JaxRuntimeError, match="broken"):
        accelerator.bench((2,), 0.01)


def test_one_measurement_at_a_time(capsys):
    assert main(["bench", "--accelerator", "--peers"]) == 2
    assert "--accelerator" in capsys.readouterr().err
