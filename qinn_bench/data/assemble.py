"""From rows to a data set: split in their order, fit the features on the training rows, take the fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.transforms import Chain, fitted
from qinn_bench.dataset import Column, Dataset, KnownDensity, Observable, Resonance, Transform
from qinn_bench.values import Array, Knobs, Refused

# Train, validation and test shares of arXiv:2302.12906.
TRAIN, VALID = 0.375, 0.125
FEWEST = 40
ROUNDING = 4 * float(np.finfo(np.float64).eps)


class Shares(NamedTuple):
    """The shares of training and of validation rows; the others are test rows.

    Example:
        >>> [len(part) for part in Shares(0.5, 0.25).split(np.zeros((8, 2)))]
        [4, 2, 2]
    """

    train: float = TRAIN
    valid: float = VALID

    def split(self, rows: Array) -> tuple[Array, Array, Array]:
        """Rows ``(n, dim)`` in their order as training, validation and test rows, as float64."""
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        first, second = round(self.train * len(rows)), round((self.train + self.valid) * len(rows))
        return rows[:first], rows[first:second], rows[second:]


PUBLISHED = Shares()


def assemble(
    name: str,
    knobs: Knobs,
    rows: Array,
    *,
    columns: tuple[Column, ...],
    steps: Sequence[Transform],
    observables: Callable[[Array], dict[str, Array]],
    plots: tuple[Observable, ...],
    support: Callable[[Array], NDArray[np.bool_]],
    provenance: Mapping[str, Any],
    density: KnownDensity | None = None,
    resonance: Resonance | None = None,
    shares: Shares = PUBLISHED,
) -> Dataset:
    """Build a data set from independent rows ``(n, dim)``; `steps` lead to the features, which are then standardised.

    `knobs` are those that change what the data set is beyond its rows; they enter the fingerprint.

    Raises:
        Refused: fewer rows than a split needs, values or features that are not finite, or a feature without spread.
    """
    if len(rows) < FEWEST:
        raise Refused(f"data '{name}' was asked for {len(rows)} events, but at least {FEWEST} are needed to split them")
    _check_rows(name, columns, rows)
    train, valid, test = shares.split(rows)
    _check_features(name, columns, Chain(tuple(steps)), rows, len(train))
    return Dataset(
        name=name,
        columns=columns,
        train=train,
        valid=valid,
        test=test,
        transform=fitted(steps, train),
        observables=observables,
        plots=plots,
        support=support,
        fingerprint=fingerprint(name, knobs, train, valid, test),
        density=density,
        resonance=resonance,
        provenance=provenance,
    )


def _check_rows(name: str, columns: Sequence[Column], rows: Array) -> None:
    """Refuse values that are no finite numbers before anything is computed from them, naming all their columns."""
    bad = ~np.isfinite(rows)
    if bad.any():
        counts = [f"'{c.name}' in {n}" for c, n in zip(columns, bad.sum(0).tolist(), strict=True) if n]
        raise Refused(
            f"data '{name}': of {len(rows)} rows, values are not finite (NaN or infinite) in the columns: "
            f"{', '.join(counts)}; every value of a data set has to be a finite number"
        )


def _check_features(name: str, columns: Sequence[Column], steps: Transform, rows: Array, n_train: int) -> None:
    """Refuse rows outside the domain of the map to features, and a feature that cannot be standardised."""
    with np.errstate(all="ignore"):
        features = steps.forward(rows)[0]
        spread, largest = features[:n_train].std(0), np.abs(features[:n_train]).max(0)
    bad = (~np.isfinite(features)).sum(0)
    for i in np.flatnonzero(bad).tolist():
        raise Refused(
            f"data '{name}': {bad[i]} of {len(rows)} rows lie outside the domain of the map to features: feature {i}"
            f"{_of(columns, i)} is not finite there"
        )
    for i in np.flatnonzero(~(spread > ROUNDING * largest) | ~np.isfinite(spread)).tolist():
        raise Refused(
            f"data '{name}': feature {i}{_of(columns, i)} has a standard deviation of {spread[i]:g} in the training "
            "rows, so that it cannot be standardised; leave out a column that is constant, or give it another unit"
        )


def _of(columns: Sequence[Column], i: int) -> str:
    return f" (column '{columns[i].name}')" if i < len(columns) else ""


def fingerprint(name: str, knobs: Knobs, *arrays: Array) -> str:
    """SHA-256 of the name, the knobs, and the shapes and bytes of the arrays."""
    digest = hashlib.sha256(json.dumps([name, knobs], sort_keys=True).encode())
    for array in arrays:
        digest.update(repr(array.shape).encode() + array.tobytes())
    return digest.hexdigest()
