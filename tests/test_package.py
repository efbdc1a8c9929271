"""What is given away: a wheel that works alone, and an sdist whose own tests pass.

`make package` builds both and runs these tests.
"""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.pages import blocks

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
pytestmark = pytest.mark.package


def built(pattern: str) -> Path:
    found = list(DIST.glob(pattern))
    assert len(found) == 1, f"expected one {pattern} in dist/, got {found}; run `make package`"
    return found[0]


def run(*command, cwd: Path, **environment) -> str:
    """Run a command with nothing of this checkout on its path; what it printed."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env={**clean, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    """The interpreter of an environment that has the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", "-q", built("*.whl"), cwd=folder)
    return python


def test_the_wheel_holds_the_library_alone():
    names = zipfile.ZipFile(built("*.whl")).namelist()
    assert {name.split("/")[0] for name in names} == {
        "lstm_jax", next(n.split("/")[0] for n in names if ".dist-info/" in n)
    }  # fmt: skip
    assert "lstm_jax/py.typed" in names
    metadata = next(n for n in names if n.endswith(".dist-info/METADATA"))
    text = zipfile.ZipFile(built("*.whl")).read(metadata).decode()
    assert "License-Expression: Apache-2.0" in text and "Project-URL" not in text
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)
    asked = re.findall(r"^Requires-Dist: ([\w-]+)", text, re.MULTILINE)
    assert sorted(asked) == ["chex", "jax", "jaxlib", "numpy", "optax"]


def test_the_examples_of_the_readme_run_with_the_wheel_alone(clean, tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "example.py").write_text(
        "\n".join(source for _, source in blocks(text)), encoding="utf-8"
    )
    run(clean, "example.py", cwd=tmp_path, JAX_PLATFORMS="cpu")
    said = run(clean, "-c", "import lstm_jax; print(lstm_jax.__file__)", cwd=tmp_path)
    assert str(ROOT) not in said.replace(str(clean), "")


def test_the_tests_of_the_sdist_pass_where_it_is_unpacked(tmp_path):
    with tarfile.open(built("*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    quick = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--benchmark-disable"]
    which = os.environ.get("SDIST_TESTS", "tests").split()
    run(*quick, "-m", "not slow and not notebook and not package and not browser", *which,
        cwd=folder)  # fmt: skip
