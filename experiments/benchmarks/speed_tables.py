"""The results of `bench` in `trial_speed`, `rival_speed` and `accelerator` as tables."""

from typing import Any

from rich import box
from rich.table import Table

from experiments.benchmarks.rival_speed import exponents


def table(found: dict[str, Any]) -> Table:
    """The result as tables, one below the other."""
    grid = Table.grid()
    grid.add_row(f"Row {found['row']}: nanoseconds per trial and step (how many times ours)")
    grid.add_row(_compared(found))
    grid.add_row(f"Blocks of other widths; more trials than lanes: {found['width']} at a time")
    grid.add_row(_other_numbers(found))
    grid.add_row(f"Longer sequences and more symbols, {found['width']} lanes")
    grid.add_row(_other_tasks(found))
    _add_machine(grid, found["machine"], list(found["ours"].values()))
    return grid


def rivals_table(found: dict[str, Any]) -> Table:
    """The result of `rival_speed.bench` likewise."""
    grid = Table.grid()
    grid.add_row(f"A step of RTRL, every unit hearing all, {found['lanes']} lanes")
    grid.add_row(_costs(found["dense"], "units"))
    grid.add_row(f"A step of RTRL, one recurrent unit (2a), {found['lanes']} lanes")
    grid.add_row(_costs(found["one_unit"], "p"))
    grid.add_row("Working memory of a gradient, bytes by steps of the sequence")
    grid.add_row(_memory(found["memory"]))
    grid.add_row(
        f"Nanoseconds per trial and step: ours in {found['lanes']} lanes, plain loops one trial "
        "at a time (how many times ours)"
    )
    grid.add_row(_beside(found["rivals"]))
    ours = [*found["dense"].values(), *(timed["ours"] for timed in found["rivals"].values())]
    _add_machine(grid, found["machine"], ours)
    return grid


def accelerator_table(found: dict[str, Any]) -> Table:
    """The result of `accelerator.bench` likewise."""
    at = found["machine"]
    grid = Table.grid()
    grid.add_row(f"Row {found['row']} in one block on {at['device']}")
    made = _table("rule", "lanes", "ns a trial and step", "us a step", "bytes of the block")
    for rule, by_lanes in found["rules"].items():
        for lanes, timed in by_lanes.items():
            made.add_row(rule, f"{int(lanes):,}", *_block_cells(timed))
        made.add_section()
    grid.add_row(made)
    grid.add_row(f"{at['date']}, jax {at['versions']['jax']}")
    grid.add_row(f"XLA flags: {at['flags'] or 'none'}")
    return grid


def layers_table(found: dict[str, Any]) -> Table:
    """The result of `layer_speed.bench` likewise."""
    grid = Table.grid()
    grid.add_row("Milliseconds of a layer, steps x batch x inputs x hidden (how many times ours)")
    timed = {name: one for name, one in found["libraries"].items() if not isinstance(one, str)}
    ours = timed["lstm_jax"]["layers"]
    for what in ("forward", "training"):
        heads = [
            name if name == "lstm_jax" else f"{name} {timed[name]['version']}" for name in timed
        ]
        made = _table(what, *heads)
        for layer, one in ours.items():
            cells = []
            for name, other in timed.items():
                ms = other["layers"][layer][what]
                cells.append(
                    f"{ms:,.2f}" + ("" if name == "lstm_jax" else f" ({ms / one[what]:.2f}x)")
                )
            made.add_row(layer, *cells)
        grid.add_row(made)
    for name, one in found["libraries"].items():
        if isinstance(one, str):
            grid.add_row(f"{name}: {one}")
    grid.add_row(_on(found["machine"]))
    grid.add_row(", ".join(f"{key}={value}" for key, value in found["allocator"].items()))
    return grid


