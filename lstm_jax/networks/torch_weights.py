"""Weights from and to other libraries: torch, flax, and the block of 1997.

torch's recurrent modules call their arrays `weight_ih_l0`, `weight_hh_l0_reverse` and so on;
here they are a tuple of layers, each a tuple of one `TorchParams` a direction, as
`networks.layers` has them. Nothing is computed: the numbers stay bit for bit.

flax's cells have a matrix a gate, transposed, and one bias a gate, beside the hidden units.

A memory block of 1997 with forget gates *is* an LSTM, its ranges absorbed: with
g(x) = 4 sig(x) - 2 = 2 tanh(x / 2), h(x) = 2 sig(x) - 1 = tanh(x / 2) and c = s / 2,

  s(t) = f s(t-1) + i g(net)     becomes     c(t) = f c(t-1) + i tanh(net / 2)
  y(t) = o h(s(t))               becomes     y(t) = o tanh(c(t))

so that the candidate's rows are those of the cells, halved, and the gates' are as they were.
"""

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.cells.memory_block import MemoryBlockParams
from lstm_jax.cells.topology import Topology
from lstm_jax.cells.torch_layout import TorchParams
from lstm_jax.types import Array

LayerParams = tuple[tuple[TorchParams, ...], ...]
_NAME = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)_l(\d+)(_reverse)?")


def from_torch(state_dict: Mapping[str, Any], prefix: str = "") -> LayerParams:
    """Parameters from the `state_dict` of a `torch.nn.LSTM`, `GRU` or `RNN`.

    Args:
      state_dict: names to arrays: torch tensors, NumPy or JAX arrays.
      prefix: what stands before the names where the module is part of another, "encoder." say;
        other names are then left alone.

    Returns:
      A tuple of layers, each a tuple of one `TorchParams` a direction.

    Raises:
      ValueError: no such mapping; a name that is none of theirs, or one that is missing; shapes
        that do not go together.

    Example:
      >>> names = {"weight_ih_l0": np.ones((8, 3)), "weight_hh_l0": np.ones((8, 2))}
      >>> from_torch(names)[0][0].weight_ih.shape
      (8, 3)
    """
    if not isinstance(state_dict, Mapping):
        raise ValueError(
            f"from_torch: expected a mapping from names to arrays, got a "
            f"{type(state_dict).__name__}; read a file by safetensors.numpy.load_file(path) first"
        )
    found: dict[tuple[int, bool], dict[str, Array]] = {}
    for name, value in state_dict.items():
        if not name.startswith(prefix):
            continue
        match = _NAME.fullmatch(name[len(prefix) :])
        if match is None:
            raise ValueError(
                f"from_torch: expected names such as {prefix}weight_ih_l0, got {name!r}; give the "
                "prefix of the recurrent module"
            )
        field, layer, backwards = match.groups()
        found.setdefault((int(layer), bool(backwards)), {})[field] = jnp.asarray(_plain(value))
    number = 1 + max((layer for layer, _ in found), default=-1)
    directions = 1 + any(backwards for _, backwards in found)
    places = [(layer, bool(d)) for layer in range(number) for d in range(directions)]
    for layer, backwards in places or [(0, False)]:
        for field in ("weight_ih", "weight_hh"):
            if field not in found.get((layer, backwards), {}):
                raise ValueError(f"from_torch: {prefix}{_name(field, layer, backwards)} is missing")
    outputs = 0
    for layer, backwards in places:
        one = found[layer, backwards]
        for field, wanted in _wanted(one, directions * outputs).items():
            if one[field].shape != wanted:
                raise ValueError(
                    f"from_torch: {prefix}{_name(field, layer, backwards)}: expected shape "
                    f"{wanted} beside the others, got {one[field].shape}"
                )
            if not jnp.issubdtype(one[field].dtype, jnp.floating):
                raise ValueError(
                    f"from_torch: {prefix}{_name(field, layer, backwards)}: expected floats, got "
                    f"{one[field].dtype}"
                )
        if ("bias_ih" in one) != ("bias_hh" in one):
            raise ValueError(
                f"from_torch: {prefix}{_name('bias', layer, backwards)}: expected bias_ih and "
                "bias_hh or neither, got one of them"
            )
        if backwards or directions == 1:
            outputs = one["weight_hh"].shape[1]
    return tuple(
        tuple(TorchParams(**found[layer, bool(d)]) for d in range(directions))
        for layer in range(number)
    )


