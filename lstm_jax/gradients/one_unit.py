"""The net with one recurrent unit, and its exact gradient: Table 2 of the 1997 paper.

Nothing but the hidden unit remembers, so that real-time recurrent learning needs its
derivatives with respect to its own weights and no others: one number a weight of one
unit, however many output units there are.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.activations import logistic
from lstm_jax.types import Array, Cell, Key, Learned, Loss, Stepwise
from lstm_jax.weigh import add_outer, weigh
from lstm_jax.wiring import Readout, readout


class UnitParams(NamedTuple):
    """Weights into the hidden unit.

    Attributes:
      from_inputs: `(1, symbols, *lanes)`.
      from_hidden: `(1, 1, *lanes)`, its self-connection.
    """

    from_inputs: Array
    from_hidden: Array


class UnitState(NamedTuple):
    """The activation of the hidden unit, `(1, *lanes)`."""

    hidden: Array


class Sensitivities(NamedTuple):
    """State of RTRL for one unit.

    Attributes:
      hidden: `(1, *lanes)`, its activation.
      rows: its derivatives with respect to its own weights; those of the output units do
        not influence it.
    """

    hidden: Array
    rows: UnitParams


def one_unit_net(symbols: int, outputs: int, *, weights: float | Array = 0.2) -> Cell:
    """The net that Table 2 trains by RTRL, twice in a chunker (Section 5.2).

    One self-recurrent hidden unit and non-recurrent output units; each layer has
    connections from all layers below; all units are logistic and have no bias. For the
    chunker of the paper, with p + 1 symbols, A has p + 2 outputs and C has p + 1.

    Args:
      symbols: number of input symbols.
      outputs: number of output units.
      weights: initial weights are drawn uniformly from `[-weights, weights]`.

    Example:
      >>> net = one_unit_net(101, outputs=102)
      >>> sum(leaf.size for leaf in jax.tree.leaves(net.init(jax.random.key(0))))
      10506
    """
    if symbols < 1:
        raise ValueError(f"expected symbols >= 1, got {symbols}")

    def init(key: Key) -> UnitParams:
        drawn = weights * jax.random.uniform(key, (1, symbols + 1), minval=-1.0, maxval=1.0)
        return UnitParams(drawn[:, :symbols], drawn[:, symbols:])

    def start(lanes: tuple[int, ...] = (), dtype=None) -> UnitState:
        return UnitState(jnp.zeros((1, *lanes), dtype))

    def step(params: UnitParams, state: UnitState, x: Array) -> tuple[UnitState, Array]:
        hidden = _fire(params, state.hidden, x)
        return UnitState(hidden), hidden

    unit = Cell(init, start, step, carousel=(), inputs=symbols, outputs=1)
    return readout(unit, outputs, bias=False, direct=True, weights=weights)


def _fire(params: UnitParams, hidden: Array, x: Array) -> Array:
    """y(t) = f(w x(t) + u y(t-1))."""
    return logistic(weigh(params.from_inputs, x) + weigh(params.from_hidden, hidden))


def one_unit_rtrl(net: Cell, loss: Loss) -> Stepwise:
    """Real-time recurrent learning of a `one_unit_net`: the exact gradient, on-line.

    Williams and Zipser, A learning algorithm for continually running fully recurrent
    neural networks, Neural Computation 1(2), 1989. With y the hidden unit and s its
    sources, dy(t)/dw_i = f'(net(t)) (s_i(t) + u dy(t-1)/dw_i). As there, weights that
    change at every step count as if they had always been what they are now.
    """

    def init(params: Readout, lanes: tuple[int, ...] = ()) -> Sensitivities:
        dtype = jnp.result_type(*jax.tree.leaves(params))
        rows = UnitParams(
            jnp.zeros((1, net.inputs, *lanes), dtype), jnp.zeros((1, 1, *lanes), dtype)
        )
        return Sensitivities(jnp.zeros((1, *lanes), dtype), rows)

    def update(params: Readout, memory: Sensitivities, x: Array, target: Array, mask: Array):
        hidden = _fire(params.cell, memory.hidden, x)
        rows = _sense(params.cell, memory, hidden, x)

        def error(net_k):
            outputs = logistic(net_k)
            errors = jnp.where(mask, loss(outputs, target), 0)
            return errors.sum(), (errors, outputs)

        net_k = weigh(params.from_cell, hidden) + weigh(params.from_inputs, x)
        e_k, (errors, outputs) = jax.grad(error, has_aux=True)(net_k)
        e_hidden = weigh(jnp.swapaxes(params.from_cell, 0, 1), e_k)
        table = jnp.zeros((net.outputs, net.inputs, *target.shape[1:]), e_k.dtype)
        grads = Readout(
            jax.tree.map(lambda rows: e_hidden * rows, rows),
            e_k[:, None] * hidden[None],
            add_outer(table, e_k, x),
            jnp.zeros_like(params.bias),
        )
        return Sensitivities(hidden, rows), Learned(errors, outputs, _collect(grads, params))

    return Stepwise(init, update)


def _sense(params: UnitParams, memory: Sensitivities, hidden: Array, x: Array) -> UnitParams:
    """dy(t)/dw for the weights into the hidden unit."""
    slope = hidden * (1 - hidden)
    decay = slope * params.from_hidden[0]
    return UnitParams(
        add_outer(decay * memory.rows.from_inputs, slope, x),
        add_outer(decay * memory.rows.from_hidden, slope, memory.hidden),
    )


def _collect(grads: Readout, params: Readout) -> Readout:
    """Gradients in the shape of the parameters: summed over lanes that share them."""

    def collect(grad, leaf):
        return grad.sum(range(leaf.ndim, grad.ndim)) if grad.ndim > leaf.ndim else grad

    return jax.tree.map(collect, grads, params)
