"""Commands that measure the library itself: gradients and speed."""

from experiments import jobs
from experiments.commands.common import Files, tell
from experiments.errors import UserError
from experiments.files import shown


def check(files: Files, /, json: bool = False) -> int:
    """Compare every form of the gradient, in double precision, with gradients in files.

    Args:
      files: JSON with the keys nin, blocks, block_size, nout, cell_bias, gate_bias,
        out_bias, forget, gradient (truncated or full), L, weights, inputs, targets,
        error_mask, gradient_dE_dw.
      json: as JSON.
    """
    from experiments import check as checks

    if not files:
        raise UserError("name a file with a gradient to check")
    found = {shown(path): checks.deviations(path) for path in files}
    tell(json, lambda: {"limit": checks.LIMIT, "files": found}, lambda: checks.words(found))
    return 0 if checks.agree(found) else 1


def bench(
    lanes: tuple[int, ...] = (1, 10, 32),
    seconds: float = 2.0,
    peers: bool = False,
    rivals: bool = False,
    accelerator: bool = False,
    json: bool = False,
) -> int:
    """Time the trials of row 4-100, or the methods that it is compared with.

    Args:
      lanes: numbers of trials side by side.
      seconds: how long each is timed.
      peers: time the nets of other libraries too, where they are installed.
      rivals: time the rivals of Tables 1 and 2 instead, in 16 lanes, beside plain loops; and
        what RTRL costs by units and by weights, what memory gradients take by steps.
      accelerator: time, instead, one block of so many lanes under every rule on the device
        that JAX takes, and what memory it needs; for 1000 lanes and more.
      json: as JSON.
    """
    jobs.check_numbers(seconds=seconds, **{f"lanes {n}": n for n in lanes})
    if rivals + peers + accelerator > 1:
        raise UserError("--peers, --rivals and --accelerator are separate; give one of them")
    from experiments import timing, timing_accelerator, timing_rivals, timing_tables

    if accelerator:
        wide = timing_accelerator.bench(tuple(lanes), seconds)
        return tell(json, lambda: wide, lambda: [timing_tables.accelerator_table(wide)])
    if rivals:
        compared = timing_rivals.bench(seconds)
        return tell(json, lambda: compared, lambda: [timing_tables.rivals_table(compared)])
    found = timing.bench(tuple(lanes), seconds, peers)
    return tell(json, lambda: found, lambda: [timing_tables.table(found)])
