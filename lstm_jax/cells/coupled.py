"""The LSTM whose input gate is what its forget gate leaves: what is forgotten makes room.

  f, o = sig(W x(t) + U h(t-1) + b)
  g    = tanh(W x(t) + U h(t-1) + b)
  c(t) = f c(t-1) + (1 - f) g
  h(t) = o tanh(c(t))

(Coupled input and forget gate, Greff et al. 2017.) A GRU couples its gates so, too, and has no
output gate.
"""

import jax
import jax.numpy as jnp

from lstm_jax.cells.torch_layout import (
    LSTMState,
    TorchParams,
    block_rows,
    draw_params,
    expect_sizes,
    net_by_h,
    parts_by_h,
    prepared_by_h,
    read_h,
    zeros,
)
from lstm_jax.ops.initializers import Number
from lstm_jax.types import Array, Carousel, Cell, Key, StepByNet


def coupled_lstm(
    inputs: int, hidden: int, *, init_scale: Number | None = None
) -> Cell[TorchParams, LSTMState]:
    """An LSTM layer with coupled input and forget gates, as a cell.

    Args:
      inputs: number of input units, or of symbols.
      hidden: number of cells.
      init_scale: everything is drawn uniformly from `[-init_scale, init_scale]`; None for
        1 / sqrt(hidden). May be traced.

    Returns:
      A cell with params `TorchParams` (rows f, g, o; one bias) and state `LSTMState`.

    Raises:
      ValueError: a size below 1.

    Example:
      >>> cell = coupled_lstm(inputs=3, hidden=4)
      >>> state, y = cell.step(cell.init(jax.random.key(0)), cell.initial_state(), jnp.ones(3))
      >>> y.shape, bool((abs(state.c) < 1).all())
      ((4,), True)
    """
    expect_sizes(inputs=inputs, hidden=hidden)

    def init(key: Key) -> TorchParams:
        return draw_params(key, 3, inputs, hidden, biases=1, init_scale=init_scale)

    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> LSTMState:
        return LSTMState(zeros(hidden, lanes, dtype), zeros(hidden, lanes, dtype))

    return Cell(
        init=init,
        initial_state=initial_state,
        step=StepByNet(net_by_h, _activate, read_h, prepared_by_h),
        inputs=inputs,
        outputs=hidden,
        carousel=Carousel.of_fields("c", diagonal=True),
        net_inputs=parts_by_h(_activate, block_rows(hidden, 0, 1)),
        read=read_h,
    )


def _activate(net: Array, state: LSTMState) -> LSTMState:
    f, g, o = jnp.split(net, 3)
    f = jax.nn.sigmoid(f)
    c = f * state.c + (1 - f) * jnp.tanh(g)
    return LSTMState(c, jax.nn.sigmoid(o) * jnp.tanh(c))
