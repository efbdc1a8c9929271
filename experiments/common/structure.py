"""What a JSON file has to look like, field by field, and the one line about one that does not.

A check takes a value and the name of its place, `records[3].test.wrong` say, and raises
`Misfit` where the value is something else than expected. `read_json` reads a file that
somebody may have edited, cut off or put there by mistake.
"""

import json
import reprlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from experiments.common.errors import UserError
from experiments.common.files import read_bytes, shown

Check = Callable[[Any, str], None]
COUNT = 2**31 - 1  # the device counts with 32 bits
SEED = 2**32 - 1  # and larger seeds would be others' over again
FLOAT32 = 3.4028234663852886e38


class Misfit(ValueError):
    """A value that is not what its place in a file expects."""

    def __init__(self, place: str, expected: str, got: Any):
        super().__init__(f"{place or 'it'} should be {expected}, not {reprlib.repr(got)}")


def whole(low: int, high: int = COUNT) -> Check:
    """An integer within bounds; `true` and 3.0 are none."""
    return _check(
        f"a whole number from {low} to {high}",
        lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high,
    )


def number(low: float, high: float) -> Check:
    """A number within bounds, which NaN is not."""
    return _check(
        f"a number from {low:.6g} to {high:.6g}",
        lambda v: isinstance(v, int | float) and not isinstance(v, bool) and low <= v <= high,
    )


def text() -> Check:
    """A text that is not empty."""
    return _check("a text", lambda v: isinstance(v, str) and bool(v))


def flag() -> Check:
    """Yes or no."""
    return _check("true or false", lambda v: isinstance(v, bool))


def one_of(known: Collection[Any]) -> Check:
    """One of a few texts or numbers."""
    named = ", ".join(map(str, known))
    return _check(f"one of {named}", lambda v: isinstance(v, str | int) and v in known)


def perhaps(check: Check) -> Check:
    """null, or what another check accepts."""
    return lambda value, place: None if value is None else check(value, place)


def every(check: Check, at_least: int = 0) -> Check:
    """A list whose items all pass a check."""
    expected = f"a list of at least {at_least}" if at_least else "a list"

    def passes(value: Any, place: str) -> None:
        if not isinstance(value, list) or len(value) < at_least:
            raise Misfit(place, expected, value)
        for i, item in enumerate(value):
            check(item, f"{place}[{i}]")

    return passes


def fields(
    needed: Mapping[str, Check], further: Mapping[str, Check] | None = None, only: bool = False
) -> Check:
    """An object with fields.

    Args:
      needed: must be there.
      further: are checked where they are there.
      only: whether there may be no others.
    """
    known = {**needed, **(further or {})}

    def passes(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise Misfit(
                place, f"an object with {', '.join(needed)}" if needed else "an object", value
            )
        dot = f"{place}." if place else ""
        for name in needed:
            if name not in value:
                raise Misfit(f"{dot}{name}", "there", None)
        for name, item in value.items():
            if name in known:
                known[name](item, f"{dot}{name}")
            elif only:
                raise Misfit(f"{dot}{name}", "absent", item)

    return passes


def table_of(check: Check) -> Check:
    """An object whose values all pass a check."""

    def passes(value: Any, place: str) -> None:
        fields({})(value, place)
        for name, item in value.items():
            check(item, f"{place}.{name}")

    return passes


def _check(expected: str, fits: Callable[[Any], bool]) -> Check:
    def passes(value: Any, place: str) -> None:
        if not fits(value):
            raise Misfit(place, expected, value)

    return passes


def read_json(
    path: Path, what: str, *checks: Check, then: str = "move it out of the folder"
) -> Any:
    """What a JSON file holds, if it passes the checks, one after the other.

    Args:
      path: the file.
      what: what it should be, "result file" say.
      checks: of the whole.
      then: what to do about a file that is something else.

    Raises:
      UserError: the file cannot be read, is not JSON, or does not pass; names file and field.
    """
    content = read_bytes(path)
    try:
        found = json.loads(content, parse_constant=_no_number, object_pairs_hook=_once_each)
        for check in checks:
            check(found, "")
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else one_line(error)
        raise UserError(f"{shown(path)} is no {what}: {why}; {then}") from error
    return found


def one_line(error: Exception) -> str:
    """What an error says, without line breaks."""
    return " ".join(str(error).split())


def _no_number(name: str) -> None:
    raise ValueError(f"it holds {name}, which is no number")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
        raise ValueError(f"the field {reprlib.repr(twice)} is there twice")
    return found
