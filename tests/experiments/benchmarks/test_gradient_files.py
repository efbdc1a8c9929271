"""`check` on the fixtures of an independent implementation, on spoilt ones and on others."""

import json
from pathlib import Path

import pytest

from experiments.__main__ import main

DATA = Path(__file__).parents[2] / "reference" / "data"


def test_forms_agree_with_the_files(capsys):
    names = ["exp2c-truncated.json", "exp4-forget-full.json"]
    assert main(["check", *(str(DATA / name) for name in names), "--json"]) == 0
    cut, full = json.loads(capsys.readouterr().out)["files"].values()
    assert set(cut) == {"by_definition", "parallel_scan", "forward_traces"} and set(full) == {
        "bptt",
        "rtrl",
    }
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


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"weights": [0.0]}, "weights should be 93 numbers, for the net, not 1"),
        ({"L": 3}, "error_mask should be 3 numbers, one a step, not 21"),
        ({"L": 0}, "L should be a whole number from 1"),
        ({"L": -1}, "L should be a whole number from 1"),
        ({"L": True}, "L should be a whole number from 1"),
        ({"L": 21.0}, "L should be a whole number from 1"),
        ({"nin": 10**12}, "nin should be a whole number from 1 to"),
        ({"blocks": 10**9, "block_size": 10**9}, "weights should be 1,"),
        ({"nout": 10**9}, "weights should be"),
        ({"nin": "many"}, "nin should be a whole number"),
        ({"blocks": 0}, "blocks should be a whole number"),
        ({"gradient": "half"}, "gradient should be one of truncated, full, not 'half'"),
        ({"forget": 2}, "forget should be one of 0, 1"),
        ({"weights": [True] * 93}, "weights[0] should be a number"),
        ({"weights": [10**400] * 93}, "weights[0] should be a number from -1.79769e+308"),
        ({"gradient_dE_dw": [float("nan")] * 93}, "it holds NaN"),
        ({"inputs": [[0.0, 1.0]] * 20}, "inputs should be 21 times 2 numbers, flat or in rows"),
        ({"inputs": [[0.0, 1.0]] * 20 + [[0.0]]}, "inputs should be 21 times 2 numbers"),
        ({"inputs": [[0.0, [1.0]]] * 21}, "inputs[0][1] should be a number"),
        ({"error_mask": [2] * 21}, "error_mask[0] should be one of 0, 1"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path, capsys, changes, says):
    assert main(["check", spoilt(tmp_path, **changes)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no gradient file" in line and says in line


def test_inputs_in_rows(tmp_path, capsys):
    flat = json.loads((DATA / "exp4-full.json").read_text())["inputs"]
    rows = [flat[i : i + 2] for i in range(0, len(flat), 2)]
    assert main(["check", spoilt(tmp_path, inputs=rows)]) == 0


def test_a_gradient_of_zeros_is_compared_absolutely(tmp_path, capsys):
    silent = {"error_mask": [0] * 21, "gradient_dE_dw": [0] * 93}
    assert main(["check", spoilt(tmp_path, **silent)]) == 0
    assert "0.0e+00 (absolute: " in capsys.readouterr().out
    assert main(["check", spoilt(tmp_path, **silent), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["absolute"] == list(found["files"])
    assert main(["check", spoilt(tmp_path, gradient_dE_dw=[0] * 93)]) == 1
    assert "absolute" in capsys.readouterr().out


def test_no_file(tmp_path, capsys):
    assert main(["check"]) == 2
    assert main(["check", str(tmp_path / "gone.json")]) == 2
    (tmp_path / "text.json").write_text("# a text")
    assert main(["check", str(tmp_path / "text.json")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
