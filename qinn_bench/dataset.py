"""What a data set is, and what a metric may look at: plain frozen values that hold arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from qinn_bench.calorimeter import ShowerRows
from qinn_bench.values import Array, Direction, Estimate, Refused, RowKind

AXES: dict[RowKind, int] = {"flat": 1, "image": 3, "voxels": 4}
"""How many axes a row of each kind has."""

Needs = Literal["density", "samples", "scores", "reconstructions", "words"]
OF_LIKELIHOODS = ("nats", "bits")
"""The kinds of `Metric.row_loss` that are made of log-densities."""
PARTS = ("training", "validation", "test")


class Transform(Protocol):
    """An invertible map from physical rows to the features a model sees."""

    def forward(self, rows: Array) -> tuple[Array, Array]:
        """``(n, dim) -> (n, dim), (n,)``: features and ``log |d features / d rows|``, or NaN where it is not needed."""

    def inverse(self, features: Array) -> Array:
        """``(n, dim) -> (n, dim)``: the physical rows."""


class KnownDensity(Protocol):
    """A distribution over physical rows that is known exactly."""

    entropy: float

    def log_density(self, rows: Array) -> Array:
        """``(n, dim) -> (n,)`` in nats; minus infinity outside the support."""

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent rows, ``(n, dim)``."""


@dataclass(frozen=True)
class Column:
    """One coordinate of a physical row.

    Example:
        >>> Column("m_ll", "dimuon mass", "GeV").unit
        'GeV'
    """

    name: str
    label: str
    unit: str = ""


@dataclass(frozen=True)
class Observable:
    """A quantity computed from rows and compared by histogram on ``bins`` equal bins in [low, high].

    One that `falls` spans orders of magnitude, as transverse momenta do, and is drawn on a logarithmic scale.

    Example:
        >>> Observable("m_ll", "dimuon mass", 71.0, 111.0, "GeV").bins
        50
    """

    name: str
    label: str
    low: float
    high: float
    unit: str = ""
    bins: int = 50
    falls: bool = False


@dataclass(frozen=True)
class Resonance:
    """A peak in an observable: nominal position and full width at half maximum, fitted within [low, high].

    Example:
        >>> Resonance("m_ll", mass=91.2, width=2.5, low=71.0, high=111.0).observable
        'm_ll'
    """

    observable: str
    mass: float
    width: float
    low: float
    high: float


class Parts(NamedTuple):
    """What is known of each training, validation and test row beside its features, ``(n,)`` or ``(n, c)`` each.

    Example:
        >>> Parts(train=np.zeros(8), valid=np.zeros(2), test=np.array([0.0, 1.0])).test.tolist()
        [0.0, 1.0]
    """

    train: Array
    valid: Array
    test: Array


