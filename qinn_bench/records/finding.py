"""One record by its key or its file, in a folder of results or among published records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from qinn_bench.files import at_hand, read_arrays, read_text
from qinn_bench.reading import value_of
from qinn_bench.records import leftovers, older, published, store
from qinn_bench.records.store import Arrays
from qinn_bench.values import Record, Refused

SHORTEST = 4
"""Letters of a key that is cut short."""
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,=+\[\]-]*")


def find_record(cell: str, results: Path, records: Path | None = None) -> tuple[Record, Arrays | None]:
    """The record that a key, the beginning of one, or a file of a record names, with the arrays that lie beside it.

    A key is looked for in the file of published `records`, if it is given; else in the folder of results, then among
    the published records beside it and of the project.

    Raises:
        Refused: there is none, there are several, or the file is no record.
    """
    path = Path(cell)
    if path.suffix == ".json" or path.is_file():
        return _of_file(path)
    if len(cell) < SHORTEST or not KEY.fullmatch(cell):
        raise Refused(
            f"'{cell}' names no cell; a key, its first {SHORTEST} letters or more, or a record's file was expected"
        )
    places = [records] if records else [results, *_published(results)]
    for place in places:
        found = list(_in_folder(cell, place) if place.is_dir() else _in_file(cell, place))
        if len(found) > 1:
            keys = ", ".join(f"{one.study}/{one.key}" for one, _ in found[:3])
            raise Refused(f"'{cell}' names {len(found)} cells in {place}, such as {keys}; a longer key was expected")
        if found:
            return found[0]
    raise Refused(f"no record has a key that begins with '{cell}'; looked for in: {', '.join(map(str, places))}")


def _of_file(path: Path) -> tuple[Record, Arrays | None]:
    text = read_text(path, f"there is no record '{path}'", store.LARGEST_RECORD)
    record = value_of(Record, text, f"{path} is not a record of this version", read=older.record_of)
    beside = path.with_suffix(".npz")
    return record, read_arrays(beside, most=store.LARGEST_ARRAYS) if beside.exists() else None


def _published(results: Path) -> list[Path]:
    folders = dict.fromkeys([results / "published", at_hand(Path("results/published"))])
    return [path for folder in folders for path in sorted(folder.glob("*.jsonl.gz"))]


def _in_folder(cell: str, results: Path) -> Iterator[tuple[Record, Arrays | None]]:
    for study in leftovers.studies_of(results):
        for path in sorted((results / "records" / study).glob(f"{cell.replace('[', '[[]')}*.json")):
            with suppress(Refused):
                record = store.load(results, study, path.stem)
                if record:
                    yield record, store.load_arrays(results, record) if store.has_arrays(results, record) else None


def _in_file(cell: str, path: Path) -> Iterator[tuple[Record, Arrays | None]]:
    for record in published.read(path, published.study_of(path)):
        if record.key.startswith(cell):
            yield record, None
