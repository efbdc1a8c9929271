"""Experiment 1: strings of the Reber grammar, and of the embedded Reber grammar.

A grammar is a graph; a string is a walk through it, a fair coin at every fork. The
symbols are numbered as in `SYMBOLS`: B, T, P, S, X, V, E are 0..6.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lstm_jax.ops import random_words
from lstm_jax.tasks.sequences import check_int, next_symbol
from lstm_jax.tasks.sets import side_by_side
from lstm_jax.types import Array, Key, Sequence, Task

SYMBOLS = "BTPSXVE"

# edges as "node, symbol, node"
_PLAIN = "0B1 1T2 1P3 2S2 2X4 3T3 3V5 4X3 4S6 5P4 5V6 6E7"

_Edges = list[tuple[int, str, int]]


def _edges(graph: str, shift: int = 0) -> _Edges:
    edges = re.findall(r"(\d+)([A-Z])(\d+)", graph)
    return [(int(at) + shift, symbol, int(to) + shift) for at, symbol, to in edges]


def _embedded() -> _Edges:
    """The graph with two copies of the plain one inside, one for T and one for P."""
    branches = _edges(_PLAIN, shift=2) + _edges(_PLAIN, shift=10)
    return _edges("0B1 1T2 1P10") + branches + _edges("9T18 17P18 18E19")


class _Grammar(NamedTuple):
    """The graph as tables. The end, its last node, leads to itself."""

    symbol: np.ndarray  # (nodes, 2) int32, by the side that the coin shows
    successor: np.ndarray  # (nodes, 2) int32
    legal: np.ndarray  # (nodes, symbols) bool, what may follow

    @property
    def end(self) -> int:
        return len(self.symbol) - 1


class _Walk(NamedTuple):
    symbols: Array  # (steps,) int32, zero after the string
    nodes: Array  # (steps,) int32, where each symbol led


def _tables(edges: _Edges) -> _Grammar:
    end = max(to for _, _, to in edges)
    grammar = _Grammar(
        symbol=np.zeros((end + 1, 2), np.int32),
        successor=np.full((end + 1, 2), end, np.int32),
        legal=np.zeros((end + 1, len(SYMBOLS)), bool),
    )
    for node in range(end):
        ways = [(symbol, to) for at, symbol, to in edges if at == node]
        for side in 0, 1:
            symbol, to = ways[side % len(ways)]
            grammar.symbol[node, side] = SYMBOLS.index(symbol)
            grammar.successor[node, side] = to
            grammar.legal[node, SYMBOLS.index(symbol)] = True
    return grammar


_REBER, _EMBEDDED_REBER = _tables(_edges(_PLAIN)), _tables(_embedded())

# The probability of a longer string is 7.9e-10; the mean lengths are 8 and 12.
_REBER_STEPS, _EMBEDDED_STEPS = 72, 76


def reber(steps: int = _REBER_STEPS) -> Task:
    """The plain Reber grammar, to be predicted symbol by symbol (Section 5.1).

    As `embedded_reber`; the shortest string has 5 symbols.

    >>> spell(reber().sample(jax.random.key(0)))
    'BTXXTTTVPSE'
    """
    return _prediction(_REBER, check_int("steps", steps, 5, 10**5, "BTXSE must fit in"))


def embedded_reber(steps: int = _EMBEDDED_STEPS) -> Task:
    """Experiment 1: the embedded Reber grammar (Section 5.1).

    B, then T or P, a whole string of the Reber grammar, the same T or P again, E. The
    next symbol is predicted at every step.

    The sequence has `inputs` `(steps,)` int32 in 0..6 numbered as in `SYMBOLS`, 0 from
    `length` on; `targets` `(steps, 7)` one-hot, the next symbol; `goals` `(steps, 7)`,
    1 for every symbol that may legally come next; `mask` `(steps,)`, true but at the
    last symbol and after it; `length`, the number of symbols, at least 9.

    Decision: strings have no greatest length. Those of more than `steps` symbols are
    drawn again; by default that happens with a probability below 1e-9.

    Args:
      steps: what strings are padded to, at least 9. The mean length is 12, and 1 in
        1,500 exceeds 32: a small number saves time and leaves out long strings.

    Raises:
      ValueError: fewer steps than the shortest string has symbols.

    >>> spell(embedded_reber().sample(jax.random.key(0)))
    'BTBTSSSXXVPSETE'
    """
    steps = check_int("steps", steps, 9, 10**5, "BTBTXSETE must fit in")
    return _prediction(_EMBEDDED_REBER, steps)


def continual_reber(steps: int = _EMBEDDED_STEPS) -> Task:
    """Strings of the embedded Reber grammar one after the other (Gers et al. 2000).

    As `embedded_reber`, and after the E that ends a string the B of the next one is to be
    predicted: `mask` is true at the last symbol, too. For nets that are never reset between
    strings (`gradient_descent(..., every_step=True, resets=False)`), so that the strings are
    one stream, and nothing tells the net where one ends.

    Args:
      steps: what strings are padded to, at least 9.

    >>> sequence = continual_reber().sample(jax.random.key(0))
    >>> last = sequence.length - 1
    >>> SYMBOLS[sequence.inputs[last]], SYMBOLS[sequence.targets[last].argmax()]
    ('E', 'B')
    """
    task = embedded_reber(steps)

    def sample(key: Key) -> Sequence:
        string = task.sample(key)
        last = jnp.arange(steps, dtype=jnp.int32) == string.length - 1
        begin = (jnp.arange(len(SYMBOLS)) == SYMBOLS.index("B")).astype(string.goals.dtype)

        def with_begin(values: Array) -> Array:
            return jnp.where(last[:, None], begin[None], values)

        return string.replace(
            targets=with_begin(string.targets),
            goals=with_begin(string.goals),
            mask=string.mask | last,
        )

    return task._replace(sample=sample)


def reber_sets(key: Key, n: int = 256) -> tuple[Sequence, Sequence]:
    """The training set and the test set of experiment 1: n embedded strings each.

    Training strings are drawn independently, so that there are duplicates. Test
    strings are drawn independently from the strings that are not in the training set.
    The sequences are those of `embedded_reber()`, stacked on the last axis: `inputs`
    `(76, n)`, `targets` and `goals` `(76, 7, n)`, `mask` `(76, n)`, `length` `(n,)`.

    ValueError unless n is in 1..65536.

    >>> training, test = reber_sets(jax.random.key(0), n=4)
    >>> sorted(spell(jax.tree.map(lambda leaf: leaf[..., i], test)) for i in range(4))
    ['BPBPVVEPE', 'BPBTSSSXSEPE', 'BPBTSSXSEPE', 'BTBTSSXSETE']
    """
    return _reber_sets(
        key, check_int("n", n, 1, random_words.MOST_VALUES, "it is the size of the sets")
    )


def from_set(sequences: Sequence, *, steps: int | None = None) -> Task:
    """A task that draws one string of a set at random, each equally likely.

    The sequence is the string's, its time axis cut to `steps`.

    Args:
      sequences: strings stacked on the last axis, as `reber_sets` returns them.
      steps: the length of the longest string if not given, which then must be a concrete
        number. Give it to make several sets one shape.

    Raises:
      ValueError: a single string instead of a set, or steps out of range.

    >>> training, test = reber_sets(jax.random.key(0))
    >>> from_set(training).steps, spell(from_set(training).sample(jax.random.key(1)))
    (29, 'BTBPTVPXVPSETE')
    """
    if sequences.length.ndim != 1:
        raise ValueError(
            "sequences must be a set, stacked on the last axis, with length (n,), but "
            f"its length has shape {sequences.length.shape}; write for example "
            "from_set(training) with training, test = reber_sets(key)."
        )
    if steps is None:
        steps = int(sequences.length.max())
    steps = check_int("steps", steps, 1, len(sequences.inputs), "the set has no more")

    def rows(leaf: Array) -> Array:
        # one string one piece of memory: it is fetched at every draw
        return jnp.moveaxis(leaf[:steps], -1, 0)

    strings = Sequence(
        inputs=rows(sequences.inputs),
        targets=rows(sequences.targets),
        goals=rows(sequences.goals),
        mask=rows(sequences.mask),
        length=sequences.length,
    )

    def sample(key: Key) -> Sequence:
        i = random_words.uniform_int(random_words.random_words(key, 1)[0], len(strings.length))
        return jax.tree.map(lambda leaf: leaf[i], strings)

    symbols = strings.targets.shape[2]
    return Task(sample, inputs=symbols, outputs=symbols, steps=steps)


def from_pairs(training: Sequence, test: Sequence, pair: Array | int = 0) -> Task:
    """Experiment 1's protocol: strings drawn from a training set, evaluated on both sets.

    Args:
      training: training sets stacked in front of what `reber_sets` returns, `(pairs, ..., n)`.
      test: test sets likewise.
      pair: which of the pairs; may be traced, so that trials in lanes have pairs of their own.

    The task's `evaluation_set` of index i is training string i, from n on test string i - n.
    The time axis is cut to the longest string, so that the sets must be concrete.

    >>> pairs = jax.vmap(reber_sets)(jax.random.split(jax.random.key(0), 3))
    >>> task = from_pairs(*pairs, pair=2)
    >>> spell(task.sample(jax.random.key(1))), spell(task.evaluation_set(300))
    ('BPBPVVEPE', 'BPBTSSXXTVVEPE')
    """
    at, number = side_by_side(training, test)

    def sample(key: Key) -> Sequence:
        return at(pair, random_words.uniform_int(random_words.random_words(key, 1)[0], number))

    symbols, steps = len(SYMBOLS), jax.eval_shape(at, 0, 0).inputs.shape[0]
    return Task(sample, symbols, symbols, steps, evaluation_set=partial(at, pair))


def spell(sequence: Sequence) -> str:
    """The string of one sequence without lanes, as letters.

    >>> spell(reber(steps=5).sample(jax.random.key(1)))
    'BPVVE'
    """
    return "".join(SYMBOLS[i] for i in np.asarray(sequence.inputs)[: sequence.length])


def _prediction(grammar: _Grammar, steps: int) -> Task:
    def sample(key: Key) -> Sequence:
        return _sequence(grammar, _string(grammar, steps, key))

    return Task(sample, inputs=len(SYMBOLS), outputs=len(SYMBOLS), steps=steps)


def _sequence(grammar: _Grammar, walk: _Walk) -> Sequence:
    length = 1 + (walk.nodes != grammar.end).sum(dtype=jnp.int32)
    goals = jnp.asarray(grammar.legal)[walk.nodes].astype(float)
    return next_symbol(walk.symbols, length, len(SYMBOLS)).replace(goals=goals)


def _string(
    grammar: _Grammar,
    steps: int,
    key: Key,
    accept: Callable[[Array], Array] = lambda symbols: jnp.bool(True),
) -> _Walk:
    """A walk that ends within the steps and spells an acceptable string.

    Walks are drawn until one is right, which is exact: the distribution is that of all
    walks, on the condition.
    """

    def wrong(carry: tuple[Key, _Walk]) -> Array:
        _, walk = carry
        return (walk.nodes[-1] != grammar.end) | ~accept(walk.symbols)

    def draw(key: Key) -> tuple[Key, _Walk]:
        key, now = jax.random.split(key)
        return key, _walk(
            grammar, random_words.uniform_int(random_words.random_words(now, steps), 2)
        )

    return lax.while_loop(wrong, lambda carry: draw(carry[0]), draw(key))[1]


def _walk(grammar: _Grammar, coins: Array) -> _Walk:
    symbol, successor = jnp.asarray(grammar.symbol), jnp.asarray(grammar.successor)

    def follow(node: Array, coin: Array) -> tuple[Array, _Walk]:
        target = successor[node, coin]
        return target, _Walk(symbol[node, coin], target)

    return lax.scan(follow, jnp.int32(0), coins)[1]


@partial(jax.jit, static_argnames="n")
def _reber_sets(key: Key, n: int) -> tuple[Sequence, Sequence]:
    training_key, test_key = jax.random.split(key)
    draw = partial(_string, _EMBEDDED_REBER, _EMBEDDED_STEPS)
    training = jax.vmap(draw)(jax.random.split(training_key, n))

    def unseen(symbols: Array) -> Array:
        # padding does not blur strings: none is the beginning of another
        return ~(symbols[None] == training.symbols).all(axis=1).any()

    draw_unseen = partial(draw, accept=unseen)
    test = jax.vmap(draw_unseen)(jax.random.split(test_key, n))
    stack = jax.vmap(partial(_sequence, _EMBEDDED_REBER), out_axes=-1)
    return stack(training), stack(test)
