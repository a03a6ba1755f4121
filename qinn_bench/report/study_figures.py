"""Figures for a paper: observables of generated events over the truth, and loss curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from qinn_bench.dataset import Dataset, Observable
from qinn_bench.metrics.histograms import counts, ratio
from qinn_bench.report.figure_style import BAND, COLUMN, PAGE, STYLE, TRUTH, even, line_handles, pens_of, words
from qinn_bench.values import Array, Refused

Places = Mapping[str, int] | None
Pens = Sequence[tuple[str, Any]]
CELL, FEWEST = 2.8, 25
FAR = 1e30
"""A loss beyond is one of a training that went astray, and is not drawn."""
ZOOMS = (0.05, 0.1, 0.2, 0.5, 1.0)


def observables_figure(
    data: Dataset, samples: Mapping[str, Array], names: Sequence[str], places: Places = None
) -> Figure:
    """A page with a panel for each named observable: the truth (test rows) and every model, and their ratios.

    `samples` maps the label of each model to its physical rows ``(n, dim)``, `places` to its place among all rows of
    the study, which its colour belongs to.

    Raises:
        Refused: an observable that the data set does not have, or no observables.
    """
    plots = [_plot(data, name) for name in names]
    if not plots:
        raise Refused(f"a figure of no observables was asked for; '{data.name}' has: {_known(data)}")
    return _page(data, samples, plots, PAGE, min(3, len(plots)), places)


def observable_figure(data: Dataset, samples: Mapping[str, Array], name: str, places: Places = None) -> Figure:
    """One observable at the width of a column: the truth and every model, and their ratios.

    Raises:
        Refused: an observable that the data set does not have.
    """
    return _page(data, samples, [_plot(data, name)], COLUMN, 1, places)


def loss_figure(curves: Mapping[str, Sequence[Mapping[str, NDArray[Any]]]], places: Places = None) -> Figure:
    """Training and validation loss against the step, side by side on one scale; each seed a thin line.

    `curves` maps the label of each model to the arrays of its seeds: ``curve_step``, ``curve_train``, ``curve_valid``.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(PAGE, 2.7), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, sharex=True)
        for axes, key, title in ((left, "curve_train", "training"), (right, "curve_valid", "validation")):
            for (colour, dash), seeds in zip(pens_of(list(curves), places), curves.values(), strict=True):
                for seed in seeds:
                    axes.plot(seed["curve_step"], seed[key], color=colour, linestyle=dash, linewidth=0.7, alpha=0.85)
            axes.set_xlabel("step")
            axes.set_ylabel(f"{title} loss [nats]")
            axes.margins(x=0)
        left.set_ylim(*_loss_range([seed for seeds in curves.values() for seed in seeds]))
        right.tick_params(labelleft=True)
        handles = line_handles(list(curves), places)
        figure.legend(handles=handles, loc="outside upper center", ncols=even(len(handles), 5))
    return figure


def _known(data: Dataset) -> str:
    return ", ".join(plot.name for plot in data.plots)


def _plot(data: Dataset, name: str) -> Observable:
    chosen = next((plot for plot in data.plots if plot.name == name), None)
    if chosen is None:
        raise Refused(f"'{data.name}' has no observable '{name}'; there are: {_known(data)}")
    return chosen


def _handles(labels: Sequence[str], places: Places) -> list[Artist]:
    return [Patch(facecolor=BAND, edgecolor=TRUTH, label="truth"), *line_handles(labels, places)]


def _page(
    data: Dataset,
    samples: Mapping[str, Array],
    plots: Sequence[Observable],
    width: float,
    columns: int,
    places: Places,
) -> Figure:
    """A histogram with its ratio below for each observable, in cells of equal size below a legend; sizes in inches."""
    truth = data.observables(data.test)
    generated = [data.observables(rows) for rows in samples.values()]
    handles, drawn = _handles(list(samples), places), pens_of(list(samples), places)
    across = even(len(handles), 2 if width < PAGE else 5)
    cell = CELL if width < PAGE else 0.85 * CELL
    height = cell * ceil(len(plots) / columns) + 0.17 * ceil(len(handles) / across) + 0.12
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 1), ncols=across, borderpad=0.3)
        for i, plot in enumerate(plots):
            line, column = divmod(i, columns)
            bottom = cell * (ceil(len(plots) / columns) - line - 1)
            upper, lower = _axes(figure, column * width / columns, bottom, width / columns, cell)
            true, models = counts(truth[plot.name], plot), [counts(sample[plot.name], plot) for sample in generated]
            _draw_shares(upper, plot, true, models, drawn)
            _draw_ratios(lower, plot, true, models, drawn)
    return figure


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> tuple[Axes, Axes]:
    """The frames of a histogram and of its ratio inside a cell, all in inches."""
    page = np.tile(figure.get_size_inches(), 2)
    inner, ratio_height = width - 0.64, 0.27 * (height - 0.5)
    low = np.array([left + 0.54, bottom + 0.4, inner, ratio_height]) / page
    top = np.array([left + 0.54, bottom + 0.43 + ratio_height, inner, height - 0.5 - ratio_height]) / page
    upper = figure.add_axes((top[0], top[1], top[2], top[3]))
    return upper, figure.add_axes((low[0], low[1], low[2], low[3]), sharex=upper)


