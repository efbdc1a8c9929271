"""Docs and report in headless Chromium: every page opens, asks nothing of a network, and works.

`make browser` builds what is opened and runs these tests; screenshots of all pages at two widths
are left in docs/_build/screenshots, to be looked at.
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.__main__ import main

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs" / "_build" / "html"
SHOTS = ROOT / "docs" / "_build" / "screenshots"
WIDTHS = (1280, 420)
PAGES = [
    path.relative_to(SITE)
    for path in sorted(SITE.rglob("*.html"))
    if "_static" not in path.parts and path != SITE / "index.html"
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A page, and what it complained of or asked for that is not a file beside it."""

    def __init__(self, browser, **options):
        self.page = browser.new_page(**options)
        self.faults: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("requestfailed", lambda r: self.faults.append(f"failed: {r.url}"))
        self.page.on("request", self._request)

    def _console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def _request(self, request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.faults.append(f"request: {request.url}")

    def open(self, path: Path) -> None:
        self.page.goto(path.as_uri(), wait_until="load")

    def wider_than_the_window(self) -> int:
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )


@pytest.fixture(params=WIDTHS)
def watched(chromium, request) -> Iterator[Watched]:
    made = Watched(chromium, viewport={"width": request.param, "height": 900})
    yield made
    made.page.close()


