"""The tutorial's hybrid rule (Understanding LSTM, 9.3), weight by weight, in plain Python.

Output units and output gates learn by a step of back-propagation (equations 39 to 42); cells,
input gates and forget gates by traces of their own state that are carried forward (equations 43
to 46). Nothing else flows back in time. Returns dE/dw of E = 1/2 sum (d - y)^2, which is minus
what the equations add to the weights.
"""

import numpy as np


def logistic(x):
    return 1 / (1 + np.exp(-x))


def squash(x, width):
    """g and h: logistic functions of range (-width / 2, width / 2), and their slopes."""
    y = logistic(x)
    return width * y - width / 2, width * y * (1 - y)


def gradients(blocks, hidden, bias, out, out_bias, inputs, targets):
    """Gradients of weights into the hidden layer, and into the output units.

    Args:
      blocks: cells of each block; rows are cells, input gates, output gates, forget gates.
      hidden: `(units, sources)`, sources being the inputs and all units a step before.
      bias: `(units,)`.
      out: `(outputs, cells)`.
      out_bias: `(outputs,)`.
      inputs, targets: `(time, ...)`.
    """
    cells, gates = sum(blocks), len(blocks)
    block_of = np.repeat(np.arange(gates), blocks)
    units = cells + 3 * gates
    row_in, row_out, row_forget = (cells + k * gates for k in range(3))
    s, y = np.zeros(cells), np.zeros(units)
    sources = hidden.shape[1] + 1  # and the bias
    traces = {kind: np.zeros((cells, sources)) for kind in ("cell", "in", "forget")}
    d_hidden, d_out = np.zeros((units, sources)), np.zeros((len(out), cells + 1))
    for x, d in zip(inputs, targets, strict=True):
        source = np.concatenate([x, y, [1.0]])
        net = np.concatenate([hidden, bias[:, None]], axis=1) @ source
        gate = logistic(net[cells:])
        y_in, y_out, y_forget = np.split(gate, 3)
        slope_in, slope_out, slope_forget = np.split(gate * (1 - gate), 3)
        g, g_slope = squash(net[:cells], 4.0)
        for v in range(cells):
            j = block_of[v]
            traces["cell"][v] = traces["cell"][v] * y_forget[j] + g_slope[v] * y_in[j] * source
            traces["in"][v] = traces["in"][v] * y_forget[j] + g[v] * slope_in[j] * source
            traces["forget"][v] = (
                traces["forget"][v] * y_forget[j] + s[v] * slope_forget[j] * source
            )
            s[v] = s[v] * y_forget[j] + y_in[j] * g[v]
        h, h_slope = squash(s, 2.0)
        y_cell = y_out[block_of] * h
        y = np.concatenate([y_cell, gate])
        y_k = logistic(out @ y_cell + out_bias)
        delta = (d - y_k) * y_k * (1 - y_k)
        d_out -= delta[:, None] * np.concatenate([y_cell, [1.0]])[None]
        back = out.T @ delta
        for v in range(cells):
            j = block_of[v]
            error = y_out[j] * h_slope[v] * back[v]
            d_hidden[v] -= error * traces["cell"][v]
            d_hidden[row_in + j] -= error * traces["in"][v]
            d_hidden[row_forget + j] -= error * traces["forget"][v]
            d_hidden[row_out + j] -= slope_out[j] * h[v] * back[v] * source
    return d_hidden, d_out
