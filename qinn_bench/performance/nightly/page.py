"""The report of a night as one page of HTML, of the kind that studies have: with trends, and nothing from outside."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from qinn_bench.performance.nightly.night import Night
from qinn_bench.performance.nightly.summary import AGAINST, KINDS, about, left_out, sections, title
from qinn_bench.performance.nightly.trends import Trend, drawing, overview, said_of
from qinn_bench.performance.scaling.figure import scaling_figure
from qinn_bench.performance.scaling.scan_values import Scan
from qinn_bench.report.figure_style import svg
from qinn_bench.report.pages.page_figures import PageFigure
from qinn_bench.report.pages.page_tables import PageCell, PageTable, page_tables, plain_table
from qinn_bench.report.pages.shell import data_uri, filled_in
from qinn_bench.report.table_value import Table

OVERVIEW = "Time of a step relative to the anchor: the median over the workloads of each night, and their middle half."
SCALING = "Time of a step of each simulator by the number of qubits: medians with quartiles, and fitted exponentials."
COLUMNS = ("nights", "first", "lowest", "highest", "tonight", "all nights")


def page(night: Night, trends: Mapping[str, Trend], numbers: Mapping[str, Trend] = {}, scan: Scan | None = None) -> str:
    """The whole report; `trends` are ratios of times to the anchor by workload, `numbers` are of quality by series.

    `scan` is how the simulators grow with the number of qubits, as it was measured last.
    """
    worse = {one.what for one in night.having("worse") if one.tier in AGAINST}
    notices = [{"kind": kind, "heading": heading, "notices": night.having(kind)} for kind, heading in KINDS.items()]
    return filled_in(
        "night.html",
        title=title(night),
        verdict=night.verdict,
        reason=night.reason,
        about=list(about(night)),
        notices=[one for one in notices if one["notices"]],
        figures=list(_figures(trends, scan)),
        trends=list(_trends(trends, numbers, worse)),
        sections=list(_sections(night, trends, worse)),
        absent=list(left_out(night)),
        again=list(_again(night)),
    )


def _figures(trends: Mapping[str, Trend], scan: Scan | None) -> Iterator[PageFigure]:
    if drawn := overview(trends):
        yield PageFigure("all-nights", "All nights", OVERVIEW, data_uri(drawn.encode(), "image/svg+xml"))
    if scan is not None and any(row.seconds for row in scan.rows):
        drawn_too = data_uri(svg(scaling_figure(scan)), "image/svg+xml")
        yield PageFigure("qubits", "Scaling in qubits", SCALING, drawn_too)


def _trends(trends: Mapping[str, Trend], numbers: Mapping[str, Trend], worse: set[str]) -> Iterator[PageTable]:
    """A line a workload, what got worse first, and a line a number of quality."""
    ranked = sorted(trends.items(), key=lambda one: (one[0] not in worse, -abs(one[1][-1][1] - 1)))
    times = [(name, trend, drawing(trend, name in worse)) for name, trend in ranked]
    if times:
        note = "Ratios of the time of a step to that of the anchor, measured side by side in one night."
        yield _of_lines("trends-times", "Times relative to the anchor", "workload", times, note)
    found = [(name, trend, drawing(trend, banded=False)) for name, trend in numbers.items()]
    if found:
        note = "One pinned seed, trained anew each night: a step is a change of code, of libraries or of the machine."
        yield _of_lines("trends-numbers", "Numbers of quality", "series", found, note)


def _of_lines(id: str, caption: str, kind: str, lines: Sequence[tuple[str, Trend, str]], note: str) -> PageTable:
    rows: list[list[str | PageCell]] = []
    for name, trend, drawn in lines:
        values = [value for _, value in trend]
        shown = (values[0], min(values), max(values), values[-1])
        picture = PageCell("", f"{values[-1]:.8g}", meaning=said_of(trend), picture=_uri(drawn))
        rows.append([PageCell(name, name), str(len(values)), *(f"{value:.6g}" for value in shown), picture])
    return plain_table(id, caption, (kind, *COLUMNS), rows, (note,))


def _sections(night: Night, trends: Mapping[str, Trend], worse: set[str]) -> Iterator[dict[str, Any]]:
    """The tables of the tiers that measured something, with what each is called."""
    for at, (heading, table) in enumerate(sections(night, trends), 1):
        made = [_drawn(one, table, trends, worse) for one in page_tables(table, f"tier-{at}-rows")]
        yield {"id": f"tier-{at}", "heading": heading, "tables": made}


def _drawn(made: PageTable, table: Table, trends: Mapping[str, Trend], worse: set[str]) -> PageTable:
    """A table with a drawing in the place of the bars that stand for a trend where there is only text."""
    names = [heading.name for heading in table.header]
    if "trend" not in names:
        return made
    at, rows = names.index("trend"), []
    for row in made.rows:
        name = row.cells[0].text
        trend, cells = trends.get(name, ()), list(row.cells)
        picture = _uri(drawing(trend, name in worse))
        known = f"{trend[-1][1]:.8g}" if trend else ""
        cells[at] = PageCell("", known, meaning=said_of(trend), picture=picture)
        rows.append(replace(row, cells=tuple(cells)))
    return replace(made, rows=tuple(rows))


def _again(night: Night) -> Iterator[str]:
    """The commands that measure again what got worse, or all of it."""
    tonight = night.tonight
    worse = [one.what for one in night.having("worse") if one.tier in AGAINST and tonight.anchor]
    for name in list(dict.fromkeys(worse))[:3]:
        yield shlex.join(
            ["qinn-bench", "gate", "--base", tonight.anchor, "--head", tonight.commit, "--workloads", name]
        )
    yield shlex.join(["qinn-bench", "nightly", "--budget", f"{tonight.budget:g}s", "--self-check"])


def _uri(svg: str) -> str:
    return data_uri(svg.encode(), "image/svg+xml") if svg else ""
