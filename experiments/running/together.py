"""Several processes on one job, on one machine or on many: JAX's distributed runtime.

Every process runs the same command and takes its share of the trials of every row (see
`run_trials`); when all trials of a row are recorded, the first process writes the result. They
meet in the common folder alone, in files of their own: nothing is sent from one to another. The
trials of a process that dies wait for the next start of the command, with as many processes as
one likes.
"""

import re

import jax

from experiments.common.errors import UserError

_ADDRESS = re.compile(r"(?:\[[^\]\s]+\]|[^:\s]+):(\d{1,5})")


def join(
    distributed: bool,
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
) -> None:
    """Become one of several processes; before the first computation.

    Args:
      distributed: ask the cluster (SLURM, MPI, Kubernetes, as JAX detects them) who is who.
      coordinator: or else `host:port` of process 0, for all the same;
      processes: how many there are, and
      process: which of them this is, from 0.

    Raises:
      UserError: some of the three without the others, a cluster that JAX does not detect, or a
        coordinator that does not answer.
    """
    said = {"--coordinator": coordinator, "--processes": processes, "--process": process}
    missing = [name for name, value in said.items() if value is None]
    if len(missing) == len(said):
        if distributed:
            _initialize()
        return
    if missing:
        raise UserError(f"--coordinator, --processes and --process go together; add {missing[0]}")
    assert coordinator is not None and processes is not None and process is not None
    if not (found := _ADDRESS.fullmatch(coordinator)) or not 0 < int(found[1]) < 65_536:
        raise UserError(
            "--coordinator: expected HOST:PORT of process 0, such as node0:1234, got "
            f"{coordinator!r}"
        )
    if not 0 <= process < processes:
        raise UserError(f"--process must be from 0 to {processes - 1}, got {process}")
    _initialize(coordinator_address=coordinator, num_processes=processes, process_id=process)


def _initialize(**who) -> None:
    try:
        jax.distributed.initialize(**who)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"JAX cannot join the other processes ({str(error).splitlines()[0]}); give "
            "--coordinator HOST:PORT --processes N --process I"
        ) from error


def first() -> bool:
    """Whether this process is the one that speaks for all."""
    return jax.process_index() == 0


def own(name: str) -> str:
    """A name of a file of which every process has one: `lock`, `lock.1`, `lock.2` ..."""
    return name_of(name, jax.process_index())


def name_of(name: str, process: int) -> str:
    """The name of a file of one process."""
    stem, dot, kind = name.partition(".")
    return name if process == 0 else f"{stem}.{process}{dot}{kind}"
