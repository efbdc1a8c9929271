"""How the docs are built: `make docs` (Sphinx with MyST-NB, as the JAX projects do).

Sources are the repository itself, so that a link which works there works here, too. Everything
a page needs lies beside it: fonts, scripts, and mathematics as MathML, which browsers draw by
themselves.
"""

import inspect
import os
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("PYTHONPATH", str(ROOT))  # of the notebooks' kernels

import lstm_jax

project, author, release = "lstm_jax", "The lstm_jax authors", lstm_jax.__version__
copyright = author
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "mathml",
]
html_math_renderer = "mathml"

root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "docs/api/generated/*.rst",
    "notebooks/*.py",
    "experiments/results/*/README.md",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
]
exclude_patterns = ["docs/_build/**"]

html_theme = "sphinx_book_theme"
html_title = f"lstm_jax {release}"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_extra_path = ["_top"]  # index.html of the site, which leads to that of the docs
html_theme_options = {"home_page_in_toc": False, "show_navbar_depth": 1}
html_copy_source = False
html_show_search_summary = False  # which a browser may not fetch from a file
html_context = {"default_mode": "auto"}  # dark and light as the reader's system has it
templates_path = ["_templates"]

nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "docs" / "_build" / "notebooks")
nb_execution_timeout = 1800
nb_execution_raise_on_error = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

default_role = "code"  # single backticks in docstrings are code
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def names() -> str:
    """What `import lstm_jax` offers, as a table: the name, where it lives, what it is."""
    lines = ["| name | what it is |", "|---|---|"]
    for name in sorted(lstm_jax.__all__, key=str.lower):
        one = getattr(lstm_jax, name)
        if isinstance(one, types.ModuleType):
            role, target = "mod", one.__name__
        elif isinstance(one, str):
            continue  # the version
        else:
            role, target = "obj", f"{one.__module__}.{one.__qualname__}"
        says = (inspect.getdoc(one) or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        lines.append(f"| {{py:{role}}}`lj.{name} <{target}>` | {says.split('. ')[0]} |")
    return "\n".join(lines) + "\n"


def setup(app) -> None:
    """Write what is written anew every time, before the sources are read."""
    (Path(app.confdir) / "api" / "names.md").write_text(names(), encoding="utf-8")
