"""The variance budget: what each source of randomness adds to the spread of a number, and what its seeds are worth.

Each source is moved alone while the others stay at seed 0 (Bouthillier et al., arXiv:2103.03098). Seed s draws the same
from a source alone and with all others, so that the spreads are compared seed by seed: intervals come from leaving out
each seed in turn, on the logarithm, where ratios of variances are near to symmetric, with Student's t.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from qinn_bench.records.certified import is_doubted
from qinn_bench.statistics import ties
from qinn_bench.statistics.estimates import jackknife_variance
from qinn_bench.statistics.paired import LEVEL
from qinn_bench.values import Array, Record, Refused, Source, Value

LEAST = 4
"""Fewer seeds have no variance worth an interval."""
SOURCES: tuple[Source, ...] = get_args(Source)
Span = tuple[float, float]
SeedIndices = NDArray[np.intp]


class Part(Value):
    """The spread that one source makes: its standard deviation over `values` values, and the variance as a share.

    The share is that of the variance over seeds, which move every source but the split. Intervals hold at 95 %; they
    are None where the source moves nothing.

    Example:
        >>> Part(source="split", values=8, deviation=0.03, share=0.4, share_interval=(0.2, 0.8)).share
        0.4
    """

    source: str
    values: int
    deviation: float
    interval: Span | None = None
    share: float | None = None
    share_interval: Span | None = None


class VarianceBudget(Value):
    """Where the spread of one number of one row comes from.

    `seeds` is the spread over seeds, `parts` that of each source alone, `rest` what the parts leave of it (negative:
    more than all). `worth` says how many independent replicates, each with a split of its own, the mean over all
    seeds on one split is worth; None where the split was not varied.

    Example:
        >>> budget = VarianceBudget(row="qinn", metric="swd", unit="sd", seeds=Part(source="seeds", values=8,
        ...     deviation=0.05),
        ...     parts=())
        >>> budget.seeds.deviation, budget.worth
        (0.05, None)
    """

    row: str = ""
    data: str = ""
    metric: str = ""
    unit: str = ""
    against: str = ""
    seeds: Part
    parts: tuple[Part, ...]
    rest: float | None = None
    rest_interval: Span | None = None
    worth: float | None = None
    worth_interval: Span | None = None


def budgets(records: Sequence[Record], metrics: Sequence[str], against: str = "") -> list[VarianceBudget]:
    """The budget of each row, data set and metric that has cells in which one source moves alone, and 4 seeds.

    With `against`, the numbers are differences to that row's of the same data, source and seed.

    Raises:
        Refused: no record moves a source alone, or no such row does.
    """
    rows: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.status == "ok":
            rows.setdefault((str(record.cell.data), record.row), []).append(record)
    varied = {key: of for key, of in rows.items() if any(r.cell.varies != "all" for r in of)}
    if not varied:
        raise Refused("no record moves one source of randomness alone; a study with variance = true was expected")
    if against and against not in {row for _, row in varied}:
        names = ", ".join(dict.fromkeys(row for _, row in varied))
        raise Refused(f"no row '{against}' moves sources alone; there are: {names}")
    shares = []
    for (data, row), of in sorted(varied.items()):
        for metric in metrics:
            numbers, other = _numbers(of, metric), _numbers(varied.get((data, against), ()), metric)
            if against:
                numbers = {key: value - other[key] for key, value in numbers.items() if key in other}
            values = _by_source(numbers)
            if row != against and len(values.get("all", ())) >= LEAST:
                unit = next((r.metrics[metric].unit for r in of if metric in r.metrics), "")
                shares.append(budget(values, row=row, data=data, metric=metric, unit=unit, against=against))
    return shares


def _numbers(records: Sequence[Record], metric: str) -> dict[tuple[Source, int], float]:
    """The value of a metric for each source and seed; likelihoods whose certificate failed are none."""
    kept = [r for r in records if metric in r.metrics and not is_doubted(metric, r)]
    pairs = {(r.cell.varies, r.cell.seed): r.metrics[metric].value for r in kept}
    return {key: value for key, value in pairs.items() if value is not None}


def _by_source(numbers: Mapping[tuple[Source, int], float]) -> dict[Source, Array]:
    """The values of each source at the seeds that all of them have; seed 0, where nothing has moved, is shared."""
    moved = [source for source in SOURCES if any(varied == source and seed for varied, seed in numbers)]
    at = {source: {seed: value for (varied, seed), value in numbers.items() if varied == source} for source in moved}
    origin = {0: numbers[("all", 0)]} if ("all", 0) in numbers else {}
    full = [origin | at[source] for source in moved]
    seeds = sorted(set.intersection(*(set(one) for one in full))) if full else []
    return {source: np.array([one[seed] for seed in seeds]) for source, one in zip(moved, full, strict=True)}


def budget(values: Mapping[Source, Array], **names: str) -> VarianceBudget:
    """The budget of the values of each source ``(n,)`` at the same seeds; those of "all" move all but the split.

    `names` are those of the budget: row, data, metric, unit and against.
    """
    everything = values["all"]
    parts = {source: _part(source, of, everything) for source, of in values.items() if source != "all"}
    within = [of for source, of in values.items() if source not in ("all", "split")]
    explained, interval = _ratio(within, everything)
    worth, worth_interval = _worth(len(everything), parts.get("split"))
    return VarianceBudget(
        seeds=_part("all", everything),
        parts=tuple(parts.values()),
        rest=None if explained is None else 1 - explained,
        rest_interval=interval and (1 - interval[1], 1 - interval[0]),
        worth=worth,
        worth_interval=worth_interval,
        **names,
    )


def _part(source: str, values: Array, everything: Array | None = None) -> Part:
    """The spread of values, and their variance as a share of that of everything."""
    variance, interval = _ratio([values])
    share, share_interval = (None, None) if everything is None else _ratio([values], everything)
    return Part(
        source=source,
        values=len(values),
        deviation=float(np.sqrt(variance or 0.0)),
        interval=interval and (float(np.sqrt(interval[0])), float(np.sqrt(interval[1]))),
        share=share,
        share_interval=share_interval,
    )


def _ratio(parts: Sequence[Array], whole: Array | None = None) -> tuple[float | None, Span | None]:
    """The sum of the variances of the parts over that of the whole (None: over 1), with its interval.

    Parts that do not move are zero, with no interval; over a whole that does not move there is no ratio.
    """
    moved = [part for part in parts if not ties.constant(part)]
    if not parts or (whole is not None and ties.constant(whole)):
        return None, None
    if not moved:
        return 0.0, None
    n = len(moved[0])

    def logarithm(kept: SeedIndices) -> float:
        below = 1.0 if whole is None else whole[kept].var(ddof=1)
        with np.errstate(divide="ignore"):
            return float(np.log(sum(part[kept].var(ddof=1) for part in moved)) - np.log(below))

    full = logarithm(np.arange(n))
    error = _jackknife(logarithm, n)
    if not np.isfinite(error):
        return float(np.exp(full)), None
    reach = float(student.ppf((1 + LEVEL) / 2, n - 1)) * error
    return float(np.exp(full)), (float(np.exp(full - reach)), float(np.exp(full + reach)))


def _jackknife(statistic: Callable[[SeedIndices], float], n: int) -> float:
    """The standard error of a statistic of the seeds that are kept, from leaving out each in turn."""
    left = np.array([statistic(np.delete(np.arange(n), k)) for k in range(n)])
    if not np.isfinite(left).all():
        return float("inf")
    return float(np.sqrt(jackknife_variance(left)))


def _worth(n: int, split: Part | None) -> tuple[float | None, Span | None]:
    """n seeds on one split as independent replicates: n / (1 + (n - 1) r), r the share of the split in the variance."""
    if split is None or split.share is None:
        return None, None
    ends = [_replicates(n, ratio) for ratio in split.share_interval] if split.share_interval else []
    return _replicates(n, split.share), (ends[1], ends[0]) if ends else None


def _replicates(n: int, ratio: float) -> float:
    return n * (1 + ratio) / (1 + n * ratio)
