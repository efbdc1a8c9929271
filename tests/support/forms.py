"""Every gradient rule in one compiled function, and what the twin says about the same problem."""

from functools import lru_cache
from typing import NamedTuple

import jax
import numpy as np

from lstm_jax.gradients.bptt import bptt
from lstm_jax.gradients.rtrl import rtrl
from lstm_jax.gradients.truncated import by_definition, parallel_scan
from lstm_jax.gradients.truncated_traces import forward_traces
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import Readout
from lstm_jax.types import LossAndGrads, Sequence
from tests.reference import memory_block as twin
from tests.reference.catalogue import SMALL, random_problem
from tests.reference.topology import Topology
from tests.support.bridge import gap, net_of, to_flat, to_params, to_sequence
from tests.support.slow import quick

STEPS = 8  # what every problem is padded to, so that one program serves all lengths
TRUNCATED = {
    "by_definition": by_definition,
    "parallel_scan": parallel_scan,
    "forward_traces": forward_traces,
}
FULL = {"bptt": bptt, "rtrl": rtrl}
RULES = {**TRUNCATED, **FULL}
FEW = ("1997", "bottom-up as in 2a", "everything")  # these turn nearly every switch
TWO = ("1997", "everything")
# each a way through the code that no other takes; the rest are slow where a test costs much
FIVE = ("no gates at all", "bottom-up as in 2a", "forget gates", "cells feed back", "everything")


class Problem(NamedTuple):
    """A net, its flat weights, and a sequence."""

    topology: Topology
    weights: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray

    def ask(self) -> tuple[Readout, Sequence]:
        """What a rule of the library takes."""
        steps = max(STEPS, len(self.inputs))
        sequence = to_sequence(self.inputs, self.targets, self.mask, steps)
        return to_params(self.topology, self.weights), sequence

    def symbolic(self, seed: int = 0) -> "Problem":
        """The same with one-hot inputs."""
        number = self.topology.inputs
        symbols = np.random.default_rng(seed).integers(number, size=len(self.inputs))
        return self._replace(inputs=np.eye(number)[symbols])

    def ask_symbols(self) -> tuple[Readout, Sequence]:
        """One-hot inputs as integer symbols."""
        symbols = np.argmax(self.inputs, axis=1).astype(np.int32)
        return self._replace(inputs=symbols).ask()

    def at_end(self) -> "Problem":
        """The same with an error signal at the last step only."""
        return self._replace(mask=np.arange(len(self.mask)) == len(self.mask) - 1)

    def heard(self) -> "Problem":
        """The same with an error signal at every step."""
        return self._replace(mask=np.ones(len(self.mask), bool))


def problem(topology: Topology, seed: int, steps: int = 6) -> Problem:
    """A random problem of the catalogue."""
    return Problem(*random_problem(topology, seed, steps))


def ended(sequence: Sequence) -> Sequence:
    """One target, at the last living step: the same sequence with `targets_at="end"`."""
    last = int(sequence.length) - 1
    cut = {name: getattr(sequence, name)[last : last + 1] for name in ("targets", "goals", "mask")}
    return sequence.replace(**cut, targets_at="end")


def alive(learned: LossAndGrads, length: int) -> LossAndGrads:
    """Without the outputs behind the end, which mean nothing."""
    return learned._replace(outputs=np.asarray(learned.outputs)[:length])


@lru_cache
def learner(topology: Topology, names: tuple[str, ...] = tuple(RULES)):
    """`(params, sequence) -> {rule: LossAndGrads}`, compiled once for all tests."""
    rules = {name: RULES[name](net_of(topology), squared_error) for name in names}
    return jax.jit(lambda params, sequence: {n: r(params, sequence) for n, r in rules.items()})


def expect(rule: str, given: Problem) -> tuple[float, np.ndarray, np.ndarray]:
    """Error, outputs and flat gradient of the twin."""
    compute = twin.full_gradient if rule in FULL else twin.truncated_traces
    error, gradient = compute(*given)[:2]
    return error, twin.forward(*given[:3]).outputs, gradient


def assert_agree(learned: dict[str, LossAndGrads], given: Problem, tolerance: float) -> None:
    """What all rules say is what the twin says."""
    assert set(learned) >= set(TRUNCATED)
    for rule, found in learned.items():
        error, outputs, gradient = expect(rule, given)
        outputs = outputs[-1:] if len(found.outputs) == 1 else outputs
        np.testing.assert_allclose(found.loss, error, rtol=tolerance, err_msg=rule)
        found = alive(found, len(outputs))
        np.testing.assert_allclose(found.outputs, outputs, rtol=0, atol=tolerance, err_msg=rule)
        assert gap(to_flat(given.topology, found.grads), gradient) < tolerance, rule


def every(names=SMALL, quickly=SMALL) -> dict:
    """Arguments of `pytest.mark.parametrize` for topologies of the catalogue.

    Those that are not among `quickly` are slow.
    """
    names = list(names)
    argvalues = quick((SMALL[n] for n in names), [SMALL[n] for n in quickly])
    return {"argnames": "topology", "argvalues": argvalues, "ids": names}
