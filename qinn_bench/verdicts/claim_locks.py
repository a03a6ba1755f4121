"""Claims are frozen before the run: a lock beside the file tells a claim made beforehand from one fitted to results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Literal, NamedTuple

from qinn_bench.files import at_hand, short
from qinn_bench.reading import read_value
from qinn_bench.records.provenance import commit
from qinn_bench.values import Record, Refused, Value
from qinn_bench.verdicts.claim_file import Claims, fingerprint, load
from qinn_bench.verdicts.strongest import may_stand_for
from qinn_bench.writing import write_text

LockStanding = Literal["frozen", "not frozen", "post hoc", "frozen after the run", "study edited after the freeze"]
MEANINGS: dict[LockStanding, str] = {
    "frozen": "this content was frozen before any of the records was finished",
    "not frozen": "nothing shows that these claims were made before the run",
    "post hoc": "the file was edited after it was frozen",
    "frozen after the run": "records of these rows were finished before this content was frozen",
    "study edited after the freeze": "the claims are as they were frozen, the study is not",
}


class StudyPrints(Value):
    """The SHA-256 of what a study file says, of its ladders and of its cells, and how many of these there are.

    Example:
        >>> now, then = (StudyPrints(content=text, ladders="l", cells="c", count=40) for text in ("a", "b"))
        >>> now.differs(then)
        'the text of the study'
    """

    content: str
    ladders: str
    cells: str
    count: int

    def differs(self, then: StudyPrints) -> str:
        """What is not as it was then, in words; empty where all is."""
        cells = "its cells" if self.count == then.count else f"its cells ({self.count} instead of {then.count})"
        words = {"content": "the text of the study", "ladders": "its ladders", "cells": cells}
        return ", ".join(told for part, told in words.items() if getattr(self, part) != getattr(then, part))


class Freeze(Value):
    """One freeze: the SHA-256 of what the file said, when, and at which commit of this source; with that of the study.

    Example:
        >>> Freeze(sha256="0" * 64, frozen_utc="2026-01-01T00:00:00+00:00").commit
        ''
    """

    sha256: str
    frozen_utc: str
    commit: str = ""
    study: StudyPrints | None = None


class Standing(NamedTuple):
    """Whether claims were made beforehand, and what has to be said of it.

    Example:
        >>> Standing("frozen", "the study was not frozen with them").said
        'frozen, this content was frozen before any of the records was finished; the study was not frozen with them'
    """

    kind: LockStanding
    of_study: str = ""

    @property
    def said(self) -> str:
        """All of it in words."""
        return "; ".join(filter(None, [f"{self.kind}, {MEANINGS[self.kind]}", self.of_study]))


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


def freeze(path: Path, study: StudyPrints | None = None) -> Freeze:
    """Add the present content of a file of claims, and its study, to its lock; earlier freezes stay.

    A freeze of what was frozen last is that one. Where the claims were frozen without their study, it is added, and the
    claims stay as old as they are.

    Raises:
        Refused: the file is no valid file of claims, or its lock cannot be read.
    """
    load(path)
    lock, sha256 = read_lock(path), fingerprint(path)
    if lock.freezes and lock.freezes[-1].sha256 == sha256 and study in (None, lock.freezes[-1].study):
        return lock.freezes[-1]
    made = Freeze(
        sha256=sha256,
        frozen_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=str(commit().get("commit", "")),
        study=study,
    )
    whole = ClaimLock(freezes=(*lock.freezes, made))
    text = whole.model_dump_json(indent=1, exclude_none=True) + "\n"
    write_text(lock_path(path), text)
    return made


def standing(path: Path, claims: Claims, records: Sequence[Record], study: StudyPrints | None = None) -> Standing:
    """Whether the claims were made before the records that judge them, and for the `study` as it is now.

    Only the last freeze counts: the claims are as old as the first of the freezes up to it that have the same content,
    and so is the study. A lock without a study says nothing of it.
    """
    lock, sha256 = read_lock(path), fingerprint(path)
    if not lock.freezes:
        return Standing("not frozen")
    last = lock.freezes[-1]
    if last.sha256 != sha256:
        return Standing("post hoc")
    of_claims = _since(lock, lambda one: one.sha256 == sha256)
    if _any_before(path, of_claims, claims, records):
        return Standing("frozen after the run")
    if last.study is None:
        return Standing("frozen", "the study was not frozen with them")
    if study is None:
        return Standing("frozen", "the study was frozen with them, and cannot be read now")
    if differs := study.differs(last.study):
        return Standing("study edited after the freeze", f"not the same: {differs}")
    of_study = _since(lock, lambda one: one.sha256 == sha256 and one.study == last.study)
    if _any_before(path, of_study, claims, records):
        return Standing("frozen", "the study was frozen with them only after the run")
    return Standing("frozen", f"so was the study, with its {study.count} cells")


def _since(lock: ClaimLock, same: Callable[[Freeze], bool]) -> Freeze:
    """The first of the last freezes that are the same."""
    return list(takewhile(same, reversed(lock.freezes)))[-1]


def _any_before(path: Path, freeze: Freeze, claims: Claims, records: Sequence[Record]) -> bool:
    """Whether a record that judges the claims was finished before a freeze."""
    when = _time(freeze.frozen_utc, f"{lock_path(path)} was frozen")
    return any(
        _time(str(r.provenance["finished_utc"]), f"the record of row '{r.row}', seed {r.cell.seed}, was finished")
        < when
        for r in records
        if _judges(r, claims)
    )


def _judges(record: Record, claims: Claims) -> bool:
    """Whether a record belongs to a row or a family that the claims name, or to one of their controls."""
    named = {name for claim in claims.claims for name in (*claim.firsts, *claim.seconds)}
    known = {record.row, record.family, record.control_of} & named
    return "finished_utc" in record.provenance and bool(known or any(may_stand_for(name, record) for name in named))


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
