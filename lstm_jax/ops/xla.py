"""What is asked of XLA: of the process before the first computation, and of every product."""

import os
import warnings
from importlib.metadata import version

import jax
from jax import lax

_EXTRA = {
    # compile every loop into one native function instead of running it kernel by kernel
    "xla_cpu_small_while_loop_byte_threshold": "1000000000",
    # leave inner loops over lanes rolled, so that they are vectorised
    "-unroll-full-max-count": "12",
}


# of XLA's CPU backend: sums that a library adds up, wrongly in one version (jax issue 39103)
_WRONG_SUMS, _WITHOUT = "0.10.2", "--xla_cpu_experimental_ynn_fusion_type=-reduce"


def avoid_wrong_sums() -> None:
    """Keep jaxlib 0.10.2 from adding up products wrongly on a CPU; called on import.

    That version sends large sums to YNNPACK, which leaves out some terms where two of them go
    together: a batched LSTM with a set of weights a lane had other outputs than by hand. The
    option that turns it off is read before the first JAX computation of a process; one that the
    user has set is left alone. Other versions compute right and are left as they are.

    Warns:
      UserWarning: JAX has computed already.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if version("jaxlib") != _WRONG_SUMS or "xla_cpu_experimental_ynn_fusion_type" in flags:
        return
    os.environ["XLA_FLAGS"] = f"{flags} {_WITHOUT}".strip()
    from jax._src import xla_bridge  # nothing public tells whether a backend was started

    if xla_bridge.backends_are_initialized():
        warnings.warn(
            f"jaxlib {_WRONG_SUMS} adds up products wrongly on a CPU (jax issue 39103) and has "
            "computed already; import lstm_jax before the first JAX computation, or set "
            f"XLA_FLAGS={_WITHOUT}",
            stacklevel=2,
        )


avoid_wrong_sums()  # before anything computes


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
      >>> "xla_backend_extra_options" in os.environ["XLA_FLAGS"]
      True
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_backend_extra_options" not in flags:
        extra = ",".join(f"{name}={value}" for name, value in _EXTRA.items())
        flags = f"{flags} --xla_backend_extra_options={extra}"
    if "xla_cpu_prefer_vector_width" not in flags:
        flags = f"{flags} --xla_cpu_prefer_vector_width=512"
    os.environ["XLA_FLAGS"] = flags.strip()


def precision_of_products() -> lax.Precision | None:
    """All digits of the factors, unless the user has set `jax_default_matmul_precision`.

    JAX's default rounds the factors of single-precision products to 10 bits on recent GPUs
    and to 7 on TPUs: a gradient of a few hundred numbers then agrees with the same in double
    precision to 5e-4 instead of 1e-6. Pass it to every product of matrices; sums of
    elementwise products are never rounded.

    Example:
      >>> precision_of_products().name
      'HIGHEST'
      >>> with jax.default_matmul_precision("bfloat16"):
      ...     print(precision_of_products())
      None
    """
    chosen = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
    return None if chosen else lax.Precision.HIGHEST
