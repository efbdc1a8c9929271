"""Recurrent cascade-correlation: a net that grows while it learns.

Fahlman, The recurrent cascade-correlation architecture, NIPS 3, 1991; Fahlman and Lebiere,
The cascade-correlation learning architecture, NIPS 2, 1990. Constants whose values the
papers leave open are those of their authors' public programs.

The outputs hear the inputs and all hidden units. Their weights learn until progress
stagnates; then a pool of candidates, each hearing the inputs, the hidden units and itself
a step ago, learns to go along with what is left of the error; the best one becomes a
hidden unit, its weights are frozen, and the outputs learn again. Learning is by quickprop
in epochs, each over the whole training set.
"""

from lstm_jax.cascade_correlation.experiment import (
    CascadeExperiment,
    at_lane,
    cascade_net,
    stack_sets,
)
from lstm_jax.cascade_correlation.look import (
    Look,
    activations,
    candidate_slopes,
    covariances,
    look,
    output_slopes,
)
from lstm_jax.cascade_correlation.regime import Regime
from lstm_jax.cascade_correlation.trial import CascadeState, make_cascade_trial

__all__ = [
    "CascadeExperiment",
    "CascadeState",
    "Look",
    "Regime",
    "activations",
    "at_lane",
    "candidate_slopes",
    "cascade_net",
    "covariances",
    "look",
    "make_cascade_trial",
    "output_slopes",
    "stack_sets",
]
