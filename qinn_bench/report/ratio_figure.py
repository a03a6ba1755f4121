"""Equivalence ratios as a figure: how many times larger each classical family has to be than one with circuits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from qinn_bench.capacity.equivalence import Equivalence, SizeRatio
from qinn_bench.report.figure_style import BAND, PAGE, STYLE, TRUTH, pens, words

MOST = 40
"""Pairs that one figure can name."""
SPREAD = 0.6
"""What the sizes of a pair take of its line."""
ARROW = 1.6
"""How far an arrow goes from an end that the sizes cannot show beyond."""


def shown_ratios(ratios: Sequence[Equivalence], controls: Sequence[str] = ()) -> list[Equivalence]:
    """The pairs that a figure shows: those of which something is known, without the families named as `controls`.

    >>> found = Equivalence(quantum="a", classical="b", rho={"value": None}, reason="undefined")
    >>> shown_ratios([found])
    []
    """
    known = [one for one in ratios if one.quantum not in controls and any(map(_is_known, one.per_size))]
    return known[:MOST]


def _is_known(one: SizeRatio) -> bool:
    return one.ratio is not None or bool(one.bound)


def ratio_figure(ratios: Sequence[Equivalence]) -> Figure:
    """A line a pair: the ratio at each size with its 95 % interval, and behind them one factor where there is one.

    A point is open and an arrow leads on where the classical sizes only show a bound. At 1 both need the same.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(PAGE, 1.0 + 0.34 * len(ratios)), layout="constrained")
        axes = figure.subplots()
        firsts = list(dict.fromkeys(one.quantum for one in ratios))
        pen = {name: colour for name, (colour, _) in zip(firsts, pens(len(firsts)), strict=True)}
        for at, one in enumerate(ratios):
            _pair(axes, at, one, pen)
        axes.axvline(1.0, color=TRUTH, linewidth=0.7, linestyle=(0, (4, 2)), zorder=0)
        named = [words(f"{one.classical} / {one.quantum}") for one in ratios]
        axes.set_yticks(range(len(ratios)), named, fontsize=7)
        axes.set_ylim(len(ratios) - 0.4, -0.6)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("times the size that the first needs for the quality of the second", loc="right")
        axes.tick_params(axis="y", which="both", length=0)
    return figure


def _pair(axes: Axes, at: int, one: Equivalence, pen: Mapping[str, str]) -> None:
    low, high = one.interval
    if one.rho.value is not None and low is not None and high is not None:
        axes.fill_betweenx([at - 0.42, at + 0.42], low, high, color=BAND, linewidth=0, zorder=0)
        axes.plot([one.rho.value] * 2, [at - 0.42, at + 0.42], color="0.5", linewidth=0.9, zorder=0)
    known = [size for size in one.per_size if _is_known(size)]
    for k, size in enumerate(known):
        y = at + SPREAD * ((k + 0.5) / len(known) - 0.5)
        _size(axes, y, size, pen[one.quantum])


def _size(axes: Axes, y: float, one: SizeRatio, colour: str) -> None:
    look: dict[str, Any] = {"color": colour, "markersize": 3, "elinewidth": 0.8}
    if one.bound:
        end = one.low if one.bound == "above" else one.high
        if end:
            tip = end * ARROW if one.bound == "above" else end / ARROW
            arrow: dict[str, Any] = {"arrowstyle": "->", "color": colour, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (tip, y), (end, y), arrowprops=arrow)
            axes.plot([end, tip], [y, y], "o", color=colour, markersize=3, markerfacecolor="white", markevery=[0])
        return
    value = one.ratio or 1.0
    below, above = value - (one.low or value), (one.high or value) - value
    axes.errorbar([value], [y], xerr=[[max(below, 0.0)], [max(above, 0.0)]], fmt="o", **look)
