"""The tasks that the tests are about: one object each, so that each is compiled once."""

from functools import partial

import jax

from lstm_jax import tasks

RECIPES = {
    "1, plain": partial(tasks.reber),
    "1": partial(tasks.embedded_reber),
    "1, a set": partial(tasks.from_set, tasks.reber_sets(jax.random.key(0), n=16)[0]),
    "2a": partial(tasks.fixed_distractors, 5),
    "2b": partial(tasks.random_distractors, 5),
    "2b, end only": partial(tasks.random_distractors, 5, end_only=True),
    "2c": partial(tasks.random_lag, 5, 4),
    "3a": partial(tasks.two_sequence, 100, 3),
    "3b": partial(tasks.two_sequence, 100, 3, noisy_signal=True),
    "3c": partial(tasks.two_sequence, 100, 3, targets=(0.2, 0.8), target_variance=0.1),
    "4": partial(tasks.adding, 100),
    "4, first mark stays": partial(tasks.adding, 100, keep_first_mark=True),
    "4, no end markers": partial(tasks.adding, 100, end_markers=False),
    "5": partial(tasks.multiplication, 100),
    "5, first mark stays": partial(tasks.multiplication, 100, keep_first_mark=True),
    "5, no end markers": partial(tasks.multiplication, 100, end_markers=False),
    "6a": partial(tasks.temporal_order),
    "6b": partial(tasks.temporal_order, marks=3),
    "xor": partial(tasks.delayed_logic, 40),
    "parity": partial(tasks.parity, 30),
    "steps ago": partial(tasks.steps_ago, 3, 11),
    "modern sum": partial(tasks.modern_adding, 100),
    "modern product": partial(tasks.modern_multiplication, 100),
}
CATALOGUE = {name: make() for name, make in RECIPES.items()}
