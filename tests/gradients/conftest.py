"""Both precisions, with the tolerance that each must keep."""

import jax
import pytest


@pytest.fixture(params=[64, 32], ids=["float64", "float32"])
def tolerance(request):
    """Runs a test in double and in single precision; what may differ, relative to the largest."""
    with jax.enable_x64(request.param == 64):
        yield {64: 1e-10, 32: 1e-4}[request.param]
