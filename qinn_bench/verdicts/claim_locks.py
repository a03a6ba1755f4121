"""Claims are frozen before the run: a lock beside the file tells a claim made beforehand from one fitted to results."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from qinn_bench.files import at_hand, short
from qinn_bench.reading import read_value
from qinn_bench.records.provenance import commit
from qinn_bench.values import Record, Refused, Value
from qinn_bench.verdicts.claim_file import Claims, fingerprint, load
from qinn_bench.writing import write_text

LockStanding = Literal["frozen", "not frozen", "post hoc", "frozen after the run"]
MEANINGS: dict[LockStanding, str] = {
    "frozen": "this content was frozen before any of the records was finished",
    "not frozen": "nothing shows that these claims were made before the run",
    "post hoc": "the file was edited after it was frozen",
    "frozen after the run": "records of these rows were finished before this content was frozen",
}


class Freeze(Value):
    """One freeze: the SHA-256 of what the file said, when, and at which commit of this source.

    Example:
        >>> Freeze(sha256="0" * 64, frozen_utc="2026-01-01T00:00:00+00:00").commit
        ''
    """

    sha256: str
    frozen_utc: str
    commit: str = ""


class ClaimLock(Value):
    """All freezes of a file, the oldest first; to be committed with the file.

    Example:
        >>> ClaimLock(freezes=(Freeze(sha256="0" * 64, frozen_utc="2026-01-01T00:00:00+00:00"),)).freezes[-1].frozen_utc
        '2026-01-01T00:00:00+00:00'
    """

    freezes: tuple[Freeze, ...] = ()


def lock_path(path: Path) -> Path:
    """Where the lock of a file of claims lies: ``NAME.frozen.json`` beside ``NAME.toml``."""
    return path.with_suffix(".frozen.json")


def read_lock(path: Path) -> ClaimLock:
    """The lock of a file of claims; without freezes where there is none.

    Raises:
        Refused: the lock is there and cannot be read.
    """
    lock = at_hand(lock_path(path))
    return read_value(ClaimLock, lock, "is no lock of a file of claims") if lock.exists() else ClaimLock()


def freeze(path: Path) -> Freeze:
    """Add the present content of a file of claims to its lock; earlier freezes stay, and the same one is kept.

    Raises:
        Refused: the file is no valid file of claims, or its lock cannot be read.
    """
    load(path)
    lock, sha256 = read_lock(path), fingerprint(path)
    if lock.freezes and lock.freezes[-1].sha256 == sha256:
        return lock.freezes[-1]
    made = Freeze(
        sha256=sha256,
        frozen_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=str(commit().get("commit", "")),
    )
    text = ClaimLock(freezes=(*lock.freezes, made)).model_dump_json(indent=1) + "\n"
    write_text(lock_path(path), text)
    return made


def standing(path: Path, claims: Claims, records: Sequence[Record]) -> LockStanding:
    """Whether the claims were made before the records that judge them; only the last freeze counts."""
    lock, sha256 = read_lock(path), fingerprint(path)
    if not lock.freezes:
        return "not frozen"
    if lock.freezes[-1].sha256 != sha256:
        return "post hoc"
    when = _time(lock.freezes[-1].frozen_utc, f"{lock_path(path)} was frozen")
    finished = [
        _time(str(r.provenance["finished_utc"]), f"the record of row '{r.row}', seed {r.cell.seed}, was finished")
        for r in records
        if _judges(r, claims)
    ]
    return "frozen after the run" if any(time < when for time in finished) else "frozen"


def _judges(record: Record, claims: Claims) -> bool:
    """Whether a record belongs to a row or a family that the claims name, or to one of their controls."""
    named = {name for claim in claims.claims for name in (claim.first, claim.second)}
    return "finished_utc" in record.provenance and bool({record.row, record.family, record.control_of} & named)


def _time(text: str, what: str) -> datetime:
    """A time, in UTC where it names no other zone.

    Raises:
        Refused: it is none; the sentence begins with `what`.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"{what} at '{short(text)}', which is no time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
