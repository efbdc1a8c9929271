"""The rows of Tables 1 and 2 that are not the LSTM's: other nets, other ways to learn.

Decisions. The paper gives sizes, rates and counts of weights, which settle the nets: units
that all hear one another (RTRL of Table 1), an Elman net, and for Table 2 one self-recurrent
hidden unit below outputs that hear the inputs too; but for cascade-correlation, which has
Fahlman's own settings, none has biases. The chunker's weights are counted as the paper does,
those of the net with one more output. Weights change at every
step, but once a sequence for BPTT; nets start every sequence anew; initial weights are those
of the LSTM row of the same experiment. Where no rate is given it is 0.1. Caps: three times
the published mean or the paper's 5,000,000 sequences; with p = 100, where these would
take days, as many as take minutes.

Table 0 is ours: random guessing of the weights of an LSTM row's net, from -100 to 100, beside
the figures of the paper's LSTM. The paper says that guessing solves 3a and not what follows.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax

from experiments.limits import PARITY
from experiments.paper import TABLE_4 as LSTM_4
from experiments.paper import TABLE_6 as LSTM_6
from experiments.paper import TABLE_7 as LSTM_7
from experiments.paper import long_lag_row, reber_row, reber_set_pairs
from experiments.rows import Published, Rival, Row
from lstm_jax.cascade_correlation import (
    CascadeExperiment,
    at_lane,
    cascade_net,
    make_cascade_trial,
    stack_sets,
)
from lstm_jax.cells.simple import elman, fully_recurrent
from lstm_jax.chunker import Chunking, sequence_chunker
from lstm_jax.gradients import bptt, rtrl
from lstm_jax.guessing import make_guessing
from lstm_jax.tasks import fixed_distractors
from lstm_jax.training import Trial
from lstm_jax.types import Cell, Rule, Sequence, StepRule
from lstm_jax.wiring import readout


def elman_net(hidden: int, weights: float) -> Cell:
    """Seven symbols in, seven outputs, no biases."""
    layer = elman(7, hidden, bias=False, weights=weights)
    return readout(layer, 7, bias=False, weights=weights)


def one_unit(symbols: int, weights: float, further: int = 0) -> Cell:
    """One self-recurrent hidden unit; outputs, one a symbol and further ones, hear both layers."""
    layer = elman(symbols, 1, bias=False, weights=weights)
    return readout(layer, symbols + further, bias=False, direct=True, weights=weights)


def _of_reber(
    name: str, rival: Rival, rate: float, published: Published, weight_count: int, cap: int
) -> Row:
    return reber_row(
        name=f"1-{name}",
        experiment="1 rivals",
        title=f"embedded Reber grammar, {rival.method}, {rival.units} units",
        published=published,
        weight_count=weight_count,
        rate=rate,
        cap=cap,
        rival=rival,
    )


def _fully_recurrent(hidden: int) -> Rival:
    net = partial(fully_recurrent, 7, 7 + hidden, 7, bias=False)
    return Rival("RTRL", 7 + hidden, net, rtrl.stepwise)


def cascade_trial(row: Row) -> Trial:
    """Recurrent cascade-correlation on the trial's pair of sets."""
    training, test = reber_set_pairs(row.pairs)

    def pair(i: int) -> tuple[Sequence, Sequence]:
        return jax.tree.map(lambda leaf: leaf[i], (training, test))

    with jax.ensure_compile_time_eval():
        sets = stack_sets([pair(i) for i in range(row.pairs)])

    def build(numbers: Any) -> CascadeExperiment:
        mine = at_lane(sets, numbers.pair)
        return CascadeExperiment(*mine, inputs=row.inputs, units=_MOST_UNITS, cap=row.cap)

    return make_cascade_trial(build)


