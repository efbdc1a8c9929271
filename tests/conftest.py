"""What every test can count on: two CPU devices, float32 unless asked, no silent promotion."""

import gc
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "HYPOTHESIS_STORAGE_DIRECTORY", os.path.join(tempfile.gettempdir(), "hypothesis")
)

# most programs of the tests run once, on a net of a few units: compiling them is what costs,
# in one piece, for the workers leave no core to compile pieces on
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    # which later versions do not know, and XLA ends a process that gives it what it does not know
    + version("jaxlib").startswith("0.10.")
    * (
        " --xla_cpu_use_fusion_emitters=false --xla_backend_extra_options=-unroll-full-max-count=12"
        " --xla_cpu_parallel_codegen_split_count=1"
        " --xla_cpu_enable_concurrency_optimized_scheduler=false"
    ),
)

import hypothesis
import jax
import pytest

from tests.support.slow import listed

jax.config.update("jax_num_cpu_devices", 2)
# tracing makes millions of objects that live: looking through them again and again is slow
gc.set_threshold(200_000, 20, 100)
# the workers, and the next run, take what one of them has compiled
jax.config.update(
    "jax_compilation_cache_dir", os.path.join(tempfile.gettempdir(), "lstm_jax-test-programs")
)
# smaller ones are compiled sooner than they are found
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.03)
# what slips through promotion is a mistake that one sees too late; healthy code needs none
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

hypothesis.settings.register_profile(
    "lstm_jax", deadline=None, derandomize=True, max_examples=25, database=None
)
hypothesis.settings.load_profile("lstm_jax")


# a program takes three or four of the 65,530 pieces of memory that Linux lets a process map,
# and XLA dies where there are no more
MOST_MAPPED = 30_000
MAPS = Path("/proc/self/maps")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks the tests that the clock found slow."""
    those = listed()
    for item in items:
        if item.nodeid in those:
            item.add_marker("slow")


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Forgets compiled programs before there are too many for one process."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPPED:
        jax.clear_caches()


@pytest.fixture(autouse=True)
def flags_of_a_test_are_its_own(monkeypatch):
    """A command sets XLA's flags for its process, and they belong to the identity of a run."""
    monkeypatch.setenv("XLA_FLAGS", os.environ["XLA_FLAGS"])


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
