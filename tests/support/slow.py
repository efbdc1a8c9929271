"""Which tests a quick run leaves out.

A test is slow because it says so where it stands, or because the clock says so:
`tests/slow_tests.txt` lists those that took two seconds and more on two cores with nothing
compiled beforehand, but for a few that no run should be without. To make it anew:

    make test slow ARGS="--durations=0 --durations-min=0.5" | tee durations.txt
    python tests/support/slow.py durations.txt
"""

import re
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

LIST = Path(__file__).parents[1] / "slow_tests.txt"
LONG_S = 2.0
TOOK = re.compile(r"^ *([\d.]+)s call +(\S.*)$", re.MULTILINE)
# whatever they take
NEVER_SLOW = (
    "lstm_jax/conformance/",
    "tests/experiments/cli/test_command_line.py::test_a_sum_of_changes_is_run_kept_and_reported",
    "tests/experiments/cli/test_processes.py::test_importing_everything_starts_no_backend",
    "tests/library/conformance/test_what_passes.py::test_rules[forward_traces]",
    "tests/library/contracts/test_batches.py::test_it_is_a_plain_loop_over_batches[12]",
    "tests/library/gradients/test_agreement.py::test_gradients_are_the_twins[float64-everything]",
    "tests/library/gradients/test_derivatives.py::test_the_loss_has_no_derivative[bptt]",
    "tests/library/networks/test_unroll_derivative.py::test_forwards_twice_and_both[LSTM]",
    "tests/library/training/test_optimizers.py::test_the_curve_of_a_clipped_trial",
    "tests/library/trials/test_killed.py::test_a_run_killed_again_and_again",
    "tests/test_docs.py",
    "tests/test_readme.py",
)


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


def listed() -> frozenset[str]:
    """The tests that the clock found slow, as pytest names them."""
    return frozenset(LIST.read_text(encoding="utf-8").splitlines())


def long_ones(durations: str) -> list[str]:
    """Of a report of durations, the tests that belong into the list."""
    long = {name for took, name in TOOK.findall(durations) if float(took) >= LONG_S}
    return sorted(name for name in long if not name.startswith(NEVER_SLOW))


if __name__ == "__main__":
    texts = [Path(path).read_text(encoding="utf-8") for path in sys.argv[1:]]
    LIST.write_text("".join(f"{name}\n" for name in long_ones("\n".join(texts))), encoding="utf-8")
