"""Toy tasks, each learned in a few hundred sequences by a net that is made for it."""

import jax
import jax.numpy as jnp
import optax

from lstm_jax.tasks.sequences import at_end
from lstm_jax.training.judging import Judgement
from lstm_jax.types import Sequence, SequenceLoss, Task

STEPS = 5


def heads(key, tosses: int):
    """`(tosses, 1)` of true and false; the same in single and in double precision."""
    return jax.random.bits(key, (tosses, 1), jnp.uint32) % 2 == 0


def coins(key, steps: int = STEPS):
    """`(steps, 1)` of -1 and 1, and a length of 3 to `steps`."""
    k1, k2 = jax.random.split(key)
    signs = jnp.where(heads(k1, steps), 1.0, -1.0)
    length = jax.random.randint(k2, (), 3, steps + 1, jnp.int32)
    return jnp.where(jnp.arange(steps, dtype=jnp.int32)[:, None] < length, signs, 0.0), length


def shifted(by: int) -> Task:
    """The target of every step is the input so many steps later (before, if below 0)."""

    def sample(key):
        x, length = coins(key)
        time = jnp.arange(STEPS, dtype=jnp.int32)
        mask = (time + by >= 0) & (time + by < length) & (time < length)
        targets = jnp.where(mask[:, None], jnp.roll(x, -by, axis=0), 0.0)
        return Sequence(x, targets, targets, mask, length)

    return Task(sample, inputs=1, outputs=1, steps=STEPS)


def corner(side: int = 3) -> Task:
    """One label an image: whether its first pixel is bright."""

    def sample(key):
        image = jnp.where(heads(key, side * side), 1.0, -1.0)
        return at_end(image, jnp.int32(side * side), image[0])

    return Task(sample, inputs=1, outputs=1, steps=side * side)


def marked() -> Task:
    """The input that is marked, to be told at the end."""

    def sample(key):
        k1, k2 = jax.random.split(key)
        x, length = coins(k1)
        mark = jnp.arange(STEPS, dtype=jnp.int32) == jax.random.randint(
            k2, (), 0, length, jnp.int32
        )
        inputs = jnp.stack([x[:, 0], mark.astype(x.dtype)], axis=1)
        return at_end(inputs, length, jnp.sum(jnp.where(mark[:, None], x, 0), axis=0))

    return Task(sample, inputs=2, outputs=1, steps=STEPS)


def first_two_backwards() -> Task:
    """The first inputs in reverse, in a time of their own: 1 or 2 of them."""

    def sample(key):
        k1, k2 = jax.random.split(key)
        x, length = coins(k1)
        number = jax.random.randint(k2, (), 1, 3, jnp.int32)
        asked = number.astype(x.dtype) - 1.5  # the third input says how many are asked for
        x = x.at[2, 0].set(asked)
        targets = jnp.where(number == 2, x[1::-1], jnp.stack([x[0], 0 * x[0]]))
        mask = jnp.arange(2, dtype=jnp.int32) < number
        return Sequence(x, targets, targets, mask, length, "own", number)

    return Task(sample, inputs=1, outputs=1, steps=STEPS)


def squares(outputs, sequence) -> jax.Array:
    """Squared error of the living targets."""
    mask = sequence.mask[:, None]
    return 0.5 * jnp.sum(jnp.where(mask, outputs - sequence.targets, 0) ** 2, axis=(0, 1))


own_squares = SequenceLoss(squares)


def frames() -> Task:
    """Two labels out of {1, 2}, each spoken for 2 or 3 frames, silence (0) between them.

    The labels are targets of their own: one-hot, in as many steps as the outputs of a net
    that says something at every frame.
    """
    steps = 7

    def sample(key):
        k1, k2 = jax.random.split(key)
        labels = jax.random.randint(k1, (2,), 1, 3, jnp.int32)
        first, second = jax.random.randint(k2, (2,), 2, 4, jnp.int32)
        t = jnp.arange(steps, dtype=jnp.int32)
        spoken = jnp.where(t < first, labels[0], 0)
        spoken = jnp.where((t > first) & (t <= first + second), labels[1], spoken)
        targets = jax.nn.one_hot(jnp.concatenate([labels, jnp.zeros(steps - 2, jnp.int32)]), 3)
        targets = jnp.where(t[:, None] < 2, targets, 0)
        inputs, length = jax.nn.one_hot(spoken, 3), (first + second + 1).astype(jnp.int32)
        inputs = jnp.where(t[:, None] < length, inputs, 0)
        return Sequence(inputs, targets, targets, t < 2, length, "own", jnp.int32(2))

    return Task(sample, inputs=3, outputs=3, steps=steps)


def _ctc(outputs, sequence):
    """`optax.ctc_loss` of a single lane, blank 0."""
    t = jnp.arange(len(outputs), dtype=jnp.int32)
    frames_padded = (t >= sequence.length).astype(outputs.dtype)
    labels_padded = (t >= sequence.target_length).astype(outputs.dtype)
    labels = jnp.argmax(sequence.targets, axis=1)
    args = outputs, frames_padded, labels, labels_padded
    return optax.ctc_loss(*(a[None] for a in args))[0]


def lane_by_lane(function):
    """A function of `(outputs, sequence)` without lanes, in any number of lanes."""

    def of_lanes(outputs, sequence):
        each = function
        for _ in range(sequence.length.ndim):
            each = jax.vmap(each, in_axes=-1, out_axes=-1)
        return each(outputs, sequence)

    return of_lanes


ctc = SequenceLoss(lane_by_lane(_ctc))


def _decoded(outputs, sequence):
    """Wrong are labels other than those of the best path, repetitions and blanks left out."""
    t = jnp.arange(len(outputs), dtype=jnp.int32)
    path = jnp.where(t < sequence.length, jnp.argmax(outputs, axis=1), 0)
    new = (path != 0) & (path != jnp.concatenate([jnp.zeros(1, path.dtype), path[:-1]]))
    place = jnp.where(new, jnp.cumsum(new) - 1, len(path))
    said = jnp.zeros_like(path).at[place].set(path, mode="drop")
    wrong = jnp.any(said != jnp.argmax(sequence.goals, axis=1))
    return Judgement(wrong, wrong.astype(outputs.dtype), wrong.astype(outputs.dtype))


decoded = lane_by_lane(_decoded)


def epochs(task: Task, number: int, seed: int = 0) -> Task:
    """A task with a fixed training set, gone through in another order in every epoch."""

    def at(place):
        with jax.ensure_compile_time_eval():  # in the precision of the moment
            sequences = jax.vmap(task.sample)(jax.random.split(jax.random.key(seed), number))
        return jax.tree.map(lambda leaf: leaf[place], sequences)

    def training_set(key, index):
        order = jax.random.permutation(jax.random.fold_in(key, index // number), number)
        return at(order[index % number])

    return task._replace(
        training_set=training_set,
        training_size=number,
        evaluation_set=lambda index: at(index % number),
    )
