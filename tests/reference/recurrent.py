"""Conventional recurrent nets and real-time recurrent learning in float64, as plain loops.

All units are logistic. Weights are tables with one row a unit; its columns are what the
unit reads: the inputs, then the context, then 1 if there are biases. Gradients are dE/dw,
shaped like the tables, of E = 1/2 sum_t sum_k (target_k - y_k)^2 over the steps of the mask.

`rtrl` follows equations 15 to 19 of Understanding LSTM (2019) letter by letter, `recent`
its equation 12 from every step back through a window; `one_step` is Elman's procedure,
backpropagation through an ordinary two-layer net whose context is one more input.
"""

from typing import NamedTuple

import numpy as np

from .topology import df, f

Array = np.ndarray


class Traced(NamedTuple):
    """The error of a sequence, its gradient, and what every step contributes to it."""

    error: float
    gradient: Array
    steps: Array


def sources(x: Array, context: Array, weights: Array) -> Array:
    """What a unit reads; 1 for a bias if there is a column left for it."""
    read = np.concatenate([x, context])
    return np.concatenate([read, [1.0] * (weights.shape[1] - len(read))])


def squashed(weights: Array, read: Array) -> Array:
    """f(net) of every row."""
    return np.array([f(net) for net in weights @ read])


def squared_error(outputs: Array, targets: Array, mask: Array) -> float:
    """E, over the steps of the mask."""
    return 0.5 * float(np.sum((targets - outputs)[mask] ** 2))


# ---------------------------------------------------------------- forward passes


def fully_recurrent(weights: Array, inputs: Array) -> Array:
    """y_u(t) of all units `(L, units)`."""
    y, run = np.zeros(len(weights)), []
    for x in inputs:
        y = squashed(weights, sources(x, y, weights))
        run.append(y)
    return np.array(run)


def elman(hidden: Array, top: Array, inputs: Array) -> Array:
    """Outputs `(L, outputs)` of a layer that reads the units of `fully_recurrent`."""
    none = np.zeros(0)
    return np.array([squashed(top, sources(y, none, top)) for y in fully_recurrent(hidden, inputs)])


def jordan(hidden: Array, top: Array, inputs: Array, decay: float = 0.0) -> Array:
    """Outputs `(L, outputs)` of a net whose hidden layer reads the last outputs.

    With a decay its context units read themselves, too.
    """
    context, run = np.zeros(len(top)), []
    for x in inputs:
        y_h = squashed(hidden, sources(x, context, hidden))
        y = squashed(top, sources(y_h, np.zeros(0), top))
        context = decay * context + y
        run.append(y)
    return np.array(run)


# ---------------------------------------------------------------- learning


def rtrl(weights: Array, inputs: Array, targets: Array, mask: Array, rate=0.0) -> Traced:
    """Real-time recurrent learning of a fully recurrent net, the first units its outputs.

    Weights change by `rate` times the gradient after every step; `gradient` is the sum of
    what the steps contributed, from the weights as they were.
    """
    weights, (units, reads) = weights.copy(), weights.shape
    outputs = targets.shape[1]
    y = np.zeros(units)
    p = np.zeros((units, units, reads))  # p[k, u, v] = dy_k / dW_uv, 0 at first (eq 19)
    error, steps = 0.0, []
    for x, d, heard in zip(inputs, targets, mask, strict=True):
        read = sources(x, y, weights)
        z = weights @ read
        p_t = np.zeros_like(p)
        for k in range(units):
            for u in range(units):
                for v in range(reads):
                    recurrent = weights[k, len(x) : len(x) + units] @ p[:, u, v]
                    p_t[k, u, v] = df(z[k]) * ((u == k) * read[v] + recurrent)  # eq 18
        p, y = p_t, np.array([f(net) for net in z])  # eq 16
        e = (d - y[:outputs]) * heard
        step = -np.einsum("k,kuv->uv", e, p[:outputs])  # eq 14
        error += 0.5 * float(e @ e)
        weights = weights - rate * step
        steps.append(step)
    return Traced(error, np.sum(steps, axis=0), np.array(steps))


def recent(
    weights: Array, inputs: Array, targets: Array, mask: Array, window: int, rate=0.0
) -> Traced:
    """The same net and updates; at every step BPTT of its error through the last steps.

    It goes back through the activations as they were, by the weights as they are.
    """
    weights, (units, reads) = weights.copy(), weights.shape
    outputs, first = targets.shape[1], inputs.shape[1]
    ys, error, steps = [np.zeros(units)], 0.0, []
    for t in range(len(inputs)):
        ys.append(squashed(weights, sources(inputs[t], ys[t], weights)))
        e_y = np.zeros(units)
        e_y[:outputs] = (targets[t] - ys[-1][:outputs]) * mask[t]
        error += 0.5 * float(e_y @ e_y)
        step = np.zeros((units, reads))
        for tau in range(t, max(t - window, -1), -1):
            read = sources(inputs[tau], ys[tau], weights)
            e_z = np.array([df(z) for z in weights @ read]) * e_y  # eq 12
            step -= np.outer(e_z, read)
            e_y = weights[:, first : first + units].T @ e_z
        weights = weights - rate * step
        steps.append(step)
    return Traced(error, np.sum(steps, axis=0), np.array(steps))


def one_step(
    hidden: Array, top: Array, inputs: Array, targets: Array, mask: Array
) -> tuple[Array, Array]:
    """Elman's gradient of both layers: the context is an input like any other."""
    by_hidden, by_top = np.zeros_like(hidden), np.zeros_like(top)
    context = np.zeros(len(hidden))
    for x, d, heard in zip(inputs, targets, mask, strict=True):
        read = sources(x, context, hidden)
        context = squashed(hidden, read)
        above = sources(context, np.zeros(0), top)
        y = squashed(top, above)
        e_k = (d - y) * y * (1.0 - y) * heard
        for k in range(len(top)):
            by_top[k] -= e_k[k] * above
        for u in range(len(hidden)):
            e_u = context[u] * (1.0 - context[u]) * sum(e_k * top[:, u])
            by_hidden[u] -= e_u * read
    return by_hidden, by_top
