"""An LSTM that writes labels and looks back by additive attention, in loops over numbers.

Weights are a dictionary by the names of the equations, matrices by [to][from]:

  score(t) = v . tanh(W_h enc(t) + W_s s)    a = softmax over the living t
  context  = sum_t a(t) enc(t)
  (s, c)  <- LSTM([label before; context], (s, c))    gates i, f, g, o
  logits   = W_o [s; context] + b_o
"""

import math

import numpy as np


def zero_state(weights):
    units = len(weights["W_o"][0]) - len(weights["W_h"][0])
    return [0.0] * units, [0.0] * units


def look(weights, encoded, query):
    """Weights and context; `encoded` holds the living steps alone, perhaps none."""
    scores = []
    for enc in encoded:
        score = 0.0
        for v, from_encoded, from_query in zip(
            weights["v"], weights["W_h"], weights["W_s"], strict=True
        ):
            net = sum(w * x for w, x in zip(from_encoded, enc, strict=True))
            net += sum(w * x for w, x in zip(from_query, query, strict=True))
            score += v * math.tanh(net)
        scores.append(score)
    largest = max(scores, default=0.0)
    parts = [math.exp(score - largest) for score in scores]
    shares = [part / sum(parts) for part in parts]
    context = [0.0] * len(weights["W_h"][0])
    for share, enc in zip(shares, encoded, strict=True):
        context = [c + share * x for c, x in zip(context, enc, strict=True)]
    return shares, context


def step(weights, encoded, state, label):
    """From a state and the label before: the next state, logits, weights and context."""
    s, c = state
    shares, context = look(weights, encoded, s)
    sources = [row[label] for row in weights["embedding"]] + context

    def gate(number, unit):
        row = number * len(s) + unit
        net = weights["bias_ih"][row] + weights["bias_hh"][row]
        net += sum(w * x for w, x in zip(weights["weight_ih"][row], sources, strict=True))
        net += sum(w * x for w, x in zip(weights["weight_hh"][row], s, strict=True))
        return math.tanh(net) if number == 2 else 1 / (1 + math.exp(-net))

    cells = [gate(1, u) * c[u] + gate(0, u) * gate(2, u) for u in range(len(s))]
    outputs = [gate(3, u) * math.tanh(cells[u]) for u in range(len(s))]
    logits = [
        bias + sum(w * x for w, x in zip(row, outputs + context, strict=True))
        for row, bias in zip(weights["W_o"], weights["b_o"], strict=True)
    ]
    return (outputs, cells), logits, shares, context


def taught(weights, encoded, previous):
    """Logits, weights, contexts and outputs after each of the labels that it is told."""
    state, seen = zero_state(weights), []
    for label in previous:
        state, logits, shares, context = step(weights, encoded, state, label)
        seen.append((logits, shares, context, state[0]))
    return [np.array(part) for part in zip(*seen, strict=True)]


def logarithms(logits):
    """Of the probabilities of labels."""
    largest = max(logits)
    total = largest + math.log(sum(math.exp(x - largest) for x in logits))
    return [x - total for x in logits]


def beam(weights, encoded, *, begin, end, steps, width):
    """The strings kept after the last step, best first: (log-probability, labels with the end)."""
    kept = [(0.0, (), zero_state(weights))]
    for _ in range(steps):
        longer = []
        for total, labels, state in kept:
            if labels and labels[-1] == end:
                longer.append((total, labels, state))
                continue
            state, logits, *_ = step(weights, encoded, state, labels[-1] if labels else begin)
            for label, log in enumerate(logarithms(logits)):
                longer.append((total + log, (*labels, label), state))
        kept = sorted(longer, key=lambda one: -one[0])[:width]
    return [(total, labels) for total, labels, _ in kept]
