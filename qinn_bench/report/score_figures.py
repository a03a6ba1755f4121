"""Figures of a search for anomalies: ROC curves, histograms of scores, images and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from qinn_bench.report.figure_style import COLUMN, PAGE, STYLE, TRUTH, even, line_handles, pens_of, words
from qinn_bench.report.study_figures import Places
from qinn_bench.statistics.roc_curves import curve_of
from qinn_bench.values import Array

EFFICIENCIES = np.linspace(0.005, 1.0, 400)
"""Signal efficiencies at which curves of seeds are put together."""
FEWEST = 5
"""Background rows above a threshold below which a curve is not drawn: its rejection would be their scatter."""
SHOWN, CLASSES = 5, ("background", "signal")
DARKEST = 1e-3
"""Share of the brightest pixel that is drawn as empty."""
BINS = 50


def roc_figure(scores: Mapping[str, Sequence[Array]], labels: Array, places: Places = None) -> Figure:
    """Background rejection, on a logarithmic scale, against signal efficiency: the mean over seeds and their band.

    `scores` maps each row to the scores of the test rows ``(n,)`` of each of its seeds; the band is one standard
    deviation of the seeds in the logarithm. Where fewer than 5 background rows pass nothing is drawn; the dashed line
    is chance.
    """
    rows = int(np.sum(labels == 0))
    with rc_context(STYLE):
        handles = line_handles(list(scores), places)
        across = even(len(handles), 2)
        figure = Figure(figsize=(COLUMN, 2.9 + 0.17 * -(-len(handles) // across)), layout="constrained")
        axes = figure.subplots()
        axes.plot(EFFICIENCIES, 1 / EFFICIENCIES, color=TRUTH, linestyle="--", linewidth=0.7)
        for (colour, dash), seeds in zip(pens_of(list(scores), places), scores.values(), strict=True):
            logs = np.stack([np.log(_rejections(of, labels)) for of in seeds])
            middle, half = logs.mean(0), logs.std(0, ddof=1) if len(logs) > 1 else np.zeros(logs.shape[1])
            axes.fill_between(
                EFFICIENCIES, np.exp(middle - half), np.exp(middle + half), color=colour, alpha=0.25, linewidth=0
            )
            axes.plot(EFFICIENCIES, np.exp(middle), color=colour, linestyle=dash)
        axes.set_yscale("log")
        axes.set_xlim(0, 1)
        axes.set_ylim(1, max(10.0, rows / FEWEST))
        axes.set_xlabel(r"signal efficiency $\epsilon_S$")
        axes.set_ylabel(r"background rejection $1/\epsilon_B$")
        figure.legend(handles=handles, loc="outside upper center", ncols=across)
    return figure


def _rejections(scores: Array, labels: Array) -> Array:
    """One over the share of background that passes at each of the signal efficiencies; NaN where too few rows do."""
    curve = curve_of(scores[labels == 1], scores[labels == 0])
    passing = np.array([curve.background_at(efficiency) for efficiency in EFFICIENCIES])
    enough = passing >= FEWEST / np.sum(labels == 0)
    return np.where(enough, 1 / np.where(enough, passing, 1.0), np.nan)


def score_figure(scores: Mapping[str, Sequence[Array]], labels: Array, places: Places = None) -> Figure:
    """A panel for each row: the scores of background (grey) and of signal, of all seeds, each with an area of one.

    The axis ends where 0.5 % of the scores are left on either side.
    """
    columns = min(3, len(scores))
    lines = -(-len(scores) // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(PAGE, 1.9 * lines), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes in panels[len(scores) :]:
            axes.set_axis_off()
        pens = pens_of(list(scores), places)
        for axes, (name, seeds), (colour, dash) in zip(panels, scores.items(), pens, strict=False):
            pooled, kind = np.concatenate(seeds), np.tile(labels, len(seeds))
            low, high = np.quantile(pooled, [0.005, 0.995])
            edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
            axes.hist(pooled[kind == 0], edges, density=True, color="0.8")
            axes.hist(pooled[kind == 1], edges, density=True, histtype="step", color=colour, linestyle=dash)
            axes.set_title(words(name), fontsize=8)
            axes.set_xlabel("score")
            axes.set_yticks([])
    return figure


def gallery_figure(rows: Array, rebuilt: Mapping[str, Array], labels: Array) -> Figure:
    """The first images ``(n, channels, height, width)`` of either class above what each row makes of them."""
    picked = [at for kind in (0, 1) for at in np.flatnonzero(labels[: len(rows)] == kind)[:SHOWN]]
    titles = [f"{CLASSES[int(labels[at])]} {i % SHOWN + 1}" for i, at in enumerate(picked)]
    return _pictures({"true": rows[picked]} | {name: made[picked] for name, made in rebuilt.items()}, titles)


def average_figure(rows: Array, rebuilt: Mapping[str, Array], labels: Array) -> Figure:
    """The mean image of either class above the mean of what each row makes of it."""
    kinds = [labels[: len(rows)] == kind for kind in (0, 1) if np.any(labels[: len(rows)] == kind)]
    titles = [f"mean {name}" for kind, name in enumerate(CLASSES) if np.any(labels[: len(rows)] == kind)]
    means = {
        name: np.stack([of[kind].mean(0) for kind in kinds]) for name, of in ({"true": rows} | dict(rebuilt)).items()
    }
    return _pictures(means, titles)


def _pictures(lines: Mapping[str, Array], titles: Sequence[str]) -> Figure:
    """A line of images for each name, channels added up, on one logarithmic scale of brightness."""
    flat = {name: np.maximum(images, 0).sum(1) for name, images in lines.items()}
    brightest = max(float(next(iter(flat.values())).max(initial=0.0)), 1e-12)
    scale = LogNorm(DARKEST * brightest, brightest)
    with rc_context(STYLE):
        side = min(PAGE / (len(titles) + 1), 1.1)
        figure = Figure(figsize=(side * (len(titles) + 1), side * len(flat) + 0.2), layout="constrained")
        panels = figure.subplots(len(flat), len(titles), squeeze=False)
        for line, (name, images) in zip(panels, flat.items(), strict=True):
            for axes, image in zip(line, images, strict=True):
                _picture(axes, np.maximum(image, DARKEST * brightest), scale)
            line[0].set_ylabel(
                words(name), fontsize=6, rotation=0, horizontalalignment="right", verticalalignment="center"
            )
        for axes, title in zip(panels[0], titles, strict=True):
            axes.set_title(title, fontsize=6)
    return figure


def _picture(axes: Axes, image: Array, scale: LogNorm) -> None:
    axes.imshow(image, norm=scale, cmap="viridis", origin="lower", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
