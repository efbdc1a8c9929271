"""The commands of `python -m experiments`; their arguments become options, by tyro."""

import json as json_module
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from experiments import jobs
from experiments.errors import UserError, unknown
from experiments.files import HERE, read_bytes, shown, write_text

Count = Annotated[int | None, tyro.conf.arg(metavar="N")]
Seconds = Annotated[float | None, tyro.conf.arg(metavar="SECONDS")]
Name = Annotated[str | None, tyro.conf.arg(metavar="NAME")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="PATH")]
Numbers = Annotated[tuple[float, ...], tyro.conf.arg(metavar="X")]
Biases = Annotated[tuple[str, ...], tyro.conf.arg(metavar="B")]
Rows = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="ROW")]]
Row = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="ROW")]]
Files = tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE")]]


def list_rows(json: bool = False) -> int:
    """Show the rows of the paper's tables and the readings that each is offered.

    Args:
      json: as JSON, with all settings.
    """
    from experiments import listing

    return _tell(json, listing.as_json, listing.as_terminal)


def run(
    rows: Rows,
    /,
    trials: Count = None,
    seed: int = 0,
    reading: Name = None,
    lanes: int | None = None,
    devices: int = 1,
    budget: Seconds = None,
    folder: Folder = None,
    workers: Count = None,
) -> int:
    """Train rows of the paper's tables. A run started again goes on where it was.

    Args:
      rows: names of rows; or, under the readings that solve each, numbers of tables,
        experiments such as 2c, all LSTM rows (all), all others (rivals).
      trials: how many trials; by default as many as the paper.
      seed: of all randomness.
      reading: literal (the default for rows named), another one, or all that are offered.
      lanes: trials side by side on a device; by default 16, or 32 for more than 16 trials.
      devices: split the CPU into so many devices, or use so many accelerators.
      budget: seconds for each row, after which it is put down to be taken up again.
      folder: where results/ and runs/ are kept, by default experiments/.
      workers: rows at the same time; by default as many as there are processors.
    """
    jobs.check_numbers(trials=trials, lanes=lanes, devices=devices, budget=budget, workers=workers)
    todo = [
        jobs.Job(row, read, trials or row.trials, seed, lanes or 0, devices)
        for row, read in jobs.choose(rows, reading)
    ]
    from experiments.workers import run_apart, run_here

    workers = min(workers or os.cpu_count() or 1, len(todo))
    if workers == 1:
        return run_here(todo, _folder(folder), budget)
    return run_apart(todo, workers, _folder(folder), budget)


def report(
    table: Count = None,
    format: Literal["terminal", "markdown", "csv"] = "terminal",
    json: bool = False,
    folder: Folder = None,
    into: Folder = None,
) -> int:
    """Print what was measured beside what the paper says; reads result files only.

    Args:
      table: a table of the paper, or one of ours, 0 and 10; by default all.
      format: how to print it.
      json: as JSON.
      folder: where results/ is kept, by default experiments/.
      into: a Markdown file whose report, between two comments, is to be brought up to date.
    """
    from experiments import report as reports
    from experiments import results

    if table is not None and table not in reports.TITLES:
        raise UserError(f"there is no table {table}; give one of 0 to 10")
    listed = reports.lines(results.read_all(_folder(folder) / "results"), table)
    if json:
        return _tell(True, lambda: listed)
    if into is not None:
        write_text(into, reports.put_into(read_bytes(into).decode(), listed))
        return 0
    if format == "terminal":
        _print_report(listed)
        print(reports.NOTE)
        return 0
    print({"markdown": reports.as_markdown, "csv": reports.as_csv}[format](listed))
    return 0


def figure(row: Row, /, reading: str = "literal", folder: Folder = None, out: Folder = None) -> int:
    """Draw the learning curves of a result, its sequences to success, a trained net at work.

    Args:
      row: name of a row.
      reading: name of a reading.
      folder: where results/ is kept, by default experiments/.
      out: where the figures go, by default runs/figures/ beside results/.
    """
    found = jobs.find_row(row)
    read = jobs.find_reading(found, reading)
    from experiments import figures

    source = figures.source_of(_folder(folder), found, read)
    for path in figures.draw(found, read, source, out or _folder(folder) / "runs" / "figures"):
        print(shown(path))
    return 0


