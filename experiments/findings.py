"""What studies found: for every row, and for the paper as a whole. Reads study files only."""

from pathlib import Path
from typing import Any

from rich.table import Table

from experiments.changes import BY_NAME, offered, title
from experiments.files import write_text
from experiments.intervals import bootstrap, wilson
from experiments.report import markdown_table
from experiments.rows import Row
from experiments.study import Fit, Names, confirming, fit, named, read
from experiments.tables import ROWS

Entries = list[dict[str, Any]]
SETS_SHOWN = 12
CLOSE = 0.25
HEADING = """# Which readings reproduce which rows

Written by `python -m experiments study`, which searches combinations of single changes to
what the paper says; every figure of one or more changes is from seeds that had no part in
choosing it. *Reproduced*: a sample of our trials, as large as the paper's, has a mean on
either side of the paper's, and its success rate, in the middle 95 % of such samples. A trial
has failed at three times the published mean in the search and at four times it in the
confirmation; where it says 0, at one and a half times it. Without a best single change, none
solved a trial on fresh seeds. `named`: what `run` has a name for, mostly leads from other
programs.
"""
HEADS = ("row", "as", "reading", "solved", "mean after", "paper", "ratio", "reproduced")


def studies(folder: Path) -> dict[str, Entries]:
    """What was tried, by row, in the order of the paper."""
    files = {name: folder / "study" / f"{name}.json" for name in ROWS}
    return {name: read(path) for name, path in files.items() if path.exists()}


def summary(found: dict[str, Entries]) -> dict[str, Any]:
    """All that the page says, as JSON."""
    sets = overall(found)
    return {
        "rows": lines(found),
        "sets": sets,
        "cover": cover(sets),
        "unexplained": unexplained(found),
    }


def lines(found: dict[str, Entries]) -> list[dict[str, Any]]:
    """For every row the literal reading, the best single change and the best of all, confirmed.

    Then the sets that its named readings are, confirmed or not, where they are none of these.
    """
    listed = []
    for name, entries in found.items():
        row = ROWS[name]
        ranked = _ranked(row, entries)
        literal = next((e for e in ranked if not e["changes"]), None)
        single = next((e for e in ranked if len(e["changes"]) == 1 and e["after"]), None)
        chosen = {"literal": literal, "best single": single, "best": next(iter(ranked), None)}
        listed += [{"as": k, **line(row, e)} for k, e in chosen.items() if e]
        others = [e for e in ranked if _key(e) in named(row) and e not in chosen.values()]
        listed += [{"as": "named", **line(row, e)} for e in others]
    return listed


def _ranked(row: Row, entries: Entries) -> Entries:
    """What is sure, what reproduces the row first."""

    def rank(entry: dict[str, Any]) -> tuple[bool, float]:
        found = fit(row, entry)
        return not found.reproduced, found.misfit

    return sorted(_settled(entries), key=rank)


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

    A set holds for a row with those of its changes that the row is offered, if that was
    tried. `rows` are those reproduced on fresh seeds (and literally), `searched` those that
    were reproduced in the search and not tried again. `close` are rows with a misfit below
    `CLOSE`, on fresh seeds if it was tried on some: where trials differ little a mean may be
    close and still not be a sample like the paper's.
    """
    searched = {name: _fits(ROWS[name], entries) for name, entries in found.items()}
    settled = {name: _fits(ROWS[name], _settled(entries)) for name, entries in found.items()}
    offers = {name: offered(ROWS[name]) for name in found}
    ranked = []
    for names in {names for fits in searched.values() for names in fits}:
        one: dict[str, Any] = {"changes": list(names), "rows": [], "searched": [], "close": []}
        for row in found:
            there = tuple(n for n in names if n in offers[row])
            sure, best = settled[row].get(there), searched[row].get(there)
            known = sure or best
            if known and known.reproduced:
                one["rows" if sure else "searched"].append(row)
            if known and known.misfit < CLOSE:
                one["close"].append(row)
        holds = [offers[row] for row in (*one["rows"], *one["searched"])]
        if all(any(name in there for there in holds) for name in names):  # each change matters
            ranked.append(one)
    return sorted(
        ranked,
        key=lambda one: (
            -len(one["rows"]) - len(one["searched"]),
            -len(one["close"]),
            len(one["changes"]),
            one["changes"],  # or the page would differ from run to run
        ),
    )


def cover(sets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Few sets that together reproduce every row that one reproduces on fresh seeds.

    One after the other: what adds most rows, of equals that of the fewest changes.

    Args:
      sets: from `overall`.

    Returns:
      For each its `changes` and the `rows` that it adds.
    """
    left, chosen = {row for one in sets for row in one["rows"]}, []
    while left:
        best = max(sets, key=lambda one: (len(left & {*one["rows"]}), -len(one["changes"])))
        adds = [row for row in best["rows"] if row in left]
        chosen.append({"changes": best["changes"], "rows": adds})
        left -= {*adds}
    return chosen


