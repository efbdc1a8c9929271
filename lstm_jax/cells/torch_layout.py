"""Weights as torch's recurrent layers have them, which the modern cells share.

All gates of a cell are rows of one matrix, one block of `hidden` rows after the other, and
there are two biases, one beside either matrix. They are one too many (their sum is what
counts, but for the candidate of a GRU), and kept so that weights go both ways unchanged
(`networks.torch_weights`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.ops.initializers import Number, uniform
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import add_outer, linear
from lstm_jax.ops.sizes import expect_whole
from lstm_jax.ops.xla import precision_of_products
from lstm_jax.types import Array, Key, NetInputs


class TorchParams(NamedTuple):
    """Weights of one layer in one direction, with the names of `torch.nn.LSTM` and its kin.

    Attributes:
      weight_ih: `(gates * hidden, inputs, *lanes)`.
      weight_hh: `(gates * hidden, outputs, *lanes)`; outputs are `hidden` without projection.
      bias_ih: `(gates * hidden, *lanes)`; None without.
      bias_hh: the same; None without, or of a cell with one bias.
      weight_hr: `(outputs, hidden, *lanes)`, the projection of an LSTM; None without.
    """

    weight_ih: Array
    weight_hh: Array
    bias_ih: Array | None = None
    bias_hh: Array | None = None
    weight_hr: Array | None = None


class LSTMState(NamedTuple):
    """What the next step receives.

    Attributes:
      c: `(hidden, *lanes)`, the cell state: the carousel.
      h: `(outputs, *lanes)`, the output, which all gates read.
    """

    c: Array
    h: Array


def draw_params(
    key: Key,
    gates: int,
    inputs: int,
    hidden: int,
    *,
    outputs: int | None = None,
    biases: int = 2,
    init_scale: Number | None = None,
) -> TorchParams:
    """Weights and biases uniform in `[-init_scale, init_scale]`, by default 1 / sqrt(hidden).

    Args:
      key: randomness.
      gates: blocks of rows.
      inputs: number of input units.
      hidden: number of hidden units.
      outputs: of a projection; None without.
      biases: 0, 1 or 2.
      init_scale: of everything; may be traced.
    """
    scale = hidden**-0.5 if init_scale is None else init_scale
    rows, width = gates * hidden, outputs or hidden
    keys = jax.random.split(key, 5)
    return TorchParams(
        uniform(keys[0], (rows, inputs), scale),
        uniform(keys[1], (rows, width), scale),
        uniform(keys[2], (rows,), scale) if biases else None,
        uniform(keys[3], (rows,), scale) if biases == 2 else None,
        uniform(keys[4], (width, hidden), scale) if outputs else None,
    )


def net_input(rows: TorchParams, received: Array, x: Array) -> Array:
    """`weight_ih x + bias_ih + weight_hh received + bias_hh`, `(rows, *lanes)`."""
    net = linear(rows.weight_ih, x) + linear(rows.weight_hh, received)
    for bias in (rows.bias_ih, rows.bias_hh):
        if bias is not None:
            net = net + along_lanes(bias, net)
    return net


def prepared_net(rows: TorchParams) -> Callable[[Array, Array], Array]:
    """`(received, x) -> net_input` of one sequence, as one product of weights side by side.

    Sources stand in front of the weights: sequences that are mapped over stay in front.
    """
    weights = jnp.concatenate([rows.weight_ih, rows.weight_hh], axis=1).T
    # or else XLA would turn their gradient round, too, for which a CPU takes twice as long
    weights = lax.optimization_barrier(weights)
    biases = [bias for bias in (rows.bias_ih, rows.bias_hh) if bias is not None]
    bias = sum(biases[1:], biases[0]) if biases else None

    def net(received: Array, x: Array) -> Array:
        sources = jnp.concatenate([x, received])
        found = jnp.tensordot(sources, weights, axes=1, precision=precision_of_products())
        return found if bias is None else found + bias

    return net


def add_outer_rows(traces: TorchParams, e: Array, received: Array, x: Array) -> TorchParams:
    """Traces plus `e` times the sources of `net_input`."""
    return TorchParams(
        add_outer(traces.weight_ih, e, x),
        add_outer(traces.weight_hh, e, received),
        None if traces.bias_ih is None else traces.bias_ih + e,
        None if traces.bias_hh is None else traces.bias_hh + e,
    )


def net_by_h(params: TorchParams, state: Any, x: Array) -> Array:
    """Net inputs of a cell whose units all read the field h of its state."""
    return net_input(params, state.h, x)


def prepared_by_h(params: TorchParams) -> Callable[[Any, Array], Array]:
    """`net_by_h` with weights prepared."""
    net = prepared_net(params)
    return lambda state, x: net(state.h, x)


def read_h(params: TorchParams, state: Any, x: Array) -> Array:
    """The field h of a state: the outputs."""
    return state.h


def parts_by_h(
    activate: Callable[[Array, Any], Any],
    carousel_rows: tuple[tuple[int, ...], ...],
    *,
    constant_error: bool = False,
) -> NetInputs:
    """The step of a cell whose units all read the field h of its state, taken apart."""
    return NetInputs(
        rows=lambda params: params,
        net_input=net_by_h,
        activate=activate,
        add_outer=lambda traces, e, state, x: add_outer_rows(traces, e, state.h, x),
        carousel_rows=carousel_rows,
        constant_error=constant_error,
    )


def block_rows(hidden: int, *blocks: int) -> tuple[tuple[int, ...], ...]:
    """The rows of some blocks, as `NetInputs.carousel_rows` wants them."""
    return tuple(tuple(range(b * hidden, (b + 1) * hidden)) for b in blocks)


def zeros(shape: int, lanes: tuple[int, ...], dtype) -> Array:
    """`(shape, *lanes)` zeros."""
    return jnp.zeros((shape, *lanes), dtype)


def expect_sizes(**sizes: int) -> None:
    """ValueError for a size below 1, or none at all."""
    expect_whole(**sizes)
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}: expected at least 1, got {size}")
