"""The rows of the compared methods: their nets, figures, and that they learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.methods.build import build, trial
from experiments.methods.registry import net
from experiments.methods.trial_settings import for_trials, settings
from experiments.paper.changes import offered
from experiments.paper.describe import describe
from experiments.paper.readings import readings
from experiments.paper.tables import ROWS
from experiments.reporting import figures, report
from lstm_jax.training.trial import make_trial

RIVALS = {name: row for name, row in ROWS.items() if row.rival}
METHODS = {"RTRL", "Elman", "BPTT", "RCC", "chunker", "guessing"}
# row: table, weights, trials, rate, after, success, as in the specification
EXPECTED = {
    "guess-3a-100-3": (0, 102, 20, 1.0, 39_850, 1.0),
    "guess-3a-100-1": (0, 102, 20, 1.0, 64_330, 1.0),
    "guess-4-100": (0, 93, 20, 0.5, 74_000, 1.0),
    "1-rtrl-3": (1, 170, 30, 0.05, 173_000, None),
    "1-rtrl-12": (1, 494, 30, 0.1, 25_000, None),
    "1-elman": (1, 435, 30, 0.1, 200_000, 0.0),
    "1-rcc": (1, 198, 30, 0.35, 182_000, 0.5),
    "2a-rtrl-4-1": (2, 36, 18, 1.0, 1_043_000, 0.78),
    "2a-rtrl-4-4": (2, 36, 18, 4.0, 892_000, 0.56),
    "2a-rtrl-4-10": (2, 36, 18, 10.0, 254_000, 0.22),
    "2a-rtrl-10-1": (2, 144, 18, 1.0, 5_000_000, 0.0),
    "2a-rtrl-10-4": (2, 144, 18, 4.0, 5_000_000, 0.0),
    "2a-rtrl-10-10": (2, 144, 18, 10.0, 5_000_000, 0.0),
    "2a-rtrl-100-1": (2, 10_404, 18, 1.0, 5_000_000, 0.0),
    "2a-chunker-100-1": (2, 10_506, 18, 1.0, 32_400, 0.33),
    "guess-3c-100-3": (0, 102, 20, 0.1, 269_650, 1.0),
    "guess-parity-500": (0, 17, 20, 0.3, None, 1.0),
    "2a-bptt-100-1": (2, 10_404, 18, 1.0, 5_000_000, 0.0),
}


def test_every_row_has_the_settings_and_figures_of_the_specification():
    found = {
        name: (
            row.table,
            row.weight_count,
            row.trials,
            row.training.rate,
            row.published.after,
            row.published.success,
        )
        for name, row in RIVALS.items()
    }
    assert found == EXPECTED


@pytest.mark.parametrize("row", RIVALS.values(), ids=RIVALS)
def test_the_net_has_as_many_weights_as_the_paper_says(row):
    shapes = jax.eval_shape(net(row).init, jax.random.key(0))
    if row.name == "2a-chunker-100-1":
        shapes = shapes.automatizer
    if row.name != "1-rcc":  # it grows
        assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == row.weight_count
    task = row.training.task(pair=0) if row.training.pairs else row.training.task()
    assert (task.inputs, task.outputs) == (row.net.inputs, row.net.outputs)


def test_rivals_are_read_in_one_way_only():
    for row in RIVALS.values():
        assert list(readings(row)) == ["literal"] and offered(row) == {}
        assert describe(row)["rival"]["method"] in (
            "RTRL",
            "Elman",
            "BPTT",
            "RCC",
            "chunker",
            "guessing",
        )


def test_guesses_are_made_in_lanes():
    row = ROWS["guess-3a-100-3"]
    made = trial(row)
    keys, numbers = jax.random.split(jax.random.key(0), 2), for_trials(row, 2)
    numbers = jax.tree.map(lambda a: np.moveaxis(a, 0, -1), numbers)
    begun = jax.vmap(made.init, in_axes=(0, -1), out_axes=-1)(keys, numbers)
    after = jax.jit(made.advance)(begun, 40)
    assert all(float(jnp.abs(leaf).max()) > 50 for leaf in jax.tree.leaves(after.params.cell))
    alone = jax.device_get(jax.tree.map(lambda leaf: leaf[..., 0], after))
    assert made.summary(alone)["guesses"] > 1


def test_cascade_correlation_learns_the_sets_of_the_trial():
    row = ROWS["1-rcc"]
    made = trial(row)
    begun = made.init(jax.random.key(0), settings(row))
    after = jax.jit(made.advance)(begun, 2)
    assert int(after.sequences) == 512 and made.summary(after)["units"] == 0
    assert not np.array_equal(begun.params.from_inputs, after.params.from_inputs)


@pytest.mark.parametrize("name", ["1-rtrl-3", "1-elman", "2a-rtrl-4-1", "2a-bptt-100-1"])
def test_a_rival_learns(name):
    row, lanes = ROWS[name], 2
    made = make_trial(build(row))
    numbers = jax.tree.map(lambda a: np.moveaxis(a, 0, -1), for_trials(row, lanes))
    keys = jax.random.split(jax.random.key(0), lanes)
    begun = jax.vmap(made.init, in_axes=(0, -1), out_axes=-1)(keys, numbers)
    after = jax.jit(made.advance)(begun, 30)
    assert after.sequences.tolist() == [30, 30]
    for before, now in zip(*map(jax.tree.leaves, (begun.params, after.params)), strict=True):
        assert before.size == 0 or not jnp.array_equal(before, now)
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(after.params))


def test_what_the_paper_says_of_failures_is_shown():
    def shown(name):
        return report.cells(report.line(ROWS[name], readings(ROWS[name])["literal"], None))["paper"]

    assert shown("2a-rtrl-10-1") == ">5,000,000" and shown("1-rtrl-3") == "173,000"


@pytest.mark.parametrize("name, panels", [("1-rtrl-3", 2), ("2a", 4), ("6a", 5)])
def test_a_trained_net_is_shown_with_the_gates_it_has(name, panels):
    row = ROWS[name]
    literal = readings(row)["literal"]
    params = net(row).init(jax.random.key(0))
    figure = figures.at_work(row, literal, 0, params)
    assert len(figure.axes) == panels
    row_of_goals = figure.axes[-1].lines[row.net.outputs :]  # after the outputs
    assert len(row_of_goals) >= row.net.outputs // 2 and all(
        len(g.get_xdata()) == 1 for g in row_of_goals
    )
