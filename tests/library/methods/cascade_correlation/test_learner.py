"""Trials that grow: against the twin that really grows, and the laws of trials."""

from functools import lru_cache

import jax
import numpy as np
import pytest

from lstm_jax.cells.simple import elman
from lstm_jax.methods.cascade_correlation import cascade_correlation, cascade_net
from lstm_jax.networks.readout import readout
from lstm_jax.networks.unroll import unroll
from lstm_jax.tasks import set_pairs
from lstm_jax.tasks.reber import reber
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.judging import most_active
from lstm_jax.training.records import PHASES
from lstm_jax.training.stopping import both_sets_right
from lstm_jax.training.trial import make_trial
from lstm_jax.trials import run_trials
from tests.library.methods.cascade_correlation.tiny import (
    CAP,
    CLIMBS_FAST,
    FAILS_TESTS,
    LANES,
    SOLVED,
    SYMBOLS,
    TRIAL,
    UNITS,
    advanced,
    begun,
    build,
    output_matrix,
    paired,
    played,
    pool_vectors,
    schedules,
    sequence,
    twin_of,
    units_list,
)
from tests.support.bridge import KEY, assert_close, assert_same, lane, numbers

TICKS = 480
WAYS = ("outputs", "candidates")


@lru_cache
def story(i: int):
    """A lane before its first tick, and its states tick by tick."""
    first, states = played(TICKS)
    return lane(first, i), [lane(state, i) for state in states]


def put_right(by_hand, state) -> None:
    """Give the twin the numbers of a state, so that one tick is compared and not many."""
    memory = state.learner.memory
    units = int(memory.units)
    there = by_hand.candidates.weights.shape[1] - 5
    by_hand.units = units_list(state.params, units)
    into, kept = by_hand.into_outputs, memory.output_memory
    into.weights = output_matrix(state.params, units)
    into.steps, into.before = (output_matrix(m, units) for m in (kept.step, kept.slope))
    pool, kept = by_hand.candidates, memory.candidate_memory
    pool.weights = pool_vectors(memory.candidates, there)
    pool.steps, pool.before = (pool_vectors(m, there) for m in (kept.step, kept.slope))


def assert_alike(by_hand, state, tolerance: float) -> None:
    """The same phase, counts, and weights."""
    memory = state.learner.memory
    phase = PHASES[state.phase]
    assert by_hand.phase == {"validating": "testing"}.get(phase, phase)
    assert by_hand.learning == WAYS[memory.learning]
    assert len(by_hand.units) == memory.units
    assert [by_hand.epochs[way] for way in WAYS] == memory.epochs.tolist()
    assert by_hand.sequences == state.sequences and by_hand.reached == state.reached.tolist()
    there = by_hand.candidates.weights.shape[1] - 5
    pairs = [
        (output_matrix(state.params, len(by_hand.units)), by_hand.into_outputs.weights),
        (pool_vectors(memory.candidates, there), by_hand.candidates.weights),
    ]
    pairs += zip(units_list(state.params, len(by_hand.units)), by_hand.units, strict=True)
    for ours, theirs in pairs:
        assert_close(ours, theirs, tolerance)


@pytest.mark.parametrize("i", [SOLVED, FAILS_TESTS, CLIMBS_FAST])
def test_every_tick_is_that_of_a_net_that_really_grows(i):
    first, states = story(i)
    by_hand, before = twin_of(first, i), first
    for state in states:
        put_right(by_hand, before)
        by_hand.tick()
        assert_alike(by_hand, state, 1e-9)
        before = state


@pytest.mark.parametrize("i", [SOLVED, CLIMBS_FAST])
def test_a_whole_trial_is_that_of_a_net_that_really_grows(i):
    """Quickprop magnifies what rounding differs in, about a millionfold until they are solved."""
    first, states = story(i)
    by_hand = twin_of(first, i)
    for state in states:
        by_hand.tick()
        assert_alike(by_hand, state, 1e-7)
    other = twin_of(first, i)  # control
    other.into_outputs.weights[0, 0] += 1e-2
    for _ in states:
        other.tick()
    with pytest.raises(AssertionError):
        assert_alike(other, states[-1], 1e-7)


