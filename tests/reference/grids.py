"""Multidimensional LSTM and Grid LSTM as nested loops in NumPy, written from the equations."""

import numpy as np


def sigmoid(v):
    """The logistic function."""
    return 1 / (1 + np.exp(-v))


def multidimensional(w, us, b, x, alive, signs):
    """Outputs `(grid..., hidden)` of one direction; `x` is `(grid..., inputs)`."""
    shape, hidden = alive.shape, us[0].shape[1]
    y, s = np.zeros((*shape, hidden)), np.zeros((*shape, hidden))
    order = [
        range(n) if sign > 0 else range(n - 1, -1, -1) for n, sign in zip(shape, signs, strict=True)
    ]
    for point in np.array(np.meshgrid(*order, indexing="ij")).reshape(len(shape), -1).T:
        p = tuple(point)
        if not alive[p]:
            continue
        net, states = w @ x[p] + b, []
        for d, u in enumerate(us):
            q = tuple(c - signs[d] * (a == d) for a, c in enumerate(p))
            there = all(0 <= c < n for c, n in zip(q, shape, strict=True))
            net = net + u @ (y[q] if there else np.zeros(hidden))
            states.append(s[q] if there else np.zeros(hidden))
        gate, *forget, out, z = np.split(net, len(us) + 3)
        s[p] = sigmoid(gate) * np.tanh(z)
        for f, before in zip(forget, states, strict=True):
            s[p] += sigmoid(f) * before
        y[p] = sigmoid(out) * np.tanh(s[p])
    return y


def grid_over_time(proj_h, proj_m, layers, x):
    """A Grid LSTM of depth and time; `layers` holds `((W, b), (W, b))`, depth first."""
    hidden = len(proj_h)
    along = [(np.zeros(hidden), np.zeros(hidden)) for _ in layers]
    outputs = []
    for step in x:
        h, m = proj_h @ step, proj_m @ step
        for number, ((w0, b0), (w1, b1)) in enumerate(layers):
            h_time, m_time = along[number]
            both = np.concatenate([h, h_time])
            after = []
            for w, b, memory in ((w0, b0, m), (w1, b1, m_time)):
                i, f, o, g = np.split(w @ both + b, 4)
                memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
                after.append((np.tanh(sigmoid(o) * memory), memory))
            (h, m), along[number] = after
        outputs.append(h)
    return np.array(outputs)
