"""What `bench` returns and shows; how long anything takes is not asserted."""

import json
import os
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks import engine, other_libraries, speed_tables, trial_speed
from experiments.methods.build import build
from experiments.methods.trial_settings import settings
from experiments.paper.tables import ROWS
from lstm_jax.gradients.bptt import bptt
from lstm_jax.training.config import LaneConfigs
from lstm_jax.training.trial import _draw
from tests.support.shown import shown

LANES = (1, 10, 32)


def fake_block(row, width, seconds, rule=None):
    """A block takes 100 ns per trial and step alone, 5 more for every other lane; rules thrice."""
    ns = (95.0 + 5 * width) / width * (3 if rule else 1)
    return {"ns": ns, "cpu_ns": ns / 2, "sequences": 7, "repetitions": 3, "steps": 105.0}


def fake_peer(name, lanes, seconds, flags):
    timed = {"ns": 1000.0 if flags else 2000.0, "cpu_ns": 1.0, "sequences": 1, "repetitions": 3}
    return {str(n): timed for n in lanes}


def faked(monkeypatch, **fakes):
    monkeypatch.setattr(trial_speed, "time_block", fake_block)
    monkeypatch.setattr(
        trial_speed,
        "time_refilled",
        lambda numbers, seconds, block: {str(n): {**block, "lanes_used": 0.5} for n in numbers},
    )
    for name, fake in fakes.items():
        monkeypatch.setattr(other_libraries, name, fake)


def text(result):
    return shown(speed_tables.table(result))


def test_the_result_is_complete_and_json_can_hold_it(monkeypatch):
    faked(monkeypatch, find_spec=lambda name: name, version=lambda name: "9.9", ask_peer=fake_peer)
    result = trial_speed.bench(LANES, 0.01, True)
    assert json.loads(json.dumps(result)) == result
    assert set(result) == {
        *("machine", "row", "seconds", "width", "ours", "exact", "as_run", "rules", "widths"),
        *("refilled", "lengths", "symbols", "peers", "ratios"),
    }
    machine = result["machine"]
    assert {"cpu", "core", "flags", "versions", "date", "load", "load_after"} <= set(machine)
    assert machine["flags"] == os.environ["XLA_FLAGS"] != ""
    assert set(result["refilled"]) == {"100", "1000"}
    assert set(result["lengths"]) == {"100", "500", "1000"} and "200-4000" in result["symbols"]
    assert [t["width"] for t in result["as_run"].values()] == [16, 16, 32]
    assert [t["width"] for t in result["exact"].values()] == [1, 10, 32]
    assert list(result["peers"]["torch"]["best"]) == ["1"]
    shown = text(result)
    for word in (
        "flax 9.9 OptimizedLSTMCell",
        "1,000.0  (10.0x)",
        "under our XLA flags",
        "q=200, p=4000",
    ):
        assert word in shown


def test_ratios_and_idle_lanes(monkeypatch):
    faked(monkeypatch, find_spec=lambda name: name, version=lambda name: "9.9", ask_peer=fake_peer)
    result = trial_speed.bench(LANES, 0.01, True)
    # 16 lanes take 175 in all, so that 10 trials in them take 17.5; 10 lanes take 14.5
    assert result["as_run"]["10"]["ns"] == pytest.approx(17.5, abs=0.01)
    assert result["ours"]["10"]["ns"] == result["exact"]["10"]["ns"] == 14.5
    ratios = result["ratios"]
    assert set(ratios) == {
        *trial_speed.RULES,
        *(p + s for p in other_libraries.PEERS for s in ("", ", no flags")),
    }
    assert ratios["by_definition"] == {"1": 3, "10": 3, "32": 3}
    assert ratios["flax"]["1"] == 10 and ratios["flax, no flags"]["1"] == 20
    assert ratios["equinox"]["10"] == pytest.approx(1000 / 14.5, abs=0.01)
    assert ratios["torch"] == ratios["torch, no flags"] == {"1": 20}


def test_peers_that_are_missing_or_fail(monkeypatch):
    faked(monkeypatch, find_spec=lambda name: None)
    result = trial_speed.bench((1,), 0.01, True)
    assert result["peers"] == dict.fromkeys(other_libraries.PEERS, "not installed (make peers)")
    assert set(result["ratios"]) == set(trial_speed.RULES)
    assert text(result).count("not installed (make peers)") == 3
    faked(monkeypatch, find_spec=lambda name: name, ask_peer=lambda *_: "failed: no memory")
    assert "flax: failed: no memory" in text(trial_speed.bench((1,), 0.01, True))
    assert trial_speed.bench((1,), 0.01, False)["peers"] == {}


def test_a_peer_is_asked_in_a_process_of_its_own():
    answer = other_libraries.ask_peer("abacus", (1,), 0.01, "")
    assert answer.startswith("failed: ") and "invalid choice: 'abacus'" in answer


def test_real_blocks(monkeypatch):
    made = trial_speed.engine(ROWS["4-100"], 2, cap=16)  # compiled once for all of this
    monkeypatch.setattr(trial_speed, "WIDTH", 2)
    monkeypatch.setattr(trial_speed, "engine", lambda *_, cap=None: made)
    one = trial_speed.time_block(ROWS["4-100"], 2, 0.01)
    assert one["ns"] > 0 and one["cpu_ns"] > 0 and one["repetitions"] >= 3
    assert one["steps"] == pytest.approx(105, abs=0.5)
    many = trial_speed.time_refilled((3, 5), 1e-3, {"ns": 100.0, "steps": 105.0}).values()
    assert [t["lanes_used"] for t in many] == [0.75, 0.833]
    assert [t["sequences"] for t in many] == [16, 16]  # 1e-3 s for 3 x 2 x 105 steps
    assert all(t["ns"] > 0 for t in many)


def test_any_number_of_symbols():
    row = trial_speed.with_symbols(200, 4000)
    task = row.training.task()
    assert row.name == "2c-200-4000"
    assert (
        row.net.inputs == task.inputs == 4004
        and task.steps == ROWS["2c-200-200"].training.task().steps
    )


def test_peers_see_the_sequences_that_our_trials_see():
    none = jnp.zeros(2, jnp.int32)

    @jax.jit
    def fifth():
        keys = [jax.random.fold_in(jax.random.key(engine.SEED), i) for i in range(2)]
        state = SimpleNamespace(
            settings=None,
            key=jnp.stack([jax.random.key_data(key) for key in keys], axis=-1),
            phase=none,
            sequences=none + 5,
            tally=SimpleNamespace(sequences=none),
        )
        config = build(ROWS["4-100"])(settings(ROWS["4-100"]))
        drawn = _draw(LaneConfigs(lambda _: config, None, 1), state)
        return drawn, other_libraries.training_sequence(keys[1], 5)

    ours, theirs = fifth()
    assert int(theirs.length) == int(ours.length[1])
    assert np.array_equal(theirs.inputs, ours.inputs[..., 1])
    assert np.array_equal(theirs.targets, ours.targets[..., 1])


def test_a_peer_trains():
    def apply(params, inputs, length):
        return params @ inputs[length - 1]

    net = other_libraries.Net(lambda key: jax.random.normal(key, (1, 2)), apply)
    sample = other_libraries.time_jax(net, 2, 1e-3)
    assert sample.seconds > 0 and sample.repetitions >= 3
    assert set(trial_speed.RULES.values()) >= {bptt}
