"""Layers of cells in one or both directions, as torch's recurrent modules have them."""

from collections.abc import Callable

import jax

from lstm_jax.networks.bidirectional import Both, bidirectional, unroll_both
from lstm_jax.networks.dropout import dropout as dropout_net
from lstm_jax.networks.sequential import sequential
from lstm_jax.networks.unroll import Remat, net_of
from lstm_jax.networks.unroll import unroll as run_through
from lstm_jax.ops.sizes import expect_whole
from lstm_jax.types import Array, Cell, Key, Net, Params, State

Layers = tuple[tuple[Cell, ...], ...]


def layers(
    make: Callable[[int], Cell], inputs: int, number: int, *, both_directions: bool = False
) -> Layers:
    """Cells for so many layers: of each layer one cell, or one for each direction.

    Args:
      make: from a number of inputs to a cell, `lambda inputs: lstm(inputs, 32)` say.
      inputs: of the lowest layer.
      number: of layers.
      both_directions: whether every layer reads the sequence in both directions; the next one
        then receives the outputs of both.

    Raises:
      ValueError: no layer.

    Example:
      >>> from lstm_jax.cells.lstm import lstm
      >>> cells = layers(lambda inputs: lstm(inputs, 4), 3, 2, both_directions=True)
      >>> [[cell.inputs for cell in layer] for layer in cells]
      [[3, 3], [8, 8]]
    """
    expect_whole(number=number)
    if number < 1:
        raise ValueError(f"number: expected at least 1 layer, got {number}")
    made = []
    for _ in range(number):
        layer = tuple(make(inputs) for _ in range(1 + both_directions))
        inputs = sum(cell.outputs for cell in layer)
        made.append(layer)
    return tuple(made)


def init_layers(cells: Layers, key: Key) -> tuple[tuple[Params, ...], ...]:
    """Parameters of every cell, in the shape of the layers."""
    keys = iter(jax.random.split(key, sum(map(len, cells))))
    return tuple(tuple(cell.init(next(keys)) for cell in layer) for layer in cells)


def run_layers(
    cells: Layers,
    params: tuple[tuple[Params, ...], ...],
    inputs: Array,
    states: tuple[tuple[State, ...], ...] | None = None,
    length: Array | None = None,
) -> tuple[tuple[tuple[State, ...], ...], Array]:
    """Run layers over a sequence, from given states to final ones.

    Args:
      cells: of `layers`.
      params: of every cell.
      inputs: `(time, inputs, *lanes)`, or `(time, *lanes)` symbols.
      states: where every cell begins; None for zeros.
      length: `(*lanes)` living steps; None if all live.

    Returns:
      The states of every cell after its own last living step (backwards: after step 0), and
      the outputs of the last layer, `(time, outputs, *lanes)`, zero behind the end.

    Raises:
      ValueError: parameters, inputs, states or lengths that do not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> from lstm_jax.cells.gru import gru
      >>> cells = layers(lambda inputs: gru(inputs, 4), 3, 2)
      >>> states, y = run_layers(cells, init_layers(cells, jax.random.key(0)), jnp.ones((5, 3)))
      >>> y.shape, bool((states[-1][0].h == y[-1]).all())
      ((5, 4), True)
    """
    for name, given in {"params": params, "states": states}.items():
        numbers = [tuple(map(len, what)) for what in (cells, given or cells)]
        if numbers[0] != numbers[1]:
            raise ValueError(
                f"{name}: expected one entry a cell, {numbers[0]} in the layers, got {numbers[1]}"
            )
    after, y = [], inputs
    for number, (layer, p) in enumerate(zip(cells, params, strict=True)):
        begin = states[number] if states else (None,) * len(layer)
        if len(layer) == 1:
            state, y = run_through(layer[0], p[0], y, begin[0], length)
            after.append((state,))
        else:
            one, other = layer
            both, y = unroll_both(one, other, Both(*p), y, Both(*begin), length)
            after.append(tuple(both))
    return tuple(after), y


def net_of_layers(
    cells: Layers, *, dropout: float = 0.0, unroll: int = 1, remat: Remat = None
) -> Net:
    """Layers as a net, with dropout between them (not before the first, not after the last).

    Args:
      cells: of `layers`.
      dropout: probability with which an output of a layer below the last is left out.
      unroll, remat: as in `networks.unroll.unroll`.

    Returns:
      A net whose params are a tuple, one entry a layer (and an empty one for a dropout).

    Example:
      >>> from lstm_jax.cells.lstm import lstm
      >>> net = net_of_layers(layers(lambda inputs: lstm(inputs, 4), 3, 2), dropout=0.5)
      >>> net.inputs, net.outputs, net.draws
      (3, 4, True)
    """
    nets: list[Net] = []
    for layer in cells:
        if nets and dropout:
            nets.append(dropout_net(nets[-1].outputs, dropout))
        one_or_both = net_of if len(layer) == 1 else bidirectional
        nets.append(one_or_both(*layer, unroll=unroll, remat=remat))
    return sequential(*nets)
