"""Commands that ask further than the tables: grids, readings, claims."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.cli.common import (
    Biases,
    Claims,
    Count,
    Folder,
    Name,
    Numbers,
    Ranges,
    Row,
    Rows,
    Seconds,
    home,
    one_form,
    print_report,
    tell,
)
from experiments.common.errors import UserError, unknown
from experiments.common.files import shown
from experiments.common.numbers import check_numbers
from experiments.paper import select
from experiments.paper.tables import ROWS
from experiments.running.jobs import Job

if TYPE_CHECKING:
    from experiments.studies.findings import Collection


def sweep(
    row: Row,
    /,
    rate: Numbers = (),
    weights: Numbers = (),
    input_gate_bias: Biases = (),
    output_gate_bias: Biases = (),
    over: Ranges = (),
    trials: int = 10,
    reading: str = "literal",
    seed: int = 0,
    lanes: int = 32,
    devices: int = 1,
    budget: Seconds = None,
    folder: Folder = None,
    json: bool = False,
) -> int:
    """Train a row under every combination of the values given.

    Rates, weights and biases by options of their own are numbers of trials that run side by side
    in one call. What is given by --over may be anything; each combination is then a run of its
    own, kept and reported like those of `run`.

    Args:
      row: name of a row.
      rate: learning rates.
      weights: initial weights are drawn from [-X, X].
      input_gate_bias: initial biases, one for all blocks (-3) or one a block (-3,-6).
      output_gate_bias: the same for output gates.
      over: fields of the row with their values, such as rate=0.1,0.5 blocks=(2,2),(3,3)
        cell=none,lstm,gru; `run --set` says what there is.
      trials: how many for every combination.
      reading: name of a reading.
      seed: of all randomness.
      lanes: trials side by side on a device.
      devices: split the CPU into so many devices, or use so many accelerators.
      budget: seconds after which it is put down to be taken up again.
      folder: where runs/ is kept, by default experiments/.
      json: as JSON.
    """
    check_numbers(trials=trials, seed=seed, lanes=lanes, devices=devices, budget=budget)
    found = select.find_row(row)
    job = Job(found, select.find_reading(found, reading), trials, seed, lanes, devices)
    if over:
        if rate or weights or input_gate_bias or output_gate_bias:
            raise UserError("--over takes all fields, rate=0.1,0.5 say; leave out the other grids")
        return _sweep_over(job, over, home(folder), budget, json)
    from experiments.studies import sweep as sweeps

    grid = sweeps.Grid(
        rate,
        weights,
        sweeps.biases(input_gate_bias, "--input-gate-bias"),
        sweeps.biases(output_gate_bias, "--output-gate-bias"),
    )
    swept = sweeps.run_shown(job, grid, home(folder), budget)
    return tell(json, lambda: swept, lambda: [sweeps.table(swept)])


def _sweep_over(
    job: Job, over: tuple[str, ...], folder: Path, budget: float | None, json: bool
) -> int:
    """A run for every combination, and what was found as lines of the report."""
    from experiments.reporting import report as reports
    from experiments.running import results
    from experiments.running.workers import run_here

    readings = select.every_reading(job.row, job.reading, over)
    jobs = [replace(job, reading=reading) for reading in readings]
    run_here(jobs, folder, budget)
    found = results.read_all(folder / "results")
    listed = [reports.line(j.row, j.reading, found.get((j.row.name, j.reading.name))) for j in jobs]
    if json:
        return tell(True, lambda: listed)
    print_report(listed)
    return 0


def study(
    rows: Rows = (),
    /,
    trials: int = 32,
    confirm: int = 200,
    like: Name = None,
    largest: int = 3,
    sets: tuple[str, ...] = (),
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
      largest: changes in the largest sets that the search builds; 0: try named readings only
        and confirm what was found before.
      sets: sets of changes to try first, such as no-recurrence+half-rate.
      seed: of all randomness.
      lanes: trials side by side; by default 16, or 32 for more than 16 trials.
      budget: seconds for each row.
      folder: where results/ is kept, by default experiments/.
      only_report: train nothing.
      format: how to print what was found.
      json: as JSON.
    """
    check_numbers(
        trials=trials, confirm=confirm, largest=largest, seed=seed, lanes=lanes, budget=budget
    )
    one_form(json, format=format != "terminal")
    if only_report and rows:
        raise UserError(
            f"--only-report trains nothing and reports all studies; leave out {' '.join(rows)}"
        )
    if like is not None:
        select.find_row(like)
    from experiments.running import results
    from experiments.studies import reading_pages, reading_report, reading_search

    here = home(folder)
    for row in [] if only_report else select.find_rows(rows):
        if row.rival:
            continue  # there is one way only to read them
        deadline = time.monotonic() + budget if budget else float("inf")
        one = reading_search.Study(
            row,
            here,
            seed,
            screened=trials,
            confirmed=confirm,
            deadline=deadline,
            like=like,
            largest=largest,
            lanes=lanes or 0,
            sets=[tuple(names.split("+")) for names in sets],
        )
        for entry in one.run():
            print(reading_search.says(row, entry), file=sys.stderr, flush=True)
    found = reading_report.studies(results.folder_of(here))
    if not found:
        raise UserError(f"{shown(here)} has no studies; give rows to study, or another --folder")
    for name in reading_report.strangers(here / "results"):
        print(f"left out the study {name}: {unknown('row', name, ROWS)}", file=sys.stderr)
    print(shown(reading_pages.write_page(here / "results")), file=sys.stderr)
    if format == "markdown":
        print(reading_pages.as_markdown(found))
        return 0
    return tell(
        json,
        lambda: reading_report.summary(found),
        lambda: [reading_report.table(reading_report.lines(found))],
    )


def claims(
    names: Claims = (),
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
    from experiments.studies.claims import CLAIMS

    return _run_collection(CLAIMS, names, budget, folder, only_report, json)


def family(
    names: Claims = (),
    /,
    budget: Seconds = None,
    folder: Folder = None,
    only_report: bool = False,
    json: bool = False,
) -> int:
    """Run the studies of the family: what each net learns that another does not.

    Args:
      names: names of studies; by default all.
      budget: seconds for each set of trials, after which it is put down to be taken up again.
      folder: where results/ and runs/ are kept, by default experiments/.
      only_report: train nothing.
      json: as JSON.
    """
    from experiments.family.collection import FAMILY

    return _run_collection(FAMILY, names, budget, folder, only_report, json)


def _run_collection(
    collection: "Collection",
    names: tuple[str, ...],
    budget: float | None,
    folder: Path | None,
    only_report: bool,
    json: bool,
) -> int:
    """Run studies, keep what they find, and show all that is kept."""
    check_numbers(budget=budget)
    from experiments.studies.trial_source import TrialSource

    here, noun, studies = home(folder), collection.noun, collection.studies
    for name in names:
        if name not in studies:
            raise unknown(noun, name, studies)
    for name in [] if only_report else names or studies:
        collection.keep(name, studies[name](TrialSource(here, budget)), here)
    kept = collection.read(here)
    if not kept:
        raise UserError(
            f"{shown(here)} has no {collection.name}; leave out --only-report, or give --folder"
        )
    for name in collection.strangers(here):
        print(f"left out the {noun} {name}: {unknown(noun, name, studies)}", file=sys.stderr)
    print(shown(collection.write_page(here)), file=sys.stderr)
    return tell(json, lambda: kept, lambda: [collection.as_text(kept)])
