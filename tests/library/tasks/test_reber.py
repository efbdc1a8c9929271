"""Experiment 1: legality, legal successors, probabilities and sets, by grammars of our own."""

import re
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_jax.tasks import embedded_reber, from_pairs, from_set, reber, reber_sets, spell
from tests.support.samples import assert_frequencies, assert_uniform, each, edited, lane, many
from tests.support.task_catalogue import CATALOGUE

SYMBOLS = "BTPSXVE"
PLAIN, EMBEDDED = CATALOGUE["1, plain"], CATALOGUE["1"]
SEEDS = st.integers(0, 2**31)

# the language as regular expressions; _END is what may follow upon the node after X or P
_END = "(?:XT*VP)*(?:S|XT*VV)"
_REBER = f"B(?:TS*X{_END}|TS*S|PT*V(?:V|P{_END}))E"
LANGUAGE = {PLAIN: _REBER, EMBEDDED: f"B(?:T{_REBER}T|P{_REBER}P)E"}

# the graph of the paper's Figure 3, for successors and probabilities
GRAPH = [
    {"B": 1}, {"T": 2, "P": 3}, {"S": 2, "X": 4}, {"T": 3, "V": 5},
    {"X": 3, "S": 6}, {"P": 4, "V": 6}, {"E": 7}, {},
]  # fmt: skip


def spelled(sequences) -> list[str]:
    return [spell(sequence) for sequence in each(jax.tree.map(np.asarray, sequences))]


both = pytest.mark.parametrize("task", [PLAIN, EMBEDDED], ids=["plain", "embedded"])


def plain_successors(prefix: str) -> str:
    node = 0
    for symbol in prefix:
        node = GRAPH[node][symbol]
    return "".join(GRAPH[node])


def successors(task, prefix: str) -> str:
    """What may follow, empty after a complete string."""
    if task is PLAIN:
        return plain_successors(prefix)
    if len(prefix) < 2:
        return ["B", "TP"][len(prefix)]
    inner = prefix[2:]
    if "E" not in inner:
        return plain_successors(inner)
    after = inner[inner.index("E") + 1 :]
    return {0: prefix[1], 1: "E", 2: ""}[len(after)]


def one_hot(symbols: str) -> list[bool]:
    return [symbol in symbols for symbol in SYMBOLS]


def check(task, sequence) -> None:
    """A legal string, its next symbols, its legal successors, and nothing after it."""
    string, length = spell(sequence), int(sequence.length)
    assert re.fullmatch(LANGUAGE[task], string)
    assert not sequence.inputs[length:].any()
    legal = [successors(task, string[: t + 1]) for t in range(length)]
    steps = range(len(sequence.inputs))
    assert np.array_equal(sequence.targets, [one_hot(string[t + 1 : t + 2]) for t in steps])
    assert np.array_equal(sequence.goals, [one_hot("".join(legal[t : t + 1])) for t in steps])
    assert sequence.mask.tolist() == [t < length - 1 for t in steps]
    assert all(legal[:-1]) and legal[-1] == ""


def longer_than(steps: int) -> float:
    """The probability of a plain string of more than so many symbols."""
    moves = np.zeros((8, 8))
    for node, edges in enumerate(GRAPH):
        for target in edges.values():
            moves[node, target] = 1 / len(edges)
    return np.linalg.matrix_power(moves, steps)[0, :7].sum()


@both
@given(seed=SEEDS)
def test_strings_are_legal(task, seed):
    for sequence in each(many(task, 4, seed)):
        check(task, sequence)


@both
def test_control_corrupted_strings(task):
    sequence = next(s for s in each(many(task, 50)) if s.length >= 11)
    length = int(sequence.length)
    for t in range(length):
        with pytest.raises(AssertionError):
            check(task, edited(sequence, "inputs", t, (sequence.inputs[t] + 1) % 7))
        with pytest.raises(AssertionError):
            check(task, edited(sequence, "goals", t, 1 - sequence.goals[t]))
    for field, index, value in [
        ("inputs", length, 1),
        ("targets", (3, slice(None)), 0),
        ("targets", (length - 1, 0), 1),
        ("mask", length - 1, True),
        ("mask", 0, False),
        ("length", (), length - 1),
    ]:
        with pytest.raises(AssertionError):
            check(task, edited(sequence, field, index, value))


