"""The net that grows: a cascade of hidden units below logistic outputs."""

import jax.numpy as jnp

from lstm_jax.cells.cascade import cascade
from lstm_jax.networks.readout import Readout, readout
from lstm_jax.ops.activations import logistic
from lstm_jax.types import Array, Cell, Key


def cascade_net(inputs: int, outputs: int, units: int, init_scale: float | Array = 1.0) -> Cell:
    """The net as a cell: logistic outputs that receive the inputs, the hidden units and a bias.

    Fahlman's outputs lie in [-1/2, 1/2], and so do his targets: with both shifted by 1/2
    all errors and slopes are the same.

    Args:
      inputs: number of input units, or of symbols.
      outputs: number of output units.
      units: the most hidden units there can be; `init` makes a net without any.
      init_scale: weights into the outputs are drawn uniformly from
        `[-init_scale, init_scale]`.

    Raises:
      ValueError: fewer than one input, output or unit.

    Example: in the beginning inputs and outputs are all there is.
      >>> import jax
      >>> params = cascade_net(inputs=2, outputs=1, units=3).init(jax.random.key(0))
      >>> params.from_inputs.shape, params.from_cell.tolist()
      ((1, 2), [[0.0, 0.0, 0.0]])
    """
    hidden = cascade(inputs, units)
    net = readout(hidden, outputs, activation=logistic, direct=True, init_scale=init_scale)

    def init(key: Key) -> Readout:
        params = net.init(key)
        return params._replace(from_cell=jnp.zeros_like(params.from_cell))

    return net._replace(init=init)
