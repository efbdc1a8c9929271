"""The rows of Tables 1 and 2 that are not the LSTM's: other nets, other ways to learn.

Decisions. The paper gives sizes, rates and counts of weights, which settle the nets: units
that are all connected (RTRL of Table 1), an Elman net, and for Table 2 one self-recurrent
hidden unit below outputs that receive the inputs too; but for cascade-correlation, which has
Fahlman's own settings, none has biases. The chunker's weights are counted as the paper does,
those of the net with one more output. Weights change at every
step, but once a sequence for BPTT; nets start every sequence anew; initial weights are those
of the LSTM row of the same experiment. Where no rate is given it is 0.1. Caps: three times
the published mean or the paper's 5,000,000 sequences; with p = 100, where these would
take days, as many as take minutes.

Table 0 is ours: random guessing of the weights of an LSTM row's net, from -100 to 100, beside
the figures of the paper's LSTM. The paper says that guessing solves 3a and not what follows.
"""

from dataclasses import replace
from functools import partial

from experiments.paper.limitation_rows import PARITY
from experiments.paper.lstm_rows import TABLE_4 as LSTM_4
from experiments.paper.lstm_rows import TABLE_6 as LSTM_6
from experiments.paper.lstm_rows import TABLE_7 as LSTM_7
from experiments.paper.lstm_rows import long_lag_row, reber_row
from experiments.paper.row import LSTM, Published, Rival, Row
from lstm_jax.tasks import fixed_distractors


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
    return Rival("RTRL", 7 + hidden, ("fully recurrent", 7, 7 + hidden, 7))


_CASCADE = Rival("RCC", 15, ("cascade", 7, 7, 15))
_ELMAN = Rival("Elman", 15, ("Elman", 15))
TABLE_1 = (
    _of_reber("rtrl-3", _fully_recurrent(3), 0.05, Published(173_000, success=None), 170, 519_000),
    _of_reber("rtrl-12", _fully_recurrent(12), 0.1, Published(25_000, success=None), 494, 75_000),
    _of_reber("elman", _ELMAN, 0.1, Published(200_000, success=0.0), 435, 200_000),
    _of_reber("rcc", _CASCADE, 0.35, Published(182_000, success=0.5), 198, 1_820_000),
)


def long_lag_rival(method: str, p: int) -> Rival:
    """One self-recurrent unit in experiment 2a; of the chunker in each of two nets."""
    return Rival(method, 1, ("chunker" if method == "chunker" else "one unit", p + 1))


def _of_long_lag(
    method: str,
    p: int,
    rate: float,
    published: Published,
    cap: int,
    every_step: bool = True,
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
        cap=cap,
        training={"rate": rate, "every_step": every_step},
        rival=long_lag_rival(method, p),
    )


_rtrl = partial(_of_long_lag, "RTRL")
_GIVEN_UP = Published(5_000_000, success=0.0)
_CHUNKER = Published(32_400, success=0.33)
TABLE_2 = (
    _rtrl(4, 1.0, Published(1_043_000, success=0.78), 5_000_000),
    _rtrl(4, 4.0, Published(892_000, success=0.56), 5_000_000),
    _rtrl(4, 10.0, Published(254_000, success=0.22), 5_000_000),
    _rtrl(10, 1.0, _GIVEN_UP, 5_000_000),
    _rtrl(10, 4.0, _GIVEN_UP, 5_000_000),
    _rtrl(10, 10.0, _GIVEN_UP, 5_000_000),
    _rtrl(100, 1.0, _GIVEN_UP, 100_000),
    _of_long_lag("chunker", 100, 1.0, _CHUNKER, 97_200, weight_count=10_506),
    _of_long_lag("BPTT", 100, 1.0, _GIVEN_UP, 50_000, every_step=False),
)


def _guessing(row: Row) -> Row:
    return replace(
        row,
        name=f"guess-{row.name}",
        table=0,
        experiment=f"{row.experiment} guessed",
        title=f"weights guessed: {row.title}",
        trials=20,
        rival=Rival("guessing", row.units, (LSTM, row.name)),
    )


GUESSED = (LSTM_4[0], LSTM_4[1], LSTM_6[0], LSTM_7[0], PARITY)
TABLE_0 = tuple(map(_guessing, GUESSED))
