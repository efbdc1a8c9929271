"""What a reproduction is worth: how many other figures would have been reproduced as well.

A placebo test. Had the paper printed another mean for a row, would some reading have
reproduced that one, too? By the rule of `reading_search.fit` a reading accepts an interval of
means, which does not depend on the mean that was printed. So the share of figures that some reading
accepts is exact: the length of a union of intervals, on a logarithmic scale, within a factor
of `REACH` of the printed mean. Where it is near 0 a reproduction is evidence; where it is
near 1 the row would have accepted almost anything.
"""

import math
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from experiments.paper.row import Row
from experiments.studies.reading_search import accepted, published

REACH = 3  # a placebo is at most so many times larger or smaller than what was published


def share(intervals: Iterable[tuple[float, float]], mean: float) -> float:
    """The share of the figures around a mean that lie in one of several intervals.

    Args:
      intervals: lower and upper ends, 0 and infinity among them if one likes.
      mean: figures are log-uniform from a `REACH`th of it to `REACH` times it.

    Raises:
      ValueError: a mean that is not positive and finite, an interval whose ends are not in
        order.

    Example:
      >>> share([(5, 10), (8, 20)], 10)  # ln 4 / ln 9
      0.631
    """
    if not 0 < mean < math.inf:
        raise ValueError(f"expected a positive, finite mean, got {mean}")
    reached, length = mean / REACH, 0.0
    for low, high in sorted(intervals):
        if not low <= high:
            raise ValueError(f"expected the lower end of an interval first, got {(low, high)}")
        low, high = max(low, reached), min(high, mean * REACH)
        if low < high:
            length += math.log(high / low)
            reached = high
    return length / (2 * math.log(REACH))


def chance(row: Row, entries: Iterable[dict[str, Any]]) -> float:
    """The share of placebo figures that at least one of a study's entries would reproduce.

    Args:
      row: an LSTM row.
      entries: what was found under some readings, as a study keeps it.

    Raises:
      UserError: a row without a figure.
    """
    ends = (accepted(row, entry) for entry in entries)
    return share([pair for pair in ends if pair], published(row))


def worth(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """How many rows are reproduced, and how many would be by chance: the sum of the shares.

    Args:
      lines: of `reading_report.lines`, or some of them.

    Returns:
      Numbers of `rows` and of rows `reproduced`, and the expected number `by_chance`.
    """
    best = [line for line in lines if line["as"] == "best"]
    return {
        "rows": len(best),
        "reproduced": sum(line["reproduced"] for line in best),
        "by_chance": math.fsum(line["chance"] for line in best),
    }


def by_table(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same for every table of the paper, that with the lowest chance of a row first."""

    def number(line: dict[str, Any]) -> int:
        return line["table"]

    groups = groupby(sorted(lines, key=number), key=number)
    tables = [{"table": table, **worth([*some])} for table, some in groups]
    return sorted(tables, key=lambda one: one["by_chance"] / one["rows"])


def strongest(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is reproduced, by the best reading of every row; the lowest chance first."""
    best = [line for line in lines if line["as"] == "best" and line["reproduced"]]
    return sorted(best, key=lambda line: line["chance"])
