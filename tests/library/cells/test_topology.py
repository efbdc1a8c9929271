"""Topology is data: what is counted, where it stands, what is refused."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from lstm_jax.cells.topology import KINDS, Topology
from tests.reference.catalogue import PAPER, SMALL
from tests.support.bridge import net_of, places, topology_of

KEY = jax.random.key(0)


def weights_of(twin_topology) -> int:
    """Numbers that the net draws: no computation, only shapes."""
    shapes = jax.eval_shape(net_of(twin_topology).init, KEY)
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


@pytest.mark.parametrize("net", PAPER.values(), ids=PAPER.keys())
def test_weight_counts_of_the_paper(net):
    assert weights_of(net.topology) == net.weights
    for change in (  # controls
        {"recurrence": "cells" if net.topology.recurrence == "all" else "all"},
        {"output_gates": not net.topology.output_gates},
        {"forget_gates": True},
        {"output_bias": not net.topology.output_bias},
        {"direct": not net.topology.direct},
        {"hidden": 1},
        {"blocks": (*net.topology.blocks, 1)},
    ):
        assert weights_of(replace(net.topology, **change)) != net.weights, change


@pytest.mark.parametrize("twin", SMALL.values(), ids=SMALL.keys())
def test_every_weight_has_one_place(twin):
    shapes = jax.eval_shape(net_of(twin).init, KEY)
    where = places(twin)
    for leaf, at in zip(jax.tree.leaves(shapes), jax.tree.leaves(where), strict=True):
        assert leaf.shape == at.shape
    taken = np.concatenate([at.reshape(-1) for at in jax.tree.leaves(where)])
    assert sorted(taken) == list(range(twin.weight_count))


@pytest.mark.parametrize("twin", SMALL.values(), ids=SMALL.keys())
def test_units_stand_where_the_twin_has_them(twin):
    topology = topology_of(twin)
    for kind in KINDS:
        rows = twin.rows[kind.replace("_gate", " gate")]
        assert list(rows) == list(range(topology.units))[topology.rows(kind)]
        assert topology.count(kind) == len(rows)
    assert topology.cells == sum(twin.blocks)
    assert tuple(topology.recurrent) == twin.recurrent
    assert tuple(topology.outward) == twin.readable


def test_rows_of_several_kinds_are_in_the_order_of_the_layer():
    topology = Topology(inputs=1, blocks=(2, 1), hidden=1)
    assert topology.rows_of(("hidden", "input_gate")).tolist() == [3, 4, 7]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"inputs": 0}, r"inputs >= 1 and hidden >= 0, got 0 and 0"),
        ({"hidden": -1}, r"inputs >= 1 and hidden >= 0, got 1 and -1"),
        ({"blocks": ()}, r"cells per block, .*got blocks=\(\)"),
        ({"blocks": (2, 0)}, r"cells per block, .*got blocks=\(2, 0\)"),
        ({"recurrence": "gates"}, r"'all', 'cells' or 'none', got 'gates'"),
        ({"biased": ("cells",)}, r"biased: expected kinds out of .*got \['cells'\]"),
        ({"untrained": ("output",)}, r"untrained: expected kinds out of .*got \['output'\]"),
    ],
)
def test_what_is_no_topology_is_refused(words, complaint):
    with pytest.raises(ValueError, match=complaint):
        Topology(**{"inputs": 1, "blocks": (1,), **words})
    assert Topology(inputs=1, blocks=(1,))  # control


def test_topologies_are_values():
    one, same = (Topology(inputs=2, blocks=(2, 2)) for _ in range(2))
    assert one == same and hash(one) == hash(same)
    assert one != replace(one, recurrence="cells")
    with pytest.raises(AttributeError):
        one.inputs = 3
