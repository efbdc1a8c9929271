"""Which of many alike a quick run takes."""

from collections.abc import Collection, Iterable

import pytest


def slow(names: Iterable, those: Collection) -> list:
    """All names, or tuples of values, as parameters of a test, `those` as slow ones."""
    return [_slow(n) if n in those else n for n in names]


def quick(names: Iterable, those: Collection) -> list:
    """All names as parameters of a test; those that are not among `those` are slow."""
    names = list(names)
    return slow(names, [n for n in names if n not in those])


def _slow(name):
    values = name if type(name) is tuple else (name,)  # a rule is a tuple, too, but one value
    return pytest.param(*values, marks=pytest.mark.slow)
