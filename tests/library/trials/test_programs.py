"""Compiled once for a trial and its shapes, whatever the key, the numbers and how often."""

import gc
import weakref

import jax
import numpy as np
import pytest

from lstm_jax.training.trial import Trial, make_trial
from lstm_jax.trials import lanes
from tests.library.trials.tiny import (
    KEY,
    RATES,
    TRIAL,
    build,
    compiled_once,
    differing,
    pace,
    run,
)


@pytest.fixture(scope="module", autouse=True)
def programs(tmp_path_factory):
    with compiled_once(tmp_path_factory.mktemp("programs")):
        yield


def counted():
    """The tiny trial, and how often its experiment was built."""
    built = []

    def counting(rate):
        built.append(rate)
        return build(rate)

    return make_trial(counting), built


def test_the_same_trial_is_traced_once(tmp_path, monkeypatch):
    pace(monkeypatch)
    trial, built = counted()
    first = run(trial, number=5)
    traced = len(built)
    assert traced > 0
    again = run(trial, number=5)
    assert differing(again, first) == []
    run(trial, key=jax.random.key(8), number=6, settings=2 * RATES[:6])
    assert len(built) == traced
    run(trial, number=2, folder=tmp_path)  # what is hashed is traced for that, once
    hashed = len(built)
    run(trial, number=4, folder=tmp_path, budget_s=0.0)
    assert len(built) == hashed


@pytest.mark.parametrize("change", [{"lanes": 3}, {"devices": 2}, {"settings": np.int32(RATES)}])
def test_control_another_shape_is_traced_again(change):
    trial, built = counted()
    run(trial, budget_s=0.0)
    traced = len(built)
    run(trial, budget_s=0.0, **change)
    assert len(built) > traced


def test_precision_is_part_of_what_is_compiled():
    trial, _ = counted()
    source = lanes.source_of(KEY, RATES)
    one = lanes.program_of(trial, source, 2, 1).one
    with jax.enable_x64(True):
        other = lanes.program_of(trial, lanes.source_of(KEY, RATES), 2, 1).one
    assert one.tally.error.total.dtype == np.float32
    assert other.tally.error.total.dtype == np.float64


def test_trials_that_nobody_needs_do_not_stay():
    def another() -> Trial:
        return TRIAL._replace(
            init=lambda key, s: TRIAL.init(key, s), advance=lambda state, n: TRIAL.advance(state, n)
        )

    source = lanes.source_of(KEY, RATES)
    trial = another()
    gone = weakref.ref(trial.advance)
    lanes.program_of(trial, source, 2, 1)
    del trial
    gc.collect()
    assert gone() is not None, "it was not remembered at all"
    for _ in range(lanes._PROGRAMS):
        lanes.program_of(another(), source, 2, 1)
    gc.collect()
    assert gone() is None