@dataclass(frozen=True)
class Dataset:
    """Physical rows split into train, valid and test, with the map to features and what is known about them.

    Rows are ``(n, dim)``, or ``(n, channels, height, width)`` of images, or ``(n, channels, layers, angles, radii)`` of
    voxels. `observables` maps rows to ``{name: (n,)}`` for every name in `plots`; `support` tells which rows lie inside
    the selection. `labels` say what a row is, 0 background and 1 signal: test rows hold both, training rows of a search
    for anomalies are background. `conditions`, such as an incident energy, are what rows are generated for, in
    units of order one. `extent`: how high and wide images are; `showers`: how rows are; `fingerprint`: their SHA-256.

    Raises:
        Refused: rows of no known kind, rows, labels or conditions that are not finite numbers, or other than one a row.

    Example:
        >>> from qinn_bench import registry
        >>> data = registry.make("data", registry.parse_use("moons[events=400]"))
        >>> data.shape, data.kind, data.condition_dim, len(data.train) + len(data.valid) + len(data.test)
        ((2,), 'flat', 0, 400)
        >>> features, logdet = data.transform.forward(data.test)
        >>> bool(np.allclose(data.transform.inverse(features), data.test))
        True
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
    density: KnownDensity | None = None
    resonance: Resonance | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    labels: Parts | None = None
    conditions: Parts | None = None
    extent: tuple[float, float] | None = None
    showers: ShowerRows | None = None

    def __post_init__(self) -> None:
        if len(self.shape) not in AXES.values():
            known = ", ".join(f"{axes} ({kind})" for kind, axes in AXES.items())
            raise Refused(f"data '{self.name}': its rows have {len(self.shape)} axes; there are rows of {known}")
        for part, rows in zip(PARTS, (self.train, self.valid, self.test), strict=True):
            bad = ~np.isfinite(rows.reshape(len(rows), prod(rows.shape[1:])))
            for i in np.flatnonzero(bad.any(axis=0)):
                name = self.columns[i].name if i < len(self.columns) else f"number {i}"
                raise Refused(
                    f"data '{self.name}': column '{name}' is not finite in {int(bad[:, i].sum())} of the {len(rows)} "
                    f"{part} rows; every value of a data set has to be a finite number"
                )
        for name, beside in (("labels", self.labels), ("conditions", self.conditions)):
            if beside is not None:
                self._check_beside(name, beside)

    def _check_beside(self, name: str, beside: Parts) -> None:
        """That there is a finite label or condition for every row, in the shape that is expected."""
        axes = 1 if name == "labels" else 2
        for part, rows, values in zip(PARTS, (self.train, self.valid, self.test), beside, strict=True):
            if values.ndim != axes or len(values) != len(rows) or not np.isfinite(values).all():
                raise Refused(
                    f"data '{self.name}': the {name} of the {part} rows have the shape {values.shape}, or are not "
                    f"finite; {axes} axes with a finite number for each of {len(rows)} rows were expected"
                )
            if name == "conditions" and values.shape[1:] not in {beside.train.shape[1:]} - {(0,)}:
                raise Refused(
                    f"data '{self.name}': the {part} rows have {values.shape[1]} conditions each and the training rows "
                    f"{beside.train.shape[1]}; equally many were expected, at least one"
                )
            if name == "labels" and not np.isin(values, (0, 1)).all():
                raise Refused(f"data '{self.name}': a label of the {part} rows is neither 0 (background) nor 1")

    @property
    def content(self) -> str:
        """The fingerprint of the rows and, where there are some, of their labels and conditions."""
        beside = [part for parts in (self.labels, self.conditions) if parts is not None for part in parts]
        if not beside:
            return self.fingerprint
        digest = hashlib.sha256(self.fingerprint.encode())
        for part in beside:
            digest.update(repr(part.shape).encode() + np.ascontiguousarray(part, dtype=np.float64).tobytes())
        return digest.hexdigest()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row."""
        return tuple(map(int, self.train.shape[1:]))

    @property
    def kind(self) -> RowKind:
        """What a row is."""
        return next(kind for kind in get_args(RowKind) if AXES[kind] == len(self.shape))

    @property
    def dim(self) -> int:
        """Number of coordinates of a row."""
        return prod(self.shape)

    @property
    def condition_dim(self) -> int:
        """Number of conditions of a row; 0 where rows have none."""
        return 0 if self.conditions is None else int(self.conditions.train.shape[1])


@dataclass(frozen=True)
class Evidence:
    """What a metric may look at: true and generated physical rows, and what a model says of the test rows.

    `truth` are the first test rows, as many as were `generated`, one for each condition where there are some. What a
    model does not give is None: `log_prob` ``(n_test,)`` is its claimed log-density of `data.test` in physical space,
    `mass` the integral of that density, `scores` ``(n_test,)`` say how anomalous the test rows are (of a density
    without scores minus its log-densities), `reconstructions` are what it makes of `truth`, `word_means` ``(2, words)``
    the means of words of its bits and their squares. Without `errors` only values are asked for.

    Example:
        >>> from qinn_bench import registry
        >>> data = registry.make("data", registry.parse_use("moons[events=400]"))
        >>> rows = data.test[:20]
        >>> evidence = Evidence(data, truth=rows, generated=rows, log_prob=None, mass=None,
        ...     rng=np.random.default_rng(0))
        >>> evidence.labels is None
        True
    """

    data: Dataset
    truth: Array
    generated: Array
    log_prob: Array | None
    mass: Estimate | None
    rng: np.random.Generator
    errors: bool = True
    scores: Array | None = None
    reconstructions: Array | None = None
    word_means: Array | None = None

    @property
    def labels(self) -> Array | None:
        """What the test rows are, ``(n_test,)``; None where the data set does not say."""
        return None if self.data.labels is None else self.data.labels.test


