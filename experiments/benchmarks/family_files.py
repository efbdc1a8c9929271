"""Nets of the family against files that another program wrote, in double precision.

A file has a `kind`, sizes (`config`), `params`, `inputs` `(time, batch, features)` with the
`lengths` of the sequences, `initial` states, `outputs`, a `loss` and its `gradients` by every
parameter, the inputs and the initial states. What is compared is the largest deviation of
each of them, relative to its own largest entry (absolute where that is 0).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.common.structure import Misfit, every, fields, number, one_of, perhaps, whole
from lstm_jax.cells.grid import GridParams, Transform, grid_block
from lstm_jax.cells.gru import GRUState, Variant, gru
from lstm_jax.cells.lstm import LSTMState, lstm
from lstm_jax.cells.multidimensional import MultiParams
from lstm_jax.cells.peephole import (
    PeepholeError,
    PeepholeParams,
    PeepholeState,
    peephole_lstm,
)
from lstm_jax.cells.rnn import RNNState, rnn
from lstm_jax.cells.torch_layout import TorchParams
from lstm_jax.ctc import ctc_error
from lstm_jax.gradients.truncated import cut
from lstm_jax.networks.attention import AttentionParams
from lstm_jax.networks.decoder import DecoderParams, decoder, teacher_forcing
from lstm_jax.networks.grid_sweep import grid_sweep, multi_sweep
from lstm_jax.networks.layers import layers, run_layers
from lstm_jax.networks.torch_weights import from_torch
from lstm_jax.networks.unroll import unroll
from lstm_jax.ops.fit import living_inputs, living_steps
from lstm_jax.types import Array, Cell

LIMIT = 1e-10
LOSS = "loss"  # among outputs, of a kind whose loss is more than weights times outputs
Arrays = dict[str, Array]


class Asked(NamedTuple):
    """What outputs depend on, in the axes of this library: `(..., units, batch)`.

    Attributes:
      config: of the file.
      params: by name, as in the file.
      inputs: `(time, features, batch)`.
      initial: states by name, the batch last; empty for zeros.
      length: `(batch,)`; None if all steps live.
      targets: labels, `(label_time, batch)`; None where there are none.
      target_length: `(batch,)` of them.
    """

    config: dict[str, Any]
    params: Arrays
    inputs: Array
    initial: Arrays
    length: Array | None
    targets: Array | None = None
    target_length: Array | None = None


def of_torch(
    make: Callable[[dict[str, Any]], Callable[[int], Cell]],
    state: Callable[..., Any],
    ends: Callable[[Any], tuple[Array, ...]],
    *names: str,
):
    """`torch.nn.LSTM` and its kin.

    Args:
      make: from sizes to what makes a cell for a number of inputs.
      state: from what `names` name to a cell's state.
      ends: the way back.
      names: of what a state holds, "h" say.
    """

    def outputs(asked: Asked) -> Arrays:
        config = asked.config
        both = bool(config["bidirectional"])
        cells = layers(make(config), config["features"], config["layers"], both_directions=both)
        begin = None
        if asked.initial:
            given = iter(zip(*(asked.initial[f"{name}0"] for name in names), strict=True))
            begin = tuple(tuple(state(*next(given)) for _ in layer) for layer in cells)
        params = from_torch(asked.params)
        after, y = run_layers(cells, params, asked.inputs, begin, asked.length)
        found = zip(*(ends(one) for layer in after for one in layer), strict=True)
        stacked = {f"{name}_n": jnp.stack(each) for name, each in zip(names, found, strict=True)}
        return {"output": y, **stacked}

    return outputs


def of_gru(variant: Variant):
    """A GRU whose gates have matrices of their own in the file."""

    def outputs(asked: Asked) -> Arrays:
        cell = gru(asked.config["features"], asked.config["hidden"], variant=variant)
        w, u, b = (
            jnp.concatenate([asked.params[f"{letter}_{gate}"] for gate in "rzh"])
            for letter in "WUb"
        )
        begin = GRUState.of(asked.initial["y0"]) if asked.initial else None
        state, y = unroll(cell, TorchParams(w, u, b), asked.inputs, begin, asked.length)
        return {"output": y, "y_n": state.h}

    return outputs


def _lstm(config: dict[str, Any]) -> Callable[[int], Cell]:
    proj_size = config.get("proj_size")
    return lambda inputs: lstm(inputs, config["hidden"], bias=config["bias"], proj_size=proj_size)


def _gru(config: dict[str, Any]) -> Callable[[int], Cell]:
    return lambda inputs: gru(inputs, config["hidden"], bias=config["bias"])


def _rnn(nonlinearity: Literal["tanh", "relu"]) -> Callable[[dict[str, Any]], Any]:
    return lambda config: partial(
        rnn, hidden=config["hidden"], nonlinearity=nonlinearity, bias=config["bias"]
    )


_OF_LSTM = of_torch(_lstm, lambda h, c: LSTMState(c, h), lambda s: (s.h, s.c), "h", "c")


def of_peepholes(error: PeepholeError, through: Callable[[Cell], Cell] = lambda cell: cell):
    """The cell of 2002, as it is or as a rule sees it."""

    def outputs(asked: Asked) -> Arrays:
        config, p, begin = asked.config, asked.params, None
        cell = through(peephole_lstm(config["features"], config["hidden"], peephole_error=error))
        w, u, b = (jnp.concatenate([p[f"{letter}_{g}"] for g in "ifzo"]) for letter in "WUb")
        params = PeepholeParams(w, u, b, jnp.stack([p[f"p_{gate}"] for gate in "ifo"]))
        if asked.initial:
            begin = PeepholeState.of(asked.initial["s0"], asked.initial["y0"])
        state, y = unroll(cell, params, asked.inputs, begin, asked.length)
        return {"output": y, "y_n": state.y, "s_n": state.s}

    return outputs


def of_multidimensional(asked: Asked) -> Arrays:
    """One net, or one for each direction with a prefix of its own."""
    dimensions = asked.config["dimensions"]
    ways = asked.config.get("directions")
    nets = (
        {f"dir{k}.": tuple(way) for k, way in enumerate(ways)} if ways else {"": (1,) * dimensions}
    )

    def one(prefix: str, way: tuple[int, ...]) -> Array:
        p = {name.removeprefix(prefix): a for name, a in asked.params.items()
             if name.startswith(prefix)}  # fmt: skip
        params = MultiParams(p["W"], tuple(p[f"U_{d}"] for d in range(dimensions)), p["b"])
        return multi_sweep(params, asked.inputs, way)

    return {"y": jnp.concatenate([one(*net) for net in nets.items()], axis=dimensions)}


def _transforms(asked: Asked, prefix: str) -> tuple[Transform, ...]:
    named = (f"{prefix}.dim{d}" for d in range(asked.config["dimensions"]))
    return tuple(Transform(asked.params[f"{n}.W"], asked.params.get(f"{n}.b")) for n in named)


def of_grid_block(asked: Asked) -> Arrays:
    """A single block; its output is o tanh(m), that of all these files."""
    hs, ms = tuple(asked.inputs), tuple(asked.initial["m"])
    hs, ms = grid_block(_transforms(asked, "block"), hs, ms, tanh_of_product=False)
    return {"h": jnp.stack(hs), "m": jnp.stack(ms)}


def of_grid(asked: Asked) -> Arrays:
    """Blocks over the axes of the input."""
    config, p = asked.config, asked.params
    own = ["tied"] if config["tied"] else [f"layer{n}" for n in range(config["layers"])]
    repeats = ((),) * (config["layers"] - len(own))
    layers_of = tuple(_transforms(asked, prefix) for prefix in own)
    params = GridParams(p["proj_h"], p.get("proj_m"), layers_of, repeats)
    axes = config["dimensions"] - 1
    return {"output": grid_sweep(params, asked.inputs, axes, tanh_of_product=False)}


def of_ctc(asked: Asked) -> Arrays:
    """A bidirectional layer below CTC, whose loss is a sum over the sequences."""
    config, p, length = asked.config, dict(asked.params), asked.length
    weight, bias = p.pop("linear_weight"), p.pop("linear_bias")
    cells = layers(_lstm(config), config["features"], 1, both_directions=True)
    _, y = run_layers(cells, from_torch(p), asked.inputs, None, length)
    logits = jnp.einsum("ku,tub->tkb", weight, y) + bias[None, :, None]
    assert length is not None and asked.targets is not None and asked.target_length is not None
    losses = ctc_error(logits, asked.targets, length, asked.target_length)
    logs = living_inputs(jax.nn.log_softmax(logits, axis=1), length)
    return {"log_probs": logs, "loss_per_sequence": losses, LOSS: jnp.sum(losses)}


def of_attention(asked: Asked) -> Arrays:
    """A decoder that is taught, and its cross-entropy."""
    config, p, wanted, length = asked.config, asked.params, asked.targets, asked.length
    assert length is not None and wanted is not None and asked.target_length is not None
    writer = decoder(
        lambda inputs: lstm(inputs, config["hidden"]),
        config["classes"],
        config["encoder_features"],
        embedding=None if config["one_hot"] else config["embedding"],
        attention=config["attention"],
    )
    params = DecoderParams(
        TorchParams(p["weight_ih"], p["weight_hh"], p["bias_ih"], p["bias_hh"]),
        None if config["one_hot"] else p["embedding"].T,
        AttentionParams(p["W_h"], p["W_s"], p["v"]),
        p["W_o"],
        p["b_o"],
    )
    begin = LSTMState(asked.initial["c0"], asked.initial["s0"]) if asked.initial else None
    first = jnp.full_like(wanted[:1], config["bos"])
    seen = teacher_forcing(
        writer, params, asked.inputs, length, jnp.concatenate([first, wanted[:-1]]), begin
    )
    alive = living_steps(len(wanted), asked.target_length)
    each = optax.losses.softmax_cross_entropy_with_integer_labels(seen.logits, wanted, axis=1)
    total = jnp.sum(jnp.where(alive, each, 0))
    every = jnp.sum(alive.astype(total.dtype)) if config["reduction"] == "mean" else 1
    assert seen.alignment is not None
    found = {
        "logits": seen.logits,
        "alignments": seen.alignment,
        "contexts": seen.context,
        "states": seen.outputs,
    }
    ends = asked.target_length
    return {name: living_inputs(y, ends) for name, y in found.items()} | {LOSS: total / every}


KINDS: dict[str, Callable[[Asked], Arrays]] = {
    "mdlstm": of_multidimensional,
    "mdlstm_multidirectional": of_multidimensional,
    "gridlstm_block": of_grid_block,
    "gridlstm": of_grid,
    "gridlstm_depth_without_memory": of_grid,
    "lstm_forget_peephole": of_peepholes("kept"),
    "lstm_forget_peephole_truncated": of_peepholes("kept"),
    "lstm": _OF_LSTM,
    "lstm_proj": _OF_LSTM,
    "gru": of_torch(_gru, GRUState.of, lambda s: (s.h,), "h"),
    "rnn_tanh": of_torch(_rnn("tanh"), RNNState, lambda s: (s.h,), "h"),
    "rnn_relu": of_torch(_rnn("relu"), RNNState, lambda s: (s.h,), "h"),
    "blstm_ctc": of_ctc,
    "attention": of_attention,
    "gru_tutorial": of_gru("tutorial"),
    "gru_2014": of_gru("2014"),
}


# fields of gradients that hold some of what a step reads constant
FURTHER: dict[str, Callable[[Asked], Arrays]] = {
    f"gradients_truncated_peepholes_{error}": of_peepholes(error, cut)
    for error in get_args(PeepholeError)
}
_OBJECT = fields({})
FORM = fields(
    {
        "kind": one_of(tuple(KINDS)),
        **dict.fromkeys(("config", "params", "outputs", "gradients"), _OBJECT),
        "lengths": perhaps(every(whole(0))),
        "loss": number(-float(np.finfo(float).max), float(np.finfo(float).max)),
        "inputs": every(lambda value, place: None),
    },
    {
        "loss_weights": lambda value, place: None,
        "targets": perhaps(every(every(whole(0)))),
        "target_lengths": perhaps(every(whole(0))),
    },
)


def deviations(data: dict[str, Any]) -> dict[str, float]:
    """By output, loss and gradient, how far we are from a file; in double precision.

    Raises:
      ValueError: names or sizes that do not fit.
    """
    try:
        found, expected = _numbers(data)
    except (KeyError, TypeError, ValueError) as error:
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"as one of the kind {data['kind']} it does not fit, {words}") from error
    missing = sorted(set(expected) - set(found))
    if missing:
        raise Misfit(missing[0], "something that this kind has", "")
    return {name: _deviation(found[name], expected[name]) for name in expected}


def _numbers(data: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What we compute and what the file says, by the same names."""
    arrays = {
        "params": _tree(data["params"]),
        "inputs": jnp.asarray(data["inputs"], float),
        "initial": _tree(data.get("initial") or {}),
    }
    length = None if data["lengths"] is None else jnp.asarray(data["lengths"], jnp.int32)
    targets = _labels(data)

    def loss(given: dict[str, Any], outputs_of) -> tuple[Array, Arrays]:
        initial = {name: _batch_last(leaf) for name, leaf in given["initial"].items()}
        asked = Asked(
            data["config"], given["params"], _batch_last(given["inputs"]), initial, length, *targets
        )
        outputs = {name: _batch_last(y) for name, y in outputs_of(asked).items()}
        if LOSS in outputs:
            return outputs.pop(LOSS), outputs
        weights = data["loss_weights"]
        single = "y" if "y" in outputs else "output"
        named = weights if isinstance(weights, dict) else {single: weights}
        total = sum(jnp.sum(outputs[name] * jnp.asarray(w, float)) for name, w in named.items())
        return jnp.asarray(total), outputs

    slope = jax.jit(jax.value_and_grad(loss, has_aux=True), static_argnums=1)
    (value, outputs), slopes = slope(arrays, KINDS[data["kind"]])
    further = [name for name in FURTHER if name in data]
    found = {
        "outputs": outputs,
        "loss": {"": value},
        "gradients": _flat(slopes),
        **{name: _flat(slope(arrays, FURTHER[name])[1]) for name in further},
    }
    expected = {**{name: data[name] for name in found}, "loss": {"": data["loss"]}}
    return _named(found), _named(expected)


