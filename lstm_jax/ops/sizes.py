"""Sizes that are whole numbers, or are refused."""

import operator
from typing import Any


def expect_whole(**sizes: Any) -> None:
    """ValueError in one line for a size that is no whole number.

    Example:
      >>> expect_whole(inputs=3, hidden=2.5)
      Traceback (most recent call last):
        ...
      ValueError: hidden: expected a whole number, got 2.5
    """
    for name, size in sizes.items():
        try:
            operator.index(size)
        except TypeError:
            raise ValueError(f"{name}: expected a whole number, got {size!r}") from None
