"""Whose folder it is, by itself: key, settings, shapes, programs, versions; each told in a line."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.training.trial import Trial, make_trial
from lstm_jax.trials import RunError, identity, lanes
from tests.library.trials.test_killed import ROOT
from tests.library.trials.tiny import (
    KEY,
    NUMBER,
    RATES,
    TRIAL,
    build,
    compiled_once,
    run,
    texts,
    with_params,
)


@pytest.fixture(scope="module", autouse=True)
def programs(tmp_path_factory):
    with compiled_once(tmp_path_factory.mktemp("programs")):
        yield


@pytest.fixture(scope="module")
def folder(programs, tmp_path_factory):
    """A folder with a run."""
    run(folder=(folder := tmp_path_factory.mktemp("run")), number=3)
    return folder


def longer(rate):
    return build(rate)._replace(max_sequences=900)  # a constant of the programs


def other_decision(rate):
    return build(rate)._replace(test_sequences=101)


def wider(rate):
    return build(rate["rate"])


@pytest.mark.parametrize(
    "change, says",
    [
        ({"key": jax.random.key(8)}, r"key: \[0, 7\] there, \[0, 8\] now"),
        ({"settings": RATES[:3] * 2}, r"settings of trial 0: 0\.1\d* there, 0\.2\d* now"),
        ({"settings": RATES[:3].astype(np.float16)}, r"settings\.: 'float32\[\]' there, 'float16"),
        ({"lanes": 4}, "lanes: 16 there, 4 now"),
        (
            {"trial": make_trial(other_decision)},
            r"the compiled advance of its trial: its net, task, .* is",
        ),
        ({"trial": make_trial(longer)}, r"state\.\.curve\.error: .*12\].*13\]|the compiled init"),
        ({"trial": make_trial(wider), "settings": {"rate": RATES[:3]}}, r"settings\.\['rate'\]"),
    ],
)
def test_another_run_is_refused_and_said_how(change, says, folder):
    before = (folder / "records.0.jsonl").read_bytes()
    with pytest.raises(RunError, match=rf"holds another run \(.*{says}") as refusal:
        run(**{"folder": folder, "number": 3, **change})
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 600
    assert (folder / "records.0.jsonl").read_bytes() == before


def test_the_same_run_is_welcome(folder):
    for trial in (TRIAL, make_trial(build)):  # the programs count, and no names
        for number in (3, 5, 2):
            again = run(trial, folder=folder, number=number)
            assert [r["trial"] for r in again.records] == list(range(number))
    assert run(folder=folder, number=3, devices=2, settings=np.float64(RATES[:3])).ended == {}


@pytest.mark.parametrize("name", ["lstm_jax", "jax", "jaxlib"])
def test_another_version_is_refused(name, folder):
    path = folder / "identity.json"
    kept = path.read_text()
    there = json.loads(kept)
    there["versions"][name] = "0.0.1"
    path.write_text(json.dumps(there))
    with pytest.raises(RunError, match=rf"versions\.{name}: '0\.0\.1' there"):
        run(folder=folder, number=3)
    path.write_text(kept)


PRINTED = """
import jax
jax.config.update("jax_num_cpu_devices", 3)
from lstm_jax.trials import lanes
from tests.library.trials.tiny import KEY, RATES, TRIAL
from lstm_jax.trials.identity import _hash
program = lanes.program_of(TRIAL, lanes.source_of(KEY, RATES), 16, 3)
print(*map(_hash, program.texts().values()))
"""


def test_programs_are_the_same_in_every_process_and_on_any_number_of_devices(folder):
    command = [sys.executable, "-c", PRINTED]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = json.loads((folder / "identity.json").read_text())["program"]
    assert told.split() == [there["init"], there["advance"]]


def test_a_constant_is_seen_however_large():
    def trial(table) -> Trial:
        def init(key, settings):
            state = TRIAL.init(key, settings)
            return with_params(state, jax.tree.map(lambda w: w + table.sum(), state.params))

        return TRIAL._replace(init=init)

    table = np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)
    other = table.copy()
    other[150, 150] += 1
    source = lanes.source_of(KEY, RATES)
    one, two = (
        identity.identity_of(lanes.program_of(trial(jnp.asarray(t)), source, 2, 1), source, 2, {})
        for t in (table, other)
    )
    assert one["program"]["init"] != two["program"]["init"]
    assert one["program"]["advance"] == two["program"]["advance"]


def test_what_it_cannot_see_it_does_not_see(folder):
    """As its docstring says: what a summary says is no part of the programs."""
    trial = TRIAL._replace(summary=lambda state: {"more": 1})
    assert texts(run(trial, folder=folder, number=NUMBER).records).keys() == set(range(NUMBER))
