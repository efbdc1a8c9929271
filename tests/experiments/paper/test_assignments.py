"""Settings by hand: every field takes what it says, and says what it takes."""

import pytest

from experiments.common.errors import UserError
from experiments.methods.build import build
from experiments.methods.trial_settings import settings
from experiments.paper.assignments import assignment
from experiments.paper.changes import differs
from experiments.paper.describe import describe
from experiments.paper.fields import FIELDS, OF_BLOCKS, fields
from experiments.paper.readings import LITERAL
from experiments.paper.select import every_reading, find_reading
from experiments.paper.settings import SETTINGS
from experiments.paper.tables import ROWS

ROW = ROWS["4-100"]
# of each field values that row 4-100 has not
OTHER = {
    "activation": ["linear"],
    "biased": ["cell,input_gate", "none"],
    "blocks": ["3,1", "2"],
    "cap": ["60"],
    "cell": ["gru", "lstm(forget_bias=5)", "rnn(nonlinearity=relu)"],
    "clip": ["1", "0.5"],
    "direct": ["true"],
    "end_only_once_grown": ["true"],
    "every_step": ["true"],
    "forget_gate": ["5", "1,2"],
    "gradient": ["full", "windowed(5)", "parallel_scan"],
    "growth": ["when_slow"],
    "input_gate": ["-3", "-1,-2", "none"],
    "input_gates": ["false"],
    "judged_at_end": ["true"],
    "judged_before_end": ["1"],
    "optimizer": ["adam", "sgd(momentum=0.9)"],
    "output_bias": ["false"],
    "output_bias_trained": ["false"],
    "output_gate": ["-1"],
    "output_gates": ["false"],
    "range_factors": ["false"],
    "rate": ["0.1", "1e-3"],
    "recurrence": ["cells", "none"],
    "recurrent_weights": ["0", "0.05"],
    "silent_below": ["0.1"],
    "silent_once_grown": ["true"],
    "squash_input": ["-1,1", "none"],
    "squash_state": ["-2,2"],
    "stop": ["streak(100)", "recent(500,(1,0.02))"],
    "task": ["parity(20)", "multiplication(30)"],
    "test": ["0", "100"],
    "tolerance": ["0.1", "none"],
    "untrained": ["cell", "cell,hidden"],
    "weights": ["0.5"],
    "window_counts": ["true"],
}
EACH = [(name, text) for name, texts in OTHER.items() for text in texts]


def test_every_setting_is_a_field():
    of_the_task = {"inputs", "outputs", "pairs"}  # which follow from it
    assert set(FIELDS) == set(SETTINGS) - of_the_task == set(OTHER)
    assert set(SETTINGS) > OF_BLOCKS


@pytest.mark.parametrize(("name", "text"), EACH)
def test_a_field_takes_another_value_and_a_result_tells_it(name, text):
    change = assignment(ROW, f"{name}={text}")
    read = ROW.with_settings(**change.change(ROW))
    assert differs(ROW, change.change(ROW)) and not differs(read, change.change(read))
    changed = {k for k, v in describe(read).items() if v != describe(ROW)[k]}
    assert changed == {name} or (name == "task" and changed <= {"task", "inputs", "outputs"})
    assert assignment(ROW, change.name).name == change.name


@pytest.mark.parametrize("name", sorted(FIELDS))
@pytest.mark.parametrize("text", ["nonsense", "nonsense(1)", "", "-7.5,(1,2)", "1e39", "'x'"])
def test_what_a_field_does_not_take_is_told_what_it_takes(name, text):
    with pytest.raises(UserError, match=f"^{name}: ") as error:
        assignment(ROW, f"{name}={text}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("foo=1", "no field of this row is called 'foo'"),
        ("rte=1", "did you mean rate.*there are"),
        ("rate", "expected FIELD=VALUE"),
        ("optimizer=adam(b9=1)", "adam takes b1, b2, .*no b9"),
        ("optimizer=adam(0.1)", "adam takes its options by name"),
        ("cell=lstm(2)", "lstm takes its options by name"),
        ("T=x", "T: expected a number"),
        ("rate=1e39", "single precision"),
        ("rate=1e-60", "single precision"),
        ("blocks=2.5", "cells of each block"),
        ("optimizer=adam(b1=adam(b1=1))", "optimizer: expected one of"),
        ("optimizer=adam(b1=2)", "b1: expected a number from 0 to below 1"),
        ("optimizer=adam(b1=foo)", "b1: expected a number"),
        ("cap=99999999999999999999", "from 1 to 2,146,435,072"),
        ("zzz=1", "there are T, activation"),
    ],
)
def test_one_line_says_what_there_is(text, says):
    with pytest.raises(UserError, match=says):
        assignment(ROW, text)


