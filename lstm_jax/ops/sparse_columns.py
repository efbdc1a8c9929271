"""Learning from the symbols that occur: a large table of columns at the cost of a sequence.

A gradient has the shape of the parameters, so forming it and changing the weights
costs as much as there are symbols, though a sequence has few of them. Here a sequence
gets a table of its own, one column a step, and only what is learned about those columns
is added to the large one. Steps with the same symbol have a column each; their updates
add up, which is right where an update is linear in the gradient and keeps no state.
"""

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.ops.lanes import masked_loop
from lstm_jax.ops.linear import add_outer, is_symbol, linear
from lstm_jax.types import Array, Params, Sequence


def gather_columns(params: Params, sequence: Sequence) -> tuple[Params, Sequence]:
    """The columns that a sequence reads in place of all columns, and the sequence renumbered.

    Args:
      params: every field named `from_inputs` is a table, `(rows, symbols, *lanes)`.
      sequence: `(time, *lanes)` symbols.

    Returns:
      Parameters whose tables have one column a step, and the sequence with step t
      reading column t. Every rule makes of them what it makes of the originals.

    Raises:
      ValueError: the inputs are no symbols.
    """
    symbols = sequence.inputs
    if not is_symbol(symbols):
        raise ValueError(
            f"expected integer symbols as inputs, got {symbols.dtype}; leave `sparse` off"
        )
    times = jnp.arange(len(symbols), dtype=jnp.int32)

    def read(path, table):
        if not _is_table(path, table):
            return table

        def body(columns, step, alive):
            t, symbol = step
            return lax.dynamic_update_index_in_dim(columns, linear(table, symbol), t, 1)

        lanes = jnp.broadcast_shapes(table.shape[2:], symbols.shape[1:])
        columns = jnp.zeros((len(table), len(symbols), *lanes), table.dtype)
        return masked_loop(body, columns, (times, symbols), sequence.length)

    columns = jax.tree_util.tree_map_with_path(read, params)
    renumbered = jnp.broadcast_to(times.reshape(-1, *[1] * (symbols.ndim - 1)), symbols.shape)
    return columns, sequence.replace(inputs=renumbered)


def add_columns(params: Params, updates: Params, sequence: Sequence) -> Params:
    """Parameters with updates added, of tables those of the columns that occurred.

    Args:
      params: as given to `gather_columns`.
      updates: shaped like what `gather_columns` returned.
      sequence: the original one.
    """
    times = jnp.arange(len(sequence.inputs))

    def add(path, leaf: Array, update: Array):
        if not _is_table(path, leaf):
            return leaf + update

        def body(table, step, alive):
            t, symbol = step
            column = lax.dynamic_index_in_dim(update, t, 1, keepdims=False)
            return add_outer(table, jnp.where(alive, column, 0), symbol)

        return masked_loop(body, leaf, (times, sequence.inputs), sequence.length)

    return jax.tree_util.tree_map_with_path(add, params, updates)


def _is_table(path, leaf: Array) -> bool:
    return getattr(path[-1], "name", None) == "from_inputs" and leaf.shape[1] > 0
