"""The figure of scaling in qubits: time of a step of each simulator, with the fitted curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qinn_bench.performance.scaling.scan_values import Scan, ScanRow
from qinn_bench.report.figure_style import COLUMN, DASHES, PAGE, STYLE, even, line_handles, pens


def scaling_figure(scan: Scan) -> Figure:
    """Time of a step against the number of qubits, a panel a mode: medians with quartiles, and the fitted curves."""
    modes, backends = scan.request.modes, list(dict.fromkeys(row.backend for row in scan.rows if row.seconds))
    pen_of = dict(zip(backends, pens(len(backends)), strict=True))
    with rc_context(STYLE):
        figure = Figure(figsize=(COLUMN if len(modes) == 1 else PAGE, 3.0), layout="constrained")
        panels = figure.subplots(1, len(modes), sharey=True, squeeze=False)[0]
        for axes, mode in zip(panels, modes, strict=True):
            for backend, (colour, dash) in pen_of.items():
                rows = [row for row in scan.rows if (row.backend, row.mode) == (backend, mode) and row.seconds]
                _draw_points(axes, rows, colour, filled=dash == DASHES[0])
                for growth in scan.fits:
                    if growth.fit and (growth.backend, growth.mode, growth.quantity) == (backend, mode, "seconds"):
                        n = np.linspace(rows[0].n_qubits, rows[-1].n_qubits, 200)
                        axes.plot(n, [1e3 * growth.fit.at(at) for at in n], color=colour, linestyle=dash)
            axes.set_yscale("log")
            axes.set_xlabel("qubits")
            axes.set_title(mode, fontsize=8.5)
            axes.xaxis.get_major_locator().set_params(integer=True)
        panels[0].set_ylabel("time of a step [ms]")
        handles = line_handles(backends)
        figure.legend(
            handles=handles, loc="outside upper center", ncols=even(len(handles), 2 if len(modes) == 1 else 5)
        )
    return figure


def _draw_points(axes: Axes, rows: Sequence[ScanRow], colour: str, *, filled: bool) -> None:
    """Medians as points with bars from quartile to quartile."""
    middle = np.array([1e3 * (row.seconds or 0) for row in rows])
    low, high = (np.array([1e3 * (getattr(row, end) or 0) for row in rows]) for end in ("low", "high"))
    bars = np.maximum([middle - low, high - middle], 0)
    look: dict[str, Any] = {
        "color": colour,
        "markersize": 2.5,
        "markerfacecolor": colour if filled else "white",
        "elinewidth": 0.7,
    }
    axes.errorbar([row.n_qubits for row in rows], middle, bars, fmt="o", **look)
