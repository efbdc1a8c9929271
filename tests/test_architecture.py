"""The rules of the house, read off the source text; beside each a control that must object.

Every check is a function from source text to a list of objections, so that it can be tried
on a bad snippet as well as on the files themselves.
"""

import ast
import graphlib
import inspect
import re
import subprocess
import sys
import tomllib
import typing
from collections.abc import Collection, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import lstm_jax

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")

# A room imports from earlier lines only. A new file in lstm_jax/ needs its place here, and so
# does a new folder in experiments/.
LIBRARY = (
    ("types", "version"),
    ("parameters",),
    ("ops",),
    ("cells",),
    ("networks",),
    ("losses", "ctc"),
    ("gradients",),
    ("tasks",),
    ("training",),
    ("methods", "trials"),
    ("conformance",),
)
EXPERIMENTS = (
    ("common",),
    ("paper",),
    ("methods",),
    ("running",),
    ("reporting",),
    ("studies",),
    ("family", "html_report"),
    ("benchmarks",),
    ("cli",),
    ("__main__",),
)


def rooms_before(flow: tuple[tuple[str, ...], ...]) -> dict[str, set[str]]:
    """By room, the rooms of earlier lines."""
    return {
        room: {earlier for line in flow[:i] for earlier in line}
        for i, line in enumerate(flow)
        for room in line
    }


FLOW = {"lstm_jax": rooms_before(LIBRARY), "experiments": rooms_before(EXPERIMENTS)}
FLOW["lstm_jax"]["analysis"] = FLOW["lstm_jax"]["gradients"] | {"gradients"}  # stands beside

LOOPS = {"scan", "while_loop", "fori_loop", "grad", "value_and_grad"}
# drive the nets of other libraries, which bring no training loop
PEERS = {"experiments.benchmarks.other_libraries", "experiments.benchmarks.layer_speed"}
# derivatives by inputs and initial states, too, which no rule gives
FILES = "experiments.benchmarks.family_files"

MACHINE_PATH = re.compile(r"(?<![\w.~*$)}])/(?:root|home|work|Users|opt|mnt)/|\b[A-Z]:\\Users\\")
REGISTRY = re.compile(
    r"pypi[.]org|pythonhosted[.]org|download[.]pytorch[.]org|npmjs[.](?:org|com)"
    r"|anaconda[.](?:org|com)|proxy[.]golang[.]org|crates[.]io"
)


# -- reading ----------------------------------------------------------------------------------


class Import(typing.NamedTuple):
    """One imported name, spelled out from the top."""

    name: str
    line: int


def module_of(path: Path) -> str:
    """`lstm_jax/cells/gru.py` is `lstm_jax.cells.gru`; packages keep their `__init__`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def sources(folder: str) -> list[tuple[str, str]]:
    """Name and text of every module of a folder."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    return [(module_of(path), path.read_text(encoding="utf-8")) for path in paths]


def imports(module: str, source: str) -> Iterator[Import]:
    """Every import of a module, relative ones resolved."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for name in _names(module, node):
            yield Import(name, node.lineno)


def _names(module: str, node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = module.split(".")[: -node.level] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        return [f"{base}.{alias.name}" for alias in node.names]
    return []


def top(name: str) -> str:
    """The package a dotted name begins with."""
    return name.split(".")[0]


def room(name: str) -> str:
    """The room of its package that a dotted name lies in."""
    return [*name.split("."), ""][1]


def distributions(requirements: list[str]) -> set[str]:
    """The names in a list of requirements."""
    return {re.split(r"[^\w.-]", requirement)[0] for requirement in requirements}


def files() -> list[Path]:
    """The files that are, or are about to be, part of the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        paths = [ROOT / line for line in listed.stdout.splitlines()]
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        folders = ["lstm_jax", "experiments", "tests", "notebooks", ".ci"]
        paths = [*ROOT.iterdir(), *(p for folder in folders for p in (ROOT / folder).rglob("*"))]
    return [path for path in paths if path.is_file() and path.suffix != ".pyc"]


# -- the checks -------------------------------------------------------------------------------


def against_the_flow(module: str, source: str) -> list[str]:
    """Imports of a package from itself that do not run along its `FLOW`."""
    rooms, here = FLOW[top(module)], room(module)
    if here == "__init__":
        return []
    if here not in rooms:
        return [f"{module}: the room {here!r} has no place in FLOW"]
    return [
        f"{module}:{line}: imports {name}"
        for name, line in imports(module, source)
        if top(name) == top(module) and room(name) not in rooms[here] | {here}
    ]