def processes_table(found: dict[str, Any]) -> Table:
    """The result of `process_speed.bench` likewise; e is the share of the cores that works."""
    timed, cores = found["processes"], found["machine"]["cores"]
    grid = Table.grid()
    grid.add_row(
        f"Row 4-100, {found['trials']} trials of {found['cap']:,} sequences each: seconds from "
        "start to end, those in which trials ran, and their efficiency beside one process"
    )
    made = _table("processes", "seconds", "of training", "efficiency")
    one = timed["1"]["training"]
    for number, t in timed.items():
        share = one / (t["training"] * min(int(number), cores))
        made.add_row(number, f"{t['seconds']:.1f}", f"{t['training']:.1f}", f"{share:.0%}")
    grid.add_row(made)
    grid.add_row(_on(found["machine"]))
    return grid


def speakers_table(found: dict[str, Any]) -> Table:
    """The result of `speaker_speed.bench` likewise."""
    grid = Table.grid()
    grid.add_row("Speaker recognition: all trials of a library, from the start of its process")
    made = _table("library", "trials", "seconds", "recognised, mean %")
    for name, one in found["libraries"].items():
        if isinstance(one, str):
            made.add_row(name, one)
        else:
            mean = 100 * sum(one["shares"]) / one["trials"]
            made.add_row(name, str(one["trials"]), f"{one['seconds']:,.1f}", f"{mean:.1f}")
    grid.add_row(made)
    grid.add_row(_on(found["machine"]))
    return grid


def _block_cells(timed: dict[str, Any]) -> list[str]:
    if "refused" in timed:
        return ["out of memory", "", ""]
    return [f"{timed['ns']:,.2f}", f"{timed['us']:,.1f}", f"{timed['bytes']:,}"]


def _costs(timed: dict[str, dict], size: str) -> Table:
    """By size; e where a column goes from line to line with the size to the power of e."""
    columns = {"weights": "weights", "all": "units x weights", "carried": "carried"}
    made = _table(size, *columns.values(), "multiplications", "e", "ns", "e")
    work = {n: t["multiplications"] for n, t in timed.items()}
    in_theory, measured = (
        ["", *map("{:.1f}".format, exponents(by_size))]
        for by_size in (work, {n: t["ns"] for n, t in timed.items()})
    )
    for (n, t), *both in zip(timed.items(), in_theory, measured, strict=True):
        numbers = [f"{t[name]:,}" for name in (*columns, "multiplications")]
        made.add_row(n, *numbers, both[0], _cell(t), both[1])
    return made


def _memory(memory: dict[str, dict[str, int]]) -> Table:
    made = _table("", *(f"{int(T):,} steps" for T in next(iter(memory.values()))))
    for rule, by_steps in memory.items():
        made.add_row(rule, *(f"{number:,}" for number in by_steps.values()))
    return made


def _beside(rivals: dict[str, dict]) -> Table:
    loops = list(dict.fromkeys(name for timed in rivals.values() for name in timed["loops"]))
    made = _table("row", "method", "ours", *loops)
    for row, timed in rivals.items():
        cells = [_loop_cell(timed["loops"].get(name), timed["ours"]) for name in loops]
        made.add_row(row, timed["method"], _cell(timed["ours"]), *cells)
    return made


def _loop_cell(timed: dict | str | None, ours: dict) -> str:
    return timed if isinstance(timed, str) else _cell(timed, ours)


def _on(at: dict[str, Any]) -> str:
    """What was measured on, and when."""
    return (
        f"{at['cpu']}, core {at['core']} of {at['cores']}, {at['date']}, load average "
        f"{at['load']} before, {at['load_after']} after; jax {at['versions']['jax']}"
    )


def _add_machine(grid: Table, at: dict[str, Any], ours: list[dict]) -> None:
    grid.add_row(_on(at))
    grid.add_row(f"XLA flags: {at['flags'] or 'none'}")
    if (share := min(t["cpu_ns"] / t["ns"] for t in ours)) < 0.9:
        grid.add_row(f"Not a quiet core: {share:.0%} of it at worst; see cpu_ns of --json.")


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
