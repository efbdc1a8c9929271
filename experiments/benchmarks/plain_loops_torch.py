"""Rivals as plain torch loops, to be timed beside ours; torch is imported when they start."""

from typing import Any, NamedTuple

from experiments.benchmarks.plain_loops import Drawn, GradientFn, Tables


class Torch(NamedTuple):
    """Weights that torch changes in place, and what changes them."""

    weights: tuple[Any, ...]
    optimizer: Any


def torch_start(weights: Tables, rate: float) -> Torch:
    """Tables for the loops below."""
    import torch

    torch.set_num_threads(1)
    made = tuple(torch.tensor(table, requires_grad=True) for table in weights)
    return Torch(made, torch.optim.SGD(made, lr=rate))


def torch_elman(net: Torch, drawn: Drawn, rate: float) -> Torch:
    """`elman` by automatic differentiation; `rate` is the optimizer's already."""
    import torch

    (hidden, top), optimizer = net
    context = torch.zeros(len(hidden), dtype=hidden.dtype)
    inputs, targets = _tensors(hidden, drawn)
    for x, target in zip(inputs, targets, strict=True):
        y_hidden = torch.sigmoid(hidden @ torch.cat([x, context]))
        loss = 0.5 * torch.sum((target - torch.sigmoid(top @ y_hidden)) ** 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        context = y_hidden.detach()
    return net


def torch_bptt_one_unit(net: Torch, drawn: Drawn, rate: float) -> Torch:
    """`bptt_one_unit` by automatic differentiation; `rate` is the optimizer's already."""
    import torch

    (hidden, top), optimizer = net
    y, rows = torch.zeros(1, dtype=hidden.dtype), []
    inputs, targets = _tensors(hidden, drawn)
    for x in inputs:
        y = torch.sigmoid(hidden @ torch.cat([x, y]))
        rows.append(torch.cat([x, y]))
    outputs = torch.sigmoid(torch.stack(rows) @ top.T)
    loss = 0.5 * torch.sum((targets - outputs) ** 2)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return net


def _tensors(hidden: Any, drawn: Drawn) -> tuple[Any, Any]:
    import torch

    symbols = torch.eye(hidden.shape[1] - len(hidden), dtype=hidden.dtype)
    return symbols[drawn.inputs.tolist()], torch.tensor(drawn.targets, dtype=hidden.dtype)


TORCH: dict[str, GradientFn] = {"Elman": torch_elman, "BPTT, one unit": torch_bptt_one_unit}
