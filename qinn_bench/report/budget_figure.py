"""Budget curves of tuning: what the best of k trials is expected to be, against k, for each family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from qinn_bench.report.figure_style import DASHES, PAGE, STYLE, even, marked_pens, words
from qinn_bench.report.study_columns import title_of
from qinn_bench.verdicts.tuned_budgets import FamilyTrials, budgets_of

MOST_PANELS = 4
LEAST = 2
"""Trials from which on there is a curve."""


def curves_of(found: Sequence[FamilyTrials]) -> list[FamilyTrials]:
    """The families that have a curve: two trials or more with settings that were drawn."""
    return [one for one in found if len(one.scores) >= LEAST]


def budget_figure(found: Sequence[FamilyTrials], metric: str) -> Figure:
    """The expected best of k trials of each family, a panel a size, at most four.

    The band is what the choice of trials leaves open; a star at the right is the settings that the row states. Families
    with circuits are solid, the others dashed.
    """
    families = list(dict.fromkeys(one.family for one in found))
    pen = marked_pens(families)
    sizes = list(dict.fromkeys(one.size for one in found))[:MOST_PANELS]
    with rc_context(STYLE):
        figure = Figure(figsize=(PAGE, 3.0), layout="constrained")
        panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
        for axes, size in zip(panels, sizes, strict=True):
            own = [one for one in found if one.size == size]
            for one in own:
                _draw(axes, one, *pen[one.family])
            _frame(axes, budgets_of(own), f"{size} parameters" if size else "")
        unit = next((one.unit for one in found if one.unit), "")
        panels[0].set_ylabel(words(f"{title_of(metric)} [{unit}]" if unit else title_of(metric), math=True))
        look: dict[str, Any] = {"markersize": 3.5}
        quantum = {one.family for one in found if one.quantum}
        handles = []
        for name in families:
            colour, marker = pen[name]
            look["markerfacecolor"] = colour if name in quantum else "white"
            line = Line2D([], [], color=colour, marker=marker, linestyle=_dash(name in quantum), **look)
            handles.append(line)
            line.set_label(words(name))
        figure.legend(handles=handles, loc="outside upper center", ncols=even(len(handles), 4), borderpad=0.3)
    return figure


def _dash(quantum: bool) -> Any:
    return DASHES[0] if quantum else DASHES[1]


def _draw(axes: Axes, one: FamilyTrials, colour: str, marker: str) -> None:
    budgets = [k for k in range(1, len(one.scores) + 1)]
    best = [one.best_of(k) for k in budgets]
    values = np.array([estimate.value for estimate in best], dtype=float)
    errors = np.array([estimate.error or 0.0 for estimate in best])
    fill = colour if one.quantum else "white"
    axes.plot(budgets, values, marker=marker, color=colour, linestyle=_dash(one.quantum), markersize=3, mfc=fill)
    axes.fill_between(budgets, values - errors, values + errors, color=colour, alpha=0.15, linewidth=0)
    if one.stated.value is not None:
        axes.plot([budgets[-1] * 1.25], [one.stated.value], "*", color=colour, markersize=5, mfc=fill)


def _frame(axes: Axes, budgets: Sequence[int], title: str) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(list(budgets)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.set_xlabel("trials", loc="right")
    axes.set_title(title, fontsize=8.5)
