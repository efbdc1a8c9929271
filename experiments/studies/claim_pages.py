"""What is kept of claims: numbers and a figure each, and one page that shows them."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from experiments.common.errors import UserError
from experiments.common.files import shown, write_text, write_whole
from experiments.common.provenance import commit, versions
from experiments.common.structure import read_json
from experiments.running.forms import claim_form
from experiments.studies.claims import CLAIMS, ClaimResult, rule, says

HEAD = """# Claims of the paper

What the paper says beside its tables, put to the test by `python -m experiments claims`.
The figures of trials are those of `results/`; numbers behind the other figures lie here.
"""


def folder_of(folder: Path) -> Path:
    """Where claims are kept."""
    return folder / "results" / "claims"


def keep(name: str, found: ClaimResult, folder: Path) -> Path:
    """Write numbers and figure of a claim; returns the file of the numbers."""
    path = folder_of(folder) / f"{name}.json"
    kept = {
        "claim": name,
        "holds": found.holds,
        "words": found.words,
        "commit": commit(),
        "versions": versions(),
        "numbers": found.numbers,
    }
    write_text(path, json.dumps(kept, indent=1) + "\n")
    write_whole(
        path.with_suffix(".png"),
        lambda file: found.figure.savefig(file, format="png", dpi=90, metadata={"Software": None}),
    )
    plt.close(found.figure)
    return path


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """What is kept, by name, in the order of `CLAIMS`."""
    paths = {name: folder_of(folder) / f"{name}.json" for name in CLAIMS}
    return {name: _read(path) for name, path in paths.items() if path.exists()}


def strangers(folder: Path) -> list[str]:
    """The names of what is kept of claims that do not exist."""
    kept = (path.stem for path in folder_of(folder).glob("*.json"))
    return sorted(name for name in kept if name not in CLAIMS)


def _read(path: Path) -> dict[str, Any]:
    found = read_json(path, "claim", claim_form)
    if found["claim"] != path.stem:
        raise UserError(
            f"{shown(path)} is the claim {found['claim']}; move it to {found['claim']}.json"
        )
    return {key: found[key] for key in ("claim", "holds", "words", "commit", "numbers")}


def page(kept: dict[str, dict[str, Any]]) -> str:
    """The page, as Markdown."""
    text = [HEAD]
    for name, one in kept.items():
        text.append(f"## {says(name)}\n")
        text += [f"{rule(name)}\n"] if rule(name) else []
        text.append(f"**{'Holds' if one['holds'] else 'Does not hold'}.** {one['words']}\n")
        text.append(f"![{name}]({name}.png)\n")
    return "\n".join(text)


def as_text(kept: dict[str, dict[str, Any]]) -> str:
    """The same for a terminal, without figures."""
    lines = []
    for name, one in kept.items():
        verdict = "holds" if one["holds"] else "does not hold"
        lines.append(f"{name}: {verdict}. {says(name)}\n    {one['words']}")
    return "\n".join(lines)


def write_page(folder: Path) -> Path:
    """Bring the page up to date with what is kept."""
    path = folder_of(folder) / "README.md"
    write_text(path, page(read(folder)))
    return path
