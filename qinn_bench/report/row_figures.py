"""Figures of a study that need its records alone: the seeds of every row, and quality against what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from qinn_bench.report.figure_style import BAND, PAGE, STYLE, TRUTH, even, marked_pens, pens, words
from qinn_bench.report.pareto import CostPoint, pareto_front
from qinn_bench.report.study_columns import title_of
from qinn_bench.report.study_rows import Group, is_truth
from qinn_bench.statistics.outlying import summary

MOST_PANELS = 3
MOST_ROWS = 70
"""Rows that one figure of seeds can name."""
NAMED = 24
"""Characters of a name beside a point."""


def seeds_figure(groups: Sequence[Group], metrics: Sequence[str]) -> Figure:
    """Every finished seed of each compared row as a dot, its mean as a bar, in one panel a metric.

    The truth, where it is a row, is a band: the mean of its seeds and their scatter. Rows stand in the order of the
    table, at most 70 of them; metrics are the first three.
    """
    rows = [group for group in groups if group.role == "model" and group.ok][:MOST_ROWS]
    shown = list(metrics)[:MOST_PANELS]
    with rc_context(STYLE):
        figure = Figure(figsize=(PAGE, 0.9 + 0.19 * len(rows)), layout="constrained")
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, metric in zip(panels, shown, strict=True):
            _seeds(axes, rows, metric, [group for group in groups if is_truth(group)])
        panels[0].set_yticks(range(len(rows)), [words(group.row) for group in rows], fontsize=7)
        panels[0].set_ylim(len(rows) - 0.4, -0.6)
        for axes in panels:
            axes.tick_params(axis="y", which="both", length=0)
            axes.minorticks_off()
    return figure


def _seeds(axes: Axes, rows: Sequence[Group], metric: str, truth: Sequence[Group]) -> None:
    unit = ""
    for at, group in enumerate(rows):
        own = [record.metrics[metric] for record in group.ok if metric in record.metrics]
        values = [one.value for one in own if one.value is not None]
        if not values:
            continue
        unit = own[0].unit or unit
        quantum = any(record.parameters and record.parameters.quantum for record in group.ok)
        colour = pens(3)[2 if quantum else 0][0]
        axes.plot(values, [at] * len(values), "o", color=colour, markersize=2.6, alpha=0.6, markeredgewidth=0)
        if (mean := summary(own)).value is not None:
            axes.plot([mean.value] * 2, [at - 0.32, at + 0.32], color=colour, linewidth=1.4)
    for group in truth:
        own = [record.metrics[metric] for record in group.ok if metric in record.metrics]
        if own and (mean := summary(own)).value is not None:
            axes.axvspan(mean.value - (mean.error or 0), mean.value + (mean.error or 0), color=BAND, zorder=0)
            axes.axvline(mean.value, color=TRUTH, linewidth=0.6, zorder=0)
    axes.set_xlabel(words(f"{title_of(metric)} [{unit}]" if unit else title_of(metric), math=True), loc="right")


def pareto_figure(points: Mapping[str, Sequence[CostPoint]], metric: str, unit: str) -> Figure:
    """Quality against each cost, a panel each; rows on the front are joined and named, a colour and marker a family."""
    families = list(dict.fromkeys(point.family for own in points.values() for point in own))
    pen = marked_pens(families)
    columns = min(2, len(points))
    lines = -(-len(points) // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(PAGE, 0.7 + 2.7 * lines), layout="constrained")
        grid = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
        for axes in grid[len(points) :]:
            axes.set_visible(False)
        for at, (axes, (cost, own)) in enumerate(zip(grid, points.items(), strict=False)):
            _costs(axes, own, pen)
            axes.set_xlabel(words(title_of(cost)), loc="right")
            if at % columns == 0:
                axes.set_ylabel(words(f"{title_of(metric)} [{unit}]" if unit else title_of(metric), math=True))
        look: dict[str, Any] = {"linestyle": "", "markersize": 4}
        handles = [Line2D([], [], color=pen[one][0], marker=pen[one][1], label=words(one), **look) for one in families]
        figure.legend(handles=handles, loc="outside upper center", ncols=even(len(handles), 4), borderpad=0.3)
    return figure


def _costs(axes: Axes, points: Sequence[CostPoint], pen: Mapping[str, tuple[str, str]]) -> None:
    for point in points:
        colour, marker = pen[point.family]
        axes.errorbar(point.cost, point.value, point.error, fmt=marker, color=colour, markersize=4, elinewidth=0.7)
    front = pareto_front([point.cost for point in points], [point.loss for point in points])
    best = [points[at] for at in front]
    axes.plot([one.cost for one in best], [one.value for one in best], color="0.4", linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
