"""The records of trials: which study they belong to, which of them is the best on validation rows; without torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qinn_bench.records import published, store
from qinn_bench.values import SEEDS, Record

SUFFIX = "-trials"
FIRST_SEED = SEEDS
"""The seed of the first trial: beyond those of every study, so that no row is judged on what chose its settings."""
STATED_SEED = 3000
"""The seed of the settings that a row states, which are tried beside those that are drawn."""


def trials_study(study: str) -> str:
    """The study that the trials of a study are records of.

    Example:
        >>> trials_study("mine")
        'mine-trials'
    """
    return study + SUFFIX


def known(study: str, results: Path, records: Path | None = None) -> list[Record]:
    """The trials of a study: those of a folder of results or, where the study's records are a published file, those
    that were published beside it.

    Raises:
        Refused: the published trials cannot be read.
    """
    name = trials_study(study)
    if records is None:
        return store.load_all(results, name)
    path = published.beside(records, name)
    return published.read(path, name) if path.exists() else []


def is_stated(record: Record) -> bool:
    """Whether a trial has the settings that its row states, and none that were drawn."""
    return record.cell.seed == STATED_SEED


def is_final(record: Record) -> bool:
    """Whether a trial was trained on until it had converged."""
    return record.cell.budget.until == "converged"


def tried(trials: Iterable[Record]) -> dict[str, set[int]]:
    """How many settings were tried for each family: a number for each of its sizes, data sets and budgets.

    Example:
        >>> tried([])
        {}
    """
    seeds: dict[str, dict[tuple[object, ...], set[int]]] = {}
    for one in trials:
        place = one.size, str(one.cell.data), one.cell.budget.steps
        seeds.setdefault(one.family, {}).setdefault(place, set()).add(one.cell.seed)
    return {family: {len(drawn) for drawn in places.values()} for family, places in seeds.items()}


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


def ranked(records: Iterable[Record]) -> list[Record]:
    """The trials that count, the best first.

    One whose likelihood is certified, or normalised by construction, comes before one of which that is open.
    """
    return sorted((record for record in records if counts(record)), key=_order)


def best_of(records: Iterable[Record]) -> Record | None:
    """The best trial, of those that have converged if there are some; None where none counts."""
    every = ranked(records)
    return next((record for record in every if is_final(record)), every[0] if every else None)


def _order(record: Record) -> tuple[bool, float]:
    value, certificate = score(record), record.certificate
    assert value is not None
    known = certificate is None or certificate.verdict == "pass" or certificate.by_construction
    return not known, value
