"""A net evaluated on a set of strings: its errors, and how its weights should go.

Within this file time is one lane more: `(units, time, strings)`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.cells.cascade import CascadeParams, cascade, self_recurrent_units
from lstm_jax.networks.readout import Readout
from lstm_jax.networks.unroll import unroll
from lstm_jax.ops.activations import logistic
from lstm_jax.ops.linear import is_symbol, linear
from lstm_jax.ops.xla import precision_of_products
from lstm_jax.types import Array, Sequence

SLOPE_OFFSET = 0.1  # added to f' of the outputs, lest saturated ones learn nothing


class Evaluation(NamedTuple):
    """What a net makes of a set of strings.

    Attributes:
      outputs: `(time, outputs, strings)`.
      error: `()` squared error, summed over outputs and cases.
      cases: `()` int32, the steps that have a target.
      values: `(units, time, strings)`, activations of the hidden units.
      residual: `(outputs, time, strings)`, (y_k - target_k) (f'(net_k) + `SLOPE_OFFSET`);
        0 where there is no target.
    """

    outputs: Array
    error: Array
    cases: Array
    values: Array
    residual: Array


def evaluate(params: Readout, strings: Sequence) -> Evaluation:
    """Run the net over a set of strings, which stand on the last axis."""
    units, inputs = params.cell.from_inputs.shape
    hidden = cascade(inputs, units)
    values = jnp.moveaxis(unroll(hidden, params.cell, strings.inputs)[1], 1, 0)
    outputs = logistic(_net_outputs(params, strings, values))
    error = jnp.where(strings.mask[None], outputs - jnp.moveaxis(strings.targets, 1, 0), 0)
    return Evaluation(
        outputs=jnp.moveaxis(outputs, 1, 0),
        error=jnp.sum(error**2),
        cases=strings.mask.sum(dtype=jnp.int32),
        values=values,
        residual=error * (outputs * (1 - outputs) + SLOPE_OFFSET),
    )


def output_slopes(params: Readout, strings: Sequence, seen: Evaluation) -> Readout:
    """The slope of half the error by every weight into the outputs.

    That is sum_p e_pk I_pi over the cases p, with e the residual and I what the outputs
    receive; f' is enlarged in it. A `Readout` with `()` for its cell.
    """
    into = params._replace(cell=())
    _, pull = jax.vjp(lambda into: _net_outputs(into, strings, seen.values), into)
    return pull(seen.residual)[0]


def candidate_slopes(
    candidates: CascadeParams, strings: Sequence, seen: Evaluation
) -> tuple[CascadeParams, Array]:
    """The slope of minus each candidate's score by its weights, and the covariances.

    The score S = sum_k |cov_k| is to be large, and dS/dw = sum_k sign(cov_k) sum_p
    (e_pk - mean e_k) dv_p/dw / sum e^2. The paper carries dv/dw forward in time,
    dv(t)/dw = f' (I(t) + w_s dv(t-1)/dw); here reverse mode through the same recurrence
    makes the same sum, at the cost of one recurrence a unit and not one a weight.

    Returns:
      Slopes shaped like the candidates, and `(pool, outputs)` covariances.
    """

    def descent(candidates: CascadeParams) -> tuple[Array, Array]:
        values = activations(candidates, _time_as_lane(strings.inputs), seen.values)
        found = covariances(values, seen.residual, strings.mask)
        return -jnp.sum(jnp.abs(found)), found

    return jax.grad(descent, has_aux=True)(candidates)


def activations(units: CascadeParams, inputs: Array, values: Array) -> Array:
    """What units make of inputs, of the hidden units' activations, and of their own past.

    v(t) = f(net(t) + w v(t-1)) from v = 0 at the start of every string, with
    net(t) = sum_i w_i I_i(t) over inputs, hidden units and the bias (Fahlman 1991, Section 1).

    Args:
      units: weights of units that do not receive one another, in rows.
      inputs: `(inputs, time, strings)` or `(time, strings)` symbols.
      values: `(hidden units, time, strings)`.

    Returns:
      `(units, time, strings)`.
    """
    net = linear(units.from_inputs, inputs) + linear(units.from_units, values)
    net = net + units.bias[:, None, None]
    rows = self_recurrent_units(len(units.bias))
    return jnp.moveaxis(unroll(rows, units.from_itself, jnp.moveaxis(net, 1, 0))[1], 1, 0)


def covariances(values: Array, residual: Array, mask: Array) -> Array:
    """sum_p (v_p - mean v) (e_pk - mean e_k) / sum_pk e_pk^2, over the cases p.

    The quantity that candidates make large (Fahlman and Lebiere 1990, Section 2), divided by
    the squared residual error as in their programs.

    Args:
      values: `(units, time, strings)`, activations.
      residual: `(outputs, time, strings)`, errors at the outputs' net inputs; 0 where no
        mask is.
      mask: `(time, strings)` bool, the cases.

    Returns:
      `(units, outputs)`.

    Example: a unit that goes along with one output and against the other.
      >>> values = jnp.array([[[1.0, 0.0]]])
      >>> residual = jnp.array([[[1.0, 0.0]], [[-1.0, 0.0]]])
      >>> covariances(values, residual, jnp.ones((1, 2), bool)).tolist()
      [[0.25, -0.25]]
    """
    mean = residual.sum(axis=(1, 2), keepdims=True) / mask.sum(dtype=residual.dtype)
    centred = jnp.where(mask[None], residual - mean, 0)  # the mean of v times this sums up to 0
    size = jnp.sum(residual**2)
    products = jnp.einsum("utn,ktn->uk", values, centred, precision=precision_of_products())
    return products / jnp.where(size > 0, size, 1)


def _net_outputs(params: Readout, strings: Sequence, values: Array) -> Array:
    assert params.from_inputs is not None and params.bias is not None  # as cascade_net has them
    net = linear(params.from_cell, values)
    net = net + linear(params.from_inputs, _time_as_lane(strings.inputs))
    return net + params.bias[:, None, None]


def _time_as_lane(inputs: Array) -> Array:
    return inputs if is_symbol(inputs) else jnp.moveaxis(inputs, 1, 0)
