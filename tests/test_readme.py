"""Whatever the README shows is executed: its Python blocks, in order, in one namespace."""

import re
from pathlib import Path

import jax
import pytest

from experiments.reporting import report
from experiments.running import results
from tests.support.pages import blocks

README = Path(__file__).parents[1] / "README.md"
TABLES = README.parent / "docs" / "tables.md"


def execute(text: str, name: str = "README.md") -> dict:
    """Run all blocks in one namespace; tracebacks name the lines of the text."""
    namespace: dict = {"__name__": "__readme__"}
    for line, source in blocks(text):
        exec(compile("\n" * (line - 1) + source, name, "exec"), namespace)
    return namespace


def test_the_readme_runs(tmp_path, monkeypatch):
    text = README.read_text(encoding="utf-8")
    assert blocks(text), "the README shows no Python"
    monkeypatch.chdir(tmp_path)
    # as a reader has it: optax counts on promotion
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        execute(text, str(README))


def test_a_newcomer_can_read_it():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    linked = re.findall(r"\]\(([\w./-]+)\)", text)
    assert linked and all((README.parent / path).exists() for path in linked)


def test_the_tables_are_those_of_the_results():
    text = TABLES.read_text(encoding="utf-8")
    listed = report.lines(results.read_all(README.parent / "experiments" / "results"))
    assert report.put_into(text, listed) == text, (
        "run `python -m experiments report --into docs/tables.md`"
    )
    with pytest.raises(AssertionError):
        assert report.put_into(text, listed[1:]) == text


def test_blocks_share_names_and_other_languages_are_left_alone():
    text = "a\n```python\nx = 1\n```\n```bash\nexit 1\n```\n```python\ny = x + 1\n```\n"
    assert [line for line, _ in blocks(text)] == [3, 9]
    assert execute(text)["y"] == 2


def test_control_a_wrong_block_is_noticed():
    with pytest.raises(AssertionError):
        execute("```python\nassert 1 == 2\n```\n")
