"""What studies found: for every row, and for the paper as a whole. Reads study files only."""

from pathlib import Path
from typing import Any

from rich.table import Table

from experiments.common.intervals import bootstrap, wilson
from experiments.paper.changes import offered
from experiments.paper.readings import title
from experiments.paper.row import Row
from experiments.paper.tables import ROWS
from experiments.studies.chance import by_table, chance, worth
from experiments.studies.reading_search import Fit, Names, confirming, fit, named, read

Entries = list[dict[str, Any]]
CLOSE = 0.25
FACTS = ("reading", "solved", "mean after", "paper", "ratio")
HEADS = ("row", "as", *FACTS, "reproduced", "chance")


def studies(folder: Path) -> dict[str, Entries]:
    """What was tried, by row, in the order of the paper."""
    files = {name: folder / "study" / f"{name}.json" for name in ROWS}
    return {name: read(path) for name, path in files.items() if path.exists()}


def strangers(folder: Path) -> list[str]:
    """The studies whose row does not exist."""
    return sorted(path.stem for path in (folder / "study").glob("*.json") if path.stem not in ROWS)


def summary(found: dict[str, Entries]) -> dict[str, Any]:
    """All that the page says, as JSON."""
    listed, sets = lines(found), overall(found)
    return {
        "worth": {**worth(listed), "by_chance_in_the_search": chance_in_the_search(found)},
        "tables": by_table(listed),
        "rows": listed,
        "sets": sets,
        "cover": cover(sets),
        "unexplained": unexplained(found),
    }


def lines(found: dict[str, Entries]) -> list[dict[str, Any]]:
    """For every row the literal reading, the best single change and the best of all, confirmed.

    Then the sets that its named readings are, confirmed or not, where they are none of these.
    Every line of a row has the row's `chance`: the share of other figures that some reading
    that is sure would have reproduced.
    """
    listed = []
    for name, entries in found.items():
        row = ROWS[name]
        ranked = _ranked(row, entries)
        by_chance = {"chance": chance(row, ranked)}
        literal = next((e for e in ranked if not e["changes"]), None)
        single = next((e for e in ranked if len(e["changes"]) == 1 and e["after"]), None)
        chosen = {"literal": literal, "best single": single, "best": next(iter(ranked), None)}
        listed += [{"as": k, **line(row, e), **by_chance} for k, e in chosen.items() if e]
        others = [e for e in ranked if _key(e) in named(row) and e not in chosen.values()]
        listed += [{"as": "named", **line(row, e), **by_chance} for e in others]
    return listed


def chance_in_the_search(found: dict[str, Entries]) -> float:
    """The sum of the rows' chances if whatever was tried might reproduce them, confirmed or not."""
    return sum(chance(ROWS[name], entries) for name, entries in found.items())


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
        "table": row.table,
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
        ranked = _ranked(row, entries)
        if ranked and not fit(row, ranked[0]).reproduced:
            tried = {"tried": len({_key(e) for e in entries}), "chance": chance(row, ranked)}
            listed.append({"as": "best", **tried, **line(row, ranked[0])})
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
    made.caption, made.caption_justify = in_short(worth(listed)), "left"
    for head in HEADS:
        left = head in ("row", "as", "reading")
        made.add_column(head, justify="left" if left else "right")
    for one in listed:
        made.add_row(*cells(one).values())
    return made


def in_short(sums: dict[str, Any]) -> str:
    """How many rows are reproduced, beside how many would be by chance."""
    return "{reproduced} of {rows} rows reproduced, by chance {by_chance:.1f}".format(**sums)


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
        "chance": f"{one['chance']:.2f}",
    }
