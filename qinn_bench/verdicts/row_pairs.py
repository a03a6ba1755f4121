"""Two rows of a study on their pairs of cells: the test between them, or why they cannot be compared; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qinn_bench import catalogue
from qinn_bench.records import keys, store
from qinn_bench.records.certified import is_doubted
from qinn_bench.records.known import on_data
from qinn_bench.statistics import direction, paired
from qinn_bench.statistics.roc_curves import row_values
from qinn_bench.values import Array, Comparison, Direction, Estimate, Record, Refused

SEEDS_ONLY = "the uncertainty of the test rows left out for want of arrays"
"""What the method of a likelihood says where the log-densities of single rows are not there."""
TRUTH_LEFT_OUT = "the uncertainty of the true rows left out, as the records do not tell it"
"""What the method says of any other metric where a record does not say what it is on other draws of true rows."""
DataSeed = tuple[str, int]


@dataclass(frozen=True)
class PairTerms:
    """On what terms two rows are compared.

    `data` is a data set as ``name`` or ``name[knob=value]`` (empty: all that both rows have); `replicates` is the least
    number of (data, seed) pairs; with `other_budgets` the two rows may have been trained under different budgets.
    `arrays` is the folder of results with the arrays of the records; without it, or where an array is missing,
    likelihoods are compared seed by seed only, and the method says so. Better means better by more than `by`, in the
    unit of the metric, and worse means that it is not.

    Example:
        >>> PairTerms("nll", data="zjets", margin=0.1).replicates
        5
    """

    metric: str
    data: str = ""
    margin: float | None = None
    level: float = 0.05
    replicates: int = paired.LEAST
    other_budgets: bool = False
    arrays: Path | None = None
    by: float = 0.0


@dataclass(frozen=True)
class Side:
    """All records of one row, by (data, seed).

    Example:
        >>> side = Side("qinn", {})
        >>> side.quantum, side.is_control, side.models
        (False, False, set())
    """

    row: str
    records: dict[DataSeed, Record]

    @property
    def quantum(self) -> bool:
        """Whether its model, or the model that it is a control of, has a circuit."""
        return any(record.cell.backend != "none" for record in self.records.values())

    @property
    def is_control(self) -> bool:
        """Whether it is the control of a model."""
        return bool(self.models)

    @property
    def models(self) -> set[str]:
        """The rows whose control it is."""
        return {record.control_of for record in self.records.values() if record.control_of}

    def estimate(self, metric: str, key: DataSeed) -> Estimate | None:
        """The number of one cell, None where it failed or has no value."""
        record = self.records.get(key)
        estimate = record.metrics.get(metric) if record and record.status == "ok" else None
        return estimate if estimate and estimate.value is not None else None


def row_names(records: Sequence[Record], data: str = "") -> list[str]:
    """The rows that have records on a data set, in their order."""
    return list(dict.fromkeys(record.row for record in records if on_data(record, data)))


def side_of(records: Sequence[Record], row: str, data: str) -> Side:
    """The records of a row on a data set, those of the variance study left out."""
    kept = [r for r in records if r.row == row and r.cell.varies == "all" and on_data(r, data)]
    return Side(row, {(str(record.cell.data), record.cell.seed): record for record in kept})


def compare(
    records: Sequence[Record], first_row: str, second_row: str, terms: PairTerms, rng: np.random.Generator
) -> Comparison:
    """The paired comparison of two rows, or why there is none; flags and controls are not looked at."""
    first, second = side_of(records, first_row, terms.data), side_of(records, second_row, terms.data)
    pairs = [key for key in first.records if _pair(first, second, terms.metric, key)]
    why = _missing(records, first, second, terms) or _too_few(first, second, pairs, terms)
    why = why or _unequal(first, second, pairs, terms) or _uncertified(first, second, pairs, terms)
    if why:
        return Comparison(outcome="undecided", reason=why, effect=Estimate(value=None), margin=terms.margin)
    better, unit = _kind(first, second, pairs, terms)
    values = [np.array([_value(side, terms.metric, key) for key in pairs]) for side in (first, second)]
    rows = _rows(first, second, pairs, terms)
    truth = _over_truth(first, second, pairs, terms.metric) if rows is None else None
    comparison = paired.compare(
        values[0],
        values[1],
        better=better,
        rng=rng,
        margin=terms.margin,
        level=terms.level,
        rows=rows,
        truth=truth,
        unit=unit,
        groups=[data for data, _ in pairs],
        by=terms.by,
        bounds=True,
    )
    seeds_only = ""
    if rows is None and truth is None:
        seeds_only = SEEDS_ONLY if catalogue.row_loss_of(terms.metric) else TRUTH_LEFT_OUT
    return comparison.model_copy(update={"method": "; ".join(filter(None, [comparison.method, seeds_only]))})


def _pair(first: Side, second: Side, metric: str, key: DataSeed) -> bool:
    return first.estimate(metric, key) is not None and second.estimate(metric, key) is not None


def _value(side: Side, metric: str, key: DataSeed) -> float:
    estimate = side.estimate(metric, key)
    assert estimate is not None and estimate.value is not None
    return estimate.value


def _kind(first: Side, second: Side, pairs: Sequence[DataSeed], terms: PairTerms) -> tuple[Direction, str]:
    estimates = [side.estimate(terms.metric, key) for side in (first, second) for key in pairs]
    kinds = {(estimate.better, estimate.unit) for estimate in estimates if estimate}
    if len(kinds) > 1:
        raise Refused(f"the records state '{terms.metric}' in several ways: {', '.join(map(str, sorted(kinds)))}")
    better, unit = kinds.pop()
    if not direction.competes(better):
        raise Refused(f"of '{terms.metric}' neither more nor less is better; name a metric that has a direction")
    return better, unit


def _missing(records: Sequence[Record], first: Side, second: Side, terms: PairTerms) -> str:
    """Whether a row has no records, or two of one seed."""
    where = f" on {terms.data}" if terms.data else ""
    for side in (first, second):
        if not side.records:
            return f"there is no record of '{side.row}'{where}"
        count = sum(r.row == side.row and r.cell.varies == "all" and on_data(r, terms.data) for r in records)
        if count > len(side.records):
            return f"'{side.row}'{where} has {count} records of {len(side.records)} seeds"
    return ""


def _too_few(first: Side, second: Side, pairs: Sequence[DataSeed], terms: PairTerms) -> str:
    if len(pairs) >= terms.replicates:
        return ""
    lost = [f"{why}" for side in (first, second) if (why := failures(side, terms.metric))]
    return "; ".join([f"{len(pairs)} pairs of seeds, at least {terms.replicates} are needed", *lost])


def failures(side: Side, metric: str) -> str:
    """Which seeds of a row have no number, and why the first of them has none."""
    lost = [key for key in side.records if side.estimate(metric, key) is None]
    if not lost:
        return ""
    record = side.records[lost[0]]
    estimate = record.metrics.get(metric)
    why = f"no value of {metric}" + (f": {estimate.note}" if estimate and estimate.note else "")
    if record.status != "ok":
        why = f"{record.status}: {record.reason}" if record.reason else record.status
    return f"{seeds_of(lost)} of '{side.row}': {why}"


def seeds_of(keys: Sequence[DataSeed]) -> str:
    """The seeds of some cells in words."""
    numbers = ", ".join(str(seed) for _, seed in keys)
    return f"seed {numbers}" if len(keys) == 1 else f"seeds {numbers}"


def _unequal(first: Side, second: Side, pairs: Sequence[DataSeed], terms: PairTerms) -> str:
    """What makes two rows incomparable: seeds of several settings, other data, other test rows, another budget."""
    for side in (first, second):
        for data in {data for data, _ in pairs}:
            if differs := keys.mixed([side.records[key] for key in pairs if key[0] == data]):
                return f"the seeds of '{side.row}' were made under several settings: {differs}"
    for key in pairs:
        a, b = first.records[key], second.records[key]
        if a.provenance.get("data_hash") != b.provenance.get("data_hash"):
            return f"the two rows saw different data at {seeds_of([key])}"
        sizes = [record.metrics[terms.metric].n for record in (a, b)]
        if sizes[0] != sizes[1] or a.cell.samples != b.cell.samples:
            return f"the two rows were tested on {sizes[0]} and {sizes[1]} rows at {seeds_of([key])}"
        if a.cell.budget != b.cell.budget and not terms.other_budgets:
            return f"the two rows were trained under different budgets: {_difference(a, b)}"
    return ""


def _difference(a: Record, b: Record) -> str:
    left, right = a.cell.budget.model_dump(), b.cell.budget.model_dump()
    return ", ".join(f"{name} {left[name]} and {right[name]}" for name in left if left[name] != right[name])


def _uncertified(first: Side, second: Side, pairs: Sequence[DataSeed], terms: PairTerms) -> str:
    for side in (first, second):
        doubted = [key for key in pairs if is_doubted(terms.metric, side.records[key])]
        if doubted:
            certificate = side.records[doubted[0]].certificate
            why = "; ".join(certificate.reasons[:1]) if certificate else "there is none"
            verdict = certificate.verdict if certificate else "missing"
            return (
                f"the likelihood of '{side.row}' is not certified at {seeds_of(doubted)}: {verdict}"
                + f", {why}" * bool(why)
            )
    return ""


def _rows(first: Side, second: Side, pairs: Sequence[DataSeed], terms: PairTerms) -> tuple[Array, Array] | None:
    """The losses of single test rows ``(pairs, n_rows)`` of both sides, where the arrays are there and fit."""
    if not catalogue.row_loss_of(terms.metric) or terms.arrays is None:
        return None
    sides = [[_losses(side, key, terms) for key in pairs] for side in (first, second)]
    sizes = {None if losses is None else len(losses) for side in sides for losses in side}
    if None in sizes or len(sizes) != 1:
        return None
    a, b = (np.stack([losses for losses in side if losses is not None]) for side in sides)
    return a, b


def _over_truth(first: Side, second: Side, pairs: Sequence[DataSeed], metric: str) -> tuple[Array, Array] | None:
    """The metric on other draws of true rows ``(pairs, draws)`` of both sides, where every record tells it."""
    sides = [[(side.records[key].over_truth or {}).get(metric, ()) for key in pairs] for side in (first, second)]
    draws = {len(of) for side in sides for of in side}
    if len(draws) != 1 or draws.pop() < 2:
        return None
    a, b = (np.array(side, dtype=np.float64) for side in sides)
    return a, b


def _losses(side: Side, key: DataSeed, terms: PairTerms) -> Array | None:
    """What each test row adds to a metric that is a mean over them, moved so that the mean is the recorded number.

    Of likelihoods the move is the logarithm of the mass and, for a divergence, the mean log-density of the truth, whose
    part in each row is the same for both sides. Differences of areas under ROC curves get the error of DeLong's
    covariance.
    """
    record = side.records[key]
    if terms.arrays is None or not store.has_arrays(terms.arrays, record):
        return None
    arrays = store.load_arrays(terms.arrays, record)
    if catalogue.row_loss_of(terms.metric) == "placements":
        return _placements(arrays)
    if (log_densities := store.likelihoods(arrays)) is None:
        return None
    losses: Array = -log_densities.astype(np.float64)
    if catalogue.row_loss_of(terms.metric) == "bits":
        losses = losses / (arrays["samples"].shape[1] * np.log(2))
    moved: Array = losses + (_value(side, terms.metric, key) - losses.mean())
    return moved


def _placements(arrays: store.Arrays) -> Array | None:
    """What each test row adds to the area under the ROC curve; None where labels or scores are missing or odd."""
    scores, labels = store.anomaly_scores(arrays), arrays.get(store.LABELS)
    if scores is None or labels is None or scores.shape != labels.shape or not np.isfinite(scores).all():
        return None
    return row_values(scores, labels) if min(np.sum(labels == 0), np.sum(labels == 1)) > 1 else None
