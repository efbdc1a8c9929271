"""Laws of the error flow that the figures show; beside each a control that must break it."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.studies import error_flow
from lstm_jax import analysis


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def vanished():
    return error_flow.vanishing()


@pytest.fixture(scope="module")
def torn():
    return error_flow.conflicts()


def within_bounds(numbers: dict) -> bool:
    """Measured factors below both bounds, at every lag and range."""
    return all(
        (np.array(curves["measured"]) <= np.array(curves[bound])).all()
        for curves in numbers["ranges"].values()
        for bound in ("bound", "bound_by_largest")
    )


def gates_help(of_task: dict) -> bool:
    """Where the naive carousel comes to rest, the gated cell has no conflict; and it gets on."""
    naive, gated = of_task["naive"], of_task["gated"]
    return (
        naive["conflict_at_naive_best"] > 0.9 > 0.1 > gated["conflict_at_naive_best"]
        and naive["error_at_best"] > 0.5 > 0.01 > gated["error_at_best"]
    )


def test_the_formula_is_the_measurement_and_the_bounds_hold(vanished):
    numbers, _ = vanished
    assert numbers["deviation"] < 1e-9
    assert within_bounds(numbers)


def test_error_vanishes_and_the_carousel_keeps_it(vanished):
    numbers, _ = vanished
    left = [curves["typical"][-1] for curves in numbers["ranges"].values()]
    assert left == sorted(left) and left[0] < 1e-20 and left[-1] < 0.1
    assert numbers["carousel"] == [1.0] * len(numbers["lags"])


def test_control_other_weights_a_smaller_slope_and_no_cut(monkeypatch):
    """One run with three faults, each of which one law must notice."""
    flows, bound, largest = analysis.error_flow, analysis.vanishing_bound, 0.025
    monkeypatch.setattr(analysis, "error_flow", lambda W, slopes: flows(W.T, slopes))
    monkeypatch.setattr(analysis, "vanishing_bound", lambda W, lag: bound(W, lag, largest))
    monkeypatch.setattr(analysis, "carousel_jacobian", analysis.uncut_jacobian)
    numbers, _ = error_flow.vanishing()
    assert numbers["deviation"] > 1e-3
    assert not within_bounds(numbers)
    assert set(numbers["carousel"]) != {1.0}


@pytest.mark.parametrize("task", error_flow.TASKS)
def test_a_gate_resolves_the_conflict(task, torn):
    numbers, _ = torn
    assert gates_help(numbers[task])


def test_the_naive_output_weight_rests_where_the_paper_says(torn):
    """One step asks for the content, all others for silence: the best weight is 1/steps."""
    numbers, _ = torn
    step = numbers["weights"][1]
    assert numbers["output"]["naive"]["best"] == pytest.approx(1 / numbers["steps"], abs=step)


def test_control_a_gate_that_is_always_open_resolves_nothing(monkeypatch):
    monkeypatch.setattr(error_flow, "GATE_WEIGHT", 0.0)
    monkeypatch.setattr(error_flow, "GATE_BIAS", 40.0)
    numbers, _ = error_flow.conflicts()
    for task in error_flow.TASKS:
        assert not gates_help(numbers[task])
        naive, gated = (numbers[task][cell]["error"] for cell in error_flow.CELLS)
        np.testing.assert_allclose(gated, naive, rtol=1e-6)


def test_json_holds_the_numbers(vanished, torn):
    for numbers, figure in (vanished, torn):
        assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
        assert isinstance(figure, Figure)
