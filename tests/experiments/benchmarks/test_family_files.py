"""`check` reads files of the family: what another program found, to rounding; refuses others."""

import json
from pathlib import Path

import pytest

from experiments.__main__ import main
from experiments.benchmarks.family_files import KINDS, LIMIT
from experiments.benchmarks.gradient_files import deviations
from experiments.common.errors import UserError

FILES = sorted((Path(__file__).parents[2] / "data" / "family").glob("*.json"))
READ = [path for path in FILES if json.loads(path.read_text())["kind"] in KINDS]


def changed(tmp_path, change, name="lstm_1.json") -> Path:
    """A copy of a file with something else in it."""
    data = json.loads(next(path for path in FILES if path.name == name).read_text())
    change(data)
    path = tmp_path / name
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("path", READ, ids=lambda path: path.stem)
def test_outputs_loss_and_every_gradient_agree(path):
    found = deviations(path)
    data = json.loads(path.read_text())
    gradients = sum(len(data[name]) for name in data if name.startswith("gradients"))
    assert len(found.forms) == len(data["outputs"]) + 1 + gradients
    assert max(found.forms.values()) < LIMIT


def test_every_kind_has_a_file():
    assert {json.loads(path.read_text())["kind"] for path in READ} == set(KINDS)


def test_control_another_weight_is_noticed(tmp_path, capsys):
    def other(data):
        data["params"]["weight_hh_l0"][0][0] += 1e-6

    path = changed(tmp_path, other)
    assert min(deviations(path).forms[name] for name in ("outputs.output", "loss")) > LIMIT
    assert main(["check", str(path)]) == 1
    assert "gradients.weight_ih_l0" in capsys.readouterr().out


def test_control_another_length_is_noticed(tmp_path):
    path = changed(tmp_path, lambda data: data.update(lengths=[5, 4]))
    assert deviations(path).forms["outputs.output"] > 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(kind="lsmt"), "kind should be one of .*, lstm, "),
        (lambda data: data["params"].pop("weight_ih_l0"), "weight_ih_l0 is missing"),
        (lambda data: data["params"].update(w=[1.0]), "expected names such as weight_ih_l0"),
        (lambda data: data.update(inputs=[[1.0]]), "as one of the kind lstm it does not fit"),
        (lambda data: data["outputs"].update(more=[1.0]), "outputs.more should be something"),
        (lambda data: data.pop("loss"), "loss should be there"),
        (lambda data: data.update(lengths=[-1, 2]), "lengths"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(tmp_path, change, message):
    with pytest.raises(UserError, match=message) as refused:
        deviations(changed(tmp_path, change))
    assert "\n" not in str(refused.value) and "lstm_1.json" in str(refused.value)
