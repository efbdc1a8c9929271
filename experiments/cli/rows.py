"""Commands about rows of the tables: what there is, training, report, figures."""

import os
import shutil
import sys
from pathlib import Path
from typing import Literal

from experiments.cli.common import (
    Assignments,
    Count,
    Folder,
    Name,
    Row,
    Rows,
    Seconds,
    home,
    one_form,
    print_report,
    tell,
)
from experiments.common.errors import UserError
from experiments.common.files import HERE, read_text, shown, write_text
from experiments.common.numbers import check_numbers
from experiments.paper import select
from experiments.running.jobs import Job


def list_rows(json: bool = False) -> int:
    """Show the rows of the paper's tables and the readings that each is offered.

    Args:
      json: as JSON, with all settings.
    """
    from experiments.reporting import listing

    return tell(json, listing.as_json, listing.as_terminal)


def run(
    rows: Rows,
    /,
    trials: Count = None,
    seed: int = 0,
    reading: Name = None,
    settings: Assignments = (),
    lanes: int | None = None,
    devices: int = 1,
    budget: Seconds = None,
    folder: Folder = None,
    workers: Count = None,
    distributed: bool = False,
    coordinator: Name = None,
    processes: Count = None,
    process: Count = None,
) -> int:
    """Train rows of the paper's tables. A run started again goes on where it was.

    Args:
      rows: names of rows; or, under the readings that solve each, numbers of tables,
        experiments such as 2c, all LSTM rows (all), all others (rivals).
      trials: how many trials; by default as many as the paper.
      seed: of all randomness.
      reading: literal (the default for rows named), another one, changes joined by + such as
        direct+no-slope, or all that are offered by a name of their own.
      settings: fields of the row that take other values beside what the reading changes, such as
        rate=0.1 blocks=3,3 "optimizer=adam(b1=0.8)" gradient=full cell=gru, and the parameters of
        its task, such as T=50 of row 4-100; a field or value that there is not is answered by
        those that there are.
      lanes: trials side by side on a device; by default 16, or 32 for more than 16 trials.
      devices: split the CPU into so many devices, or use so many accelerators.
      budget: seconds for each row, after which it is put down to be taken up again.
      folder: where results/ and runs/ are kept, by default experiments/.
      workers: rows at the same time; by default as many as there are processors.
      distributed: one of several processes that divide the trials, as a cluster has started them
        (SLURM, MPI, Kubernetes).
      coordinator: the same without a cluster: HOST:PORT of the first process,
      processes: how many there are,
      process: and which of them this is, from 0.
    """
    check_numbers(
        trials=trials,
        seed=seed,
        lanes=lanes,
        devices=devices,
        budget=budget,
        workers=workers,
        processes=processes,
    )
    from experiments.running.together import join

    join(distributed, coordinator, processes, process)  # before anything computes
    todo = [
        Job(row, read, trials or row.trials, seed, lanes or 0, devices)
        for row, read in select.choose(rows, reading, settings)
    ]
    from experiments.running.workers import run_apart, run_here

    if distributed or coordinator is not None:
        return run_here(todo, home(folder), budget)  # row after row, each by all of them
    workers = min(workers or os.cpu_count() or 1, len(todo))
    if workers == 1:
        return run_here(todo, home(folder), budget)
    return run_apart(todo, workers, home(folder), budget)


