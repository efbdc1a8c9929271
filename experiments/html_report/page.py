"""The page put together: one file, which asks nothing of a network."""

import html
import json
import math
from pathlib import Path
from string import Template
from typing import Any

import altair as alt
import vl_convert

from experiments.common.provenance import commit, versions
from experiments.html_report import charts, gather
from experiments.reporting.columns import Found
from experiments.reporting.report import NOTE, TITLES

HERE = Path(__file__).parent
_bundle: Any = vl_convert.javascript_bundle  # whose stub asks for what it does not need
WIDTH, HEIGHT, REACH = 150, 18, 4  # of a picture, which shows ratios up to so many


def assemble(folder: Path, listed: list[dict[str, Any]], found: Found) -> str:
    """The page about results, as text.

    Args:
      folder: of the results, in which studies and weights lie, too.
      listed: lines of the report.
      found: the results of these, by row and reading.
    """
    lines = gather.lines(listed, found)
    studied, nets = gather.studied(folder), gather.nets(folder, found)
    data = {
        "points": gather.points(),
        "lines": [_drawn(line) for line in lines],
        "charts": {"curves": charts.curves(), "after": charts.after()},
        "readings": charts.readings(studied) if studied else None,
        "chances": {one["row"]: one["chance"] for one in studied},
        "nets": [{"title": net.title, "chart": charts.at_work(net)} for net in nets],
    }
    made_with = ", ".join(f"{name} {number}" for name, number in versions().items())
    return Template(_text("page.html")).substitute(
        style=_text("page.css"),
        script=_text("page.js"),
        library=_in_script(_bundle(vl_version=_version())),
        data=_in_script(json.dumps(data, separators=(",", ":"))),
        tables="\n".join(_table(lines, number) for number in _tables(lines)),
        note=html.escape(NOTE),
        made=html.escape(f"commit {commit() or 'unknown'}; {made_with}"),
    )


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _version() -> str:
    """The version of Vega-Lite that Altair writes, as vl-convert has it: 5.20."""
    return ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def _in_script(text: str) -> str:
    """Text that ends no script element before its time."""
    return text.replace("</script", "<\\/script")


def _drawn(line: dict[str, Any]) -> dict[str, Any]:
    """What the script needs of a line; what the table says already is not said twice."""
    return {k: v for k, v in line.items() if k not in ("words", "share", "table", "mean")}


def _tables(lines: list[dict[str, Any]]) -> list[int]:
    """The paper's tables, then what is not in it."""
    return sorted({line["table"] for line in lines}, key=lambda table: (table == 0, table))


COLUMNS = ("row", "reading", "solved", "mean after", "paper", "ours / paper", "test", "cap", "time")


def _table(lines: list[dict[str, Any]], number: int) -> str:
    """One table of the paper; every row has a button that opens it."""
    heads = "".join(
        f'<th scope="col"><button type="button" class="sort">{head}</button></th>'
        for head in COLUMNS
    )
    body = "\n".join(_row(i, line) for i, line in enumerate(lines) if line["table"] == number)
    title = html.escape(TITLES[number])
    return (
        f'<section><h2 id="table-{number}">{title}</h2><div class="wide"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table></div></section>"
    )


def _row(index: int, line: dict[str, Any]) -> str:
    words, mean = line["words"], line["mean"]
    ratio = mean and line["after"] and mean["value"] / line["after"]
    button = (
        f'<button type="button" class="open" aria-expanded="false">{html.escape(line["row"])}'
        "</button>"
    )
    cells = {
        "row": (button, line["row"]),
        "reading": (html.escape(line["reading"]), line["reading"]),
        "solved": (words["solved"], line["share"]),
        "mean after": (words.get("mean after", "-"), mean and mean["value"]),
        "paper": (words.get("paper", ""), line["after"]),
        "ours / paper": (_picture(mean, line["after"]), ratio),
        "test": (words.get("test", "-"), words.get("test", "-")),
        "cap": (words.get("cap", ""), words.get("cap", "").replace(",", "")),
        "time": (words.get("time", ""), line.get("run", {}).get("seconds")),
    }
    tds = "".join(
        f'<td data-key="{html.escape("" if key is None else str(key))}">{shown_as}</td>'
        for shown_as, key in cells.values()
    )
    search = html.escape(f"{line['row']} {line['reading']} {line['what']}".lower())
    ran = "yes" if "run" in line else "no"
    return (
        f'<tr class="line" data-line="{index}" data-search="{search}" data-ran="{ran}">{tds}</tr>'
    )


def _picture(mean: dict[str, float] | None, published: int | None) -> str:
    """Our mean with its interval, as a multiple of the paper's, which is the line in the middle."""
    if not mean or not published:
        return ""

    def at(value: float) -> float:
        ratio = math.log(max(value, 1e-9) / published) / math.log(REACH)
        return WIDTH / 2 * (1 + min(max(ratio, -1.0), 1.0))

    low, middle, high = (at(mean[k]) for k in ("low", "value", "high"))
    words = f"{mean['value'] / published:.2f} times the paper's"
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{words}">'
        f"<title>{words}</title>"
        f'<line class="paper" x1="{WIDTH / 2}" x2="{WIDTH / 2}" y1="0" y2="{HEIGHT}"/>'
        f'<line class="ours" x1="{low:.1f}" x2="{high:.1f}" y1="{HEIGHT / 2}" y2="{HEIGHT / 2}"/>'
        f'<circle class="ours" cx="{middle:.1f}" cy="{HEIGHT / 2}" r="3.5"/></svg>'
    )
