"""The shape that all toys share: rows drawn from an exact density, by a generator seeded with the toy's name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.assemble import FEWEST, assemble
from qinn_bench.data.transforms import Columnwise, Identity
from qinn_bench.dataset import Column, Dataset, KnownDensity, Observable
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Knobs, Refused

PLANE = (Column("x", "$x$"), Column("y", "$y$"))


def toy(name: str, knobs: Knobs, density: KnownDensity, events: int, description: str, **parts: Any) -> Dataset:
    """A data set of `events` rows of `density`; `parts` are what `assemble` takes.

    Raises:
        Refused: fewer events than a split needs.
    """
    if events < FEWEST:
        raise Refused(f"data '{name}': events is {events}, but at least {FEWEST} are needed to split them")
    rows = density.sample(events, numpy_rng("data", name))
    provenance = {"description": description, "events": events, "entropy_nats": density.entropy}
    return assemble(name, knobs, rows, density=density, provenance=provenance, **parts)


def plane_toy(
    name: str, density: KnownDensity, events: int, box: tuple[float, float, float, float], about: str
) -> Dataset:
    """A toy in the plane with features x and y; `box` is the range (x low, x high, y low, y high) of its plots."""
    plots = (Observable("x", "$x$", *box[:2]), Observable("y", "$y$", *box[2:]))
    return toy(
        name,
        {},
        density,
        events,
        about,
        columns=PLANE,
        steps=(Columnwise((Identity(), Identity())),),
        observables=_xy,
        plots=plots,
        support=_everywhere,
    )


def log_normal_density(x: Array, mean: Array | float, sigma: float) -> Array:
    """Log-density of the normal distribution N(mean, sigma^2) at x, elementwise."""
    return np.asarray(-0.5 * ((x - mean) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi))


def _xy(rows: Array) -> dict[str, Array]:
    return {"x": rows[:, 0], "y": rows[:, 1]}


def _everywhere(rows: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(rows).all(axis=1))