def shoot(watched: Watched, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    width = watched.page.viewport_size["width"]
    watched.page.screenshot(path=SHOTS / f"{name}.{width}.png", full_page=False)


# -- the docs ---------------------------------------------------------------------------------


def test_there_are_docs():
    assert len(PAGES) > 50, "run `make docs`"


def test_every_page_of_the_docs_opens(watched):
    wide = {}
    for path in PAGES:
        watched.open(SITE / path)
        assert watched.faults == [] and watched.page.title(), path
        if (more := watched.wider_than_the_window()) > 1:
            wide[str(path)] = more
        if "generated" not in path.parts:
            shoot(watched, str(path.with_suffix("")).replace("/", "."))
    assert not wide


def test_the_top_leads_to_the_docs(watched):
    watched.open(SITE / "index.html")
    watched.page.wait_for_url("**/docs/index.html")
    assert "thousands of trials" in watched.page.inner_text("article") and watched.faults == []


def test_the_search_finds(watched):
    watched.open(SITE / "search.html")
    watched.page.goto((SITE / "search.html").as_uri() + "?q=carousel", wait_until="load")
    watched.page.wait_for_selector("ul.search li", timeout=20_000)
    assert watched.page.locator("ul.search li").count() > 5 and watched.faults == []


def test_mathematics_is_drawn(watched):
    watched.open(SITE / "notebooks" / "01_the_carousel.html")
    assert watched.page.locator("math").count() > 3
    assert watched.page.locator("math").first.bounding_box()["height"] > 5


def test_control_a_page_with_faults(watched, tmp_path):
    (tmp_path / "bad.html").write_text(
        "<title>x</title><img src='gone.png'><script>throw 1; </script>"
        "<script src='https://example.invalid/x.js'></script><div style='width:3000px'>x</div>"
    )
    watched.open(tmp_path / "bad.html")
    kinds = {fault.split(":")[0] for fault in watched.faults}
    assert {"error", "failed", "request"} <= kinds and watched.wider_than_the_window() > 1


# -- the report -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert main(["report", "--html", str(path)]) == 0
    return path


@pytest.fixture
def opened(watched, report) -> Watched:
    began = time.monotonic()
    watched.open(report)
    assert time.monotonic() - began < 3
    return watched


def visible_rows(page) -> list[str]:
    return page.eval_on_selector_all(
        "tr.line:not([hidden])", "rows => rows.map(row => row.cells[0].dataset.key)"
    )


def test_the_report_opens(opened, report):
    assert report.stat().st_size < 6_000_000
    assert len(visible_rows(opened.page)) > 100 and opened.wider_than_the_window() <= 1
    shoot(opened, "report")
    assert opened.faults == []


def test_rows_are_filtered(opened):
    page, before = opened.page, len(visible_rows(opened.page))
    page.fill("#search", "2c tangent")
    rows = visible_rows(page)
    assert 0 < len(rows) < before and all(row.startswith("2c") for row in rows)
    assert page.text_content("#count") == f"{len(rows)} rows"
    page.fill("#search", "")
    page.check("#ran")
    assert 0 < len(visible_rows(page)) <= before and opened.faults == []


def test_tables_are_sorted_by_keyboard_too(opened):
    page = opened.page
    button = page.locator("#tables section").first.locator("button.sort", has_text="mean after")
    for direction in (1, -1):
        button.focus()
        page.keyboard.press("Enter")
        keys = (
            page.locator("#tables section")
            .first.locator("tr.line")
            .evaluate_all(
                "rows => rows.map(row => row.cells[3].dataset.key).filter(Boolean).map(Number)"
            )
        )
        assert len(keys) > 3 and keys == sorted(keys, reverse=direction < 0)
    assert opened.faults == []


def test_a_row_opens_to_its_curves(opened):
    page = opened.page
    row = page.locator("tr.line[data-ran=yes]").first
    row.locator("button.open").focus()
    page.keyboard.press("Enter")
    detail = page.locator("tr.detail").first
    detail.locator("svg").nth(1).wait_for(timeout=10_000)
    lines = detail.locator("svg").first.locator("g.mark-line path").count()
    assert lines >= 3, "a curve a trial"
    text = detail.inner_text()
    assert "python -m experiments run" in text and "seed" in text and "commit" in text
    detail.scroll_into_view_if_needed()
    shoot(opened, "report-row")
    page.keyboard.press("Enter")
    assert page.locator("tr.detail").count() == 0 and opened.faults == []


def test_readings_are_explored(opened):
    page = opened.page
    page.locator("#readings").scroll_into_view_if_needed()
    page.wait_for_selector("#readings-chart svg", timeout=10_000)
    before = page.locator("#readings-chart svg").inner_html(), page.text_content("#chance")
    page.locator("#readings-chart select").select_option("4-100")
    page.wait_for_function("document.querySelector('#chance').textContent.includes('4-100')")
    after = page.locator("#readings-chart svg").inner_html(), page.text_content("#chance")
    assert before[0] != after[0] and before[1] != after[1]
    assert "gate-biases+tangent-output" in page.locator("#readings-chart svg").inner_html()
    shoot(opened, "report-readings")
    assert opened.faults == []


def test_a_net_is_looked_at_step_by_step(opened):
    page = opened.page
    page.locator("#nets").scroll_into_view_if_needed()
    page.wait_for_selector("#net-chart svg", timeout=10_000)
    before = page.locator("#net-chart svg").inner_html()
    slider = page.locator("#net-chart input[type=range]").first
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert slider.input_value() == "5" and page.locator("#net-chart svg").inner_html() != before
    shoot(opened, "report-net")
    options = page.locator("#net option").count()
    page.locator("#net").select_option(index=options - 1)
    page.wait_for_timeout(500)
    assert options > 3 and opened.faults == []


def test_it_is_dark_where_that_is_asked_for_and_prints(chromium, report):
    dark = Watched(chromium, viewport={"width": 1280, "height": 900}, color_scheme="dark")
    dark.open(report)
    color = dark.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert color == "rgb(22, 24, 27)"
    dark.page.locator("tr.line[data-ran=yes] button.open").first.click()
    dark.page.locator("tr.detail svg").nth(1).wait_for(timeout=10_000)
    shoot(dark, "report-dark")
    dark.page.emulate_media(media="print", color_scheme="light")
    assert dark.page.locator(".tools").is_hidden()
    assert len(dark.page.pdf()) > 10_000 and dark.faults == []
    dark.page.close()