_MOST_UNITS = 15
_CASCADE = Rival("RCC", _MOST_UNITS, partial(cascade_net, 7, 7, _MOST_UNITS), trial=cascade_trial)
_ELMAN = Rival("Elman", 15, partial(elman_net, 15), bptt.stepwise(1, symbols=True))
TABLE_1 = (
    _of_reber("rtrl-3", _fully_recurrent(3), 0.05, Published(173_000, success=None), 170, 519_000),
    _of_reber("rtrl-12", _fully_recurrent(12), 0.1, Published(25_000, success=None), 494, 75_000),
    _of_reber("elman", _ELMAN, 0.1, Published(200_000, success=0.0), 435, 200_000),
    _of_reber("rcc", _CASCADE, 0.35, Published(182_000, success=0.5), 198, 1_820_000),
)


def _of_long_lag(
    method: str,
    p: int,
    rate: float,
    published: Published,
    cap: int,
    rule: Rule | StepRule,
    every_step: bool = True,
    net: Callable[..., Cell] | None = None,
    weight_count: int = 0,
) -> Row:
    return long_lag_row(
        fixed_distractors,
        p,
        name=f"2a-{method.lower()}-{p}-{rate:g}",
        experiment="2a rivals",
        title=f"lag {p}, the same distractors, {method}, rate {rate:g}",
        published=published,
        weight_count=weight_count or (p + 2) ** 2,
        rate=rate,
        every_step=every_step,
        cap=cap,
        rival=Rival(method, 1, net or partial(one_unit, p + 1), rule),
    )


def chunking(symbols: int, weights: float = 0.2) -> Chunking:
    """Two nets of one unit each; the automatizer has one more output, for the other's unit."""
    automatizer = one_unit(symbols, weights, further=1)
    return sequence_chunker(automatizer, one_unit(symbols, weights), rtrl.stepwise)


def chunker_net(symbols: int, weights: float) -> Cell:
    """The automatizer, whose parameters are those of both nets."""
    return chunking(symbols, weights).net


_rtrl = partial(_of_long_lag, "RTRL", rule=rtrl.stepwise)
_GIVEN_UP = Published(5_000_000, success=0.0)
TABLE_2 = (
    _rtrl(4, 1.0, Published(1_043_000, success=0.78), 5_000_000),
    _rtrl(4, 4.0, Published(892_000, success=0.56), 5_000_000),
    _rtrl(4, 10.0, Published(254_000, success=0.22), 5_000_000),
    _rtrl(10, 1.0, _GIVEN_UP, 5_000_000),
    _rtrl(10, 4.0, _GIVEN_UP, 5_000_000),
    _rtrl(10, 10.0, _GIVEN_UP, 5_000_000),
    _rtrl(100, 1.0, _GIVEN_UP, 100_000),
    _of_long_lag(
        "chunker",
        100,
        1.0,
        Published(32_400, success=0.33),
        97_200,
        chunking(101).rule,
        net=partial(chunker_net, 101),
        weight_count=10_506,
    ),
    _of_long_lag("BPTT", 100, 1.0, _GIVEN_UP, 50_000, bptt.bptt, every_step=False),
)


def guessing_trial(row: Row) -> Trial:
    """Guess the weights of the LSTM that the row was made from, until 256 sequences are right."""
    from experiments.assembly import build  # which knows readings of all rows, these among them

    return make_guessing(build(replace(row, rival=None)))


def lstm_net(name: str, weights: float) -> Cell:
    """The net of an LSTM row, for what guessing finds."""
    from experiments.assembly import net

    row = next(row for row in GUESSED if row.name == name)
    return net(replace(row, weights=weights))


def _guessing(row: Row) -> Row:
    rival = Rival("guessing", row.units, partial(lstm_net, row.name), trial=guessing_trial)
    return replace(
        row,
        name=f"guess-{row.name}",
        table=0,
        experiment=f"{row.experiment} guessed",
        title=f"weights guessed: {row.title}",
        trials=20,
        rival=rival,
    )


GUESSED = (LSTM_4[0], LSTM_4[1], LSTM_6[0], LSTM_7[0], PARITY)
TABLE_0 = tuple(map(_guessing, GUESSED))
