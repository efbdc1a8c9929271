"""What does not fit is refused in one line before anything runs, and nothing is lost by it."""

import contextlib
import json
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.methods.random_guessing import all_right, random_guessing
from lstm_jax.parameters import read_arrays
from lstm_jax.training.records import TESTING, curve_points
from lstm_jax.training.trial import make_trial
from lstm_jax.trials import RunError, run_trials
from lstm_jax.trials import run as engine
from lstm_jax.trials.lanes import with_points
from lstm_jax.trials.plain import plain
from tests.library.methods.cascade_correlation.tiny import LANES as CASCADE_LANES
from tests.library.methods.cascade_correlation.tiny import TRIAL as CASCADE
from tests.library.trials.tiny import (
    CAP,
    EVERY,
    KEY,
    NUMBER,
    RATES,
    TRIAL,
    build,
    compiled_once,
    differing,
    kept,
    pace,
    run,
    texts,
)
from tests.support.bridge import lane


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
    pace(monkeypatch)


def refused(says: str, **wrong) -> str:
    """The line in which it is refused."""
    with pytest.raises(ValueError, match=says) as refusal:
        run(**wrong)
    text = str(refusal.value)
    assert "\n" not in text and len(text) < 400
    return text


# -- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key, got",
    [
        (jax.random.key(0, impl="rbg"), r"rbg\[\]"),
        (jax.random.key(0, impl="unsafe_rbg"), r"unsafe_rbg\[\]"),
        (jax.random.key_data(KEY), r"uint32\[2\]"),
        (np.asarray(jax.random.key_data(KEY)), r"uint32\[2\]"),
        (jax.random.split(KEY, 3), r"\[3\]"),
        (0, "a int"),
        (None, "a NoneType"),
    ],
)
def test_other_keys_are_refused(key, got, tmp_path):
    says = refused(f"expected one random key of threefry, got .*{got}", key=key, folder=tmp_path)
    assert 'jax.random.key(0, impl="threefry2x32")' in says
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def default_generator(name: str):
    before = jax.config.jax_default_prng_impl
    jax.config.update("jax_default_prng_impl", name)
    try:
        yield
    finally:
        jax.config.update("jax_default_prng_impl", before)


def test_the_default_generator_makes_no_difference(reference):
    """A key of threefry stays one."""
    with default_generator("rbg"):
        key = jax.random.key(7, impl="threefry2x32")
        assert differing(run(make_trial(build), key=key), reference) == []


def guessing(rate):
    return build(rate)._replace(learner=random_guessing(), stop=all_right(10))


@pytest.mark.parametrize("trial", [make_trial(build), make_trial(guessing), CASCADE])
def test_every_trial_knows_the_generator_of_its_key(trial):
    settings = lane(CASCADE_LANES, 0) if trial is CASCADE else np.float32(0.1)
    key = jax.random.key(7, impl="threefry2x32")
    with default_generator("rbg"):
        state = jax.eval_shape(trial.init, key, settings)
        jax.eval_shape(partial(trial.advance, n=1), state)


# -- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"number": 2**31, "settings": ()}, "at most 2147483647 trials"),
        ({"number": 10**10, "settings": ()}, "at most 2147483647 trials"),
        ({"number": 2.0, "settings": ()}, r"whole numbers, got number=2\.0"),
        ({"lanes": 1.5}, r"whole numbers, .*lanes=1\.5"),
        ({"devices": "1"}, "whole numbers, .*devices='1'"),
        ({"lanes": 10**8}, r"GiB of this machine, got 100000000 .*at most lanes=\d+"),
        ({"lanes": 10**30}, "GiB of this machine"),
        ({"settings": np.array(["a"] * NUMBER)}, "settings of numbers"),
    ],
)
def test_numbers_that_cannot_work_are_refused(wrong, says, monkeypatch):
    monkeypatch.setattr(engine, "_chunks", "nothing runs")
    refused(says, **wrong)


def test_lanes_that_fit_are_welcome():
    run(lanes=np.int64(300), number=np.int32(5), budget_s=0.0)


def test_as_many_trials_as_there_can_be_begin_at_once():
    trial = TRIAL._replace(init=lambda key, _: TRIAL.init(key, np.float32(0.1)))
    asked = {"lanes": 2, "devices": 1, "budget_s": 0.0}
    run_trials(trial, KEY, 2**31 - 1, **asked)  # compiles
    began = time.monotonic()
    said = []
    run_trials(trial, KEY, 2**31 - 1, on_chunk=said.append, **asked)
    assert time.monotonic() - began < 5
    assert said[0].trials == 2**31 - 1 and said[0].running == 2