def sweep(
    row: Row,
    /,
    rate: Numbers = (),
    weights: Numbers = (),
    input_gate_bias: Biases = (),
    output_gate_bias: Biases = (),
    trials: int = 10,
    reading: str = "literal",
    seed: int = 0,
    lanes: int = 32,
    devices: int = 1,
    budget: Seconds = None,
    folder: Folder = None,
    json: bool = False,
) -> int:
    """Train a row under every combination of the values given, all in one call.

    Args:
      row: name of a row.
      rate: learning rates.
      weights: initial weights are drawn from [-X, X].
      input_gate_bias: initial biases, one for all blocks (-3) or one a block (-3,-6).
      output_gate_bias: the same for output gates.
      trials: how many for every combination.
      reading: name of a reading.
      seed: of all randomness.
      lanes: trials side by side on a device.
      devices: split the CPU into so many devices, or use so many accelerators.
      budget: seconds after which it is put down to be taken up again.
      folder: where runs/ is kept, by default experiments/.
      json: as JSON.
    """
    jobs.check_numbers(trials=trials, lanes=lanes, devices=devices, budget=budget)
    found = jobs.find_row(row)
    job = jobs.Job(found, jobs.find_reading(found, reading), trials, seed, lanes, devices)
    from experiments import sweep as sweeps

    grid = sweeps.Grid(
        rate,
        weights,
        sweeps.biases(input_gate_bias, "--input-gate-bias"),
        sweeps.biases(output_gate_bias, "--output-gate-bias"),
    )
    swept = sweeps.run_shown(job, grid, _folder(folder), budget)
    return _tell(json, lambda: swept, lambda: [sweeps.table(swept)])


def check(files: Files, /, json: bool = False) -> int:
    """Compare every form of the gradient, in double precision, with gradients in files.

    Args:
      files: JSON with the keys nin, blocks, block_size, nout, cell_bias, gate_bias,
        out_bias, forget, gradient (truncated or full), L, weights, inputs, targets,
        error_mask, gradient_dE_dw.
      json: as JSON.
    """
    from experiments import check as checks

    if not files:
        raise UserError("name a file with a gradient to check")
    found = {shown(path): checks.deviations(path) for path in files}
    _tell(json, lambda: {"limit": checks.LIMIT, "files": found}, lambda: checks.words(found))
    return 0 if checks.agree(found) else 1


def study(
    rows: Rows = (),
    /,
    trials: int = 32,
    confirm: int = 200,
    like: Name = None,
    largest: int = 3,
    seed: int = 0,
    lanes: Count = None,
    budget: Seconds = None,
    folder: Folder = None,
    only_report: bool = False,
    format: Literal["terminal", "markdown"] = "terminal",
    json: bool = False,
) -> int:
    """Search for the readings that reproduce rows; started again it goes on.

    Args:
      rows: LSTM rows as `run` takes them.
      trials: of every reading that is tried.
      confirm: trials on fresh seeds for those that fitted best.
      like: try what the study of this row chose, instead of a search; for long rows.
      largest: changes in the largest sets that the search builds.
      seed: of all randomness.
      lanes: trials side by side; by default 16, or 32 for more than 16 trials.
      budget: seconds for each row.
      folder: where results/ is kept, by default experiments/.
      only_report: train nothing.
      format: how to print what was found.
      json: as JSON.
    """
    jobs.check_numbers(trials=trials, confirm=confirm, largest=largest, lanes=lanes, budget=budget)
    if like is not None:
        jobs.find_row(like)
    from experiments import findings
    from experiments import study as studies

    here = _folder(folder)
    for row in [] if only_report else jobs.find_rows(rows):
        if row.rival:
            continue  # there is one way only to read them
        deadline = time.monotonic() + budget if budget else float("inf")
        one = studies.Study(row, here, seed, trials, confirm, deadline, like, largest, lanes or 0)
        for entry in one.run():
            print(studies.says(row, entry), file=sys.stderr, flush=True)
    found = findings.studies(here / "results")
    listed, sets = findings.lines(found), findings.overall(found)
    print(shown(findings.write_page(here / "results")), file=sys.stderr)
    if format == "markdown" and not json:
        print(findings.as_markdown(listed, sets))
        return 0
    return _tell(
        json,
        lambda: {"rows": listed, "sets": sets},
        lambda: [findings.table(listed)],
    )


