"""What every test can count on: two CPU devices, float32 unless asked, no silent promotion."""

import os
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "HYPOTHESIS_STORAGE_DIRECTORY", os.path.join(tempfile.gettempdir(), "hypothesis")
)

import hypothesis
import jax
import pytest

from lstm_jax.ops.xla import tune_cpu_loops

tune_cpu_loops()
jax.config.update("jax_num_cpu_devices", 2)
# what slips through promotion is a mistake that one sees too late; healthy code needs none
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

hypothesis.settings.register_profile(
    "lstm_jax", deadline=None, derandomize=True, max_examples=25, database=None
)
hypothesis.settings.load_profile("lstm_jax")


@pytest.fixture
def x64():
    """Double precision for one test; tests without it run in single precision."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=[64, 32], ids=["float64", "float32"])
def tolerance(request):
    """Runs a test in double and in single precision; what may differ, relative to the largest."""
    with jax.enable_x64(request.param == 64):
        yield {64: 1e-10, 32: 1e-4}[request.param]
