"""The records of a study in one file to be committed: whole, but without their arrays; without torch."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal

from pydantic import NonNegativeInt, ValidationError

from qinn_bench import store
from qinn_bench.values import Record, Refused, Value

NAMED = 3
"""Commits that are named one by one."""


class Header(Value):
    """The first line of a file: what follows, and how many lines of it."""

    format: Literal["qinn-bench records"] = "qinn-bench records"
    study: str
    records: NonNegativeInt


def path_of(results: Path, study: str) -> Path:
    """Where the published records of a study lie: ``results/published/STUDY.jsonl.gz``."""
    return results / "published" / f"{study}.jsonl.gz"


def write(path: Path, study: str, records: Sequence[Record]) -> None:
    """Write the records of a study, one JSON line each in the order of their keys, compressed, whole or not at all.

    Equal records give equal bytes, whatever their order (with the same zlib).

    Raises:
        Refused: no records.
    """
    if not records:
        raise Refused(f"study '{study}' has no records to publish; run it first")
    header = Header(study=study, records=len(records)).model_dump_json()
    lines = [record.model_dump_json() for record in sorted(records, key=lambda record: record.key)]
    text = "".join(f"{line}\n" for line in (header, *lines))

    def compress(file: IO[bytes]) -> None:
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            packed.write(text.encode())

    store.write_whole(path, compress)


def read(path: Path, study: str) -> list[Record]:
    """The published records of a study, ordered by key like those of `store.load_all`.

    Raises:
        Refused: no such file, a damaged one, one of another study, or one that holds a cell twice.
    """
    first, *lines = _lines(path)
    try:
        header = Header.model_validate_json(first)
    except ValidationError:
        raise Refused(f"{path} does not start with the header of published records") from None
    if header.study != study:
        raise Refused(f"{path} has the records of '{header.study}', those of '{study}' were expected")
    if len(lines) != header.records:
        raise Refused(f"{path} holds {len(lines)} records, but its header announces {header.records}")
    records = [_record(line, f"{path}, line {number}") for number, line in enumerate(lines, start=2)]
    seen = set()
    for record in records:
        if (place := store.place(record.row, record.cell)) in seen:
            raise Refused(f"{path} has two records of row '{record.row}', seed {record.cell.seed}; one was expected")
        seen.add(place)
    return sorted(records, key=lambda record: record.key)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise Refused(f"there is no file of published records '{path}'; to write one: qinn-bench publish STUDY")
    try:
        text = gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise Refused(f"{path} is no whole gzip file of records ({error})") from None
    return text.splitlines() or [""]


def _record(line: str, where: str) -> Record:
    try:
        return Record.model_validate_json(line)
    except ValidationError as error:
        raise Refused(f"{where}, is not a record of this version ({error.errors()[0]['msg']})") from None


def said(path: Path, records: Sequence[Record]) -> str:
    """Where records come from, in one note: the file, when and with which code they were made."""
    times = sorted(str(r.provenance["finished_utc"])[:16] for r in records if "finished_utc" in r.provenance)
    commits = list(dict.fromkeys(str(r.provenance["commit"])[:8] for r in records if r.provenance.get("commit")))
    when = f", finished from {times[0]} to {times[-1]} UTC" if times else ""
    more = f" and {len(commits) - NAMED} more" if len(commits) > NAMED else ""
    code = f", at commit {', '.join(commits[:NAMED])}{more}" if commits else ""
    return f"Records: {len(records)} from {path}{when}{code}."
