"""How a net learns: one rule a file, `rule(net, loss)(params, sequence) -> LossAndGrads`.

================  ===================  =============================  =======  ================
rule              gradient             over a sequence                on-line  takes
================  ===================  =============================  =======  ================
`bptt`            full                 reverse mode; memory grows     no       `Cell` or `Net`
                                       with the length
`windowed(n)`     full within windows  reverse mode                   n steps  any `Cell`
`rtrl`            full                 forward; memory weights x      yes      a state of one
                                       state                                   type
`by_definition`   truncated (1997)     reverse mode through the cut   no       any `Cell`
                                       net
`parallel_scan`   truncated            no backward loop, all times    no       a diagonal
                                       at once                                 carousel
`forward_traces`  truncated            forward; memory O(weights)     yes      that, and
                                                                               `net_inputs`
================  ===================  =============================  =======  ================

Equations, sources and an example of each stand at the head of its file: `bptt.py`, `rtrl.py`,
`truncated.py` (`by_definition`, `parallel_scan`) and `truncated_traces.py`.
"""

from lstm_jax.gradients.bptt import bptt, windowed
from lstm_jax.gradients.rtrl import rtrl
from lstm_jax.gradients.truncated import by_definition, cut, parallel_scan
from lstm_jax.gradients.truncated_traces import forward_traces

__all__ = [
    "bptt",
    "by_definition",
    "cut",
    "forward_traces",
    "parallel_scan",
    "rtrl",
    "windowed",
]