def circles(modules: Collection[tuple[str, str]]) -> list[str]:
    """Modules that import one another, by whatever way; imports inside functions count, too.

    Args:
      modules: name and source text of each.
    """
    names = {module.removesuffix(".__init__"): module for module, _ in modules}

    def imported(module: str, source: str) -> set[str]:
        found = (_module_in(name, names) for name, _ in imports(module, source))
        return {names[name] for name in found if name} - {module}

    try:
        graphlib.TopologicalSorter({m: imported(m, source) for m, source in modules}).prepare()
    except graphlib.CycleError as error:
        return [" <- ".join(error.args[1])]
    return []


def _module_in(name: str, modules: Collection[str]) -> str | None:
    """The module that a dotted name is, or is in."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def sibling_cells(module: str, source: str) -> list[str]:
    """Cells that a cell imports; what is no cell, but how its units and weights lie, it may."""
    return [
        f"{module}:{line}: a cell imports {name}"
        for name, line in imports(module, source)
        if name.startswith("lstm_jax.cells")
        and not name.startswith(("lstm_jax.cells.topology.", "lstm_jax.cells.torch_layout."))
        and not module.endswith(".__init__")
    ]


def visitors(module: str, source: str, unwelcome: Collection[str]) -> list[str]:
    """Imports of packages that have no business here."""
    return [
        f"{module}:{line}: imports {name}"
        for name, line in imports(module, source)
        if top(name) in unwelcome
    ]


def undeclared(module: str, source: str, declared: Collection[str]) -> list[str]:
    """Imports that an installation of the library alone does not satisfy."""
    known = {"lstm_jax", *declared, *sys.stdlib_module_names}
    return [
        f"{module}:{line}: imports {name}"
        for name, line in imports(module, source)
        if top(name) not in known
    ]


def own_loops(module: str, source: str) -> list[str]:
    """Loops and derivatives that belong into the library, by attribute or by import."""
    tree = ast.parse(source)
    used = [(n.attr, n.lineno) for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
    used += [(name.split(".")[-1], line) for name, line in imports(module, source)]
    return [f"{module}:{line}: {name}" for name, line in used if name in LOOPS]


def undocumented(module: str, source: str) -> list[str]:
    """The module itself, and its public functions and classes, without a docstring."""
    tree = ast.parse(source)
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
    ]
    named = [("module", tree), *((node.name, node) for node in public)]
    return [f"{module}: {name}" for name, node in named if not ast.get_docstring(node)]


def logic(module: str, source: str) -> list[str]:
    """Statements of a shop window that are neither imports, docstring nor `__all__`."""

    def shown(node: ast.stmt) -> bool:
        if isinstance(node, ast.Assign):
            return all(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        return docstring or isinstance(node, ast.Import | ast.ImportFrom)

    body = ast.parse(source).body
    return [f"{module}:{node.lineno}: {ast.unparse(node)}" for node in body if not shown(node)]


def faults_of_the_window(window: object) -> list[str]:
    """Names in `__all__` that do not resolve, or whose object has no docstring of its own."""
    faults = []
    for name in window.__all__:
        shown = getattr(window, name, None)
        documentable = inspect.isroutine(shown) or inspect.isclass(shown) or inspect.ismodule(shown)
        documented = not (inspect.getdoc(shown) or f"{name}(").startswith(f"{name}(")
        if shown is None:
            faults.append(f"{name} does not resolve")
        elif documentable and not documented:  # `Name(...)` is what NamedTuple and dataclass write
            faults.append(f"{name} has no docstring")
    return faults


def addresses(text: str) -> list[str]:
    """Paths of one machine and hosts of package registries."""
    return MACHINE_PATH.findall(text) + REGISTRY.findall(text)


def loose_pins(lock: str) -> list[str]:
    """Lines of the lock that name an address, or a requirement without version or hash."""
    entries = re.split(r"\n(?=\S)", lock.strip())
    pinned = re.compile(
        r"[\w.-]+(\[[\w, .-]+\])?==\S+( ; [^\n]+)? \\\n +--hash=sha256:[0-9a-f]{64}"
    )
    return [entry for entry in entries if "://" in entry or not pinned.match(entry)]


# -- the house --------------------------------------------------------------------------------


def complaints(check, folder: str, *args) -> list[str]:
    """What a check says about all modules of a folder."""
    return [fault for module, source in sources(folder) for fault in check(module, source, *args)]


@pytest.mark.parametrize("package", FLOW)
def test_imports_run_along_the_flow(package):
    assert complaints(against_the_flow, package) == []


@pytest.mark.parametrize(
    "module, source",
    [
        ("lstm_jax.networks.unroll", "from lstm_jax.gradients import bptt"),
        ("lstm_jax.losses", "import lstm_jax.trials"),
        ("lstm_jax.types", "from lstm_jax import networks"),
        ("lstm_jax.tasks.reber", "from ..training import train"),
        ("lstm_jax.gradients.rtrl", "def f():\n    from lstm_jax.tasks import adding"),
        ("lstm_jax.analysis", "from lstm_jax.trials import Trial"),
        ("lstm_jax.trials", "from lstm_jax import Cell"),
        ("lstm_jax.attic", "x = 1"),
        ("experiments.paper.rival_rows", "from experiments.methods.registry import METHODS"),
        ("experiments.paper.rival_rows", "def f():\n    from experiments.methods import build"),
        ("experiments.common.files", "from experiments import paper"),
        ("experiments.reporting.report", "from experiments.benchmarks import engine"),
        ("experiments.running.jobs", "import experiments.cli.common"),
        ("experiments.studies.claims", "from experiments.__main__ import main"),
        ("experiments.attic", "x = 1"),
    ],
)
def test_control_an_import_against_the_flow(module, source):
    assert against_the_flow(module, source)


def test_imports_along_the_flow_are_welcome():
    assert not against_the_flow("lstm_jax.trials", "from lstm_jax.training import train")
    assert not against_the_flow("lstm_jax.gradients.rtrl", "from .truncated import traces")
    assert not against_the_flow("lstm_jax.analysis", "from lstm_jax import networks")
    assert not against_the_flow("experiments.cli.rows", "from experiments.paper import select")
    assert not against_the_flow("experiments.paper.readings", "from .changes import offered")
    assert not against_the_flow("experiments.common.files", "from lstm_jax import trials")


@pytest.mark.parametrize("package", FLOW)
def test_no_modules_import_one_another(package):
    assert circles(sources(package)) == []


def test_control_modules_that_import_one_another():
    one, other = ("p.a", "from p.b import f"), ("p.b", "def f():\n    from p import a")
    assert circles([one, other]) == ["p.a <- p.b <- p.a"] or circles([one, other]) == [
        "p.b <- p.a <- p.b"
    ]
    assert circles([("p.a", "import p.b"), ("p.b", "import p.c"), ("p.c", "from . import a")])
    package = ("p.__init__", "from p.a import f")
    assert circles([package, ("p.a", "from p import f")])  # by the package itself
    assert circles([package, one, ("p.b", "x = 1")]) == []
    assert circles([package, one, ("p.b", "from q import a")]) == []


def test_no_cell_imports_a_sibling():
    assert complaints(sibling_cells, "lstm_jax/cells") == []


def test_control_a_cell_that_imports_a_sibling():
    module = "lstm_jax.cells.forget_gate"
    assert sibling_cells(module, "from lstm_jax.cells.memory_block import memory_block")
    assert sibling_cells(module, "from . import memory_block")
    assert sibling_cells(module, "from lstm_jax.cells import memory_block")


def test_nobody_imports_what_stands_on_top():
    assert complaints(visitors, "lstm_jax", {"experiments", "tests", "notebooks"}) == []
    assert complaints(visitors, "experiments", {"tests", "notebooks"}) == []
    assert complaints(visitors, "notebooks", {"tests"}) == []
    about_experiments = complaints(visitors, "notebooks", {"experiments"})
    told = ("03_which_1997", "05_descendants", "06_real_speech")  # of what studies have left
    assert all(any(name in complaint for name in told) for complaint in about_experiments)


def test_control_a_library_that_imports_its_experiments():
    assert visitors("lstm_jax.trials", "from experiments.paper.tables import ROWS", {"experiments"})


def test_the_reference_twins_import_nothing_of_ours():
    assert complaints(visitors, "tests/reference", {"lstm_jax", "experiments", "jax"}) == []


def test_control_a_twin_that_imports_ours():
    module = "tests.reference.memory_block"
    assert visitors(module, "def f():\n    import lstm_jax.types as t", {"lstm_jax"})


def test_the_library_imports_its_declared_dependencies_only():
    declared = distributions(PROJECT["project"]["dependencies"])
    assert complaints(undeclared, "lstm_jax", declared) == []


@pytest.mark.parametrize(
    "module, source",
    [
        ("lstm_jax.parameters", "import orbax.checkpoint as ocp"),
        ("lstm_jax.training", "def f():\n    import orbax.checkpoint"),
        ("lstm_jax.trials", "def f():\n    from rich.progress import Progress"),
        ("lstm_jax.analysis", "import matplotlib.pyplot as plt"),
    ],
)
def test_control_a_heavy_import(module, source):
    assert undeclared(module, source, {"jax", "numpy"})


def test_experiments_leave_loops_and_derivatives_to_the_library():
    texts = [(m, s) for m, s in sources("experiments") if m not in {*PEERS, FILES}]
    assert [fault for module, source in texts for fault in own_loops(module, source)] == []


@pytest.mark.parametrize(
    "source",
    [
        "jax.lax.scan(f, 0, xs)",
        "from jax.lax import while_loop",
        "lax.fori_loop(0, 3, f, x)",
        "g = jax.grad(f)",
        "from jax import value_and_grad as vg",
    ],
)
def test_control_an_experiment_with_a_loop_of_its_own(source):
    assert own_loops("experiments.benchmarks.engine", source)


def test_everything_public_has_a_docstring():
    assert complaints(undocumented, "lstm_jax") == []


def test_control_a_public_function_without_docstring():
    assert undocumented("m", '"""Module."""\n\ndef f():\n    return 1\n') == ["m: f"]
    assert undocumented("m", '"""Module."""\n\nclass C:\n    x = 1\n') == ["m: C"]
    assert undocumented("m", "x = 1") == ["m: module"]


def test_the_shop_window_has_no_logic():
    for module, source in sources("lstm_jax"):
        if module == "lstm_jax.__init__":
            assert logic(module, source) == []


def test_control_a_shop_window_with_logic():
    assert logic("m", '"""Doc."""\nimport jax\n__all__ = ["f"]\n') == []
    assert logic("m", "def f(): pass") and logic("m", "jax.config.update('x', 1)")


def test_the_shop_window_shows_what_it_names():
    assert lstm_jax.__all__, "the shop window is empty"
    assert faults_of_the_window(lstm_jax) == []


def test_control_a_shop_window_with_gaps():
    class Bare(typing.NamedTuple):
        x: int

    window = SimpleNamespace(__all__=["f", "Bare", "gone"], f=lambda: 0, Bare=Bare)
    assert len(faults_of_the_window(window)) == 3


def test_no_file_knows_a_machine_or_a_registry():
    texts = [(path, path.read_bytes().decode("utf-8", "ignore")) for path in files()]
    assert [(path.name, addresses(text)) for path, text in texts if addresses(text)] == []


@pytest.mark.parametrize(
    "parts",
    [
        ("see /", "home/ada/data"),
        ('"/', 'root/x"'),
        ("C:", "\\Users\\ada"),
        ("https://", "pypi", ".org/simple"),
        ("--index-url https://download", ".pytorch.org/whl/cpu"),
    ],
)
def test_control_a_file_that_knows_its_machine(parts):
    assert addresses("".join(parts))


def test_ordinary_paths_and_links_are_welcome():
    assert not addresses("../work/x, https://a.b/home/c, experiments/results/, /usr/bin/env, 1/2")


def test_the_lock_pins_by_version_and_hash_and_names_no_address():
    assert loose_pins(LOCK) == []


def test_control_a_loose_lock():
    digest = "    --hash=sha256:" + "0" * 64
    assert loose_pins(f"jax==1.0 \\\n{digest}\noptax==2.0 ; x < '3' \\\n{digest}\n") == []
    assert loose_pins("jax==1.0") and loose_pins(f"jax>=1.0 \\\n{digest}")
    assert loose_pins(f"jax @ https://x.y/jax.whl \\\n{digest}")
    assert loose_pins("--index-url https://x.y/simple")


def test_the_lock_holds_all_that_is_declared_but_the_peers():
    groups = PROJECT["dependency-groups"]
    wanted = PROJECT["project"]["dependencies"] + groups["build"] + groups["dev"]
    wanted += groups["experiments"]
    locked = set(re.findall(r"^([\w.-]+)(?:\[[\w, .-]+\])?==", LOCK, re.MULTILINE))
    assert distributions(wanted) <= locked
    assert not distributions(groups["peers"]) & locked


def extras_named(text: str) -> set[str]:
    """The extras of the library that a text tells one to install."""
    return set(re.findall(r"lstm_jax\[([\w-]+)\]", text))


def test_the_extras_that_messages_name_are_offered():
    offered = set(PROJECT["project"].get("optional-dependencies", ()))
    named = {extra for _, source in sources("lstm_jax") for extra in extras_named(source)}
    assert named <= offered


def test_control_an_extra_that_is_not_offered():
    assert extras_named("pip install 'lstm_jax[gone]'") == {"gone"}


def left_out(paths: list[str], included: list[str]) -> set[str]:
    """What lies on top of the repository and is not in the sdist, for all that one says."""
    of_itself = {"pyproject.toml", ".gitignore"}  # hatchling takes these along
    return {path.split("/")[0] for path in paths} - {*included} - of_itself


def test_the_sdist_holds_the_repository():
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
    assert left_out([path.relative_to(ROOT).as_posix() for path in files()], included) <= {
        "PKG-INFO"  # of an unpacked sdist
    }
    assert all((ROOT / name).exists() for name in included)


def test_control_an_sdist_without_experiments():
    assert left_out(["experiments/paper.py", "pyproject.toml"], ["tests"]) == {"experiments"}
