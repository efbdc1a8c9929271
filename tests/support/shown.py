"""A table as a terminal shows it."""

from rich.console import Console
from rich.table import Table


def shown(table: Table) -> str:
    """What is printed of it, 200 columns wide."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return capture.get()
