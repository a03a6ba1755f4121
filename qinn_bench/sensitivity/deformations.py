"""Deformations of true rows with one strength each: shift, rescaling, correlation, dropped mode and tail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from sklearn.cluster import KMeans

from qinn_bench.data.transforms import Columnwise, Identity, fitted
from qinn_bench.dataset import Column, Dataset
from qinn_bench.seeds import numpy_rng, seed_of
from qinn_bench.values import Array, Refused

DRAWN = 200_000
MODES = 8
FITTED = 20_000
BEYOND = 0.01
RowIndices = NDArray[np.intp]


@dataclass(frozen=True)
class Pool:
    """True rows ``(N, dim)`` to draw samples from, their features, and the mode ``(N,)`` that each belongs to.

    Example:
        >>> from qinn_bench import registry
        >>> source = pool(registry.make("data", registry.parse_use("moons[events=2000]")))
        >>> source.dim, source.rows.shape
        (2, (200000, 2))
    """

    data: Dataset
    rows: Array
    features: Array
    modes: KMeans
    labels: NDArray[np.int32]

    @property
    def dim(self) -> int:
        """Number of features of a row."""
        return int(self.features.shape[1])


class Draw(NamedTuple):
    """Which rows of a pool are the true sample, and which others are left to make the generated one from.

    Example:
        >>> from qinn_bench import registry
        >>> source = pool(registry.make("data", registry.parse_use("moons[events=2000]")))
        >>> drawn = draw(source, 100, np.random.default_rng(0))
        >>> len(drawn.truth), len(set(drawn.truth) & set(drawn.spare))
        (100, 0)
    """

    truth: RowIndices
    spare: RowIndices


class Planted(NamedTuple):
    """A generated sample ``(n, dim)`` with a known flaw, and its exact log-density at the true sample, if known.

    Example:
        >>> Planted(rows=np.zeros((3, 2)), log_prob=None).rows.shape
        (3, 2)
    """

    rows: Array
    log_prob: Array | None


class Deformation(NamedTuple):
    """A flaw with one strength between 0 (none) and `top`; `needs` counts the features that it takes.

    Example:
        >>> [one.name for one in DEFORMATIONS]
        ['shift', 'rescaling', 'correlation', 'dropped mode', 'tail']
    """

    name: str
    top: float
    plant: Callable[[Pool, Draw, float, np.random.Generator], Planted]
    needs: int = 1


def pool(data: Dataset) -> Pool:
    """All rows of a data set, or 200 000 fresh ones where its density is known, clustered into modes."""
    rows = np.concatenate([data.train, data.valid, data.test])
    if data.density is not None:
        rows = data.density.sample(DRAWN, numpy_rng("licence pool", data.name))
    return _pool(data, rows)


def marginal(whole: Pool, observable: str) -> Pool:
    """One observable of a pool as a data set of one column, its feature the standardised observable."""
    data = whole.data
    values = data.observables(whole.rows)[observable][:, None]
    plot = next(plot for plot in data.plots if plot.name == observable)
    alone = replace(
        data,
        columns=(Column(plot.name, plot.label, plot.unit),),
        train=values,
        transform=fitted((Columnwise((Identity(),)),), values),
        observables=lambda rows: {observable: rows[:, 0]},
        plots=(plot,),
        density=None,
        resonance=None,
    )
    return _pool(alone, values)


def _pool(data: Dataset, rows: Array) -> Pool:
    features = data.transform.forward(rows)[0]
    count = MODES if features.shape[1] > 1 else 2
    modes = KMeans(count, n_init=3, random_state=seed_of("licence modes", data.name) % 2**31).fit(features[:FITTED])
    return Pool(data, rows, features, modes, modes.predict(features))


def draw(source: Pool, n: int, rng: np.random.Generator) -> Draw:
    """A true sample of `n` rows and all others of the pool, in random order.

    Raises:
        Refused: the pool is too small for two samples of `n` rows.
    """
    if 2 * n > len(source.rows):
        most = len(source.rows) // 2
        raise Refused(f"data '{source.data.name}' has rows for two samples of {most} at most, {n} were asked for")
    order = rng.permutation(len(source.rows))
    return Draw(order[:n], order[n:])


def _plain(source: Pool, drawn: Draw, _strength: float, _rng: np.random.Generator) -> Planted:
    n = len(drawn.truth)
    return Planted(source.rows[drawn.spare[:n]], _log_density(source, source.rows[drawn.truth]))


def _shift(source: Pool, drawn: Draw, strength: float, rng: np.random.Generator) -> Planted:
    move = np.zeros(source.dim)
    move[rng.integers(source.dim)] = strength
    return _affine(source, drawn, np.ones(source.dim), move)


def _rescale(source: Pool, drawn: Draw, strength: float, rng: np.random.Generator) -> Planted:
    factor = np.ones(source.dim)
    factor[rng.integers(source.dim)] += strength
    return _affine(source, drawn, factor, source.features.mean(0) * (1 - factor))


def _affine(source: Pool, drawn: Draw, factor: Array, move: Array) -> Planted:
    """Features f go to f factor + move; the density follows from the change of variables."""
    n, transform = len(drawn.truth), source.data.transform
    rows = transform.inverse(source.features[drawn.spare[:n]] * factor + move)
    at, slope = transform.forward(source.rows[drawn.truth])
    origin = transform.inverse((at - move) / factor)
    log_prob = _log_density(source, origin)
    if log_prob is None:
        return Planted(rows, None)
    return Planted(rows, log_prob - transform.forward(origin)[1] + slope - np.log(factor).sum())


def _decorrelate(source: Pool, drawn: Draw, strength: float, rng: np.random.Generator) -> Planted:
    """Give one feature another order, so that the correlation of its normal scores with another falls by `strength`.

    The values of every feature stay the same; the copula is that of Iman and Conover (Commun. Stat. 11, 311 (1982)).
    """
    features = source.features[drawn.spare[: len(drawn.truth)]].copy()
    fixed, moved = rng.choice(source.dim, 2, replace=False)
    u, v = (norm.ppf((rankdata(features[:, k], "ordinal") - 0.5) / len(features)) for k in (fixed, moved))
    rho = float(np.corrcoef(u, v)[0, 1])
    wanted = rho - np.copysign(strength, rho)
    own = (v - rho * u) / np.sqrt(1 - rho**2)
    mixed = wanted * u + np.sqrt(max(1 - wanted**2, 0.0)) * own
    features[:, moved] = np.sort(features[:, moved])[rankdata(mixed, "ordinal").astype(np.intp) - 1]
    return Planted(source.data.transform.inverse(features), None)


def _drop(source: Pool, drawn: Draw, strength: float, rng: np.random.Generator) -> Planted:
    mode = int(rng.integers(source.modes.n_clusters))
    return _reweight(source, drawn, source.labels == mode, 1 - strength, rng)


def _fatten(source: Pool, drawn: Draw, strength: float, rng: np.random.Generator) -> Planted:
    column = source.features[:, rng.integers(source.dim)]
    return _reweight(source, drawn, column > np.quantile(column, 1 - BEYOND), 1 + strength, rng)


def _reweight(
    source: Pool, drawn: Draw, members: NDArray[np.bool_], weight: float, rng: np.random.Generator
) -> Planted:
    """Rows of which the members ``(N,)`` are `weight` times as likely as in truth, the others alike."""
    n, share = len(drawn.truth), float(members.mean())
    total = 1 - share + weight * share
    inside = int(rng.binomial(n, weight * share / total))
    spare = members[drawn.spare]
    picked = np.concatenate([drawn.spare[spare][:inside], drawn.spare[~spare][: n - inside]])
    if len(picked) < n:
        raise Refused(f"data '{source.data.name}' has too few rows for {n} with {inside} of them in one region")
    log_prob = _log_density(source, source.rows[drawn.truth])
    if log_prob is not None:
        with np.errstate(divide="ignore"):
            log_prob = log_prob + np.where(members[drawn.truth], np.log(weight), 0.0) - np.log(total)
    return Planted(source.rows[rng.permutation(picked)], log_prob)


def _log_density(source: Pool, rows: Array) -> Array | None:
    return None if source.data.density is None else source.data.density.log_density(rows)


NONE = Deformation("none", 0.0, _plain)
DEFORMATIONS: tuple[Deformation, ...] = (
    Deformation("shift", 1.0, _shift),
    Deformation("rescaling", 1.0, _rescale),
    Deformation("correlation", 1.0, _decorrelate, 2),
    Deformation("dropped mode", 1.0, _drop),
    Deformation("tail", 4.0, _fatten),
)
"""In standard deviations of one feature; relative; in the correlation of two features; as the missing share of one of
eight clusters (of two in one dimension); as the relative excess of the highest 1 % of one feature. The feature, the
pair or the cluster is drawn anew for every sample, so that a strength that is seen is seen wherever it sits."""
