"""Rows of tasks that the paper talks about: nets, rules and trials that fit together."""

import jax
import pytest

from experiments.methods.build import build
from experiments.methods.registry import net
from experiments.methods.trial_settings import settings
from experiments.paper.describe import describe
from experiments.paper.limitation_rows import PARITY, TABLE_10
from experiments.paper.readings import readings
from experiments.paper.select import find_rows
from experiments.paper.tables import ROWS
from lstm_jax.gradients.bptt import bptt

every = pytest.mark.parametrize("row", TABLE_10, ids=lambda row: row.name)


@every
def test_a_row_is_consistent(row):
    task = row.training.task()
    assert (task.inputs, task.outputs) == (row.net.inputs, row.net.outputs)
    weights = jax.eval_shape(net(row).init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(weights)) == row.weight_count
    assert row.published.after is None


def test_they_are_a_group_of_their_own():
    assert find_rows(["limits"]) == list(TABLE_10)
    assert not set(TABLE_10) & set(find_rows(["all"]))


@every
def test_it_learns_by_either_gradient(row):
    offered = readings(row)
    assert set(offered) == {"literal", "full", "narrow"}
    assert build(offered["full"].read(row))(settings(row)).learner.rule is bptt
    full = offered["full"].read(row)
    changed = {k for k, v in describe(full).items() if v != describe(row)[k]}
    assert changed == {"gradient"}


def test_parity_is_guessed_with_the_net_that_learns_it():
    guessed = ROWS["guess-parity-500"]
    assert guessed.net.blocks == PARITY.net.blocks and guessed.weight_count == PARITY.weight_count
