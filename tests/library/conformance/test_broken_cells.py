"""For every promise of a cell and of a net one that breaks it, which is caught and named."""

import itertools

import jax
import jax.numpy as jnp
import pytest

import lstm_jax as lj
from lstm_jax.gradients.truncated import cut
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import is_symbol
from tests.library.contracts import family, nets

LSTM, GRU = family.lstm(2, 2), family.gru(2, 2)
PARTS = LSTM.net_inputs
counter = itertools.count(1)


def with_step(change):
    """The LSTM whose step returns `change(state, y, state before, params, x)`."""

    def step(params, state, x):
        return change(*LSTM.step(params, state, x), state, params, x)

    return LSTM._replace(step=step)


def with_parts(**changes):
    return LSTM._replace(net_inputs=PARTS._replace(**changes))


def with_split(split):
    return LSTM._replace(carousel=lj.Carousel(split, diagonal=True))


def with_inputs(change):
    return LSTM._replace(step=lambda params, state, x: LSTM.step(params, state, change(x)))


def lucky_shape(key):
    more = int(jax.random.key_data(key)[-1]) % 2
    return LSTM.init(key)._replace(bias_ih=jnp.zeros(8 + more))


def overwriting(traces, e, state, x):
    return PARTS.add_outer(jax.tree.map(jnp.zeros_like, traces), e, state, x)


def one_bias(traces, e, state, x):
    return PARTS.add_outer(traces, e, state, x)._replace(bias_hh=traces.bias_hh)


def unit_by_unit(traces, e, state, x):
    return PARTS.add_outer(traces, e * jnp.ones(8)[(..., *[None] * (e.ndim - 1))], state, x)


