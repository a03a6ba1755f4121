"""From rows to a data set: split in file order, fit the features on the training rows, take the fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.dataset import Column, Dataset, Density, Observable, Resonance, Transform
from qinn_bench.transforms import fitted
from qinn_bench.values import Array, Knobs, Refused

# Train, validation and test shares of arXiv:2302.12906.
TRAIN, VALID = 0.375, 0.125
FEWEST = 40


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
    density: Density | None = None,
    resonance: Resonance | None = None,
) -> Dataset:
    """Build a data set from independent rows ``(n, dim)``; `steps` lead to the features, which are then standardised.

    `knobs` are those that change what the data set is beyond its rows; they enter the fingerprint.

    Raises:
        Refused: fewer rows than a split needs.
    """
    if len(rows) < FEWEST:
        raise Refused(f"data '{name}' was asked for {len(rows)} events, but at least {FEWEST} are needed to split them")
    train, valid, test = split(rows)
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


def split(rows: Array) -> tuple[Array, Array, Array]:
    """The first 37.5 %, the next 12.5 % and the last 50 % of rows ``(n, dim)``, as float64."""
    rows = np.ascontiguousarray(rows, dtype=np.float64)
    first, second = round(TRAIN * len(rows)), round((TRAIN + VALID) * len(rows))
    return rows[:first], rows[first:second], rows[second:]


def fingerprint(name: str, knobs: Knobs, *arrays: Array) -> str:
    """SHA-256 of the name, the knobs, and the shapes and bytes of the arrays."""
    digest = hashlib.sha256(json.dumps([name, knobs], sort_keys=True).encode())
    for array in arrays:
        digest.update(repr(array.shape).encode() + array.tobytes())
    return digest.hexdigest()
