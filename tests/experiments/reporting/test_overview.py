"""The figure of all rows: every mean stands at its multiple of the paper's."""

import matplotlib.pyplot as plt

from experiments.common.files import HERE
from experiments.reporting import overview, report
from experiments.running import results


def test_every_mean_is_drawn_at_its_ratio():
    listed = report.lines(results.read_all(HERE / "results"))
    figure = overview.overview(listed)
    (axes,) = figure.axes
    labels = [tick.get_text() for tick in axes.get_xticklabels()]
    drawn = {(round(bar[0].get_xdata()[0]), bar[0].get_ydata()[0]) for bar in axes.containers}
    line = next(one for one in listed if (one["row"], one["reading"]) == ("6a", "literal"))
    ratio = line["mean"]["value"] / line["published"]["after"]
    assert (labels.index("6a"), ratio) in drawn and len(drawn) > 30
    assert "1-rtrl-3" not in labels and "xor-10" not in labels
    plt.close(figure)