def claims(
    names: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="CLAIM")]] = (),
    /,
    budget: Seconds = None,
    folder: Folder = None,
    only_report: bool = False,
    json: bool = False,
) -> int:
    """Put what the paper claims beside its tables to the test; trains what has no result yet.

    Args:
      names: names of claims; by default all.
      budget: seconds for each job, after which it is put down to be taken up again.
      folder: where results/ and runs/ are kept, by default experiments/.
      only_report: train nothing.
      json: as JSON.
    """
    jobs.check_numbers(budget=budget)
    from experiments import claim_pages
    from experiments.claims import CLAIMS
    from experiments.lab import Lab

    here = _folder(folder)
    for name in names:
        if name not in CLAIMS:
            raise unknown("claim", name, CLAIMS)
    for name in [] if only_report else names or CLAIMS:
        claim_pages.keep(name, CLAIMS[name](Lab(here, budget)), here)
    print(shown(claim_pages.write_page(here)), file=sys.stderr)
    kept = claim_pages.read(here)
    return _tell(json, lambda: kept, lambda: [claim_pages.as_text(kept)])


def bench(
    lanes: tuple[int, ...] = (1, 10, 32),
    seconds: float = 2.0,
    peers: bool = False,
    rivals: bool = False,
    json: bool = False,
) -> int:
    """Time the trials of row 4-100, or the methods that it is compared with.

    Args:
      lanes: numbers of trials side by side.
      seconds: how long each is timed.
      peers: time the nets of other libraries too, where they are installed.
      rivals: time the rivals of Tables 1 and 2 instead, in 16 lanes, beside plain loops; and
        what RTRL costs by units and by weights, what memory gradients take by steps.
      json: as JSON.
    """
    jobs.check_numbers(seconds=seconds, **{f"lanes {n}": n for n in lanes})
    if rivals and peers:
        raise UserError("--rivals has plain loops for peers; give one of --rivals and --peers")
    from experiments import timing, timing_rivals, timing_tables

    if rivals:
        compared = timing_rivals.bench(seconds)
        return _tell(json, lambda: compared, lambda: [timing_tables.rivals_table(compared)])
    found = timing.bench(tuple(lanes), seconds, peers)
    return _tell(json, lambda: found, lambda: [timing_tables.table(found)])


def demo() -> int:
    """Train row 6a of Table 9 at the paper's 20 trials and print it beside the paper's row."""
    from experiments import figures, results
    from experiments import report as reports
    from experiments.workers import run_here

    folder = HERE / "runs" / "demo"
    row = jobs.find_row("6a")
    job = jobs.Job(row, jobs.find_reading(row, "literal"), row.trials)
    source = folder / "results" / f"{job.name}.json"
    if source.exists():  # complete: train it anew
        shutil.rmtree(folder)
    print(f"training {row.trials} nets on row {row.name}, {row.title}: about a minute", flush=True)
    run_here([job], folder, None)
    _print_report([reports.line(row, job.reading, results.read(source))])
    print("figures:", *map(shown, figures.draw(row, job.reading, source, folder)))
    return 0


COMMANDS = {
    "list": list_rows,
    "run": run,
    "report": report,
    "figure": figure,
    "sweep": sweep,
    "study": study,
    "claims": claims,
    "check": check,
    "bench": bench,
    "demo": demo,
}


def _folder(folder: Path | None) -> Path:
    return (folder or HERE).absolute()


def _console() -> Console:
    """Standard output; wide enough for any table when nobody sits there."""
    console = Console()
    return console if console.is_terminal else Console(width=250)


def _print(console: Console, shown_things: list[Any]) -> None:
    for what in shown_things:
        console.print(what, soft_wrap=isinstance(what, str), highlight=False, markup=False)


def _print_report(listed: list[dict]) -> None:
    from experiments import report as reports

    console, tables = _console(), reports.as_terminal(listed)
    unbounded = Console(width=1000)
    narrow = any(unbounded.measure(table).maximum > console.width for table in tables)
    _print(console, reports.as_lines(listed) if narrow else tables)


def _tell(json: bool, as_json: Any, as_terminal: Any = None) -> int:
    """Print as JSON, or for a person."""
    if json:
        print(json_module.dumps(as_json(), indent=1))
    else:
        _print(_console(), as_terminal())
    return 0
