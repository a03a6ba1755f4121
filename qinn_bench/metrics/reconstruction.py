"""How far what a model makes of rows is from the rows: errors of features and pixels, structure, collapse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qinn_bench.dataset import Evidence, Metric
from qinn_bench.metrics._columns import bootstrapped, estimate, undefined
from qinn_bench.metrics._optional import library
from qinn_bench.values import Array, Direction, Estimate

COMPARED = 2000
"""Images whose structure is compared, at most."""
WINDOW = 7
"""Pixels along a side of the window in which structure is compared, or as many as fit."""
REPLICATES = 100


RowValues = dict[str, Array] | str
"""Columns that are means over background rows, as the values of the first of these rows ``(k,)``, NaN of those that
have none; or why there are none."""


def squared_errors(evidence: Evidence) -> RowValues:
    """What `mse` is the mean of."""
    pair = rebuilt_background(evidence)
    if isinstance(pair, str):
        return pair
    made, true = (evidence.data.transform.forward(rows)[0] for rows in pair)
    return {"mse": _of_each(np.square(made - true))}


def mse(evidence: Evidence) -> dict[str, Estimate]:
    """Mean squared difference between a number of a row and its reconstruction, over numbers and rows.

    The rows are the first test rows, as many as were rebuilt; where there are labels, only the background among them.
    Both are compared as features, standardised where the data set does so, so that no unit outweighs another; the error
    is that of the mean over rows. Labels matter because an autoencoder is to rebuild background and to fail at signal.
    """
    return means_of(squared_errors(evidence), ("mse",), "lower")


def absolute_errors(evidence: Evidence) -> RowValues:
    """What `pixel_error` is the mean of."""
    pair = rebuilt_background(evidence)
    return pair if isinstance(pair, str) else {"pixel_error": _of_each(np.abs(pair[0] - pair[1]))}


def pixel_error(evidence: Evidence) -> dict[str, Estimate]:
    """Mean absolute difference between a pixel and what it is rebuilt as, over pixels and background images."""
    return means_of(absolute_errors(evidence), ("pixel_error",), "lower")


def similarities(evidence: Evidence) -> RowValues:
    """What `ssim` is the mean of."""
    pair = rebuilt_background(evidence)
    metrics = library("skimage.metrics", "scikit-image")
    if isinstance(pair, str) or isinstance(metrics, str):
        return pair if isinstance(pair, str) else str(metrics)
    made, true = (rows[:COMPARED] for rows in pair)
    side = min(true.shape[-2:])
    window, span = min(WINDOW, side - 1 + side % 2), float(np.ptp(true))
    if window < 3 or span == 0:
        why = f"images of {side} pixels a side" if window < 3 else "true images of one even grey"
        return f"{why} have no structure to compare"
    alike = [
        metrics.structural_similarity(a, b, win_size=window, data_range=span, channel_axis=0)
        for a, b in zip(true, made, strict=True)
    ]
    return {"ssim": np.array(alike, dtype=np.float64)}


def ssim(evidence: Evidence) -> dict[str, Estimate]:
    """Structural similarity of background images and what is made of them: 1 if equal.

    Source: Wang, Bovik, Sheikh and Simoncelli, IEEE Trans. Image Process. 13, 600 (2004), as scikit-image has it: in
    windows of 7 pixels (or as many as fit, an odd number), averaged over channels, in units of the span of all true
    pixels. It is taken of the first images, 2000 at most.
    """
    return means_of(similarities(evidence), ("ssim",), "higher")


def collapse(evidence: Evidence) -> dict[str, Estimate]:
    """Sum of |a - b| over two reconstructions a and b of different rows, over that of the rows: 0 if all are alike.

    A model that rebuilds every row as the same mean image has collapsed. Rows are paired by one random order, each with
    the next; the error is the bootstrap of pairs.
    """
    pair = rebuilt_background(evidence)
    if isinstance(pair, str):
        return undefined(("collapse",), "", "one", pair)
    order = evidence.rng.permutation(len(pair[0]))
    made, true = (np.abs(rows[order] - rows[np.roll(order, 1)]).reshape(len(rows), -1).sum(1) for rows in pair)
    if not true.sum() > 0:
        return undefined(("collapse",), "", "one", "all rows are the same")
    picks = evidence.rng.integers(len(made), size=(REPLICATES * evidence.errors, len(made)))
    with np.errstate(invalid="ignore", divide="ignore"):
        replicates = made[picks].sum(1) / true[picks].sum(1)
    return {"collapse": bootstrapped(float(made.sum() / true.sum()), replicates, len(made), "", "one")}


def rebuilt_background(evidence: Evidence) -> tuple[Array, Array] | str:
    """What was made of the first background rows and these rows, each ``(n, *shape)``, or why there is nothing."""
    rebuilt = evidence.reconstructions
    if rebuilt is None:
        return "the model gives no reconstructions"
    kept = np.ones(len(rebuilt), dtype=bool) if evidence.labels is None else evidence.labels[: len(rebuilt)] == 0
    if kept.sum() < 2:
        return f"{int(kept.sum())} rows of background, at least 2 are needed"
    made = rebuilt[kept]
    if odd := int((~np.isfinite(made)).reshape(len(made), -1).any(1).sum()):
        return f"{odd} of {len(made)} rebuilt rows are not finite"
    return made, evidence.truth[: len(rebuilt)][kept]


def means_of(found: RowValues, names: Sequence[str], better: Direction) -> dict[str, Estimate]:
    """Columns as the means over their rows with the standard errors of these; without a value where rows are few."""
    if isinstance(found, str):
        return undefined(names, "", better, found)
    return {name: _mean(found[name], name, better) for name in names}


def _mean(values: Array, name: str, better: Direction) -> Estimate:
    there = values[~np.isnan(values)]
    lost = len(values) - len(there)
    note = f"without {lost} rows that have no value" if lost else ""
    if len(there) < 2:
        return undefined(
            (name,), "", better, f"{len(there)} of {len(values)} rows have a value, at least 2 are needed"
        )[name]
    return estimate(float(there.mean()), float(there.std(ddof=1) / np.sqrt(len(there))), len(there), "", better, note)


def _of_each(values: Array) -> Array:
    """The mean of each row of values ``(n, ...)``, ``(n,)``."""
    return np.asarray(values.reshape(len(values), -1).mean(1))


METRICS: tuple[Metric, ...] = (
    Metric(
        "mse",
        "mean squared error",
        "reconstructions",
        mse,
        better="lower",
        short="MSE",
        meaning="mean squared difference between a feature of a background row and what the model makes of it",
    ),
    Metric(
        "pixel_error",
        "mean absolute error of pixels",
        "reconstructions",
        pixel_error,
        better="lower",
        short="pixel error",
        meaning="mean absolute difference between a pixel of a background image and what the model makes of it",
        rows=("image", "voxels"),
    ),
    Metric(
        "ssim",
        "structural similarity",
        "reconstructions",
        ssim,
        better="higher",
        short="SSIM",
        meaning="structural similarity of background images and their reconstructions, 1 if equal",
        rows=("image",),
    ),
    Metric(
        "collapse",
        "how far reconstructions differ from each other",
        "reconstructions",
        collapse,
        better="one",
        short="spread kept",
        meaning="how far reconstructions of background rows differ from each other, over how far the rows do; 0 if all "
        "reconstructions are alike",
    ),
)
