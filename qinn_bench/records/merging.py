"""Records of a study from elsewhere, another folder of results or a published file, put beside those of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qinn_bench.records import published, store, trials
from qinn_bench.records.store import Arrays
from qinn_bench.records.trials import trials_study
from qinn_bench.values import Record, Refused


@dataclass(frozen=True)
class Merged:
    """How many records of a source were taken and how many were there already with the same numbers; a sentence for
    each cell that has other numbers there, which were kept, and for each file that is no record.

    Example:
        >>> Merged(taken=3, there=1, conflicts=(), odd=()) + Merged(taken=1, there=0, conflicts=(), odd=())
        Merged(taken=4, there=1, conflicts=(), odd=())
    """

    taken: int
    there: int
    conflicts: tuple[str, ...]
    odd: tuple[str, ...]

    def __add__(self, other: Merged) -> Merged:
        """Both together."""
        return Merged(
            self.taken + other.taken,
            self.there + other.there,
            self.conflicts + other.conflicts,
            self.odd + other.odd,
        )


def merge(results: Path, study: str, source: Path) -> Merged:
    """Put the records of a study and of its trials that a source has beside those of a folder of results.

    A cell that is there keeps its record, unless that is of a failure or lacks the arrays that the source has. The
    source is a folder of results, or a file of published records, of the study or of its trials, which has no arrays.

    Raises:
        Refused: there is no such source, it has no records of the study, or it cannot be read.
        OSError: the disk is full or cannot be written; what was there is still there.
    """
    found = Merged(0, 0, (), ())
    for name in (study, trials_study(study)):
        records, odd = _records_of(source, name, study)
        found += Merged(0, 0, (), odd)
        for record, arrays in records:
            found += _put(results, record, arrays, source)
    if not found.taken + found.there + len(found.conflicts):
        raise Refused(
            f"'{source}' has no records of the study '{study}'; a folder of results or a published file "
            "with some was expected"
        )
    return found


def _records_of(source: Path, name: str, study: str) -> tuple[Iterator[tuple[Record, Arrays | None]], tuple[str, ...]]:
    """The records of a source with their arrays, read when their turn comes, and what is no record."""
    if source.is_dir():
        if source.joinpath("records").resolve() != source.resolve() / "records":
            raise Refused(f"'{source}' has its records elsewhere; a folder of results that holds them was expected")
        records, unreadable = store.look_at_all(source, name, keep=False)
        with_arrays = (
            (one, store.load_arrays(source, one) if store.has_arrays(source, one) else None) for one in records
        )
        return with_arrays, tuple(map(str, unreadable))
    if published.study_of(source) == trials_study(study):
        made = published.read(source, name) if name != study else []
    else:
        made = published.read(source, study) if name == study else trials.known(study, source.parent, source)
    return ((one, None) for one in made), ()


def _put(results: Path, record: Record, arrays: Arrays | None, source: Path) -> Merged:
    there = store.look(results, record.study, record.key)
    if isinstance(there, store.UnreadableRecord):
        return Merged(0, 0, (f"{there}, and that of {source} was not taken",), ())
    if there is None or (there.status != "ok" and record.status == "ok"):
        store.save(results, record, arrays)
        return Merged(1, 0, (), ())
    if not _agree(there, record):
        seed = f"seed {record.cell.seed} on {record.cell.data}"
        return Merged(0, 0, (f"{record.row}, {seed}: {source} has other numbers, which were not taken",), ())
    if arrays is not None and not store.has_arrays(results, there):
        store.save(results, record, arrays)
        return Merged(1, 0, (), ())
    return Merged(0, 1, (), ())


def _agree(one: Record, other: Record) -> bool:
    return (one.status, one.metrics, one.validation) == (other.status, other.metrics, other.validation)
