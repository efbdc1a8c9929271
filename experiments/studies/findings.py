"""What studies find, kept: numbers and a figure each, and one page that shows them.

A study is a function from the place that its trials come from to a `Finding`; its docstring is
what the page says: the first paragraph its question or claim, the others how it is judged.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from experiments.common.errors import UserError
from experiments.common.files import shown, write_text, write_whole
from experiments.common.provenance import commit, versions
from experiments.common.structure import read_json
from experiments.running.forms import finding_form
from experiments.studies.trial_source import TrialSource


class Finding(NamedTuple):
    """What a study found.

    Attributes:
      holds: whether what its docstring says was borne out.
      words: what was found, in a sentence or two.
      numbers: what JSON can hold.
      figure: that shows it.
    """

    holds: bool
    words: str
    numbers: dict[str, Any]
    figure: Figure


class Collection(NamedTuple):
    """Studies that are kept side by side.

    Attributes:
      noun: what one is called, in its file, too.
      name: of the command that runs them, and of their folder in results/.
      head: of their page.
      studies: by name.
    """

    noun: str
    name: str
    head: str
    studies: dict[str, Callable[[TrialSource], Finding]]

    def says(self, name: str) -> str:
        """What a study says, in a line."""
        return " ".join((self.studies[name].__doc__ or "").split("\n\n")[0].split())

    def rule(self, name: str) -> str:
        """By what rule it is judged; empty where the line says it."""
        return " ".join(" ".join((self.studies[name].__doc__ or "").split("\n\n")[1:]).split())

    def folder(self, home: Path) -> Path:
        """Where they are kept."""
        return home / "results" / self.name

    def keep(self, name: str, found: Finding, home: Path) -> Path:
        """Write numbers and figure of a study; returns the file of the numbers."""
        path = self.folder(home) / f"{name}.json"
        kept = {
            self.noun: name,
            "holds": found.holds,
            "words": found.words,
            "commit": commit(),
            "versions": versions(),
            "numbers": found.numbers,
        }
        write_text(path, json.dumps(kept, indent=1) + "\n")
        write_whole(
            path.with_suffix(".png"),
            lambda file: found.figure.savefig(
                file, format="png", dpi=90, metadata={"Software": None}
            ),
        )
        plt.close(found.figure)
        return path

    def read(self, home: Path) -> dict[str, dict[str, Any]]:
        """What is kept, by name, in the order of the studies."""
        paths = {name: self.folder(home) / f"{name}.json" for name in self.studies}
        return {name: self._read(path) for name, path in paths.items() if path.exists()}

    def _read(self, path: Path) -> dict[str, Any]:
        found = read_json(path, self.noun, finding_form(self.noun))
        if found[self.noun] != path.stem:
            raise UserError(
                f"{shown(path)} is the {self.noun} {found[self.noun]}; move it to "
                f"{found[self.noun]}.json"
            )
        return {key: found[key] for key in (self.noun, "holds", "words", "commit", "numbers")}

    def strangers(self, home: Path) -> list[str]:
        """The names of what is kept of studies that do not exist."""
        kept = (path.stem for path in self.folder(home).glob("*.json"))
        return sorted(name for name in kept if name not in self.studies)

    def page(self, kept: dict[str, dict[str, Any]]) -> str:
        """The page, as Markdown."""
        text = [self.head]
        for name, one in kept.items():
            text.append(f"## {self.says(name)}\n")
            text += [f"{self.rule(name)}\n"] if self.rule(name) else []
            text.append(f"**{'Holds' if one['holds'] else 'Does not hold'}.** {one['words']}\n")
            text.append(f"![{name}]({name}.png)\n")
        return "\n".join(text)

    def as_text(self, kept: dict[str, dict[str, Any]]) -> str:
        """The same for a terminal, without figures."""
        lines = []
        for name, one in kept.items():
            verdict = "holds" if one["holds"] else "does not hold"
            lines.append(f"{name}: {verdict}. {self.says(name)}\n    {one['words']}")
        return "\n".join(lines)

    def write_page(self, home: Path) -> Path:
        """Bring the page up to date with what is kept."""
        path = self.folder(home) / "README.md"
        write_text(path, self.page(self.read(home)))
        return path
