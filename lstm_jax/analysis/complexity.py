"""Weights of a net, and what one step of the on-line algorithm touches and stores."""

from typing import NamedTuple

import jax

from lstm_jax.cells.topology import KINDS, Kind, Topology
from lstm_jax.types import Cell


class Operations(NamedTuple):
    """How often one step touches a weight, or the trace of one: a multiplication each.

    Attributes:
      forward: weights times their sources.
      traces: `ds/dw` carried one step on.
      gradient: weight changes summed up, at a step that has a target.
    """

    forward: int
    traces: int
    gradient: int


def weight_count(net: Cell) -> int:
    """Number of weights, biases included, trained or not: W in Tables 1 to 9 of 1997.

    Example:
      >>> from lstm_jax.cells.memory_block import memory_block
      >>> from lstm_jax.networks.readout import readout
      >>> weight_count(readout(memory_block(Topology(inputs=8, blocks=(2, 2))), outputs=4))
      156
    """
    return sum(weights_by_part(net).values())


def weights_by_part(net: Cell) -> dict[str, int]:
    """Number of weights in each array of the parameters, by its name; nothing is drawn.

    Example:
      >>> from lstm_jax.cells.memory_block import memory_block
      >>> weights_by_part(memory_block(Topology(inputs=8, blocks=(2, 2))))
      {'from_inputs': 64, 'from_hidden': 64, 'bias': 8}
    """
    shapes = jax.eval_shape(net.init, jax.random.key(0))
    parts = jax.tree_util.tree_leaves_with_path(shapes)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): leaf.size for path, leaf in parts
    }


def operations(
    topology: Topology, outputs: int, *, bias: bool = True, direct: bool = False
) -> Operations:
    """Weights touched by one step of the net of a topology with an output layer.

    The forward pass touches every weight once. A cell has a trace for every weight of
    its own and of the input and forget gate of its block, so the gradient touches a
    weight of those gates once for each cell of the block, and every other weight once:
    O(1) per weight and step (Section 4 of 1997), whatever the length of the sequence.

    For B blocks of S cells with all three gates, fed back from the cells, without biases,
    `gradient` is equations 47 to 49 of Staudemeyer and Morris (2019):
    `B (S (BS + BS + BS) + BS)` recurrent connections, `Out B S` to the outputs, and
    `In (3 B S + B)` from the inputs, where equation 48 leaves out the gates.

    Args:
      topology: the hidden layer.
      outputs: number of output units.
      bias: whether output units have a bias.
      direct: whether the input units feed the output units too.

    Example:
      >>> operations(Topology(inputs=7, blocks=(1, 1, 1)), outputs=7)
      Operations(forward=181, traces=102, gradient=181)
      >>> operations(Topology(inputs=8, blocks=(2, 2)), outputs=4)
      Operations(forward=156, traces=136, gradient=190)
    """
    sources = len(topology.outward) + direct * topology.inputs + bias
    into_hidden = {kind: topology.count(kind) * _fan_in(topology, kind) for kind in KINDS}
    traces = trace_memory(topology)
    traced = sum(into_hidden[kind] for kind in _traced(topology))
    forward = sum(into_hidden.values()) + outputs * sources
    return Operations(forward, traces, forward - traced + traces)


def trace_memory(topology: Topology) -> int:
    """Numbers that the on-line algorithm stores: 2 C (fan-in) for C cells with input gates.

    One for each cell and each weight into the cell, its input gate and its forget gate
    (appendix A.1 of 1997; equations 44 to 46 of the tutorial). Output gates and
    conventional hidden units need none. It does not depend on the length of a sequence.

    Example:
      >>> trace_memory(Topology(inputs=2, blocks=(2, 2)))  # 2 * 4 * (2 + 8 + 1)
      88
    """
    return sum(topology.cells * _fan_in(topology, kind) for kind in _traced(topology))


def _traced(topology: Topology) -> list[Kind]:
    """Kinds of unit whose net inputs feed cell states."""
    kinds: tuple[Kind, ...] = ("cell", "input_gate", "forget_gate")
    return [kind for kind in kinds if topology.count(kind)]


def _fan_in(topology: Topology, kind: Kind) -> int:
    return topology.inputs + len(topology.recurrent) + (kind in topology.biased)