def report(
    rows: Rows = (),
    /,
    table: Count = None,
    format: Literal["terminal", "markdown", "csv"] = "terminal",
    json: bool = False,
    ran: bool = False,
    folder: Folder = None,
    into: Folder = None,
    html: Folder = None,
    figure: Folder = None,
    records: Folder = None,
    curves: Folder = None,
) -> int:
    """Print what was measured beside what the paper says; reads result files only.

    Args:
      rows: rows, tables and groups as `run` takes them; by default all.
      table: a table of the paper, or one of ours, 0 and 10; by default all.
      format: how to print it.
      json: as JSON.
      ran: only what was run.
      folder: where results/ is kept, by default experiments/.
      into: a Markdown file whose report, between two comments, is to be brought up to date.
      html: write it as one page to look at, with all curves, readings tried, and nets at work.
      figure: draw our means as multiples of the paper's, as .png.
      records: write a line for every trial as .csv or .parquet.
      curves: the same for every point of every learning curve.
    """
    from experiments.reporting import report as reports
    from experiments.running import results

    files = {"html": html, "figure": figure, "records": records, "curves": curves}
    written = [name for name, path in files.items() if path is not None]
    one_form(
        json, format=format != "terminal", into=into is not None, **dict.fromkeys(written, True)
    )
    if written and (into is not None or format != "terminal"):
        other = "into" if into is not None else "format"
        raise UserError(f"--{written[0]} and --{other} exclude each other; give one of them")
    if into is not None and format != "terminal":
        raise UserError("--into writes Markdown; leave out --format")
    if table is not None and table not in reports.TITLES:
        raise UserError(f"there is no table {table}; give one of 0 to 10")
    chosen = select.find_rows(rows) if rows else None
    here = results.folder_of(home(folder))
    found = results.read_all(here)
    for stranger in reports.strangers(found):
        print(stranger, file=sys.stderr)
    listed = reports.lines(found, table, chosen, ran)
    wanted = ran or into is not None or written
    if wanted and not any(line["trials"] for line in listed):
        raise UserError(f"{shown(here)} has no result of these rows; `run` them, or give --folder")
    if written:
        _write_report(here, found, listed, **files)
        return 0
    if json:
        return tell(True, lambda: listed)
    if into is not None:
        write_text(into, reports.put_into(read_text(into), listed))
        return 0
    if format == "terminal":
        print_report(listed)
        print(reports.NOTE)
        return 0
    print({"markdown": reports.as_markdown, "csv": reports.as_csv}[format](listed))
    return 0


def _write_report(
    folder: Path,
    found: dict,
    listed: list[dict],
    html: Path | None,
    figure: Path | None,
    records: Path | None,
    curves: Path | None,
) -> None:
    """What was run, as files."""
    from experiments.html_report import page
    from experiments.reporting import columns, figures, overview

    ran = {(line["row"], line["reading"]) for line in listed if line["trials"]}
    kept = {name: result for name, result in found.items() if name in ran}
    if html is not None:
        write_text(html, page.assemble(folder, listed, kept))
    if figure is not None:
        figures.save(overview.overview(listed), figure)
    if records is not None:
        columns.write(records, columns.records(kept))
    if curves is not None:
        columns.write(curves, columns.curves(kept))
    print(*(shown(path) for path in (html, figure, records, curves) if path), sep="\n")


def figure(row: Row, /, reading: str = "literal", folder: Folder = None, out: Folder = None) -> int:
    """Draw the learning curves of a result, its sequences to success, a trained net at work.

    Args:
      row: name of a row.
      reading: name of a reading.
      folder: where results/ is kept, by default experiments/.
      out: where the figures go, by default runs/figures/ beside results/.
    """
    found = select.find_row(row)
    read = select.find_reading(found, reading)
    from experiments.reporting import figures

    source = figures.source_of(home(folder), found, read)
    for path in figures.draw(found, read, source, out or home(folder) / "runs" / "figures"):
        print(shown(path))
    return 0


def demo() -> int:
    """Train row 6a of Table 9 at the paper's 20 trials and print it beside the paper's row."""
    from experiments.reporting import figures
    from experiments.reporting import report as reports
    from experiments.running import results
    from experiments.running.workers import run_here

    folder = HERE / "runs" / "demo"
    row = select.find_row("6a")
    job = Job(row, select.find_reading(row, "literal"), row.trials)
    source = folder / "results" / f"{job.name}.json"
    if source.exists():  # complete: train it anew
        shutil.rmtree(folder)
    print(f"training {row.trials} nets on row {row.name}, {row.title}: about a minute", flush=True)
    run_here([job], folder, None)
    print_report([reports.line(row, job.reading, results.read(source))])
    print("figures:", *map(shown, figures.draw(row, job.reading, source, folder)))
    return 0
