"""The records of a study in one file to be committed: whole, but without their arrays; without torch."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt

from qinn_bench.files import MIB, read_lines, short
from qinn_bench.reading import value_of
from qinn_bench.records import older, store
from qinn_bench.values import Record, Refused, Value
from qinn_bench.writing import write_whole

ABSENT = "there is no file of published records '{path}'; to write one: qinn-bench publish STUDY"
NAMED = 3
"""Commits that are named one by one."""
MOST_BYTES = 1024 * MIB
"""Limit of a file when unpacked; 344 records are 3 MB."""


class Header(Value):
    """The first line of a file: what follows, and how many lines of it."""

    format: Literal["qinn-bench records"] = "qinn-bench records"
    study: str
    records: NonNegativeInt


def path_of(results: Path, study: str) -> Path:
    """Where the published records of a study lie: ``results/published/STUDY.jsonl.gz``."""
    return beside(results / "published" / "records", study)


def beside(path: Path, study: str) -> Path:
    """Where the records of another study lie that are published beside a file.

    Example:
        >>> beside(Path("results/published/mine.jsonl.gz"), "mine-trials").name
        'mine-trials.jsonl.gz'
    """
    return path.parent / f"{study}.jsonl.gz"


def write(path: Path, study: str, records: Sequence[Record]) -> None:
    """Write the records of a study, one JSON line each in the order of their keys, compressed, whole or not at all.

    Raises:
        Refused: no records.
    """
    content = packed(study, records)
    write_whole(path, lambda file: file.write(content))


def packed(study: str, records: Sequence[Record]) -> bytes:
    """The content of such a file; equal records give equal bytes, whatever their order (with the same zlib).

    Raises:
        Refused: no records.
    """
    if not records:
        raise Refused(f"study '{study}' has no records to publish; run it first")
    header = Header(study=study, records=len(records)).model_dump_json()
    lines = [record.model_dump_json() for record in sorted(records, key=lambda record: record.key)]
    text = "".join(f"{line}\n" for line in (header, *lines))
    out = BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as file:
        file.write(text.encode())
    return out.getvalue()


def study_of(path: Path) -> str:
    """The study whose records a file holds.

    Raises:
        Refused: no such file, or one of something else.
    """
    return _header(path, read_lines(path, ABSENT.format(path=path), MOST_BYTES, packed=True)).study


def read(path: Path, study: str) -> list[Record]:
    """The published records of a study, ordered by key like those of `store.load_all`.

    Raises:
        Refused: no such file, a damaged one, one of another study, or one that holds a cell twice.
    """
    lines = read_lines(path, ABSENT.format(path=path), MOST_BYTES, packed=True)
    header = _header(path, lines)
    if header.study != study:
        raise Refused(f"{path} has the records of '{short(header.study)}', those of '{study}' were expected")
    records: dict[store.Place, Record] = {}
    number = 0
    for number, line in enumerate(lines, start=1):
        if number > header.records:
            raise Refused(f"{path} holds more than the {header.records} records that its header announces")
        record = _record(line, study, f"{path}, line {number + 1},")
        if (place := store.place(record.row, record.cell)) in records:
            raise Refused(f"{path} has two records of row '{record.row}', seed {record.cell.seed}; one was expected")
        records[place] = record
    if number != header.records:
        raise Refused(f"{path} holds {number} records, but its header announces {header.records}")
    return sorted(records.values(), key=lambda record: record.key)


def _header(path: Path, lines: Iterator[str]) -> Header:
    return value_of(Header, next(lines, ""), f"{path} does not start with the header of published records")


def _record(line: str, study: str, where: str) -> Record:
    """A record of the study: the files beside its records are named after it."""
    record = value_of(Record, line, f"{where} is not a record of this version", read=older.record_of)
    if record.study != study:
        raise Refused(f"{where} is a record of '{short(record.study)}', one of '{study}' was expected")
    return record


def said(path: Path, records: Sequence[Record]) -> str:
    """Where records come from, in one note: the file, when and with which code they were made."""
    times = sorted(str(r.provenance["finished_utc"])[:16] for r in records if "finished_utc" in r.provenance)
    commits = list(dict.fromkeys(str(r.provenance["commit"])[:8] for r in records if r.provenance.get("commit")))
    when = f", finished from {times[0]} to {times[-1]} UTC" if times else ""
    more = f" and {len(commits) - NAMED} more" if len(commits) > NAMED else ""
    code = f", at commit {', '.join(commits[:NAMED])}{more}" if commits else ""
    return f"Records: {len(records)} from {path}{when}{code}."
