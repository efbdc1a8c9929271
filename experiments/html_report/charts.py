"""The charts of the page, as Vega-Lite: what is drawn is said here, a browser draws it.

Altair, for a chart of it is data: it stands in the page as JSON beside the numbers, one chart
serves every row, and the library that draws it comes along whole, so that nothing is asked of a
network. Colours are Okabe and Ito's, told apart by colour-blind people; lines differ by their
strokes as well. Text has the colour of the page, dark or light.
"""

# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false
# the stubs of altair are narrower than what it takes

from typing import Any

import altair as alt

from experiments.html_report.gather import Net

PHASES = ("solved", "capped", "diverged")
COLORS = ("#2F8FD0", "#E69F00", "#D55E00")  # on white and on black
TEXT = "currentColor"


def _themed(chart: Any, **datasets: list[dict[str, Any]]) -> dict[str, Any]:
    """A chart as JSON, in the colours of the page, and the data that it calls by these names.

    Altair copies what stands in a chart hundreds of times while it puts charts together.
    """
    axis = {"labelColor": TEXT, "titleColor": TEXT, "domainColor": TEXT, "tickColor": TEXT}
    made = chart.configure(
        background="transparent",
        axis=alt.AxisConfig(**axis, gridColor="#8884"),
        legend=alt.LegendConfig(labelColor=TEXT, titleColor=TEXT),
        title=alt.TitleConfig(color=TEXT),
        header=alt.HeaderConfig(labelColor=TEXT, titleColor=TEXT),
        view=alt.ViewConfig(stroke=None),
    )
    return {**made.to_dict(validate=True), "datasets": datasets}


def _published() -> alt.Chart:
    rule = alt.Chart(alt.NamedData("published")).mark_rule(strokeDash=[6, 3], color=TEXT)
    return rule.encode(
        x="sequences:Q", tooltip=alt.Tooltip("sequences:Q", title="paper", format=",")
    )


def _phase() -> dict[str, Any]:
    scale = alt.Scale(domain=list(PHASES), range=list(COLORS))
    dashes = alt.Scale(domain=list(PHASES), range=[[1, 0], [5, 3], [2, 2]])
    return {
        "color": alt.Color("phase:N", scale=scale, title=None),
        "strokeDash": alt.StrokeDash("phase:N", scale=dashes, legend=None),
    }


def curves() -> dict[str, Any]:
    """Learning curves of the data sets `curves` and `published`; a trial is picked by a click."""
    picked = alt.selection_point(name="picked", fields=["trial"])
    lines = (
        alt.Chart(alt.NamedData("curves"))
        .mark_line(interpolate="linear")
        .encode(
            x=alt.X("sequences:Q", scale=alt.Scale(type="log"), title="training sequences"),
            y=alt.Y("error:Q", scale=alt.Scale(type="log"), title="mean absolute error"),
            detail="trial:N",
            opacity=alt.condition(picked, alt.value(0.8), alt.value(0.1)),
            tooltip=["trial:N", "phase:N", alt.Tooltip("sequences:Q", format=","), "error:Q"],
            **_phase(),
        )
        .add_params(picked)
    )
    chart = alt.layer(lines, _published()).properties(
        width=420, height=240, title="Learning curves"
    )
    return _themed(chart)


def after() -> dict[str, Any]:
    """How many trials had succeeded after how many sequences, of `after` and `published`."""
    step = (
        alt.Chart(alt.NamedData("after"))
        .mark_line(interpolate="step-after", color=COLORS[0])
        .encode(
            x=alt.X("sequences:Q", title="training sequences to success"),
            y=alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), title="share of trials"),
        )
    )
    ticks = (
        alt.Chart(alt.NamedData("after"))
        .transform_filter("datum.trial >= 0")
        .mark_tick(color=COLORS[0], thickness=1.5, size=12)
        .encode(x="sequences:Q", y=alt.datum(0), tooltip=["trial:N", "sequences:Q"])
    )
    chart = alt.layer(step, ticks, _published())
    return _themed(
        chart.properties(width=420, height=240, title="Sequences to success (dashed: paper)")
    )


def readings(studied: list[dict[str, Any]]) -> dict[str, Any]:
    """Every reading that was tried of the row that is chosen, on a line with the paper's figure."""
    rows = list(dict.fromkeys(one["row"] for one in studied))
    chosen = alt.param(
        name="chosen", value=rows[0], bind=alt.binding_select(options=rows, name="row ")
    )
    base = alt.Chart(alt.NamedData("studied")).transform_filter("datum.row == chosen")
    kinds = alt.Scale(domain=["reproduced", "not"], range=[COLORS[0], COLORS[1]])
    scale = {"scale": alt.Scale(type="log"), "title": "mean sequences to success"}
    y = alt.Y("reading:N", sort=alt.SortField("order"), title=None, axis=alt.Axis(labelLimit=360))
    bars = base.mark_rule().encode(x=alt.X("low:Q", **scale), x2="high:Q", y=y)
    mean = alt.Tooltip("mean:Q", format=",.0f")
    tooltip = ["reading:N", "solved:Q", "trials:Q", mean, "seeds:N"]
    points = base.mark_point(filled=True, size=70).encode(
        x=alt.X("mean:Q", **scale),
        y=y,
        color=alt.Color("verdict:N", scale=kinds, title=None),
        shape=alt.Shape("seeds:N", title="seeds"),
        tooltip=tooltip,
    )
    paper = base.mark_rule(strokeDash=[6, 3], color=TEXT).encode(x="published:Q")
    chart = alt.layer(bars, points, paper).add_params(chosen)
    return _themed(chart.properties(width=480, height=alt.Step(14)), studied=studied)


def at_work(net: Net) -> dict[str, Any]:
    """Inputs, gates, states and outputs of a trained net, with a slider for the step."""
    step = alt.param(
        name="step", value=1, bind=alt.binding_range(min=1, max=net.steps, step=1, name="step ")
    )
    here = alt.Chart(alt.InlineData([{}])).mark_rule(color=TEXT)
    here = here.transform_calculate(now="step").encode(x=alt.X("now:Q", title="time step"))
    panels = []
    for kind in dict.fromkeys(point["kind"] for point in net.values):
        values = [point["value"] for point in net.values if point["kind"] == kind]
        reach = alt.Scale(domain=[min(0, *values), max(0, *values)], nice=True)
        of_kind = alt.Chart(alt.NamedData("net")).transform_filter(f"datum.kind == {kind!r}")
        color = alt.Color("unit:N", scale=alt.Scale(scheme="viridis"), legend=None)
        lines = of_kind.mark_line(point=alt.OverlayMarkDef(size=8), strokeWidth=1).encode(
            x=alt.X("step:Q", title="time step", scale=alt.Scale(domain=[1, net.steps])),
            y=alt.Y("value:Q", title=kind, scale=reach),
            color=color,
            tooltip=["unit:N", "step:Q", alt.Tooltip("value:Q", format=".3f")],
        )
        bars = (
            of_kind.transform_filter("datum.step == step")
            .mark_bar()
            .encode(
                x=alt.X("value:Q", title="now", scale=reach),
                y=alt.Y("unit:N", title=None),
                color=color,
            )
        )
        panels.append(
            alt.hconcat(
                alt.layer(lines, here).properties(width=460, height=90),
                bars.properties(width=180, height=90),
            )
        )
    return _themed(alt.vconcat(*panels).add_params(step), net=net.values)
