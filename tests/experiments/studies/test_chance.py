"""What a reproduction is worth: the closed form, against placebo figures that are drawn."""

from dataclasses import replace
from math import inf, log, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.common.errors import UserError
from experiments.common.files import HERE
from experiments.paper.row import Published
from experiments.paper.tables import ROWS
from experiments.studies import reading_pages, reading_report, reading_search
from experiments.studies.chance import REACH, by_table, chance, share, strongest, worth

ROW = replace(ROWS["1-5"], published=Published(10_000))
ENDS = st.floats(0.01, 1000)
INTERVALS = st.lists(st.tuples(ENDS, ENDS).map(sorted).map(tuple), max_size=6)


def placebos(mean, number, seed=0):
    """Figures within a factor of `REACH`, log-uniform: one out of every `number`th of the range.

    The share of them in an interval is off by no more than 2 / number, whatever is drawn.
    """
    at = (np.arange(number) + np.random.default_rng(seed).random(number)) / number
    return mean * float(REACH) ** (2 * at - 1)


def entry(after, trials=None):
    after = [float(n) for n in after]
    return {"changes": [], "seed": 0, "trials": trials or len(after), "after": after}


def around(mean, number=40, spread=0.4, seed=0):
    values = np.random.default_rng(seed).lognormal(0, spread, number)
    return mean * values / values.mean()


def reproduced(row, entries, figure):
    """Whether the study's rule says so of one of them, had the paper printed this figure."""
    placebo = replace(row, published=replace(row.published, after=figure))
    return any(reading_search.fit(placebo, one).reproduced for one in entries)


def drawn(row, entries, number):
    figures = placebos(reading_search.published(row), number)
    return np.mean([reproduced(row, entries, figure) for figure in figures])


# -- the closed form --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([], 0),
        ([(0, inf)], 1),
        ([(10 / 3, 30)], 1),
        ([(10, 30)], 0.5),
        ([(10, 1000), (0, 10)], 1),
        ([(5, 10), (8, 20)], log(4) / log(9)),
        ([(5, 20), (8, 10), (5, 20)], log(4) / log(9)),
        ([(4, 5), (8, 10)], log(25 / 16) / log(9)),
        ([(0.1, 3), (31, 1000), (10, 10)], 0),
    ],
)
def test_the_share_of_known_intervals(intervals, expected):
    assert share(intervals, 10) == pytest.approx(expected)
    assert share(reversed(intervals), 10) == pytest.approx(expected)
    assert share([(7 * a, 7 * b) for a, b in intervals], 70) == pytest.approx(expected)


@given(INTERVALS, st.integers(0, 100))
def test_the_closed_form_is_what_a_monte_carlo_draws(intervals, seed):
    figures = placebos(10, 500, seed)
    hit = [any(low <= figure <= high for low, high in intervals) for figure in figures]
    assert share(intervals, 10) == pytest.approx(np.mean(hit), abs=2 * len(intervals) / 500 + 1e-9)


def test_control_adding_lengths_up_is_no_share():
    """What overlaps counts once: a sum of the lengths would not pass the test above."""
    twice = [(5, 20), (5, 20)]
    assert share(twice, 10) == share(twice[:1], 10) < sum(share([one], 10) for one in twice) - 0.5


@given(INTERVALS, INTERVALS)
def test_more_intervals_never_lower_it(some, more):
    assert 0 <= share(some, 10) <= share([*some, *more], 10) + 1e-12 <= 1 + 2e-12


def test_what_is_no_mean_or_no_interval_is_refused():
    for mean in (0, -1, inf, nan):
        with pytest.raises(ValueError, match=f"finite mean, got {mean}"):
            share([(1, 2)], mean)
    for pair in ((2, 1), (nan, 1), (1, nan)):
        with pytest.raises(ValueError, match="lower end of an interval first, got"):
            share([pair], 10)
    with pytest.raises(UserError, match="no figure for row xor-10"):
        chance(ROWS["xor-10"], [entry([1, 2])])


# -- the rule of the study --------------------------------------------------------------------


def test_a_reading_accepts_an_interval_of_means_and_nothing_else():
    one = entry(around(8000))
    low, high = reading_search.accepted(ROW, one)
    assert 0 < low < 8000 < high
    for figure, right in ((low, True), (high, True), (0.999 * low, False), (1.001 * high, False)):
        assert reproduced(ROW, [one], figure) == right
    other = replace(ROW, published=Published(123))
    assert reading_search.accepted(other, one) == (low, high)  # whatever was printed


def test_chance_is_the_share_of_placebos_that_the_rule_reproduces():
    entries = [
        entry(around(6000)),
        entry(around(7000, spread=1.5, seed=1)),
        entry(around(25_000, seed=2)),
        entry(around(14_000, 20), trials=40),  # fails too often for any mean
        entry([], trials=40),
    ]
    expected, ends = drawn(ROW, entries, 300), 2 * 3 / 300
    assert 0.2 < expected < 0.8
    assert chance(ROW, entries) == pytest.approx(expected, abs=ends)
    assert abs(chance(ROW, entries[:1]) - expected) > ends  # a control


