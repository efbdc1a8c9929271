"""The result of `timing.bench` as tables for a person."""

from typing import Any

from rich import box
from rich.table import Table


def table(found: dict[str, Any]) -> Table:
    """The result as tables, one below the other."""
    grid = Table.grid()
    grid.add_row(f"Row {found['row']}: nanoseconds per trial and step (how many times ours)")
    grid.add_row(_compared(found))
    grid.add_row(f"Blocks of other widths; more trials than lanes: {found['width']} at a time")
    grid.add_row(_other_numbers(found))
    grid.add_row(f"Longer sequences and more symbols, {found['width']} lanes")
    grid.add_row(_other_tasks(found))
    at = found["machine"]
    grid.add_row(
        f"{at['cpu']}, core {at['core']} of {at['cores']}, {at['date']}, load average "
        f"{at['load']} before, {at['load_after']} after; jax {at['versions']['jax']}"
    )
    grid.add_row(f"XLA flags: {at['flags'] or 'none'}")
    if (share := min(t["cpu_ns"] / t["ns"] for t in found["ours"].values())) < 0.9:
        grid.add_row(f"Not a quiet core: {share:.0%} of it at worst; see cpu_ns of --json.")
    return grid


def _compared(found: dict[str, Any]) -> Table:
    lanes = list(found["ours"])
    made = _table("", *(f"{n} trial{'s' * (n != '1')}" for n in lanes))

    def add(name: str, timed: dict[str, dict], compare: bool = True) -> None:
        ours = found["ours"] if compare else {}
        made.add_row(name, *(_cell(timed.get(n), ours.get(n)) for n in lanes))

    def widths(timed: dict[str, dict]) -> str:
        return ", ".join(str(t["width"]) for t in timed.values())

    add("ours, the better of these two", found["ours"], compare=False)
    for way in ("exact", "as_run"):
        add(f"  in blocks of {widths(found[way])}", found[way])
    made.add_section()
    for rule, timed in found["rules"].items():
        add(f"ours by {rule}", timed)
    made.add_section()
    for name, peer in found["peers"].items():
        if isinstance(peer, str):
            made.add_row(f"{name}: {peer}")
            continue
        add(f"{name} {peer['version']} {peer['net']}", peer["no_flags"])
        if "our_flags" in peer:
            add("  under our XLA flags", peer["our_flags"])
    return made


def _cell(timed: dict | None, ours: dict | None = None) -> str:
    if timed is None:
        return "-"
    times = f"  ({timed['ns'] / ours['ns']:,.1f}x)" if ours else ""
    return f"{timed['ns']:,.1f}{times}"


def _other_numbers(found: dict[str, Any]) -> Table:
    made = _table("lanes", "trials", "ns", "lanes used")
    for width, timed in found["widths"].items():
        made.add_row(width, width, _cell(timed))
    made.add_section()
    for number, timed in found["refilled"].items():
        made.add_row(str(found["width"]), number, _cell(timed), f"{timed['lanes_used']:.0%}")
    return made


def _other_tasks(found: dict[str, Any]) -> Table:
    made = _table("task", "steps", "ns")
    for T, timed in found["lengths"].items():
        made.add_row(f"adding, T={T}", f"{timed['steps']:.0f}", _cell(timed))
    made.add_section()
    for name, timed in found["symbols"].items():
        q, p = name.split("-")
        made.add_row(f"2c, q={q}, p={p}", f"{timed['steps']:.0f}", _cell(timed))
    return made


def _table(*heads: str) -> Table:
    made = Table(box=box.SIMPLE_HEAD)
    for i, head in enumerate(heads):
        made.add_column(head, justify="left" if i == 0 else "right", no_wrap=True)
    return made
