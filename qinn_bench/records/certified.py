"""Which numbers mean nothing without a certificate, whoever's metric took them."""

from __future__ import annotations

from functools import lru_cache

from qinn_bench import catalogue, outside
from qinn_bench.values import Record, Verdict


def is_doubted(column: str, record: Record) -> bool:
    """Whether a number of a record is not to be believed for want of a certificate that passed."""
    verdict = record.certificate.verdict if record.certificate else ""
    return is_likelihood(column, verdict) and verdict != "pass"


def is_likelihood(column: str, verdict: Verdict | str) -> bool:
    """Whether a column is computed from log-densities, as far as is known.

    A metric that is not installed here may have been; a row that owes a certificate, whose `verdict` is not empty, is
    then judged by it.
    """
    needs = _needs(column, outside.state())
    return needs == "density" or (not needs and bool(verdict))


@lru_cache
def _needs(column: str, _folders: tuple[str, ...]) -> str:
    """What the metric of a column is computed from; empty where no metric of that name is known here."""
    if column in catalogue.COMPUTED:
        return "record"
    measure = catalogue.measure_of(column)
    return measure.needs if measure else ""
