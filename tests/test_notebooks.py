"""Every notebook runs from its first cell to its last, away from the repository's folder."""

import os
from pathlib import Path

import jupytext
import nbclient
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
NEEDED = {"06_real_speech": "aeon"}  # what `make data` adds
pytestmark = pytest.mark.notebook
NONE = pytest.param(None, marks=pytest.mark.skip(reason="notebooks/ is empty"))


def execute(source: str, folder: Path) -> None:
    """Run a notebook kept as py:percent source; the first failing cell raises."""
    notebook = jupytext.reads(source, fmt="py:percent")
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    # they train for minutes if compiled as the tests' little programs are
    env = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    client.execute(env=env | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"})


@pytest.mark.parametrize("path", NOTEBOOKS or [NONE], ids=lambda path: path and path.stem)
def test_notebook_runs(path, tmp_path):
    if path.stem in NEEDED:
        pytest.importorskip(NEEDED[path.stem], reason="make data")
    execute(path.read_text(encoding="utf-8"), tmp_path)


def test_control_a_wrong_cell_is_noticed(tmp_path):
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="ZeroDivisionError"):
        execute("# %%\nx = 1\n\n# %%\nx / 0\n", tmp_path)