def _wanted(one: Mapping[str, Array], received: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a layer's arrays, as its recurrent weights and the layer below have it.

    Args:
      one: its arrays.
      received: outputs of the layer below; 0 if there is none.
    """
    width = one["weight_hh"].shape[-1]
    hidden = one["weight_hr"].shape[-1] if "weight_hr" in one else width
    gates = next((n for n in (4, 3, 1) if n * hidden == len(one["weight_hh"])), 1)
    rows = gates * hidden
    return {
        "weight_hh": (rows, width),
        "weight_ih": (rows, received or one["weight_ih"].shape[-1]),
        **{name: (rows,) for name in ("bias_ih", "bias_hh") if name in one},
        **({"weight_hr": (width, hidden)} if "weight_hr" in one else {}),
    }


def to_torch(params: LayerParams, prefix: str = "") -> dict[str, np.ndarray]:
    """The `state_dict` of the torch module with these weights, as NumPy arrays.

    Load it by `module.load_state_dict({k: torch.from_numpy(v) for k, v in ....items()})`, or
    write it by `safetensors.numpy.save_file`.

    Args:
      params: a tuple of layers, each a tuple of one `TorchParams` a direction, without lanes.
      prefix: to put before every name.

    Raises:
      ValueError: parameters with lanes, or that are no such tuple.

    Example:
      >>> layer = TorchParams(jnp.ones((8, 3)), jnp.ones((8, 2)))
      >>> {name: array.shape for name, array in to_torch(((layer,),), "rnn.").items()}
      {'rnn.weight_ih_l0': (8, 3), 'rnn.weight_hh_l0': (8, 2)}
    """
    arrays = {}
    for number, layer in enumerate(params):
        for backwards, one in enumerate(layer):
            if not isinstance(one, TorchParams):
                raise ValueError(
                    f"to_torch: expected TorchParams in every layer, got a {type(one).__name__}; "
                    "write ((params,),) for a single cell"
                )
            for field, value in zip(one._fields, one, strict=True):
                if value is None:
                    continue
                name = prefix + _name(field, number, bool(backwards))
                if value.ndim != (2 if field.startswith("weight") else 1):
                    raise ValueError(
                        f"to_torch: expected {name} without lanes, got shape {value.shape}; take "
                        "one lane out by jax.tree.map(lambda leaf: leaf[..., lane], params)"
                    )
                arrays[name] = np.ascontiguousarray(value)
    return arrays


def _name(field: str, layer: int, backwards: bool) -> str:
    return f"{field}_l{layer}" + "_reverse" * backwards


def _plain(value: Any) -> Any:
    """A tensor of another library as a NumPy array; arrays of JAX as they are."""
    if isinstance(value, jax.Array):
        return value
    for method in ("detach", "cpu"):
        value = getattr(value, method, lambda value=value: value)()
    return np.asarray(value)


def lstm_from_flax(params: Mapping[str, Any]) -> TorchParams:
    """Parameters of an `lstm` cell from those of flax's `LSTMCell` or `OptimizedLSTMCell`.

    Args:
      params: `{"ii": {"kernel": ...}, ..., "hi": {"kernel": ..., "bias": ...}, ...}`.

    Raises:
      ValueError: an entry that is missing.
    """
    return _from_flax(params, "ifgo", "i", "h", ())


def lstm_to_flax(params: TorchParams) -> dict[str, dict[str, np.ndarray]]:
    """Parameters of flax's `OptimizedLSTMCell` from those of an `lstm` cell without projection.

    Its one bias is the sum of the two here.
    """
    return _to_flax(params, "ifgo", ())


def gru_from_flax(params: Mapping[str, Any]) -> TorchParams:
    """Parameters of a `gru` cell from those of flax's `GRUCell`.

    Args:
      params: `{"ir": {"kernel": ..., "bias": ...}, ..., "hn": {"kernel": ..., "bias": ...}}`.

    Raises:
      ValueError: an entry that is missing.
    """
    return _from_flax(params, "rzn", "h", "i", ("n",))


def gru_to_flax(params: TorchParams) -> dict[str, dict[str, np.ndarray]]:
    """Parameters of flax's `GRUCell` from those of a `gru` cell (torch's variant)."""
    return _to_flax(params, "rzn", ("n",))


def _from_flax(
    params: Mapping[str, Any], gates: str, bare: str, biased: str, both: tuple[str, ...]
) -> TorchParams:
    def entry(side: str, gate: str, name: str) -> np.ndarray:
        try:
            return np.asarray(params[side + gate][name])
        except KeyError:
            raise ValueError(
                f"from flax: expected an entry {side + gate}/{name}, got {sorted(params)}"
            ) from None

    def kernels(side: str) -> Array:
        return jnp.concatenate([jnp.asarray(entry(side, gate, "kernel").T) for gate in gates])

    def biases(side: str) -> Array:
        given = [
            entry(side, gate, "bias")
            if side == biased or gate in both
            else np.zeros_like(entry(biased, gate, "bias"))
            for gate in gates
        ]
        return jnp.concatenate([jnp.asarray(b) for b in given])

    return TorchParams(kernels("i"), kernels("h"), biases("i"), biases("h"))


def _to_flax(
    params: TorchParams, gates: str, both: tuple[str, ...]
) -> dict[str, dict[str, np.ndarray]]:
    if params.bias_ih is None or params.bias_hh is None or params.weight_hr is not None:
        raise ValueError("to flax: expected a cell with two biases and without projection")
    sides = {"i": params.weight_ih, "h": params.weight_hh}
    biases = {"i": np.asarray(params.bias_ih), "h": np.asarray(params.bias_hh)}
    # an LSTM's bias stands beside the hidden units, a GRU's beside the inputs (and both for n)
    place = "i" if both else "h"
    found: dict[str, dict[str, np.ndarray]] = {}
    for number, gate in enumerate(gates):
        rows = slice(*(np.array([number, number + 1]) * len(params.weight_ih) // len(gates)))
        for side, weights in sides.items():
            found[side + gate] = {"kernel": np.asarray(weights)[rows].T}
            if gate in both:
                found[side + gate]["bias"] = biases[side][rows]
        if gate not in both:
            found[place + gate]["bias"] = biases["i"][rows] + biases["h"][rows]
    return found


def block_to_lstm(topology: Topology, params: MemoryBlockParams) -> TorchParams:
    """The `lstm` that computes what a memory block of 1997 with forget gates does.

    Begin it with c = s / 2 and h = y where the block begins with s and y.

    Args:
      topology: blocks of one cell, with all three gates, no hidden units, ranges of 1997,
        recurrence from the cells alone.
      params: of the block; units without a bias have the bias 0.

    Returns:
      Parameters with one bias, beside the inputs (`bias_hh` is 0).

    Raises:
      ValueError: a topology that an LSTM cannot be.

    Example:
      >>> from lstm_jax.cells.memory_block import memory_block
      >>> topology = Topology(2, (1, 1), forget_gates=True, recurrence="cells")
      >>> params = memory_block(topology).init(jax.random.key(0))
      >>> block_to_lstm(topology, params).weight_ih.shape
      (8, 2)
    """
    _expect_lstm(topology)
    cells = topology.cells
    order = [topology.rows_of((kind,)) for kind in _KINDS]
    rows = np.concatenate([np.asarray(r) for r in order])
    factors = np.repeat([1.0, 1.0, 0.5, 1.0], cells)
    assert params.from_hidden is not None  # _expect_lstm saw to it
    bias = jnp.zeros((topology.units, *params.from_inputs.shape[2:]), params.from_inputs.dtype)
    if params.bias is not None:
        bias = bias.at[np.asarray(topology.rows_of(topology.biased))].set(params.bias)

    def moved(leaf: Array) -> Array:
        factor = jnp.asarray(factors, leaf.dtype).reshape(-1, *[1] * (leaf.ndim - 1))
        return factor * leaf[rows]

    one = moved(bias)
    return TorchParams(
        moved(params.from_inputs), moved(params.from_hidden), one, jnp.zeros_like(one)
    )


def lstm_to_block(topology: Topology, params: TorchParams) -> MemoryBlockParams:
    """The memory block of 1997 with forget gates that computes what an `lstm` does.

    Args:
      topology: as of `block_to_lstm`, with a bias for every unit.
      params: of the `lstm`, without projection.

    Raises:
      ValueError: a topology that an LSTM cannot be, or with units without bias.
    """
    _expect_lstm(topology)
    if not set(_KINDS) <= set(topology.biased):
        raise ValueError(f"biased: expected all of {_KINDS}, got {topology.biased}")
    back = np.argsort(np.concatenate([np.asarray(topology.rows_of((kind,))) for kind in _KINDS]))
    factors = np.repeat([1.0, 1.0, 2.0, 1.0], topology.cells)

    def moved(leaf: Array) -> Array:
        factor = jnp.asarray(factors, leaf.dtype).reshape(-1, *[1] * (leaf.ndim - 1))
        return (factor * leaf)[back]

    if params.bias_ih is None or params.bias_hh is None:
        raise ValueError("lstm_to_block: expected an LSTM with two biases, got fewer")
    bias = moved(params.bias_ih + params.bias_hh)
    return MemoryBlockParams(moved(params.weight_ih), moved(params.weight_hh), bias)


_KINDS = ("input_gate", "forget_gate", "cell", "output_gate")  # torch's order


def _expect_lstm(topology: Topology) -> None:
    """ValueError for a topology that is not an LSTM's."""
    wanted = Topology(
        topology.inputs,
        (1,) * len(topology.blocks),
        forget_gates=True,
        recurrence="cells",
        biased=topology.biased,
        untrained=topology.untrained,
    )
    for name, value in vars(wanted).items():
        if getattr(topology, name) != value:
            raise ValueError(
                f"topology.{name}: expected {value!r} of a block that is an LSTM, got "
                f"{getattr(topology, name)!r}"
            )
