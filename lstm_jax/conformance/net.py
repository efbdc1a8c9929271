"""Whether a net keeps its contract."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.conformance.derivatives import true_slopes
from lstm_jax.conformance.findings import (
    conclude,
    disturbed,
    in_lanes,
    lane,
    normal,
    same,
    shapes,
    traced_anew,
)
from lstm_jax.types import Array, Key, Net

LANES = 3


def check_net(net: Net, *, key: Key | None = None, steps: int = 6) -> None:
    """Try on a net what `types.Net` says in prose; in float64, on small random numbers.

    Args:
      net: a map of whole sequences.
      key: what the numbers are drawn from.
      steps: of the sequences, at least 2; some nets take certain numbers only.

    Raises:
      ValueError: listing every promise that is broken, one line each, with the mend.

    Example:
      >>> from lstm_jax.cells.simple import elman
      >>> from lstm_jax.networks.unroll import net_of
      >>> check_net(net_of(elman(inputs=2, hidden=3)))
    """
    key = jax.random.key(0) if key is None else key
    with jax.enable_x64(True):
        conclude(
            "the net",
            {"init": lambda: _init(net, key)},
            {"apply": lambda: _shapes(net, key, steps)},
            {
                "apply": lambda: _apply(net, key, steps),
                "length": lambda: _length(net, key, steps),
                "draws": lambda: _draws(net, key, steps),
            },
            {"gradients": lambda: _gradients(net, key, steps)},
        )


def _init(net: Net, key: Key) -> Iterator[str]:
    params, other = net.init(key), net.init(jax.random.fold_in(key, 1))
    if not same(net.init(key), params, 0):
        yield "gives other parameters for the same key; draw from the key alone"
    if shapes(other) != shapes(params):
        yield "shapes depend on the key; make them follow from the sizes of the net"


def _given(net: Net, key: Key, steps: int) -> tuple[Any, Array, Array]:
    """Parameters, and inputs and lengths in lanes."""
    for_params, for_inputs = jax.random.split(key)
    inputs = normal(for_inputs, (steps, net.inputs, LANES))
    return disturbed(for_params, net.init(key)), inputs, jnp.array([steps, steps - 1, steps])


def _shapes(net: Net, key: Key, steps: int) -> Iterator[str]:
    params, inputs, length = _given(net, key, steps)
    alone = jax.eval_shape(net.apply, params, inputs[..., 0], length[0], None)
    if jnp.ndim(alone) != 2 or jnp.shape(alone)[1] != net.outputs:
        yield (
            f"expected outputs (target_time, {net.outputs}), got shape {jnp.shape(alone)}; mend "
            "apply or Net(outputs=...)"
        )
        return
    together = jax.eval_shape(net.apply, params, inputs, length, None)
    if jnp.shape(together) != (*alone.shape, LANES):
        yield (
            f"expected outputs {(*alone.shape, LANES)} in {LANES} lanes, got {together.shape}; let "
            "lanes come behind the units"
        )


def _apply(net: Net, key: Key, steps: int) -> Iterator[str]:
    params, inputs, length = _given(net, key, steps)
    apply = traced_anew(net.apply)
    alone = [apply(params, *lane((inputs, length), i), None) for i in range(LANES)]
    if not same(traced_anew(net.apply)(params, *lane((inputs, length), 0), None), alone[0], 0):
        yield "gives something else when it is asked again without a key; draw from the key alone"
    for own in (False, True):
        given = in_lanes(params, LANES) if own else params
        together = apply(given, inputs, length, None)
        for i in range(LANES):
            living = _living(alone[i], inputs, length[i])
            if not same(lane(together, i)[:living], np.asarray(alone[i])[:living]):
                weights = "weights of its own" if own else "shared weights"
                yield f"lane {i} of {LANES} with {weights} is not what it is alone; never mix lanes"
                break


def _living(outputs: Array, inputs: Array, length: Array) -> int:
    """How many steps of the outputs mean something."""
    return int(length) if len(outputs) == len(inputs) else len(outputs)


def _length(net: Net, key: Key, steps: int) -> Iterator[str]:
    params, inputs, length = _given(net, key, steps)
    x, length, apply = lane(inputs, 1), length[1], traced_anew(net.apply)
    outputs = apply(params, x, length, None)
    behind = np.arange(steps)[:, None] >= steps - 1
    for padding in (7.0, jnp.nan):
        other = apply(params, jnp.asarray(np.where(behind, padding, x)), length, None)
        living = _living(outputs, x, length)
        if not same(np.asarray(other)[:living], np.asarray(outputs)[:living], 0):
            yield (
                f"what lies behind the end matters (it was {padding}); go by the length: unroll "
                "with length=, ops.fit.living_inputs"
            )
            return


def _draws(net: Net, key: Key, steps: int) -> Iterator[str]:
    params, inputs, length = _given(net, key, steps)
    keys = jax.random.split(jax.random.fold_in(key, 2), LANES)
    same_inputs = in_lanes(lane(inputs, 0), LANES)
    full = jnp.full(LANES, length[0])
    apply = traced_anew(net.apply)
    still = apply(params, same_inputs, full, None)
    drawn = apply(params, same_inputs, full, keys)
    if not net.draws:
        if not same(drawn, still, 0):
            yield "a key changes the outputs; write Net(..., draws=True)"
        return
    if not same(traced_anew(net.apply)(params, same_inputs, full, keys), drawn, 0):
        yield "gives something else for the same key; draw from the key alone"
    if same(drawn, still):
        yield "a key changes nothing; draw, or write Net(..., draws=False)"
    elif same(lane(drawn, 0), lane(drawn, 1)):
        yield "all lanes draw the same; draw from each lane's own key (jax.vmap over the keys)"


def _gradients(net: Net, key: Key, steps: int) -> Iterator[str]:
    params, inputs, _ = _given(net, key, steps)
    return true_slopes(net, params, lane(inputs, 0), key)