BROKEN = {
    "init draws from elsewhere": (
        LSTM._replace(init=lambda key: LSTM.init(jax.random.key(next(counter)))),
        "init: gives other parameters for the same key",
    ),
    "init makes other shapes": (
        LSTM._replace(init=lucky_shape),
        "init: shapes depend on the key",
    ),
    "init makes numbers": (
        LSTM._replace(init=lambda key: {"w": 1.0}),
        "init: expected a pytree of JAX arrays",
    ),
    "a state that begins at 1": (
        LSTM._replace(
            initial_state=lambda lanes=(), dtype=None: family.LSTMState(
                jnp.ones((2, *lanes), dtype), jnp.zeros((2, *lanes), dtype)
            )
        ),
        "initial_state: expected zeros",
    ),
    "a state without lanes": (
        LSTM._replace(initial_state=lambda lanes=(), dtype=None: LSTM.initial_state((), dtype)),
        r"initial_state\(\(2,\)\): expected shapes",
    ),
    "a state of one type": (
        LSTM._replace(initial_state=lambda lanes=(), dtype=None: LSTM.initial_state(lanes)),
        r"initial_state\(lanes, float32\) is of \['float64'\]; write jnp.zeros\(shape, dtype\)",
    ),
    "a state made without a type": (
        LSTM._replace(initial_state=lambda lanes=(): LSTM.initial_state(lanes)),
        "initial_state: raised TypeError",
    ),
    "another number of outputs": (
        LSTM._replace(outputs=3),
        r"step: expected outputs of shape \(3,\), got \(2,\)",
    ),
    "a state that changes its type": (
        with_step(lambda new, y, *_: (new._replace(c=new.c.astype(jnp.float32)), y)),
        "step: expected the state as it came",
    ),
    "a step that remembers": (
        with_step(lambda new, y, *_: (new, y * next(counter))),
        "step: gives something else when it is asked again",
    ),
    "lanes that mix": (
        with_inputs(lambda x: x - jnp.mean(x, -1, keepdims=True)),
        r"step: lane 0 of 3 with shared weights is not what it is alone",
    ),
    "symbols as numbers": (
        with_inputs(
            lambda x: jnp.zeros((2, *x.shape)) + 0.5 * x.astype(float)[None] if is_symbol(x) else x
        ),
        "symbols: an integer input is not what its one-hot vector is",
    ),
    "read of another time": (
        LSTM._replace(read=lambda params, state, x: state.c),
        "read: .* is not what the step returned",
    ),
    "a part that loses the rest": (
        with_split(lambda s: (s.c, lambda part: s._replace(c=part, h=0 * s.h))),
        "carousel: .* is not the state it was split from",
    ),
    "a part that cannot be replaced": (
        with_split(lambda s: (s.c, lambda part: s)),
        "carousel: what rebuild puts in, split does not take out",
    ),
    "a carousel that mixes, declared diagonal": (
        family.leaky(2, 2, diagonal=True),
        r"carousel.diagonal: components depend on one another .* diagonal=False",
    ),
    "rows that are no rows": (
        with_parts(rows=lambda params: (params, params.weight_ih.T)),
        "net_inputs: ",
    ),
    "a parameter beside the net inputs": (
        with_step(
            lambda new, y, old, params, x: (
                new._replace(h=new.h * along_lanes(params.bias_hh[:1], new.h)),
                y,
            )
        ),
        "net_inputs: activate.* is not the state after a step",
    ),
    "a parameter that no row has": (
        with_parts(rows=lambda params: params._replace(bias_hh=0 * params.bias_hh)),
        r"net_inputs: .*; \.bias_hh reach it otherwise",
    ),
    "an outer product without a bias": (
        with_parts(add_outer=one_bias),
        "net_inputs.add_outer: is not the outer product",
    ),
    "an outer product that is not added": (
        with_parts(add_outer=overwriting),
        "net_inputs.add_outer: does not add",
    ),
    "an outer product of all rows alone": (
        with_parts(add_outer=unit_by_unit),
        "net_inputs.add_outer: ",
    ),
    "a kind of row forgotten": (
        with_parts(carousel_rows=PARTS.carousel_rows[:2]),
        r"net_inputs.carousel_rows: row 2 feeds component 0 of the carousel and is not told of",
    ),
    "a component forgotten": (
        with_parts(carousel_rows=((4,), (0,), (2,))),
        "net_inputs.carousel_rows: expected one row for each of the 2 components",
    ),
    "rows of no carousel": (
        LSTM._replace(carousel=None),
        r"net_inputs.carousel_rows: expected \(\) without a carousel",
    ),
    "peepholes that look at the carousel": (
        family.peephole(2, 2, copies=False),
        "net_inputs.net_input: reads the carousel; let it read a copy",
    ),
    "a constant error that decays": (
        with_parts(constant_error=True),
        "net_inputs.constant_error: .*write constant_error=False",
    ),
    "a derivative that is another": (
        cut(GRU),
        "gradients: the gradient of .* is not the slope of the error",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_a_cell_breaks_is_named(name):
    cell, finding = BROKEN[name]
    with pytest.raises(ValueError, match=finding) as raised:
        lj.check_cell(cell)
    first, *findings = str(raised.value).splitlines()
    assert first == f"the cell breaks {len(findings)} of what its contract promises:"


def test_hints_are_no_errors():
    carousel = GRU.carousel._replace(diagonal=False)
    with pytest.warns(UserWarning, match="declared not diagonal, but no component depended"):
        lj.check_cell(GRU._replace(carousel=carousel))
    block = lj.memory_block(lj.Topology(inputs=2, blocks=(1,)))
    parts = block.net_inputs._replace(constant_error=False)
    with pytest.warns(UserWarning, match="constant_error=True"):
        lj.check_cell(block._replace(net_inputs=parts))
    with pytest.warns(UserWarning, match=r"\.bias, of which some get no gradient"):
        lj.check_cell(lj.readout(lj.elman(2, 2), 1, bias_trained=False))


NET = nets.feed_forward(2, 3, 1)
BACK = nets.bidirectional(lj.elman(2, 2), lj.elman(2, 2), 1)


def with_apply(change, net=NET, **fields):
    def apply(params, inputs, length, key=None):
        return change(net.apply(params, inputs, length, key), inputs, key)

    return net._replace(apply=apply, **fields)


BROKEN_NETS = {
    "another number of outputs": (
        NET._replace(outputs=2),
        r"apply: expected outputs \(target_time, 2\), got shape \(4, 1\)",
    ),
    "no key": (
        NET._replace(apply=lambda params, inputs, length: NET.apply(params, inputs, length)),
        "apply: raised TypeError",
    ),
    "lanes that mix": (
        with_apply(lambda y, x, key: y - jnp.mean(y, -1, keepdims=True)),
        "apply: lane 0 of 3 with shared weights is not what it is alone",
    ),
    "reversal of the padding": (
        BACK._replace(apply=lambda p, x, length, key: BACK.apply(p, x, jnp.full_like(length, 4))),
        "length: what lies behind the end matters",
    ),
    "noise that is not declared": (
        nets.dropout(2, 3, 1)._replace(draws=False),
        r"draws: a key changes the outputs; write Net\(..., draws=True\)",
    ),
    "noise that is not there": (NET._replace(draws=True), "draws: a key changes nothing"),
    "one noise for all lanes": (
        with_apply(
            lambda y, x, key: y if key is None else y * jax.random.uniform(key.ravel()[0]),
            draws=True,
        ),
        "draws: all lanes draw the same",
    ),
    "a net that remembers": (
        with_apply(lambda y, x, key: y * next(counter)),
        "apply: gives something else when it is asked again",
    ),
}


@pytest.mark.parametrize("name", BROKEN_NETS)
def test_what_a_net_breaks_is_named(name):
    net, finding = BROKEN_NETS[name]
    with pytest.raises(ValueError, match=finding):
        lj.check_net(net, steps=4)
