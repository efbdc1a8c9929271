"""Ours beside theirs: reads result files only."""

import csv
import dataclasses
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from experiments.common.clock import duration
from experiments.common.errors import UserError, unknown
from experiments.common.intervals import Interval, bootstrap, wilson
from experiments.paper.readings import LITERAL, Reading, readings, solving
from experiments.paper.row import Row
from experiments.paper.select import is_offered, listed_readings
from experiments.paper.tables import ROWS

TITLES = {
    0: "Guessing the weights, beside the figures of the paper's LSTM",
    1: "Table 1: 1, embedded Reber grammar",
    2: "Table 2: 2a and 2b, long lags",
    3: "Table 3: 2c, long lags among distractors",
    4: "Table 4: 3a, two sequences",
    5: "Table 5: 3b, noise on the signal",
    6: "Table 6: 3c, noisy targets",
    7: "Table 7: 4, adding",
    8: "Table 8: 5, multiplication",
    9: "Table 9: 6, temporal order",
    10: "Section 6: tasks that the paper talks about",
}
BEGIN = "<!-- python -m experiments report --into docs/tables.md -->"
END = "<!-- end of the report -->"
NOTE = (
    "Solved and after: 95 % intervals in brackets (Wilson; bootstrap over the solved trials). "
    "After: training sequences until the criterion, over solved trials. Cap: training sequences "
    "at which a trial counts as failed. The paper reports no failed trials where it is not said. "
    "Test: mean over solved trials."
)


def lines(
    found: dict[tuple[str, str], dict],
    table: int | None = None,
    rows: Sequence[Row] | None = None,
    ran: bool = False,
) -> list[dict[str, Any]]:
    """One line a row and reading: those with a result, the literal one, the one that solves.

    Args:
      found: results by names of row and reading.
      table: of this table only.
      rows: of these only, by default of all.
      ran: only those with a result.
    """
    listed = []
    for row in ROWS.values() if rows is None else rows:
        if table not in (None, row.table):
            continue
        kept = [r for name, r in found if name == row.name and is_offered(row, r)]
        for reading in listed_readings(row, kept):
            result = found.get((row.name, reading.name))
            if result or (not ran and reading in (LITERAL, solving(row))):
                listed.append(line(row, reading, result))
    return listed


def strangers(found: Iterable[tuple[str, str]]) -> list[str]:
    """A line on every result, by names of row and reading, that no line of the report shows."""
    said = []
    for name, reading in found:
        if name not in ROWS:
            said.append(f"left out {name} {reading}: {unknown('row', name, ROWS)}")
        elif not is_offered(ROWS[name], reading):
            near = unknown("reading", reading, readings(ROWS[name]))
            said.append(f"left out {name} {reading}: {near}")
    return said


def line(row: Row, reading: Reading, result: dict | None) -> dict[str, Any]:
    """What the report says of one row under one reading, as numbers."""
    about = {
        "table": row.table,
        "row": row.name,
        "reading": reading.name,
        "says": reading.description,
        "cap": reading.read(row).evaluation.cap,
        "published": dataclasses.asdict(row.published),
    }
    if result is None:
        return {**about, "trials": 0}
    solved = [r for r in result["records"] if r["phase"] == "solved"]
    after = [r["reached"][-1] for r in solved]
    first = [r["reached"][0] for r in solved if len(r["reached"]) > 1 and r["reached"][0] >= 0]
    return {
        **about,
        "trials": result["trials"],
        "solved": len(solved),
        "success": wilson(len(solved), result["trials"])._asdict(),
        "mean": _interval(bootstrap(after, np.mean)),
        "median": _interval(bootstrap(after, np.median)),
        "range": [min(after), max(after)] if after else None,
        "first_mean": float(np.mean(first)) if first else None,
        "test": _test([r["test"] for r in solved if r["test"]]),
        "seconds": result["seconds"],
        "seed": result["seed"],
        "device": result["device"],
        "versions": result["versions"],
        "commit": result.get("commit"),
    }


def _interval(interval: Interval | None) -> dict | None:
    return interval and interval._asdict()


def _test(tests: list[dict]) -> dict | None:
    if not tests:
        return None
    means = {k: float(np.mean([t[k] for t in tests])) for k in tests[0]}
    return {
        **means,
        "fraction_wrong": means["wrong"] / means["sequences"],
        "root_squared": float(np.mean([t["squared"] ** 0.5 for t in tests])),
    }


