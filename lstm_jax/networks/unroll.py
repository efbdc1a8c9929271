"""A cell run through time; with its derivative (`unroll_derivative`) all scans over it."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.networks.unroll_derivative import states_through_time, takes_weights_out
from lstm_jax.ops.fit import check_run, living_inputs, living_steps
from lstm_jax.ops.lanes import at_step, lanes_of, tree_where
from lstm_jax.types import Array, Cell, Key, Net, Params, Sequence, State, StepByNet

Remat = int | Literal["sqrt"] | None


def initial_state(cell: Cell, params: Params, lanes: tuple[int, ...] = ()) -> State:
    """The state before the first step, in the float type of the parameters."""
    leaves = jax.tree.leaves(params)
    return cell.initial_state(lanes, jnp.result_type(*leaves) if leaves else None)


def unroll(
    cell: Cell,
    params: Params,
    inputs: Array,
    state: State = None,
    length: Array | None = None,
    *,
    unroll: int = 1,
    remat: Remat = None,
) -> tuple[State, Array]:
    """Run a cell over a sequence.

    Args:
      cell: any cell.
      params: its parameters, shared by all lanes or one set a lane.
      inputs: `(time, inputs, *lanes)`, or `(time, *lanes)` symbols.
      state: where to begin; None for the cell's own initial state. Give back the state that
        an earlier call returned to go on with the same sequence.
      length: `(*lanes)` living steps, padding on the right. None if all steps live.
      unroll: steps written out in the body of the loop, as `lax.scan` has it; more to compile,
        less to loop.
      remat: keep the state for the derivative at every so many steps only, and compute again
        what lies between; "sqrt" for the square root of the number of steps, which needs the
        least memory: twice that root instead of all steps, at the cost of one more forward
        pass. Outputs are kept all the same. None to keep every step.

    Returns:
      The state after the last living step, and outputs `(time, outputs, *lanes)`, zero
      from `length` on. A sequence of length 0 returns the state it began with. What the
      inputs are behind the end does not matter, to derivatives neither.

    Raises:
      ValueError: parameters, inputs, a state or lengths that do not fit; `unroll` or `remat`
        below 1, or another word.
    """
    if unroll < 1:
        raise ValueError(f"unroll: expected at least 1 step, got {unroll}")
    check_run(cell, params, inputs, state, length)
    every = _steps_between(remat, len(inputs))
    if state is None:
        state = initial_state(cell, params, lanes_of(inputs))
    alive = None
    if length is not None:
        length = jnp.asarray(length)
        alive, inputs = living_steps(len(inputs), length), living_inputs(inputs, length)
    by_net_inputs = takes_weights_out(cell, params, inputs)
    run = partial(_run_by_net_inputs if by_net_inputs else step_by_step, cell, params, unroll)
    return _in_chunks(run, state, (inputs, alive), every)


_unroll = unroll  # where an argument has its name


def _steps_between(remat: int | str | None, steps: int) -> int | None:
    """After how many steps a state is kept; None for after every one."""
    if remat == "sqrt":
        return max(1, round(steps**0.5))
    if remat is not None and (not isinstance(remat, int) or remat < 1):
        raise ValueError(
            f'remat: expected "sqrt", a number of steps from 1 on, or None, got {remat!r}'
        )
    return remat


def step_by_step(
    cell: Cell, params: Params, unroll: int, state: State, steps: tuple[Any, Array | None]
) -> tuple[State, Array]:
    """The loop of `unroll`, which looks at nothing: a step's input may be any tree of arrays.

    Args:
      cell, params, unroll, state: as in `unroll`.
      steps: inputs; and `(time, *lanes)` whether they live, where not a state stays and outputs
        are 0. None for everywhere.
    """

    def body(state_tm1: State, step: tuple[Any, Array | None]) -> tuple[State, Array]:
        x, alive = step
        state_t, y = cell.step(params, state_tm1, x)
        if alive is None:
            return state_t, y
        return tree_where(alive, state_t, state_tm1), tree_where(alive, y, jnp.zeros_like(y))

    return lax.scan(body, state, steps, unroll=unroll)


def _run_by_net_inputs(
    cell: Cell, params: Params, unroll: int, state: State, steps: tuple[Array, Array | None]
) -> tuple[State, Array]:
    """The same; outputs are read from all states at once, as weights take their gradient."""
    (inputs, alive), step = steps, cell.step
    assert isinstance(step, StepByNet)  # takes_weights_out saw to it
    last, states = states_through_time(step, params, inputs, state, alive, unroll)
    y = jax.vmap(partial(step.read, params))(states, inputs)
    if alive is not None:
        y = tree_where(alive[:, None], y, jnp.zeros_like(y))
    return last, y


def _in_chunks(
    run: Callable[[State, Any], tuple[State, Any]], state: State, steps: Any, every: int | None
) -> tuple[State, Any]:
    """`run(state, steps) -> (state, outputs)`, so many steps at a time, which it keeps nothing of.

    For its derivative it runs once more.
    """
    number = len(jax.tree.leaves(steps)[0])
    if every is None or every >= number:
        return run(state, steps)
    run, whole = jax.checkpoint(run), number - number % every
    chunks = jax.tree.map(lambda a: a[:whole].reshape(-1, every, *a.shape[1:]), steps)
    state, y = lax.scan(run, state, chunks)
    y = y.reshape(whole, *y.shape[2:])
    if whole == number:
        return state, y
    state, last = run(state, jax.tree.map(lambda a: a[whole:], steps))
    return state, jnp.concatenate([y, last])


def record(
    cell: Cell,
    params: Params,
    inputs: Array,
    probe: Callable[[Params, State, Array], Any],
    length: Array | None = None,
) -> Any:
    """What `probe(params, state_tm1, x)` sees at every step, stacked along time.

    With a length, inputs are 0 and the state stays as it was behind the end. ValueError for
    what does not fit, as in `unroll`.

    Example:
      >>> from functools import partial
      >>> from lstm_jax.cells.memory_block import gates, memory_block
      >>> from lstm_jax.cells.topology import Topology
      >>> cell = memory_block(topology := Topology(inputs=1, blocks=(1,)))
      >>> params = cell.init(jax.random.key(0))
      >>> record(cell, params, jnp.ones((5, 1)), partial(gates, topology)).input_gate.shape
      (5, 1)
    """
    check_run(cell, params, inputs, None, length)
    lanes = lanes_of(inputs)
    length = jnp.full(lanes, len(inputs), jnp.int32) if length is None else jnp.asarray(length)

    def body(state, step):
        alive, x = step
        after = tree_where(alive, cell.step(params, state, x)[0], state)
        return after, probe(params, state, x)

    steps = living_steps(len(inputs), length), living_inputs(inputs, length)
    return lax.scan(body, initial_state(cell, params, lanes), steps)[1]


def net_of(cell: Cell, *, unroll: int = 1, remat: Remat = None) -> Net:
    """A cell as a map of whole sequences: it is unrolled over them.

    Args:
      cell: any cell.
      unroll, remat: as in `unroll`, to trade time against memory of the derivative.

    Example:
      >>> from lstm_jax.cells.simple import elman
      >>> net = net_of(elman(inputs=2, hidden=3))
      >>> net.apply(net.init(jax.random.key(0)), jnp.ones((5, 2)), jnp.array(5), None).shape
      (5, 3)
    """

    def apply(params: Params, inputs: Array, length: Array, key: Key | None = None, /) -> Array:
        return _unroll(cell, params, inputs, length=length, unroll=unroll, remat=remat)[1]

    return Net(cell.init, apply, cell.inputs, cell.outputs)


def as_net(net: Cell | Net) -> Net:
    """A net as it is, or a cell as a net: the only place that asks which of the two it is."""
    return net_of(net) if isinstance(net, Cell) else net


def at_targets(outputs: Array, sequence: Sequence) -> Array:
    """Outputs beside the targets: all of them, or those of the last living step."""
    if sequence.targets_at != "end":
        return outputs
    return at_step(outputs, sequence.length - 1)[None]


def predict(
    net: Cell | Net,
    params: Params,
    sequence: Sequence,
    key: Key | None = None,
    *,
    taught: bool = False,
) -> Array:
    """Outputs of a net beside the targets of a sequence; without a key it does not draw.

    Args:
      net: a cell or a net.
      params: its parameters.
      sequence: what it reads.
      key: of a net that draws.
      taught: whether a net that is told targets while it learns is told them.

    Returns:
      `(target_time, outputs, *lanes)`.

    Raises:
      ValueError: the net's outputs do not stand beside the targets.
    """
    net = as_net(net)
    if taught and net.taught is not None:
        outputs = net.taught(params, sequence, key)
    else:
        outputs = net.apply(params, sequence.inputs, sequence.length, key)
    outputs = at_targets(outputs, sequence)
    if outputs.shape != jnp.shape(sequence.targets):
        raise ValueError(
            f"outputs: expected shape {jnp.shape(sequence.targets)}, that of the targets, got "
            f"{outputs.shape}; see targets_at of Sequence"
        )
    return outputs
