"""The study of readings: what fits, what is tried next, and what is reported of it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from experiments.common.errors import UserError
from experiments.common.files import HERE
from experiments.common.provenance import commit
from experiments.paper.changes import BY_NAME, offered
from experiments.paper.row import Published
from experiments.paper.select import find_rows
from experiments.paper.tables import ROWS
from experiments.studies import reading_pages, reading_report, reading_search

ROW = ROWS["1-5"]
THEIRS = ROW.published.after


def outcome(after, trials):
    return {"trials": trials, "cap": 10**6, "after": [int(n) for n in after], "seconds": 1.0}


def entry(changes, after, trials=40, seed=0):
    return {"changes": list(changes), "seed": seed, **outcome(after, trials)}


def around(mean, number, spread=0.4, seed=0):
    values = np.random.default_rng(seed).lognormal(0, spread, number)
    return mean * values / values.mean()


def test_a_sample_around_the_published_mean_reproduces_it():
    good = reading_search.fit(ROW, entry((), around(THEIRS * 1.02, 40)))
    assert good.reproduced and good.ratio == pytest.approx(1.02, rel=1e-3)
    for after in (around(THEIRS * 2, 40), around(THEIRS / 2, 40), around(THEIRS, 20), []):
        bad = reading_search.fit(ROW, entry((), after))
        assert not bad.reproduced and bad.misfit > good.misfit


def test_more_spread_of_the_trials_allows_for_more_distance():
    one = entry((), around(1.3 * THEIRS, 40, spread=0.1))
    other = entry((), around(1.3 * THEIRS, 40, spread=1.5))
    assert not reading_search.fit(ROW, one).reproduced and reading_search.fit(ROW, other).reproduced
    few = replace(ROW, trials=2)  # and so do fewer trials in the paper
    assert reading_search.fit(few, entry((), around(1.3 * THEIRS, 40))).reproduced


def test_success_rates_count_both_ways():
    half = replace(ROW, published=Published(THEIRS, success=0.5))
    assert reading_search.fit(half, entry((), around(THEIRS, 20))).reproduced
    assert not reading_search.fit(half, entry((), around(THEIRS, 40))).reproduced
    assert not reading_search.fit(ROW, entry((), around(THEIRS, 20))).reproduced


@pytest.fixture
def trained(monkeypatch):
    """A world in which `direct` and `silent-0.1` help, together most."""
    asked = []

    def train(row, names, seed, trials, past, lanes):
        asked.append((names, seed, trials))
        factor = 4.0
        factor /= 2 if "direct" in names else 1
        factor /= 2 if "silent-0.1" in names else 1
        factor *= 1.2 ** len(set(names) - {"direct", "silent-0.1"})
        return outcome(around(THEIRS * factor, trials, seed=seed % 97), trials)

    monkeypatch.setattr(reading_search, "train", train)
    return asked


def run(folder, **options):
    one = reading_search.Study(ROW, folder, **{"screened": 40, "confirmed": 60, **options})
    return one, list(one.run())


def test_the_search_finds_what_helps_and_confirms_it_on_fresh_seeds(tmp_path, trained):
    one, entries = run(tmp_path)
    tried = [names for names, seed, _ in trained if seed == 0]
    assert tried[0] == () and len(tried) == len(set(tried))
    searched = {name for name, change in offered(ROW).items() if change.searched}
    assert {(name,) for name in searched} <= set(tried) and searched < set(offered(ROW))
    assert not {"no-output-gates", "full-gradient"} & {n for names in tried for n in names}
    assert one.best(1) == [("direct", "silent-0.1")]
    fresh = [
        (names, trials) for names, seed, trials in trained if seed == reading_search.CONFIRM_SEED
    ]
    assert (("direct", "silent-0.1"), 60) in fresh
    assert sum(len(names) == 1 for names, _ in fresh) >= 1
    assert max(len(names) for names in tried) == reading_search.LARGEST
    assert all(len({BY_NAME[n].about for n in names}) == len(names) for names in tried)
    assert one.entries == entries == reading_search.read(one.path)


def test_what_solved_no_trial_is_not_confirmed(tmp_path, monkeypatch):
    def train(row, names, seed, trials, past, lanes):
        after = around(THEIRS, trials) if names == ("direct", "silent-0.1") else np.array([])
        return outcome(after, trials)

    monkeypatch.setattr(reading_search, "train", train)
    one, _ = run(tmp_path, largest=2)
    assert one.best(1, changes=1) and not one.best(1, changes=1, solved=True)
    assert one.chosen() == [
        *dict.fromkeys([("direct", "silent-0.1"), *reading_search.named(ROW)]),
        (),
    ]
    lines = reading_report.lines(reading_report.studies(tmp_path / "results"))
    assert "best single" not in {line["as"] for line in lines}


def test_a_study_started_again_goes_on(tmp_path, trained):
    first = reading_search.Study(ROW, tmp_path, screened=40, confirmed=60)
    steps = first.run()
    for _ in range(5):
        next(steps)
    steps.close()
    assert len(trained) == 5
    _, rest = run(tmp_path)
    whole = len(reading_search.read(first.path))
    assert len(rest) == whole - 5 and len(trained) == whole
    assert run(tmp_path)[1] == []


def test_nothing_begins_when_time_is_over(tmp_path, trained):
    assert run(tmp_path, deadline=0.0)[1] == [] == trained


def test_what_is_no_study_is_refused(tmp_path):
    path = tmp_path / "results" / "study" / f"{ROW.name}.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(UserError, match="no study"):
        reading_search.Study(ROW, tmp_path)


def test_findings_are_those_of_fresh_seeds(tmp_path, trained):
    run(tmp_path)
    found = reading_report.studies(tmp_path / "results")
    lines = {one["as"]: one for one in reading_report.lines(found)}
    assert lines["literal"]["changes"] == [] and not lines["literal"]["reproduced"]
    assert lines["best"]["changes"] == ["direct", "silent-0.1"] and lines["best"]["reproduced"]
    assert len(lines["best single"]["changes"]) == 1
    assert {lines[k]["seed"] for k in ("best", "best single")} == {reading_search.CONFIRM_SEED}
    assert lines["best"]["trials"] == 60
    sets = reading_report.overall(found)
    assert sets[0]["changes"] == ["direct", "silent-0.1"] and sets[0]["rows"] == [ROW.name]
    assert all(not (set(one["rows"]) & set(one["searched"])) for one in sets)
    assert reading_report.cover(sets) == [{"changes": ["direct", "silent-0.1"], "rows": [ROW.name]}]
    assert reading_report.unexplained(found) == []
    text = reading_pages.as_markdown(found)
    assert "| 1-5 | best | direct+silent-0.1 | 60/60" in text
    assert json.loads(json.dumps(reading_report.summary(found)))


def test_a_row_that_only_the_search_reproduces_is_unexplained(tmp_path, trained):
    run(tmp_path)
    found = reading_report.studies(tmp_path / "results")
    entries = [e for e in found[ROW.name] if e["seed"] == 0]
    searched = {ROW.name: entries}
    assert any(reading_search.fit(ROW, e).reproduced for e in entries)
    (one,) = reading_report.unexplained(searched)
    assert one["tried"] == len({tuple(e["changes"]) for e in entries}) > 2
    assert one["changes"] == [] and not one["reproduced"]  # of what is sure, the literal reading
    assert reading_report.cover(reading_report.overall(searched)) == []


def test_few_sets_cover_what_any_reproduces():
    sets = [
        {"changes": ["a"], "rows": ["1", "2", "3"]},
        {"changes": ["b", "c"], "rows": ["3", "4"]},
        {"changes": ["d"], "rows": ["1", "4"]},
        {"changes": ["e"], "rows": []},
    ]
    assert reading_report.cover(sets) == [
        {"changes": ["a"], "rows": ["1", "2", "3"]},
        {"changes": ["d"], "rows": ["4"]},  # one change where two would do the same
    ]


def test_the_page_that_is_kept_is_up_to_date():
    found = reading_report.studies(HERE / "results")
    page = (HERE / "results" / "study" / "README.md").read_text()
    assert page == reading_pages.as_markdown(found), (
        "run `python -m experiments study --only-report`"
    )
    without = dict(list(found.items())[1:])
    assert page != reading_pages.as_markdown(without)


def test_what_was_searched_on_high_seeds_confirms_nothing(tmp_path, trained):
    run(tmp_path, seed=reading_search.CONFIRM_SEED)
    found = reading_search.read(tmp_path / "results" / "study" / f"{ROW.name}.json")
    assert {e["seed"] for e in reading_search.confirming(found)} == {
        2 * reading_search.CONFIRM_SEED
    }
    assert len(found) > len(reading_search.confirming(found)) > 0


def test_named_readings_are_tried_where_they_are_sets_of_changes():
    assert ("direct", "silent-0.1") in reading_search.named(ROWS["1-5"])
    assert ("fixed-biases", "tangent-output") in reading_search.named(ROWS["4-500"])
    assert ("no-recurrence",) in reading_search.named(ROWS["2c-50-50"])
    assert reading_search.named(ROWS["3c-100-1"]) == []


def test_one_real_entry():
    row = ROWS["1-5"].with_settings(cap=150)
    found = reading_search.train(row, ("direct",), 0, 3, past=4)
    assert found["trials"] == 3 and found["after"] == [] and found["cap"] == 150


def test_rows_by_name_table_and_experiment():
    assert [row.name for row in find_rows(["7"])] == ["4-100", "4-500", "4-1000"]
    names = ["2a-rtrl-4-1", "2a", "2b", "6a"]
    assert [row.name for row in find_rows(names[::-1])] == names
    assert len(find_rows(["2c"])) == 9 and len(find_rows(["all", "rivals", "limits"])) == len(ROWS)
    assert not any(row.rival for row in find_rows(["all"]))
    with pytest.raises(UserError, match="no row is called"):
        find_rows(["12"])
    with pytest.raises(UserError, match="name a row"):
        find_rows([])


def test_sets_that_are_named_are_tried_first_and_compete(tmp_path, trained):
    wanted = [("silent-0.1", "direct"), ("no-slope", "half-rate")]
    one, entries = run(tmp_path, largest=0, sets=wanted)
    tried = [tuple(e["changes"]) for e in entries if e["seed"] == 0]
    assert tried[:2] == [("direct", "silent-0.1"), ("half-rate", "no-slope")]
    assert len(tried) == len(set(tried))
    assert ("direct", "silent-0.1") in one.chosen()
    for bad, says in ((("half-rat",), "half-rat"), (("direct", "direct"), "exclude each other")):
        with pytest.raises(UserError, match=says):
            reading_search.Study(ROW, tmp_path, sets=[bad])


def test_a_row_like_another_tries_what_was_chosen_there(tmp_path, trained):
    first, _ = run(tmp_path)
    trained.clear()
    longer = reading_search.Study(ROWS["1-4"], tmp_path, screened=40, confirmed=60, like="1-5")
    list(longer.run())
    assert [names for names, seed, _ in trained if seed == 0] == first.chosen()
    assert {names for names, seed, _ in trained if seed} <= set(first.chosen())
    assert ("direct",) in first.chosen()  # a named reading is confirmed, too
    with pytest.raises(UserError, match="there is no study of row 6a"):
        list(reading_search.Study(ROWS["1-4"], tmp_path, like="6a").run())
    first.chosen = lambda: [("targets-0.1-0.9",), ("direct",)]
    assert reading_search.Study(ROWS["6b"], tmp_path)._chosen_there(first) == [("direct",)]


def test_what_is_taken_away_is_not_changed_besides():
    assert not reading_search._compatible(("no-recurrence",), "recurrent-0")
    assert not reading_search._compatible(("recurrent-0", "weights/2"), "no-recurrence")
    assert not reading_search._compatible(("no-recurrence",), "cells-heard")
    assert reading_search._compatible(("cells-heard",), "recurrent-0")


def test_a_reading_without_success_is_given_up(monkeypatch):
    """Of a row that cannot succeed no trial goes on to its cap."""
    row, seen = replace(ROWS["1-5"].with_settings(rate=0.0), published=Published(200)), []
    whole = reading_search.run_trials

    def watched(*args, on_chunk, **options):
        def see(progress):
            seen.append(progress.sequences)
            on_chunk(progress)

        return whole(*args, on_chunk=see, **options)

    monkeypatch.setattr(reading_search, "run_trials", watched)
    found = reading_search.train(row, (), 0, 20, past=400, lanes=2)
    assert (found["after"], found["trials"], found["cap"]) == ([], 2, 300)
    assert 2 * 300 < seen[-1] < 2 * 80_000


def test_a_search_can_be_cut_short_and_confirmed(tmp_path, trained):
    steps = reading_search.Study(ROW, tmp_path, screened=40, confirmed=60).run()
    begun = [next(steps)["changes"] for _ in range(7)]
    steps.close()
    run(tmp_path, largest=0)
    kept = reading_search.read(tmp_path / "results" / "study" / f"{ROW.name}.json")
    searched = [tuple(e["changes"]) for e in kept if e["seed"] == 0]
    assert set(searched) == {*map(tuple, begun), *reading_search.named(ROW)}
    assert {tuple(e["changes"]) for e in kept if e["seed"]} > set(reading_search.named(ROW))
    assert all(e["commit"] == commit() for e in kept)


def test_several_processes_share_a_study_and_nothing_is_tried_twice(tmp_path, trained):
    """Two searches at one folder, step by step in turn, as two processes would go."""
    options = {"screened": 40, "confirmed": 60}
    alone = reading_search.Study(ROW, tmp_path / "alone", **options)
    expected = [(tuple(e["changes"]), e["seed"]) for e in alone.run()]
    asked = len(trained)
    both = [reading_search.Study(ROW, tmp_path / "both", **options).run() for _ in range(2)]
    while both:
        for one in list(both):
            if next(one, None) is None:
                both.remove(one)
    kept = reading_search.read(tmp_path / "both" / "results" / "study" / f"{ROW.name}.json")
    found = [(tuple(e["changes"]), e["seed"]) for e in kept]
    assert sorted(found) == sorted(expected) and len(set(found)) == len(found)
    assert len(trained) - asked == len(expected)


def test_what_another_process_is_at_is_left_to_it(tmp_path, trained, monkeypatch):
    one = reading_search.Study(ROW, tmp_path, screened=40, confirmed=60, largest=0)
    first = one.run()
    assert next(first)["changes"] == []  # it still holds that reading
    waited = []
    monkeypatch.setattr(reading_search.time, "sleep", waited.append)
    other = reading_search.Study(ROW, tmp_path, screened=40, confirmed=60, largest=0)
    assert [e["changes"] for e in other.run() if e["seed"] == 0] != []
    assert all(e["changes"] != [] for e in other.run())
