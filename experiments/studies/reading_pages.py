"""The page about what studies found: what is reproduced, and what that is worth. As Markdown."""

from pathlib import Path
from typing import Any

from experiments.common.files import write_text
from experiments.paper.changes import BY_NAME
from experiments.paper.readings import title
from experiments.reporting.report import TITLES, markdown_table
from experiments.studies.chance import REACH, by_table, strongest, worth
from experiments.studies.reading_report import (
    CLOSE,
    FACTS,
    HEADS,
    Entries,
    cells,
    chance_in_the_search,
    cover,
    in_short,
    lines,
    overall,
    studies,
    unexplained,
)

SETS_SHOWN = 12
HEADING = """# Which readings reproduce which rows

**{in_short}.**

The paper of 1997 tells, row by row of its tables, after how many training sequences its nets
succeeded; its text leaves open how some of that was done. A *reading* is the text to the letter
(`literal`), or with changes to it, whose names are explained at the end. This page says which
readings lead to the paper's figures, and what that is worth.

*Reproduced*: a sample of our trials, as large as the paper's, has a mean on either side of the
paper's, and its success rate, in the middle 95 % of such samples. Every figure of one or more
changes is from seeds that had no part in choosing it.

*Chance*: of all figures up to {reach} times larger or smaller than the paper's (log-uniform), the
share that some reading would have reproduced as well. Where it is low, few other figures would
have passed, and agreement is evidence; where it is high, trials scatter so widely, or readings
differ so much, that most figures would have. Its sum over rows is how many rows chance would
give. It takes the readings that were confirmed as given, yet the search chose them by the
paper's figures: if all that it tried counted, confirmed or not, the sum would be {search:.1f}.

What each table is worth, that with the lowest chance of a row first:
"""
JUDGED = """
Written by `python -m experiments study`, which searches combinations of single changes to
what the paper says. A trial has failed at three times the published mean in the search and at
four times it in the confirmation; where it says 0, at one and a half times it. Without a best
single change, none solved a trial on fresh seeds. `named`: what `run` has a name for, mostly
leads from other programs. Every line has the chance of its row.
"""


def as_markdown(found: dict[str, Entries]) -> str:
    """The findings as Markdown: what they are worth, then the same by row and by reading."""
    listed, sets = lines(found), overall(found)
    heading = HEADING.format(
        in_short=in_short(worth(listed)), reach=REACH, search=chance_in_the_search(found)
    )
    tried = dict.fromkeys(name for one in listed for name in one["changes"])
    text = [
        heading,
        *_tables(listed),
        *("", "## What is reproduced, the strongest evidence first", ""),
        "Rows by their chance, the lowest first; of each the reading that fits best.",
        "",
        *_rows(("row", "chance", *FACTS), strongest(listed)),
        *("", "## Rows that stay unexplained", ""),
        *_rows(("row", "sets tried", "chance", *FACTS), unexplained(found)),
        *("", "## Few readings for the whole paper", ""),
        "Together they reproduce, on fresh seeds, every row that any does: one after the other",
        "what adds most rows, of equals that of the fewest changes. Chance: summed over them.",
        "",
        *_covering(sets, {line["row"]: line["chance"] for line in listed}),
        *("", "## Sets of changes by the rows that they reproduce", ""),
        f"*Close*: a misfit (|ln ratio| plus twice what success is short of) below {CLOSE}.",
        "",
        *_sets(sets),
        *("", "## Every row, in the order of the paper", JUDGED),
        *_rows(HEADS, listed),
        *("", "## What the changes are", ""),
        *(f"- `{name}`: {BY_NAME[name].description}" for name in sorted(tried)),
    ]
    return "\n".join(text) + "\n"


def _tables(listed: list[dict[str, Any]]) -> list[str]:
    sums = [*((TITLES[one["table"]], one) for one in by_table(listed)), ("all", worth(listed))]
    heads = ("rows", "reproduced", "by chance")
    return markdown_table(
        ("table", *heads),
        [
            [name, str(one["rows"]), str(one["reproduced"]), f"{one['by_chance']:.1f}"]
            for name, one in sums
        ],
    )


def _rows(heads: tuple[str, ...], listed: list[dict[str, Any]]) -> list[str]:
    words = [{**cells(one), "sets tried": str(one.get("tried"))} for one in listed]
    return markdown_table(heads, [[one[head] for head in heads] for one in words])


def _covering(sets: list[dict[str, Any]], chances: dict[str, float]) -> list[str]:
    return markdown_table(
        ("reading", "adds", "chance"),
        [
            [
                title(one["changes"]),
                _listed(one["rows"]),
                f"{sum(chances[row] for row in one['rows']):.1f}",
            ]
            for one in cover(sets)
        ],
    )


def _sets(sets: list[dict[str, Any]]) -> list[str]:
    kinds = ("rows", "searched", "close")
    return markdown_table(
        ("changes", "on fresh seeds", "in the search only", "close"),
        [
            [title(one["changes"]), *(_listed(one[kind]) for kind in kinds)]
            for one in [s for s in sets if s["rows"] or s["searched"]][:SETS_SHOWN]
        ],
    )


def _listed(rows: list[str]) -> str:
    return f"{len(rows)}: {', '.join(rows)}" if rows else "0"


def write_page(folder: Path) -> Path:
    """Bring the page beside the studies up to date with them."""
    found = studies(folder)
    path = folder / "study" / "README.md"
    write_text(path, as_markdown(found))
    return path
