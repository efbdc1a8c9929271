"""Words that several commands take, and how they speak."""

import json as json_module
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from experiments.common.errors import UserError
from experiments.common.files import HERE

Count = Annotated[int | None, tyro.conf.arg(metavar="N")]
Seconds = Annotated[float | None, tyro.conf.arg(metavar="SECONDS")]
Name = Annotated[str | None, tyro.conf.arg(metavar="NAME")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="PATH")]
Numbers = Annotated[tuple[float, ...], tyro.conf.arg(metavar="X")]
Biases = Annotated[tuple[str, ...], tyro.conf.arg(metavar="B")]
Rows = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="ROW")]]
Row = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="ROW")]]
Files = tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE")]]
Assignments = Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="FIELD=VALUE")]
Ranges = Annotated[tuple[str, ...], tyro.conf.arg(metavar="FIELD=V1,V2")]
Claims = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="CLAIM")]]


def home(folder: Path | None) -> Path:
    """Where results/ and runs/ are kept."""
    return (folder or HERE).absolute()


def one_form(json: bool, **asked: bool) -> None:
    """Refuse --json together with another form of output."""
    for option, given in asked.items():
        if json and given:
            raise UserError(f"--json and --{option} exclude each other; give one of them")


def tell(json: bool, as_json: Any, as_terminal: Any = None) -> int:
    """Print as JSON, or for a person."""
    if json:
        print(json_module.dumps(as_json(), indent=1))
    else:
        _print(_console(), as_terminal())
    return 0


def print_report(listed: list[dict]) -> None:
    """Lines of the report as tables, or one figure a line where the terminal is narrow."""
    from experiments.reporting import report as reports

    console, tables = _console(), reports.as_terminal(listed)
    unbounded = Console(width=1000)
    narrow = any(unbounded.measure(table).maximum > console.width for table in tables)
    _print(console, reports.as_lines(listed) if narrow else tables)


class _Output(Console):
    """Standard output that leaves it to `main` what happens when nobody reads on."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _console() -> Console:
    """Standard output; wide enough for any table when nobody sits there."""
    console = _Output()
    return console if console.is_terminal else _Output(width=250)


def _print(console: Console, shown_things: list[Any]) -> None:
    for what in shown_things:
        console.print(what, soft_wrap=isinstance(what, str), highlight=False, markup=False)
