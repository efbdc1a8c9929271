"""Whether a task keeps its contract."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.conformance.findings import conclude, lane, same, traced_anew
from lstm_jax.networks.unroll import net_of
from lstm_jax.ops.fit import check_fit, living_steps, living_targets
from lstm_jax.ops.linear import is_symbol
from lstm_jax.types import Array, Cell, Key, Sequence, Task

KEYS = 64  # sequences that a task is tried with

Source = Callable[[Key, Array], Sequence]


def check_task(task: Task, *, key: Key | None = None) -> None:
    """Try on a task what `types.Task` and `types.Sequence` say in prose.

    Args:
      task: the task.
      key: what sequences are drawn from.

    Raises:
      ValueError: listing every promise that is broken, one line each, with the mend.

    Example:
      >>> from lstm_jax import tasks
      >>> check_task(tasks.adding(20))
      >>> check_task(tasks.adding(20)._replace(steps=30))
      Traceback (most recent call last):
        ...
      ValueError: the task breaks 1 of what its contract promises:
      sample: expected 30 steps, those of Task(steps=...), got ...; mend one of the two
    """
    key = jax.random.key(0) if key is None else key
    sources: dict[str, Source] = {
        "sample": lambda key, index: task.sample(jax.random.fold_in(key, index))
    }
    if task.training_set is not None:
        sources["training_set"] = task.training_set
    if task.evaluation_set is not None:
        at = task.evaluation_set
        sources["evaluation_set"] = lambda key, index: at(index)
    many = {name: _in_lanes(source, key) for name, source in sources.items()}
    alone = {name: traced_anew(source) for name, source in sources.items()}
    conclude(
        "the task",
        {name: partial(_fits, task, alone[name], key) for name in sources},
        {name: partial(_sequences, task, many[name]) for name in sources},
        {
            **{
                name: partial(_pure, source, alone[name], key, many[name])
                for name, source in sources.items()
            },
            "keys": lambda: _keys(many["sample"]()),
        },
    )


def _in_lanes(source: Source, key: Key) -> Callable[[], Sequence]:
    """Many sequences in lanes, as a trial asks for them: numbers that are traced."""
    return cache(lambda: jax.jit(jax.vmap(partial(source, key), out_axes=-1))(jnp.arange(KEYS)))


def _fits(task: Task, alone: Source, key: Key) -> Iterator[str]:
    sequence = alone(key, jnp.int32(0))
    if not isinstance(sequence, Sequence):
        yield f"expected a Sequence, got a {type(sequence).__name__}"
        return
    if len(sequence.inputs) != task.steps:
        yield (
            f"expected {task.steps} steps, those of Task(steps=...), got {len(sequence.inputs)}; "
            "mend one of the two"
        )
    if jnp.shape(sequence.length) != ():
        yield (
            f"length: expected shape (), one sequence without lanes, got "
            f"{jnp.shape(sequence.length)}; a trial makes the lanes"
        )
        return
    check_fit(net_of(_anything(task)), (), sequence)


def _anything(task: Task) -> Cell:
    """A cell that a task's sequences are held against; it is never run."""
    nothing: Any = None
    return Cell(nothing, nothing, nothing, task.inputs, task.outputs)


def _sequences(task: Task, many: Callable[[], Sequence]) -> Iterator[str]:
    """What many sequences say of themselves."""
    found = jax.tree.map(np.asarray, many())
    steps = np.asarray(found.length)
    if steps.min() < 1 or steps.max() > task.steps:
        yield f"length: expected values from 1 to {task.steps}, got {steps.min()} to {steps.max()}"
        return
    living = np.asarray(living_targets(found))
    if np.any(found.mask & ~living):
        yield "mask: true where no target lives; let it be false behind the end"
    signals = np.broadcast_to((found.mask & living)[:, None], found.targets.shape)
    if not np.any(signals, axis=(0, 1)).all():
        yield "mask: a sequence without any error signal; nothing could be learned or judged"
    for name in ("targets", "goals"):
        if not np.isfinite(getattr(found, name)[signals]).all():
            yield f"{name}: not finite where the mask is true; mask those steps out"
    alive = np.asarray(living_steps(task.steps, found.length))
    if is_symbol(found.inputs):
        symbols = found.inputs[alive]
        if symbols.min() < 0 or symbols.max() >= task.inputs:
            yield (
                f"inputs: expected symbols from 0 to {task.inputs - 1}, got {symbols.min()} to "
                f"{symbols.max()}; mend sample or Task(inputs=...)"
            )
    elif not np.isfinite(np.moveaxis(found.inputs, 1, -1)[alive]).all():
        yield "inputs: not finite below the length"


def _pure(source: Source, alone: Source, key: Key, many: Callable[[], Sequence]) -> Iterator[str]:
    first = [alone(key, jnp.int32(i)) for i in range(3)]
    if not same(traced_anew(source)(key, jnp.int32(0)), first[0], 0):
        yield "gives another sequence for the same key; draw from the key alone"
    elif any(not same(one, lane(many(), i), 1e-5) for i, one in enumerate(first)):
        yield "is another sequence beside others than alone; use the key, not what was drawn before"
    with jax.enable_x64(True):
        double = traced_anew(source)(key, jnp.int32(0))
    for name in ("inputs", "targets", "goals", "mask", "length"):
        single, wide = np.asarray(getattr(first[0], name)), np.asarray(getattr(double, name))
        if np.issubdtype(single.dtype, np.floating) != np.issubdtype(wide.dtype, np.floating):
            yield f"{name}: {single.dtype} in single and {wide.dtype} in double precision"
        elif not same(wide, single, 1e-5):
            yield (
                f"{name}: another sequence in double precision; draw bits, not reals "
                "(ops.random_words)"
            )
    if jax.tree.map(jnp.shape, first[0]) != jax.tree.map(jnp.shape, double):
        yield "shapes depend on the precision"


def _keys(many: Sequence) -> Iterator[str]:
    if all(same(lane(many, 0), lane(many, i), 0) for i in range(1, KEYS)):
        yield "all keys give the same sequence; draw from the key (or give a training_set)"
