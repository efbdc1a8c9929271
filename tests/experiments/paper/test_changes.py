"""Single changes: each changes something, says so, and goes together with others."""

import itertools

import chex
import jax
import numpy as np
import pytest

from experiments.common.errors import UserError
from experiments.methods.build import build
from experiments.methods.trial_settings import settings
from experiments.paper.changes import BY_NAME, CHANGES, offered
from experiments.paper.describe import describe
from experiments.paper.readings import LITERAL, combine
from experiments.paper.tables import ROWS
from lstm_jax.ops.activations import linearised_logistic
from lstm_jax.training.trial import make_trial

OF_EACH = {row.experiment: row for row in ROWS.values()}


def test_names_are_unique_and_every_change_is_offered_somewhere():
    assert len(BY_NAME) == len(CHANGES)
    everywhere = {name for row in ROWS.values() for name in offered(row)}
    assert everywhere == set(BY_NAME)


@pytest.mark.parametrize("row", OF_EACH.values(), ids=OF_EACH)
def test_a_change_changes_what_a_trial_depends_on(row):
    for name in offered(row):
        changed = combine(row, (name,)).read(row)
        assert describe(changed) != describe(row), name
        about = ("published", "trials", "name", "experiment")
        assert all(getattr(row, name) == getattr(changed, name) for name in about)
        assert changed.evaluation.cap == row.evaluation.cap


@pytest.mark.parametrize("name", ["1-1", "2a", "4-100"])
def test_what_is_offered_makes_a_trial(name):
    row = ROWS[name]
    for names in [(n,) for n in offered(row)]:
        read = combine(row, names).read(row)
        trial = make_trial(build(read))
        state = jax.eval_shape(trial.init, jax.random.key(0), settings(read))
        assert state.phase.shape == ()


def test_changes_about_the_same_exclude_each_other():
    row = ROWS["4-100"]
    with pytest.raises(UserError, match=r"linear-output and no-slope exclude .* about output"):
        combine(row, ("linear-output", "no-slope"))
    with pytest.raises(UserError, match="not offered the change 'window-counts'"):
        combine(row, ("window-counts",))
    read = combine(row, ("tangent-output", "fixed-biases")).read(row)
    assert read.net.activation is linearised_logistic and not read.net.output_bias_trained
    assert combine(row, ()) is LITERAL


def test_the_order_of_changes_makes_no_difference():
    row = ROWS["5-13"]
    names = ("g-1", "no-slope", "double-rate")
    reads = [combine(row, order).read(row) for order in itertools.permutations(names)]
    assert all(read == reads[0] for read in reads) and reads[0] != row


def test_changes_of_the_task_add_up():
    row = ROWS["4-100"]
    for names in (("first-mark-kept", "second-sooner"), ("second-sooner", "first-mark-kept")):
        task = combine(row, names).read(row).training.task
        assert task.keywords == {"keep_first_mark": True, "second_among": 48}
        assert task.args == row.training.task.args


def test_targets_move_and_goals_stay():
    row = ROWS["1-1"]
    read = combine(row, ("targets-0.1-0.9",)).read(row)
    theirs, ours = (r.training.task(pair=1).evaluation_set(7) for r in (row, read))
    np.testing.assert_allclose(ours.targets, 0.1 + 0.8 * theirs.targets, rtol=1e-6)
    np.testing.assert_array_equal(ours.goals, theirs.goals)
    key = jax.random.key(0)
    drawn = read.training.task(pair=0).sample(key)
    np.testing.assert_allclose(np.unique(drawn.targets), [0.1, 0.9], rtol=1e-6)
    np.testing.assert_array_equal(drawn.inputs, row.training.task(pair=0).sample(key).inputs)


def test_input_gates_are_lowered_from_where_they_are():
    def lowered(row):
        return combine(row, ("input-gates-lower",)).read(row).net.input_gate

    assert lowered(ROWS["4-100"]) == (-6.0, -9.0)
    assert lowered(ROWS["1-2"]) == (-3.0, -3.0, -3.0)
    assert "input-gates-lower" not in offered(ROWS["2c-50-50"])  # it has no biases
    assert "direct" not in offered(ROWS["1-1"].with_settings(direct=True))


def test_without_range_factors_errors_lose_the_widths_of_h_and_g():
    """The chain rule: g' = 4 f' stands before what changes a cell, h' = 2 f' before both."""
    row = ROWS["4-100"]
    read = combine(row, ("no-range-factors",)).read(row)
    one = settings(row)
    literal, narrow = build(row)(one), build(read)(one)
    params = literal.net.init(jax.random.key(0))
    sequence = literal.task.sample(jax.random.key(1))
    by = literal.learner
    grads = by.rule(literal.net, by.loss)(params, sequence).grads

    def step(experiment):
        optimizer = experiment.learner.optimizer
        return optimizer.update(grads, optimizer.init(params), params)[0]

    full, less = step(literal), step(narrow)
    share = {"cell": 1 / 8, "input_gate": 1 / 2, "output_gate": 1.0}
    expected = np.concatenate([np.full(row.net.topology.count(k), s) for k, s in share.items()])
    for part in ("from_inputs", "from_hidden", "bias"):
        a, b = (np.asarray(getattr(g.cell, part)) for g in (full, less))
        np.testing.assert_allclose(b.T, a.T * expected, rtol=1e-6)
    chex.assert_trees_all_equal(full._replace(cell=()), less._replace(cell=()))
