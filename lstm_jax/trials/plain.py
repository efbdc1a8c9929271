"""Values as JSON has them: what records and identities are made of."""

from typing import Any

import jax
import numpy as np


def plain(value: Any, name: str) -> Any:
    """A value as JSON has it.

    Tuples and arrays become lists, numbers of NumPy and JAX become Python's. JSON has no
    NaN and no infinity: they become the strings "NaN", "Infinity" and "-Infinity", which
    `float` reads.

    Args:
      value: None, numbers, strings, arrays, and dicts, lists and tuples of them.
      name: how to call it when it is refused.

    Raises:
      ValueError: something else.

    Example:
      >>> plain({"rate": np.float32(0.5), "ends": (np.inf, np.arange(2))}, "identity")
      {'rate': 0.5, 'ends': ['Infinity', [0, 1]]}
    """
    if value is None or isinstance(value, bool | str | int):
        return value if value is None or isinstance(value, bool) else _exact(value)
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else _ODD[repr(float(value))]
    if isinstance(value, dict):
        return {_key(k, name): plain(v, f"{name}.{k}") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v, f"{name}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return _from_array(value, name)
    raise _refusal(value, name)


_ODD = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _exact(value: Any) -> Any:
    """Without what a subclass adds, enumerations say."""
    return str.__str__(value) if isinstance(value, str) else int(value)


def _from_array(value: Any, name: str) -> Any:
    try:
        array = np.asarray(value)
    except TypeError as error:  # random keys, and what is traced
        raise _refusal(value, name) from error
    if array.dtype.isbuiltin == 2:  # bfloat16 and its kin
        array = array.astype(np.float64)
    if array.dtype.kind not in "biufU":
        raise _refusal(value, name)
    return plain(array.tolist(), name)


def _key(key: Any, name: str) -> str:
    if not isinstance(key, str):
        raise ValueError(f"expected names of {name} to be strings, got {key!r:.60}; write str(...)")
    return _exact(key)


def _refusal(value: Any, name: str) -> ValueError:
    return ValueError(
        f"expected numbers, strings, arrays, lists and dicts, got {name} of type "
        f"{type(value).__name__}; write it as one of these"
    )
