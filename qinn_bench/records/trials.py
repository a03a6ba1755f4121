"""The records of trials: which study they belong to, which of them is the best on validation rows; without torch."""

from __future__ import annotations

from collections.abc import Iterable

from qinn_bench.values import Record

SUFFIX = "-trials"


def trials_study(study: str) -> str:
    """The study that the trials of a study are records of.

    Example:
        >>> trials_study("mine")
        'mine-trials'
    """
    return study + SUFFIX


def cpu_seconds(record: Record | None) -> float:
    """The CPU seconds that the training of a record took; 0 where there is none.

    Example:
        >>> cpu_seconds(None)
        0.0
    """
    return float(record.cost.get("train_cpu_s", 0.0)) if record else 0.0


def counts(record: Record) -> bool:
    """Whether a trial may be the best: it ended well, has a number on validation rows, and its certificate is not a
    refusal."""
    certificate = record.certificate
    refuted = certificate is not None and certificate.verdict == "fail"
    return record.status == "ok" and not refuted and score(record) is not None


def score(record: Record) -> float | None:
    """What a trial is judged by, on validation rows; less is better."""
    return record.validation.value if record.validation else None


def best_of(records: Iterable[Record]) -> Record | None:
    """The best trial; None where none counts.

    One whose likelihood is certified, or normalised by construction, comes before one of which that is open.
    """
    return min((record for record in records if counts(record)), key=_order, default=None)


def _order(record: Record) -> tuple[bool, float]:
    value, certificate = score(record), record.certificate
    assert value is not None
    known = certificate is None or certificate.verdict == "pass" or certificate.by_construction
    return not known, value