@dataclass(frozen=True)
class MetricColumn:
    """A column of a table that a metric fills: its name, its short heading, and what it means in half a sentence.

    A name that ends in ``*`` stands for a column for each observable, and so does the ``*`` of its heading. Columns
    that are not `shown` stand in a table only where they are asked for. `better` is said where it is not that of the
    metric.

    Example:
        >>> MetricColumn("w1_*", "W₁ *", "Wasserstein-1 distance of an observable").shown
        True
    """

    name: str
    short: str
    meaning: str = ""
    shown: bool = True
    better: Direction | None = None


@dataclass(frozen=True)
class Metric:
    """A named quality figure; `compute` returns one estimate per column, each column name starting with `name`.

    `short` and `meaning` are those of its one column; a metric of several says them in `columns`, in the order that a
    table has them. A metric that says neither is shown whole, under the names of its columns.

    All that is asked of a metric is stated here, and nowhere read off its name:
    * `better` is the direction of its columns; an estimate without a direction of its own gets it;
    * `unbiased_square`: it estimates without bias what is never negative, a squared distance or a divergence, so that a
      value far below zero is too good to be true;
    * `row_loss`: its value is a mean over the test rows, so that these can be paired too: of minus their log-densities,
      up to a constant that all models share, in ``nats`` or in ``bits`` for each coordinate, or of the ``placements``
      of their scores, as the area under a ROC curve is (`statistics.roc_curves.row_values`);
    * `rows`: the kinds of rows that it is taken of, all if none; `of_showers`, `of_bits`: these alone; `slow`: once.

    Example:
        >>> from qinn_bench import registry
        >>> data = registry.make("data", registry.parse_use("moons[events=400]"))
        >>> def spread(evidence):
        ...     return {"spread": Estimate(value=float(abs(evidence.truth.std() - evidence.generated.std())),
        ...     better="lower")}
        >>> metric = Metric("spread", "difference of standard deviations", "samples", spread)
        >>> evidence = Evidence(data, data.test, data.test, None, None, np.random.default_rng(0))
        >>> metric.compute(evidence)["spread"].value
        0.0
    """

    name: str
    title: str
    needs: Needs
    compute: Callable[[Evidence], dict[str, Estimate]]
    short: str = ""
    meaning: str = ""
    columns: tuple[MetricColumn, ...] = ()
    better: Direction = "none"
    unbiased_square: bool = False
    row_loss: Literal["", "nats", "bits", "placements"] = ""
    rows: tuple[RowKind, ...] = ()
    of_showers: bool = False
    of_bits: bool = False
    slow: bool = False

    @property
    def stated(self) -> tuple[MetricColumn, ...]:
        """The columns that it states, its only one included."""
        return columns_stated(self.name, self.short, self.meaning, self.columns)

    def better_of(self, column: str) -> Direction:
        """The direction that is better of one of its columns.

        Example:
            >>> ratios = MetricColumn("r_*", "r *", better="one")
            >>> metric = Metric("r", "ratio", "samples", dict, columns=(ratios,), better="lower")
            >>> metric.better_of("r_pt"), metric.better_of("r")
            ('one', 'lower')
        """
        declared = column_named(column, self.columns)
        return self.better if declared is None or declared.better is None else declared.better


def column_named(name: str, columns: Iterable[MetricColumn]) -> MetricColumn | None:
    """The column of this name, or the one with a ``*`` that stands for it; None where there is neither."""
    named = {one.name: one for one in columns}
    fitting = [one for one in named if one[-1] == "*" and name.startswith(one[:-1])]
    return named.get(name) or named.get(max(fitting, key=len, default=""))


def columns_stated(name: str, short: str, meaning: str, columns: tuple[MetricColumn, ...]) -> tuple[MetricColumn, ...]:
    """The columns that a metric states; none where it says nothing of them."""
    return columns or ((MetricColumn(name, short or name, meaning),) if short or meaning else ())


def owner_of(column: str, metrics: Mapping[str, Sequence[MetricColumn]]) -> str:
    """The metric that a column is of, by the columns that each states, or by its name; empty where it is of none.

    Example:
        >>> owner_of("mmd_bw", {"mmd": (), "mmd_b": (), "nll": ()}), owner_of("mass", {"nll": ()})
        ('mmd_b', '')
        >>> owner_of("swd_density", {"swd": [MetricColumn("swd", "sliced W1")]})
        ''
    """
    owners = [
        name
        for name, columns in metrics.items()
        if column == name or (column_named(column, columns) if columns else column.startswith(name))
    ]
    return max(owners, key=len, default="")
