"""What `bench --speakers` returns and shows; how long anything takes is not asserted."""

import json

import pytest

from experiments.__main__ import main
from experiments.benchmarks import other_libraries, speaker_speed, speed_tables
from tests.support.shown import shown


def bench_of(monkeypatch, **done):
    monkeypatch.setattr(speaker_speed, "find_spec", lambda name: name == "lstm_jax" or None)
    monkeypatch.setattr(other_libraries.subprocess, "run", lambda *_, **__: type("Done", (), done))
    return speaker_speed.bench()


def test_a_process_a_library(monkeypatch):
    found = bench_of(monkeypatch, returncode=0, stdout="[0.5, 1.0]\n")
    assert json.loads(json.dumps(found)) == found
    assert found["libraries"]["lstm_jax"]["trials"] == 2
    assert found["libraries"]["torch"] == "not installed (make peers)"
    text = shown(speed_tables.speakers_table(found))
    for word in ("lstm_jax", "75.0", "not installed (make peers)"):
        assert word in text


def test_what_fails_says_so(monkeypatch):
    found = bench_of(monkeypatch, returncode=1, stderr="Traceback\nUserError: make data\n")
    assert found["libraries"]["lstm_jax"] == "failed: UserError: make data"


def test_torch_learns_to_tell_them_apart(monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("aeon")
    monkeypatch.setattr(speaker_speed, "TORCH_TRIALS", 1)
    monkeypatch.setattr(speaker_speed, "TORCH_EPOCHS", 3)
    (share,) = speaker_speed.MAKE["torch"]()
    assert 0.5 < share <= 1


def test_one_measurement_at_a_time(capsys):
    assert main(["bench", "--layers", "--speakers"]) == 2
    assert "--speakers" in capsys.readouterr().err
