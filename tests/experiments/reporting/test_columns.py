"""Records and curves of all results, as files that other programs read."""

import csv
import io

import pytest

from experiments.__main__ import main
from experiments.common.files import HERE
from experiments.reporting import columns
from experiments.running import results


@pytest.fixture(scope="module")
def found():
    kept = results.read_all(HERE / "results")
    return {name: kept[name] for name in (("6a", "literal"), ("3a-100-1", "literal"))}


def test_every_trial_and_every_point_has_its_line(found):
    table = columns.records(found)
    assert len(table["row"]) == sum(r["trials"] for r in found.values())
    one = found["6a", "literal"]["records"][3]
    at = next(
        i for i in range(len(table["row"])) if table["row"][i] == "6a" and table["trial"][i] == 3
    )
    assert (
        table["sequences"][at] == one["sequences"]
        and table["test_error"][at] == one["test"]["error"]
    )
    curves = columns.curves(found)
    points = sum(
        e is not None for r in found.values() for one in r["records"] for e in one["curve"]
    )
    assert {len(column) for column in curves.values()} == {points}
    assert curves["sequences"][:2].tolist() == [100, 121]


def test_csv_is_read_again(found):
    table = columns.records(found)
    lines = list(csv.DictReader(io.StringIO(columns.as_csv(table))))
    assert [line["row"] for line in lines] == table["row"].tolist()
    assert [int(line["sequences"]) for line in lines] == table["sequences"].tolist()


def test_parquet_is_read_again(found, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = columns.curves(found)
    columns.write(tmp_path / "curves.parquet", table)
    read = parquet.read_table(tmp_path / "curves.parquet")
    assert read.column_names == list(table)
    assert read["error"].to_pylist() == table["error"].tolist()


def test_the_command_writes_them(tmp_path, capsys):
    records, curves = tmp_path / "r.csv", tmp_path / "c.csv"
    words = ["report", "6a", "--ran", "--records", str(records), "--curves", str(curves)]
    assert main(words) == 0
    assert {line.split(",")[0] for line in records.read_text().splitlines()[1:]} == {"6a"}
    assert curves.read_text().splitlines()[0] == "row,reading,trial,phase,sequences,error"
    assert str(records) in capsys.readouterr().out
    assert main(["report", "6a", "--records", str(tmp_path / "r.txt")]) == 2
    assert "ends in .csv or .parquet" in capsys.readouterr().err