def cells(line: dict) -> dict[str, str]:
    """A line in words, by column."""
    theirs = line["published"]
    columns = {"row": line["row"], "reading": line["reading"]}
    if not line["trials"]:
        return {**columns, "solved": "not run", "paper": _after(theirs)}
    rate = line["success"]
    solved = f"{line['solved']}/{line['trials']} [{rate['low']:.0%}, {rate['high']:.0%}]"
    columns |= {"solved": solved.replace("%", " %")}
    if theirs["first_after"]:
        columns |= {
            "ST1 mean": _count(line["first_mean"]),
            "paper's ST1": _count(theirs["first_after"]),
        }
    if theirs["success"] != 1:
        columns["paper solved"] = _share(theirs["success"])
    columns |= {
        "mean after": _with_interval(line["mean"]),
        "median after": _with_interval(line["median"]),
        "paper": _after(theirs),
        "test": _test_words(line["test"], theirs),
        "paper's test": _published_test(theirs),
        "cap": _count(line["cap"]),
        "time": duration(line["seconds"]),
    }
    return {k: v for k, v in columns.items() if v}


def _after(theirs: dict) -> str:
    if theirs["after"] is None:
        return ""
    return ("" if theirs["success"] != 0 else ">") + _count(theirs["after"])


def _share(success: float | None) -> str:
    return "some" if success is None else f"{success:.0%}".replace("%", " %")


def _count(number: float | None) -> str:
    return "" if number is None else f"{number:,.0f}"


def _with_interval(found: dict | None) -> str:
    if found is None:
        return "-"
    return f"{found['value']:,.0f} [{found['low']:,.0f}, {found['high']:,.0f}]"


def _test_words(test: dict | None, theirs: dict) -> str:
    if test is None:
        return "-"
    if theirs["fraction_wrong"] is None:
        words = f"{test['wrong']:,.1f} of {test['sequences']:,.0f} wrong"
    else:
        words = f"{test['fraction_wrong']:.3g} wrong"
    if theirs["difference"]:
        words += f", off by {test['error']:.2g}"
    if theirs["squared"]:
        words += f", MSE {test['squared']:.3g}, its root {test['root_squared']:.3g}"
    return words


def _published_test(theirs: dict) -> str:
    words = []
    if theirs["wrong"] is not None:
        words.append(f"{theirs['wrong']} of 2560 wrong")
    if theirs["fraction_wrong"] is not None:
        words.append(f"{theirs['fraction_wrong']:.3g} wrong")
    if theirs["difference"]:
        words.append(f"off by {theirs['difference']}")
    if theirs["squared"]:
        words.append(f"MSE {theirs['squared']}")
    return ", ".join(words)


def _tables(listed: list[dict]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Heads and bodies by title; columns that nothing fills are left out."""
    tables = {}
    for number in dict.fromkeys(line["table"] for line in listed):
        body = [cells(line) for line in listed if line["table"] == number]
        widest = max(body, key=len)
        heads = [*widest, *(k for c in body for k in c if k not in widest)]
        tables[TITLES[number]] = heads, [[c.get(h, "") for h in heads] for c in body]
    return tables


def as_terminal(listed: list[dict]) -> list[Table]:
    """The report as tables for the terminal, one a table of the paper."""
    made = []
    for title, (heads, body) in _tables(listed).items():
        table = Table(title=title, title_justify="left")
        for head in heads:
            right = head not in ("row", "reading")
            table.add_column(head, justify="right" if right else "left")
        for values in body:
            table.add_row(*values)
        made.append(table)
    return made


def as_lines(listed: list[dict]) -> list[str]:
    """The report for narrow terminals: one figure a line."""
    text = []
    for title, (heads, body) in _tables(listed).items():
        text += ["", title]
        for row, reading, *values in body:
            text.append(f"{row} {reading}")
            named = zip(heads[2:], values, strict=True)
            text += [f"  {head:13} {value}" for head, value in named if value]
    return text


def as_markdown(listed: list[dict]) -> str:
    """The report as Markdown."""
    text = []
    for title, (heads, body) in _tables(listed).items():
        text += [f"**{title}**", "", *markdown_table(heads, body), ""]
    return "\n".join([*text, NOTE])


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    return ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]


def put_into(text: str, listed: list[dict]) -> str:
    """A Markdown text with the report put between its comments `BEGIN` and `END`."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"there is no place for the report: write the lines {BEGIN} and {END}")
    return f"{before}{begin}\n\n{as_markdown(listed)}\n\n{end}{after}"


def as_csv(listed: list[dict]) -> str:
    """The report as comma-separated values, one line a row and reading."""
    flat = [dict(_flat(line)) for line in listed]
    heads = list(dict.fromkeys(k for line in flat for k in line))
    file = io.StringIO()
    writer = csv.DictWriter(file, heads, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return file.getvalue()


def _flat(values: dict, before: str = ""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        elif isinstance(value, list | tuple):
            yield before + key, " ".join(map(str, value))
        else:
            yield before + key, value