def test_control_the_other_grammar():
    with pytest.raises(AssertionError):
        check(EMBEDDED, lane(many(PLAIN, 1), 0))
    sequence = lane(many(EMBEDDED, 1), 0)
    before_last = int(sequence.length) - 2
    with pytest.raises(AssertionError):  # T for P
        swapped = 3 - sequence.inputs[before_last]
        check(EMBEDDED, edited(sequence, "inputs", before_last, swapped))


@both
def test_every_fork_is_a_fair_coin(task):
    forks = {}
    for string in spelled(many(task, 2000)):
        for t in range(1, len(string)):
            legal = successors(task, string[:t])
            if len(legal) == 2:
                forks.setdefault(legal, []).append(string[t])
    assert sorted(forks) == ["PV", "SX", "TP", "TV", "XS"]
    for legal, chosen in forks.items():
        assert_uniform(chosen, legal)


def test_probabilities_of_whole_strings():
    strings = spelled(many(PLAIN, 4000))
    short = {"BTXSE": 1 / 8, "BPVVE": 1 / 8, "BTSXSE": 1 / 16, "BPTVVE": 1 / 16, "BPVPSE": 1 / 16}
    kinds = [string if string in short else "longer" for string in strings]
    assert_frequencies(kinds, {**short, "longer": 1 - sum(short.values())})


@both
def test_lengths(task):
    around = 0 if task is PLAIN else 4
    lengths = many(task, 20_000).length - around
    exact = {n: longer_than(n - 1) - longer_than(n) for n in range(5, 20)}
    assert_frequencies(np.minimum(lengths, 20), {**exact, 20: longer_than(19)})


def test_the_mean_length():
    assert sum(longer_than(n) for n in range(200)) == pytest.approx(8)


@both
def test_default_steps_leave_nothing_out(task):
    around = 0 if task is PLAIN else 4
    assert longer_than(task.steps - around) < 1e-9 < longer_than(task.steps - around - 1)
    assert longer_than(32 - 4) == pytest.approx(1 / 1500, rel=0.03)


def test_strings_that_do_not_fit_are_drawn_again():
    sequences = many(reber(steps=6), 4000)
    fits = 1 - longer_than(6)
    names = ["BTXSE", "BPVVE", "BTSXSE", "BPTVVE", "BPVPSE"]
    exact = {name: 2.0 ** -(len(name) - 2) / fits for name in names}
    assert sum(exact.values()) == pytest.approx(1)
    assert_frequencies(spelled(sequences), exact)


@pytest.mark.parametrize("make, least", [(reber, 5), (embedded_reber, 9)])
def test_too_few_steps(make, least):
    assert (many(make(steps=least), 20).length == least).all()
    with pytest.raises(ValueError, match=f"steps must be a whole number from {least}"):
        make(steps=least - 1)


@pytest.fixture(scope="module")
def sets():
    return jax.tree.map(np.asarray, reber_sets(jax.random.key(1)))


def assert_apart(training, test) -> None:
    assert not set(spelled(training)) & set(spelled(test))


def test_sets_are_legal_and_apart(sets):
    for sequences in sets:
        assert sequences.inputs.shape == (76, 256) and sequences.goals.shape == (76, 7, 256)
        for sequence in each(sequences):
            check(EMBEDDED, sequence)
    assert_apart(*sets)
    with pytest.raises(AssertionError):
        assert_apart(sets[0], sets[0])
    with pytest.raises(AssertionError):
        assert_apart(sets[0], many(EMBEDDED, 256, seed=2))


def test_training_strings_are_as_drawn(sets):
    pooled = Counter()
    for seed in range(3):
        pooled.update(spelled(reber_sets(jax.random.key(seed))[0]))
    short = ["BTBTXSETE", "BTBPVVETE", "BPBTXSEPE", "BPBPVVEPE"]
    kinds = [s if s in short else "longer" for s in pooled.elements()]
    assert_frequencies(kinds, {**dict.fromkeys(short, 1 / 16), "longer": 3 / 4})
    assert len(set(spelled(sets[0]))) < 256  # duplicates stay


