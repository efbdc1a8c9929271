"""What a row of the paper's tables is: settings, and figures to compare with."""

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from experiments.paper.settings import (
    SETTINGS,
    EvaluationSettings,
    NetSettings,
    TrainingSettings,
)

LSTM = "LSTM"  # the method of a row without a rival


@dataclass(frozen=True)
class Published:
    """What the paper reports of a row, means over its trials; None where it says nothing.

    Attributes:
      after: training sequences until the (last) stopping criterion; None for tasks that the
        paper gives no figures of.
      first_after: the same for the first of two criteria, ST1 of Tables 4 and 5.
      wrong: wrong sequences in the test.
      fraction_wrong: the same as a fraction.
      squared: column "MSE" of Table 8.
      difference: mean absolute difference to the noise-free goal, Table 6.
      after_range: the fewest and the most training sequences of any trial.
      success: fraction of the trials that succeeded; 1 where no failure is reported; 0
        where `after` is when they were given up; None where it is "some fraction".
    """

    after: int | None
    first_after: int | None = None
    wrong: int | None = None
    fraction_wrong: float | None = None
    squared: float | None = None
    difference: float | None = None
    after_range: tuple[int, int] | None = None
    success: float | None = 1.0


@dataclass(frozen=True)
class Rival:
    """Another net or another way to learn than the 1997 LSTM, by names that `methods` knows.

    Attributes:
      method: how it learns; its name in the table, too.
      units: recurrent units.
      net: the name of its net, and what the net is made with beside the range of the weights.
    """

    method: str
    units: int
    net: tuple[Any, ...]


@dataclass(frozen=True)
class Row:
    """One row of a table: what is trained, how, until when, and what the paper found.

    Attributes:
      name: how the command line calls it.
      table: number of the table.
      experiment: number of the experiment, "2c" say.
      title: what it is, in words.
      trials: the paper's number of trials.
      weight_count: the paper's number of weights.
      published: the paper's figures.
      net, training, evaluation: its settings.
      rival: the net and the method of a row that is not the LSTM's.
    """

    name: str
    table: int
    experiment: str
    title: str
    trials: int
    weight_count: int
    published: Published
    net: NetSettings
    training: TrainingSettings
    evaluation: EvaluationSettings
    rival: Rival | None = None

    @property
    def method(self) -> str:
        """The name of what learns it."""
        return self.rival.method if self.rival else LSTM

    @property
    def units(self) -> int:
        """Units of the hidden layer, gates included."""
        return self.rival.units if self.rival else self.net.topology.units

    def setting(self, name: str) -> Any:
        """A setting by its name in `SETTINGS`."""
        return attrgetter(SETTINGS[name])(self)

    def with_settings(self, **settings: Any) -> "Row":
        """The row with other values of some settings.

        Args:
          settings: values by names in `SETTINGS`.

        Raises:
          TypeError: no setting has such a name.

        Example:
          >>> from experiments.paper.tables import ROWS
          >>> row = ROWS["6a"].with_settings(rate=0.1, test=10)
          >>> row.training.rate, row.evaluation.test, row.net == ROWS["6a"].net
          (0.1, 10, True)
        """
        groups: dict[str, dict[str, Any]] = {}
        for name, value in settings.items():
            if name not in SETTINGS:
                raise TypeError(f"expected one of the settings {', '.join(SETTINGS)}, got {name}")
            group, attribute = SETTINGS[name].split(".")
            groups.setdefault(group, {})[attribute] = value
        changed = {group: replace(getattr(self, group), **new) for group, new in groups.items()}
        return replace(self, **changed)
