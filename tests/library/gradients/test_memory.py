"""What each rule keeps, how often it is traced, what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.gradients import by_definition, forward_traces, parallel_scan
from lstm_jax.losses import squared_error
from lstm_jax.types import Carousel
from tests.support.bridge import assert_close, net_of
from tests.support.forms import RULES, SMALL, STEPS, TRUNCATED, ended, learner, problem

TOPOLOGY = SMALL["1997"]
NUMBER = 4  # bytes


def scratch(rule: str, steps: int, ends: bool) -> int:
    """Bytes of working memory, beside the arguments; with the outputs of every step."""
    params, sequence = problem(TOPOLOGY, 1, steps).ask()
    sequence = ended(sequence) if ends else sequence
    learn = jax.jit(RULES[rule](net_of(TOPOLOGY), squared_error))
    memory = learn.lower(params, sequence).compile().memory_analysis()
    return memory.temp_size_in_bytes


@pytest.mark.parametrize("ends", [False, True], ids=["every step", "end only"])
@pytest.mark.parametrize("rule", ["forward_traces", "rtrl"])
def test_memory_of_what_is_carried_forward_does_not_grow_with_the_length(rule, ends):
    short, long = (scratch(rule, steps, ends) for steps in (100, 1000))
    assert 0 < long <= short + (0 if ends else 900 * NUMBER)  # the number of each step


def test_memory_of_the_definition_does():  # control
    short, long = (scratch("by_definition", steps, True) for steps in (100, 1000))
    assert long > short + 900 * NUMBER * TOPOLOGY.units


@pytest.mark.parametrize("rule", RULES)
def test_new_numbers_are_no_new_trace(rule):
    traced = []

    def counting(output, target):
        traced.append(None)
        return squared_error(output, target)

    learn = jax.jit(RULES[rule](net_of(TOPOLOGY), counting))
    learn.trace(*problem(TOPOLOGY, 1, 3).ask())
    once = len(traced)
    for steps in range(1, STEPS + 1):
        learn.trace(*problem(TOPOLOGY, steps, steps).ask())
    assert len(traced) == once > 0
    learn.trace(*problem(TOPOLOGY, 1, 3).symbolic().ask_symbols())  # control: another type
    assert len(traced) > once


@pytest.mark.parametrize("rule", RULES)
def test_answers_have_the_shapes_that_are_promised(rule):
    params, sequence = problem(TOPOLOGY, 1).ask()
    lanes = (5, 2)

    def spread(leaf):
        return jax.ShapeDtypeStruct((*leaf.shape, *lanes), leaf.dtype)

    learn = RULES[rule](net_of(TOPOLOGY), squared_error)
    own, lots = jax.tree.map(spread, params), jax.tree.map(spread, sequence)
    for weights in (own, params):
        learned = jax.eval_shape(learn, weights, lots)
        assert learned.loss.shape == lanes
        assert learned.outputs.shape == (STEPS, TOPOLOGY.outputs, *lanes)
        like = jax.eval_shape(lambda w: w, weights)
        assert jax.tree.map(lambda g: (g.shape, g.dtype), learned.grads) == jax.tree.map(
            lambda w: (w.shape, w.dtype), like
        )


def reading_the_carousel(net):
    """The same net, whose net inputs read the carousel itself: peepholes without a copy."""
    parts = net.net_inputs

    def net_input(rows, state, x):
        return parts.net_input(rows, state, x) + 0 * jnp.sum(state.cell_state, axis=0)

    return net._replace(net_inputs=parts._replace(net_input=net_input))


UNFIT = {
    "no net inputs": (lambda net: net._replace(net_inputs=None), "without net_inputs"),
    "no carousel": (lambda net: net._replace(carousel=None), "without a carousel; use bptt"),
    "not diagonal": (
        lambda net: net._replace(carousel=net.carousel._replace(diagonal=False)),
        r"do not mix from step to step \(Carousel\(diagonal=True\)\)",
    ),
    "two arrays": (
        lambda net: net._replace(
            carousel=Carousel.of_fields("cell_state", "activations", diagonal=True)
        ),
        "a carousel of one array, got 2",
    ),
    "read by the net inputs": (reading_the_carousel, "do not read the carousel"),
}


@pytest.mark.parametrize(("change", "complaint"), UNFIT.values(), ids=UNFIT.keys())
@pytest.mark.parametrize("online", [False, True], ids=["over a sequence", "on-line"])
def test_traces_say_what_they_need(online, change, complaint):
    params, sequence = problem(TOPOLOGY, 1).ask()

    def begin(net):
        if online:
            return forward_traces.online(net, squared_error).init(params)
        return forward_traces(net, squared_error)(params, sequence)

    with pytest.raises(ValueError, match=complaint) as refusal:
        jax.eval_shape(lambda: begin(change(net_of(TOPOLOGY))))
    message = str(refusal.value)
    assert "\n" not in message and "use b" in message
    assert jax.eval_shape(lambda: begin(net_of(TOPOLOGY)))  # control


def test_the_parallel_scan_says_what_it_needs():
    net = net_of(TOPOLOGY)
    mixing = net._replace(carousel=net.carousel._replace(diagonal=False))
    with pytest.raises(ValueError, match=r"parallel_scan needs .* use by_definition"):
        parallel_scan(mixing, squared_error)
    assert parallel_scan(net, squared_error) and by_definition(mixing, squared_error)  # control


@pytest.mark.parametrize("rule", ["by_definition", "parallel_scan"])
def test_the_others_do_without(rule, x64):
    net = net_of(TOPOLOGY)._replace(net_inputs=None)
    given = problem(TOPOLOGY, 1, STEPS).ask()
    learned = jax.jit(TRUNCATED[rule](net, squared_error))(*given)
    assert_close(learned, learner(TOPOLOGY)(*given)[rule], 1e-13)


@pytest.mark.parametrize("rule", RULES)
def test_biases_that_are_not_trained_have_no_gradient(rule, x64):
    topology = SMALL["everything"]
    given = problem(topology, 2, STEPS)
    free = learner(topology)(*given.ask())[rule].grads
    held_net = net_of(topology, untrained=("cell", "output_gate", "hidden"), bias_trained=False)
    held = jax.jit(RULES[rule](held_net, squared_error))(*given.ask()).grads
    frozen = np.array([True] * 3 + [False] * 2 + [True] * 2 + [False] * 2 + [True] * 2)
    bias, freely = np.asarray(held.cell.bias), np.asarray(free.cell.bias)
    assert not np.any(bias[frozen]) and not np.any(held.bias)
    assert np.all(freely) and np.all(free.bias)  # control
    np.testing.assert_allclose(bias[~frozen], freely[~frozen], rtol=1e-12)
    np.testing.assert_allclose(held.cell.from_hidden, free.cell.from_hidden, rtol=1e-12)
