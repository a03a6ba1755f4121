"""What lies in a folder of results and belongs to no finished cell: what killed campaigns left, failures."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from qinn_bench import locks
from qinn_bench.records import store
from qinn_bench.values import Record, Refused, Status, StudyName

Rubbish = Literal["unfinished files", "locks", "arrays without a record", "checkpoints", "logs", "failures", "records"]
_STUDY: TypeAdapter[str] = TypeAdapter(StudyName)


@dataclass(frozen=True)
class Leftover:
    """A file that could go, and what it is; if it is of a record, the lock of its cell and what its record was like."""

    path: Path
    kind: Rubbish
    lock: Path | None = None
    seen: tuple[Path, store.Stamp] | None = None

    def remove(self) -> bool:
        """Remove it, unless a living process has it in use; whether it is gone."""
        with suppress(OSError):
            if self.kind in ("unfinished files", "locks"):
                lock = locks.take(self.path)
                if lock is None:
                    return False
                lock.release()
            elif self.lock and self.seen:
                return self._removed_unless_changed(self.lock, *self.seen)
            else:
                self.path.unlink(missing_ok=True)
            return True
        return False

    def _removed_unless_changed(self, lock: Path, record: Path, seen: store.Stamp) -> bool:
        """Remove a file of a record that no campaign has in use and that is as it was seen, or gone."""
        taken = locks.take(lock)
        if taken is None:
            return False
        try:
            if store.stamp_of(record) not in (None, seen):
                return False
            self.path.unlink(missing_ok=True)
            return True
        finally:
            taken.release()


def studies_of(results: Path) -> list[str]:
    """The studies that a folder of results has a folder of records of."""
    names = []
    for folder in sorted((results / "records").glob("*/")):
        with suppress(ValidationError):
            names.append(_STUDY.validate_python(folder.name))
    return names


def leftovers(results: Path, study: str) -> list[Leftover]:
    """What of a study nobody needs and nobody has in use: files that were never finished, locks of the dead, arrays
    without a record, checkpoints of cells that have ended, logs of cells without a record."""
    folder = results / "records" / study
    keys = {path.stem for path in folder.glob("[!.]*.json")}
    running = {path.name[1 : -len(".lock")] for path in folder.glob(".*.lock") if locks.is_held(path)}
    found = [Leftover(path, "locks") for path in folder.glob(".*.lock") if path.name[1 : -len(".lock")] not in running]
    found += [Leftover(path, "unfinished files") for path in folder.glob(".*.part") if not locks.is_locked(path)]
    found += _of_cells(folder.glob("[!.]*.npz"), "arrays without a record", keys | running)
    found += [one for one in checkpoints(results, study) if one.path.name[1 : -len(".training")] in keys - running]
    found += _of_cells((results / "logs" / study).glob("[!.]*.txt"), "logs", keys | running)
    return sorted(found, key=lambda one: one.path)


def checkpoints(results: Path, study: str) -> list[Leftover]:
    """The checkpoints of cells that nobody runs now, from which their training could go on."""
    folder = results / "records" / study
    paths = (path for path in folder.glob(".*.training") if not locks.is_held(path.with_suffix(".lock")))
    return [Leftover(path, "checkpoints") for path in sorted(paths)]


def failures(results: Path, study: str, statuses: Collection[Status]) -> list[Leftover]:
    """The records of cells that gave no result, of these statuses, with what lies beside them."""
    records, _ = store.look_at_all(results, study)
    return of_records(results, [one for one in records if one.status in statuses], "failures")


def of_records(results: Path, records: Collection[Record], kind: Rubbish = "records") -> list[Leftover]:
    """All files of some records.

    Raises:
        Refused: finished work would go as a failure.
    """
    if kind == "failures" and any(record.status == "ok" for record in records):
        raise Refused("a finished record is no failure")
    found = []
    for record in records:
        path = store.record_path(results, record.study, record.key)
        beside = (path, path.with_suffix(".npz"), results / "logs" / record.study / f"{record.key}.txt")
        lock = store.lock_path(results, record.study, record.key)
        seen = path, store.stamp_of(path)
        found += [Leftover(one, kind, lock, seen) for one in beside if one.exists()]
    return found


def _of_cells(paths: Iterator[Path], kind: Rubbish, known: Collection[str]) -> list[Leftover]:
    return [Leftover(path, kind) for path in paths if path.stem not in known]
