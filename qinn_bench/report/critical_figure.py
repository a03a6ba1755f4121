"""The critical-difference diagram: rows at their mean ranks, those that are not told apart joined by a bar.

After Demsar, J. Mach. Learn. Res. 7, 1 (2006), Figure 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qinn_bench.report.figure_style import PAGE, PALETTE, STYLE
from qinn_bench.statistics.findings import Alike, Findings, RowStanding
from qinn_bench.values import Refused

STEP = 0.19
"""Inches between two labels."""
BAR = 0.09
"""Inches between two bars."""
LONGEST = 28
"""The most letters of a row's name."""
GREY = "0.35"
MARGIN = 2.0
"""Inches for the names at either side."""


def critical_figure(findings: Findings) -> Figure:
    """Mean ranks on a line, the best at the left; names hang at both sides, the better half at the left.

    A bar joins each group of rows that the critical difference, drawn above the line, does not tell apart; with a
    control the bar spans the ranks that are not told apart from it.

    Raises:
        Refused: fewer than three rows or two data sets, which have no ranks to compare.
    """
    alike = findings.alike
    if alike is None:
        raise Refused("a diagram of critical differences needs three rows or more on two data sets or more")
    rows = findings.standings
    bars = _bars(rows, alike, findings.control)
    lanes = _lanes(bars)
    left = ceil(len(rows) / 2)
    first_label = 0.14 + BAR * (max(lanes, default=-1) + 1)
    height = 0.62 + first_label + STEP * left + 0.1
    with rc_context(STYLE):
        figure = Figure(figsize=(PAGE, height))
        axes = figure.add_axes((MARGIN / PAGE, 0.0, 1 - 2 * MARGIN / PAGE, 1.0))
        low, high = floor(rows[0].rank), max(ceil(rows[-1].rank), floor(rows[0].rank) + 1)
        axes.set_xlim(low, high)
        axes.set_ylim(-(height - 0.62), 0.62)
        axes.axis("off")
        _axis(axes, low, high)
        _critical(axes, low, high, alike.critical, bool(findings.control))
        for (start, end), lane in zip(bars, lanes, strict=True):
            axes.plot([start, end], [-0.1 - BAR * lane] * 2, color=PALETTE[2], linewidth=2.6, solid_capstyle="round")
        for at, row in enumerate(rows):
            _name(axes, row, at, len(rows), first_label, row.row == findings.control)
    return figure


def _bars(rows: Sequence[RowStanding], alike: Alike, control: str) -> list[tuple[float, float]]:
    """From which rank to which each bar goes."""
    rank_of = {row.row: row.rank for row in rows}
    if control:
        middle = rank_of[control]
        near = [rank for rank in rank_of.values() if abs(rank - middle) <= alike.critical]
        return [(min(near), max(near))] if len(near) > 1 else []
    return [(rank_of[group[0]], rank_of[group[-1]]) for group in alike.groups]


def _lanes(bars: Sequence[tuple[float, float]]) -> list[int]:
    """The highest free line for each bar, so that no two touch."""
    ends: list[float] = []
    lanes = []
    for start, end in bars:
        lane = next((at for at, last in enumerate(ends) if last < start - 1e-9), len(ends))
        ends[lane : lane + 1] = [end]
        lanes.append(lane)
    return lanes


def _axis(axes: Axes, low: int, high: int) -> None:
    """The line of ranks with its ticks, whole numbers named, at most some dozen of them."""
    axes.plot([low, high], [0, 0], color="black", linewidth=0.8, solid_capstyle="butt", clip_on=False)
    every = ceil((high - low) / 12)
    for rank in range(low, high + 1):
        named = (rank - low) % every == 0
        axes.plot([rank, rank], [0, 0.07 if named else 0.04], color="black", linewidth=0.7, clip_on=False)
        if named:
            axes.text(rank, 0.09, str(rank), ha="center", va="bottom", fontsize=7.5)
    axes.text(low, 0.27, "mean rank", ha="left", va="bottom", fontsize=7.5, color=GREY)


def _critical(axes: Axes, low: int, high: int, critical: float, control: bool) -> None:
    """The critical difference as a length on the scale of the ranks, at the right end of the line."""
    name = "Bonferroni-Dunn" if control else "Nemenyi"
    text = f"critical difference {critical:.3g} ({name})"
    if critical > high - low:
        axes.text(high, 0.27, f"{text}, wider than the line", ha="right", va="bottom", fontsize=7.5)
        return
    start = high - critical
    axes.plot([start, high], [0.32, 0.32], color="black", linewidth=0.8, clip_on=False)
    for end in (start, high):
        axes.plot([end, end], [0.29, 0.35], color="black", linewidth=0.8, clip_on=False)
    axes.text(high, 0.39, text, ha="right", va="bottom", fontsize=7.5)


def _name(axes: Axes, row: RowStanding, at: int, places: int, first: float, bold: bool) -> None:
    """A row's name at the side of its half, and the line from there to its rank."""
    here = at < ceil(places / 2)
    depth = at if here else places - 1 - at
    y = -(first + STEP * (depth + 0.5))
    low, high = axes.get_xlim()
    edge = low if here else high
    axes.plot([row.rank, row.rank, edge], [0, y, y], color="black", linewidth=0.7, clip_on=False)
    shown = row.row if len(row.row) <= LONGEST else f"{row.row[: LONGEST - 1]}…"
    look: dict[str, Any] = {
        "va": "center",
        "fontsize": 7.5,
        "parse_math": False,
        "weight": "bold" if bold else "normal",
    }
    offset = -4 if here else 4
    axes.annotate(
        f"{shown}  {row.rank:.2f}" if here else f"{row.rank:.2f}  {shown}",
        (edge, y),
        (offset, 0),
        textcoords="offset points",
        ha="right" if here else "left",
        annotation_clip=False,
        **look,
    )
