"""Rows of tasks that the paper only talks about, in its Section 6.

It gives no settings for them, so these are ours, and kind to the net: rates and the range
of the initial weights are among the best of a few that were tried, blocks are those of
its other experiments. There are no published figures; `claims` says what the paper says.
"""

from functools import partial
from typing import Any

from experiments.paper.row import Published, Row
from experiments.paper.settings import EvaluationSettings, NetSettings, TrainingSettings
from lstm_jax.tasks import AND, delayed_logic, parity, steps_ago
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.types import Task


def _row(
    name: str,
    title: str,
    task: partial[Task],
    blocks: tuple[int, ...],
    inputs: int,
    rate: float,
    input_gate: tuple[float, ...] | None = None,
) -> Row:
    units = sum(blocks) + 2 * len(blocks)
    return Row(
        name=name,
        table=10,
        experiment="limits",
        title=title,
        published=Published(None),
        trials=20,
        weight_count=units * (inputs + units + 1) + sum(blocks) + 1,
        net=NetSettings(
            inputs=inputs, outputs=1, blocks=blocks, weights=1.0, input_gate=input_gate
        ),
        training=TrainingSettings(task=task, rate=rate),
        evaluation=EvaluationSettings(
            tolerance=0.3, stop=partial(recent, 1000, Criterion(1)), cap=200_000
        ),
    )


def _logic(T: int, function: str, **truth: Any) -> Row:
    return _row(
        f"{function.lower()}-{T}",
        f"{function} of two marked signs, T={T}",
        partial(delayed_logic, T, **truth),
        blocks=(2, 2),
        inputs=2,
        rate=0.3,
        input_gate=(-1, -1),
    )


def _steps(few: int, many: int) -> Row:
    return _row(
        f"steps-{few}-{many}",
        f"{few} or {many} steps ago",
        partial(steps_ago, few, many),
        blocks=(1, 1, 1),
        inputs=1,
        rate=1.0,
        input_gate=(-2, -2, -2),
    )


PARITY = _row(
    "parity-500",
    "parity of 500 signs",
    partial(parity, 500),
    blocks=(1,),
    inputs=1,
    rate=0.3,
)
TABLE_10 = (
    _logic(100, "AND", truth=AND),
    _logic(10, "XOR"),
    _logic(50, "XOR"),
    _logic(100, "XOR"),
    _steps(3, 11),
    _steps(99, 100),
    PARITY,
)
