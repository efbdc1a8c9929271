"""The gated recurrent unit, as torch has it, as the tutorial has it, and as it was published.

  r = sig(W_r x(t) + U_r h(t-1) + b_r)        reset gate
  z = sig(W_z x(t) + U_z h(t-1) + b_z)        update gate
  n = tanh(W_n x(t) + b_n + r (U_n h(t-1) + b'_n))     torch: the reset acts on the product
  n = tanh(W_n x(t) + b_n + r (U_n h(t-1)))            the tutorial, equations 57 to 66
  n = tanh(W_n x(t) + b_n + U_n (r h(t-1)))            2014: the reset acts on what is read
  h(t) = (1 - z) n + z h(t-1)

(Cho et al. 2014, Understanding LSTM 10.3.) Rows are r, z, n. In the 2014 paper z and 1 - z
change places; here, as in the tutorial and in torch, z keeps.

Under the 1997 cut h is the carousel, and all gates read it, too: what they read is a copy of
it, another field of the state, so that no error flows through the gates.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp

from lstm_jax.cells.torch_layout import (
    TorchParams,
    add_outer_rows,
    block_rows,
    draw_params,
    expect_sizes,
    net_input,
    prepared_net,
    read_h,
    zeros,
)
from lstm_jax.ops.initializers import Number
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import linear
from lstm_jax.types import Array, Carousel, Cell, Key, NetInputs, StepByNet

Variant = Literal["torch", "tutorial", "2014"]


class GRUState(NamedTuple):
    """What the next step receives.

    Attributes:
      h: `(hidden, *lanes)`, the output and the carousel.
      received: the same numbers, for the gates to read.
    """

    h: Array
    received: Array

    @classmethod
    def of(cls, h: Array) -> "GRUState":
        """A state to begin with, from the outputs alone."""
        return cls(h, h)


class GRUGates(NamedTuple):
    """What a person wants to look at in one step; every field `(hidden, *lanes)`."""

    reset_gate: Array
    update_gate: Array
    candidate: Array
    h: Array


def gru(
    inputs: int,
    hidden: int,
    *,
    variant: Variant = "torch",
    bias: bool = True,
    init_scale: Number | None = None,
) -> Cell[TorchParams, GRUState]:
    """A GRU layer as a cell.

    Args:
      inputs: number of input units, or of symbols.
      hidden: number of units.
      variant: "torch", with two biases; "tutorial", with one, outside of the reset; "2014",
        with one, the reset before the product.
      bias: whether there are biases.
      init_scale: everything is drawn uniformly from `[-init_scale, init_scale]`; None for
        1 / sqrt(hidden), which is torch's. May be traced.

    Returns:
      A cell with params `TorchParams` (rows r, z, n) and state `GRUState`; its outputs are h.

    Raises:
      ValueError: a size below 1; another variant.

    Example:
      >>> cell = gru(inputs=3, hidden=4)
      >>> state, y = cell.step(cell.init(jax.random.key(0)), cell.initial_state(), jnp.ones(3))
      >>> y.shape
      (4,)
    """
    expect_sizes(inputs=inputs, hidden=hidden)
    if variant not in get_args(Variant):
        raise ValueError(f"variant: expected one of {get_args(Variant)}, got {variant!r}")
    biases = (2 if variant == "torch" else 1) * bias

    def init(key: Key) -> TorchParams:
        return draw_params(key, 3, inputs, hidden, biases=biases, init_scale=init_scale)

    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> GRUState:
        return GRUState.of(zeros(hidden, lanes, dtype))

    def step_of_2014(params: TorchParams, state: GRUState, x: Array) -> tuple[GRUState, Array]:
        h = gru_gates(params, state, x, variant="2014").h
        return GRUState.of(h), h

    def prepared(params: TorchParams) -> Callable[[GRUState, Array], Array]:
        net = prepared_net(_four_blocks(params, hidden))
        return lambda state, x: net(state.received, x)

    parts = NetInputs(
        rows=lambda params: _four_blocks(params, hidden),
        net_input=lambda rows, state, x: net_input(rows, state.received, x),
        activate=_activate,
        add_outer=lambda traces, e, state, x: add_outer_rows(traces, e, state.received, x),
        carousel_rows=block_rows(hidden, 0, 1, 2, 3),
        constant_error=False,
    )
    return Cell(
        init=init,
        initial_state=initial_state,
        step=step_of_2014 if variant == "2014" else StepByNet(_net, _activate, read_h, prepared),
        inputs=inputs,
        outputs=hidden,
        carousel=Carousel.of_fields("h", diagonal=True),
        # in 2014 the candidate reads what the reset gate of the same step has left
        net_inputs=None if variant == "2014" else parts,
        read=read_h,
    )


def gru_gates(
    params: TorchParams, state: GRUState, x: Array, *, variant: Variant = "torch"
) -> GRUGates:
    """Gates, candidate and outputs of the step that `x` would make from `state`.

    Give it to `networks.unroll.record` to see them over a whole sequence.
    """
    if variant == "2014":
        two, received = 2 * len(state.h), state.received
        of_x = _affine(params.weight_ih, params.bias_ih, x)
        r, z = jnp.split(jax.nn.sigmoid(of_x[:two] + linear(params.weight_hh[:two], received)), 2)
        n = jnp.tanh(of_x[two:] + linear(params.weight_hh[two:], r * received))
    else:
        r, z, n = _gates(_net(params, state, x))
    return GRUGates(r, z, n, _mixed(z, n, state))


def _net(params: TorchParams, state: GRUState, x: Array) -> Array:
    """Four blocks of net inputs: of both gates, and the candidate's two halves.

    The reset multiplies the last of them.
    """
    two = 2 * len(state.h)
    of_x = _affine(params.weight_ih, params.bias_ih, x)
    of_h = _affine(params.weight_hh, params.bias_hh, state.received)
    return jnp.concatenate([of_x[:two] + of_h[:two], of_x[two:], of_h[two:]])


def _affine(weights: Array, bias: Array | None, sources: Array) -> Array:
    net = linear(weights, sources)
    return net if bias is None else net + along_lanes(bias, net)


def _activate(net: Array, state: GRUState) -> GRUState:
    """The state after a step, from the net inputs of `_net`."""
    _, z, n = _gates(net)
    return GRUState.of(_mixed(z, n, state))


def _gates(net: Array) -> tuple[Array, Array, Array]:
    """Reset gate, update gate and candidate."""
    r, z, of_x, of_h = jnp.split(net, 4)
    r = jax.nn.sigmoid(r)
    return r, jax.nn.sigmoid(z), jnp.tanh(of_x + r * of_h)


def _mixed(z: Array, n: Array, state: GRUState) -> Array:
    return (1 - z) * n + z * state.h


def _four_blocks(params: TorchParams, hidden: int) -> TorchParams:
    """Rows of `_net`, which all have the same sources: with 0 where one of them is not heard."""
    two = 2 * hidden

    def of_inputs(leaf: Array | None) -> Array | None:
        return None if leaf is None else jnp.concatenate([leaf, jnp.zeros_like(leaf[:hidden])])

    def of_hidden(leaf: Array | None) -> Array | None:
        if leaf is None:
            return None
        return jnp.concatenate([leaf[:two], jnp.zeros_like(leaf[:hidden]), leaf[two:]])

    weight_ih, weight_hh = of_inputs(params.weight_ih), of_hidden(params.weight_hh)
    assert weight_ih is not None and weight_hh is not None
    return TorchParams(weight_ih, weight_hh, of_inputs(params.bias_ih), of_hidden(params.bias_hh))
