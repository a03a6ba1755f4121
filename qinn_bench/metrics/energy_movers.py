"""The earth mover's distance between images and what a model makes of them, in pixels and in physical units."""

from __future__ import annotations

from typing import Any

import numpy as np

from qinn_bench.dataset import Evidence, Metric, MetricColumn
from qinn_bench.metrics._columns import undefined
from qinn_bench.metrics._optional import library
from qinn_bench.metrics.reconstruction import RowValues, means_of, rebuilt_background
from qinn_bench.values import Array, Estimate

NAMES = ("emd_pixels", "emd_physical")
RADIUS = 0.4
"""Pixels that it costs as much to move energy over as to lose it: that of the published figures."""
IMAGES = 400
"""Images whose distance is taken, at most, and fewer where they are large (`PAIRS`)."""
PAIRS = 4e7
"""Pairs of pixels of all images together, at most."""
FAINT = 1e-3
"""Share of an image's brightest pixel below which one counts as empty, in images of more than `SMALL` pixels."""
SMALL = 400


def distances_of(evidence: Evidence) -> RowValues:
    """What the columns of `emd` are means of; an image that is empty has no `emd_physical`."""
    pair = rebuilt_background(evidence)
    ot = library("ot", "POT")
    if isinstance(pair, str) or isinstance(ot, str):
        return pair if isinstance(pair, str) else str(ot)
    height, width = evidence.data.shape[-2:]
    some = slice(max(2, min(IMAGES, int(PAIRS / (height * width) ** 2))))
    made, true = (_energies(rows[some]) for rows in pair)
    places = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1).reshape(-1, 2).astype(float)
    pixels = [_energy_distance(ot, a, b, places) for a, b in zip(true, made, strict=True)]
    found = {"emd_pixels": np.array(pixels, dtype=np.float64)}
    if evidence.data.extent is not None:
        steps = np.array(evidence.data.extent) / (height, width)
        moved = [_mean_path(ot, a, b, places * steps) for a, b in zip(true, made, strict=True)]
        found["emd_physical"] = np.array(moved, dtype=np.float64)
    return found


def emd(evidence: Evidence) -> dict[str, Estimate]:
    """Energy mover's distance of background images and their reconstructions, channels added up; pixels are energies.

    `emd_pixels` is the distance of arXiv:1902.02346, min sum f_ij theta_ij / R + |difference of the totals|, with
    distances in pixels, R = 0.4 pixels and images as they are: that of the published autoencoders of quark and gluon
    jets. `emd_physical` is the angle, or other unit of the data set's `extent`, that energy has to be moved by on
    average where both images are scaled to the same total. Solved exactly (POT), of the first images, 400 at most;
    pixels below 0 count as empty, and so do those below 0.1 % of the brightest in images of more than 400 pixels. The
    errors are those of the mean over images.
    """
    found = distances_of(evidence)
    if isinstance(found, str) or evidence.data.extent is not None:
        return means_of(found, NAMES, "lower")
    why = "the data set does not say how large an image is"
    return means_of(found, NAMES[:1], "lower") | undefined(NAMES[1:], "", "lower", why)


def _energies(images: Array) -> Array:
    """Images ``(n, channels, height, width)`` as energies of pixels ``(n, height * width)``."""
    energies = np.maximum(images, 0).sum(1).reshape(len(images), -1)
    if energies.shape[1] > SMALL:
        energies = np.where(energies >= FAINT * energies.max(1, keepdims=True), energies, 0.0)
    return np.asarray(energies)


def _energy_distance(ot: Any, true: Array, made: Array, places: Array) -> float:
    """The distance of energies ``(k,)`` of pixels at `places` ``(k, 2)``; what one side lacks is lost at cost 1."""
    scale = max(float(true.sum()), float(made.sum()))
    if scale == 0 or min(true.sum(), made.sum()) == 0:
        return scale
    (a, here), (b, there) = ((side[side > 0], places[side > 0]) for side in (true, made))
    cost = np.linalg.norm(here[:, None] - there[None], axis=2) / RADIUS
    missing = float(a.sum() - b.sum())
    if missing > 0:
        b, cost = np.append(b, missing), np.pad(cost, ((0, 0), (0, 1)), constant_values=1.0)
    elif missing < 0:
        a, cost = np.append(a, -missing), np.pad(cost, ((0, 1), (0, 0)), constant_values=1.0)
    return scale * float(ot.emd2(a / a.sum(), b / b.sum(), cost))


def _mean_path(ot: Any, true: Array, made: Array, places: Array) -> float:
    """How far energy is moved on average between energies ``(k,)`` at `places` ``(k, 2)``; NaN of an empty image."""
    if min(true.sum(), made.sum()) == 0:
        return float("nan")
    (a, here), (b, there) = ((side[side > 0], places[side > 0]) for side in (true, made))
    return float(ot.emd2(a / a.sum(), b / b.sum(), np.linalg.norm(here[:, None] - there[None], axis=2)))


METRICS: tuple[Metric, ...] = (
    Metric(
        "emd",
        "energy mover's distance of images and their reconstructions",
        "reconstructions",
        emd,
        better="lower",
        rows=("image",),
        columns=(
            MetricColumn(
                "emd_pixels",
                "EMD",
                "energy mover's distance of background images and their reconstructions, R = 0.4 pixels",
            ),
            MetricColumn(
                "emd_physical",
                "EMD, physical",
                "how far energy is moved on average from background images to reconstructions of the same total, in "
                "units of the image",
                shown=False,
            ),
        ),
    ),
)
