"""`check` on the fixtures of an independent implementation, on spoilt ones and on others."""

import json
from pathlib import Path

import pytest

from experiments.__main__ import main

DATA = Path(__file__).parents[1] / "reference" / "data"


def test_forms_agree_with_the_files(capsys):
    names = ["exp2c-truncated.json", "exp4-forget-full.json"]
    assert main(["check", *(str(DATA / name) for name in names), "--json"]) == 0
    cut, full = json.loads(capsys.readouterr().out)["files"].values()
    assert set(cut) == {"definition", "time_parallel", "online"} and set(full) == {"bptt"}
    assert max(*cut.values(), *full.values()) < 1e-10


def spoilt(tmp_path, **changes):
    data = json.loads((DATA / "exp4-full.json").read_text()) | changes
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(data))
    return str(path)


def test_a_deviation_above_the_limit_is_told(tmp_path, capsys):
    gradient = json.loads((DATA / "exp4-full.json").read_text())["gradient_dE_dw"]
    gradient[7] += 1e-7
    assert main(["check", spoilt(tmp_path, gradient_dE_dw=gradient)]) == 1
    assert "bptt" in capsys.readouterr().out
    assert main(["check", spoilt(tmp_path, gradient_dE_dw=[float("nan")] * len(gradient))]) == 1


@pytest.mark.parametrize(
    "changes", [{"weights": [0.0]}, {"L": 3}, {"gradient": "half"}, {"nin": "many"}, {"blocks": 0}]
)
def test_a_file_that_does_not_fit(tmp_path, capsys, changes):
    assert main(["check", spoilt(tmp_path, **changes)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "no gradient file" in lines[0]


def test_no_file(tmp_path, capsys):
    assert main(["check"]) == 2
    assert main(["check", str(tmp_path / "gone.json")]) == 2
    (tmp_path / "text.json").write_text("# a text")
    assert main(["check", str(tmp_path / "text.json")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
