"""What studies found: for every row, and for the paper as a whole. Reads study files only."""

from pathlib import Path
from typing import Any

from rich.table import Table

from experiments.changes import offered
from experiments.intervals import bootstrap, wilson
from experiments.rows import Row
from experiments.study import Fit, Names, confirming, fit, read
from experiments.tables import ROWS

Entries = list[dict[str, Any]]
HEADS = ("row", "as", "reading", "solved", "mean after", "paper", "ratio", "reproduced")


def studies(folder: Path) -> dict[str, Entries]:
    """What was tried, by row, in the order of the paper."""
    files = {name: folder / "study" / f"{name}.json" for name in ROWS}
    return {name: read(path) for name, path in files.items() if path.exists()}


def lines(found: dict[str, Entries]) -> list[dict[str, Any]]:
    """For every row the literal reading, the best single change and the best set, confirmed."""
    listed = []
    for name, entries in found.items():
        row = ROWS[name]
        literal = next((e for e in entries if not e["changes"]), None)
        confirmed = sorted(
            (e for e in confirming(entries) if e["changes"]),
            key=lambda e, row=row: _rank(fit(row, e)),
        )
        single = next((e for e in confirmed if len(e["changes"]) == 1), None)
        chosen = {"literal": literal, "best single": single, "best": next(iter(confirmed), None)}
        listed += [{"as": k, **line(row, e)} for k, e in chosen.items() if e]
    return listed


def _rank(found: Fit) -> tuple[bool, float]:
    return not found.reproduced, found.misfit


def line(row: Row, entry: dict[str, Any]) -> dict[str, Any]:
    """One reading of one row, as numbers."""
    mean = bootstrap(entry["after"])
    return {
        "row": row.name,
        "changes": entry["changes"],
        "seed": entry["seed"],
        "trials": entry["trials"],
        "solved": len(entry["after"]),
        "rate": wilson(len(entry["after"]), entry["trials"])._asdict(),
        "mean": mean and mean._asdict(),
        "published": row.published.after,
        "published_success": row.published.success,
        **fit(row, entry)._asdict(),
    }


def overall(found: dict[str, Entries]) -> list[dict[str, Any]]:
    """Sets of changes for the whole paper: most rows reproduced first, then fewest changes.

    A set holds for a row with those of its changes that the row was tried with; what of
    it a row is not offered does not count against it. Only figures from confirming
    seeds count, and the literal reading's.
    """
    tried = {name: {_key(e): e for e in _settled(entries)} for name, entries in found.items()}
    sets = {names for entries in tried.values() for names in entries}
    ranked = []
    for names in sets:
        covered = [row for row, entries in tried.items() if _holds(ROWS[row], names, entries)]
        ranked.append({"changes": list(names), "rows": covered})
    return sorted(ranked, key=lambda one: (-len(one["rows"]), len(one["changes"])))


def _settled(entries: Entries) -> Entries:
    return [*(e for e in entries if not e["changes"]), *confirming(entries)]


def _key(entry: dict[str, Any]) -> Names:
    return tuple(sorted(entry["changes"]))


def _holds(row: Row, names: Names, entries: dict[Names, dict]) -> bool:
    there = tuple(n for n in names if n in offered(row))
    return there in entries and fit(row, entries[there]).reproduced


def table(listed: list[dict[str, Any]]) -> Table:
    """The findings for the terminal."""
    made = Table(title="Which readings reproduce which rows", title_justify="left")
    for head in HEADS:
        left = head in ("row", "as", "reading")
        made.add_column(head, justify="left" if left else "right")
    for one in listed:
        made.add_row(*cells(one).values())
    return made


def cells(one: dict[str, Any]) -> dict[str, str]:
    """A line in words, by column."""
    mean = one["mean"]
    rate = f"[{one['rate']['low']:.0%}, {one['rate']['high']:.0%}]".replace("%", " %")
    return {
        "row": one["row"],
        "as": one["as"],
        "reading": "+".join(one["changes"]) or "literal",
        "solved": f"{one['solved']}/{one['trials']} {rate}",
        "mean after": f"{mean['value']:,.0f} [{mean['low']:,.0f}, {mean['high']:,.0f}]"
        if mean
        else "-",
        "paper": f"{one['published']:,}",
        "ratio": f"{one['ratio']:.2f}" if one["ratio"] else "-",
        "reproduced": "yes" if one["reproduced"] else "no",
    }


def as_markdown(listed: list[dict[str, Any]], sets: list[dict[str, Any]]) -> str:
    """The findings as Markdown, and the sets that cover most rows."""
    rows = [list(cells(one).values()) for one in listed]
    every = (HEADS, ["---"] * len(HEADS), *rows)
    text = ["| " + " | ".join(row) + " |" for row in every]
    text += ["", "Sets of changes by the rows that they reproduce:", ""]
    for one in sets[:5]:
        text.append(
            f"- {'+'.join(one['changes']) or 'literal'}: {', '.join(one['rows']) or 'none'}"
        )
    return "\n".join(text)
