"""Commands that measure the library itself: gradients and speed."""

from experiments.cli.common import Files, Folder, tell
from experiments.common.errors import UserError
from experiments.common.files import HERE, shown, write_text
from experiments.common.numbers import check_numbers


def check(files: Files, /, json: bool = False) -> int:
    """Compare every form of the gradient, in double precision, with gradients in files.

    Args:
      files: JSON with the keys nin, blocks, block_size, nout, cell_bias, gate_bias,
        out_bias, forget, gradient (truncated or full), L, weights, inputs, targets,
        error_mask, gradient_dE_dw.
      json: as JSON.
    """
    from experiments.benchmarks import gradient_files

    if not files:
        raise UserError("name a file with a gradient to check")
    found = {shown(path): gradient_files.deviations(path) for path in files}
    tell(json, lambda: gradient_files.as_json(found), lambda: gradient_files.words(found))
    return 0 if gradient_files.agree(found) else 1


def bench(
    lanes: tuple[int, ...] = (1, 10, 32),
    seconds: float = 2.0,
    peers: bool = False,
    rivals: bool = False,
    accelerator: bool = False,
    layers: bool = False,
    speakers: bool = False,
    processes: bool = False,
    kept: Folder = None,
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
      layers: time, instead, LSTM and GRU layers beside those of flax, equinox and torch.
      speakers: train and test, instead, our 32 trials of speaker recognition at once and 8 of
        torch's one after the other; needs `make data`.
      processes: time, instead, a run that 1, 2 and 4 processes of this machine divide.
      kept: measure nothing; write what was measured and is kept as a Markdown page.
      json: as JSON.
    """
    check_numbers(seconds=seconds, lanes=lanes)
    if rivals + peers + accelerator + layers + speakers + processes > 1:
        raise UserError(
            "--peers, --rivals, --accelerator, --layers, --speakers and --processes are separate; "
            "give one of them"
        )
    if kept is not None:
        from experiments.benchmarks.kept import page

        write_text(kept, page(HERE / "results" / "measures"))
        return 0
    from experiments.benchmarks import accelerator as accelerators
    from experiments.benchmarks import layer_speed, rival_speed, speed_tables, trial_speed

    if speakers:
        from experiments.benchmarks import speaker_speed  # which draws in a whole study

        recognised = speaker_speed.bench()
        return tell(json, lambda: recognised, lambda: [speed_tables.speakers_table(recognised)])
    if processes:
        from experiments.benchmarks import process_speed

        divided = process_speed.bench()
        return tell(json, lambda: divided, lambda: [speed_tables.processes_table(divided)])
    if layers:
        beside = layer_speed.bench(seconds)
        return tell(json, lambda: beside, lambda: [speed_tables.layers_table(beside)])
    if accelerator:
        wide = accelerators.bench(tuple(lanes), seconds)
        return tell(json, lambda: wide, lambda: [speed_tables.accelerator_table(wide)])
    if rivals:
        compared = rival_speed.bench(seconds)
        return tell(json, lambda: compared, lambda: [speed_tables.rivals_table(compared)])
    found = trial_speed.bench(tuple(lanes), seconds, peers)
    return tell(json, lambda: found, lambda: [speed_tables.table(found)])
