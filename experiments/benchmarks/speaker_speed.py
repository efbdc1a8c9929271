"""Speaker recognition beside torch: our 32 trials at once, torch's 8 one after the other.

`bench --speakers` gives each a process of its own on one core; what it takes to begin and to
compile counts. Ours is the study `speaker_recognition` as it is; torch's is what a user would
write: a bidirectional LSTM of 64 units on packed sequences, the mean of its outputs, a layer on
top, 60 epochs of Adam with batches of 30 at 0.01. `python -m experiments.benchmarks.speaker_speed
NAME` is such a process.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks.other_libraries import MISSING, answer_of, of_each
from experiments.family.speakers import CHANNELS, SPEAKERS, speaker_recognition, utterances
from experiments.studies.trial_source import TrialSource

TORCH_TRIALS, TORCH_EPOCHS, TORCH_UNITS, BATCH, RATE = 8, 60, 64, 30, 0.01


def bench() -> dict[str, Any]:
    """Train and test both.

    Returns:
      What JSON can hold: `libraries` by name, each a line on why there is nothing or
      `{"trials", "seconds", "shares"}`, the share of test utterances recognised a trial.
    """
    return of_each(MAKE, _ask)


def _ask(name: str) -> Any:
    if find_spec(name) is None:
        return MISSING
    began = time.perf_counter()
    shares = answer_of("speaker_speed", name, environment={})
    seconds = round(time.perf_counter() - began, 1)
    if isinstance(shares, str):
        return shares
    return {"trials": len(shares), "seconds": seconds, "shares": shares}


def _ours() -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        return speaker_recognition(TrialSource(Path(folder))).numbers["shares"]


def _torch() -> list[float]:
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    torch.set_num_threads(1)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = torch.nn.LSTM(CHANNELS, TORCH_UNITS, bidirectional=True)
            self.top = torch.nn.Linear(2 * TORCH_UNITS, SPEAKERS)

        def forward(self, x, length):
            packed = pack_padded_sequence(x, length, enforce_sorted=False)
            outputs, _ = pad_packed_sequence(self.lstm(packed)[0])
            return self.top(outputs.sum(dim=0) / length[:, None])

    def given(split: str):
        sequences = utterances(split)
        x = torch.tensor(np.moveaxis(np.asarray(sequences.inputs), -1, 1))
        label = torch.tensor(np.asarray(sequences.targets).argmax(axis=1).ravel())
        return x, torch.tensor(np.asarray(sequences.length), dtype=torch.int64), label

    training, test = given("train"), given("test")

    def trial(seed: int) -> float:
        torch.manual_seed(seed)
        net = Net()
        optimizer = torch.optim.Adam(net.parameters(), RATE)
        x, length, label = training
        for _ in range(TORCH_EPOCHS):
            for at in torch.randperm(len(label)).split(BATCH):
                optimizer.zero_grad()
                logits = net(x[:, at], length[at])
                torch.nn.functional.cross_entropy(logits, label[at]).backward()
                optimizer.step()
        with torch.no_grad():
            x, length, label = test
            return float((net(x, length).argmax(dim=1) == label).float().mean())

    return [trial(seed) for seed in range(TORCH_TRIALS)]


MAKE: dict[str, Callable[[], list[float]]] = {"lstm_jax": _ours, "torch": _torch}


def main() -> None:
    """Train and test with one library and print JSON."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.speaker_speed")
    parser.add_argument("name", choices=MAKE)
    print(json.dumps(MAKE[parser.parse_args().name]()))


if __name__ == "__main__":
    main()
