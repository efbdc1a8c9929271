"""A layer of today beside the same layer of other libraries: forwards, and a training step.

`bench --layers` times LSTM and GRU at a few sizes, all outputs used, weights shared by the
batch: our cells by `unroll`, flax's by `linen.RNN`, equinox's in a scan, torch's layers. Each
library has a process of its own, on one core, under one setting of the C library's allocator,
which keeps what it was given back: fresh memory costs every library the same page faults.
`python -m experiments.benchmarks.layer_speed NAME SECONDS` is such a process.
"""

import argparse
import json
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from experiments.benchmarks.other_libraries import MISSING, answer_of, of_each
from experiments.benchmarks.stopwatch import fastest

SIZES = ((256, 32, 128, 128), (128, 64, 512, 512), (1000, 1, 32, 32), (100, 16, 8, 64))
KINDS = ("lstm", "gru")
LIBRARIES = ("lstm_jax", "flax", "equinox", "torch")
# more than any array here: memory that was given back is kept for the next call
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(2**34), "MALLOC_MMAP_THRESHOLD_": str(2**34)}

Run = Callable[[], Any]


def bench(seconds: float, libraries: tuple[str, ...] = LIBRARIES) -> dict[str, Any]:
    """Time every library at every size.

    Args:
      seconds: for each program, which is compiled before.
      libraries: of `LIBRARIES`.

    Returns:
      What JSON can hold: `libraries` by name, each a line on why there is nothing or
      `{"version", "layers"}`, layers by `kind steps x batch x inputs x hidden` with
      milliseconds of `forward` and `training`.
    """
    found = of_each(libraries, lambda name: _ask(name, seconds))
    return {"seconds": seconds, "allocator": ALLOCATOR, **found}


def _ask(name: str, seconds: float) -> Any:
    if find_spec(name) is None:
        return MISSING
    # the flags that suit our trials are no part of this
    environment = {**ALLOCATOR, "XLA_FLAGS": ""}
    layers = answer_of("layer_speed", name, str(seconds), environment=environment)
    return layers if isinstance(layers, str) else {"version": version(name), "layers": layers}


def label(kind: str, size: tuple[int, int, int, int]) -> str:
    """How a layer is named in the results."""
    return f"{kind} {'x'.join(map(str, size))}"


def milliseconds(run: Run, seconds: float) -> float:
    """Of a call, the least of any repetition, after it was compiled."""

    def calls(nothing: None, number: int) -> None:
        for _ in range(number):
            run()

    sample = fastest(lambda: None, calls, seconds)
    return round(1e3 * sample.seconds / sample.sequences, 3)


def _ours(kind: str, size: tuple[int, int, int, int]) -> tuple[Run, Run]:
    from lstm_jax.cells.gru import gru
    from lstm_jax.cells.lstm import lstm
    from lstm_jax.networks.unroll import unroll

    _, batch, inputs, hidden = size
    cell = {"lstm": lstm, "gru": gru}[kind](inputs, hidden)
    state = cell.initial_state((batch,))
    x, slopes = _numbers(size, (0, 2, 1))
    return _of_jax(
        cell.init(jax.random.key(0)), lambda p, x: unroll(cell, p, x, state)[1], x, slopes
    )


def _flax(kind: str, size: tuple[int, int, int, int]) -> tuple[Run, Run]:
    from flax import linen

    cell = {"lstm": linen.OptimizedLSTMCell, "gru": linen.GRUCell}[kind]
    layer = linen.RNN(cell(size[3]), time_major=True)
    x, slopes = _numbers(size)
    return _of_jax(layer.init(jax.random.key(0), x), lambda p, x: layer.apply(p, x), x, slopes)


def _equinox(kind: str, size: tuple[int, int, int, int]) -> tuple[Run, Run]:
    import equinox

    _, batch, inputs, hidden = size
    make = {"lstm": equinox.nn.LSTMCell, "gru": equinox.nn.GRUCell}[kind]
    cell = make(inputs, hidden, key=jax.random.key(0))
    zeros = jnp.zeros((batch, hidden))
    begin = (zeros, zeros) if kind == "lstm" else zeros

    def run(cell, x):
        def step(carry, x):
            carry = jax.vmap(cell)(x, carry)
            return carry, carry[0] if kind == "lstm" else carry

        return lax.scan(step, begin, x)[1]

    return _of_jax(cell, run, *_numbers(size))


def _of_jax(params: Any, run: Callable[[Any, Any], Any], x: Any, slopes: Any) -> tuple[Run, Run]:
    forward = jax.jit(run)
    step = jax.jit(jax.value_and_grad(lambda p, x: jnp.sum(run(p, x) * slopes)))
    return (
        lambda: jax.block_until_ready(forward(params, x)),
        lambda: jax.block_until_ready(step(params, x)),
    )


def _torch(kind: str, size: tuple[int, int, int, int]) -> tuple[Run, Run]:
    import torch

    torch.set_num_threads(1)
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](size[2], size[3])
    x, slopes = (torch.tensor(np.asarray(a)) for a in _numbers(size))

    def forward() -> Any:
        with torch.no_grad():
            return layer(x)[0]

    def training() -> None:
        layer.zero_grad()
        torch.sum(layer(x)[0] * slopes).backward()

    return forward, training


def _numbers(size: tuple[int, int, int, int], order: tuple[int, ...] = (0, 1, 2)) -> Any:
    """Inputs and slopes of the outputs, `(steps, batch, units)` in another order of the axes."""
    steps, batch, inputs, hidden = size
    one, other = jax.random.split(jax.random.key(1))
    x = jax.random.normal(one, (steps, batch, inputs))
    slopes = jax.random.normal(other, (steps, batch, hidden))
    return jnp.transpose(x, order), jnp.transpose(slopes, order)


MAKE = {"lstm_jax": _ours, "flax": _flax, "equinox": _equinox, "torch": _torch}


def main() -> None:
    """Time one library at all sizes and print JSON."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.layer_speed")
    parser.add_argument("name", choices=LIBRARIES)
    parser.add_argument("seconds", type=float)
    asked = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for size in SIZES:
        for kind in KINDS:
            forward, training = MAKE[asked.name](kind, size)
            found[label(kind, size)] = {
                "forward": milliseconds(forward, asked.seconds),
                "training": milliseconds(training, asked.seconds),
            }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
