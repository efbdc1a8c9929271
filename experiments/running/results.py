"""Result files: `results/<row>.<reading>.json`, what was measured and how."""

import datetime
import io
import json
import operator
import os
import platform
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.common.errors import UserError
from experiments.common.files import read_bytes, shown, write_text, write_whole
from experiments.common.provenance import commit, versions
from experiments.common.structure import read_json
from experiments.paper.describe import describe, describe_defaults
from experiments.running.forms import FORMAT, of_this_version, result_form, whole_run
from experiments.running.jobs import Job

MOST_WEIGHTS = 20_000  # larger nets are not kept
_LEFT = "remove it: everything but the net at work can be drawn without"
_RUN = ("row", "reading", "seed", "lanes", "settings")


def identity(job: Job) -> dict[str, Any]:
    """What decides every bit of a job's records."""
    return {
        "format": FORMAT,
        "row": job.row.name,
        "reading": job.reading.name,
        "seed": job.seed,
        "lanes": job.lanes,
        "settings": describe(job.read),
        "versions": versions(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "device": {"kind": jax.devices()[0].device_kind, "machine": platform.machine()},
    }


def result(job: Job, records: list[dict], seconds: float) -> dict[str, Any]:
    """All that is kept of a job that is complete."""
    found = identity(job)
    found["device"] |= {"count": job.devices, "cores": os.cpu_count()}
    return {
        **found,
        "trials": job.trials,
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "seconds": round(seconds, 1),
        "records": [_compact(record) for record in records],
    }


def solved_after(records: list[dict]) -> list[int]:
    """Training sequences to the last criterion, of the trials that were solved."""
    return [r["reached"][-1] for r in records if r["phase"] == "solved"]


def mean_curve(records: list[dict]) -> dict[str, list]:
    """Where the learning curve has its points, and the mean error of trials that saw as many."""
    curves = np.array([[e for e in record["curve"] if e is not None] for record in records])
    at = records[0]["curve_at"][: curves.shape[1]]
    return {"curve_at": at, "curve": curves.mean(axis=0).tolist()}


def same_run(one: dict, other: dict) -> bool:
    """Whether two results are of the same trials; versions, devices, dates may differ.

    A setting that a file does not name had its default: fields of `Row` are added as the
    project grows, with defaults that leave rows as they were.
    """
    defaults = describe_defaults()
    one, other = ({**r, "settings": {**defaults, **r["settings"]}} for r in (one, other))
    return all(one[k] == other[k] for k in (*_RUN, "trials"))


def write(path: Path, result: dict) -> None:
    """Write a result, one record a line."""
    head = [f" {json.dumps(k)}: {json.dumps(v)}" for k, v in result.items() if k != "records"]
    records = ",\n".join(f"  {json.dumps(record)}" for record in result["records"])
    lines = ",\n".join([*head, f' "records": [\n{records}\n ]'])
    write_text(path, f"{{\n{lines}\n}}\n")


def read(path: Path) -> dict:
    """Read a result file; every field that somebody reads later is checked here.

    Raises:
      UserError: it is no result file, or of another version; names file and field.
    """
    return read_json(path, "result file", of_this_version, result_form, whole_run)


def read_all(folder: Path) -> dict[tuple[str, str], dict]:
    """All results of a folder, by row and reading.

    Raises:
      UserError: one cannot be read, or two are of the same row and reading.
    """
    found, named = {}, {}
    for path in sorted(folder.glob("*.json")):
        result = read(path)
        which = result["row"], result["reading"]
        if which in named:
            raise UserError(
                f"{shown(named[which])} and {shown(path)} both hold row {' '.join(which)}; "
                "move one of them out of the folder"
            )
        found[which], named[which] = result, path
    return found


def folder_of(folder: Path) -> Path:
    """The results in a folder.

    Raises:
      UserError: there are none.
    """
    path = folder / "results"
    if not path.is_dir():
        raise UserError(
            f"there is no folder {shown(path)}; give --folder the folder that holds results/"
        )
    return path


def write_weights(path: Path, trial: int, params: Any) -> None:
    """Keep a trained net, unless it is large."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    if sum(leaf.size for _, leaf in leaves) > MOST_WEIGHTS:
        return
    arrays: dict[str, Any] = {_name(at): np.asarray(leaf) for at, leaf in leaves}
    file = io.BytesIO()
    np.savez(file, trial=np.array(trial), **arrays)
    write_whole(path, lambda out: out.write(file.getvalue()))


def read_weights(path: Path, like: Any) -> tuple[int, Any]:
    """A kept net, in the shape of `like`, and the number of its trial.

    Raises:
      UserError: the file cannot be read, is damaged, or holds another net.
    """
    content = read_bytes(path)
    leaves, tree = jax.tree_util.tree_flatten_with_path(like)
    try:
        with np.load(io.BytesIO(content)) as file:
            held = {name: file[name] for name in file.files}
        trial = operator.index(held.pop("trial").item())
    except Exception as error:  # a damaged archive raises many kinds
        raise UserError(
            f"{shown(path)} holds no weights ({type(error).__name__}); {_LEFT}"
        ) from error
    wanted = {_name(at): (leaf.shape, leaf.dtype) for at, leaf in leaves}
    # what a net has not was an empty array once, and is nothing today
    held = {name: array for name, array in held.items() if array.size or name in wanted}
    if {name: (array.shape, array.dtype) for name, array in held.items()} != wanted:
        raise UserError(f"{shown(path)} holds the weights of another net; {_LEFT}")
    return trial, jax.tree.unflatten(tree, [held[name] for name in wanted])


def _name(at: tuple) -> str:
    return jax.tree_util.keystr(at, simple=True, separator=".")


def _compact(record: dict) -> dict:
    def short(value: Any) -> Any:
        return float(f"{value:.4g}") if isinstance(value, float) else value

    test = record["test"]
    kept = {k: v for k, v in record.items() if k != "curve_at"}  # which the cap tells
    return {
        **kept,
        "test": test and {k: short(v) for k, v in test.items()},
        "curve": [short(v) for v in record["curve"]],
    }