def _draw_shares(axes: Axes, plot: Observable, truth: Array, models: Sequence[Array], pens: Pens) -> None:
    """Shares of the events in each bin."""
    edges, shares = _edges(plot), _share(truth)
    axes.stairs(shares, edges, fill=True, color=BAND)
    axes.stairs(shares, edges, color=TRUTH, linewidth=0.8)
    for (colour, dash), model in zip(pens, models, strict=True):
        axes.stairs(_share(model), edges, color=colour, linestyle=dash, baseline=None)
    axes.set_ylabel(words(f"fraction / {_bin_width(plot)}", math=True))
    axes.tick_params(labelbottom=False)
    top = max(float(np.max(share)) for share in (shares, *map(_share, models)))
    if plot.falls:
        axes.set_yscale("log")
        axes.set_ylim(0.5 / max(truth.sum(), 2), 3 * top)
    else:
        axes.set_ylim(0, 1.15 * top)
        axes.ticklabel_format(axis="y", scilimits=(-3, 3), useMathText=True)


def _draw_ratios(axes: Axes, plot: Observable, truth: Array, models: Sequence[Array], pens: Pens) -> None:
    """Model over truth with the error of the model as a band in its colour, and that of the truth in grey.

    Only where the truth has 25 events or more; elsewhere the ratio would show nothing but their scatter.
    """
    edges, clear = _edges(plot), truth >= FEWEST
    error = np.where(clear, 1 / np.sqrt(np.maximum(truth, 1)), np.nan)
    axes.stairs(1 + error, edges, baseline=1 - error, fill=True, color=BAND)
    axes.axhline(1, color=TRUTH, linewidth=0.8)
    ratios = [[np.where(clear, end, np.nan) for end in ratio(truth, model)] for model in models]
    for (colour, dash), (middle, low, high) in zip(pens, ratios, strict=True):
        axes.stairs(high, edges, baseline=low, fill=True, color=colour, alpha=0.2, linewidth=0)
        axes.stairs(middle, edges, color=colour, linestyle=dash, linewidth=0.9, baseline=None)
    half = _zoom([middle[clear] for middle, _, _ in ratios])
    axes.set_ylim(1 - half, 1 + half)
    axes.set_yticks([1 - half / 2, 1, 1 + half / 2])
    axes.set_xlim(plot.low, plot.high)
    axes.set_ylabel("ratio", loc="center")
    axes.set_xlabel(words(f"{plot.label} [{plot.unit}]" if plot.unit else plot.label, math=True))


def _zoom(ratios: Sequence[Array]) -> float:
    """The smallest range around 1 that shows 90 % of the ratios."""
    far = [float(np.quantile(np.abs(shown - 1), 0.9)) for shown in ratios if len(shown)]
    return next((zoom for zoom in ZOOMS if zoom >= max(far, default=1.0)), ZOOMS[-1])


def _edges(plot: Observable) -> Array:
    return np.linspace(plot.low, plot.high, plot.bins + 1)


def _share(filled: Array) -> Array:
    return np.asarray(filled / max(filled.sum(), 1))


def _bin_width(plot: Observable) -> str:
    return f"{(plot.high - plot.low) / plot.bins:.2g} {plot.unit}".rstrip()


def _loss_range(seeds: Sequence[Mapping[str, NDArray[Any]]]) -> tuple[float, float]:
    """From below the lowest loss to what all but the first steps stay under; the start would hide the end."""
    curves = [np.asarray(seed[key]) for seed in seeds for key in ("curve_train", "curve_valid")]
    finite = [curve[np.abs(curve) < FAR] for curve in curves]
    late = [curve[len(curve) // 10 :] for curve in finite if len(curve)]
    if not late:
        return 0.0, 1.0
    low, high = min(float(c.min()) for c in late), max(float(np.quantile(c, 0.95)) for c in late)
    gap = 0.06 * (high - low) or 1.0
    return low - gap, high + gap
