"""The twin against outside figures and against itself; beside each law a control that must fail."""

import ast
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.reference import memory_block as twin
from tests.reference.catalogue import PAPER, SMALL, random_problem
from tests.reference.data import NAMES, load
from tests.reference.topology import OUTPUT, RECURRENCE, G, H, Topology

CLOSE = {"rtol": 1e-12, "atol": 1e-14}
small = pytest.mark.parametrize("topology", SMALL.values(), ids=SMALL.keys())
files = pytest.mark.parametrize("name", NAMES)


def gap(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, relative to the largest component."""
    return float(np.max(np.abs(one - other)) / np.max(np.abs(other)))


def gradient_of(case) -> tuple:
    """The error and the gradient that the file is about, by the twin's analytic route."""
    return (twin.truncated_traces if case.truncated else twin.full_gradient)(*case.problem)[:2]


# ---------------------------------------------------------------- topology


@pytest.mark.parametrize("net", PAPER.values(), ids=PAPER.keys())
def test_weight_counts_of_the_paper(net):
    assert net.topology.weight_count == net.weights
    other = "cells" if net.topology.recurrence == "all" else "all"
    assert replace(net.topology, recurrence=other).weight_count != net.weights
    gates = replace(net.topology, output_gates=not net.topology.output_gates)
    assert gates.weight_count != net.weights


def test_weight_counts_of_small_nets_by_hand():
    # 7 hidden units read 2 inputs, 2 cells and 1 hidden unit, 4 gates a bias; 2 outputs read 3
    assert SMALL["cells feed back"].weight_count == 7 * (2 + 3) + 4 + 2 * 3
    # 11 hidden units read 2 inputs, one another and a bias; 2 outputs 2 inputs, 5 units, a bias
    assert SMALL["everything"].weight_count == 11 * (2 + 11 + 1) + 2 * (2 + 5 + 1)


@small
def test_every_weight_has_one_place(topology):
    parts = (*topology.hidden_slices, *topology.output_slices)
    places = [i for part in parts for i in range(part.start, part.stop)]
    assert places == list(range(topology.weight_count))


def test_unknown_words_are_refused():
    for word in ("g", "h", "output", "recurrence"):
        with pytest.raises(ValueError, match="is none of"):
            Topology(1, 1, (1,), **{word: "tanh"})


@pytest.mark.parametrize("table", [G, H, OUTPUT], ids=["g", "h", "output"])
def test_slopes_are_derivatives(table):
    for value, slope in table.values():
        for x in (-3.0, -0.5, 0.0, 0.7, 2.0):
            assert slope(x) == pytest.approx((value(x + 1e-5) - value(x - 1e-5)) / 2e-5, abs=1e-9)
    assert G["[-2,2]"].value(-800.0) == -2.0 and G["[-2,2]"].value(800.0) == 2.0


def test_the_catalogue_turns_every_switch():
    used = list(SMALL.values())
    assert {t.g for t in used} == set(G) and {t.h for t in used} == set(H)
    assert {t.output for t in used} == set(OUTPUT)
    assert {t.recurrence for t in used} == set(RECURRENCE)
    for switch in (
        "input_gates", "output_gates", "forget_gates", "direct",
        "cell_bias", "gate_bias", "hidden_bias", "output_bias",
    ):  # fmt: skip
        assert {getattr(t, switch) for t in used} == {True, False}


# ---------------------------------------------------------------- files


def test_all_files_are_here():
    assert len(NAMES) == 9
    for name in NAMES:
        case = load(name)
        assert case.weights.size == case.gradient.size == case.topology.weight_count


@files
def test_forward_agrees_with_the_file(name):
    case = load(name)
    outputs, states, *_ = twin.forward(case.topology, case.weights, case.inputs)
    np.testing.assert_allclose(outputs, case.outputs, **CLOSE)
    np.testing.assert_allclose(states, case.states, **CLOSE)

    for i in (0, -1):  # control: no other weights give these outputs
        disturbed = case.weights.copy()
        disturbed[i] += 1e-6
        changed = twin.forward(case.topology, disturbed, case.inputs).outputs
        assert not np.allclose(changed, case.outputs, **CLOSE)


@files
def test_gradient_agrees_with_the_file(name):
    case = load(name)
    error, gradient = gradient_of(case)
    assert error == pytest.approx(case.error, rel=1e-12)
    assert gap(gradient, case.gradient) < 1e-12

    disturbed = case._replace(weights=case.weights * (1.0 + 1e-6))  # control
    assert gap(gradient_of(disturbed)[1], case.gradient) > 1e-9


@files
def test_the_other_gradient_differs_from_the_file(name):
    case = load(name)
    _, gradient = gradient_of(case._replace(truncated=not case.truncated))
    assert gap(gradient, case.gradient) > 1e-3


@pytest.mark.parametrize("name", ["exp4-truncated", "exp4-forget-truncated", "exp3a-truncated"])
def test_file_agrees_with_the_definition(name):
    case = load(name)
    assert gap(twin.truncated_by_differences(*case.problem), case.gradient) < 1e-8
    assert gap(twin.numeric_full(*case.problem), case.gradient) > 1e-3  # control


# ---------------------------------------------------------------- gradients among themselves


@small
def test_traces_are_the_truncated_gradient(topology):
    problem = random_problem(topology, seed=1)
    error, gradient, _ = twin.truncated_traces(*problem)
    assert error == pytest.approx(twin.backpropagated(*problem, cut=True)[0], rel=1e-14)
    assert gap(gradient, twin.backpropagated(*problem, cut=True)[1]) < 1e-13
    assert gap(gradient, twin.truncated_by_differences(*problem)) < 1e-8


@small
def test_full_gradient_is_the_slope_of_the_error(topology):
    problem = random_problem(topology, seed=2)
    error, gradient = twin.full_gradient(*problem)
    outputs = twin.forward(*problem[:3]).outputs
    assert error == pytest.approx(twin.squared_error(outputs, *problem[3:]), rel=1e-14)
    assert gap(gradient, twin.numeric_full(*problem)) < 1e-8


@small
def test_the_cut_matters_exactly_where_there_is_recurrence(topology):
    problem = random_problem(topology, seed=3)
    apart = gap(twin.truncated_traces(*problem).gradient, twin.full_gradient(*problem)[1])
    if topology.recurrence == "none":
        assert apart < 1e-13
    else:
        assert apart > 1e-4


@small
def test_each_step_contributes_the_gradient_of_its_own_error(topology):
    *net, targets, mask = random_problem(topology, seed=4, steps=4)
    steps = twin.truncated_traces(*net, targets, mask).steps
    for t in range(4):
        alone = mask & (np.arange(4) == t)
        gradient = twin.truncated_by_differences(*net, targets, alone)
        np.testing.assert_allclose(steps[t], gradient, rtol=0.0, atol=1e-9)
        assert np.any(steps[t]) == mask[t]


def test_mask_may_choose_outputs():
    *net, targets, _ = random_problem(SMALL["1997"], seed=5)
    mask = np.zeros_like(targets, bool)
    mask[3, 1] = mask[5, 0] = True
    gradient = twin.truncated_traces(*net, targets, mask).gradient
    assert gap(gradient, twin.truncated_by_differences(*net, targets, mask)) < 1e-8
    assert gap(gradient, twin.truncated_by_differences(*net, targets, mask.any(1))) > 1e-3


def test_updates_at_every_step():
    topology, weights, inputs, targets, _ = random_problem(SMALL["1997"], seed=6, steps=4)
    problem = topology, weights, inputs, targets, np.ones(4, bool)
    still, moving = twin.truncated_traces(*problem), twin.truncated_traces(*problem, rate=0.5)
    np.testing.assert_array_equal(moving.steps[0], still.steps[0])

    error, now = 0.0, twin.silence(topology)  # the same sequence replayed, weights on the move
    for t in range(4):
        now = twin.step(topology, weights, inputs[t], now.hidden, now.states)
        error += 0.5 * np.sum((targets[t] - now.outputs) ** 2)
        weights = weights - 0.5 * moving.steps[t]
    assert moving.error == pytest.approx(error, rel=1e-14)
    assert abs(moving.error - still.error) > 1e-5

    last = (*problem[:4], np.arange(4) == 3)  # one update at the end: no difference
    final, once = twin.truncated_traces(*last, rate=0.5), twin.truncated_traces(*last)
    np.testing.assert_array_equal(final.gradient, once.gradient)


# ---------------------------------------------------------------- the carousel


def carried(topology: Topology, steps: int, cut: bool = True) -> np.ndarray:
    """The Jacobian ds(steps)/ds(0), recurrent activations constant if `cut`."""
    _, weights, inputs, *_ = random_problem(topology, seed=7, steps=steps)
    held, width = twin.shifted(twin.forward(topology, weights, inputs).hidden), 1e-4

    def end(start: np.ndarray) -> np.ndarray:
        now = twin.silence(topology)._replace(states=start)
        for t in range(steps):
            y_tm1 = held[t] if cut else now.hidden
            now = twin.step(topology, weights, inputs[t], y_tm1, now.states)
        return now.states

    nudges = width * np.eye(len(topology.block_of))
    return np.stack([(end(nudge) - end(-nudge)) / (2 * width) for nudge in nudges], axis=1)


def test_error_flow_through_the_carousel_is_constant():
    for steps in (1, 10, 100):
        np.testing.assert_allclose(carried(SMALL["1997"], steps), np.eye(3), atol=1e-9)
    uncut = carried(SMALL["1997"], 10, cut=False)  # controls
    assert np.max(np.abs(uncut - np.eye(3))) > 1e-2
    forgetful = carried(replace(SMALL["1997"], forget_gates=True), 100)
    assert np.max(np.abs(forgetful)) < 1e-6


# ---------------------------------------------------------------- independence


def foreign_imports(source: str) -> set[str]:
    """Top-level names imported that are neither NumPy, pytest, standard library nor ours here."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level != 1:
            names.add((node.module or "..").split(".")[0])
    return names - {"numpy", "pytest"} - set(sys.stdlib_module_names)


def test_twins_import_nothing_of_the_library():
    for path in (Path(__file__).parents[2] / "reference").glob("*.py"):
        assert not foreign_imports(path.read_text()), path.name
    assert foreign_imports("import jax.numpy as jnp") == {"jax"}
    assert foreign_imports("from lstm_jax import types") == {"lstm_jax"}
