"""The neural sequence chunker: two nets that compress the history of their inputs.

Schmidhuber, Learning complex, extended sequences using the principle of history
compression, Neural Computation 4(2), 1992; "CH" in Table 2 of the 1997 paper. The
*automatizer* A reads every symbol and predicts the next one. The *chunker* C reads only
the symbols that A did not expect and predicts the next of those: where the sequence is
regular, a long lag of A's is a short one of C's. A has further outputs that must
reproduce the state of C at every step, so that A is told early what is worth keeping.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.losses import squared_error
from lstm_jax.networks.unroll import initial_state
from lstm_jax.ops.lanes import tree_where
from lstm_jax.ops.linear import is_symbol
from lstm_jax.types import (
    Array,
    Cell,
    GradientRule,
    Key,
    Loss,
    LossAndGrads,
    OnlineGradient,
    Params,
    State,
)


class TwoNets(NamedTuple):
    """Parameters of both nets."""

    automatizer: Params
    chunker: Params


class Chunking(NamedTuple):
    """What a trial needs of a chunker.

    Attributes:
      net: A's predictions; its parameters are `TwoNets`. C has no say in them: it is a
        teacher, who is not needed any more once A has learned.
      rule: changes the weights of both nets at every step; to be used with this net.
    """

    net: Cell
    rule: GradientRule


class Memory(NamedTuple):
    """What the rule carries from step to step.

    Attributes:
      automatizer: memory of A's own rule.
      chunker: memory of C's own rule, before C's last input.
      state: of C, before its last input.
      last: `(*lanes)` int32, C's last input.
      unexpected: `(*lanes)` bool, whether the input to come was not predicted by A.
    """

    automatizer: Any
    chunker: Any
    state: State
    last: Array
    unexpected: Array


def sequence_chunker(
    automatizer: Cell,
    chunker: Cell,
    rule: GradientRule,
    *,
    threshold: float | Array = 0.25,
    imitation: float | Array = 1.0,
    whole_state: bool = False,
) -> Chunking:
    """The 2-net form of the chunker, one step at a time.

    An input is unexpected if any of A's predictions of it is more than `threshold` off,
    or if nothing was predicted: at the start of a sequence and after a step without
    error signal. C then learns to predict this input from its own last one (as far as
    there is an error signal), and takes it in with the changed weights; until the next
    unexpected input it stays as it is. A's error is that of its predictions, by the loss
    of the rule, and `imitation / 2` times the squared differences between its further
    outputs and the state of C, which has taken in the present input if that was
    unexpected. Both nets learn at the steps with an error signal only; the error of a
    step is that of A and of C together.

    Decisions. The two nets learn from the same step's error, each with the weights that
    it had before. C gets no representation of the time of its inputs: the nets of the
    1997 paper have no units for it, and the task of 1992 that is most like experiment 2a
    did without. The threshold is ours, by default the tolerance of experiment 2; so is
    `imitation`, for the parts of A's error have no weights in the papers. There is no
    teacher beside the sequence itself, whose targets would be further inputs of A.

    Args:
      automatizer: A, a cell whose first outputs are the predictions, one a symbol; the
        others stand for the state of C, one for every component.
      chunker: C, a cell with as many outputs as there are symbols.
      rule: how each of them learns, `rtrl` say, or `forward_traces` where
        both are made of memory blocks, which the 1997 paper names as future work.
      threshold: the largest error of a prediction that counts as correct.
      imitation: how much C's state counts in A's error; 0 leaves A to itself.
      whole_state: whether C's output units are part of its state, as in 1992; in the nets
        of the 1997 paper it is the hidden unit alone.

    Raises:
      ValueError: the nets do not fit together; by the rule, inputs that are no symbols.

    Example:
      >>> from lstm_jax.cells.simple import elman
      >>> from lstm_jax.gradients import rtrl
      >>> from lstm_jax.tasks import fixed_distractors
      >>> from lstm_jax.networks.readout import readout
      >>> nets = readout(elman(5, 1), outputs=6), readout(elman(5, 1), outputs=5)
      >>> net, rule = sequence_chunker(*nets, rtrl)
      >>> params, steps = net.init(jax.random.key(0)), rule.online(net, squared_error)
      >>> memory, update = steps.init(params), jax.jit(steps.update)
      >>> sequence = fixed_distractors(4).sample(jax.random.key(1))
      >>> for moment in zip(sequence.inputs, sequence.targets, sequence.mask):
      ...     memory, learned = update(params, memory, *moment)
      ...     params = jax.tree.map(lambda w, g: w - 1.0 * g, params, learned.grads)
    """
    _check(automatizer, chunker, whole_state)
    online, symbols = rule.online, chunker.outputs
    if online is None:
        raise ValueError(f"expected a rule with an on-line form, rtrl say, got {rule.name}")

    def init(key: Key) -> TwoNets:
        for_automatizer, for_chunker = jax.random.split(key)
        return TwoNets(automatizer.init(for_automatizer), chunker.init(for_chunker))

    def step(params: TwoNets, state: State, x: Array) -> tuple[State, Array]:
        state, y = automatizer.step(params.automatizer, state, x)
        return state, y[:symbols]

    def bind(net: Cell, loss: Loss) -> OnlineGradient:
        def error(output: Array, target: Array) -> Array:
            predicted = loss(output[:symbols], target[:symbols])
            return predicted + imitation * squared_error(output[symbols:], target[symbols:])

        rules = TwoNets(online(automatizer, error), online(chunker, loss))
        return _steps(chunker, rules, threshold, whole_state)

    net = Cell(init, automatizer.initial_state, step, automatizer.inputs, symbols)
    return Chunking(net, GradientRule("sequence_chunker", online=bind, draws=rule.draws))


def _steps(chunker: Cell, rules: TwoNets, threshold, whole_state: bool) -> OnlineGradient:
    def init(params: TwoNets, lanes: tuple[int, ...] = (), key: Key | None = None) -> Memory:
        # one key in each lane: the two nets draw from streams of their own
        for_a, for_c = (None, None) if key is None else _two(key)
        return Memory(
            rules.automatizer.init(params.automatizer, lanes, for_a),
            rules.chunker.init(params.chunker, lanes, for_c),
            initial_state(chunker, params.chunker, lanes),
            jnp.zeros(lanes, jnp.int32),
            jnp.ones(lanes, bool),
        )

    def update(params: TwoNets, memory: Memory, x: Array, target: Array, mask: Array | bool):
        if not is_symbol(x):
            raise ValueError(f"expected integer symbols as inputs, got {x.dtype}")
        last = jnp.where(memory.unexpected, x.astype(jnp.int32), memory.last)
        state, y = chunker.step(params.chunker, memory.state, last)
        both = jnp.concatenate([target, _flat(state, target), y if whole_state else y[:0]])
        automatizer, of_a = rules.automatizer.update(
            params.automatizer, memory.automatizer, x, both, mask
        )
        outputs = of_a.outputs[: len(target)]
        predicted = mask & (jnp.max(jnp.abs(outputs - target), axis=0) <= threshold)
        after, of_c = rules.chunker.update(
            params.chunker, memory.chunker, last, target, mask & ~predicted
        )
        stay = memory.chunker, memory.state
        after, state = tree_where(predicted, stay, (after, state))
        memory = Memory(automatizer, after, state, last, ~predicted)
        grads = TwoNets(of_a.grads, of_c.grads)
        return memory, LossAndGrads(of_a.loss + of_c.loss, outputs, grads)

    return OnlineGradient(init, update)


def _two(key: Key) -> tuple[Key, Key]:
    """Two keys in place of one in every lane."""
    split = jax.random.split
    for _ in range(key.ndim):
        split = jax.vmap(split, out_axes=1)
    one, other = split(key)
    return one, other


def _flat(state: State, like: Array) -> Array:
    """All components of a state, `(components, *lanes)`."""
    leaves = [leaf.reshape(-1, *like.shape[1:]) for leaf in jax.tree.leaves(state)]
    return jnp.concatenate(leaves).astype(like.dtype)


def _check(automatizer: Cell, chunker: Cell, whole_state: bool) -> None:
    components = sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(chunker.initial_state)))
    components += chunker.outputs * whole_state
    wanted = chunker.outputs + components
    if not automatizer.inputs == chunker.inputs == chunker.outputs:
        raise ValueError(
            "expected nets that read and predict the same symbols, got an automatizer with "
            f"{automatizer.inputs} inputs and a chunker with {chunker.inputs} inputs and "
            f"{chunker.outputs} outputs"
        )
    if automatizer.outputs != wanted:
        raise ValueError(
            f"expected an automatizer with {chunker.outputs} + {components} outputs, one a "
            f"symbol and one for every component of the chunker's state, got "
            f"{automatizer.outputs}; write outputs={wanted}"
        )
