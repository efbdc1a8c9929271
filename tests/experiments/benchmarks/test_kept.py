"""The page about what was measured: brought up to date, and the crossover computed."""

import json
from pathlib import Path

import pytest

from experiments.benchmarks import kept
from experiments.common.files import HERE

MEASURES = HERE / "results" / "measures"
PAGE = Path(HERE).parent / "docs" / "measures.md"


def test_the_page_is_that_of_the_measures():
    assert PAGE.read_text("utf-8") == kept.page(MEASURES), (
        "run `python -m experiments bench --kept docs/measures.md`"
    )
    assert {path.name for path in MEASURES.glob("*.json")} <= set(kept.KEPT)


def test_the_crossover_lies_where_both_take_the_same_time():
    blocks = {10: 100.0, 1000: 1.0}
    assert kept.crossover(blocks, 10.0) == pytest.approx(100)
    assert kept.crossover(blocks, 200.0) == 10 and kept.crossover(blocks, 0.5) is None


def test_figures_are_those_of_the_files():
    found = {n: json.loads((MEASURES / n).read_text()) for n in ("cpu.json", "h200.json")}
    text = "\n".join(kept.crossovers(found))
    core = min(timed["ns"] for timed in found["cpu.json"]["ours"].values())
    assert f"{core:,.1f} ns" in text
    assert f"{found['h200.json']['rules']['traces']['1000']['ns']:,.2f} ns with 1,000" in text
