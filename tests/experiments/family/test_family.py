"""Studies of the family: every rung can be trained, what is found is judged by its rule."""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest

from experiments.cli import COMMANDS
from experiments.common.errors import UserError
from experiments.common.files import HERE
from experiments.family import beginnings, continual, early_tasks, ladder, rungs, unsegmented
from experiments.family.collection import FAMILY
from experiments.studies.trial_source import TrialSource
from lstm_jax.ctc import ctc
from lstm_jax.tasks import unsegmented as task
from lstm_jax.training.trial import make_trial
from tests.experiments.synthetic import record

RUNGS = (*ladder.LADDER, *ladder.BESIDE, *beginnings.BEGINNINGS)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("says", [rung.says for rung in RUNGS])
def test_every_rung_is_a_trial_of_its_row(says):
    rung = next(rung for rung in RUNGS if rung.says == says)
    trial = make_trial(rungs.config(rungs.of_row("6a", "literal"), rung))
    state = jax.eval_shape(trial.init, jax.random.key(0), jnp.float32(0.1))
    assert sum(leaf.size for leaf in jax.tree.leaves(state.learner.params)) > 0


@pytest.mark.parametrize("name", early_tasks.PROBLEMS)
def test_every_net_is_tried_on_every_early_task(name):
    problem = early_tasks.PROBLEMS[name]()
    for rung in early_tasks.NETS:
        trial = make_trial(rungs.config(problem, rung))
        state = jax.eval_shape(trial.init, jax.random.key(0), jnp.float32(0.1))
        assert state.curve.error.shape
    assert problem.trial.max_sequences == early_tasks.CAP


def test_ways_to_begin_are_what_they_are_called():
    net = rungs.of_row("6a", "literal").net
    begun = {rung.says: rung.cell(net).init(jax.random.key(0)) for rung in beginnings.BEGINNINGS}
    gates = {says: (p.bias_ih + p.bias_hh).reshape(4, rungs.CELLS)[:2] for says, p in begun.items()}
    np.testing.assert_array_equal(gates["Keras"], [[0] * 4, [1] * 4])
    np.testing.assert_array_equal(gates["forget bias 1"][1], [1] * 4)
    shut = (
        np.repeat(np.float32(net.input_gate), 2)
        + begun["forget bias 5, input gates shut"].bias_hh[:4]
    )
    np.testing.assert_allclose(gates["forget bias 5, input gates shut"], [shut, [5] * 4], rtol=1e-6)
    let_in, kept = gates["chrono, T = 100"]
    np.testing.assert_array_equal(-let_in, kept)
    hidden = begun["Keras"].weight_hh
    np.testing.assert_allclose(hidden.T @ hidden, np.eye(4), atol=1e-6)
    assert np.abs(begun["weights of 1997"].weight_hh).max() <= net.weights


@pytest.mark.parametrize(
    ("failing", "holds"),
    [(("torch", "Keras"), True), (("torch",), False), ((), False), (("chrono",), False)],
)
def test_beginnings_are_judged_by_their_rule(tmp_path, failing, holds):
    source = Told(tmp_path, lambda name: not any(f in name for f in failing))
    assert beginnings.beginnings(source).holds is holds


def test_early_tasks_are_judged_by_their_rule(tmp_path):
    one_is_best = Told(tmp_path, lambda name: "GRU" in name)
    nobody_is = Told(tmp_path, lambda name: ("GRU" in name) == ("XOR" in name))
    assert not early_tasks.early_tasks(one_is_best).holds
    assert early_tasks.early_tasks(nobody_is).holds


class Told(TrialSource):
    """A source that is told which trials succeed."""

    def __init__(self, folder, succeed):
        super().__init__(folder)
        self.succeed = succeed

    def trials(self, name, trial, number, **_):
        return [
            record(i, 10_000 + i) if self.succeed(name) else record(i, 200_000, phase="capped")
            for i in range(number)
        ]


@pytest.mark.parametrize(
    ("failing", "holds"),
    [
        (("torch", ".Adam"), True),
        ((), False),
        (("torch",), False),
        (("torch", "Adam"), False),
        (("1997", "torch", ".Adam"), False),
    ],
)
def test_the_ladder_is_judged_by_its_rule(tmp_path, failing, holds):
    found = ladder.ladder(Told(tmp_path, lambda name: not any(f in name for f in failing)))
    assert found.holds is holds
    one = found.numbers["6a"]["1997"]
    assert one["trials"] == rungs.TRIALS and set(one["rates"]) == {str(r) for r in rungs.SGD}


def test_a_string_is_wrong_where_its_labels_are():
    sequence = task(2).sample(jax.random.key(0))
    n = int(sequence.target_length)
    # every label once, a blank between
    labels = sequence.targets[:n].argmax(axis=1)
    path = jnp.zeros(len(sequence.inputs), jnp.int32).at[1 : 2 * n : 2].set(labels)
    logits = 20 * jax.nn.one_hot(path, task(2).outputs)
    assert not unsegmented.spelling(logits, sequence).wrong
    assert float(ctc.error(logits, sequence)) < 1e-3
    spoilt = unsegmented.spelling(logits.at[1].set(logits[0]), sequence)
    assert spoilt.wrong and float(spoilt.error) == pytest.approx(1 / n)


def test_continual_nets_differ_in_what_they_are_named_by():
    nets = [continual.config(*how)(0.1) for how in continual.NETS.values()]
    assert [c.learner.resets for c in nets] == [True, *2 * ("after_errors", False)]
    sizes = [
        sum(leaf.size for leaf in jax.tree.leaves(c.net.init(jax.random.key(0)))) for c in nets
    ]
    assert sizes[0] == sizes[1] == sizes[2] < sizes[3] == sizes[4]


def test_the_command_names_what_there_is(tmp_path, capsys):
    with pytest.raises(UserError, match="no study is called"):
        COMMANDS["family"](("laddr",), folder=tmp_path)
    with pytest.raises(UserError, match="has no family"):
        COMMANDS["family"]((), folder=tmp_path, only_report=True)


def test_the_page_that_is_kept_is_up_to_date():
    kept = FAMILY.read(HERE)
    assert set(kept) == set(FAMILY.studies), "run `python -m experiments family`"
    page = (FAMILY.folder(HERE) / "README.md").read_text()
    assert page == FAMILY.page(kept), "run `python -m experiments family --only-report`"
    for name in kept:
        assert (FAMILY.folder(HERE) / f"{name}.png").exists()
