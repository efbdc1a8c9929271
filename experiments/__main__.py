"""The command line: `python -m experiments --help`."""

import signal
import sys
from collections.abc import Sequence

from lstm_jax.runtime import tune_cpu_loops


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 2 with one line on stderr for bad input."""
    tune_cpu_loops()  # before anything computes

    import tyro

    from experiments.commands import COMMANDS
    from experiments.errors import UserError

    try:
        return tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="python -m experiments", args=argv, description=__doc__
        )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that workers are ended too
    sys.exit(main())
