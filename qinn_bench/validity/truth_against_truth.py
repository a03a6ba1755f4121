"""Truth against truth: what a metric says of a perfect model, drawn when it is asked for and kept beside records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.stats import norm, t

from qinn_bench.dataset import Dataset, Evidence, Metric, owner_of
from qinn_bench.like_conditions import rows_like
from qinn_bench.metrics._take import take
from qinn_bench.records import store
from qinn_bench.seeds import numpy_rng
from qinn_bench.statistics.corrections import holm
from qinn_bench.values import Array, Estimate

REPLICATES = 19
"""A number below all of 19 equally likely ones lies below their 5 % quantile."""
LEVEL = 0.01
"""Of the corrected p-value of a record: five seeds of a perfect model are then flagged in at most 5 % of the rows."""


@dataclass(frozen=True)
class TooGood:
    """A column better than truth: its value, the 5 % quantile of the null, and the p-value after Holm's correction.

    Example:
        >>> TooGood(column="swd", value=0.001, quantile=0.012, p=0.004, tested=3).column
        'swd'
    """

    column: str
    value: float
    quantile: float
    p: float
    tested: int


@dataclass
class Nulls:
    """The metrics of other true rows in the place of generated ones, against the same `n` test rows as every model.

    The replicates are drawn without replacement from all rows of the data set but these, seeded by names, and kept
    under `folder` where there is one; `codes` are the fingerprints of the metrics, by name.

    Example:
        >>> from qinn_bench import registry
        >>> nulls = Nulls(registry.make("data", registry.parse_use("moons[events=2000]")), n=100)
        >>> nulls.possible
        True
    """

    data: Dataset
    n: int
    folder: Path | None = None
    codes: Mapping[str, str] = field(default_factory=dict)
    known: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    @property
    def possible(self) -> bool:
        """Whether there are rows enough for replicates that have little in common."""
        return len(self.data.test) >= self.n and len(self._others()) >= 3 * self.n

    def replicate(self, metric: Metric, which: int) -> dict[str, float]:
        """The columns of one replicate."""
        found = self.known.setdefault(metric.name, self._load(metric))
        while len(found) <= which:
            found.append(self._draw(metric, len(found)))
            self._save(metric, found)
        return found[which]

    def _others(self) -> Array:
        return np.concatenate([self.data.test[self.n :], self.data.valid, self.data.train])

    def _draw(self, metric: Metric, which: int) -> dict[str, float]:
        rng = numpy_rng("truth against truth", self.data.fingerprint, metric.name, self.n, which)
        others = self._others()
        if self.data.conditions is None:
            rows = others[rng.choice(len(others), self.n, replace=False)]
        else:
            test, order = self.data.conditions.test, rng.permutation(len(others))
            known = np.concatenate([test[self.n :], self.data.conditions.valid, self.data.conditions.train])
            rows = others[order[rows_like(test[: self.n], known[order])]]
        columns = take(metric, Evidence(self.data, self.data.test[: self.n], rows, None, None, rng, False))
        return {name: estimate.value for name, estimate in columns.items() if estimate.value is not None}

    def _path(self, metric: Metric) -> Path | None:
        name = f"{metric.name}-{self.codes.get(metric.name, '')}-{self.data.fingerprint[:16]}-{self.n}.json"
        return self.folder / name if self.folder else None

    def _load(self, metric: Metric) -> list[dict[str, float]]:
        path = self._path(metric)
        return store.read_cache(path) if path else []

    def _save(self, metric: Metric, found: list[dict[str, float]]) -> None:
        if path := self._path(metric):
            store.write_cache(path, found)


def better_than_truth(found: Mapping[str, Estimate], metrics: Mapping[str, Metric], nulls: Nulls) -> list[TooGood]:
    """The columns in which a model is better than other true rows are, beyond chance.

    A column counts that has a better side: lower, or below zero for an unbiased squared distance. It is suspected
    where its value lies below the 5 % quantile of truth against truth, which is below all of 19 replicates; drawing
    stops at the first replicate that is as good. For the suspected ones the tail is that of a normal law of the
    replicates (of their logarithms where all are positive), whose mean and width are estimated, so a Student t law.
    Holm's correction covers all columns of the record, of which several models of equal quality always have some
    below a 5 % quantile. A divergence between densities is held against zero with its own error.
    """
    p_values: dict[str, float] = {}
    edges: dict[str, float] = {}
    for metric in metrics.values():
        columns = _columns(found, metric, metrics)
        for name, replicates in _suspected(columns, metric, nulls).items():
            p_values[name] = 1.0 if replicates is None else tail(columns[name], replicates)
            edges[name] = np.nan if replicates is None else float(replicates.min())
    for metric in metrics.values():
        for name, (value, error) in _divergences(found, metric, metrics).items():
            p_values[name], edges[name] = float(norm.cdf(value / error)), -1.645 * error
    return [
        TooGood(name, float(found[name].value or 0.0), edges[name], p, len(p_values))
        for name, p in sorted(_corrected(p_values).items(), key=lambda item: item[1])
        if p < LEVEL
    ]


def _columns(found: Mapping[str, Estimate], metric: Metric, metrics: Mapping[str, Metric]) -> dict[str, float]:
    """The values of a metric's columns that have a better side."""
    values: dict[str, float] = {}
    for column, estimate in found.items():
        sided = estimate.better == "lower" or metric.unbiased_square
        mine = metric.needs == "samples" and not metric.slow and _is_of(column, metric, metrics)
        if mine and sided and estimate.value is not None:
            values[column] = estimate.value
    return values


def _divergences(
    found: Mapping[str, Estimate], metric: Metric, metrics: Mapping[str, Metric]
) -> dict[str, tuple[float, float]]:
    """Value and error of the columns of a metric that compares densities and is never negative but for its error."""
    mine = metric.needs == "density" and metric.unbiased_square
    return {
        column: (estimate.value, estimate.error)
        for column, estimate in found.items()
        if mine and _is_of(column, metric, metrics) and estimate.value is not None and estimate.error
    }


def _is_of(column: str, metric: Metric, metrics: Mapping[str, Metric]) -> bool:
    return owner_of(column, {name: one.stated for name, one in metrics.items()}) == metric.name


def _suspected(columns: Mapping[str, float], metric: Metric, nulls: Nulls) -> dict[str, Array | None]:
    """For each column its replicates if all are worse, None otherwise."""
    left = dict(columns)
    for which in range(REPLICATES):
        if not left:
            break
        null = nulls.replicate(metric, which)
        left = {name: value for name, value in left.items() if value < null.get(name, -np.inf)}
    kept = {name: np.array([nulls.replicate(metric, k)[name] for k in range(REPLICATES)]) for name in left}
    return {name: kept.get(name) for name in columns}


def tail(value: float, replicates: Array) -> float:
    """The probability that one more replicate is at most `value`, by the predictive t law of ``(k,)`` others."""
    if (replicates > 0).all():
        if value <= 0:
            return 0.0
        value, replicates = float(np.log(value)), np.log(replicates)
    width = np.std(replicates, ddof=1) * np.sqrt(1 + 1 / len(replicates))
    return float(t.cdf((value - replicates.mean()) / max(width, 1e-300), len(replicates) - 1))


def _corrected(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p-values by name after Holm's correction over all of them."""
    return dict(zip(p_values, holm(list(p_values.values())), strict=True))
