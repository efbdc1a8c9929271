"""The tiny trials as a process of its own: `python process.py FOLDER DEVICES [options]`.

It says how it stands after every chunk, makes a checkpoint after every one unless told
otherwise, and says at the end how many records it got.
"""

import argparse
import itertools
import signal

import jax

from lstm_jax.ops import xla


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("devices", type=int)
    parser.add_argument("--slow", action="store_true", help="small chunks, to be killed between")
    parser.add_argument("--chunks", type=int, help="after so many, wait to be killed")
    parser.add_argument("--rarely", action="store_true", help="no checkpoints on its own")
    parser.add_argument("--tell", action="store_true", help="say when it begins to compile")
    parser.add_argument("--process", type=int, nargs=2, help="which process, of how many")
    parser.add_argument("--port", type=int)
    return parser.parse_args()


def main(asked: argparse.Namespace) -> None:
    xla.tune_cpu_loops()
    jax.config.update("jax_num_cpu_devices", asked.devices)
    if asked.process:
        jax.distributed.initialize(f"localhost:{asked.port}", asked.process[1], asked.process[0])

    from lstm_jax.trials import run as engine
    from tests.library.trials.tiny import Clock, run

    if asked.slow:
        engine.time, engine._TICKS = Clock(engine._CHUNK_S), 16
    if not asked.rarely:
        engine._CHECKPOINT_S = 0.0

    said = itertools.count(1)

    def say(progress) -> None:
        print(progress.done, progress.sequences, flush=True)
        if next(said) == asked.chunks:
            signal.pause()

    if asked.tell:
        print("compiling", flush=True)
    records = run(devices=asked.devices, folder=asked.folder, on_chunk=say).records
    print("returned", len(records), flush=True)


if __name__ == "__main__":
    main(options())
