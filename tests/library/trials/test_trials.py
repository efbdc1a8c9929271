"""Trial i depends on its seed and settings alone, bit for bit; progress, results, refusals.

A trial that hears its neighbour, or knows its lane, shows that each comparison can fail.
"""

import json
from collections import Counter
from functools import partial
from itertools import pairwise

import jax
import numpy as np
import pytest

from lstm_jax.training.stopping import Criterion, streak, validation
from lstm_jax.training.trial import make_trial
from lstm_jax.trials import RunError, run_trials
from lstm_jax.trials import run as engine
from tests.library.trials.tiny import (
    CAP,
    EVERY,
    HEARS_ITS_NEIGHBOUR,
    KEY,
    KNOWS_ITS_LANE,
    LANES,
    NUMBER,
    RATES,
    TRIAL,
    build,
    compiled_once,
    differing,
    pace,
    run,
    run_without,
    texts,
)
from tests.support.slow import slow

ONE, OTHER = 6, 1  # two trials that solve it


@pytest.fixture(scope="module", autouse=True)
def programs(tmp_path_factory):
    with compiled_once(tmp_path_factory.mktemp("programs")):
        yield


@pytest.fixture(scope="module")
def reference(programs):
    with pytest.MonkeyPatch.context() as patch:
        pace(patch)
        return run()


@pytest.fixture(autouse=True)
def steady(monkeypatch):
    """Chunks have equal sizes unless a test says otherwise, so that only what it says differs."""
    pace(monkeypatch)


# -- the same in every way of running it ------------------------------------------------------


def alone(trial, folder, patch):
    return run_without([i for i in EVERY if i != ONE], folder, trial=trial)


def with_few_others(trial, folder, patch):
    return run(trial, number=ONE + 2)


def with_other_companions(trial, folder, patch):
    return run_without([i for i in EVERY if i % 3], folder, trial=trial)


def in_other_lanes(trial, folder, patch):
    return run_without(EVERY[:3], folder, trial=trial)


def on_two_devices(trial, folder, patch):
    return run(trial, devices=2)


def in_other_chunks(trial, folder, patch):
    pace(patch, seed=1)
    return run(trial)


ways = pytest.mark.parametrize(
    "way",
    [
        alone,
        with_few_others,
        with_other_companions,
        in_other_lanes,
        on_two_devices,
        in_other_chunks,
    ],
)


@ways
def test_a_trial_is_the_same(way, reference, tmp_path, monkeypatch):
    assert differing(way(TRIAL, tmp_path, monkeypatch), reference) == []


@ways
def test_control_a_trial_that_is_not(way, tmp_path, monkeypatch):
    company = way in (alone, with_few_others, with_other_companions)
    trial = HEARS_ITS_NEIGHBOUR if company else KNOWS_ITS_LANE
    one = run(trial)
    assert differing(run(trial), one) == [], "not even the same way it is the same"
    assert differing(way(trial, tmp_path, monkeypatch), one)


def test_control_a_trial_of_another_seed_or_number(reference):
    other = run(key=jax.random.key(8))
    assert sorted(differing(other, reference)) == EVERY
    same_rate = [i for i in EVERY if RATES[i] == RATES[ONE]]
    ends = [(e["sequences"], e["curve"]) for e in reference.records if e["trial"] in same_rate]
    assert all(ends.count(end) == 1 for end in ends)


@pytest.mark.parametrize("lanes, number", slow(((1, 7), (5, 15), (20, 40)), [(5, 15)]))
def test_a_trial_is_the_same_in_blocks_of_any_width(lanes, number, tmp_path):
    one = run(lanes=lanes, number=number)
    other = run_without([0, 3], tmp_path, lanes=lanes, number=number)
    assert len(other.ended) == number - 2
    assert differing(other, one) == []


@pytest.mark.parametrize("stop", [streak(30), validation(40, 100, Criterion(3), Criterion())])
def test_a_trial_is_the_same_by_any_stopping_rule(stop, tmp_path):
    """Lanes train, validate and test at the same time."""
    trial = make_trial(lambda rate: build(rate)._replace(stop=stop))
    one = run(trial)
    assert len({r["sequences"] for r in one.records if r["phase"] == "solved"}) > 2
    assert differing(run_without(EVERY[:3], tmp_path, trial=trial), one) == []


def test_the_trials_end_in_every_way(reference):
    """More trials than lanes, or nothing here would be refilled."""
    assert [r["trial"] for r in reference.records] == EVERY and NUMBER > 2 * LANES
    ends = Counter(r["phase"] for r in reference.records)
    assert set(ends) == {"solved", "capped", "diverged"} and min(ends.values()) >= 4


def test_a_trial_is_what_it_is_without_the_engine(reference):
    """A function of `fold_in(key, i)` and its settings; without lanes only rounding differs."""

    state = TRIAL.init(jax.random.fold_in(KEY, ONE), RATES[ONE])
    end = jax.jit(TRIAL.advance)(state, 2 * CAP)
    assert int(end.sequences) == reference.records[ONE]["sequences"]
    learned = (end.params, reference.ended[ONE].params, reference.ended[OTHER].params)
    for theirs, ours, wrong in zip(*map(jax.tree.leaves, learned), strict=True):
        assert isinstance(ours, np.ndarray) and ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-3)
        assert not ours.size or not np.allclose(wrong, theirs, rtol=1e-2, atol=1e-3)


# -- settings, and numbers that are none ------------------------------------------------------


def test_a_sweep_is_as_many_separate_runs(reference):
    for rate in (0.3, 1.0):
        separate = run(settings=np.full(NUMBER, rate, np.float32))
        unlike = differing(separate, reference)
        assert unlike == [i for i in separate.ended if RATES[i] != np.float32(rate)]


