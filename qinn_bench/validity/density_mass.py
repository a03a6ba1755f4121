"""How much a claimed density integrates to: importance sampling that says when it cannot be trusted, and a grid.

Draws come from a mixture of Student-t components fitted to training rows and to the model's own rows, sharpened where
the latter show peaks, plus one broad Cauchy component. A first part of the draws only tunes the weights of the mixture
(population Monte Carlo, Cappé et al., arXiv:0710.4242), a second one only says how many more are needed; both are then
discarded, and exactly that many fresh draws are taken, so that the estimate is unbiased: one that ends when its own
scatter looks small ends early where it missed the large weights. Mass where neither rows nor broad draws ever fall
cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import genpareto

from qinn_bench.validity.gaussian_mixtures import PART, FittedMixture, fit_mixture, log_volume, squared_distances
from qinn_bench.values import Array, Estimate

LogDensity = Callable[[Array], Array]

COMPONENTS, FIT_ROWS = 60, 6000
ROWS_PER_COMPONENT, ROWS_PER_PEAK = 10, 4  # times dim: fewer cannot hold a covariance
PEAKS, PEAK_ROWS, PEAK_SHARE, PEAK_PASSES = 30, 0.1, 0.15, 2
DOF, WIDENING = 5.0, 1.15  # heavier and wider than what was fitted, so that weights stay bounded
BROAD_SHARE, BROAD_WIDENING, BROAD_DOF = 0.05, 1.5, 1.0
OLD_WEIGHT = 0.2  # how much of the untuned mixture is kept: a component that looks useless may cover an unseen region
TUNING, PILOT, LEAST, CHUNK = 20_000, 10_000, 20_000, 4096
SPARE = 1.1  # by how much more draws than the pilot finds necessary, since it may find too few
HALF_WIDTH = 0.01
Z95 = 1.959964
LARGEST_LOG_WEIGHT = 300.0  # its square is still a finite number
HOPELESS = 100  # take the least when this many times the allowed draws would be needed


@dataclass(frozen=True)
class Proposal:
    """A mixture of multivariate Student-t components.

    `share` ``(k,)`` sums to one; `centre` ``(k, dim)``; `scale` ``(k, dim, dim)`` are lower Cholesky factors;
    `dof` ``(k,)``.

    Example:
        >>> proposal = Proposal(np.ones(1), np.zeros((1, 2)), np.eye(2)[None], np.array([5.0]))
        >>> proposal.sample(4, np.random.default_rng(0)).shape, proposal.log_density(np.zeros((1, 2))).round(3).tolist()
        ((4, 2), [-1.838])
    """

    share: Array
    centre: Array
    scale: Array
    dof: Array

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Exactly ``n`` rows, stratified: each component gets its share of them, rounded at random."""
        edges = np.cumsum(self.share)
        which = np.searchsorted(edges / edges[-1], (np.arange(n) + rng.random()) / n).clip(max=len(edges) - 1)
        dim = self.centre.shape[1]
        noise = rng.standard_normal((n, dim)) / np.sqrt(rng.chisquare(self.dof[which]) / self.dof[which])[:, None]
        rows, ends = np.empty((n, dim)), np.cumsum(np.bincount(which, minlength=len(edges)))
        for k, (start, end) in enumerate(zip(np.append(0, ends), ends, strict=False)):
            rows[start:end] = self.centre[k] + noise[start:end] @ self.scale[k].T
        return rows

    def log_components(self, rows: Array) -> Array:
        """``(n, dim) -> (n, k)``: the log-density of each component."""
        dim = rows.shape[1]
        norm = gammaln((self.dof + dim) / 2) - gammaln(self.dof / 2) - 0.5 * dim * np.log(np.pi * self.dof)
        found = squared_distances(rows, self.centre, self.scale)
        found /= self.dof
        np.log1p(found, out=found)
        found *= -0.5 * (self.dof + dim)
        found += norm - log_volume(self.scale)
        return found

    def log_density(self, rows: Array) -> Array:
        """``(n, dim) -> (n,)`` in nats."""
        parts = [self.log_components(rows[i : i + PART]) + np.log(self.share) for i in range(0, len(rows), PART)]
        return np.concatenate([np.empty(0), *map(_log_sum, parts)])


def _log_sum(values: Array) -> Array:
    """The logarithm of the sum of exponentials ``(n, k) -> (n,)``; the values are overwritten."""
    highest = values.max(1)
    values -= np.where(np.isfinite(highest), highest, 0.0)[:, None]
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(values, out=values).sum(1)) + highest)


def fit_proposal(rows: Array, generated: Array, rng: np.random.Generator, components: int = COMPONENTS) -> Proposal:
    """A proposal for a density that was trained on `rows` and has drawn `generated`, both features ``(n, dim)``."""
    mixtures = [_fit(part, rng, components) for part in (rows, generated) if len(part) > rows.shape[1]]
    share = np.concatenate([m.share for m in mixtures]) * (1 - BROAD_SHARE) / len(mixtures)
    broad = _fit(np.concatenate([rows, generated]), rng, 1)
    return Proposal(
        np.append(share, BROAD_SHARE),
        np.concatenate([*(m.centre for m in mixtures), broad.centre]),
        np.concatenate([*(m.factor * WIDENING for m in mixtures), broad.factor * BROAD_WIDENING]),
        np.append(np.full(len(share), DOF), BROAD_DOF),
    )


