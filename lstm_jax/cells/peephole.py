"""LSTM with forget gates and peepholes: gates that look at the cell state.

  i = sig(W_i x(t) + U_i y(t-1) + p_i s(t-1) + b_i)       input gate
  f = sig(W_f x(t) + U_f y(t-1) + p_f s(t-1) + b_f)       forget gate
  z = tanh(W_z x(t) + U_z y(t-1) + b_z)                   cell input
  s(t) = f s(t-1) + i z
  o = sig(W_o x(t) + U_o y(t-1) + p_o s(t) + b_o)         output gate
  y(t) = o tanh(s(t))

(Gers, Schraudolph and Schmidhuber 2002; one cell a block.) The output gate sees the state of
the same step. What error may flow through a peephole under the cut of 1997 is told in three
ways, which are three gradients: see `peephole_lstm`.
"""

from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.cells.torch_layout import block_rows, expect_sizes, zeros
from lstm_jax.ops.initializers import Number, Numbers, given_or, uniform
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import add_outer, linear
from lstm_jax.types import Array, Carousel, Cell, Key, NetInputs

PeepholeError = Literal["kept", "cut", "all_cut"]


class PeepholeParams(NamedTuple):
    """Weights; rows i, f, z, o.

    Attributes:
      from_inputs: `(4 * hidden, inputs, *lanes)`.
      from_hidden: `(4 * hidden, hidden, *lanes)`.
      bias: `(4 * hidden, *lanes)`.
      peepholes: `(3, hidden, *lanes)`, of the gates i, f and o.
    """

    from_inputs: Array
    from_hidden: Array
    bias: Array
    peepholes: Array


class PeepholeState(NamedTuple):
    """What the next step receives.

    Attributes:
      s: `(hidden, *lanes)`, the cell state: the carousel.
      seen: the same numbers, for the gates to look at.
      y: `(hidden, *lanes)`, the output.
    """

    s: Array
    seen: Array
    y: Array

    @classmethod
    def of(cls, s: Array, y: Array) -> "PeepholeState":
        """A state to begin with."""
        return cls(s, s, y)


class _Rows(NamedTuple):
    """What makes the net inputs: rows i, f, z, o, and the output gate's peephole itself."""

    from_inputs: Array
    from_hidden: Array
    from_seen: Array
    bias: Array