def test_the_task_has_its_parameters_and_what_follows_from_them_follows():
    read = find_reading(ROWS["2a"], "p=10").read(ROWS["2a"])
    assert (read.net.inputs, read.net.outputs, read.training.task().steps) == (11, 11, 11)
    narrow = find_reading(ROW, "second-sooner+T=50").read(ROW)
    assert narrow.training.task.args == (50,)
    assert narrow.training.task.keywords == {"second_among": 23}  # T / 2 - 2 of that T


def test_powers_of_ten_are_whole_numbers():
    assert assignment(ROW, "cap=1e3").change(ROW) == {"cap": 1000}


def test_readings_and_settings_are_one_language():
    both = find_reading(ROW, "Y+rate=0.20")
    assert both.name == "rate=0.2+gate-biases+tangent-output"
    assert both.read(ROW).training.rate == 0.2 and both.read(ROW).net.untrained == ("cell",)
    assert find_reading(ROW, both.name) == both
    assert find_reading(ROW, "rate=0.5").name == "literal"  # which it has


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("rate=0.2+half-rate", "rate=0.2 and half-rate exclude each other"),
        ("activation=linear+tangent-output", "activation=linear is undone by tangent-output"),
        ("rate=0.2+rate=0.3", "exclude each other"),
        ("cell=gru+gate-biases", "untrained is of memory blocks"),
        ("cell=gru+forget_gate=5", "forget_gate is of memory blocks"),
        ("blocks=2,2,2", "expected one bias or 3"),
        ("forget_gate=1,2,3", "expected one bias or 2"),
        ("task=adding", r"task: expected adding\(T, "),
    ],
)
def test_what_does_not_go_together_is_refused(name, says):
    with pytest.raises(UserError, match=says):
        find_reading(ROW, name)


def test_a_grid_is_every_value_with_every_other():
    names = [r.name for r in every_reading(ROW, LITERAL, ["blocks=(2,2),(1,1)", "rate=0.1,0.5"])]
    assert names == ["rate=0.1", "literal", "blocks=1,1+rate=0.1", "blocks=1,1"]
    with pytest.raises(UserError, match="T: T must be a whole number"):
        every_reading(ROW, LITERAL, ["T=50,-1"])
    with pytest.raises(UserError, match="blocks: expected"):
        every_reading(ROW, LITERAL, ["blocks=2,,2"])


@pytest.mark.parametrize("name", ["2a-rtrl-4-1", "1-elman", "1-rcc", "guess-4-100"])
def test_a_rival_has_the_fields_that_its_method_reads(name):
    there = fields(ROWS[name])
    assert {"cap", "weights"} <= set(there) and "blocks" not in there
    assert ("rate" in there) == (name in ("2a-rtrl-4-1", "1-elman"))
    read = find_reading(ROWS[name], "cap=100").read(ROWS[name])
    assert read.evaluation.cap == 100


def test_what_is_set_is_what_is_built():
    def config(name):
        read = find_reading(ROW, name).read(ROW)
        return build(read)(settings(read))

    assert config("T=50").task.steps == 55 and config("cap=60").max_sequences == 60
    assert config("forget_gate=5+blocks=2,2").net.outputs == 1
    rules = {str(config(f"gradient={g}").learner.rule) for g in ("full", "truncated", "rtrl")}
    assert len(rules) == 3
