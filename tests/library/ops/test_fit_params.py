"""Parameters, states, lengths that do not fit are refused in one line, wherever they are given."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lstm_jax as lj
from lstm_jax import ctc, gradients, judging, losses, stopping, tasks
from lstm_jax.types import Sequence
from tests.support.rules import RULES

KEY = jax.random.key(0)
CELL = lj.lstm(3, 4)
PARAMS = CELL.init(KEY)
X = np.zeros((5, 3, 6), np.float32)
LENGTH = np.array([5, 3, 0, 1, 2, 5], np.int32)
LAYERS = lj.layers(lambda inputs: lj.lstm(inputs, 4), 3, 2, both_directions=True)
WEIGHTS = lj.init_layers(LAYERS, KEY)


def refused(call, says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        call()
    assert "\n" not in str(error.value)


def net(outputs: int, blocks=(2, 1)):
    return lj.readout(lj.memory_block(lj.Topology(inputs=2, blocks=blocks)), outputs)


def sequence(outputs: int = 3) -> Sequence:
    x, d = np.ones((7, 2), np.float32), np.zeros((7, outputs), np.float32)
    return Sequence(x, d, d, np.ones(7, bool), np.int32(7))


OTHERS = {
    "fewer outputs": (net(1).init(KEY), r"params\.from_cell: expected .* \(3, 3\), got .*\(1, 3\)"),
    "other blocks": (net(3, (3,)).init(KEY), r"params\.cell\.from_inputs: expected"),
    "nothing": (None, r"params\.cell\.from_inputs: expected .*got none of that name"),
    "a bias that broadcasts": (
        net(3).init(KEY)._replace(bias=jnp.zeros(1)),
        r"params\.bias: expected float32 of shape \(3,\), got float32 of shape \(1,\)",
    ),
    "whole numbers": (
        jax.tree.map(lambda w: w.astype(int), net(3).init(KEY)),
        r"params\.cell\.from_inputs: expected float32 .* got int",
    ),
    "without a bias": (net(3).init(KEY)._replace(bias=None), r"params\.bias: .* got None"),
    "more": ((net(3).init(KEY), jnp.zeros(1)), r"params\.cell\.from_inputs: .*got none of"),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_refuses_parameters_of_another_net(rule, name):
    params, says = OTHERS[name]
    refused(lambda: RULES[rule](net(3), losses.squared_error)(params, sequence()), says)


@pytest.mark.parametrize("name", OTHERS)
def test_so_do_on_line_forms_and_runs(name):
    params, says = OTHERS[name]
    online = gradients.forward_traces.online(net(3), losses.squared_error)
    refused(lambda: online.init(params), says)
    refused(lambda: lj.unroll(net(3), params, sequence().inputs), says)
    refused(lambda: lj.record(net(3), params, sequence().inputs, lambda *_: None), says)


def test_lanes_of_parameters_are_those_of_the_sequence():
    own = jax.vmap(CELL.init, out_axes=-1)(jax.random.split(KEY, 6))
    run = jax.jit(lambda params: lj.unroll(CELL, params, X)[1])
    assert run(own).shape == run(PARAMS).shape == (5, 4, 6)
    mixed = own._replace(bias_ih=PARAMS.bias_ih)
    assert run(mixed).shape == (5, 4, 6)
    for wrong in (
        jax.tree.map(lambda w: w[..., :5], own),
        jax.vmap(CELL.init)(jax.random.split(KEY, 6)),
    ):
        refused(
            lambda wrong=wrong: run(wrong), r"params\.weight_ih: expected .* or \(16, 3, 6\), got"
        )


def test_nothing_is_known_of_a_net_that_cannot_be_drawn():
    def never(key):
        raise RuntimeError

    _, y = lj.unroll(CELL._replace(init=never), PARAMS, X)
    np.testing.assert_allclose(y, lj.unroll(CELL, PARAMS, X)[1], atol=1e-6)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"inputs": np.moveaxis(X, 0, -1)}, r"inputs: expected reals \(time, 3, 5\)"),
        ({"inputs": np.moveaxis(X, 2, 1)}, r"inputs: expected reals \(time, 3, 3\)"),
        ({"inputs": np.array([0, 5, -1])}, "inputs: expected values from 0 to 2, 3 symbols, got 5"),
        ({"length": LENGTH + 1}, "length: expected values from 0 to 5, the number of steps, got 6"),
        (
            {"length": LENGTH - 1},
            "length: expected values from 0 to 5, the number of steps, got -1",
        ),
        ({"length": LENGTH * 0.5}, "length: expected integers of shape"),
        ({"length": LENGTH > 2}, "length: expected integers of shape"),
        ({"length": 3}, r"inputs: expected reals \(time, 3\) or .* beside a length of shape \(\)"),
        ({"state": LENGTH}, r"state\.c: expected .*, got none .* length goes by its name"),
        ({"state": CELL.initial_state((5,))}, r"state\.c: expected float32 of shape \(4, 6\), got"),
        ({"state": lj.gru(3, 4).initial_state((6,))}, r"state\.c: expected"),
    ],
)
def test_what_a_cell_is_run_over_is_refused(given, says):
    refused(lambda: lj.unroll(CELL, PARAMS, **{"inputs": X, **given}), says)


def test_and_what_fits_is_not():
    state, _ = lj.unroll(CELL, PARAMS, X, length=LENGTH)
    lj.unroll(CELL, PARAMS, X, state, LENGTH)
    lj.unroll(CELL, PARAMS, np.array([0, 2, 1]))
    jax.jit(lambda n: lj.unroll(CELL, PARAMS, X, length=n))(
        LENGTH + 9
    )  # not to be seen: one meaning


def test_layers_have_an_entry_a_cell():
    one_way = lj.layers(lambda inputs: lj.lstm(inputs, 4), 3, 2)
    refused(lambda: lj.run_layers(one_way, WEIGHTS, X), r"params: .* \(1, 1\) in .* got \(2, 2\)")
    refused(lambda: lj.run_layers(LAYERS, WEIGHTS[:1], X), r"params: expected one entry a cell")
    refused(lambda: lj.run_layers(LAYERS, lj.init_layers(one_way, KEY), X), "params: expected one")
    states, _ = lj.run_layers(LAYERS, WEIGHTS, X)
    refused(lambda: lj.run_layers(LAYERS, WEIGHTS, X, states[:1]), "states: expected one entry")
    lj.run_layers(LAYERS, WEIGHTS, X, states)


def test_a_projection_belongs_to_a_cell_with_one():
    cells = lj.layers(lambda inputs: lj.lstm(inputs, 4), 3, 1)
    names = lj.to_torch(lj.init_layers(cells, KEY))
    narrow = {**names, "weight_hr_l0": np.ones((4, 4), np.float32)}
    refused(
        lambda: lj.run_layers(cells, lj.from_torch(narrow), X),
        r"params\.weight_hr: expected None, got float32 of shape \(4, 4\)",
    )


NETS = {
    "feed-forward": lj.feed_forward(3, 2),
    "dropout": lj.dropout(3, 0.5),
    "layer norm": lj.layer_norm(3),
    "layers": lj.net_of_layers(LAYERS, dropout=0.5),
    "grid": lj.grid_lstm((5,), 3, 2),
    "multidimensional": lj.multidimensional((5,), 3, 2),
    "running mean": lj.running_mean(3),
}


@pytest.mark.parametrize("name", NETS)
def test_nets_refuse_the_same(name):
    net = NETS[name]
    params = net.init(KEY)
    refused(lambda: net.apply(params, np.moveaxis(X, 2, 1), LENGTH), "inputs: expected reals")
    refused(lambda: net.apply(params, X, LENGTH + 99), "length: expected values from 0 to 5")
    refused(lambda: net.apply(params, X.astype(int), LENGTH), "inputs: expected reals")
    if net.draws:
        refused(
            lambda: net.apply(params, X, LENGTH, KEY), "the net: expected no key, or typed keys"
        )
        net.apply(params, X, LENGTH, jax.random.split(KEY, 6))
    net.apply(params, X, LENGTH)


def names_of(**changes):
    names = lj.to_torch(WEIGHTS) | changes
    return {name: value for name, value in names.items() if value is not None}


@pytest.mark.parametrize(
    ("state_dict", "says"),
    [
        ("weights.safetensors", "expected a mapping .*got a str; read a file by safetensors"),
        (names_of(bias_ih_l0=None), "bias_l0: expected bias_ih and bias_hh or neither"),
        (names_of(weight_ih_l1=np.ones((16, 4))), r"weight_ih_l1: expected shape \(16, 8\)"),
        (names_of(bias_hh_l0=np.ones(4)), r"bias_hh_l0: expected shape \(16,\) beside"),
        (names_of(weight_hh_l0=np.ones((4, 16))), r"_l0: expected shape"),
        (names_of(weight_ih_l0=np.ones((16, 3), int)), "weight_ih_l0: expected floats, got int"),
    ],
)
def test_weights_of_torch_go_together(state_dict, says):
    refused(lambda: lj.from_torch(state_dict), f"from_torch: .*{says}")


def test_weights_of_torch_that_do():
    for got, given in zip(
        jax.tree.leaves(lj.from_torch(names_of())), jax.tree.leaves(WEIGHTS), strict=True
    ):
        np.testing.assert_array_equal(got, given)


TWO = jax.vmap(tasks.adding(20).sample, out_axes=-1)(jax.random.split(KEY, 4))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"length": TWO.length - 50}, "training, length: expected values from 0 to 22"),
        ({"length": TWO.length + 50}, "training, length: expected values from 0 to 22"),
        ({"length": TWO.length * 0}, "training: expected an error signal in some sequence"),
        ({"mask": TWO.mask & False}, "training: expected an error signal in some sequence"),
        ({"inputs": jnp.full((22, 4), 9)}, "training, inputs: expected values from 0 to 1"),
    ],
)
def test_sequences_of_ones_own_are_looked_at(given, says):
    refused(lambda: tasks.from_sequences(TWO.replace(**given), inputs=2), says)


LOGITS, LABELS = np.zeros((5, 4), np.float32), np.array([1, 3])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"labels": np.array([1, 4])}, "labels: expected values from 1 to 3, .* got 4"),
        ({"labels": np.array([0, 1])}, "labels: expected values from 1 to 3, .* got 0"),
        ({"labels": LABELS + 0.5}, "labels: expected integers, got float"),
        ({"label_length": np.int32(99)}, "label_length: expected values from 0 to 2"),
        ({"length": np.int32(99)}, "length: expected values from 0 to 5"),
        ({"length": 2.5}, "length: expected integers"),
        ({"logits": LOGITS.astype(int)}, "logits: expected reals, got int"),
    ],
)
def test_labels_are_looked_at(given, says):
    fits = {"logits": LOGITS, "labels": LABELS, "length": np.int32(5), "label_length": np.int32(2)}
    assert np.isfinite(ctc.ctc_error(**fits))
    refused(lambda: ctc.ctc_error(**{**fits, **given}), says)
    behind = {**fits, "labels": np.array([1, 9]), "label_length": np.int32(1)}
    assert np.isfinite(ctc.ctc_error(**behind))  # behind the end there may be anything


def test_lengths_of_strings_are_looked_at():
    refused(lambda: ctc.best_path(LOGITS, np.int32(6)), "length: expected values from 0 to 5")
    refused(lambda: ctc.prefix_beam(LOGITS, np.int32(-1), 2), "length: expected values from 0 to 5")
    string = ctc.Labelling(LABELS, np.int32(2))
    refused(
        lambda: ctc.edit_distance(string._replace(length=np.int32(3)), string),
        r"found\.length: expected values from 0 to 2",
    )


@pytest.mark.parametrize("tolerance", [-1.0, float("nan")])
def test_a_tolerance_is_a_number(tolerance):
    refused(lambda: judging.within(tolerance), "tolerance: expected a number from 0")


@pytest.mark.parametrize("number", [0, -1, 1.5])
def test_a_stopping_rule_looks_at_sequences(number):
    refused(
        lambda: stopping.recent(number, stopping.Criterion()), "window: expected a whole number"
    )
    refused(lambda: stopping.streak(number), "length: expected a whole number")


@pytest.mark.parametrize("criterion", [{"wrong_below": -1}, {"error_below": float("nan")}])
def test_a_criterion_that_cannot_hold_is_refused(criterion):
    config = trial(stop=stopping.recent(9, stopping.Criterion(**criterion)))
    refused(lambda: config.init(KEY), f"stop: expected a criterion with {next(iter(criterion))}")


@pytest.mark.parametrize("batch", [0, -1, 1.5])
def test_a_batch_has_sequences(batch):
    refused(lambda: trial(batch=batch).init(KEY), "batch: expected a whole number from 1")


def trial(**changes):
    learner = lj.gradient_descent(gradients.bptt, losses.squared_error, optax.sgd(0.1))
    config = lj.TrialConfig(
        net(1), tasks.adding(20), learner, judging.within(0.1), stopping.streak(9), 99, 0
    )._replace(**changes)
    return lj.make_trial(lambda settings: config)


@pytest.mark.parametrize("inputs", [1, 7, 50])
def test_a_cell_says_how_many_inputs_it_takes(inputs):
    for cell in (lj.lstm(2, 3), lj.elman(2, 3)):
        refused_in_lines(cell._replace(inputs=inputs), rf"expected inputs of shape \({inputs},\)")


def test_more_inputs_than_are_tried_are_no_fault():
    """Not even of a cell that takes a single one by broadcasting."""
    cell = lj.elman(100, 2)

    def step(params, state, x):
        return cell.step(params, state, jnp.broadcast_to(x, (100, *x.shape[1:])))

    lj.check_cell(cell._replace(step=step, net_inputs=None, read=None))


def test_a_cell_that_gives_no_numbers_is_named():
    cell = lj.elman(2, 3)
    nan = cell._replace(
        read=None, net_inputs=None, step=lambda *a: (cell.step(*a)[0], jnp.nan * cell.step(*a)[1])
    )
    refused_in_lines(nan, "gives NaN or infinity")


def refused_in_lines(cell, says):
    with pytest.raises(ValueError, match=says):
        lj.check_cell(cell)


@pytest.mark.parametrize("size", [2.5, "3", None])
def test_sizes_are_whole_numbers(size):
    makes = (
        lambda: lj.lstm(size, 3),
        lambda: lj.elman(2, size),
        lambda: lj.Topology(inputs=size, blocks=(1,)),
        lambda: lj.readout(CELL, size),
        lambda: lj.layers(lambda inputs: lj.lstm(inputs, 2), 3, size),
        lambda: lj.feed_forward(3, size),
        lambda: lj.multidimensional((5,), 3, size),
    )
    for make in makes:
        refused(make, "expected a whole number, got")
    refused(lambda: lj.multidimensional(3, 3, 2), r"shape: expected a tuple of sizes, .* got 3")


@pytest.mark.parametrize("rule", RULES)
def test_rules_are_given_a_net_and_a_loss(rule):
    refused(lambda: RULES[rule](None, losses.squared_error), "net: expected a Cell or a Net")
    refused(lambda: RULES[rule](net(3), "mse"), "loss: expected a function .* got 'mse'")
    gradient = RULES[rule](net(3), losses.squared_error)
    params, given = net(3).init(KEY), sequence()
    refused(lambda: gradient(given, params), "sequence: expected a Sequence, got a Readout")
    for field in ("inputs", "targets", "mask", "length"):
        wrong = given.replace(**{field: None})
        refused(lambda wrong=wrong: gradient(params, wrong), f"{field}: expected an array, got a N")
    as_list = given.replace(inputs=given.inputs.tolist())
    refused(lambda: gradient(params, as_list), "inputs: expected an array, got a list")


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"net": None}, "net: expected a Cell or a Net, got a NoneType"),
        ({"task": None}, "task: expected a Task"),
        ({"learner": optax.sgd(0.1)}, r"learner: expected one such as gradient_descent"),
        ({"judge": 0.1}, r"judge: expected one such as judging.within\(0.1\), got a float"),
        ({"stop": stopping.Criterion()}, "stop: expected a Stop, got a Criterion"),
    ],
)
def test_a_trial_is_made_of_its_parts(part, says):
    refused(lambda: trial(**part).init(KEY), says)