def peephole_lstm(
    inputs: int,
    hidden: int,
    *,
    peephole_error: PeepholeError = "kept",
    init_scale: Number = 0.1,
    input_bias: Numbers = None,
    forget_bias: Numbers = None,
    output_bias: Numbers = None,
) -> Cell[PeepholeParams, PeepholeState]:
    """An LSTM layer with forget gates and peepholes, as a cell.

    Under the cut (`by_definition`, `parallel_scan`, `forward_traces`) no error flows through
    y(t-1). What the peepholes let through is `peephole_error`:

    * "kept": all of it. The state is read through the carousel itself, so that traces of net
      inputs cannot carry it: `forward_traces` refuses, the other two take it.
    * "cut": nothing from input and forget gates; the output gate's look at s(t) is kept.
    * "all_cut": nothing from any gate: the rule of the 2002 paper. The output gate's look is
      constant in *every* derivative then, that of `bptt` included, which therefore is not the
      true gradient (and `check_cell` says so); take another choice for `bptt`.

    Peephole weights have their direct derivative in all three, gate's delta times what it sees.

    Args:
      inputs: number of input units, or of symbols.
      hidden: number of cells.
      peephole_error: what flows through peepholes into the cell state under the cut.
      init_scale: weights are drawn uniformly from `[-init_scale, init_scale]`; may be traced.
      input_bias, forget_bias, output_bias: initial biases, a number or one a cell; None to
        draw them like the weights. Gers et al. 2000 begin input and output gates below 0 and
        forget gates above.

    Raises:
      ValueError: a size below 1; another choice; by `init`, biases of another number.

    Example:
      >>> cell = peephole_lstm(inputs=3, hidden=4)
      >>> state, y = cell.step(cell.init(jax.random.key(0)), cell.initial_state(), jnp.ones(3))
      >>> y.shape
      (4,)
    """
    expect_sizes(inputs=inputs, hidden=hidden)
    if peephole_error not in get_args(PeepholeError):
        raise ValueError(
            f"peephole_error: expected one of {get_args(PeepholeError)}, got {peephole_error!r}"
        )
    through_carousel = peephole_error == "kept"
    looks = lax.stop_gradient if peephole_error == "all_cut" else lambda s: s

    def init(key: Key) -> PeepholeParams:
        keys = jax.random.split(key, 4)
        i, f, z, o = jnp.split(uniform(keys[2], (4 * hidden,), init_scale), 4)
        biases = (
            given_or(i, input_bias, "input_bias"),
            given_or(f, forget_bias, "forget_bias"),
            z,
            given_or(o, output_bias, "output_bias"),
        )
        return PeepholeParams(
            uniform(keys[0], (4 * hidden, inputs), init_scale),
            uniform(keys[1], (4 * hidden, hidden), init_scale),
            jnp.concatenate(biases),
            uniform(keys[3], (3, hidden), init_scale),
        )

    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> PeepholeState:
        return PeepholeState.of(zeros(hidden, lanes, dtype), zeros(hidden, lanes, dtype))

    def seen(state: PeepholeState) -> Array:
        return state.s if through_carousel else state.seen

    def step(params: PeepholeParams, state: PeepholeState, x: Array):
        net = linear(params.from_inputs, x) + linear(params.from_hidden, state.y)
        net = net + along_lanes(params.bias, net)
        of_i, of_f, of_o = (along_lanes(p, state.s) for p in params.peepholes)
        i, f, z, o = jnp.split(net, 4)
        i, f = i + of_i * seen(state), f + of_f * seen(state)
        state = activated(i, f, z, o, of_o, state)
        return state, state.y

    def activated(i, f, z, o, of_o, state: PeepholeState) -> PeepholeState:
        s = jax.nn.sigmoid(f) * state.s + jax.nn.sigmoid(i) * jnp.tanh(z)
        return PeepholeState.of(s, jax.nn.sigmoid(o + of_o * looks(s)) * jnp.tanh(s))

    def activate(net: Array, state: PeepholeState) -> PeepholeState:
        i, f, z, o, of_o = jnp.split(net, 5)
        return activated(i, f, z, o, of_o, state)

    parts = NetInputs(
        rows=lambda params: _rows(params, hidden),
        net_input=_net_input,
        activate=activate,
        add_outer=_add_outer,
        carousel_rows=block_rows(hidden, 0, 1, 2),
        constant_error=False,
    )
    return Cell(
        init=init,
        initial_state=initial_state,
        step=step,
        inputs=inputs,
        outputs=hidden,
        carousel=Carousel.of_fields("s", diagonal=True),
        net_inputs=None if through_carousel else parts,
        read=lambda params, state, x: state.y,
    )


def _rows(params: PeepholeParams, hidden: int) -> _Rows:
    """Peepholes as rows of a diagonal matrix.

    What the output gate sees, s(t), is no source of this step's net inputs, so that its weight
    is a net input of its own: a row whose only source is the bias.
    """
    of_i, of_f, of_o = params.peepholes

    def diagonal(p: Array) -> Array:
        eye = jnp.eye(hidden, dtype=p.dtype).reshape(hidden, hidden, *[1] * (p.ndim - 1))
        return eye * p[:, None]

    none = jnp.zeros_like(params.from_hidden[:hidden])
    more = jnp.zeros_like(params.from_inputs[:hidden])
    return _Rows(
        jnp.concatenate([params.from_inputs, more]),
        jnp.concatenate([params.from_hidden, none]),
        jnp.concatenate([diagonal(of_i), diagonal(of_f), none, none, none]),
        jnp.concatenate([params.bias, of_o]),
    )


def _net_input(rows: _Rows, state: PeepholeState, x: Array) -> Array:
    net = linear(rows.from_inputs, x) + linear(rows.from_hidden, state.y)
    return net + linear(rows.from_seen, state.seen) + along_lanes(rows.bias, net)


def _add_outer(traces: _Rows, e: Array, state: PeepholeState, x: Array) -> _Rows:
    return _Rows(
        add_outer(traces.from_inputs, e, x),
        add_outer(traces.from_hidden, e, state.y),
        add_outer(traces.from_seen, e, state.seen),
        traces.bias + e,
    )