def spoilt(trial):
    """A run in which the rate of two trials is no number, and what it is without."""
    rates = RATES.copy()
    rates[[1, 21]] = np.nan
    return run(trial, settings=rates), run(trial)


def test_a_trial_without_numbers_is_over_and_disturbs_no_other(reference):
    with_nan, without = spoilt(TRIAL)
    assert sorted(differing(with_nan, without)) == [1, 21]
    for i in (1, 21):
        record = with_nan.records[i]
        assert record["phase"] == "diverged" and record["test"] is None
        assert record["sequences"] == 2, "the first one made the weights NaN, the next one shows it"


def test_control_a_trial_without_numbers_that_disturbs_others():
    with_nan, without = spoilt(HEARS_ITS_NEIGHBOUR)
    assert set(differing(with_nan, without)) > {1, 21}


def test_records_are_numbers_of_the_present_standard(reference):
    for record in reference.records:
        json.dumps(record, allow_nan=False)
        fate = record["phase"]
        assert record["sequences"] <= CAP and (fate == "capped") <= (record["sequences"] == CAP)
        assert (record["test"] is not None) == (fate == "solved") == (record["reached"][-1] > 0)
        assert fate != "solved" or record["reached"][-1] == record["sequences"]


# -- while it runs ----------------------------------------------------------------------------


def test_progress_only_grows_and_adds_up(monkeypatch):
    pace(monkeypatch, seed=2)
    said, ended = [], []
    records = run_trials(
        TRIAL, KEY, NUMBER, settings=RATES, lanes=LANES, devices=1,
        on_finished=lambda finished: ended.append(finished.record),
        on_chunk=lambda progress: said.append((progress, len(ended))),
    )  # fmt: skip
    for (before, _), (now, over) in pairwise(said):
        assert now.trials == NUMBER and now.done == over
        assert now.solved <= now.done and now.running <= min(LANES, NUMBER - now.done)
        assert all(
            a <= b for a, b in zip(before[1:3] + before[4:], now[1:3] + now[4:], strict=True)
        )
    last, _ = said[-1]
    assert (last.done, last.running) == (NUMBER, 0)
    assert last.sequences == sum(r["sequences"] for r in records)
    assert last.solved == sum(r["phase"] == "solved" for r in records)
    assert sorted(r["trial"] for r in ended) == EVERY != [r["trial"] for r in ended]
    assert texts(records) == texts(ended) and [r["trial"] for r in records] == EVERY


def compilations(caplog, meanwhile=lambda: None, **options) -> tuple[list[str], list[str]]:
    """What is compiled before the engine first speaks, and after; `meanwhile` happens then."""
    phases: list[list[str]] = []

    def heard(_=None):
        lines = [line.getMessage().split(" with ")[0] for line in caplog.records]
        phases.append([line for line in lines if line.startswith("Compiling ")])
        caplog.clear()
        if len(phases) == 1:
            meanwhile()

    with jax.log_compiles():
        run(on_chunk=heard, **options)
    heard()
    assert len(phases) > 10
    return phases[0], [line for phase in phases[1:] for line in phase]


@pytest.mark.parametrize("devices", [1, 2])
def test_all_is_compiled_before_the_second_chunk(devices, caplog):
    before, after = compilations(caplog, trial=make_trial(build), devices=devices)
    assert before.count("Compiling jit(advance)") == 1 and after == []


def test_control_something_compiled_later_is_heard(caplog):
    _, after = compilations(caplog, meanwhile=partial(run, make_trial(build), number=1))
    assert after.count("Compiling jit(advance)") >= 1


def test_an_experiment_is_built_no_more_once_it_runs():
    built, at_chunks = [], []

    def counted(rate):
        built.append(rate)
        return build(rate)

    run(make_trial(counted), on_chunk=lambda _: at_chunks.append(len(built)))
    assert len(at_chunks) > 10 and at_chunks[-1] - at_chunks[0] <= 1  # for all summaries


# -- several processes ------------------------------------------------------------------------


def as_process(process: int, processes: int, monkeypatch, **options):
    monkeypatch.setattr(jax, "process_index", lambda: process)
    monkeypatch.setattr(jax, "process_count", lambda: processes)
    return run(**options)


def test_each_process_takes_every_nth_trial(reference, tmp_path, monkeypatch):
    so_far = []
    for process in range(3):
        own = as_process(process, 3, monkeypatch, folder=tmp_path)
        assert sorted(own.ended) == EVERY[process::3]
        assert differing(own, reference) == []
        lines = (tmp_path / f"records.{process}.jsonl").read_text().splitlines()
        so_far += [json.loads(line) for line in lines]
        assert [record["trial"] for record in own.records] == sorted(texts(so_far))
        assert texts(own.records) == texts(so_far)
    assert texts(so_far) == texts(reference.records)


# -- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"number": 0}, "at least one trial .* got 0"),
        ({"number": -3}, "at least one trial .* got -3"),
        ({"lanes": 0}, "at least .* one lane, got .* 0"),
        ({"devices": 0}, "devices from 1 to 2, got 0"),
        ({"devices": 3}, "devices from 1 to 2, got 3; .*jax_num_cpu_devices"),
        ({"devices": -1}, "devices from 1 to 2, got -1"),
        ({"settings": RATES[:-1]}, "settings"),
        ({"settings": RATES[0]}, "settings"),
    ],
)
def test_numbers_out_of_range_are_refused_at_once(wrong, says, monkeypatch):
    monkeypatch.setattr(engine, "_chunks", "nothing runs")
    with pytest.raises(ValueError, match=says) as refusal:
        run(**wrong)
    assert not isinstance(refusal.value, RunError)
