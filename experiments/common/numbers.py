"""What numbers a command takes."""

import numpy as np

from experiments.common.errors import UserError

RANGES: dict[str, tuple[float, float]] = {
    "trials": (1, 1_000_000),
    "confirm": (1, 1_000_000),
    "lanes": (1, 65_536),
    "devices": (1, 256),
    "workers": (1, 1024),
    "processes": (1, 100_000),
    "seed": (0, 2**32 - 1),  # larger ones, and negative ones, would be these over again
    "largest": (0, 16),
    "budget": (1e-6, 10**9),
    "seconds": (1e-6, 86_400),
}


def check_numbers(**numbers: float | tuple[float, ...] | None) -> None:
    """Refuse numbers out of `RANGES`; None stands for a default."""
    for name, given in numbers.items():
        low, high = RANGES[name]
        for value in given if isinstance(given, tuple) else (given,):
            if value is not None and not low <= value <= high:
                raise UserError(f"--{name} must be from {low:,} to {high:,}, got {value}")


def survives(value: float, option: str) -> None:
    """Refuse a number that single precision makes infinite, or 0, or that is none."""
    single = np.finfo(np.float32)
    if value and not float(single.tiny) <= abs(value) <= float(single.max):
        raise UserError(
            f"{option} must be 0 or of a size from {single.tiny:.3g} to {single.max:.3g}, which "
            f"single precision holds; got {value}"
        )
