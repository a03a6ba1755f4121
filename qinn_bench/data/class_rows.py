"""Rows of images, of constituents and of numbers in two classes as data sets, with what can be computed of a row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.jets.images import PITCH, crystals_of
from qinn_bench.data.transforms import AsTheyAre
from qinn_bench.data.two_classes import Split, assemble_classes, split, within
from qinn_bench.dataset import Column, Dataset
from qinn_bench.values import Array, Knobs

LABELS = {
    **{"occupancy": "pixels above 0.1 %", "sum_over_max": "sum over maximum", "mass": "$m/p_T$", "width": "width"},
    **{"constituents": "constituents", "ptd": r"$p_T^D$"},
}
LIT = 1e-3
"""Pixels above this part of the largest count as lit."""
WIDE = 50.0
"""Angles beyond this are cut off before observables are computed, so that whatever a model draws gives finite ones."""


def pixel_set(
    name: str,
    knobs: Knobs,
    rows: Mapping[str, Array],
    mixed: bool,
    provenance: Mapping[str, Any],
    *,
    low: float = 0.0,
    extent: tuple[float, float] | None = None,
) -> Dataset:
    """Images ``(channels, height, width)`` between `low` and 1 of both classes, which models see as they are; they are
    as high and wide as `extent` says, in rad, where that is known."""
    background, signal = (split(name, label, drawn) for label, drawn in rows.items())
    return assemble_classes(
        name,
        knobs,
        background,
        signal,
        mixed=mixed,
        observables=_of_images,
        labels=LABELS,
        support=partial(within, low),
        provenance=provenance,
        extent=extent,
    )


def _of_images(rows: Array) -> dict[str, Array]:
    """The number of lit pixels, the sum over the maximum, and the width and m / pT that the pixels have."""
    flat = rows.sum(axis=1)
    count = (rows > LIT).any(axis=1).sum(axis=(1, 2)).astype(np.float64)
    size = PITCH * crystals_of(rows.shape[2]) / rows.shape[2]
    centres = size * (np.arange(rows.shape[2]) - (rows.shape[2] - 1) / 2)
    weight = np.maximum(flat, 0.0)
    total = np.maximum(weight.sum(axis=(1, 2)), 1e-300)
    first = weight.sum(axis=2) @ centres / total, weight.sum(axis=1) @ centres / total
    square = (weight * (centres[:, None] ** 2 + centres**2)).sum(axis=(1, 2)) / total
    width = (weight * np.hypot(centres[:, None], centres)).sum(axis=(1, 2)) / total
    # Of massless pixels near each other: m^2 is the sum over pairs of pT pT' Delta R^2.
    mass = np.sqrt(np.maximum(square - first[0] ** 2 - first[1] ** 2, 0.0))
    highest = np.maximum(flat.max(axis=(1, 2)), 1e-300)
    return {"occupancy": count, "sum_over_max": weight.sum(axis=(1, 2)) / highest, "width": width, "mass": mass}


def particle_set(
    name: str, knobs: Knobs, rows: Mapping[str, Array], mixed: bool, provenance: Mapping[str, Any]
) -> Dataset:
    """Constituents ``(n, particles, 3)``, hardest first, as rows ``(3 particles,)``; models see them as they are."""
    particles = next(iter(rows.values())).shape[1]
    columns = tuple(
        column
        for k in range(1, particles + 1)
        for column in (
            Column(f"pt_{k}", rf"$p_{{T,{k}}}/p_T$"),
            Column(f"eta_{k}", rf"$\Delta\eta_{{{k}}}$", "rad"),
            Column(f"phi_{k}", rf"$\Delta\phi_{{{k}}}$", "rad"),
        )
    )
    background, signal = (split(name, label, one.reshape(len(one), -1)) for label, one in rows.items())
    return assemble_classes(
        name,
        knobs,
        background,
        signal,
        mixed=mixed,
        observables=_of_constituents,
        labels=LABELS,
        support=_ordered,
        provenance=provenance,
        columns=columns,
    )


def _of_constituents(rows: Array) -> dict[str, Array]:
    """How many there are, and m / pT, width and pT-D of the massless sum of them."""
    pt, eta, phi = (part[:, :, 0] for part in np.split(rows.reshape(len(rows), -1, 3), 3, axis=2))
    pt, eta, phi = np.maximum(pt, 0.0), np.clip(eta, -WIDE, WIDE), np.clip(phi, -WIDE, WIDE)
    energy, along = (pt * np.cosh(eta)).sum(1), (pt * np.sinh(eta)).sum(1)
    across = (pt * np.cos(phi)).sum(1), (pt * np.sin(phi)).sum(1)
    mass2 = (energy - along) * (energy + along) - across[0] ** 2 - across[1] ** 2
    total = np.maximum(pt.sum(1), 1e-300)
    return {
        "constituents": (pt > 0).sum(1).astype(np.float64),
        "mass": np.sqrt(np.maximum(mass2, 0.0)),
        "width": (pt * np.hypot(eta, phi)).sum(1) / total,
        "ptd": np.sqrt((pt**2).sum(1)) / total,
    }


def _ordered(rows: Array) -> NDArray[np.bool_]:
    """Which rows have constituents in the order of their pT."""
    pt = rows[:, ::3]
    return np.asarray(np.isfinite(rows).all(axis=1) & (pt >= 0).all(axis=1) & (np.diff(pt, axis=1) <= 0).all(axis=1))


def number_set(
    name: str, knobs: Knobs, rows: Mapping[str, Array], mixed: bool, provenance: Mapping[str, Any], *, fixed: bool
) -> Dataset:
    """Rows of numbers that others have computed, x0, x1 and so on; standardised unless their scale is `fixed`."""
    background, signal = (split(name, label, one) for label, one in rows.items())
    return number_set_of(name, knobs, (background, signal), mixed, provenance, fixed=fixed)


def number_set_of(
    name: str, knobs: Knobs, parts: tuple[Split, Split], mixed: bool, provenance: Mapping[str, Any], *, fixed: bool
) -> Dataset:
    """Rows of numbers as in `number_set`, of a background and a signal that are split already."""
    background, signal = parts
    names = tuple(f"x{i}" for i in range(background.train.shape[1]))
    return assemble_classes(
        name,
        knobs,
        background,
        signal,
        mixed=mixed,
        observables=_no_observables,
        labels={},
        support=_finite,
        provenance=provenance,
        columns=tuple(Column(one, one) for one in names),
        transform=AsTheyAre() if fixed else (),
    )


def _no_observables(rows: Array) -> dict[str, Array]:  # noqa: ARG001
    return {}


def _finite(rows: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(rows).all(axis=1))
