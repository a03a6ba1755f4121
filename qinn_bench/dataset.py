"""What a data set is, and what a metric may look at: plain frozen values that hold arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from qinn_bench.values import Array, Estimate, Refused


class Transform(Protocol):
    """An invertible map from physical rows to the features a model sees."""

    def forward(self, rows: Array) -> tuple[Array, Array]:
        """``(n, dim) -> (n, dim), (n,)``: features and ``log |d features / d rows|`` in nats."""

    def inverse(self, features: Array) -> Array:
        """``(n, dim) -> (n, dim)``: the physical rows."""


class Density(Protocol):
    """A distribution over physical rows that is known exactly."""

    entropy: float

    def log_density(self, rows: Array) -> Array:
        """``(n, dim) -> (n,)`` in nats; minus infinity outside the support."""

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent rows, ``(n, dim)``."""


@dataclass(frozen=True)
class Column:
    """One coordinate of a physical row."""

    name: str
    label: str
    unit: str = ""


@dataclass(frozen=True)
class Observable:
    """A quantity computed from rows and compared by histogram on ``bins`` equal bins in [low, high]."""

    name: str
    label: str
    low: float
    high: float
    unit: str = ""
    bins: int = 50


@dataclass(frozen=True)
class Resonance:
    """A peak in an observable: nominal position and full width at half maximum, fitted within [low, high]."""

    observable: str
    mass: float
    width: float
    low: float
    high: float


@dataclass(frozen=True)
class Dataset:
    """Physical rows split into train, valid and test, with the map to features and what is known about them.

    `observables` maps rows ``(n, dim)`` to ``{name: (n,)}`` for every name in `plots`; `support` tells which rows
    lie inside the selection. `fingerprint` is the SHA-256 of the content.

    Raises:
        Refused: rows that are not finite numbers.
    """

    name: str
    columns: tuple[Column, ...]
    train: Array
    valid: Array
    test: Array
    transform: Transform
    observables: Callable[[Array], dict[str, Array]]
    plots: tuple[Observable, ...]
    support: Callable[[Array], NDArray[np.bool_]]
    fingerprint: str
    density: Density | None = None
    resonance: Resonance | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part, rows in (("training", self.train), ("validation", self.valid), ("test", self.test)):
            bad = ~np.isfinite(rows)
            for i in np.flatnonzero(bad.any(axis=0)):
                name = self.columns[i].name if i < len(self.columns) else f"number {i}"
                raise Refused(
                    f"data '{self.name}': column '{name}' is not finite in {int(bad[:, i].sum())} of the {len(rows)} "
                    f"{part} rows; every value of a data set has to be a finite number"
                )

    @property
    def dim(self) -> int:
        """Number of coordinates of a row."""
        return int(self.train.shape[1])


@dataclass(frozen=True)
class Evidence:
    """What a metric may look at: equally many true and generated physical rows, and log-densities of the test rows.

    `log_prob` ``(n_test,)`` is the model's claimed log-density of `data.test` in physical space, None without a
    density; `mass` is the integral of that density. Where `errors` is false only values are asked for, and a metric
    may leave out errors that take it long.
    """

    data: Dataset
    truth: Array
    generated: Array
    log_prob: Array | None
    mass: Estimate | None
    rng: np.random.Generator
    errors: bool = True


@dataclass(frozen=True)
class MetricColumn:
    """A column of a table that a metric fills: its name, its short heading, and what it means in half a sentence.

    A name that ends in ``*`` stands for a column for each observable, and so does the ``*`` of its heading. Columns
    that are not `shown` stand in a table only where they are asked for.
    """

    name: str
    short: str
    meaning: str = ""
    shown: bool = True


@dataclass(frozen=True)
class Metric:
    """A named quality figure; `compute` returns one estimate per column, each column name starting with `name`.

    `short` and `meaning` are those of its one column; a metric of several says them in `columns`, in the order that a
    table has them. A metric that says neither is shown whole, under the names of its columns.
    """

    name: str
    title: str
    needs: Literal["density", "samples"]
    compute: Callable[[Evidence], dict[str, Estimate]]
    short: str = ""
    meaning: str = ""
    columns: tuple[MetricColumn, ...] = ()
