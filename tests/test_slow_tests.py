"""The list of slow tests names tests that there are, and leaves every file some that are quick."""

import re
from pathlib import Path

from tests.support import slow

ROOT = Path(__file__).parents[1]


def strangers(names) -> list[str]:
    """Tests of a list that no file has; of a parametrised one its function is looked for."""

    def there(name: str) -> bool:
        file, _, test = name.partition("::")
        path, function = ROOT / file, re.split(r"[\[.:]", test)[0]
        if not path.exists():
            return False
        return file.startswith("lstm_jax") or f"def {function}(" in path.read_text("utf-8")

    return sorted(name for name in names if not there(name))


def test_the_list_names_what_there_is():
    assert strangers(slow.listed()) == []
    gone = ["tests/test_slow_tests.py::test_gone[1]", "tests/test_gone.py::test_x"]
    assert strangers(
        ["tests/test_slow_tests.py::test_a_report_of_durations_becomes_a_list", *gone]
    ) == sorted(gone)


def test_what_no_run_should_be_without_is_not_in_it():
    assert not [name for name in slow.listed() if name.startswith(slow.NEVER_SLOW)]


def test_a_report_of_durations_becomes_a_list():
    report = "2.50s call     tests/a.py::test_b[x y]\n0.10s call     tests/a.py::test_c\n"
    assert slow.long_ones(report + "9.00s setup    tests/a.py::test_d\n") == [
        "tests/a.py::test_b[x y]"
    ]
    assert slow.long_ones("9.00s call     tests/test_readme.py::test_the_readme_runs\n") == []
