"""CTC by counting: every path through the classes, in plain Python."""

import itertools

import numpy as np

BLANK = 0


def spelt(path):
    """The labels of a path: repetitions merged, then blanks left out."""
    merged = [label for label, _ in itertools.groupby(path)]
    return tuple(label for label in merged if label != BLANK)


def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def probabilities(logits):
    """By labelling, the summed probability of all paths that spell it."""
    logs = log_softmax(np.asarray(logits, float))
    found = {}
    for path in itertools.product(range(logs.shape[1]), repeat=len(logs)):
        chance = np.exp(sum(logs[t, label] for t, label in enumerate(path)))
        found[spelt(path)] = found.get(spelt(path), 0.0) + chance
    return found


def edit_distance(one, other):
    """By the recursion, without a table."""
    if not one or not other:
        return len(one) + len(other)
    return min(
        edit_distance(one[1:], other) + 1,
        edit_distance(one, other[1:]) + 1,
        edit_distance(one[1:], other[1:]) + (one[0] != other[0]),
    )
