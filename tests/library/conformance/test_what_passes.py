"""Every public cell, rule, task and learner of the library passes its own check."""

import jax
import optax
import pytest

import lstm_jax as lj
from lstm_jax import gradients, tasks
from lstm_jax.cells.cascade import cascade
from lstm_jax.cells.naive_carousel import naive_carousel
from lstm_jax.losses import squared_error
from lstm_jax.ops.activations import identity
from lstm_jax.ops.linear import is_symbol
from lstm_jax.types import GradientRule
from tests.library.contracts import family, learners, nets, noise, toys
from tests.library.contracts.approximations import eprop, snap
from tests.support.slow import slow

GATED = lj.Topology(inputs=2, blocks=(2, 1), forget_gates=True, hidden=1)
CELLS = {
    "memory block": lambda: lj.memory_block(lj.Topology(inputs=2, blocks=(1, 2))),
    "memory block, all kinds of unit": lambda: lj.memory_block(GATED),
    "memory block, not all of them there": lambda: lj.memory_block(GATED, present=1),
    "net of memory blocks": lambda: lj.readout(
        lj.memory_block(lj.Topology(inputs=2, blocks=(2,))), outputs=2, direct=True
    ),
    "Elman": lambda: lj.elman(2, 3),
    "Elman, without bias": lambda: lj.elman(2, 3, bias=False),
    "Jordan": lambda: lj.jordan(2, 3, 2),
    "fully recurrent": lambda: lj.fully_recurrent(2, 3, 1),
    "naive carousel": lambda: naive_carousel(2, 2),
    "cascade": lambda: cascade(2, 3),
    "LSTM": lambda: family.lstm(2, 3),
    "GRU": lambda: family.gru(2, 2),
    "peephole": lambda: family.peephole(2, 2),
    "stack": lambda: family.stack(family.lstm(2, 2), family.gru(2, 2)),
    "leaky": lambda: family.leaky(2, 3),
}


def only_symbols():
    """A cell that looks its inputs up, and refuses anything else."""
    cell = lj.elman(3, 2)

    def step(params, state, x):
        if not is_symbol(x):
            raise ValueError("expected symbols")
        return cell.step(params, state, x)

    return cell._replace(step=step)


def only_reals():
    cell = lj.elman(3, 2)

    def step(params, state, x):
        if is_symbol(x):
            raise ValueError("expected reals")
        return cell.step(params, state, x)

    return cell._replace(step=step)


CELLS |= {"symbols alone": only_symbols, "reals alone": only_reals}


# those of the tests whose like the library has now, and its tests check
OWN = {"LSTM", "GRU", "peephole", "stack", "leaky", "bidirectional", "multidimensional", "grid"}
OWN |= {"dropout", "feed-forward", "attention", "encoder-decoder"}
# those that take the paths of others
ALIKE = {"memory block", "memory block, not all of them there", "Elman, without bias"}
ALIKE |= {"eprop", "snap", "steps only", "multiplication", "modern_multiplication", "epochs"}
ALIKE |= {"random_distractors, end", "in batches", "annealing in batches", "noise"}


def those(names):
    return pytest.mark.parametrize("name", slow(names, OWN | ALIKE))


@those(CELLS)
def test_cells(name):
    lj.check_cell(CELLS[name]())


NETS = {
    "unrolled": (lj.net_of(lj.elman(2, 3)), 4),
    "feed-forward": (nets.feed_forward(2, 3, 1), 3),
    "dropout": (nets.dropout(2, 3, 1), 3),
    "bidirectional": (nets.bidirectional(lj.elman(2, 2), lj.elman(2, 2), 1), 3),
    "multidimensional": (nets.multidimensional(2, 2, 1), 4),
    "grid": (nets.grid(2, 2, 2, 1), 3),
    "attention": (nets.attention(2, 2, 1), 3),
    "encoder-decoder": (nets.encoder_decoder(lj.elman(2, 2), lj.elman(2, 2), 1, 2), 3),
}


@those(NETS)
def test_nets(name):
    net, steps = NETS[name]
    lj.check_net(net, steps=steps)


