"""A cache of the many records of a study in one file, so that they load at once.

It is never believed over the records: a line counts only for a file that is, by its inode, time and size, the one that
was read when the line was written, by the code that reads records now; what has changed since is read anew. Who
removes the file loses nothing but seconds.
"""

from __future__ import annotations

import gc
import hashlib
import os
import stat
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

from pydantic import ValidationError

from qinn_bench.records import keys
from qinn_bench.values import Record
from qinn_bench.writing import write_whole

FEWEST = 1000
"""Records of a study below which no index is kept: they are read in a second."""
SHARE = 0.05
"""How much of a study may have changed before its index is written anew."""
LARGEST = 2**33
"""Bytes of an index that are read."""
SETTLED_S = 2.0
"""A file that is no older is read each time: it may still be changed within one tick of the clock."""
READERS = (
    *("nouns/base.py", "nouns/study.py", "nouns/record.py", "records/keys.py", "records/older.py", "records/store.py"),
    *("records/record_index.py", "records/changes.toml"),
)
"""What decides whether a file is a record and what it says."""


class Mark(NamedTuple):
    """What tells one state of a file from another."""

    inode: int
    changed_ns: int
    size: int


def index_path(results: Path, study: str) -> Path:
    """Where the index of a study lies: ``results/index/STUDY``."""
    return results / "index" / study


def marks_of(folder: Path) -> dict[str, Mark]:
    """The files of a folder that may be records, by their key in its order, each with its mark; what is no regular file
    has one that no line of an index has."""
    marks: dict[str, Mark] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".json") and not entry.name.startswith("."):
                marks[entry.name[: -len(".json")]] = _mark(entry)
    return dict(sorted(marks.items()))


def _mark(entry: os.DirEntry[str]) -> Mark:
    try:
        status = entry.stat()
    except OSError:
        return Mark(-1, -1, -1)
    regular = stat.S_ISREG(status.st_mode)
    return Mark(status.st_ino, status.st_mtime_ns, status.st_size) if regular else Mark(-1, -1, -1)


def read_index(results: Path, study: str, marks: Mapping[str, Mark]) -> dict[str, Record]:
    """The records that the index of a study has of files with these marks; none where it cannot be read."""
    found: dict[str, Record] = {}
    path = index_path(results, study)
    with suppress(OSError), without_collector(), path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > LARGEST or file.readline(200) != _header():
            return {}
        for line in file:
            if (record := _record(line, study, marks)) is not None:
                found[record.key] = record
    return found


def _record(line: bytes, study: str, marks: Mapping[str, Mark]) -> Record | None:
    """What a line says, if it is whole and of a file that is still the same."""
    try:
        checked, key, inode, changed, size, text = line.split(b" ", 5)
        mark = Mark(int(inode), int(changed), int(size))
        if marks.get(key.decode()) != mark or int(checked, 16) != zlib.crc32(line[len(checked) :]):
            return None
        record = Record.model_validate_json(text)
    except (ValueError, ValidationError):
        return None
    return record if (record.study, record.key) == (study, key.decode()) else None


def keep_index(results: Path, study: str, marks: Mapping[str, Mark], records: Iterable[Record]) -> None:
    """Write the index of a study, of records that were read from files with these marks; a disk that does not take it
    is no failure."""
    settled = time.time_ns() - int(SETTLED_S * 1e9)

    def write(file: IO[bytes]) -> None:
        file.write(_header())
        for record in records:
            mark = marks[record.key]
            if mark.changed_ns < settled:
                text = record.model_dump_json(exclude_defaults=True)
                line = f" {record.key} {mark.inode} {mark.changed_ns} {mark.size} {text}\n".encode()
                file.write(b"%08x" % zlib.crc32(line) + line)

    with suppress(OSError):
        write_whole(index_path(results, study), write)


def is_worth_keeping(files: int, read: int) -> bool:
    """Whether so many files, of which so many had to be read, are worth an index that is written anew."""
    return files >= FEWEST and read > SHARE * files


@cache
def _header() -> bytes:
    """The first line of an index: what it is, and by which code its records were read."""
    root = Path(keys.__file__).parents[1]
    digest = hashlib.sha256(b"".join((root / name).read_bytes() for name in READERS))
    return f"qinn-bench index {digest.hexdigest()}\n".encode()


@contextmanager
def without_collector() -> Iterator[None]:
    """Do what makes millions of objects, none of them in a circle, without looking for circles among them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