@pytest.mark.parametrize("name", ["2b", "2c-1000-50", "6b"])
def test_so_it_is_in_the_studies_that_are_kept(name):
    row, kept = ROWS[name], reading_search.read(HERE / "results" / "study" / f"{name}.json")
    line, *_ = reading_report.lines({name: kept})
    sure = reading_report._settled(kept)
    number = sum(reading_search.accepted(row, one) is not None for one in sure)
    expected = drawn(row, sure, 200)
    assert line["chance"] == pytest.approx(expected, abs=2 * number / 200)
    assert 0 < line["chance"] < 1


def test_a_rule_that_accepts_everything_has_chance_1_and_one_that_accepts_nothing_0():
    single = replace(ROW, trials=1)
    anything = entry([1.0, 1e9] * 20)  # of one trial no mean in between is too far
    assert chance(single, [anything]) == 1
    for nothing in ([], [entry([], 40)], [entry(around(10_000, 10), 40)]):
        assert chance(ROW, nothing) == 0
    assert chance(ROW, [entry([10_000] * 40)]) == 0  # one figure in all
    assert 0 < chance(ROW, [entry(around(10_000))]) < 1


def test_more_readings_never_lower_the_chance_of_a_row():
    rng = np.random.default_rng(3)
    entries = [
        entry(around(rng.uniform(2000, 40_000), spread=rng.uniform(0.1, 1.5), seed=i))
        for i in range(12)
    ]
    chances = [chance(ROW, entries[:i]) for i in range(len(entries) + 1)]
    grown = np.diff(chances)
    assert (grown > -1e-12).all() and (grown > 0.01).sum() > 3
    assert chances[0] == 0 and chances[-1] > 0.5


# -- what is said of it -----------------------------------------------------------------------


def line(row, reproduced, chance, kind="best"):
    return {
        "as": kind,
        **reading_report.line(ROWS[row], entry(around(ROWS[row].published.after))),
    } | {
        "reproduced": reproduced,
        "chance": chance,
    }


LINES = [
    line("1-1", False, 0.2, "literal"),
    line("1-1", True, 0.2),
    line("1-2", False, 0.3),
    line("2a", True, 0.01),
    line("3a-100-1", True, 0.7),
    line("3a-100-1", True, 0.7, "named"),
]


def test_chance_adds_up_over_rows_whatever_the_number_of_their_lines():
    whole = {"rows": 4, "reproduced": 3, "by_chance": pytest.approx(1.21)}
    assert worth(LINES) == whole
    assert worth([]) == {"rows": 0, "reproduced": 0, "by_chance": 0}
    tables = by_table(LINES)
    assert [one["table"] for one in tables] == [2, 1, 4]  # 0.01, 0.25 and 0.7 a row
    assert tables[1] == {"table": 1, "rows": 2, "reproduced": 1, "by_chance": 0.5}
    for key, value in whole.items():
        assert sum(one[key] for one in tables) == value


def test_the_strongest_evidence_comes_first():
    assert [one["row"] for one in strongest(LINES)] == ["2a", "1-1", "3a-100-1"]
    assert [one["row"] for one in strongest(LINES[::-1])] == ["2a", "1-1", "3a-100-1"]


def test_the_page_begins_with_what_it_shows_and_lists_the_strongest_evidence_first():
    names = ("2b", "1-5", "3a-100-3", "2c-1000-50")
    found = {
        name: reading_search.read(HERE / "results" / "study" / f"{name}.json") for name in names
    }
    page = reading_pages.as_markdown(found)
    summary = reading_report.summary(found)
    whole = worth(summary["rows"])
    assert summary["worth"]["by_chance_in_the_search"] >= whole["by_chance"]
    assert {**summary["worth"], **whole} == summary["worth"]
    said = f"{whole['reproduced']} of 4 rows reproduced, by chance {whole['by_chance']:.1f}"
    assert said in page.splitlines()[2] and said == reading_report.table(summary["rows"]).caption
    _, listed = page.split("## What is reproduced, the strongest evidence first")
    listed, rest = listed.split("## Rows that stay unexplained")
    cells = [text.split(" | ") for text in listed.splitlines() if text.startswith("|")][2:]
    assert [c[0].strip("| ") for c in cells] == [one["row"] for one in strongest(summary["rows"])]
    assert [c[1] for c in cells] == sorted(c[1] for c in cells) and len(cells) > 1
    chances = {one["row"]: f"| {one['chance']:.2f} |" for one in summary["rows"]}
    _, every = rest.split("## Every row")
    lines = [text for text in every.splitlines() if text.startswith("|")][2:]
    assert len(lines) == len(summary["rows"])
    assert all(text.endswith(chances[text.split(" | ")[0].strip("| ")]) for text in lines)
