"""What the command line says, in one line, when it cannot go on."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something that the user can put right; its text says how, in one line."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that does not exist: names near misses, or all there are."""
    return UserError(f"no {kind} is called {name!r}; {hint(name, known)}")


def hint(name: str, known: Iterable[str]) -> str:
    """Which names are near one that does not exist; if none is, all there are."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}."
