"""The table of variance budgets: what each source of randomness does to a number, and what the seeds are worth."""

from __future__ import annotations

from collections.abc import Sequence

from qinn_bench.report.cells import count, ranged
from qinn_bench.report.study_columns import title_of
from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.verdicts.variance_sources import SOURCES, Part, Span, VarianceBudget

NOTES = (
    "Spread: standard deviation over seeds, which move everything but the split, with its 95 % interval. Each source: "
    "its variance when it moves alone, in % of that over seeds; 0: it moves nothing. Rest: what these leave, which is "
    "how far the sources act together (negative: their sum exceeds the whole).",
    "Split: the rows drawn anew into train, valid and test; it is no part of the variance over seeds, as all models "
    "and seeds are judged on the same rows.",
    "Worth: the mean over all seeds on one split is as certain as that of so many replicates with a seed and a split "
    "each; n / (1 + (n - 1) r), r the share of the split in the variance (Bouthillier et al., arXiv:2103.03098).",
    "Intervals hold at 95 % and come from leaving out each seed in turn. Differences between rows pair the same source "
    "and seed.",
)


def variance_table(budgets: Sequence[VarianceBudget], study: str) -> Table:
    """A line for each row and metric; a column for each source that was moved."""
    moved = [source for source in SOURCES if any(p.source == source for b in budgets for p in b.parts)]
    split = ["split"] if "split" in moved else []
    header = (
        Heading("row", "row"),
        Heading("metric", "metric"),
        Heading("seeds", "seeds"),
        Heading("spread", "spread"),
        *(Heading(source, source, "%") for source in moved if source != "split"),
        Heading("rest", "rest", "%"),
        *(Heading(source, source, "%") for source in split),
        *(Heading("worth", "worth") for _ in split),
    )
    within = [source for source in moved if source != "split"]
    lines = [Line(b.data, b.row, "model", "", _entries(b, within, split)) for b in budgets]
    against = f" of differences to {budgets[0].against}" if budgets[0].against else ""
    return Table(f"Variance{against} by source: {study}", header, tuple(lines), NOTES)


def _entries(budget: VarianceBudget, within: Sequence[str], split: Sequence[str]) -> tuple[Entry, ...]:
    parts = {part.source: part for part in budget.parts}
    title = f"{title_of(budget.metric)} [{budget.unit}]" if budget.unit else title_of(budget.metric)
    entries = [
        Entry(title),
        count(budget.seeds.values),
        _ranged(budget.seeds.deviation, budget.seeds.interval),
        *(_share(parts.get(source)) for source in within),
        _ranged(budget.rest, budget.rest_interval, 100),
        *(_share(parts.get(source)) for source in split),
        *(_ranged(budget.worth, budget.worth_interval) for _ in split),
    ]
    return (Entry(budget.row), *entries)


def _share(part: Part | None) -> Entry:
    if part is None:
        return Entry(MISSING)
    if not part.deviation:
        return count(0)
    return _ranged(part.share, part.share_interval, 100)


def _ranged(value: float | None, interval: Span | None, unit: float = 1) -> Entry:
    """A number with its interval, two digits each."""
    if value is None:
        return Entry(MISSING)
    scaled = interval and (interval[0] * unit, interval[1] * unit)
    ends = f" [{_digits(scaled[0])}, {_digits(scaled[1])}]" if scaled else ""
    return ranged(_digits(value * unit) + ends, value * unit, scaled)


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"
