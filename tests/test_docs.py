"""Whatever a page of docs/ shows is executed: its Python blocks, in order, one namespace a page."""

import pkgutil
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import jax
import pytest

import lstm_jax
from tests.support.pages import blocks

DOCS = Path(__file__).parents[1] / "docs"
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")
PLACE = re.compile(r"\| `([\w.]+)` \|$", re.MULTILINE)
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = [*PAGES, DOCS.parent / "CONTRIBUTING.md"]
every = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def execute(text: str, name: str) -> dict:
    """Run all blocks in one namespace; tracebacks name the lines of the text."""
    module = ModuleType("page")
    for line, source in blocks(text):
        exec(compile("\n" * (line - 1) + source, name, "exec"), vars(module))
    return vars(module)


def broken_links(text: str, folder: Path) -> list[str]:
    """Links to files that there are not."""
    return [link for link in LINK.findall(text) if not (folder / link).exists()]


def lost(text: str) -> list[str]:
    """Places at the end of a table's rows that the library does not have."""

    def there(place: str) -> bool:
        try:
            pkgutil.resolve_name(f"lstm_jax.{place}")
        except (ImportError, AttributeError):
            return False
        return True

    return [place for place in PLACE.findall(text) if not there(place)]


@every
def test_the_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "page", ModuleType("page"))  # where its classes say they live
    # as a reader has it: optax counts on promotion
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        execute(page.read_text(encoding="utf-8"), str(page))


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.name)
def test_links_lead_somewhere(text):
    assert broken_links(text.read_text(encoding="utf-8"), text.parent) == []


def test_the_glossary_names_what_there_is():
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    assert len(PLACE.findall(text)) > 20 and lost(text) == []
    assert lost("| a | `cells.topology.KINDS` |\n| b | `cells.nowhere` |\n") == ["cells.nowhere"]


def test_the_page_on_extending_ends_every_part_with_its_check():
    text = (DOCS / "extending.md").read_text(encoding="utf-8")
    assert len(blocks(text)) > 5
    for check in ("cell", "net", "rule", "learner", "task"):
        assert f"lj.check_{check}(" in text


def test_controls():
    assert [line for line, _ in blocks("a\n```python\nx = 1\n```\n```bash\nexit\n```\n")] == [3]
    with pytest.raises(AssertionError):
        execute("```python\nassert 1 == 2\n```\n", "page.md")
    assert execute("```python\nx = 1\n```\n```python\ny = x + 1\n```\n", "page.md")["y"] == 2
    assert broken_links("[a](nowhere.md) [b](glossary.md) [c](https://a.b)", DOCS) == ["nowhere.md"]


def test_the_api_names_all_that_is_public(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    table = runpy.run_path(str(DOCS / "conf.py"))["names"]()
    missing = [name for name in lstm_jax.__all__ if f"`lj.{name} <" not in table]
    assert missing == ["__version__"]
    pages = (DOCS / "api" / "index.md").read_text(encoding="utf-8")
    rooms = {m.name for m in pkgutil.iter_modules(lstm_jax.__path__)} - {"version"}
    assert {line.split(".")[1] for line in pages.split() if line.startswith("lstm_jax.")} == rooms
