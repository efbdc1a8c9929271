"""The tiny trials as a process of its own: `python trials_process.py FOLDER DEVICES [options]`.

It says how it stands after every chunk, and makes a checkpoint after every one.
"""

import argparse
import itertools
import signal

import jax

from lstm_jax import runtime


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("devices", type=int)
    parser.add_argument("--slow", action="store_true", help="small chunks, to be killed between")
    parser.add_argument("--chunks", type=int, help="after so many, wait to be killed")
    parser.add_argument("--process", type=int, nargs=2, help="which process, of how many")
    parser.add_argument("--port", type=int)
    return parser.parse_args()


def main(asked: argparse.Namespace) -> None:
    runtime.tune_cpu_loops()
    jax.config.update("jax_num_cpu_devices", asked.devices)
    if asked.process:
        jax.distributed.initialize(f"localhost:{asked.port}", asked.process[1], asked.process[0])

    from lstm_jax import trials
    from tests.trials_tiny import Clock, run

    if asked.slow:
        trials.time = Clock(trials._CHUNK_S)
    trials._CHECKPOINT_S = 0.0

    said = itertools.count(1)

    def say(progress) -> None:
        print(progress.done, progress.sequences, flush=True)
        if next(said) == asked.chunks:
            signal.pause()

    run(devices=asked.devices, folder=asked.folder, on_chunk=say)


if __name__ == "__main__":
    main(options())
