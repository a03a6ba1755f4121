"""What the seeds of a control count for: none blocks a win by having no number that can be believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qinn_bench import catalogue
from qinn_bench.dataset import OF_LIKELIHOODS
from qinn_bench.records.certified import is_doubted
from qinn_bench.statistics import direction
from qinn_bench.values import Certificate, Estimate, Record

DIVERGED = ("diverged", "not-converged")
"""How a training ends that says of a model that it cannot be trained so."""
CLAIMED = "{}_claimed"
"""The column of a likelihood as the model states it."""


@dataclass(frozen=True)
class ControlLosses:
    """The records of a control with a number for each seed, and what was done for it.

    `doubted` are the seeds whose likelihood has no certificate: they count with the better of the claimed and the
    normalised one. `diverged` are those that could not be trained: they count with the worst number of the others,
    and where `records` is empty no seed could.

    Example:
        >>> ControlLosses((), diverged=(0, 1, 2)).said
        'diverged at seeds 0, 1, 2'
    """

    records: tuple[Record, ...]
    doubted: tuple[int, ...] = ()
    diverged: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()

    @property
    def said(self) -> str:
        """What was done, in words; empty where nothing was."""
        words = []
        if self.doubted:
            words.append(f"not certified at {_seeds(self.doubted)}, the better of its two likelihoods counts")
        if self.diverged:
            tried = f", last at a learning rate of {min(self.rates):g}" if self.rates else ""
            words.append(f"diverged at {_seeds(self.diverged)}{tried}")
        return "; ".join(words)


def of_control(records: Sequence[Record], metric: str) -> ControlLosses:
    """The records of one control, each with a number by this metric where one can be had."""
    lost = [record for record in records if record.status in DIVERGED]
    rates = tuple(one.training.learning_rate for one in lost if one.training and one.training.learning_rate)
    counted, doubted = [], []
    for record in records:
        if record.status == "ok" and is_doubted(metric, record):
            doubted.append(record.cell.seed)
            counted.append(_with(record, metric, _better_of_both(record, metric)))
        elif record.status not in DIVERGED:
            counted.append(record)
    numbers = [one.metrics[metric] for one in counted if _has(one, metric)]
    diverged = tuple(sorted(record.cell.seed for record in lost))
    if not numbers:
        rest = () if lost and len(lost) == len(records) else (*counted, *lost)
        return ControlLosses(rest, tuple(sorted(doubted)), diverged, rates)
    worst = max(numbers, key=lambda one: direction.loss(one.value or 0.0, one.better))
    template = next(one for one in counted if _has(one, metric))
    filled = [_as_bad(record, template, metric, worst) for record in lost]
    return ControlLosses((*counted, *filled), tuple(sorted(doubted)), diverged, rates)


def _has(record: Record, metric: str) -> bool:
    estimate = record.metrics.get(metric)
    return record.status == "ok" and estimate is not None and estimate.value is not None


def _better_of_both(record: Record, metric: str) -> Estimate | None:
    """The better of the claimed and the normalised likelihood; None where one of them is not known."""
    normalised = record.metrics.get(metric)
    claimed = record.metrics.get(CLAIMED.format(metric)) or _claimed(record, metric)
    if normalised is None or claimed is None or normalised.value is None or claimed.value is None:
        return None
    return min((normalised, claimed), key=lambda one: direction.loss(one.value or 0.0, one.better))


def _claimed(record: Record, metric: str) -> Estimate | None:
    """A likelihood as it is before the logarithm of the mass is added; None where that is not known."""
    normalised, mass = record.metrics.get(metric), record.certificate.mass.value if record.certificate else None
    kind = catalogue.row_loss_of(metric)
    if normalised is None or normalised.value is None or not mass or mass <= 0 or kind not in OF_LIKELIHOODS:
        return None
    scale = 1.0
    if kind == "bits":
        nats = record.metrics.get("nll")
        if nats is None or not nats.value:
            return None
        scale = normalised.value / nats.value
    return normalised.model_copy(update={"value": normalised.value - scale * math.log(mass)})


def _with(record: Record, metric: str, estimate: Estimate | None) -> Record:
    """The record with this number in the place of a doubted one, and no doubt left about it."""
    if estimate is None:
        note = "neither certified nor known both as claimed and after division by the mass"
        unknown = {"value": None, "error": None, "note": note}
        estimate = record.metrics.get(metric, Estimate(value=None)).model_copy(update=unknown)
    return record.model_copy(update={"metrics": {**record.metrics, metric: estimate}, "certificate": PASSED})


def _as_bad(record: Record, template: Record, metric: str, worst: Estimate) -> Record:
    """A cell that diverged as if it had given the worst number of its row."""
    return record.model_copy(
        update={
            "status": "ok",
            "metrics": {metric: worst.model_copy(update={"n": template.metrics[metric].n})},
            "certificate": template.certificate,
        }
    )


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) != 1)} {', '.join(map(str, seeds))}"


PASSED = Certificate(
    verdict="pass", reasons=(), mass=Estimate(value=1.0), interval=(1.0, 1.0), effective_share=0.0, draws=0
)
"""Stands where a seed of a control has no certificate and counts with the better of its likelihoods."""
