"""Result files: `results/<row>.<reading>.json`, what was measured and how."""

import contextlib
import datetime
import io
import json
import os
import platform
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.errors import UserError
from experiments.files import HERE, read_bytes, shown, write_text, write_whole
from experiments.jobs import Job, describe, describe_defaults

FORMAT = 1
PACKAGES = ("jax", "jaxlib", "optax", "numpy")
MOST_WEIGHTS = 20_000  # larger nets are not kept
_CODE = ("lstm_jax", "experiments/*.py", "pyproject.toml")
_RUN = ("row", "reading", "seed", "lanes", "settings")


def identity(job: Job) -> dict[str, Any]:
    """What decides every bit of a job's records."""
    return {
        "format": FORMAT,
        "row": job.row.name,
        "reading": job.reading.name,
        "seed": job.seed,
        "lanes": job.lanes,
        "settings": describe(job.reading.read(job.row)),
        "versions": versions(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "device": {"kind": jax.devices()[0].device_kind, "machine": platform.machine()},
    }


def versions() -> dict[str, str]:
    """Ours, which is the checkout's, and those of the packages that compute."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    return {"lstm_jax": project["version"], **{name: version(name) for name in PACKAGES}}


def commit() -> str | None:
    """The commit of this checkout, with a + if its code was changed since; None without git."""

    def git(*words: str) -> subprocess.CompletedProcess:
        command = ["git", "-C", str(HERE.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with contextlib.suppress(OSError):
        head = git("rev-parse", "--short=12", "HEAD")
        if head.returncode == 0:
            changed = git("diff", "--quiet", "HEAD", "--", *_CODE).returncode
            return head.stdout.strip() + "+" * bool(changed)
    return None


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
    """Read a result file."""
    try:
        found = json.loads(read_bytes(path))
        written_by, _ = found["format"], found["records"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{shown(path)} is no result file; move it out of the folder") from error
    if written_by != FORMAT:
        raise UserError(
            f"{shown(path)} was written by another version (format {written_by}, here {FORMAT}); "
            "use that version, or move the file away and run the row again"
        )
    return found


def read_all(folder: Path) -> dict[tuple[str, str], dict]:
    """All results of a folder, by row and reading."""
    found = [read(path) for path in sorted(folder.glob("*.json"))]
    return {(r["row"], r["reading"]): r for r in found}


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
    """A kept net, in the shape of `like`, and the number of its trial."""
    content = read_bytes(path)
    leaves, tree = jax.tree_util.tree_flatten_with_path(like)
    try:
        with np.load(io.BytesIO(content)) as file:
            trial, arrays = int(file["trial"]), [file[_name(at)] for at, _ in leaves]
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise UserError(f"{shown(path)} holds no weights of this net; run the row again") from error
    if any(a.shape != leaf.shape for a, (_, leaf) in zip(arrays, leaves, strict=True)):
        raise UserError(f"{shown(path)} holds the weights of another net; run the row again")
    return trial, jax.tree.unflatten(tree, arrays)


def _name(at: tuple) -> str:
    return jax.tree_util.keystr(at, simple=True, separator=".")


def _compact(record: dict) -> dict:
    def short(value: Any) -> Any:
        return float(f"{value:.4g}") if isinstance(value, float) else value

    test = record["test"]
    return {
        **record,
        "test": test and {k: short(v) for k, v in test.items()},
        "curve": [short(v) for v in record["curve"]],
    }