def sharpen(proposal: Proposal, log_density: LogDensity, rows: Array, rng: np.random.Generator) -> Proposal:
    """Add components where the density most exceeds the proposal at `rows` ``(n, dim)`` of the model: at its peaks.

    Peaks that few components reach make few, heavy weights. The density is evaluated once per row.
    """
    claimed = np.concatenate(_in_chunks(log_density, rows))
    claimed = np.where(np.isfinite(claimed), claimed, -np.inf)
    for _ in range(PEAK_PASSES):
        highest = np.argsort(proposal.log_density(rows) - claimed)[: int(PEAK_ROWS * len(rows))]
        if len(highest) < ROWS_PER_COMPONENT * rows.shape[1]:
            break
        peaks = _fit(rows[highest], rng, PEAKS, ROWS_PER_PEAK)
        proposal = Proposal(
            np.append(proposal.share * (1 - PEAK_SHARE), peaks.share * PEAK_SHARE),
            np.concatenate([proposal.centre, peaks.centre]),
            np.concatenate([proposal.scale, peaks.factor * WIDENING]),
            np.append(proposal.dof, np.full(len(peaks.share), DOF)),
        )
    return proposal


def _fit(rows: Array, rng: np.random.Generator, components: int, each: int = ROWS_PER_COMPONENT) -> FittedMixture:
    used = rows[rng.permutation(len(rows))[:FIT_ROWS]]
    k = int(np.clip(len(used) // (each * used.shape[1]), 1, components))
    return fit_mixture(used, k, int(rng.integers(2**31)))


@dataclass(frozen=True)
class Mass:
    """The integral of a density with its standard error, and what is needed to judge it.

    `effective_share` is Kish's effective sample size over the draws that were used, `effective` that size; `draws`
    counts every evaluation. `tail_index` is the Pareto shape k of the largest weights: above 0.7 neither value nor
    error means much (arXiv:1507.02646), unless what that tail holds beyond the largest weight, `unseen`, is small, as
    that of weights that are all alike. `at_least` is a lower 97.5 % bound that holds whatever the tail, from clipped
    weights. `undefined` is the share of draws at which the density is no number. `rows` are draws from the normalised
    density (by resampling), ``(m, dim)``. `weights` ``(n,)`` are those of the draws, which are of `proposal`.

    Example:
        >>> mass = Mass(1.002, 0.004, 0.4, 8e4, 200_000, 0.2, 0.98, 0.0, np.zeros((0, 2)))
        >>> tuple(round(end, 3) for end in mass.interval)
        (0.994, 1.01)
    """

    value: float
    error: float
    effective_share: float
    effective: float
    draws: int
    tail_index: float
    at_least: float
    undefined: float
    rows: Array
    unseen: float = np.inf
    weights: Array = field(default_factory=lambda: np.empty(0))
    proposal: Proposal | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """At 95 %."""
        return self.value - Z95 * self.error, self.value + Z95 * self.error


def estimate_mass(
    log_density: LogDensity,
    proposal: Proposal,
    rng: np.random.Generator,
    max_draws: int,
    half_width: float = HALF_WIDTH,
    keep: int = 256,
) -> Mass:
    """Integrate ``exp(log_density)`` over all of space, ``(n, dim) -> (n,)`` in nats.

    A pilot says how many draws make the half-width of the 95 % interval `half_width` (relative where the mass exceeds
    1); exactly so many fresh ones are taken, or what is left of `max_draws`. `keep` is the size of `rows`.
    """
    tuning = min(TUNING, max_draws // 5)
    proposal = _tune(proposal, log_density, rng, tuning)
    pilot = min(PILOT, (max_draws - tuning) // 5)
    first = _weigh(log_density, proposal.sample(pilot, rng), proposal)[0] if pilot else np.empty(0)
    n = _scheduled(first, half_width, max_draws - tuning - pilot)
    rows = proposal.sample(n, rng)
    weights, missing = _weigh(log_density, rows, proposal)
    found = _summary(weights, missing / n, _resample(rows, weights, keep, rng))
    return replace(found, draws=tuning + pilot + n, proposal=proposal)


def _scheduled(pilot: Array, half_width: float, left: int) -> int:
    """How many draws are taken, of those that are left, by the scatter of the weights of a pilot."""
    if len(pilot) < PILOT / 5:
        return left
    needed = SPARE * pilot.var() * (Z95 / (half_width * max(1.0, pilot.mean()))) ** 2
    wanted = LEAST if needed > HOPELESS * left else max(needed, LEAST)
    return int(min(wanted, left))


def log_ratio(log_density: LogDensity, rows: Array, proposal: Proposal) -> Array:
    """How much more is claimed than the proposal has at rows ``(n, dim)``, in nats; NaN where nothing is."""
    return np.concatenate([np.empty(0), *_in_chunks(log_density, rows)]) - proposal.log_density(rows)


def _in_chunks(log_density: LogDensity, rows: Array) -> list[Array]:
    return [log_density(rows[i : i + CHUNK]) for i in range(0, len(rows), CHUNK)]


def _weigh(log_density: LogDensity, rows: Array, proposal: Proposal) -> tuple[Array, int]:
    """Importance weights ``(n,)`` of draws of the proposal, and how many of them are no number (and count as 0)."""
    return _exponentiated(log_ratio(log_density, rows, proposal))


def _exponentiated(log_weight: Array) -> tuple[Array, int]:
    undefined = np.isnan(log_weight) | (log_weight == np.inf)
    return np.exp(np.where(undefined, -np.inf, log_weight).clip(max=LARGEST_LOG_WEIGHT)), int(undefined.sum())


def _tune(proposal: Proposal, log_density: LogDensity, rng: np.random.Generator, n: int, steps: int = 20) -> Proposal:
    """Shift the shares towards the components that the density needs: EM for the mixture nearest to it."""
    if n < ROWS_PER_COMPONENT * len(proposal.share):
        return proposal
    rows = proposal.sample(n, rng)
    components = proposal.log_components(rows)
    density = _log_sum(components + np.log(proposal.share))
    weights, _ = _exponentiated(np.concatenate(_in_chunks(log_density, rows)) - density)
    if weights.sum() == 0:
        return proposal
    components -= density[:, None]
    ratio = np.exp(components, out=components)
    share = proposal.share
    for _ in range(steps):
        share = share * ((weights / (ratio @ share)) @ ratio) / weights.sum()
    return replace(proposal, share=OLD_WEIGHT * proposal.share + (1 - OLD_WEIGHT) * share)


def _resample(rows: Array, weights: Array, n: int, rng: np.random.Generator) -> Array:
    chance = weights[: len(rows)]
    if chance.sum() == 0:
        return rows[:0]
    return rows[rng.choice(len(rows), n, p=chance / chance.sum())]


def _summary(weights: Array, undefined: float, rows: Array) -> Mass:
    n, total = len(weights), float(weights.sum())
    effective = total**2 / float(np.square(weights).sum()) if total > 0 else 0.0
    cut, tail_index = _tail(weights)
    clipped = weights.clip(max=cut)
    return Mass(
        value=total / n,
        error=_standard_error(weights),
        effective_share=effective / n,
        effective=effective,
        draws=n,
        tail_index=tail_index,
        at_least=float(clipped.mean()) - Z95 * _standard_error(clipped),
        undefined=undefined,
        rows=rows,
        unseen=float(weights.max()) / (n * (1 - tail_index)) if tail_index < 1 else np.inf,
        weights=weights,
    )


def _standard_error(weights: Array) -> float:
    """That of the mean; a single weight says nothing of its scatter, and counts as uncertain by itself."""
    if len(weights) < 2:
        return float(weights.sum())
    return float(weights.std(ddof=1) / np.sqrt(len(weights)))


def _tail(weights: Array) -> tuple[float, float]:
    """Where the tail of the weights begins and its Pareto shape, with the tail size of arXiv:1507.02646."""
    n = len(weights)
    size = int(min(0.2 * n, 3 * np.sqrt(n)))
    top = np.sort(weights)[-size - 1 :]
    excess = top[1:] - top[0]
    if size < 5 or excess[-1] <= 1e-9 * top[0]:
        return float(top[0]), 0.0
    shape, _, _ = genpareto.fit(excess / excess.mean(), floc=0)
    return float(top[0]), float(shape)


def grid_mass(log_density: LogDensity, rows: Array, points: int) -> Estimate:
    """Integrate over a box around `rows` ``(n, dim)``, dim 1 or 2, on at most `points` grid points.

    The box is the range of the rows with half of it added on either side. The error is the difference to the same sum
    over every second point per axis.
    """
    low, high = rows.min(0), rows.max(0)
    margin, dim = 0.5 * (high - low), rows.shape[1]
    side = 2 * int(points ** (1 / dim) / 2)
    step = (high - low + 2 * margin) / side
    axes = [start + width * np.arange(side) for start, width in zip(low - margin, step, strict=True)]
    mesh = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], 1)
    claimed = np.concatenate(_in_chunks(log_density, mesh))
    heights = np.exp(np.nan_to_num(claimed, nan=-np.inf, posinf=-np.inf).clip(max=LARGEST_LOG_WEIGHT))
    table: NDArray[np.float64] = heights.reshape((side,) * dim)
    fine = float(table.sum() * step.prod())
    coarse = float(table[(slice(None, None, 2),) * dim].sum() * (2 * step).prod())
    return Estimate(value=fine, error=abs(fine - coarse), n=len(mesh), better="one")
