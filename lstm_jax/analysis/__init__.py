"""What a net costs and how error flows in it: the paper's arguments as functions.

complexity       weights of a net; weights touched and numbers stored by the on-line algorithm
carousel         constant error flow under the cut: Section 4 and appendix A.2 of 1997
vanishing        error flow in conventional recurrent nets, and its bounds: Section 3.1
weight_conflict  the naive carousel without gates, and what is wrong with it: Section 3.2
"""

from lstm_jax.analysis.carousel import (
    ExitFactors,
    carousel_factor,
    carousel_jacobian,
    entry_factor,
    exit_factors,
    gradient_by_step,
    uncut_jacobian,
)
from lstm_jax.analysis.complexity import (
    Operations,
    operations,
    trace_memory,
    weight_count,
    weights_by_part,
)
from lstm_jax.analysis.vanishing import (
    error_flow,
    path_products,
    vanishing_bound,
    vanishing_bound_by_largest,
    vanishing_factor,
)
from lstm_jax.analysis.weight_conflict import (
    conflict,
    input_weight_signals,
    output_weight_signals,
    update_signals,
)

__all__ = [
    "ExitFactors",
    "Operations",
    "carousel_factor",
    "carousel_jacobian",
    "conflict",
    "entry_factor",
    "error_flow",
    "exit_factors",
    "gradient_by_step",
    "input_weight_signals",
    "operations",
    "output_weight_signals",
    "path_products",
    "trace_memory",
    "uncut_jacobian",
    "update_signals",
    "vanishing_bound",
    "vanishing_bound_by_largest",
    "vanishing_factor",
    "weight_count",
    "weights_by_part",
]