def test_every_way_to_go_on_and_to_end_occurs():  # control: the comparisons have been everywhere
    stories = [story(i)[1] for i in range(4)]
    ends = [PHASES[states[-1].phase] for states in stories]
    assert ends == ["solved", "capped", "solved", "diverged"]
    failing = stories[FAILS_TESTS]
    assert failing[-1].learner.memory.units == UNITS
    assert any(state.learner.memory.found_right for state in failing)
    assert failing[-1].reached[0] > 0 > failing[-1].reached[1]
    limit = schedules(lane(LANES, FAILS_TESTS))[1].limit
    kept = [state.learner.memory for state in failing]
    late = [m for m in kept if m.learning and m.progress.quit == limit]
    assert max(m.progress.epochs for m in late) > 8  # a climb that begins slowly
    assert stories[SOLVED][-1].reached[0] == stories[SOLVED][-1].reached[1] > 0
    tally = stories[SOLVED][-1].tally
    assert tally.sequences == 4 and tally.wrong == 0 and failing[-1].tally.sequences == 0


def test_counts_are_those_of_the_epochs():
    for i in range(4):
        for state in story(i)[1]:
            assert state.sequences == 4 * state.learner.memory.epochs.sum()
    assert np.all(story(FAILS_TESTS)[1][-1].learner.memory.epochs > 20)  # control


def test_weights_of_hidden_units_stay():
    changed = 0
    for i in (SOLVED, FAILS_TESTS, CLIMBS_FAST):
        first, states = story(i)
        for before, after in zip([first, *states], states, strict=False):
            for old, new in zip(before.params.cell, after.params.cell, strict=True):
                there = int(before.learner.memory.units)
                np.testing.assert_array_equal(new[:there], old[:there], strict=True)
                assert not np.any(new[int(after.learner.memory.units) :])
            changed += not np.array_equal(before.params.from_cell, after.params.from_cell)
    assert changed > 50  # control


def test_candidates_go_along_with_the_error_more_and_more():
    """The score at the end of every phase of candidates beside that at its beginning."""
    for i in (SOLVED, FAILS_TESTS, CLIMBS_FAST):
        scores = [[]]
        for memory in (state.learner.memory for state in story(i)[1]):
            if memory.learning == WAYS.index("candidates") and memory.progress.epochs > 0:
                if memory.progress.epochs == 1:
                    scores.append([])
                scores[-1].append(float(memory.progress.last))
        assert len(scores) > 1
        for phase in scores[1:]:
            assert phase[-1] > 1.5 * phase[0] > 0


# ---------------------------------------------------------------- lanes


@pytest.fixture(scope="module")
def together():
    return advanced(begun(0, 1, 2, 3), 120)


def test_a_lane_knows_no_other(together):
    other = advanced(begun(2, 0, 0, 1), 120)
    for here, there in enumerate([2, 0, 0, 1]):
        assert_same(lane(other, here), lane(together, there))
    with pytest.raises(AssertionError):  # control
        assert_same(lane(other, 0), lane(together, 0))


def test_ticks_add_up(together):
    state = begun(0, 1, 2, 3)
    for ticks in (1, 50, 0, 69):
        state = advanced(state, ticks)
    assert_same(numbers(state), numbers(together))
    with pytest.raises(AssertionError):  # control
        assert_same(numbers(advanced(begun(0, 1, 2, 3), 119)), numbers(together))


def test_lanes_in_turn_are_lanes_at_once(x64):
    """For fewer ticks than quickprop takes to make rounding show."""
    first, states = played(TICKS)
    at_once = jax.jit(jax.vmap(lambda state: TRIAL.advance(state, 40), -1, -1))(first)
    for i in (SOLVED, FAILS_TESTS, CLIMBS_FAST):
        assert_close(lane(at_once, i), lane(states[39], i), 1e-9)
    with pytest.raises(AssertionError):  # control
        assert_close(lane(at_once, SOLVED), lane(states[38], SOLVED), 1e-9)


# ---------------------------------------------------------------- runs


