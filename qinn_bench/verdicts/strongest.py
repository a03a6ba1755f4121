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
from qinn_bench.verdicts.claim_file import Claim

STRONGEST = "strongest classical"
"""What such a row is called in a file of claims, with its size: ``strongest classical · 2000``."""


def strongest(records: Sequence[Record], size: int, data: str = "") -> str | None:
    """The classical row of a size that is best on validation rows in the mean over its seeds; None where none is known.

    Floors, ceilings, controls and refuted likelihoods do not count; a row with fewer seeds than another is left out.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    for record in records:
        value = score(record)
        if _is_rival(record, size) and on_data(record, data) and counts(record) and value is not None:
            scores[record.row].append(value)
    most = max(map(len, scores.values()), default=0)
    return min((row for row in scores if len(scores[row]) == most), key=lambda row: fmean(scores[row]), default=None)


def _is_rival(record: Record, size: int) -> bool:
    """Whether a record is of a classical row of this size, seeds moving all of it."""
    classical = record.role == "model" and record.cell.backend == "none"
    return classical and record.size == size and record.cell.varies == "all"


def resolved(claim: Claim, records: Sequence[Record]) -> tuple[Claim, str]:
    """A claim about the rows that its names stand for, and what has to be said of them; other names stay.

    Example:
        >>> claim = Claim(id="c", statement="a is better", first="a", second="b", metric="nll", relation="better",
        ...     data="zjets")
        >>> resolved(claim, []) == (claim, "")
        True
    """
    rows = {
        name: row
        for name in dict.fromkeys([*claim.firsts, *claim.seconds])
        if (size := _size(name)) and (row := strongest(records, size, claim.data))
    }
    return claim.naming(rows), "; ".join(f"'{row}' is the {name}, by validation rows" for name, row in rows.items())


def may_stand_for(name: str, record: Record) -> bool:
    """Whether a name of a claim stands for some classical row of a size, and a record is of one."""
    return bool(size := _size(name)) and _is_rival(record, size)


def _size(name: str) -> int:
    """The size in the name of such a row; 0 of any other name."""
    label, _, size = name.partition(JOINT)
    return int(size) if label == STRONGEST and size.isdigit() else 0


def said(records: Sequence[Record]) -> list[str]:
    """A note for each data set and size on which classical row is the strongest; none of records that do not tell."""
    notes = []
    for data, shown in data_names(records).items():
        own = [record for record in records if str(record.cell.data) == data]
        told = [row for size in sorted({record.size for record in own} - {0}) if (row := strongest(own, size))]
        notes += (
            [f"Strongest classical of each size on {shown}, by validation rows: {', '.join(told)}."] if told else []
        )
    return notes
