"""Speed and memory where thousands of trials are side by side: on an accelerator.

`bench --accelerator` measures row 4-100 on the device that JAX takes here, in one block of
each number of lanes: nanoseconds for one time step of one trial, microseconds for one time
step of the whole block, which on an accelerator hardly grows with the lanes, and the bytes
that the block takes. A CPU is measured likewise, on all its cores.
"""

from typing import Any

import jax
import numpy as np

from experiments.benchmarks.engine import ROW, RULES, engine, say
from experiments.benchmarks.stopwatch import fastest, load, machine
from lstm_jax.types import GradientRule

OURS = "traces"  # the rule of the row: truncated gradient by traces that go along


def bench(lanes: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """Measure every rule at every number of lanes.

    Args:
      lanes: trials side by side in one block.
      seconds: for each program, which is compiled before.

    Returns:
      What JSON can hold: `rules` by name and number of lanes, each with `ns` and `cpu_ns`
      per trial and step, `us`, microseconds per step of the block, and `bytes`, of device
      memory: the block's own and what advancing it takes beside. `refused` in place of
      these where the device has not the memory.
    """
    found: dict[str, Any] = {
        "machine": machine(None),
        "row": ROW.name,
        "seconds": seconds,
        "rules": {
            name: {str(n): _time(name, n, seconds, rule) for n in lanes}
            for name, rule in {OURS: None, **RULES}.items()
        },
    }
    found["machine"]["load_after"] = load()
    say("")
    return found


def _time(name: str, lanes: int, seconds: float, rule: GradientRule | None) -> dict[str, Any]:
    say(f"{name}, {lanes:,} lanes")
    made = engine(ROW, lanes, rule)

    def fill() -> Any:
        return made.fill(np.arange(lanes))

    try:
        advance = made.advance.lower(jax.eval_shape(fill), 1).compile()  # pyright: ignore[reportFunctionMemberAccess]
        sample = fastest(fill, advance, seconds)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return {"refused": str(error).splitlines()[0]}
    timed, taken = sample.per_step(lanes, made.steps), advance.memory_analysis()
    return {
        **timed,
        "us": round(1e-3 * timed["ns"] * lanes, 3),
        "bytes": int(taken.argument_size_in_bytes + taken.temp_size_in_bytes),
    }