def _labels(data: dict[str, Any]) -> tuple[Array, Array] | tuple[None, None]:
    """Labels, `(label_time, batch)`, and how many: CTC's are a string a sequence in the file."""
    strings = data.get("targets")
    if strings is None:
        return None, None
    if data["kind"] == "blstm_ctc":
        longest = max(1, *map(len, strings))
        strings = np.transpose([one + [0] * (longest - len(one)) for one in strings])
    return jnp.asarray(strings, jnp.int32), jnp.asarray(data["target_lengths"], jnp.int32)


def _flat(slopes: dict[str, Any]) -> Arrays:
    return {**slopes["params"], **slopes["initial"], "inputs": slopes["inputs"]}


def _named(groups: dict[str, dict[str, Any]]) -> dict[str, np.ndarray]:
    return {
        f"{group}.{name}".removesuffix("."): np.asarray(values, float)
        for group, named in groups.items()
        for name, values in named.items()
    }


def _tree(named: dict[str, Any]) -> Arrays:
    return {name: jnp.asarray(values, float) for name, values in named.items()}


def _batch_last(values: Array) -> Array:
    """From `(..., batch, units)` to `(..., units, batch)`, or back."""
    return jnp.swapaxes(values, -1, -2) if values.ndim > 1 else values


def _deviation(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        raise Misfit("", f"of shape {found.shape}", f"{expected.shape}")
    largest = np.max(np.abs(expected), initial=0.0)
    return float(np.max(np.abs(found - expected), initial=0.0) / (largest or 1.0))
