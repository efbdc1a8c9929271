"""What the process asks of XLA before the first computation."""

import os

_EXTRA = {
    # compile every loop into one native function instead of running it kernel by kernel
    "xla_cpu_small_while_loop_byte_threshold": "1000000000",
    # leave inner loops over lanes rolled, so that they are vectorised
    "-unroll-full-max-count": "12",
}


def tune_cpu_loops() -> None:
    """Ask XLA's CPU backend for loops that suit nets of a dozen units in a dozen lanes.

    By default a loop body of more than a few kilobytes runs kernel by kernel, at some
    40 ns a kernel, and inner loops over up to 31 lanes are unrolled into scalar code.
    Together the options here make row 4 of the paper about 5 times faster at 16 and at 32
    lanes (`python -m experiments bench`). Call it before the first JAX computation of
    the process: XLA reads its flags once. Other backends ignore them, and options that
    the user has set are left alone.

    Example:
      >>> import os
      >>> tune_cpu_loops()
      >>> "small_while_loop" in os.environ["XLA_FLAGS"]
      True
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_backend_extra_options" not in flags:
        extra = ",".join(f"{name}={value}" for name, value in _EXTRA.items())
        flags = f"{flags} --xla_backend_extra_options={extra}"
    if "xla_cpu_prefer_vector_width" not in flags:
        flags = f"{flags} --xla_cpu_prefer_vector_width=512"
    os.environ["XLA_FLAGS"] = flags.strip()
