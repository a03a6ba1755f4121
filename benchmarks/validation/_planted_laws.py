"""Densities whose claimed mass is known in closed form: right ones, and planted defects of several kinds and sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree
from scipy.special import log_ndtr, logsumexp

Rows = np.ndarray
SIZES = (0.01, 0.06, 0.15, 0.5)
"""Mass that a defect adds to 1."""
FACTORS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.01, 1.02, 1.05, 1.1, 1.2, 1.5)
CUTS = (0.01, 0.06, 0.15, 0.5)
DIMS = (2, 4)
OWN, DATA = 2500, 1600
REPEATS = 2


class Planted(NamedTuple):
    """A density as it is claimed, its true mass, rows of the data, and rows that the model draws.

    `visited` says whether the model's own rows lie in the defect, as often as the density claims.
    """

    kind: str
    mass: float
    visited: bool
    dim: int
    log_density: Callable[[Rows], Rows]
    data: Rows
    own: Rows


class Defect(NamedTuple):
    """The log-density of what is added, normalised, and rows of it, made from rows of the data."""

    log_density: Callable[[Rows], Rows]
    draw: Callable[[Rows], Rows]


def all_planted() -> Iterator[Planted]:
    """Every planted density, in an order that does not change; each has a seed of its own."""
    for dim in DIMS:
        for k, kind in enumerate(DEFECTS):
            for size in SIZES:
                for visited in (True, False):
                    yield added(kind, size, visited, dim, np.random.default_rng([1, k, dim, int(100 * size), visited]))
        for factor in FACTORS:
            yield scaled(factor, dim, np.random.default_rng([2, dim, int(100 * factor)]))
        for size in CUTS:
            yield cut(size, dim, np.random.default_rng([3, dim, int(100 * size)]))
        for k, kind in enumerate(RIGHT):
            for repeat in range(REPEATS):
                yield right(kind, dim, np.random.default_rng([4, k, dim, repeat]))


def _bend(x: Rows, sign: float) -> Rows:
    """The banana map: the last coordinate is moved by the square of the first, which keeps volumes."""
    y = x.copy()
    y[:, -1] += sign * 0.4 * (x[:, 0] ** 2 - 1)
    return y


def base(dim: int) -> tuple[Callable[[Rows], Rows], Callable[[int, np.random.Generator], Rows]]:
    """What defects are added to: a bent normal."""
    return (
        lambda x: stats.norm.logpdf(_bend(x, -1)).sum(1),
        lambda n, rng: _bend(rng.normal(size=(n, dim)), 1),
    )


def _normals(centres: Rows, widths: Rows, rng: np.random.Generator) -> Defect:
    """A mixture of normals of equal shares, with widths ``(dim,)`` for each coordinate."""
    tree, norm = cKDTree(centres / widths), np.log(widths).sum() + 0.5 * len(widths) * np.log(2 * np.pi)
    near = min(8, len(centres))

    def log_density(x: Rows) -> Rows:
        distances = tree.query(x / widths, k=[*range(1, near + 1)])[0]
        return logsumexp(-0.5 * distances**2, axis=1) - norm - np.log(len(centres))

    def draw(rows: Rows) -> Rows:
        return centres[rng.integers(len(centres), size=len(rows))] + widths * rng.normal(size=rows.shape)

    return Defect(log_density, draw)


def _spikes(number: int, off: bool) -> Callable[[int, np.random.Generator], Defect]:
    def make(dim: int, rng: np.random.Generator) -> Defect:
        centres = base(dim)[1](number, rng)
        if off:
            directions = rng.normal(size=(number, dim))
            centres = 7 * directions / np.linalg.norm(directions, axis=1)[:, None]
        return _normals(centres, np.full(dim, 1e-4), rng)

    return make


def _atom(dim: int, rng: np.random.Generator) -> Defect:
    return _normals(np.full((1, dim), 0.3), np.full(dim, 1e-7), rng)


def _tiny_mode(dim: int, rng: np.random.Generator) -> Defect:
    return _normals(np.full((1, dim), 9.0), np.full(dim, 0.02), rng)


def _far_tail(dim: int, rng: np.random.Generator) -> Defect:
    return _normals(np.zeros((1, dim)), np.full(dim, 300.0), rng)


def _out_of_reach(dim: int, rng: np.random.Generator) -> Defect:
    return _normals(np.full((1, dim), 1e6), np.full(dim, 10.0), rng)


def _ridge(dim: int, rng: np.random.Generator) -> Defect:
    return _normals(np.full((1, dim), 0.5), np.append(np.ones(dim - 1), 1e-5), rng)


def _lattice(dim: int, rng: np.random.Generator) -> Defect:
    """The bent normal on a share of 1e-4 of the plane of the first two coordinates: small cells on a fine lattice."""
    step, part, (log_base, _) = 1e-3, 0.01, base(dim)

    def on(x: Rows) -> Rows:
        return ((x[:, :2] / step) % 1 < part).all(1)

    def draw(rows: Rows) -> Rows:
        rows = rows.copy()
        rows[:, :2] = (np.floor(rows[:, :2] / step) + part * rng.random((len(rows), 2))) * step
        return rows

    return Defect(lambda x: np.where(on(x), log_base(x) - 2 * np.log(part), -np.inf), draw)


DEFECTS: dict[str, Callable[[int, np.random.Generator], Defect]] = {
    "30 spikes on the data": _spikes(30, off=False),
    "1000 spikes on the data": _spikes(1000, off=False),
    "1000 spikes off the data": _spikes(1000, off=True),
    "lattice": _lattice,
    "atom": _atom,
    "far tail": _far_tail,
    "out of reach": _out_of_reach,
    "narrow ridge": _ridge,
    "tiny mode": _tiny_mode,
}


def added(kind: str, size: float, visited: bool, dim: int, rng: np.random.Generator) -> Planted:
    """The bent normal with a defect of mass `size` added to it."""
    (log_base, draw), defect = base(dim), DEFECTS[kind](dim, rng)

    def log_density(x: Rows) -> Rows:
        return np.logaddexp(log_base(x), np.log(size) + defect.log_density(x))

    own = draw(OWN, rng)
    if visited:
        there = rng.random(OWN) < size / (1 + size)
        own[there] = defect.draw(own[there])
    return Planted(kind, 1 + size, visited, dim, log_density, draw(DATA, rng), own)


def scaled(factor: float, dim: int, rng: np.random.Generator) -> Planted:
    """The bent normal times a factor."""
    log_base, draw = base(dim)
    return Planted(
        "wrong by a factor",
        factor,
        True,
        dim,
        lambda x: log_base(x) + np.log(factor),
        draw(DATA, rng),
        draw(OWN, rng),
    )


def cut(size: float, dim: int, rng: np.random.Generator) -> Planted:
    """The bent normal without the half-space that holds the share `size` of it, as of latents without a pre-image."""
    (log_base, draw), edge = base(dim), stats.norm.isf(size)
    own = draw(4 * OWN, rng)
    return Planted(
        "cut off",
        1 - size,
        True,
        dim,
        lambda x: np.where(x[:, 0] < edge, log_base(x), -np.inf),
        draw(DATA, rng),
        own[own[:, 0] < edge][:OWN],
    )


def _student(dim: int) -> tuple[Callable[[Rows], Rows], Callable[[int, np.random.Generator], Rows]]:
    law = stats.multivariate_t(shape=np.eye(dim) + 0.5, df=3)
    return law.logpdf, lambda n, rng: law.rvs(n, random_state=rng)


def _modes(dim: int) -> tuple[Callable[[Rows], Rows], Callable[[int, np.random.Generator], Rows]]:
    centres = 3 * np.random.default_rng(dim).normal(size=(6, dim))
    laws = [stats.multivariate_normal(centre, 0.05 * np.eye(dim)) for centre in centres]
    return (
        lambda x: logsumexp([law.logpdf(x) for law in laws], axis=0) - np.log(len(laws)),
        lambda n, rng: centres[rng.integers(len(centres), size=n)] + np.sqrt(0.05) * rng.normal(size=(n, dim)),
    )


def _box(dim: int) -> tuple[Callable[[Rows], Rows], Callable[[int, np.random.Generator], Rows]]:
    return (
        lambda x: np.where((np.abs(x) < 1).all(1), -dim * np.log(2), -np.inf),
        lambda n, rng: rng.uniform(-1, 1, (n, dim)),
    )


def _funnel(dim: int) -> tuple[Callable[[Rows], Rows], Callable[[int, np.random.Generator], Rows]]:
    def log_density(x: Rows) -> Rows:
        first, scale = x[:, 0], np.exp(x[:, :1].clip(-200, 200) / 2)
        return stats.norm.logpdf(first) + stats.norm.logpdf(x[:, 1:], scale=scale).sum(1)

    def draw(n: int, rng: np.random.Generator) -> Rows:
        x = rng.normal(size=(n, dim))
        x[:, 1:] *= np.exp(x[:, :1] / 2)
        return x

    return log_density, draw


def _skew(dim: int) -> tuple[Callable[[Rows], Rows], Callable[[int, np.random.Generator], Rows]]:
    """Skew normals: 2 N(x) Phi(4 x) in each coordinate."""

    def draw(n: int, rng: np.random.Generator) -> Rows:
        hidden, free = np.abs(rng.normal(size=(n, dim))), rng.normal(size=(n, dim))
        return (4 * hidden + free) / np.sqrt(17)

    return lambda x: (np.log(2) + stats.norm.logpdf(x) + log_ndtr(4 * x)).sum(1), draw


def _thin_sheet(dim: int) -> tuple[Callable[[Rows], Rows], Callable[[int, np.random.Generator], Rows]]:
    """A normal in all coordinates but the last, which is within 0.02 of the sine of the first."""

    def log_density(x: Rows) -> Rows:
        off = x[:, -1] - np.sin(2 * x[:, 0])
        return stats.norm.logpdf(x[:, :-1]).sum(1) + stats.norm.logpdf(off, scale=0.02)

    def draw(n: int, rng: np.random.Generator) -> Rows:
        x = rng.normal(size=(n, dim))
        x[:, -1] = np.sin(2 * x[:, 0]) + 0.02 * x[:, -1]
        return x

    return log_density, draw


RIGHT = {
    "bent normal": base,
    "Student t with 3": _student,
    "six modes": _modes,
    "box": _box,
    "funnel": _funnel,
    "skew normal": _skew,
    "thin sheet": _thin_sheet,
}


def right(kind: str, dim: int, rng: np.random.Generator) -> Planted:
    """A density that integrates to 1, whose data and own rows are of it."""
    log_density, draw = RIGHT[kind](dim)
    return Planted(f"right: {kind}", 1.0, True, dim, log_density, draw(DATA, rng), draw(OWN, rng))
