"""Bad input: one line on stderr, exit 2; and what the commands print."""

import json

import pytest

from experiments.__main__ import main
from experiments.errors import UserError
from experiments.jobs import choose
from experiments.tables import ROWS
from tests.experiments.synthetic import job, keep, record


@pytest.mark.parametrize(
    "command, hint",
    [
        (["run", "6aa"], "did you mean 6a?"),
        (["run", "4-200"], "4-100"),
        (["run"], "list"),
        (["run", "6a", "--reading", "Z"], "literal, full, X, Y"),
        (["run", "3b-100-3", "--reading", "X"], "literal"),
        (["run", "all", "--reading", "Z"], "no-recurrence"),
        (["run", "6a", "--trials", "0"], "--trials must be above 0"),
        (["run", "6a", "--lanes", "-4"], "--lanes must be above 0"),
        (["run", "6a", "--budget", "nan"], "--budget must be above 0"),
        (["run", "6a", "--devices", "99"], "--devices"),
        (["sweep", "6a", "--rate", "-0.5"], "--rate must be above 0"),
        (["sweep", "6a", "--rate", "0.5", "nan"], "--rate must be above 0"),
        (["sweep", "6a", "--input-gate-bias", "-1,-2,-3"], "one a block"),
        (["sweep", "6a", "--input-gate-bias", "low"], "-3,-6"),
        (["sweep", "2c-50-50", "--output-gate-bias", "-1"], "no biases"),
        (["sweep", "7"], "no row"),
        (["report", "--table", "12"], "0 to 10"),
        (["figure", "6a"], "experiments run 6a"),
    ],
)
def test_bad_input_is_told_in_one_line(tmp_path, capsys, command, hint):
    folder = [] if command[0] == "report" else ["--folder", str(tmp_path / "none")]
    assert main([*command, *folder]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ") and hint in line
    assert not list(tmp_path.glob("none/runs/*/records*"))


def test_a_folder_that_is_a_file(tmp_path, capsys):
    (tmp_path / "file").write_text("precious")
    assert main(["run", "6a", "--folder", str(tmp_path / "file")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert (tmp_path / "file").read_text() == "precious"


def test_results_of_another_version(tmp_path, capsys):
    path = keep(tmp_path, job(), [])
    path.write_text(path.read_text().replace('"format": 1', '"format": 7'))
    for command in (["report"], ["figure", "6a"]):
        assert main([*command, "--folder", str(tmp_path)]) == 2
        assert "another version" in capsys.readouterr().err


def test_weights_that_are_none(tmp_path, capsys):
    path = keep(tmp_path, job(), [record(0, 20_000)])
    path.with_suffix(".npz").write_text("no weights")
    assert main(["figure", "6a", "--folder", str(tmp_path)]) == 2
    assert "run the row again" in capsys.readouterr().err


def test_list(capsys):
    assert main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) == len(ROWS) and {"6a", "xor-50"} <= {row["row"] for row in rows}
    assert main(["list"]) == 0
    assert "2c-1000-50" in capsys.readouterr().out


def test_report(tmp_path, capsys):
    keep(tmp_path, job(), [record(i, 20_000) for i in range(3)])
    folder = ["--folder", str(tmp_path), "--table", "9"]
    assert main(["report", *folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["mean"]["value"] == 20_000
    for form in ("terminal", "markdown", "csv"):
        assert main(["report", *folder, "--format", form]) == 0
        assert "6a" in capsys.readouterr().out


def test_choosing_rows_and_readings():
    def names(rows, reading=None):
        return [f"{row.name} {read.name}" for row, read in choose(rows, reading)]

    assert names(["6a", "2c-50-50"]) == ["2c-50-50 literal", "6a literal"]
    assert names(["4-100"], "all") == ["4-100 literal", "4-100 X", "4-100 Y", "4-100 Y-full"]
    every = names(["all"])
    assert (
        len(every) == 31
        and "1-3 S+T" in every
        and "4-1000 Y" in every
        and "2c-50-50 tangent" in every
    )
    assert "6a literal" in every
    assert len(names(["all"], "literal")) == 31 and len(names(["all"], "linear")) == 2
    assert (
        len(names(["all"], "all")) == 31 + 4 * 5 + 2 + 9 + 2 * (3 + 3 + 2 + 2) + 3 + 2 + 3 + 1 + 9
    )
    assert names(["7"]) == ["4-100 Y", "4-500 Y", "4-1000 Y"]
    assert names(["7", "4-500"]) == ["4-100 Y", "4-500 literal", "4-1000 Y"]
    assert "1-elman literal" in names(["rivals"]) and "6a literal" not in names(["rivals"])
    assert len(names(["limits"])) == 7 and "xor-50 full" in names(["limits"], "full")
    with pytest.raises(UserError):
        names(["all", "nothing"])
