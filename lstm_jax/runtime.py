"""What the process asks of XLA before the first computation."""

import os

_FLAG = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=1000000000"


def inline_cpu_loops() -> None:
    """Ask XLA's CPU backend to compile every loop into one native function.

    By default it does so only for loops over a few kilobytes; a larger loop body is
    run kernel by kernel, at some 40 ns a kernel, which for nets of a dozen units is
    most of the time (a factor of 2 at 32 lanes, 5 at one). Call it before the first
    JAX computation of the process: XLA reads its flags once. Other backends ignore it,
    and a value of the same option that the user has set is left alone.

    Example:
      >>> import os
      >>> inline_cpu_loops()
      >>> "small_while_loop" in os.environ["XLA_FLAGS"]
      True
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_backend_extra_options" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_FLAG}".strip()
