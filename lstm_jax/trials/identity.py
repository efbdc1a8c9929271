"""What a run is: what decides the bits of its records, and how two runs differ.

The programs of a trial are told apart by a hash of their StableHLO text, lowered for the
lanes of one device, so that it is the same in every process and on any number of devices. It
sees every operation, shape, dtype and constant, whatever the names in the source. It does
not see what is no part of the programs: what `Trial.summary` says, the code of host callbacks
(and addresses of theirs may differ from process to process), XLA's flags and the machine
beyond the kind of its devices. Who depends on these says so in `identity`.
"""

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lstm_jax.parameters import describe, read_arrays, write_arrays, write_whole
from lstm_jax.trials.errors import RunError, clear_errors
from lstm_jax.trials.lanes import Program, Source
from lstm_jax.version import __version__

_FILE, _SETTINGS = "identity.json", "settings.npz"
_MOST_NAMED = 3  # differences that a refusal names


def identity_of(program: Program, source: Source, lanes: int, said: Any) -> dict[str, Any]:
    """What a run is, as JSON has it; the settings themselves are beside it.

    Args:
      program: the compiled parts.
      source: the key and the settings of the trials.
      lanes: on each device.
      said: what the caller says of the run.
    """
    return {
        "identity": said,
        "key": source.key.tolist(),
        "lanes": lanes,
        "settings": _described(source.settings, without=0),
        "versions": {
            "lstm_jax": __version__,
            "jax": version("jax"),
            "jaxlib": version("jaxlib"),
        },
        "device": jax.local_devices()[0].device_kind,
        "state": _described(program.one),
        "program": {name: _hash(text) for name, text in program.texts().items()},
    }


def claim(folder: Path, identity: dict[str, Any], settings: dict[str, np.ndarray]) -> None:
    """Write what the run is into a new folder, or compare it with what is there.

    A run can be prolonged: it may have more settings or fewer than are there, as long as
    trials that both have got the same ones.

    Args:
      folder: nobody else may be writing there.
      identity: from `identity_of`.
      settings: arrays with trials in front, by name.

    Raises:
      RunError: the folder holds another run, or cannot be used.
    """
    path = folder / _FILE
    new = not path.exists()
    if new and (kept := [*folder.glob("records.*.jsonl"), *folder.glob("checkpoint.*")]):
        raise RunError(
            f"{folder} holds {kept[0].name} but no {_FILE}, so nobody knows of which run; give "
            "another folder"
        )
    if not new and (changed := _differences(_read(path), identity)):
        more = f", and {len(changed) - _MOST_NAMED} more" * (len(changed) > _MOST_NAMED)
        raise _another(folder, ", ".join(changed[:_MOST_NAMED]) + more)
    if settings:
        _claim_settings(folder, settings, new)
    if new:
        text = json.dumps(identity, indent=1, allow_nan=False)
        with clear_errors(folder):
            write_whole(path, lambda file: file.write(text.encode()))


def _read(path: Path) -> dict:
    try:
        with clear_errors(path.parent):
            found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError(f"a {type(found).__name__} and no object")
    except RunError:
        raise
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is not JSON ({error}); give another folder") from error
    return found


def _claim_settings(folder: Path, settings: dict[str, np.ndarray], new: bool) -> None:
    path, there = folder / _SETTINGS, {}
    if not new:
        try:
            with clear_errors(folder):
                there = read_arrays(path)
        except RunError:
            raise
        except ValueError as error:
            raise RunError(f"{error}, or give another folder") from error
        for name, values in settings.items():
            if fault := _first_difference(there.get(name), values):
                raise _another(folder, f"settings{name} {fault}")
    if any(len(values) > len(there.get(name, ())) for name, values in settings.items()):
        with clear_errors(folder):
            write_arrays(path, settings)


def _first_difference(there: np.ndarray | None, here: np.ndarray) -> str | None:
    """How the settings of the trials that both have differ, in any bit; None if they do not."""
    if there is None or (there.dtype, there.shape[1:]) != (here.dtype, here.shape[1:]):
        return "have another shape or dtype"
    for i, (one, other) in enumerate(zip(there, here, strict=False)):
        if one.tobytes() != other.tobytes():
            return f"of trial {i}: {_short(one.tolist())} there, {_short(other.tolist())} now"
    return None


def _differences(there: dict, here: dict) -> list[str]:
    """Where two identities differ, name by name; programs only where nothing else does."""
    one, other = dict(_flat(there)), dict(_flat(here))
    names = [name for name in {**other, **one} if one.get(name) != other.get(name)]
    ahead = [name for name in names if not name.startswith("program.")]
    if names and not ahead:
        programs = " and ".join(name.removeprefix("program.") for name in names)
        return [
            f"the compiled {programs} of its trial: its net, task, learner, judge or stop, or a "
            "number in one of them, is another now"
        ]
    return [
        f"{name}: {_short(one.get(name))} there, {_short(other.get(name))} now" for name in ahead
    ]


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        yield name, value
        return
    for key, inner in value.items():
        yield from _flat(inner, f"{name}.{key}" if name else key)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _another(folder: Path, what: str) -> RunError:
    return RunError(f"{folder} holds another run ({what}); give another folder or remove it")


def _described(tree: Any, without: int | None = None) -> dict[str, str]:
    """Dtype and shape of every leaf by its path, without one axis if it is said which."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    shown = [(at, leaf if without is None else leaf[0]) for at, leaf in leaves]
    return {jax.tree_util.keystr(at): describe(leaf) for at, leaf in shown}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
