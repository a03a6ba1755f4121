"""The figure of a capacity study: quality against size, the families with circuits beside those without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from qinn_bench.capacity import curves
from qinn_bench.capacity.equivalence import Equivalence, SizeRatio
from qinn_bench.capacity.families import Curve
from qinn_bench.report.capacity_table import AXIS_TITLES
from qinn_bench.report.family_curves import Families
from qinn_bench.report.figure_style import DASHES, MARKERS, PAGE, STYLE, even, pens, words
from qinn_bench.report.study_columns import title_of
from qinn_bench.values import Estimate

CONTROLS = {"frozen": "s", "unentangled": "^", "fourier": "D", "tanh": "v", "untrained": "x"}
FLOOR = "0.45"
ROOM = 0.03


def figure_of(families: Families) -> Figure:
    """The figure of the families of a study with its floors and ceilings."""
    drawn = families.curves, families.bounds, families.metric, families.axis, families.unit
    return capacity_figure(*drawn, families.ratios)


def capacity_figure(
    families: Sequence[Curve],
    bounds: Mapping[str, Estimate],
    metric: str,
    axis: str,
    unit: str,
    ratios: Sequence[Equivalence] = (),
) -> Figure:
    """Two panels of one scale: all families, and those with circuits beside their controls.

    Points are means over seeds with their standard errors; lines join the best that was reached up to a size (isotonic
    regression), dots are power laws. Families with circuits are solid, the others dashed; `bounds` are floors and
    ceilings by name, drawn across. Of `ratios` an arrow is drawn at each size of a family with circuits: from its curve
    to the size that the classical family needs that needs least.
    """
    own = [curve for curve in families if not curve.control_of and len(curve.sizes)]
    controls = [curve for curve in families if curve.control_of and len(curve.sizes)]
    pen = dict(zip((curve.family for curve in own), (colour for colour, _ in pens(len(own))), strict=True))
    with rc_context(STYLE):
        figure = Figure(figsize=(PAGE, 3.9), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, sharex=True)
        for k, curve in enumerate(own):
            _draw(left, curve, pen[curve.family], MARKERS[k % len(MARKERS)], DASHES[0] if curve.quantum else DASHES[1])
        for k, curve in enumerate(own):
            if curve.quantum:
                _draw(right, curve, pen[curve.family], MARKERS[k % len(MARKERS)], DASHES[0])
        for curve in controls:
            _draw_control(right, curve, pen.get(curve.control_of, FLOOR), CONTROLS.get(curve.control, "x"))
        _draw_ratios(left, own, ratios, pen)
        for axes, title in ((left, "models"), (right, "with circuits, and their controls")):
            _frame(axes, title, axis)
        _draw_bounds(left, bounds, [curve for curve in families if len(curve.sizes)])
        left.set_ylabel(words(f"{title_of(metric)} [{unit}]" if unit else title_of(metric), math=True))
        right.tick_params(labelleft=False)
        handles = _handles(own, controls, pen)
        figure.legend(handles=handles, loc="outside upper center", ncols=even(len(handles), 4), borderpad=0.3)
    return figure


def _draw(axes: Axes, curve: Curve, colour: str, marker: str, dash: Any) -> None:
    sizes, losses = curve.arrays
    error = losses.std(1, ddof=1) / np.sqrt(losses.shape[1]) if losses.shape[1] > 1 else np.zeros(len(sizes))
    means, fill = curve.sign * losses.mean(1), colour if curve.quantum else "white"
    look: dict[str, Any] = {"markersize": 3.5, "markerfacecolor": fill, "markeredgewidth": 0.8, "elinewidth": 0.8}
    axes.errorbar(sizes, means, error, fmt=marker, color=colour, zorder=3, **look)
    if len(sizes) < 2:
        return
    fine = np.geomspace(sizes[0], sizes[-1], 200)
    level = curve.sign * curves.monotone(sizes, losses)(np.log(fine))
    band = np.interp(np.log(fine), np.log(sizes), error)
    axes.plot(fine, level, color=colour, linestyle=dash)
    axes.fill_between(fine, level - band, level + band, color=colour, alpha=0.15, linewidth=0)
    if len(sizes) >= 3:
        axes.plot(fine, curve.sign * curves.power_law(sizes, losses)(fine), color=colour, linestyle=":", linewidth=0.7)


def _draw_control(axes: Axes, curve: Curve, colour: str, marker: str) -> None:
    sizes, losses = curve.arrays
    look: dict[str, Any] = {"markersize": 3, "markerfacecolor": "white", "markeredgewidth": 0.6, "linewidth": 0.6}
    axes.plot(sizes, curve.sign * losses.mean(1), marker=marker, color=colour, alpha=0.9, **look)


def nearest_ratios(own: Sequence[Curve], ratios: Sequence[Equivalence]) -> list[tuple[Curve, SizeRatio]]:
    """For each size of each family with circuits the smallest ratio that is known, with the curve that it is of."""
    curve_of = {curve.family: curve for curve in own if curve.quantum}
    best: dict[tuple[str, float], SizeRatio] = {}
    for one in (one for one in ratios if one.quantum in curve_of):
        for size in one.per_size:
            place = one.quantum, size.size
            known = best[place].ratio if place in best else None
            if size.ratio is not None and (known is None or size.ratio < known):
                best[place] = size
    return [(curve_of[family], size) for (family, _), size in best.items()]


def _draw_ratios(axes: Axes, own: Sequence[Curve], ratios: Sequence[Equivalence], pen: Mapping[str, str]) -> None:
    nearest = nearest_ratios(own, ratios)
    sized = {curve.family: [one.size for of, one in nearest if of is curve] for curve, _ in nearest}
    for curve, one in nearest:
        sizes, losses = curve.arrays
        if len(sizes) < 2 or one.ratio is None:
            continue
        level = curve.sign * float(curves.monotone(sizes, losses)(np.log(one.size)))
        look: dict[str, Any] = {"arrowstyle": "->", "color": pen[curve.family], "linewidth": 0.6, "shrinkA": 3}
        axes.annotate("", (one.size * one.ratio, level), (one.size, level), arrowprops=look | {"shrinkB": 0})
        if one.size != sized[curve.family][len(sized[curve.family]) // 2]:
            continue  # One number a family; the others stand in the figure of ratios.
        middle, text = one.size * one.ratio**0.5, f"×{one.ratio:.2g}"
        above: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 5.5}
        axes.annotate(text, (middle, level), (0, 1), color=pen[curve.family], **above)


def _draw_bounds(axes: Axes, bounds: Mapping[str, Estimate], drawn: Sequence[Curve]) -> None:
    """Floors and ceilings inside the range of the curves and a third beyond; others would flatten everything."""
    shown = np.concatenate([curve.sign * np.ravel(curve.arrays[1]) for curve in drawn]) if drawn else np.zeros(1)
    reach = 0.33 * float(np.ptp(shown))
    inside = {name: bound.value for name, bound in bounds.items() if bound.value is not None}
    inside = {name: at for name, at in inside.items() if shown.min() - reach <= at <= shown.max() + reach}
    for name, at in inside.items():
        axes.axhline(at, color=FLOOR, linewidth=0.6, linestyle=(0, (1, 1.5)))
        above = at == max(inside.values())
        look: dict[str, Any] = {"ha": "right", "va": "bottom" if above else "top", "fontsize": 6.5, "color": FLOOR}
        axes.text(1 - ROOM, at, words(name), transform=axes.get_yaxis_transform(), **look)


def _frame(axes: Axes, title: str, axis: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(AXIS_TITLES[axis], loc="right")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.set_title(title, fontsize=8.5)


def _handles(own: Sequence[Curve], controls: Sequence[Curve], pen: Mapping[str, str]) -> list[Line2D]:
    """A marker a family in its colour, then one a kind of control in grey."""
    handles = []
    for k, curve in enumerate(own):
        fill, dash = (pen[curve.family], DASHES[0]) if curve.quantum else ("white", DASHES[1])
        drawn: dict[str, Any] = {"linestyle": dash, "marker": MARKERS[k % len(MARKERS)], "markerfacecolor": fill}
        handles.append(Line2D([], [], color=pen[curve.family], markersize=3.5, label=words(curve.family), **drawn))
    kinds = dict.fromkeys(curve.control for curve in controls)
    look: dict[str, Any] = {"color": FLOOR, "linewidth": 0.6, "markersize": 3, "markerfacecolor": "white"}
    return handles + [Line2D([], [], marker=CONTROLS.get(kind, "x"), label=words(kind), **look) for kind in kinds]
