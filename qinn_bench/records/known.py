"""All records of a study that are known, published or in a folder of results, and what has to be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from qinn_bench import registry
from qinn_bench.records import keys, published, store
from qinn_bench.values import Record, Refused, Use


def on_data(record: Record, data: str) -> bool:
    """Whether a record is of this data set, given as ``name`` or ``name[knob=value]``; any, where it is empty."""
    return not data or registry.covers(_use(data), record.cell.data)


@lru_cache
def _use(data: str) -> Use:
    return registry.parse_use(data)


def of_study(study: str, results: Path, records: Path | None = None) -> tuple[list[Record], list[str]]:
    """All records of a study, of the file of published `records` or else of the folder of results; and notes on them.

    Raises:
        Refused: the file `records` is not one of published records of this study.
    """
    if not records:
        known, odd = store.newest_of(results, study)
        return known, [*map(str, odd), *_mixed(known)]
    read = published.read(records, study)
    return read, [published.said(records, read), *_mixed(read)]


def some_of_study(study: str, results: Path, records: Path | None = None) -> tuple[list[Record], list[str]]:
    """The same, for what has nothing to say without records.

    Raises:
        Refused: there are none.
    """
    known, notes = of_study(study, results, records)
    if not known:
        raise Refused(
            f"there are no records of '{study}' in '{results}'; run the study first, or name a file of published ones "
            "with --records"
        )
    return known, notes


def _mixed(records: Sequence[Record]) -> list[str]:
    """A note for each row whose seeds were not all made alike."""
    rows: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.status == "ok":
            rows.setdefault((record.row, str(record.cell.data)), []).append(record)
    told = {place: keys.mixed(of) for place, of in rows.items()}
    return [
        f"The seeds of {row} on {data} were made under several settings: {why}."
        for (row, data), why in told.items()
        if why
    ]
