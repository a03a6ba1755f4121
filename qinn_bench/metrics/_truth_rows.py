"""By how much a metric changes with the true rows that it is taken against, which all models of a study share.

What the finite sample of true rows does to a metric it does to the metrics of two models alike only in part, and no
number of seeds averages out the rest. Each metric is therefore taken against `DRAWS` other samples of true rows, the
same ones for every model, seed and metric: in each a sixteenth of the rows is replaced by rows drawn from all. So small
a change keeps a metric where it is, also one that has a kink (W1 at equal laws), which a whole bootstrap sample, with
its second helping of noise, does not; the deviations from their mean are then stretched to those of bootstrap samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from qinn_bench.dataset import OF_LIKELIHOODS, Dataset, Evidence, Metric, Parts
from qinn_bench.metrics import shower_classifiers
from qinn_bench.metrics._columns import features, missing, observables
from qinn_bench.metrics._scales import centred, shifted, standardised, without_spread
from qinn_bench.metrics._take import attempt
from qinn_bench.metrics.energy_movers import distances_of
from qinn_bench.metrics.mmd import BLOCK, MOST, breit_wigner, gaussians, median_width
from qinn_bench.metrics.reconstruction import RowValues, absolute_errors, similarities, squared_errors
from qinn_bench.metrics.wasserstein import TAIL, clipped_distances, distances, projected, selected
from qinn_bench.seeds import numpy_rng
from qinn_bench.statistics.direction import competes
from qinn_bench.values import Array

DRAWS = 16
REPLACED = 1 / 16
"""Share of the rows that another draw replaces."""
TOO_SLOW = ("peak",)
"""Metrics that fit with errors at every draw, for minutes."""
Picks = NDArray[np.intp]
Stream = Callable[[], np.random.Generator]
DrawnColumns = dict[str, Array] | None
"""The columns of all draws at once, none where there is nothing to compare; None where draws have to be taken one by
one."""
NEAR_END = 8
"""Rows beside each one up to an end of the range that are looked at for that end: a draw lacks few of them."""


def over_truth(metric: Metric, evidence: Evidence, stream: Stream, values: dict[str, float]) -> dict[str, Array]:
    """Each column of a metric on other draws of true rows, ``(DRAWS,)``, about its value on those that there are.

    `stream` gives the random stream that the metric is taken with, anew for every draw; `values` are what it found.
    Columns that have no better side, or no value at a draw, are left out, and so are likelihoods, whose rows are known
    one by one (`Metric.row_loss`).

    Raises:
        Exception: whatever the metric raises.
    """
    if metric.row_loss in OF_LIKELIHOODS or metric.slow or metric.name in TOO_SLOW:
        return {}
    of_test = metric.needs in ("scores", "density")
    rows = picks(evidence.data.content, len(evidence.data.test if of_test else evidence.truth))
    by_weights = WEIGHTED.get(metric.name)
    drawn: DrawnColumns = None
    if by_weights is not None and (evidence.data.conditions is None or metric.name in PAIRED):
        drawn = by_weights(replace(evidence, rng=stream()), counts(rows))
    if drawn is None:
        drawn = _one_by_one(metric, evidence, stream, rows)
    return {name: about(values[name], of) for name, of in drawn.items() if name in values and np.isfinite(of).all()}


def picks(content: str, n: int) -> Picks:
    """Which of n rows stand in each draw, ``(DRAWS, n)``; the same for all that are judged on data of this content."""
    rng = numpy_rng("truth rows", content, n)
    rows = np.tile(np.arange(n), (DRAWS, 1))
    for one in rows:
        one[rng.choice(n, _replaced(n), replace=False)] = rng.integers(n, size=_replaced(n))
    return rows


def _replaced(n: int) -> int:
    return max(1, round(n * REPLACED))


def counts(rows: Picks) -> Array:
    """How often each row stands in each draw, ``(n, DRAWS)``."""
    return np.stack([np.bincount(one, minlength=len(one)) for one in rows], axis=1).astype(np.float64)


def about(value: float, drawn: Array) -> Array:
    """The draws about the value, as far from it as bootstrap samples would be: replacing a share f of rows moves a mean
    by f (2 - f) of the variance that a bootstrap sample moves it by."""
    return np.asarray(value + (drawn - drawn.mean()) / np.sqrt(REPLACED * (2 - REPLACED)))


def _one_by_one(metric: Metric, evidence: Evidence, stream: Stream, rows: Picks) -> dict[str, Array]:
    """Every column of a metric that has a better side, taken once for each draw."""
    found: dict[str, list[float]] = {}
    for one in rows:
        columns = attempt(metric, replace(_drawn(metric, evidence, one), rng=stream(), errors=False))
        for name, column in columns.items():
            if competes(column.better):
                found.setdefault(name, []).append(np.nan if column.value is None else column.value)
        if not found:
            break
    return {name: np.array(values) for name, values in found.items() if len(values) == len(rows)}


def _drawn(metric: Metric, evidence: Evidence, one: Picks) -> Evidence:
    """The evidence on other true rows, with all that belongs to each of them."""
    if metric.needs in ("scores", "density"):
        log_prob, scores = (None if of is None else of[one] for of in (evidence.log_prob, evidence.scores))
        return replace(evidence, data=_tested_on(evidence.data, one), log_prob=log_prob, scores=scores)
    reconstructions = None if evidence.reconstructions is None else evidence.reconstructions[one]
    paired = evidence.data.conditions is not None and len(evidence.generated) == len(evidence.truth)
    generated = evidence.generated[one] if paired else evidence.generated
    drawn = replace(evidence, truth=evidence.truth[one], generated=generated, reconstructions=reconstructions)
    return replace(drawn, data=_tested_on(evidence.data, one)) if paired else drawn


def _tested_on(data: Dataset, one: Picks) -> Dataset:
    def drawn(parts: Parts | None) -> Parts | None:
        return None if parts is None else parts._replace(test=parts.test[one])

    return replace(data, test=data.test[one], labels=drawn(data.labels), conditions=drawn(data.conditions))


def _swd(evidence: Evidence, often: Array) -> DrawnColumns:
    """Sliced W1 of all draws at once: each direction is sorted once."""
    truth, generated = features(evidence)
    if missing((truth, generated)):
        return {}
    truth, generated, exponent = centred(truth, generated)
    weights = _against(often, len(generated))
    lines = projected(truth, generated, evidence)
    total = np.mean([distances(np.concatenate(line), weights) for line in lines], axis=0)
    return {"swd": shifted(total, exponent)}


def _clipped_swd(evidence: Evidence, often: Array) -> DrawnColumns:
    """Clipped sliced W1 of all draws at once, each clipped to the range of its own true rows."""
    truth, generated = features(evidence)
    keep = selected(evidence)
    if missing((truth, generated[keep])):
        return None
    truth, generated, exponent = centred(truth, generated[keep])
    weights = _against(often, len(generated))
    lines = projected(truth, generated, evidence)
    ends = [_core(true, often) for true, _ in lines]
    total = [clipped_distances(np.concatenate(one), weights, *core) for one, core in zip(lines, ends, strict=True)]
    return {"clipped_swd": shifted(np.mean(total, axis=0), exponent)}


def _w1(evidence: Evidence, often: Array) -> DrawnColumns:
    """W1 of every observable in all draws at once, each in standard deviations of its own true rows."""
    return _of_observables("w1", evidence.generated, evidence, often, clip=False)


def _clipped_w1(evidence: Evidence, often: Array) -> DrawnColumns:
    """Clipped W1 of every observable in all draws at once."""
    return _of_observables("clipped_w1", evidence.generated[selected(evidence)], evidence, often, clip=True)


def _of_observables(name: str, generated: Array, evidence: Evidence, often: Array, *, clip: bool) -> DrawnColumns:
    pairs = observables(replace(evidence, generated=generated))
    if missing(*pairs.values()):
        return None
    weights, found = _against(often, len(generated)), {}
    for column, pair in pairs.items():
        truth, drawn = standardised(*pair)
        low, high = _core(truth, often) if clip else (np.full(often.shape[1], end) for end in (-np.inf, np.inf))
        core = np.clip(truth[:, None], low, high) if clip else truth[:, None]
        if without_spread(np.clip(truth, low.min(), high.max())):
            return None
        mean = (core * often).sum(0) / often.sum(0)
        variance = (np.square(core - mean) * often).sum(0) / often.sum(0)
        found[f"{name}_{column}"] = (
            clipped_distances(np.concatenate([truth, drawn]), weights, low, high) / variance**0.5
        )
    return found | {f"{name}_mean": np.mean(list(found.values()), axis=0)}


def _against(often: Array, m: int) -> Array:
    """The weights ``(n + m, k)`` of true rows that come so often and, with the other sign, of m generated rows."""
    return np.concatenate([often / often.sum(0), np.full((m, often.shape[1]), -1 / m)])


def _core(truth: Array, often: Array) -> tuple[Array, Array]:
    """The 0.1 to 99.9 % range of the true values ``(n,)`` of each draw, ``(k,)`` its ends."""
    return _low_end(truth, often), -_low_end(-truth, often)


def _low_end(truth: Array, often: Array) -> Array:
    """The quantile of each draw, between its neighbours in order as `np.quantile` has it; few rows are looked at."""
    n = len(truth)
    at = TAIL * (n - 1)
    few = min(n, NEAR_END * (int(at) + NEAR_END))
    rows = np.argpartition(truth, few - 1)[:few]
    rows = rows[np.argsort(truth[rows])]
    upto = np.cumsum(often[rows], axis=0)
    if upto[-1].min() < int(at) + 2:
        rows = np.argsort(truth)
        upto = np.cumsum(often[rows], axis=0)
    below, above = (truth[rows[(upto <= place).sum(0)]] for place in (int(at), int(at) + 1))
    return np.asarray(below + (at - int(at)) * (above - below))


def _mmd(evidence: Evidence, often: Array) -> DrawnColumns:
    """MMD^2 of all draws from one kernel matrix."""
    rng, resonance = evidence.rng, evidence.data.resonance
    truth, generated = features(evidence)
    if missing((truth, generated)):
        return {}
    n = min(len(truth), len(generated), MOST)
    true, drawn = rng.permutation(len(truth))[:n], rng.permutation(len(generated))[:n]
    found = {}
    if width := median_width(truth[true]):
        found["mmd"] = _discrepancies(truth[true], generated[drawn], gaussians(width), often[true])
    if resonance is not None:
        values = observables(evidence)[resonance.observable]
        if not missing(values):
            line = values[0][true][:, None], values[1][drawn][:, None]
            found["mmd_bw"] = _discrepancies(*line, breit_wigner(resonance.width), often[true])
    return found


def _discrepancies(truth: Array, generated: Array, kernel: Callable[[Array], Array], often: Array) -> Array:
    """Unbiased MMD^2 where true row i counts ``often[i, k]`` times in draw k, ``(k,)``; a row is not held against its
    own copies."""
    weights = often / often.sum(0)
    n = len(generated)
    among = np.zeros(often.shape[1])
    across, own = among.copy(), 0.0
    for start in range(0, n, BLOCK):
        part = slice(start, start + BLOCK)
        inside, other = (kernel(cdist(truth[part], rows, "sqeuclidean")) for rows in (truth, generated))
        among += np.einsum("ik,ik->k", weights[part], inside @ weights)
        across += np.einsum("ik,i->k", weights[part], other.mean(1))
        own += float(kernel(cdist(generated[part], generated, "sqeuclidean")).sum())
    one = float(kernel(np.zeros(1))[0])
    same = (weights**2).sum(0)
    return np.asarray((among - one * same) / (1 - same) + (own - one * n) / (n * (n - 1)) - 2 * across)


def _means(rows_of: Callable[[Evidence], RowValues]) -> Callable[[Evidence, Array], DrawnColumns]:
    """The columns of a metric that are means over background rows, of all draws at once."""

    def of_draws(evidence: Evidence, often: Array) -> DrawnColumns:
        found, n = rows_of(evidence), len(often)
        labels = np.zeros(n) if evidence.labels is None else evidence.labels[:n]
        weights = often[labels == 0]
        means = {}
        for name, values in {} if isinstance(found, str) else found.items():
            there = ~np.isnan(values)
            own = weights[: len(values)][there]
            means[name] = values[there] @ own / own.sum(0)
        return means

    return of_draws


WEIGHTED: dict[str, Callable[[Evidence, Array], DrawnColumns]] = {
    "swd": _swd,
    "clipped_swd": _clipped_swd,
    "w1": _w1,
    "clipped_w1": _clipped_w1,
    "mmd": _mmd,
    "mse": _means(squared_errors),
    "pixel_error": _means(absolute_errors),
    "ssim": _means(similarities),
    "emd": _means(distances_of),
    "shower_classifier": shower_classifiers.of_draws,
}
"""Metrics that take all draws at once, by the weights of their rows."""
PAIRED = ("shower_classifier",)
"""Those of them that move rows generated at the conditions of true rows together with these."""
