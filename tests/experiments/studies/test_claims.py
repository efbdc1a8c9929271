"""Claims: judged by what the results say, kept, and shown on a page that is up to date."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from experiments.cli import COMMANDS
from experiments.common.errors import UserError
from experiments.common.files import HERE
from experiments.paper.tables import ROWS
from experiments.studies import claims, trial_source
from experiments.studies.trial_source import Group, TrialSource
from tests.experiments.synthetic import job, keep, record


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture
def no_training(monkeypatch):
    def train(jobs, folder, budget_s):
        raise AssertionError(f"{jobs[0].name} would be trained")

    monkeypatch.setattr(trial_source, "run_here", train)


def put(folder: Path, row: str, reading: str, solved: list[int], failed: int = 0) -> None:
    """A result with trials that succeeded after so many sequences, and some that did not."""
    records = [record(i, after) for i, after in enumerate(solved)]
    records += [record(len(solved) + i, 400_000, phase="capped") for i in range(failed)]
    keep(folder, job(row, reading, len(records)), records)


def around(mean: int, number: int = 20, seed: int = 0) -> list[int]:
    values = mean * np.random.default_rng(seed).lognormal(0, 0.4, number)
    return [int(v) for v in values]


def test_every_claim_has_a_sentence_and_a_name_of_its_own():
    assert len({claims.CLAIMS.says(name) for name in claims.CLAIMS.studies}) == 10
    assert all(claims.CLAIMS.says(name).endswith(").") for name in claims.CLAIMS.studies)


def test_groups_that_are_alike_do_not_differ(tmp_path, no_training):
    apart = tmp_path / "runs" / "claims-100"
    for row, readings in {"6a": ("literal", "full"), "4-100": ("Y", "Y-full")}.items():
        for seed, reading in enumerate(readings):
            put(apart, row, reading, around(30_000, seed=seed))
    shown = claims.truncation(TrialSource(tmp_path))
    assert shown.holds and shown.numbers["chances"]["6a"] > claims.SURE
    assert "20 of 20" in shown.words and json.loads(json.dumps(shown.numbers))
    put(apart, "6a", "full", around(90_000))  # control
    assert not claims.truncation(TrialSource(tmp_path)).holds


def test_failures_come_last():
    fast, slow = Group([10, 20, 30, 40, 50], 5, 100), Group([], 5, 100)
    assert claims.chance(fast, slow) < claims.SURE < claims.chance(fast, fast)
    assert claims.chance(slow, slow) == 1.0


def test_without_output_gates_it_takes_longer(tmp_path, no_training):
    for i in range(1, 6):
        put(tmp_path, f"1-{i}", "S+T", around(20_000, 30))
        put(tmp_path, f"1-{i}", "S+T-open", around(60_000, 10), failed=20)
    assert claims.output_gates(TrialSource(tmp_path)).holds
    put(tmp_path, "1-3", "S+T-open", around(20_000, 30, seed=1))
    assert not claims.output_gates(TrialSource(tmp_path)).holds


@pytest.mark.parametrize("at_99, holds", [([], True), ([90_000], False)])
def test_counting(tmp_path, no_training, at_99, holds):
    for reading in ("literal", "full"):
        put(tmp_path, "steps-3-11", reading, around(10_000))
        put(tmp_path, "steps-99-100", reading, at_99, failed=20)
    assert claims.counting(TrialSource(tmp_path)).holds is holds


@pytest.mark.parametrize("learnt, holds", [([], True), ([90_000], False)])
def test_parity(tmp_path, no_training, learnt, holds):
    put(tmp_path, "guess-parity-500", "literal", around(10_000))
    for reading in ("literal", "full"):
        put(tmp_path, "parity-500", reading, learnt, failed=20)
    assert claims.parity(TrialSource(tmp_path)).holds is holds


@pytest.mark.parametrize("far, holds", [([], True), ([90_000], False)])
def test_delayed_xor(tmp_path, no_training, far, holds):
    for row in ("and-100", "xor-10", "xor-50", "xor-100"):
        for reading in ("literal", "narrow", "full"):
            put(tmp_path, row, reading, far if row == "xor-100" else around(10_000), failed=3)
    assert claims.delayed_xor(TrialSource(tmp_path)).holds is holds


@pytest.mark.parametrize("adding, holds", [([], True), ([90_000], False)])
def test_guessing(tmp_path, no_training, adding, holds):
    for row in ("guess-3a-100-3", "guess-3a-100-1"):
        put(tmp_path, row, "literal", around(400))
    for row in ("guess-3c-100-3", "guess-4-100"):
        put(tmp_path, row, "literal", adding, failed=20)
    assert claims.guessing(TrialSource(tmp_path)).holds is holds


@pytest.mark.parametrize("power, holds", [(0.2, True), (0.9, False)])
def test_lag_scaling(tmp_path, no_training, power, holds):
    for row in [r for r in ROWS.values() if r.experiment == "2c"]:
        lag, symbols = map(int, row.name.split("-")[1:])
        put(tmp_path, row.name, "no-recurrence", [int(1e4 * (lag**2 / symbols) ** power)])
    shown = claims.lag_scaling(TrialSource(tmp_path))
    assert shown.holds is holds
    grows = shown.numbers["lag = distractors"]["exponent"]
    assert grows == pytest.approx(power, abs=0.01)


@pytest.mark.parametrize("solves, holds", [(9, True), (5, False)])
def test_broad_ranges(monkeypatch, tmp_path, solves, holds):
    def sweep(self, row, reading, grid):
        def point(rate, bias):
            fits = 0.2 <= rate <= 1.0
            solved = solves if fits else 0
            mean = {"value": 3e4} if solved else None
            return {"rate": rate, "input_gate": list(bias) * 2, "over": 10, "solved": solved,
                    "mean": mean}  # fmt: skip

        return [point(rate, bias) for rate in grid.rate for bias in grid.input_gate]

    monkeypatch.setattr(TrialSource, "sweep", sweep)
    shown = claims.broad_ranges(TrialSource(tmp_path))
    assert shown.holds is holds
    assert ("factor of 5" in shown.words) is holds


def test_what_is_missing_is_trained_or_said(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        trial_source, "run_here", lambda jobs, folder, budget: asked.append(jobs[0].name)
    )
    with pytest.raises(UserError, match=r"6a\.full was over; run it again"):
        TrialSource(tmp_path, 1.0).compare("6a", "full")
    assert asked == ["6a.full"]


def test_a_claim_is_kept_and_shown(tmp_path, no_training, capsys):
    for row in ("guess-3a-100-3", "guess-3a-100-1", "guess-3c-100-3", "guess-4-100"):
        put(tmp_path, row, "literal", around(400))
    assert COMMANDS["claims"](("guessing",), folder=tmp_path) == 0
    said = capsys.readouterr().out
    assert "guessing: does not hold." in said
    kept = claims.CLAIMS.read(tmp_path)
    assert set(kept) == {"guessing"} and kept["guessing"]["holds"] is False
    folder = claims.CLAIMS.folder(tmp_path)
    assert (folder / "guessing.png").stat().st_size > 1000
    text = (folder / "README.md").read_text()
    assert "**Does not hold.**" in text and "guessing.png" in text
    assert COMMANDS["claims"]((), folder=tmp_path, only_report=True, json=True) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(kept))
    with pytest.raises(UserError, match="no claim is called"):
        COMMANDS["claims"](("guesing",), folder=tmp_path)
    (folder / "guessing.json").write_text("[]")
    with pytest.raises(UserError, match="is no claim"):
        claims.CLAIMS.read(tmp_path)


def test_the_page_that_is_kept_is_up_to_date():
    kept = claims.CLAIMS.read(HERE)
    assert set(kept) == set(claims.CLAIMS.studies), "run `python -m experiments claims`"
    page = (claims.CLAIMS.folder(HERE) / "README.md").read_text()
    assert page == claims.CLAIMS.page(kept), "run `python -m experiments claims --only-report`"
    for name in kept:
        assert (claims.CLAIMS.folder(HERE) / f"{name}.png").exists()
