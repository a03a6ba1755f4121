"""The spectrum of Jacobians: by how much maps stretch and squeeze rows, from their singular values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from qinn_bench.report.figure_style import COLUMN, STYLE, TRUTH, even, line_handles, pens_of
from qinn_bench.values import Array

BAND_ENDS = 0.16, 0.84
LEAST = 1e-30
"""A singular value below it is drawn there: a map that loses a direction."""


def spectrum_figure(values: Mapping[str, Array]) -> Figure:
    """Singular values of dz/dx against their place, the largest first: medians over rows, bands from 16 to 84 %.

    `values` are ``(rows, dim)`` by model. At 1 a direction is neither stretched nor squeezed; a flow that makes its
    data normal stretches most where they are narrowest.
    """
    names = list(values)
    with rc_context(STYLE):
        figure = Figure(figsize=(COLUMN, 2.9), layout="constrained")
        axes = figure.subplots()
        for (colour, dash), name in zip(pens_of(names), names, strict=True):
            own = np.maximum(values[name], LEAST)
            places = np.arange(1, own.shape[1] + 1)
            low, high = np.quantile(own, BAND_ENDS, axis=0)
            axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(places, np.median(own, axis=0), color=colour, linestyle=dash, marker="o", markersize=2.5)
        axes.axhline(1.0, color=TRUTH, linewidth=0.6, linestyle=(0, (4, 2)), zorder=0)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.minorticks_off()
        axes.set_xlabel("place", loc="right")
        axes.set_ylabel("singular value of dz/dx")
        figure.legend(handles=line_handles(names), loc="outside upper center", ncols=even(len(names), 2))
    return figure