def run(**options):
    settings = jax.tree.map(lambda a: np.float32(np.resize(a, 6)), LANES)
    return run_trials(TRIAL, KEY, 6, settings=settings, **{"lanes": 2, **options})


@pytest.fixture(scope="module")
def records():
    return run()


def test_records_tell_how_the_trial_went(records):
    for record in records:
        assert record["sequences"] == 4 * (record["output_epochs"] + record["candidate_epochs"])
        assert (record["phase"] == "solved") == (record["reached"][1] > 0)
        assert 0 <= record["units"] <= UNITS and record["sequences"] <= CAP
        if record["phase"] == "solved":
            assert record["test"]["sequences"] == 4 and record["test"]["wrong"] == 0
    assert {record["phase"] for record in records} == {"solved", "capped", "diverged"}


def test_curves_tell_the_mean_error_of_the_epochs_before(records):
    for record in records:
        points = [100 * 10 ** (k / 12) for k in range(len(record["curve"]))]
        passed = [round(point) <= record["sequences"] for point in points]
        assert [error is not None for error in record["curve"]] == passed
        assert all(0 < error < 1 for error in record["curve"] if error is not None)


def test_a_run_put_down_goes_on_where_it_was(records, tmp_path):
    first = run(folder=tmp_path, budget_s=0.0)
    assert len(first) < 6, "it was not put down"
    assert run(folder=tmp_path) == records


# ---------------------------------------------------------------- learning


@pytest.fixture(scope="module")
def grammar():
    """Forty strings of the Reber grammar to learn, and as many to be tested with."""
    keys = jax.random.split(jax.random.key(3), 80)
    strings = jax.jit(jax.vmap(reber(steps=20).sample, out_axes=-1))(keys)
    return lane(strings, slice(40)), lane(strings, slice(40, None))


def test_it_learns_the_reber_grammar(grammar):
    training, test = grammar
    config = build(lane(LANES, 0))._replace(
        net=cascade_net(7, 7, 6),
        task=set_pairs(paired(training), paired(test), inputs=7),
        learner=cascade_correlation(),
        stop=both_sets_right(40, 40),
        max_sequences=10**6,
        batch=40,
    )
    ended = []
    trial = make_trial(lambda settings: config)
    found = run_trials(trial, KEY, 4, lanes=2, on_finished=ended.append)
    assert sum(record["phase"] == "solved" for record in found) >= 3

    @jax.jit
    def wrong(params):
        return most_active(unroll(config.net, params, test.inputs)[1], test).wrong.sum()

    for one in ended:
        assert (wrong(one.params) == 0) == (one.record["phase"] == "solved")
    solved = [record for record in found if record["phase"] == "solved"]
    assert all(record["units"] >= 1 for record in solved)  # control: it takes memory


# ---------------------------------------------------------------- refusals


def refused(config: TrialConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message) as found:
        jax.eval_shape(make_trial(lambda settings: config).init, KEY)
    assert "\n" not in str(found.value)


def test_what_does_not_fit_is_refused():
    config = build(lane(LANES, 0))
    jax.eval_shape(make_trial(lambda settings: config).init, KEY)  # control
    sets = paired(sequence())
    refused(config._replace(net=readout(elman(SYMBOLS, 2), SYMBOLS)), "expected cascade_net")
    for batch in (None, 2, 8):  # with an evaluation set that would go in such batches
        sized = config._replace(batch=batch, stop=both_sets_right(4, 8))
        refused(sized, f"training set, 4, got {batch}")
    drawn = config.task._replace(training_set=None, training_size=0)
    stop = config.stop._replace(epoch=0)
    refused(config._replace(task=drawn, stop=stop), "lacks .*set_pairs")
    refused(config._replace(stop=both_sets_right(2, 4)), r"stop.epoch: expected 4, .*got 2")
    ends = sets.replace(
        targets=sets.targets[:, :1],
        goals=sets.goals[:, :1],
        mask=sets.mask[:, :1],
        targets_at="end",
    )
    refused(config._replace(task=set_pairs(ends, ends, inputs=SYMBOLS)), "expected 'steps'")
    with pytest.raises(ValueError, match="at least 1 candidate, got 0"):
        cascade_correlation(pool=0)
