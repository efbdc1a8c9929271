"""Candidates: how they are drawn, and how one of them becomes a hidden unit."""

import jax
import jax.numpy as jnp

from lstm_jax.cells.cascade import CascadeParams
from lstm_jax.networks.readout import Readout
from lstm_jax.ops.initializers import uniform
from lstm_jax.types import Array, Key


def draw_pool(
    key: Key, pool: int, inputs: int, most: int, units: Array | int, init_scale: float | Array = 1.0
) -> CascadeParams:
    """Candidates for a net that has so many hidden units, and may get `most` of them.

    Args:
      key: randomness.
      pool: number of candidates.
      inputs: number of input units, or of symbols.
      most: the most hidden units there can be.
      units: hidden units there are; from others candidates have weights of 0.
      init_scale: weights are drawn uniformly from `[-init_scale, init_scale]`.

    Returns:
      Weights with candidates in rows.

    Example:
      >>> pool = draw_pool(jax.random.key(0), pool=2, inputs=7, most=5, units=3)
      >>> (pool.from_units != 0).tolist()
      [[True, True, True, False, False], [True, True, True, False, False]]
    """
    drawn = uniform(key, (pool, inputs + most + 2), init_scale)
    there = jnp.arange(most, dtype=jnp.int32) < units
    return CascadeParams(
        from_inputs=drawn[:, :inputs],
        from_units=jnp.where(there[None], drawn[:, inputs:-2], 0),
        from_itself=drawn[:, -2],
        bias=drawn[:, -1],
    )


def add_unit(
    params: Readout, pool: CascadeParams, best: Array, units: Array, covariances: Array
) -> Readout:
    """The net with one candidate for its next hidden unit.

    The weights from the new unit to the outputs begin as minus its covariances with their
    errors, as in the programs.

    Args:
      params: the net's.
      pool: the candidates.
      best: `()`, which of them.
      units: `()`, hidden units so far.
      covariances: `(outputs)`, the candidate's.
    """
    params = jax.tree.map(jnp.asarray, params)
    return params._replace(
        cell=jax.tree.map(lambda old, new: old.at[units].set(new[best]), params.cell, pool),
        from_cell=params.from_cell.at[:, units].set(-covariances),
    )