def test_test_strings_follow_the_grammar_outside_of_the_training_set():
    # of two strings of equal probability that training did not have, neither is preferred
    pairs = [("BTBTSSXSETE", "BTBPTTVVETE"), ("BPBTSSXSEPE", "BPBPTTVVEPE")]
    chosen = []
    for seed in range(60):
        training, test = map(spelled, reber_sets(jax.random.key(seed), n=16))
        for pair in pairs:
            if not set(pair) & set(training):
                chosen += [pair.index(string) for string in test if string in pair]
    assert len(chosen) > 30
    assert_uniform(chosen, [0, 1])


def test_a_set_is_drawn_from_uniformly():
    training, _ = reber_sets(jax.random.key(3), n=16)
    strings = spelled(training)
    task = from_set(training)
    assert task.steps == max(map(len, strings)) and (task.inputs, task.outputs) == (7, 7)
    drawn = many(task, 4000)
    counts = Counter(strings)
    assert_frequencies(spelled(drawn), {s: counts[s] / 16 for s in counts})
    for sequence in each(many(task, 20)):
        check(EMBEDDED, sequence)


def test_a_set_cut_to_other_steps():
    _, test = reber_sets(jax.random.key(3), n=16)
    task = from_set(test, steps=70)
    assert many(task, 2).inputs.shape == (70, 2)
    traced = jax.jit(lambda s, k: from_set(s, steps=70).sample(k))(test, jax.random.key(0))
    assert spell(traced) == spell(task.sample(jax.random.key(0)))


@given(SEEDS)
@settings(max_examples=5)
def test_sets_are_apart_whatever_the_key(seed):
    assert_apart(*reber_sets(jax.random.key(seed), n=16))


@pytest.mark.parametrize(
    "make, complaint",
    [
        (lambda: reber_sets(jax.random.key(0), n=0), "n must be a whole number from 1"),
        (lambda: from_set(PLAIN.sample(jax.random.key(0))), "sequences must be a set"),
        (lambda: from_set(many(PLAIN, 2), steps=99), "steps must be a whole number from 1 to 72"),
    ],
)
def test_arguments_out_of_range(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()


def test_pairs_train_on_one_set_and_examine_both():
    keys = jax.random.split(jax.random.key(5), 2)
    training, test = jax.vmap(lambda key: reber_sets(key, n=8))(keys)
    for pair in (0, 1):
        task = from_pairs(training, test, pair=pair)
        one, other = (jax.tree.map(lambda leaf, p=pair: leaf[p], s) for s in (training, test))
        known = [spell(jax.tree.map(lambda leaf, i=i: leaf[..., i], one)) for i in range(8)]
        unknown = [spell(jax.tree.map(lambda leaf, i=i: leaf[..., i], other)) for i in range(8)]
        assert [spell(task.evaluation_set(i)) for i in range(16)] == known + unknown
        drawn = {spell(task.sample(jax.random.key(i))) for i in range(60)}
        assert drawn == set(known)
    first = from_pairs(training, test).sample(jax.random.key(0))
    assert first.targets.shape == (from_pairs(training, test).steps, 7)
    assert (
        int(first.length) <= len(first.inputs) == int(max(training.length.max(), test.length.max()))
    )


def test_a_pair_may_differ_from_lane_to_lane():
    pairs = jax.vmap(lambda key: reber_sets(key, n=8))(jax.random.split(jax.random.key(5), 3))
    exams = jax.vmap(lambda pair: from_pairs(*pairs, pair=pair).evaluation_set(3))(jnp.arange(3))
    for pair in range(3):
        alone = from_pairs(*pairs, pair=pair).evaluation_set(3)
        assert np.array_equal(exams.inputs[pair], alone.inputs)
    assert not np.array_equal(exams.inputs[0], exams.inputs[1])  # control


def test_single_sets_are_no_pairs():
    with pytest.raises(ValueError, match=r"pairs of sets.*\(8,\)"):
        from_pairs(*reber_sets(jax.random.key(0), n=8))
