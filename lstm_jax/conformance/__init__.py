"""Whether an object of one's own keeps a contract of `types`: what it says in prose, tried.

`check_cell`, `check_net`, `check_rule`, `check_task` and `check_learner` return nothing if all
is well and raise one ValueError that lists everything they found, a line each, with the mend.
"""

from lstm_jax.conformance.cell import check_cell
from lstm_jax.conformance.learner import check_learner
from lstm_jax.conformance.net import check_net
from lstm_jax.conformance.rule import check_rule
from lstm_jax.conformance.task import check_task

__all__ = ["check_cell", "check_learner", "check_net", "check_rule", "check_task"]
