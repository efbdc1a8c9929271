"""What is to be run: a row under a reading, and how many trials of it."""

from dataclasses import dataclass

from experiments.paper.readings import Reading, solving
from experiments.paper.row import Row


@dataclass(frozen=True)
class Job:
    """One row under one reading: the trials of one result file.

    Attributes:
      row: as the paper has it.
      reading: how it is read.
      trials: how many.
      seed: of the whole job; trial i gets `fold_in(key(seed), i)`.
      lanes: trials side by side on each device; 0 for 16, or 32 if there are more
        than 16 trials.
      devices: how many devices.
    """

    row: Row
    reading: Reading
    trials: int
    seed: int = 0
    lanes: int = 0
    devices: int = 1

    def __post_init__(self):
        if not self.lanes:
            object.__setattr__(self, "lanes", 16 if self.trials <= 16 else 32)

    @property
    def name(self) -> str:
        """`6a.literal`; its files are called so."""
        return f"{self.row.name}.{self.reading.file_name}"

    @property
    def read(self) -> Row:
        """The row as the reading has it."""
        return self.reading.read(self.row)

    @property
    def cost(self) -> float:
        """About how much work it is, to begin with the longest."""
        row = self.row
        hopeful = self.reading == solving(row)
        sequences = (hopeful and row.published.after) or row.evaluation.cap
        return sequences * row.training.task().steps * row.units * self.trials
