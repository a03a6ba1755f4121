"""Figures of showers: average showers layer by layer, profiles, histograms over the truth, correlations of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from qinn_bench.calorimeter import Calorimeter
from qinn_bench.metrics._showers import ShowerHistogram, ShowerPair, ShowerSample, shower_histograms
from qinn_bench.metrics.histograms import ratio
from qinn_bench.metrics.shower_manifolds import correlations
from qinn_bench.report.figure_style import BAND, PAGE, STYLE, TRUTH, even, line_handles, pens_of, words
from qinn_bench.report.study_figures import FEWEST, Pens, Places
from qinn_bench.values import Array

MOST_LAYERS, MOST_PANELS = 7, 24
"""Layers of an average shower, and histograms of a page, at most."""
FAINT = 1e-5
"""Share of the brightest voxel of the truth that is drawn as empty."""
NEAREST = 0.5
"""Radii below so many mm are drawn at the centre, as the scale is logarithmic."""
SPLITS = 60
ZOOM = 0.5


def average_showers_figure(truth: ShowerSample, rows: Mapping[str, ShowerSample], calorimeter: Calorimeter) -> Figure:
    """A line for the truth and for each row, a disc for each layer: the mean energy of voxels, on one scale of colour.

    Radii are on a logarithmic scale where they span more than 100 mm. Of many layers some are shown.
    """
    lines = {"truth": truth, **rows}
    shown = np.unique(np.linspace(0, len(calorimeter.layers) - 1, MOST_LAYERS).round().astype(int))
    means = {name: sample.voxels.mean(axis=0) for name, sample in lines.items()}
    brightest = max(float(means["truth"].max()), 1e-12)
    scale = LogNorm(FAINT * brightest, brightest)
    with rc_context(STYLE):
        side = PAGE / (len(shown) + 1)
        figure = Figure(figsize=(PAGE, side * len(lines) + 0.5), layout="constrained")
        panels = figure.subplots(len(lines), len(shown), squeeze=False, subplot_kw={"projection": "polar"})
        for line, (name, mean) in zip(panels, means.items(), strict=True):
            for axes, i in zip(line, shown, strict=True):
                _disc(axes, np.maximum(mean[calorimeter.parts[i]], FAINT * brightest), calorimeter, int(i), scale)
            line[0].set_ylabel(words(name), fontsize=6, labelpad=12)
        for axes, i in zip(panels[0], shown, strict=True):
            axes.set_title(f"layer {calorimeter.layers[i].number}", fontsize=7)
        bar = figure.colorbar(panels[0][0].collections[0], ax=panels, location="bottom", fraction=0.05, aspect=60)
        bar.set_label("mean energy [MeV]", fontsize=7)
    return figure


def _disc(axes: Axes, mean: Array, calorimeter: Calorimeter, place: int, scale: LogNorm) -> None:
    """A layer as a disc of rings and sectors."""
    layer = calorimeter.layers[place]
    outer = max(one.edges[-1] for one in calorimeter.layers)
    edges = np.array(layer.edges)
    radii = np.log(np.maximum(edges, NEAREST) / NEAREST) if outer > 100 else edges
    per_sector = max(1, SPLITS // layer.angles)
    around = np.linspace(-np.pi, np.pi, per_sector * layer.angles + 1)
    values = mean.reshape(layer.angles, layer.radii).repeat(per_sector, axis=0)
    axes.pcolormesh(around, radii, values.T, norm=scale, cmap="viridis", rasterized=True)
    axes.set_ylim(0, np.log(outer / NEAREST) if outer > 100 else outer)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)


def profiles_figure(
    truth: ShowerSample, rows: Mapping[str, ShowerSample], calorimeter: Calorimeter, places: Places = None
) -> Figure:
    """The mean share of the incident energy in each layer, and for a layer with rings the mean energy per ring."""
    ringed = [i for i, layer in enumerate(calorimeter.layers) if layer.radii > 1][:MOST_LAYERS]
    columns = min(3, 1 + len(ringed))
    handles, pens = _handles(list(rows), places), pens_of(list(rows), places)
    with rc_context(STYLE):
        lines = ceil((1 + len(ringed)) / columns)
        figure = Figure(figsize=(PAGE, 2.1 * lines + 0.4), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes in panels[1 + len(ringed) :]:
            axes.set_axis_off()
        numbers = np.linspace(-0.5, len(calorimeter.layers) - 0.5, len(calorimeter.layers) + 1)
        _profile(panels[0], numbers, _depth(truth), [_depth(row) for row in rows.values()], pens)
        panels[0].set_xticks(np.arange(len(calorimeter.layers)), [str(n) for n in calorimeter.numbers])
        panels[0].minorticks_off()
        panels[0].set_xlabel("layer")
        panels[0].set_ylabel(r"$\langle E_{\rm layer}/E_{\rm inc}\rangle$")
        for axes, i in zip(panels[1:], ringed, strict=False):
            edges = np.array(calorimeter.layers[i].edges)
            models = [_rings(row, calorimeter, i) for row in rows.values()]
            _profile(axes, edges, _rings(truth, calorimeter, i), models, pens)
            axes.set_xlabel(f"r in layer {calorimeter.layers[i].number} [mm]")
            axes.set_xscale("symlog", linthresh=max(edges[1], 1.0))
            axes.set_xlim(0, edges[-1])
            axes.set_ylabel(r"$\langle E\rangle$ [MeV/mm]")
        figure.legend(handles=handles, loc="outside upper center", ncols=even(len(handles), 5))
    return figure


def _depth(sample: ShowerSample) -> Array:
    return np.asarray((sample.features.layers / sample.features.incident[:, None]).mean(axis=0))


def _rings(sample: ShowerSample, calorimeter: Calorimeter, place: int) -> Array:
    """The mean energy of each ring over its width, in MeV per mm."""
    layer = calorimeter.layers[place]
    mean = sample.voxels[:, calorimeter.parts[place]].mean(axis=0).reshape(layer.angles, layer.radii).sum(axis=0)
    return np.asarray(mean / np.diff(layer.edges))


def _profile(axes: Axes, edges: Array, truth: Array, models: Sequence[Array], pens: Pens) -> None:
    axes.stairs(truth, edges, fill=True, color=BAND)
    axes.stairs(truth, edges, color=TRUTH, linewidth=0.8)
    for (colour, dash), model in zip(pens, models, strict=True):
        axes.stairs(model, edges, color=colour, linestyle=dash, baseline=None)
    axes.set_yscale("log")
    lowest = truth[truth > 0].min(initial=np.inf)
    if np.isfinite(lowest):
        axes.set_ylim(0.3 * lowest, 3 * truth.max())


def histograms_figure(pairs: Mapping[str, ShowerPair], places: Places = None) -> Figure:
    """The histograms of the challenge with ratios below, each row against the truth that all have.

    A page has 24 at most: the first ones, and the last, which is that of all voxels.
    """
    every = {name: shower_histograms(pair) for name, pair in pairs.items()}
    of_truth = next(iter(every.values()))
    picked = list(range(len(of_truth)))
    picked = picked if len(picked) <= MOST_PANELS else [*picked[: MOST_PANELS - 1], picked[-1]]
    handles, pens = _handles(list(pairs), places), pens_of(list(pairs), places)
    columns = 4
    with rc_context(STYLE):
        lines = ceil(len(picked) / columns)
        figure = Figure(figsize=(PAGE, 1.9 * lines + 0.4), layout="constrained")
        grid = figure.add_gridspec(2 * lines, columns, height_ratios=[2.4, 1] * lines)
        for k, place in enumerate(picked):
            line, column = divmod(k, columns)
            upper = figure.add_subplot(grid[2 * line, column])
            lower = figure.add_subplot(grid[2 * line + 1, column], sharex=upper)
            _histogram(upper, lower, [of[place] for of in every.values()], pens)
        figure.legend(handles=handles, loc="outside upper center", ncols=even(len(handles), 5))
    return figure


def _histogram(upper: Axes, lower: Axes, found: Sequence[ShowerHistogram], pens: Pens) -> None:
    """Shares of the entries in each bin, and their ratios to the truth where that has 25 entries or more."""
    edges, truth = found[0].edges, found[0].counts[0]
    clear = truth >= FEWEST
    upper.stairs(truth / max(truth.sum(), 1), edges, fill=True, color=BAND)
    upper.stairs(truth / max(truth.sum(), 1), edges, color=TRUTH, linewidth=0.8)
    error = np.where(clear, 1 / np.sqrt(np.maximum(truth, 1)), np.nan)
    lower.stairs(1 + error, edges, baseline=1 - error, fill=True, color=BAND)
    lower.axhline(1, color=TRUTH, linewidth=0.6)
    for (colour, dash), one in zip(pens, found, strict=True):
        model = one.counts[1]
        upper.stairs(model / max(model.sum(), 1), edges, color=colour, linestyle=dash, baseline=None, linewidth=0.8)
        middle, low, high = (np.where(clear, end, np.nan) for end in ratio(truth, model))
        lower.stairs(high, edges, baseline=low, fill=True, color=colour, alpha=0.2, linewidth=0)
        lower.stairs(middle, edges, color=colour, linestyle=dash, linewidth=0.8, baseline=None)
    if found[0].in_logarithm:
        upper.set_xscale("log")
    upper.tick_params(labelbottom=False, labelsize=5)
    lower.tick_params(labelsize=5)
    lower.set_ylim(1 - ZOOM, 1 + ZOOM)
    lower.set_xlim(edges[0], edges[-1])
    label, unit = found[0].label, found[0].unit
    lower.set_xlabel(words(f"{label} [{unit}]" if unit else label, math=True), fontsize=6)


def correlations_figure(truth: ShowerSample, rows: Mapping[str, ShowerSample], calorimeter: Calorimeter) -> Figure:
    """Correlations between the energies of layers: those of the truth, and by how much those of each row differ."""
    shares = {name: of.features.layers / of.features.incident[:, None] for name, of in {"": truth, **rows}.items()}
    matrices = {name: correlations(of) for name, of in shares.items()}
    true = matrices.pop("")
    drawn = {"truth": true, **{f"{name} − truth": of - true for name, of in matrices.items()}}
    columns = min(4, len(drawn))
    with rc_context(STYLE):
        lines = ceil(len(drawn) / columns)
        figure = Figure(figsize=(PAGE, PAGE / columns * lines + 0.3), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes in panels[len(drawn) :]:
            axes.set_axis_off()
        for axes, (name, matrix) in zip(panels, drawn.items(), strict=False):
            image = axes.imshow(matrix, cmap="RdBu_r", norm=Normalize(-1, 1), interpolation="nearest")
            some = np.arange(0, len(true), ceil(len(true) / 12))
            axes.set_xticks(some, [str(calorimeter.numbers[i]) for i in some])
            axes.set_yticks(some, [str(calorimeter.numbers[i]) for i in some])
            axes.minorticks_off()
            axes.set_title(words(name), fontsize=7)
        figure.colorbar(image, ax=list(panels), fraction=0.02, label="correlation")
    return figure


def _handles(labels: Sequence[str], places: Places) -> list[Artist]:
    return [Patch(facecolor=BAND, edgecolor=TRUTH, label="truth"), *line_handles(labels, places)]
