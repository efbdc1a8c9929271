"""Recurrent cascade-correlation: a net that grows while it learns.

Fahlman, The recurrent cascade-correlation architecture, NIPS 3, 1991; Fahlman and Lebiere,
The cascade-correlation learning architecture, NIPS 2, 1990. Constants whose values the
papers leave open are those of their authors' public programs.

The outputs receive the inputs and all hidden units. Their weights learn until progress
stagnates; then a pool of candidates, each receiving the inputs, the hidden units and itself
a step ago, learns to go along with what is left of the error; the best one becomes a
hidden unit, its weights stay as they are, and the outputs learn again. Learning is by quickprop
in epochs, each over the whole training set.
"""

from lstm_jax.methods.cascade_correlation.epoch import CascadeMemory
from lstm_jax.methods.cascade_correlation.evaluation import (
    Evaluation,
    activations,
    candidate_slopes,
    covariances,
    evaluate,
    output_slopes,
)
from lstm_jax.methods.cascade_correlation.learner import cascade_correlation
from lstm_jax.methods.cascade_correlation.net import cascade_net
from lstm_jax.methods.cascade_correlation.schedule import PhaseSchedule

__all__ = [
    "CascadeMemory",
    "Evaluation",
    "PhaseSchedule",
    "activations",
    "candidate_slopes",
    "cascade_correlation",
    "cascade_net",
    "covariances",
    "evaluate",
    "output_slopes",
]
