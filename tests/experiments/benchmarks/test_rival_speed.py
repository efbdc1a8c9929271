"""What `bench --rivals` returns and shows, and its laws; no time is asserted."""

import json

import pytest

from experiments.__main__ import main
from experiments.benchmarks import rival_speed, speed_tables
from experiments.benchmarks.other_libraries import MISSING
from experiments.benchmarks.plain_loops import LOOPS
from experiments.benchmarks.rival_speed import (
    ROWS_BESIDE,
    exponents,
    find,
    long_lag,
    numbers_carried,
)
from experiments.benchmarks.stopwatch import Sample
from experiments.paper.tables import ROWS
from tests.support.shown import shown

# ---------------------------------------------------------------- laws


def goes_with(costs, least, most) -> bool:
    """Whether the cost goes with the size to such a power, between all successive sizes."""
    return all(least <= e <= most for e in exponents(costs))


def test_exponents():
    assert exponents({"2": 16.0, "4": 256.0, "8": 256.0}) == [4.0, 0.0]
    assert goes_with({"1": 5, "10": 50}, 1, 1) and not goes_with({"1": 5, "10": 5}, 1, 1)


@pytest.fixture(scope="module")
def memory():
    return {
        rule: {str(T): rival_speed.scratch(rule, T) for T in (100, 1000)}
        for rule in rival_speed.KEPT
    }


def test_what_is_carried_forward_takes_the_same_memory_for_any_length(memory):
    for rule in ("rtrl", "online"):
        assert len(set(memory[rule].values())) == 1 and min(memory[rule].values()) > 0
    assert len(set(memory["bptt"].values())) == 2  # control


def test_bptt_takes_memory_with_the_length(memory):
    assert goes_with(memory["bptt"], 0.9, 1.1)
    assert not goes_with(memory["rtrl"], 0.9, 1.1)  # control


def test_rtrl_carries_every_unit_by_every_weight_where_all_hear_all():
    counted = {str(n): numbers_carried(rival_speed.dense(n)) for n in (16, 32, 64)}
    for n, numbers in counted.items():
        assert numbers["carried"] == int(n) * numbers["weights"]
    assert goes_with({n: c["multiplications"] for n, c in counted.items()}, 3.8, 4)


def test_rtrl_carries_the_weights_of_the_one_recurrent_unit_alone():
    counted = {str(p): numbers_carried(long_lag("RTRL", p)) for p in (4, 10, 100)}
    for p, numbers in counted.items():
        assert numbers["weights"] == (int(p) + 2) ** 2
        assert numbers["carried"] == int(p) + 1 + 1  # symbols, and itself
        assert numbers["carried"] < numbers["weights"]  # control: what is not carried
    work = {p: numbers["multiplications"] for p, numbers in counted.items()}
    assert goes_with(work, 0.5, 1) and not goes_with(work, 1.5, 4)


# ---------------------------------------------------------------- the bench


def test_rows_are_found_or_made():
    assert find("2a-rtrl-4-1") is ROWS["2a-rtrl-4-1"]
    for method in ("bptt", "chunker"):
        made, like = find(f"2a-{method}-4-1"), ROWS[f"2a-{method}-100-1"]
        assert made.training.task().inputs == made.net.inputs == made.net.outputs == 5
        assert made.method == like.method
        assert made.training.every_step == like.training.every_step
    assert {rival_speed.loop_of(find(name)) for name in ROWS_BESIDE} == set(LOOPS)


def test_loops_read_what_is_told_of_a_sequence():
    for name, told in (("2a-bptt-4-1", -1), ("guess-3a-100-3", 0)):
        for one, length in rival_speed.drawn(find(name), 5):
            assert len(one.inputs) == length + told
            assert len(one.targets) == (len(one.inputs) if told else 1)


def fake_block(row, width, seconds):
    return {"ns": 100.0, "cpu_ns": 50.0, "sequences": 7, "repetitions": 3, "steps": 12.0}


def fake_fastest(prepare, run, seconds):
    run(prepare(), 1)
    return Sample(1.0, 1.0, 1, 3)


@pytest.fixture
def faked(monkeypatch):
    monkeypatch.setattr(rival_speed, "time_block", fake_block)
    monkeypatch.setattr(rival_speed, "fastest", fake_fastest)
    monkeypatch.setattr(rival_speed, "scratch", lambda rule, T: T if rule == "bptt" else 9)
    monkeypatch.setattr(rival_speed, "DRAWN", 2)
    monkeypatch.setattr(rival_speed, "ROWS_BESIDE", ("2a-rtrl-4-1", "2a-bptt-4-1"))
    monkeypatch.setattr(rival_speed, "find_spec", lambda name: None)
    monkeypatch.setattr(
        rival_speed,
        "time_cascade",
        lambda row, seconds: {
            "method": "RCC",
            "ours": fake_block(row, 1, seconds),
            "loops": {"NumPy": {"ns": 3e5, "cpu_ns": 3e5}},
            "ratios": {"NumPy": 3000.0},
        },
    )


def text(table) -> str:
    return shown(table)


def test_the_result_is_complete_and_json_can_hold_it(faked):
    result = rival_speed.bench(0.01)
    assert json.loads(json.dumps(result)) == result
    assert set(result) == {
        *("machine", "seconds", "lanes", "dense", "one_unit", "memory", "rivals")
    }
    assert list(result["dense"]) == [str(n) for n in rival_speed.UNITS]
    assert {"ns", "weights", "carried", "all", "multiplications"} <= set(result["dense"]["4"])
    rivals = result["rivals"]
    assert list(rivals) == ["2a-rtrl-4-1", "2a-bptt-4-1", "guess-3a-100-3", "1-rcc"]
    assert rivals["2a-bptt-4-1"]["loops"]["torch"] == MISSING
    assert "torch" not in rivals["2a-rtrl-4-1"]["loops"]
    for name in ("2a-rtrl-4-1", "2a-bptt-4-1"):  # a second for a sequence of 5 steps
        assert rivals[name]["loops"]["NumPy"]["ns"] == 2e8
        assert rivals[name]["ratios"] == {"NumPy": 2e6}
    shown = text(speed_tables.rivals_table(result))
    for word in ("35,840", "10,000 steps", MISSING, "(3,000.0x)", "guessing", "Not a quiet core"):
        assert word in shown


def test_rivals_have_no_peers(capsys):
    assert main(["bench", "--rivals", "--peers"]) == 2
    assert "--rivals" in capsys.readouterr().err