# -- what is written --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, kept",
    [
        ({"a": (1, [None, True, "x"])}, {"a": [1, [None, True, "x"]]}),
        ([np.float32(0.5), np.int8(3), np.bool_(True)], [0.5, 3, True]),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (jnp.array([1.5, np.nan, -np.inf]), [1.5, "NaN", "-Infinity"]),
        (jnp.ones(2, jnp.bfloat16), [1.0, 1.0]),
        ([float("nan"), np.float64(np.inf), -np.inf], ["NaN", "Infinity", "-Infinity"]),
        (2**70, 2**70),
        (np.array("word"), "word"),
    ],
)
def test_what_json_has(value, kept):
    made = plain(value, "value")
    assert made == kept and json.loads(json.dumps(made, allow_nan=False)) == kept


@pytest.mark.parametrize(
    "value",
    [{1, 2}, 1j, np.complex64(1j), object(), Path("x"), b"x", np.datetime64("2020"), KEY,
     np.array([object()]), {1: 2}, {"a": [{"b": {3}}]}],
)  # fmt: skip
def test_what_json_has_not(value, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "program_of", "nothing is compiled")
    refused(r"(got|names of) identity", identity={"x": value}, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_identities_of_arrays_are_compared(tmp_path):
    run(folder=tmp_path, number=2, identity={"x": np.float32([1, np.nan])})
    run(folder=tmp_path, number=2, identity={"x": [1.0, np.nan]})
    with pytest.raises(RunError, match=r"identity\.x: \[1\.0, 'NaN'\] there, \[1\.0, 'Infinity'\]"):
        run(folder=tmp_path, number=2, identity={"x": [1.0, np.inf]})


def saying(summary):
    return TRIAL._replace(summary=summary)


def test_summaries_become_what_json_has(tmp_path):
    trial = saying(lambda state: {"n": state.sequences, "x": np.nan, "y": (np.float32(1), -np.inf)})
    records = run(trial, folder=tmp_path, number=5).records
    for record in records:
        assert record["n"] == record["sequences"] and type(record["n"]) is int
        assert (record["x"], record["y"]) == ("NaN", [1.0, "-Infinity"])
    for line in (tmp_path / "records.0.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    assert texts(records) == texts(run(trial, folder=tmp_path, number=5).records)


@pytest.mark.parametrize(
    "summary, says",
    [
        (lambda state: {"x": {1}}, r"got summary of trial \d+\.x of type set"),
        (lambda state: {"trial": 1}, "other names than 'trial'"),
        (lambda state: {"curve_at": 1}, "other names than 'curve_at'"),
        (lambda state: [1], "a dict, got summary .* list"),
    ],
)
def test_summaries_that_do_not_fit_lose_no_trial(summary, says, reference, tmp_path):
    with pytest.raises(RunError, match=f"{says}.*mend Learner.summary") as refusal:
        run(saying(summary), folder=tmp_path)
    assert "\n" not in str(refusal.value)
    held = read_arrays(tmp_path / "checkpoint.0.npz")
    assert max(held[".phase"][held["ids"] >= 0]) > TESTING, "it was kept as it was at its end"
    rest = run(folder=tmp_path)
    assert sorted(rest.ended) == EVERY and differing(rest, reference) == []


@pytest.mark.parametrize("call", ["on_finished", "on_chunk", "summary"])
def test_who_listens_and_fails_loses_no_trial(call, reference, tmp_path):
    heard = []

    def fail(one):
        heard.append(one)
        if len(heard) > 11:
            raise KeyError("of somebody else")
        return {}

    trial = saying(fail) if call == "summary" else TRIAL
    asked = {} if call == "summary" else {call: fail}
    with pytest.raises(KeyError, match="somebody"):
        run_trials(
            trial, KEY, NUMBER, settings=RATES, lanes=16, devices=1,
            folder=tmp_path, **asked,
        )  # fmt: skip
    before = kept(tmp_path)
    assert (tmp_path / "checkpoint.0.npz").exists(), "no other was made so early"
    assert call == "on_chunk" or len(before) == 11
    rest = run(folder=tmp_path)
    assert texts(rest.records) == texts(reference.records) == texts(kept(tmp_path))
    assert not texts(before).keys() & rest.ended.keys()


# -- the points of a curve --------------------------------------------------------------------


def test_records_tell_where_their_curves_have_points(tmp_path):
    ended = run(folder=tmp_path, number=3)
    for record in [*ended.records, *(one.record for one in ended.ended.values())]:
        assert record["curve_at"] == curve_points(CAP).tolist()
        assert len(record["curve"]) == len(record["curve_at"])
    assert all("curve_at" not in record for record in kept(tmp_path))
    assert all("curve_at" in record for record in run(folder=tmp_path, number=3).records)


@pytest.mark.parametrize("cap", [1, 100, 101, 121, 10**4, 10**6 + 1, 10**9])
def test_the_points_are_those_of_any_cap(cap):
    points = curve_points(cap).tolist()
    assert with_points({"curve": [None] * len(points)})["curve_at"] == points
