"""A stream that is never cut: the continual embedded Reber grammar (Gers et al. 2000)."""

from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib.figure import Figure

from experiments.common.intervals import bootstrap, wilson
from experiments.running.results import solved_after
from experiments.studies.findings import Finding
from experiments.studies.trial_source import TrialSource
from lstm_jax.cells.memory_block import Initialization, memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import forward_traces
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.networks.unroll import record
from lstm_jax.tasks import continual_reber, embedded_reber
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import Resets, gradient_descent
from lstm_jax.training.judging import most_active
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Cell

TRIALS, RATES = 20, (0.2, 0.5)
RIGHT = 1_000  # strings in a row without a wrong prediction, some 12,000 symbols
CAP = 150_000  # strings
STREAM = 300  # strings of the stream that states are watched over
BLOCKS = (2, 2, 2, 2)
# Gers et al. 2000: gates begin shut by degrees, forget gates open
GATES = (-0.5, -1.0, -1.5, -2.0)

# with forget gates or not, and when the net begins anew
NETS: dict[str, tuple[bool, Resets]] = {
    "1997, strings apart": (False, True),
    "1997, new stream at errors": (False, "after_errors"),
    "1997, stream": (False, False),
    "forget gates, new stream at errors": (True, "after_errors"),
    "forget gates, stream": (True, False),
}
STREAMS = "1997, stream", "forget gates, stream"  # of which states are watched


def _net(forget_gates: bool) -> Cell:
    initial = Initialization(
        scale=0.2,
        input_gate=GATES,
        output_gate=GATES,
        forget_gate=tuple(-bias for bias in GATES) if forget_gates else None,
    )
    topology = Topology(7, BLOCKS, forget_gates=forget_gates)
    return readout(memory_block(topology, initial), 7, init_scale=0.2)


def config(forget_gates: bool, resets: Resets):
    """From a rate to the configuration of a trial."""
    net = _net(forget_gates)

    def of_rate(rate: Any) -> TrialConfig:
        learner = gradient_descent(
            forward_traces, squared_error, optax.sgd(rate), every_step=True, resets=resets
        )
        return TrialConfig(
            net=net,
            task=embedded_reber() if resets is True else continual_reber(),
            learner=learner,
            judge=most_active,
            stop=recent(RIGHT, Criterion(wrong_below=1)),
            max_sequences=CAP,
            test_sequences=0,
        )

    return of_rate


def continual_embedded_reber(source: TrialSource) -> Finding:
    """A stream without resets is learnt with forget gates, and not without (Gers et al. 2000).

    Four blocks of two cells, the truncated gradient on-line, 20 trials at each of two rates
    (the better one is shown); success is 1,000 strings in a row, some 12,000 symbols, without a
    wrong prediction. The paper ends a training stream at the first error and then begins a new
    one with a net reset; here the string of the error is gone through to its end before that
    (new stream at errors), or the stream is never cut. It holds if, both ways, the intervals of
    the success rates with and without forget gates lie apart, and on a stream that is never cut
    states grow without bound only without them: tenfold or more from the tenth to the last of
    300 strings.
    """
    found = {name: _trials(source, name, *how) for name, how in NETS.items()}
    states = {name: _states(source, name, found[name]) for name in STREAMS}
    grown = {name: one["growth"] for name, one in states.items()}
    holds = grown["1997, stream"] >= 10 > grown["forget gates, stream"]
    for way in ("stream", "new stream at errors"):
        without, with_gates = (
            found[f"{net}, {way}"]["success"] for net in ("1997", "forget gates")
        )
        holds = holds and without["high"] < with_gates["low"]
    words = "; ".join(f"{name}: {_short(one)}" for name, one in found.items())
    words += "; largest state grows by a factor of " + ", ".join(
        f"{value:.3g} ({name})" for name, value in grown.items()
    )
    return Finding(holds, words, {"trials": found, "states": states}, _figure(found, states))


def _trials(source: TrialSource, name: str, forget_gates: bool, resets: Resets) -> dict[str, Any]:
    rates = np.repeat(np.asarray(RATES, np.float32), TRIALS)
    trial = make_trial(config(forget_gates, resets))
    records = source.trials(_folder(name), trial, len(rates), settings=rates)
    each = []
    for i, rate in enumerate(RATES):
        own = records[i * TRIALS : (i + 1) * TRIALS]
        after = sorted(solved_after(own))
        mean = bootstrap(after)
        each.append(
            {
                "rate": rate,
                "first": i * TRIALS,
                "after": after,
                "trials": len(own),
                "success": wilson(len(after), len(own))._asdict(),
                "mean": mean and mean._asdict(),
            }
        )
    return max(each, key=lambda one: len(one["after"]))


def _folder(name: str) -> str:
    return "continual." + name.replace(", ", "-").replace(" ", "-")


def _states(source: TrialSource, name: str, one: dict[str, Any]) -> dict[str, Any]:
    """The largest state of any cell after each string of one stream, of the first trial."""
    net = _net(NETS[name][0])
    params = source.params(_folder(name), one["first"], net.init(jax.random.key(0)))
    strings = jax.vmap(continual_reber().sample)(jax.random.split(jax.random.key(1), STREAM))
    strings = jax.device_get(strings)
    symbols = np.concatenate([s[:n] for s, n in zip(strings.inputs, strings.length, strict=True)])
    seen = record(net, params, jnp.asarray(symbols), lambda params, state, x: state.cell_state)
    largest = np.abs(np.asarray(seen)).max(axis=1)[np.cumsum(strings.length) - 1]
    growth = float(largest[-1] / largest[9])
    return {"largest": [float(v) for v in largest[::10]], "growth": growth}


def _short(one: dict[str, Any]) -> str:
    mean = f", mean {one['mean']['value']:,.0f} strings" if one["mean"] else ""
    return f"{len(one['after'])} of {one['trials']} at rate {one['rate']:g}{mean}"


def _figure(found: dict[str, Any], states: dict[str, Any]) -> Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for i, (name, one) in enumerate(found.items()):
        share = [0, *(np.arange(1, len(one["after"]) + 1) / one["trials"])]
        x = [0, *one["after"], CAP]
        left.step(x, [*share, share[-1]], where="post", color=f"C{i}", label=name)
    for name, one in states.items():
        i = list(found).index(name)
        right.semilogy(10 * np.arange(len(one["largest"])), one["largest"], f"C{i}", label=name)
    left.set(xlabel="strings", ylabel="share of trials", ylim=(-0.03, 1.03))
    right.set(xlabel="strings of one stream", ylabel="largest cell state")
    left.legend(fontsize="small")
    return figure
