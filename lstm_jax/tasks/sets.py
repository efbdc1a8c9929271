"""Fixed sets of sequences: a training set gone through in order, and one to be tested with."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.ops import random_words
from lstm_jax.ops.fit import check_inputs, check_lengths, living_targets
from lstm_jax.types import Array, Key, Sequence, Task


def set_pairs(training: Sequence, test: Sequence, pair: Array | int = 0, *, inputs: int) -> Task:
    """A training set gone through in order, epoch after epoch, and a test set.

    Args:
      training: training sets with the pairs in front and the sequences last, `(pairs, ..., n)`,
        `jax.vmap(reber_sets)(keys)[0]` say.
      test: test sets likewise.
      pair: which of the pairs; may be traced, so that trials in lanes have pairs of their own.
      inputs: number of input units, or of symbols.

    Returns:
      A task whose `training_set` of index i is training sequence i modulo n, in the same
      order in every epoch, and whose
      `evaluation_set` of index i is test sequence i; `sample` draws from the training set.
      The time axis is cut to the longest sequence, so that the sets must be concrete.

    Raises:
      ValueError: sets that are not stacked so, or of different sizes or kinds.

    Example:
      >>> from lstm_jax.tasks.reber import reber_sets, spell
      >>> pairs = jax.vmap(reber_sets)(jax.random.split(jax.random.key(0), 3))
      >>> task = set_pairs(*pairs, pair=2, inputs=7)
      >>> (
      ...     task.training_size,
      ...     spell(task.training_set(None, 256 + 3)),
      ...     spell(task.training_set(None, 3)),
      ... )
      (256, 'BTBTSSSSXXVPXTTTTTVVETE', 'BTBTSSSSXXVPXTTTTTVVETE')
    """
    at, number = side_by_side(training, test)

    def sample(key: Key) -> Sequence:
        return at(pair, random_words.uniform_int(random_words.random_words(key, 1)[0], number))

    first = jax.eval_shape(at, 0, 0)
    return Task(
        sample,
        inputs=inputs,
        outputs=first.targets.shape[1],
        steps=len(first.inputs),
        evaluation_set=lambda i: at(pair, number + i),
        training_set=lambda key, i: at(pair, i % number),
        training_size=number,
    )


def from_sequences(
    training: Sequence, test: Sequence | None = None, *, inputs: int, shuffled: bool = True
) -> Task:
    """Sequences of one's own as a task: gone through epoch after epoch, and tested with others.

    Args:
      training: any number n of them on the last axis, as `jax.vmap(..., out_axes=-1)` stacks
        them: inputs `(time, inputs, n)`, length `(n,)`.
      test: others, of the same kind, padded to as many steps; None to have none.
      inputs: number of input units, or of symbols.
      shuffled: whether every epoch has an order of its own, drawn by the trial's key; otherwise
        they come as they stand.

    Returns:
      A task whose `training_set` of index i is the training sequence number i modulo n of its
      epoch, whose `evaluation_set` of index i is test sequence i (give as many
      `test_sequences` as there are; behind the last they begin again), and whose `sample`
      draws from the training sequences.

    Raises:
      ValueError: a single sequence instead of several, or two kinds of them; lengths or symbols
        out of range; no error signal in any of them.

    Example:
      >>> x, d = jnp.ones((5, 3, 8)), jnp.zeros((1, 2, 8))
      >>> eight = Sequence(x, d, d, jnp.ones((1, 8), bool), jnp.full(8, 5), "end")
      >>> task = from_sequences(eight, inputs=3)
      >>> task.training_size, task.training_set(jax.random.key(0), 9).inputs.shape
      (8, (5, 3))
    """
    for name, sequences in {"training": training, "test": test or training}.items():
        shape = jnp.shape(sequences.length)
        if len(shape) != 1 or jnp.shape(sequences.inputs)[-1:] != shape or not shape[0]:
            raise ValueError(
                f"{name}: expected sequences on the last axis and length (n,), got inputs of shape "
                f"{jnp.shape(sequences.inputs)} and length of shape {shape}; write for example "
                "jax.vmap(task.sample, out_axes=-1)(keys)"
            )
        _check_values(name, sequences, inputs)
    if test is not None and _of_one(test) != _of_one(training):
        raise ValueError(
            "test: expected sequences like those for training, "
            f"{_told(training)}, got {_told(test)}; pad both to as many steps"
        )
    learnt, tested, number = _rows(training), _rows(test or training), len(training.length)

    def in_order(key: Key, index: Array) -> Sequence:
        place = index % number
        if shuffled:
            epoch = jax.random.fold_in(key, index // number)
            place = jax.random.permutation(epoch, number)[place]
        return _row(learnt, place)

    def sample(key: Key) -> Sequence:
        words = random_words.random_words(key, 1)
        return _row(learnt, random_words.uniform_int(words[0], number))

    def in_turn(index: Array) -> Sequence:
        return _row(tested, index % len(tested.length))

    return Task(
        sample,
        inputs=inputs,
        outputs=training.targets.shape[1],
        steps=len(training.inputs),
        evaluation_set=None if test is None else in_turn,
        training_set=in_order,
        training_size=number,
    )


def _check_values(name: str, sequences: Sequence, inputs: int) -> None:
    """ValueError for lengths or symbols out of range, and for a set that teaches nothing."""
    number = jnp.shape(sequences.length)
    try:
        check_inputs(inputs, sequences.inputs, number)
        check_lengths(sequences, number)
    except ValueError as error:
        raise ValueError(f"{name}, {error}") from None
    if not np.any(np.asarray(sequences.mask) & np.asarray(living_targets(sequences))):
        raise ValueError(
            f"{name}: expected an error signal in some sequence, got a mask that is false at every "
            "target that lives; there would be nothing to learn"
        )


def _rows(sequences: Sequence) -> Sequence:
    """One sequence one piece of memory: it is fetched at every draw."""
    return jax.tree.map(lambda leaf: np.moveaxis(np.asarray(leaf), -1, 0), sequences)


def _row(sequences: Sequence, index: Any) -> Sequence:
    """One of them, by one index or by several."""
    return jax.tree.map(lambda leaf: _default_float(jnp.asarray(leaf)[index]), sequences)


def _of_one(sequences: Sequence) -> Any:
    """Shapes and kinds of one of them, and where its targets stand."""
    return jax.tree.map(lambda leaf: (jnp.shape(leaf)[:-1], jnp.result_type(leaf)), sequences)


def side_by_side(training: Sequence, test: Sequence) -> tuple[Any, int]:
    """Both sets of every pair as one: the test set behind the training set.

    Args:
      training: `(pairs, ..., n)`.
      test: likewise.

    Returns:
      `(pair, index) -> Sequence`, and n.

    Raises:
      ValueError: sets that are not stacked so, or of different sizes or kinds.
    """
    shapes = [jax.tree.map(jnp.shape, sets) for sets in (training, test)]
    if jnp.ndim(training.length) != 2 or shapes[0] != shapes[1]:
        raise ValueError(
            "expected pairs of sets, the pairs in front and the sequences last, lengths (pairs, n) "
            f"and all else alike in both, got {_told(training)} and {_told(test)}; write for "
            "example from_pairs(*jax.vmap(reber_sets)(keys))"
        )
    number = training.length.shape[1]
    steps = max(int(np.asarray(sets.length).max()) for sets in (training, test))

    def rows(*leaves: Array) -> np.ndarray:  # one sequence one piece of memory
        return np.moveaxis(np.concatenate(leaves, axis=-1), -1, 1)

    both = jax.tree.map(rows, training, test)
    timed = ["inputs"] + ["targets", "goals", "mask"] * (both.targets_at == "steps")
    both = both.replace(**{name: getattr(both, name)[:, :, :steps] for name in timed})

    def at(pair: Array | int, index: Array | int) -> Sequence:
        return _row(both, (pair, index))

    return at, number


def _default_float(leaf: Array) -> Array:
    """Reals in the precision of the moment, whatever it was when the sets were made."""
    return leaf.astype(float) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


def _told(sets: Sequence) -> str:
    shapes = {name: jnp.shape(getattr(sets, name)) for name in ("length", "inputs", "targets")}
    return f"{shapes} with targets_at={sets.targets_at!r}"
