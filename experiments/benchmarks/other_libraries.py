"""The nets of other libraries trained as the trials of row 4-100 are, for timing only.

Four LSTM units and a logistic output, as users of each library would write them: the
full gradient by reverse mode, one change of the weights after every sequence, trials
side by side by `vmap`. The JAX libraries draw, in the same compiled loop, the very
sequences that our trials draw; torch gets them drawn beforehand, and unpadded.

`time_peer` has `python -m experiments.benchmarks.other_libraries NAME SECONDS LANES...` do it,
a process for each set of XLA flags, because XLA reads them once.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from experiments.benchmarks.engine import ROW, SEED, mean_length, say
from experiments.benchmarks.stopwatch import Sample, fastest, load, machine, one_core
from experiments.common.files import HERE
from lstm_jax.types import Array, Key, Sequence

PEERS = {"flax": "OptimizedLSTMCell", "equinox": "LSTMCell", "torch": "nn.LSTM"}
LANELESS = ("torch",)  # trains one trial at a time
MISSING = "not installed (make peers)"

UNITS, INPUTS, OUTPUTS = sum(ROW.net.blocks), ROW.net.inputs, ROW.net.outputs


def time_peer(name: str, lanes: tuple[int, ...], seconds: float) -> dict[str, Any] | str:
    """A net of another library in processes of its own, with and without our XLA flags.

    Returns:
      `{"net", "version", "no_flags", "our_flags", "best"}`, the last three by number of
      lanes (`our_flags` only where they make a difference); or one line on why there is
      nothing.
    """
    if find_spec(name) is None:
        return MISSING
    flags = {"no_flags": "", "our_flags": os.environ.get("XLA_FLAGS", "")}
    if name in LANELESS or not flags["our_flags"]:
        del flags["our_flags"]
    asked = (1,) if name in LANELESS else lanes
    found = {kind: ask_peer(name, asked, seconds, text) for kind, text in flags.items()}
    for answer in found.values():
        if isinstance(answer, str):
            return answer
    best = {
        str(n): min((timed[str(n)] for timed in found.values()), key=lambda t: t["ns"])
        for n in asked
    }
    return {"net": PEERS[name], "version": version(name), **found, "best": best}


def ask_peer(name: str, lanes: tuple[int, ...], seconds: float, flags: str) -> Any:
    """What this module, run as a program, says under these XLA flags, or why it fails."""
    return answer_of(
        "other_libraries", name, str(seconds), *map(str, lanes), environment={"XLA_FLAGS": flags}
    )


def of_each(names: Iterable[str], ask: Callable[[str], Any]) -> dict[str, Any]:
    """What `ask` says of every library, one after the other on one core; and the machine."""
    found: dict[str, Any] = {"libraries": {}}
    with one_core() as core:
        found["machine"] = machine(core)
        for name in names:
            say(name)
            found["libraries"][name] = ask(name)
    found["machine"]["load_after"] = load()
    say("")
    return found


def answer_of(module: str, *arguments: str, environment: dict[str, str]) -> Any:
    """What a module of this room, run as a program, prints in its last line, or why it fails.

    Args:
      module: its name.
      arguments: of the program.
      environment: variables that are other than here.
    """
    command = [sys.executable, "-m", f"experiments.benchmarks.{module}", *arguments]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, cwd=HERE.parent, env=environment, capture_output=True, text=True)
    if done.returncode:
        return f"failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}"
    return json.loads(done.stdout.splitlines()[-1])


class Net(NamedTuple):
    """A net of another library.

    Attributes:
      init: `key -> params`.
      apply: `(params, inputs (time, inputs), length) -> output (outputs,)` at the end.
    """

    init: Callable[[Key], Any]
    apply: Callable[[Any, Array, Array], Array]


def flax_net() -> Net:
    """`linen.RNN` over an `OptimizedLSTMCell`."""
    from flax import linen

    class Adder(linen.Module):
        @linen.compact
        def __call__(self, inputs, length):
            y = linen.RNN(linen.OptimizedLSTMCell(UNITS))(inputs)
            return linen.sigmoid(linen.Dense(OUTPUTS)(y[length - 1]))

    adder = Adder()
    return Net(
        lambda key: adder.init(key, jnp.zeros((1, INPUTS)), 1),
        lambda params, inputs, length: adder.apply(params, inputs, length),  # pyright: ignore
    )


def equinox_net() -> Net:
    """`nn.LSTMCell` in a scan."""
    import equinox

    class Adder(equinox.Module):
        cell: equinox.nn.LSTMCell
        readout: equinox.nn.Linear

        def __init__(self, key):
            for_cell, for_readout = jax.random.split(key)
            self.cell = equinox.nn.LSTMCell(INPUTS, UNITS, key=for_cell)
            self.readout = equinox.nn.Linear(UNITS, OUTPUTS, key=for_readout)

        def __call__(self, inputs, length):
            def step(carry, x):
                carry = self.cell(x, carry)
                return carry, carry[0]

            _, y = lax.scan(step, (jnp.zeros(UNITS), jnp.zeros(UNITS)), inputs)
            return jax.nn.sigmoid(self.readout(y[length - 1]))

    return Net(Adder, lambda adder, inputs, length: adder(inputs, length))


def training_sequence(key: Key, number: Array | int) -> Sequence:
    """Sequence `number` of the trial with this key, as `training` draws it."""
    return ROW.training.task().sample(jax.random.fold_in(jax.random.fold_in(key, 1), number))


def time_jax(net: Net, lanes: int, seconds: float) -> Sample:
    """On-line training of as many trials as there are lanes, in one compiled loop."""
    optimizer = optax.sgd(ROW.training.rate)

    def loss(params, sequence: Sequence):
        output = net.apply(params, sequence.inputs, sequence.length)
        return 0.5 * jnp.sum((sequence.targets[0] - output) ** 2)

    def learn(key, number, state):
        params, opt_state = state
        grads = jax.grad(loss)(params, training_sequence(key, number))
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    @partial(jax.jit, donate_argnums=0)
    def train(state, sequences):
        def body(number, state):
            return jax.vmap(learn, in_axes=(0, None, 0))(keys, number, state)

        return lax.fori_loop(0, sequences, body, state)

    @jax.jit
    def start():
        params = jax.vmap(net.init)(keys)
        return params, jax.vmap(optimizer.init)(params)

    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(SEED), i))(jnp.arange(lanes))
    return fastest(start, train, seconds)


def time_torch(seconds: float) -> Sample:
    """`torch.nn.LSTM` and `torch.nn.Linear`, sequence by sequence, one trial."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    drawn = jax.vmap(partial(training_sequence, jax.random.key(SEED)))(jnp.arange(1000))
    pairs = [
        (torch.tensor(inputs[:length].tolist()), torch.tensor(target[0].tolist()))
        for inputs, target, length in zip(
            *jax.device_get((drawn.inputs, drawn.targets, drawn.length)), strict=True
        )
    ]

    def start():
        lstm, readout = (
            torch.nn.LSTM(INPUTS, UNITS),
            torch.nn.Linear(UNITS, OUTPUTS),
        )
        parameters = [*lstm.parameters(), *readout.parameters()]
        return lstm, readout, torch.optim.SGD(parameters, lr=ROW.training.rate)

    def train(net, sequences: int) -> None:
        lstm, readout, optimizer = net
        for number in range(sequences):
            inputs, target = pairs[number % len(pairs)]
            y, _ = lstm(inputs)
            output = torch.sigmoid(readout(y[-1]))
            loss = 0.5 * torch.sum((target - output) ** 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return fastest(start, train, seconds)


NETS = {"flax": flax_net, "equinox": equinox_net}


def main() -> None:
    """Time one library at some numbers of lanes and print JSON: number to time."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.other_libraries")
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("seconds", type=float)
    parser.add_argument("lanes", type=int, nargs="+")
    asked = parser.parse_args()
    if asked.name in LANELESS and asked.lanes != [1]:
        parser.error(f"{asked.name} trains one trial at a time")
    steps = mean_length(ROW)

    def sample(lanes: int) -> Sample:
        if asked.name in LANELESS:
            return time_torch(asked.seconds)
        return time_jax(NETS[asked.name](), lanes, asked.seconds)

    print(json.dumps({str(n): sample(n).per_step(n, steps) for n in asked.lanes}))


if __name__ == "__main__":
    main()
