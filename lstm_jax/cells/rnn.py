"""The plain recurrent layer in torch's conventions: tanh or ReLU units, two biases.

  h(t) = f(W x(t) + b + U h(t-1) + b'),  f = tanh or max(0, .)

The same net as `elman`, whose units are logistic and have one bias, in the layout of
`torch.nn.RNN`, so that weights go both ways (`networks.torch_weights`).
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.cells.torch_layout import (
    TorchParams,
    draw_params,
    expect_sizes,
    net_by_h,
    parts_by_h,
    prepared_by_h,
    read_h,
    zeros,
)
from lstm_jax.ops.initializers import Number
from lstm_jax.types import Array, Cell, Key, StepByNet


class RNNState(NamedTuple):
    """What the next step receives.

    Attributes:
      h: `(hidden, *lanes)`, the output.
    """

    h: Array


NONLINEARITIES = {"tanh": jnp.tanh, "relu": jax.nn.relu}


def rnn(
    inputs: int,
    hidden: int,
    *,
    nonlinearity: Literal["tanh", "relu"] = "tanh",
    bias: bool = True,
    init_scale: Number | None = None,
) -> Cell[TorchParams, RNNState]:
    """A recurrent layer without gates as a cell.

    Args:
      inputs: number of input units, or of symbols.
      hidden: number of units.
      nonlinearity: "tanh" or "relu", as in torch.
      bias: whether there are biases, then two of them.
      init_scale: everything is drawn uniformly from `[-init_scale, init_scale]`; None for
        1 / sqrt(hidden), which is torch's. May be traced.

    Returns:
      A cell with params `TorchParams` and state `RNNState`; its outputs are h.

    Raises:
      ValueError: a size below 1; another nonlinearity.

    Example:
      >>> cell = rnn(inputs=3, hidden=4, nonlinearity="relu")
      >>> state, y = cell.step(cell.init(jax.random.key(0)), cell.initial_state(), jnp.ones(3))
      >>> y.shape, bool((y >= 0).all())
      ((4,), True)
    """
    expect_sizes(inputs=inputs, hidden=hidden)
    if nonlinearity not in NONLINEARITIES:
        raise ValueError(
            f"nonlinearity: expected one of {tuple(NONLINEARITIES)}, got {nonlinearity!r}"
        )
    squash = NONLINEARITIES[nonlinearity]

    def init(key: Key) -> TorchParams:
        return draw_params(key, 1, inputs, hidden, biases=2 if bias else 0, init_scale=init_scale)

    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> RNNState:
        return RNNState(zeros(hidden, lanes, dtype))

    def activate(net: Array, state: RNNState) -> RNNState:
        return RNNState(squash(net))

    return Cell(
        init=init,
        initial_state=initial_state,
        step=StepByNet(net_by_h, activate, read_h, prepared_by_h),
        inputs=inputs,
        outputs=hidden,
        net_inputs=parts_by_h(activate, (), constant_error=True),
        read=read_h,
    )
