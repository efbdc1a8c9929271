"""The command line: `python -m experiments --help`."""

if __name__ == "__main__":  # before what takes seconds to import
    from experiments.common.ending import end_when_asked

    end_when_asked()

import os
import sys
from collections.abc import Sequence

from lstm_jax.ops.xla import tune_cpu_loops


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
      argv: its words; by default those that the process was given.

    Returns:
      The exit status: 2 with one line on stderr for bad input, 141 when nobody reads on.
    """
    tune_cpu_loops()  # before anything computes

    import tyro

    from experiments.cli import COMMANDS
    from experiments.common.errors import UserError

    try:
        status = tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="python -m experiments", args=argv, description=__doc__
        )
        sys.stdout.flush()
        return status
    except UserError as error:
        print("error:", *str(error).split(), file=sys.stderr)
        return 2
    except BrokenPipeError:  # `report | head -1`
        _write_nowhere()
        return 141
    except OSError as error:  # a full disk below standard output
        print("error:", *str(error).split(), file=sys.stderr)
        _write_nowhere()
        return 2


def _write_nowhere() -> None:
    """So that what is left to be printed is no second error when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