BLOCK = lj.readout(lj.memory_block(lj.Topology(inputs=1, blocks=(1,))), 1, activation=identity)
UNITS = lj.fully_recurrent(1, 2, 1)
RULES = {
    "bptt": (gradients.bptt, BLOCK, None),
    "windowed": (gradients.windowed(5), BLOCK, gradients.bptt),
    "rtrl": (gradients.rtrl, UNITS, gradients.bptt),
    "by_definition": (gradients.by_definition, BLOCK, None),
    "parallel_scan": (gradients.parallel_scan, BLOCK, gradients.by_definition),
    "forward_traces": (gradients.forward_traces, BLOCK, gradients.by_definition),
    "weight noise": (noise.weight_noise(gradients.bptt, 0.1), UNITS, None),
    "uoro": (noise.uoro, UNITS, None),
    "snap": (snap(1), UNITS, None),
    "eprop": (eprop, BLOCK, gradients.by_definition),
    "steps only": (gradients.rtrl._replace(sequence=None), UNITS, gradients.bptt),
}


@those(RULES)
def test_rules(name):
    rule, cell, against = RULES[name]
    lj.check_rule(rule, cell=cell, against=against)


def test_no_public_rule_is_missing():
    public = {n for n in gradients.__all__ if isinstance(getattr(gradients, n), GradientRule)}
    assert public | {"windowed"} <= set(RULES)


SET = tasks.reber_sets(jax.random.key(0), n=16)


def stacked_pairs():
    return (jax.tree.map(lambda leaf: leaf[None], sequences) for sequences in SET)


TASKS = {
    "reber": lambda: tasks.reber(),
    "embedded_reber": lambda: tasks.embedded_reber(),
    "from_set": lambda: tasks.from_set(SET[0]),
    "from_pairs": lambda: tasks.from_pairs(*stacked_pairs()),
    "set_pairs": lambda: tasks.set_pairs(*stacked_pairs(), inputs=7),
    "fixed_distractors": lambda: tasks.fixed_distractors(5),
    "random_distractors": lambda: tasks.random_distractors(5),
    "random_distractors, end": lambda: tasks.random_distractors(5, end_only=True),
    "random_lag": lambda: tasks.random_lag(5, 4),
    "two_sequence": lambda: tasks.two_sequence(100, 3),
    "adding": lambda: tasks.adding(100),
    "multiplication": lambda: tasks.multiplication(100),
    "modern_adding": lambda: tasks.modern_adding(20),
    "modern_multiplication": lambda: tasks.modern_multiplication(20),
    "temporal_order": lambda: tasks.temporal_order(),
    "delayed_logic": lambda: tasks.delayed_logic(40),
    "parity": lambda: tasks.parity(30),
    "steps_ago": lambda: tasks.steps_ago(3, 11),
    "epochs": lambda: toys.epochs(toys.marked(), 12),
    "targets of their own": lambda: toys.first_two_backwards(),
}
NO_TASKS = {"AND", "XOR", "reber_sets", "spell"}
# tests/library/tasks checks them: test_later.py, test_own_sequences.py
LATER = {"continual_reber", "copying", "counting_language", "from_sequences", "unsegmented"}
LATER |= {"generated_spikes", "measured_spikes"}


@those(TASKS)
def test_tasks(name):
    lj.check_task(TASKS[name]())


def test_no_public_task_is_missing():
    assert set(tasks.__all__) - NO_TASKS - LATER <= set(TASKS)


def sgd(rule, **learning):
    return lj.gradient_descent(rule, squared_error, optax.sgd(0.1), **learning)


def config(learner, **more) -> lj.TrialConfig:
    given = {"stop": lj.stopping.streak(9), "max_sequences": 99, "test_sequences": 0, **more}
    return lj.TrialConfig(UNITS, toys.shifted(0), learner, lj.judging.within(0.1), **given)


LEARNERS = {
    "gradient descent": config(sgd(gradients.bptt)),
    "clipped": config(
        lj.gradient_descent(
            gradients.bptt,
            squared_error,
            optax.chain(optax.clip_by_global_norm(0.01), optax.adam(0.1)),
        )
    ),
    "in batches": config(sgd(gradients.bptt), batch=3),
    "at every step": config(sgd(gradients.rtrl, every_step=True)),
    "without resets": config(sgd(gradients.rtrl, every_step=True, resets=False)),
    "noise": config(sgd(noise.weight_noise(gradients.bptt, 0.1))),
    "guessing": config(lj.random_guessing(), stop=lj.all_right(9)),
    "annealing": config(learners.Annealing(0.1, 0.9)),
    "annealing in batches": config(learners.Annealing(0.1, 0.9), batch=2),
    "Kalman filter": config(learners.Kalman(1.0, 0.1)),
    "grid": config(learners.GridSearch(3, 1.0, 0.5)),
}


@those(LEARNERS)
def test_learners(name):
    lj.check_learner(LEARNERS[name].learner, LEARNERS[name])
