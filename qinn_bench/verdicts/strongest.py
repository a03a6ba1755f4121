"""The strongest classical row of a size: the one that a quantum claim must beat, chosen on validation rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from qinn_bench.labels import JOINT
from qinn_bench.records.known import on_data
from qinn_bench.records.store import data_names
from qinn_bench.records.trials import counts, score
from qinn_bench.values import Record

STRONGEST = "strongest classical"
"""What such a row is called in a file of claims, with its size: ``strongest classical · 2000``."""


def strongest(records: Sequence[Record], size: int, data: str = "") -> str | None:
    """The classical row of a size that is best on validation rows in the mean over its seeds; None where none is known.

    Floors, ceilings, controls and refuted likelihoods do not count; a row with fewer seeds than another is left out.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    for record in records:
        classical = record.role == "model" and record.cell.backend == "none" and record.cell.varies == "all"
        value = score(record)
        if classical and record.size == size and on_data(record, data) and counts(record) and value is not None:
            scores[record.row].append(value)
    most = max(map(len, scores.values()), default=0)
    return min((row for row in scores if len(scores[row]) == most), key=lambda row: fmean(scores[row]), default=None)


def resolved(name: str, records: Sequence[Record], data: str) -> tuple[str, str]:
    """The row that a name of a claim stands for, and what has to be said of it; any other name is itself.

    Example:
        >>> resolved("spline_inn · 2000", [], "zjets")
        ('spline_inn · 2000', '')
    """
    label, _, size = name.partition(JOINT)
    if label != STRONGEST or not size.isdigit():
        return name, ""
    row = strongest(records, int(size), data)
    return (row, f"'{row}' is the {name}, by validation rows") if row else (name, "")


def said(records: Sequence[Record]) -> list[str]:
    """A note for each data set and size on which classical row is the strongest; none of records that do not tell."""
    notes = []
    for data, shown in data_names(records).items():
        own = [record for record in records if str(record.cell.data) == data]
        rows = [(size, strongest(own, size)) for size in sorted({record.size for record in own if record.size})]
        told = [f"{row}" for _, row in rows if row]
        notes += (
            [f"Strongest classical of each size on {shown}, by validation rows: {', '.join(told)}."] if told else []
        )
    return notes