def unexplained(found: dict[str, Entries]) -> list[dict[str, Any]]:
    """Rows that nothing reproduces on fresh seeds: how many sets were tried, the best of them."""
    listed = []
    for name, entries in found.items():
        row = ROWS[name]
        best = next(iter(_ranked(row, entries)), None)
        if best and not fit(row, best).reproduced:
            tried = len({_key(e) for e in entries})
            listed.append({"as": "best", "tried": tried, **line(row, best)})
    return listed


def _fits(row: Row, entries: Entries) -> dict[Names, Fit]:
    return {_key(e): fit(row, e) for e in entries}


def _settled(entries: Entries) -> Entries:
    """What is sure: the literal reading, and what was confirmed; on fresh seeds if there."""
    literal = (e for e in entries if not e["changes"])
    return list({_key(e): e for e in (*literal, *confirming(entries))}.values())


def _key(entry: dict[str, Any]) -> Names:
    return tuple(sorted(entry["changes"]))


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
        "reading": title(one["changes"]),
        "solved": f"{one['solved']}/{one['trials']} {rate}",
        "mean after": f"{mean['value']:,.0f} [{mean['low']:,.0f}, {mean['high']:,.0f}]"
        if mean
        else "-",
        "paper": f"{one['published']:,}",
        "ratio": f"{one['ratio']:.2f}" if one["ratio"] else "-",
        "reproduced": "yes" if one["reproduced"] else "no",
    }


def as_markdown(found: dict[str, Entries]) -> str:
    """The findings as Markdown: by row, by set of changes, and what stays unexplained."""
    listed, sets = lines(found), overall(found)
    tried = dict.fromkeys(name for one in listed for name in one["changes"])
    text = [
        HEADING,
        *markdown_table(HEADS, [list(cells(one).values()) for one in listed]),
        *("", "## Sets of changes by the rows that they reproduce", ""),
        f"*Close*: a misfit (|ln ratio| plus twice what success is short of) below {CLOSE}.",
        "",
        *markdown_table(
            ("changes", "on fresh seeds", "in the search only", "close"),
            [
                [title(one["changes"]), *(_listed(one[k]) for k in ("rows", "searched", "close"))]
                for one in [s for s in sets if s["rows"] or s["searched"]][:SETS_SHOWN]
            ],
        ),
        *("", "## Few readings for the whole paper", ""),
        "Together they reproduce, on fresh seeds, every row that any does: one after the other",
        "what adds most rows, of equals that of the fewest changes.",
        "",
        *markdown_table(
            ("reading", "adds"),
            [[title(one["changes"]), _listed(one["rows"])] for one in cover(sets)],
        ),
        *("", "## Rows that stay unexplained", ""),
        *markdown_table(
            ("row", "sets tried", *HEADS[2:-1]),
            [
                [one["row"], str(one["tried"]), *(cells(one)[head] for head in HEADS[2:-1])]
                for one in unexplained(found)
            ],
        ),
        *("", "## What the changes are", ""),
        *(f"- `{name}`: {BY_NAME[name].says}" for name in sorted(tried)),
    ]
    return "\n".join(text) + "\n"


def _listed(rows: list[str]) -> str:
    return f"{len(rows)}: {', '.join(rows)}" if rows else "0"


def write_page(folder: Path) -> Path:
    """Bring the page beside the studies up to date with them."""
    found = studies(folder)
    path = folder / "study" / "README.md"
    write_text(path, as_markdown(found))
    return path
