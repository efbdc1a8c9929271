"""Bad input: one line on stderr, exit 2; and what the commands print."""

import json
import re

import pytest

from experiments.__main__ import main
from experiments.common.errors import UserError
from experiments.common.numbers import check_numbers
from experiments.paper.select import choose, find_reading
from experiments.paper.tables import ROWS
from experiments.reporting.report import BEGIN, END
from experiments.running.jobs import Job
from tests.experiments.synthetic import job, keep, record


@pytest.mark.parametrize(
    "command, hint",
    [
        (["run", "6aa"], "did you mean 6a?"),
        (["run", "4-200"], "4-100"),
        (["run"], "list"),
        (["run", "6a", "--reading", "Z"], "literal, full, X, Y"),
        (["run", "3b-100-3", "--reading", "X"], "literal"),
        (["run", "6a", "--reading", "Z"], "sums of the changes linear-output, "),
        (["run", "6a", "--reading", "Z+no-slope"], "not offered the change 'Z'"),
        (["run", "6a", "--reading", "direct+gates-of-4"], "not offered the change 'gates-of-4'"),
        (["run", "6a", "--reading", "no-slope+linear-output"], "exclude each other"),
        (["run", "6a", "--reading", "direct+"], "not offered the change ''"),
        (["run", "1-elman", "--reading", "direct"], "'direct'"),
        (["run", "all", "--reading", "direct+no-slop"], "no reading is called 'direct+no-slop'"),
        (["run", "all", "--reading", "Z"], "no-recurrence"),
        (["run", "9", "--reading", "linear"], "none of the rows of 9 is offered 'linear'"),
        (["run", "6a", "--trials", "0"], "--trials must be from 1 to 1,000,000, got 0"),
        (["run", "6a", "--lanes", "-4"], "--lanes must be from 1 to 65,536, got -4"),
        (["run", "6a", "--budget", "nan"], "--budget must be from"),
        (["run", "6a", "--devices", "257"], "--devices must be from 1 to 256, got 257"),
        (["run", "6a", "--trials", "10000000000"], "--trials must be from 1 to 1,000,000"),
        (["run", "6a", "--lanes", "1000000000"], "--lanes must be from 1 to 65,536"),
        (["run", "6a", "--devices", "0"], "--devices must be from 1 to 256, got 0"),
        (["run", "6a", "--workers", "-1"], "--workers must be from 1 to 1,024, got -1"),
        (["run", "6a", "--budget", "inf"], "--budget must be from"),
        (["run", "6a", "--seed", "4294967296"], "--seed must be from 0 to 4,294,967,295"),
        (["run", "6a", "--seed", "-1"], "--seed must be from 0 to 4,294,967,295, got -1"),
        (["sweep", "6a", "--seed", "4294967296"], "--seed must be from 0 to 4,294,967,295"),
        (["sweep", "6a", "--lanes", "65537"], "--lanes must be from 1 to 65,536"),
        (["sweep", "6a", "--trials", "1000000", "--rate", "1", "2"], "2,000,000 trials"),
        (["study", "6a", "--seed", "-1"], "--seed must be from 0 to 4,294,967,295, got -1"),
        (["study", "6a", "--seed", "4294967295"], "--seed must be from 0 to 4,294,957,295"),
        (["study", "6a", "--confirm", "0"], "--confirm must be from 1 to 1,000,000, got 0"),
        (["study", "6a", "--largest", "17"], "--largest must be from 0 to 16, got 17"),
        (["study", "--only-report"], "there is no folder"),
        (["study", "6a", "--only-report"], "--only-report trains nothing and reports all"),
        (["study", "--json", "--format", "markdown"], "--json and --format exclude"),
        (["claims", "--only-report"], "has no claims"),
        (["claims", "--budget", "0"], "--budget must be from"),
        (["sweep", "6a", "--rate", "1e39"], "--rate must be 0 or of a size from 1.18e-38 to"),
        (["sweep", "6a", "--rate", "1e-60"], "--rate must be 0 or of a size"),
        (["sweep", "6a", "--weights", "1e-40"], "--weights must be 0 or of a size"),
        (["sweep", "6a", "--input-gate-bias", "nan"], "--input-gate-bias must be 0 or of a size"),
        (["sweep", "6a", "--output-gate-bias", "0,inf"], "--output-gate-bias must be 0 or"),
        (["sweep", "6a", "--rate", "-0.5"], "--rate must be above 0"),
        (["sweep", "6a", "--rate", "0.5", "nan"], "--rate must be above 0"),
        (["sweep", "6a", "--input-gate-bias", "-1,-2,-3"], "one a block"),
        (["sweep", "6a", "--input-gate-bias", "low"], "-3,-6"),
        (["sweep", "2c-50-50", "--output-gate-bias", "-1"], "no biases"),
        (["sweep", "7"], "no row"),
        (["sweep", "xor-10", "--over", "blocks=(2,2),(1)"], "blocks=1: input_gate: expected"),
        (["sweep", "6a", "--over", "rate=0.1", "--rate", "0.5"], "--over takes all fields"),
        (["run", "6a", "--set", "rte=1"], "did you mean rate"),
        (["run", "6a", "--set", "direct"], "--set takes FIELD=VALUE"),
        (["run", "6a", "--set", "blocks=many"], "blocks: expected cells of each block"),
        (["run", "6a", "--set", "cell=lstm", "squash_state=none"], "of memory blocks"),
        (["run", "rivals", "--set", "blocks=2"], "no field of this row"),
        (
            ["run", "6a", "--workers", "1", "--set", "every_step=true", "gradient=bptt"],
            "bptt has no on-line form",
        ),
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
    path = keep(tmp_path, job(trials=1), [record(0, 20_000)])
    path.with_suffix(".npz").write_text("no weights")
    assert main(["figure", "6a", "--folder", str(tmp_path)]) == 2
    assert "remove it" in capsys.readouterr().err


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


def ours(tmp_path):
    keep(tmp_path, job(), [record(i, 20_000) for i in range(3)])
    return ["report", "--folder", str(tmp_path)]


FORMS = (["--json"], *(["--format", form] for form in ("terminal", "markdown", "csv")))


def mentions(text, row):
    """Whether a row is named, not by chance within a commit."""
    return bool(re.search(rf"(?<![\w-]){row}(?![\w-])", text))


@pytest.mark.parametrize("form", FORMS)
def test_report_of_some_rows(tmp_path, capsys, form):
    report = [*ours(tmp_path), *form]
    assert main([*report, "6a"]) == 0
    one = capsys.readouterr().out
    assert "6a" in one and not mentions(one, "6b")
    assert main([*report, "9"]) == 0
    table = capsys.readouterr().out
    assert "6a" in table and "6b" in table and not mentions(table, "2c-50-50")
    assert main([*report, "--ran"]) == 0
    ran = capsys.readouterr().out
    assert "6a" in ran and not mentions(ran, "6b") and "not run" not in ran
    assert main([*report, "9", "--ran"]) == main([*report, "6a", "--ran"]) == 0
    assert capsys.readouterr().out == 2 * ran == 2 * one


@pytest.mark.parametrize(
    "more, hint",
    [
        (["6aa"], "did you mean 6a?"),
        (["6b", "--ran"], "has no result of these rows"),
        (["--json", "--format", "csv"], "--json and --format exclude each other"),
        (["--json", "--into", "x"], "--json and --into exclude each other"),
        (["--into", "x", "--format", "csv"], "--into writes Markdown"),
        (["6b", "--into", "x"], "has no result of these rows"),
    ],
)
def test_a_report_that_cannot_be(tmp_path, capsys, more, hint):
    assert main([*ours(tmp_path), *more]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and hint in err


def place_for_a_report(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"above\n{BEGIN}\n\nold\n\n{END}\nbelow\n")
    return page


def test_a_report_goes_into_its_place(tmp_path, capsys):
    page, report = place_for_a_report(tmp_path), ours(tmp_path)
    link = tmp_path / "link.md"
    link.symlink_to(page)
    assert main([*report, "--into", str(link)]) == 0
    text = page.read_text()
    assert link.is_symlink() and text.startswith("above") and text.endswith("below\n")
    assert "| 6a | literal | 3/3" in text and "old" not in text


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_without_results_is_no_report(tmp_path, capsys, there):
    page = place_for_a_report(tmp_path)
    before = page.read_bytes()
    if there:
        (tmp_path / "typo" / "results").mkdir(parents=True)
    assert main(["report", "--folder", str(tmp_path / "typo"), "--into", str(page)]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and page.read_bytes() == before
    assert main(["report", "--folder", str(tmp_path / "typo")]) == (0 if there else 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.md", *["typo"] * there]


def test_a_page_that_cannot_be_read_or_written(tmp_path, capsys):
    report = [*ours(tmp_path), "--into"]
    (tmp_path / "latin").write_bytes(f"{BEGIN} caf\xe9 {END}".encode("latin-1"))
    (tmp_path / "empty").write_bytes(b"")
    page = place_for_a_report(tmp_path)
    for name, hint in (("latin", "UTF-8"), ("results", "irectory"), ("empty", "no place for"),
                       ("gone", "cannot read")):  # fmt: skip
        assert main([*report, str(tmp_path / name)]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and hint in err
    with pytest.MonkeyPatch.context() as patch:  # as in a folder without permission to write
        patch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(PermissionError(13, "no")))
        assert main([*report, str(page)]) == 2
    assert "cannot write" in capsys.readouterr().err and "old" in page.read_text()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("name", ["bench", "check"])
def test_numbers_of_what_needs_no_folder(capsys, name):
    words = {"bench": ["bench", "--lanes", "1", "100000"], "check": ["check"]}[name]
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_largest_numbers_are_accepted():
    check_numbers(trials=1_000_000, lanes=65_536, seed=2**32 - 1, budget=1e9, workers=None)
    check_numbers(seed=0, trials=1, lanes=(1, 65_536))


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


def test_choosing_sums_of_changes():
    def names(rows, reading):
        return [f"{row.name} {read.name}" for row, read in choose(rows, reading)]

    assert names(["6a"], "no-slope+direct") == ["6a direct+no-slope"]
    assert names(["1-1", "1-2"], "silent-0.1+direct") == ["1-1 S+T", "1-2 S+T"]  # its own name
    assert names(["1-1"], "S+T") == ["1-1 S+T"] and names(["1-1"], "direct") == ["1-1 S"]
    assert names(["all"], "gates-of-4") == ["5-140 gates-of-4", "5-13 gates-of-4"]
    both = names(["all"], "no-recurrence+tangent-output+weights/2")
    assert len(both) == 31 - 2 and "2c-50-50 tangent" in both  # 2a and 2b have no recurrence


def test_a_sum_of_changes_is_run_kept_and_reported(tmp_path, capsys):
    folder = ["--folder", str(tmp_path)]
    asked = ["run", "2c-50-50", "--reading", "weights/2+no-slope", "--trials", "1", "--lanes", "1"]
    assert main([*asked, "--workers", "1", "--budget", "0.001", *folder]) == 0
    assert "2c-50-50 no-slope+weights/2: 0 of 1 trials over" in capsys.readouterr().out
    (work,) = (tmp_path / "runs").iterdir()
    assert work.name == "2c-50-50.no-slope+weights_by_2.seed0"
    made = Job(ROWS["2c-50-50"], find_reading(ROWS["2c-50-50"], "weights/2+no-slope"), 3)
    path = keep(tmp_path, made, [record(i, 20_000) for i in range(3)])
    assert path.name == "2c-50-50.no-slope+weights_by_2.json" and path.parent.name == "results"
    assert main(["report", "--table", "3", "--json", *folder]) == 0
    lines = {(one["row"], one["reading"]): one for one in json.loads(capsys.readouterr().out)}
    found = lines["2c-50-50", "no-slope+weights/2"]
    assert found["solved"] == 3 and "initial range / 2" in found["says"]
    assert main(["figure", "2c-50-50", "--reading", "no-slope+weights/2", *folder]) == 0


def test_one_thing_set_by_hand_is_run_kept_and_reported(tmp_path, capsys):
    folder = ["--folder", str(tmp_path)]
    few = ["--trials", "2", "--lanes", "2", *folder]
    assert main(["run", "xor-10", "--workers", "1", *few, "--set", "cap=9", "test=0", "T=12"]) == 0
    assert "xor-10 T=12+cap=9+test=0: 0 of 2 solved" in capsys.readouterr().out
    assert main(["report", "xor-10", "--ran", "--json", *folder]) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["reading"], line["cap"], line["says"]) == (
        "T=12+cap=9+test=0", 9, "T 12; cap 9; test 0"
    )  # fmt: skip


def test_a_sweep_over_anything_is_runs_of_their_own(tmp_path, capsys):
    folder = ["--folder", str(tmp_path)]
    over = ["--over", "cell=none,gru", "cap=9", "test=0"]
    assert main(["sweep", "xor-10", "--trials", "2", "--lanes", "2", *folder, *over, "--json"]) == 0
    out = capsys.readouterr().out
    listed = json.loads(out[out.index("[\n") :])
    assert [one["reading"] for one in listed] == ["cap=9+test=0", "cap=9+cell=gru+test=0"]
    assert [one["trials"] for one in listed] == [2, 2]
    assert len(list((tmp_path / "results").glob("xor-10.*.json"))) == 2


def test_files_of_the_report_and_other_forms_exclude_each_other(tmp_path, capsys):
    file, into = str(tmp_path / "x.csv"), str(tmp_path / "x.md")
    for words in (["--json"], ["--format", "csv"], ["--into", into]):
        assert main(["report", "6a", "--records", file, *words]) == 2
        assert "exclude each other" in capsys.readouterr().err
    assert main(["report", "6a", "--records", file, "--figure", str(tmp_path / "f.png")]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.png", "x.csv"]
