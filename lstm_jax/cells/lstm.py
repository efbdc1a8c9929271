"""The LSTM as it is used today: forget gates, full gradient, gates that read h(t-1) alone.

  i, f, o = sig(W x(t) + U h(t-1) + b)        input, forget and output gates
  g       = tanh(W x(t) + U h(t-1) + b)       candidate
  c(t)    = f c(t-1) + i g
  h(t)    = o tanh(c(t)),  or W_hr (o tanh(c(t))) with projection (Sak et al. 2014)

In the layout of `torch.nn.LSTM`: rows i, f, g, o, two biases. What differs from the block of
1997 (`memory_block`): forget gates (Gers, Schmidhuber and Cummins 2000), squashing functions
of range (-1, 1) by tanh, one cell a block, no gate feeds another; `networks.torch_weights`
has the recipe by which one is the other. The peepholes of 2002 are in `peephole`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.cells.torch_layout import (
    LSTMState,
    TorchParams,
    block_rows,
    draw_params,
    expect_sizes,
    net_by_h,
    net_input,
    parts_by_h,
    prepared_by_h,
    read_h,
    zeros,
)
from lstm_jax.ops.initializers import Number, Numbers, given_or
from lstm_jax.ops.linear import linear
from lstm_jax.types import Array, Carousel, Cell, Key, StepByNet

GATES = 4  # i, f, g, o


class LSTMGates(NamedTuple):
    """What a person wants to look at in one step; every field `(hidden, *lanes)`."""

    input_gate: Array
    forget_gate: Array
    output_gate: Array
    candidate: Array
    c: Array


def lstm(
    inputs: int,
    hidden: int,
    *,
    proj_size: int | None = None,
    bias: bool = True,
    init_scale: Number | None = None,
    forget_bias: Numbers = None,
    chrono_steps: Number | None = None,
) -> Cell[TorchParams, LSTMState]:
    """An LSTM layer in torch's conventions, as a cell.

    Args:
      inputs: number of input units, or of symbols.
      hidden: number of cells.
      proj_size: number of outputs after the projection; None without.
      bias: whether there are biases, then two of them.
      init_scale: everything is drawn uniformly from `[-init_scale, init_scale]`; None for
        1 / sqrt(hidden), which is torch's. May be traced.
      forget_bias: initial bias of the forget gates, a number or one a cell (1 is what
        Jozefowicz et al. 2015 recommend); None to draw it like the others, as torch does.
      chrono_steps: T of the chrono initialisation (Tallec and Ollivier 2018), for what has to be
        kept for up to T steps: the forget gates' biases are log(u), u uniform in [1, T - 1],
        and those of the input gates the negative of that. None without. May be traced.

    Returns:
      A cell with params `TorchParams` and state `LSTMState`; its outputs are h.

    Raises:
      ValueError: a size below 1; a projection that is none; biases for gates that have none,
        or two kinds of them; by `init`, biases of another number.

    Example:
      >>> cell = lstm(inputs=3, hidden=4)
      >>> state, y = cell.step(cell.init(jax.random.key(0)), cell.initial_state(), jnp.ones(3))
      >>> y.shape, bool((y == state.h).all())
      ((4,), True)
    """
    expect_sizes(
        inputs=inputs, hidden=hidden, **{} if proj_size is None else {"proj_size": proj_size}
    )
    if proj_size is not None and proj_size >= hidden:
        raise ValueError(f"proj_size: expected less than hidden={hidden}, got {proj_size}")
    if forget_bias is not None and not bias:
        raise ValueError("forget_bias: expected None of cells without biases; write bias=True")
    if chrono_steps is not None and (forget_bias is not None or not bias):
        raise ValueError(
            "chrono_steps: expected None beside a forget_bias, and of cells without biases"
        )
    if isinstance(chrono_steps, int | float) and not chrono_steps >= 2:
        raise ValueError(f"chrono_steps: expected at least 2, got {chrono_steps}")
    outputs = proj_size or hidden

    def init(key: Key) -> TorchParams:
        key, for_gates = (key, key) if chrono_steps is None else jax.random.split(key)
        biases = 2 if bias else 0
        params = draw_params(
            key, GATES, inputs, hidden, outputs=proj_size, biases=biases, init_scale=init_scale
        )
        if chrono_steps is not None:
            kept = jnp.log(1 + (chrono_steps - 2) * jax.random.uniform(for_gates, (hidden,)))
            return _with_bias(_with_bias(params, "input", -kept), "forget", kept)
        if forget_bias is None:
            return params
        drawn = jnp.zeros(hidden)
        return _with_bias(params, "forget", given_or(drawn, forget_bias, "forget_bias"))

    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> LSTMState:
        return LSTMState(zeros(hidden, lanes, dtype), zeros(outputs, lanes, dtype))

    def activate(net: Array, state: LSTMState) -> LSTMState:
        gates = _gates(net, state)
        return LSTMState(gates.c, gates.output_gate * jnp.tanh(gates.c))

    whole = StepByNet(net_by_h, activate, read_h, prepared_by_h)

    def step_with_projection(
        params: TorchParams, state: LSTMState, x: Array
    ) -> tuple[LSTMState, Array]:
        state, h = whole(params, state, x)
        assert params.weight_hr is not None  # init saw to it
        h = linear(params.weight_hr, h)
        return state._replace(h=h), h

    return Cell(
        init=init,
        initial_state=initial_state,
        step=step_with_projection if proj_size else whole,
        inputs=inputs,
        outputs=outputs,
        carousel=Carousel.of_fields("c", diagonal=True),
        # a projection reaches the state beside the net inputs
        net_inputs=None if proj_size else parts_by_h(activate, block_rows(hidden, 2, 0, 1)),
        read=read_h,
    )


def lstm_gates(params: TorchParams, state: LSTMState, x: Array) -> LSTMGates:
    """Gates, candidate and cell state of the step that `x` would make from `state`.

    Give it to `networks.unroll.record` to see them over a whole sequence.

    Example:
      >>> from lstm_jax.networks.unroll import record
      >>> cell = lstm(inputs=3, hidden=4)
      >>> seen = record(cell, cell.init(jax.random.key(0)), jnp.ones((5, 3)), lstm_gates)
      >>> seen.forget_gate.shape
      (5, 4)
    """
    return _gates(net_input(params, state.h, x), state)


def _gates(net: Array, state: LSTMState) -> LSTMGates:
    i, f, g, o = jnp.split(net, GATES)
    i, f, o, g = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jax.nn.sigmoid(o), jnp.tanh(g)
    return LSTMGates(i, f, o, g, f * state.c + i * g)


def _with_bias(params: TorchParams, gate: str, given: Array) -> TorchParams:
    """A gate's bias as given: beside the inputs, and 0 beside the hidden units."""
    assert params.bias_ih is not None and params.bias_hh is not None  # lstm saw to it
    hidden = len(given)
    rows = {"input": slice(hidden), "forget": slice(hidden, 2 * hidden)}[gate]
    return params._replace(
        bias_ih=params.bias_ih.at[rows].set(given.astype(params.bias_ih.dtype)),
        bias_hh=params.bias_hh.at[rows].set(0),
    )
