"""The page: all that it shows is in it, and it asks for nothing."""

import html.parser
import json
import re

import pytest

from experiments.common.files import HERE
from experiments.html_report import charts, gather, page
from experiments.paper.select import find_reading, find_rows
from experiments.paper.tables import ROWS
from experiments.reporting import report
from experiments.running import results

FOLDER = HERE / "results"


class Parsed(html.parser.HTMLParser):
    """The parts of a page that a browser would ask for or run."""

    def __init__(self, text: str):
        super().__init__()
        self.asked: list[str] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.asked += [named[k] for k in ("src", "href") if k in named]
        if tag == "script":
            self.scripts.append("")
        self.open.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass


@pytest.fixture(scope="module")
def found():
    return results.read_all(FOLDER)


@pytest.fixture(scope="module")
def text(found):
    listed = report.lines(found, rows=find_rows(["6a", "1-1"]))
    few = {name: result for name, result in found.items() if name[0] in ("6a", "1-1")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "studied", lambda folder: [])  # which takes a while
        return page.assemble(FOLDER, listed, few)


def test_it_asks_for_nothing(text):
    parsed = Parsed(text)
    assert all(asked.startswith(("#", "data:")) for asked in parsed.asked)
    assert len(parsed.scripts) == 3 and "window.vegaEmbed=" in parsed.scripts[0]
    assert "@import" not in text and not re.search(r"url\((?!data:)", page._text("page.css"))


def test_it_has_every_record(text, found):
    data = json.loads(Parsed(text).scripts[1])
    lines = {(line["row"], line["reading"]): line for line in data["lines"]}
    assert set(lines) == {name for name in found if name[0] in ("6a", "1-1")}
    for name, line in lines.items():
        kept = found[name]
        assert [r["phase"] for r in line["records"]] == [r["phase"] for r in kept["records"]]
        assert line["records"][0]["curve"] == [e for e in kept["records"][0]["curve"] if e]
        assert line["run"]["seed"] == kept["seed"] and f"run {name[0]} " in line["command"]
    assert data["points"][:2] == [100, 121] and len(data["nets"]) == 2


def test_numbers_to_sort_by_are_those_that_are_shown(text, found):
    line = report.line(ROWS["6a"], find_reading(ROWS["6a"], "literal"), found["6a", "literal"])
    assert f'data-key="{line["mean"]["value"]}"' in text
    assert f"{line['mean']['value']:,.0f}" in text


def test_a_picture_stands_at_the_ratio():
    middle = page.WIDTH / 2
    assert f'cx="{middle:.1f}"' in page._picture({"low": 80, "value": 100, "high": 120}, 100)
    assert f'cx="{page.WIDTH:.1f}"' in page._picture({"low": 1e3, "value": 1e4, "high": 1e5}, 100)
    assert page._picture(None, 100) == "" and page._picture({"value": 1}, None) == ""


def test_text_in_a_script_cannot_end_it():
    hostile = page._in_script(json.dumps({"a": "</script><b>"}))
    assert "</script" not in hostile and json.loads(hostile)["a"] == "</script><b>"


def test_charts_are_whole_specifications():
    for chart in (charts.curves(), charts.after()):
        assert chart["$schema"].endswith(".json") and chart["layer"]
    studied = gather.studied(FOLDER)
    rows = {one["row"] for one in studied}
    assert rows == {path.stem for path in (FOLDER / "study").glob("*.json")}
    chart = charts.readings(studied)
    assert {p["name"] for p in chart["params"]} >= {"chosen"}
    assert all(one["low"] <= one["mean"] <= one["high"] for one in studied)
