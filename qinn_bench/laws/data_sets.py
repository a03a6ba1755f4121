"""The laws of data sets: rows that stay the same, a map to features that is what it says, observables that exist."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qinn_bench import registry
from qinn_bench.data.bits import SpreadBits
from qinn_bench.data.transforms import AsTheyAre, FixedRange
from qinn_bench.dataset import Dataset, Transform
from qinn_bench.laws.law import Spared, collected, expect
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Use

SOME = 500
BACK, LOG_JACOBIAN = 1e-6, 1e-4
"""How far off a row that comes back, and a log-Jacobian in nats, may be."""
STEPS = (1e-5, 1e-7, 1e-8)
"""Relative steps of finite differences, tried in turn."""
STANDARD = 0.1
"""How far the means of features may be from 0, and their standard deviations from 1."""
LARGEST = 10.0
"""Features whose scale does not come from the training rows are below this in size."""
IN_RANGE = 0.95
"""The share of the values of an observable that lie within the range of its plot is above this."""
SIGMAS = 6


@dataclass(frozen=True)
class DataCase:
    """A data set with its knobs; it is loaded when it is first asked for.

    Example:
        >>> case = DataCase(Use(name="bwexp", knobs={"events": 400}))
        >>> print(case, "|", is_a_data_set(case))
        bwexp[events=400] | 150 training, 50 validation and 200 test rows of (2,)
    """

    use: Use

    def __str__(self) -> str:
        return str(self.use)

    def load(self) -> Dataset:
        """The data set, loaded anew."""
        loaded: Dataset = registry.make("data", registry.spell_out("data", self.use))
        return loaded

    @cached_property
    def data(self) -> Dataset:
        """The data set."""
        return self.load()

    @property
    def rows(self) -> Array:
        """All rows of it."""
        return np.concatenate([self.data.train, self.data.valid, self.data.test])


def is_a_data_set(case: DataCase) -> str:
    """Its maker returns a Dataset whose parts have rows of one shape in double precision."""
    data: object = case.load()
    expect(
        isinstance(data, Dataset), f"load gives a {type(data).__name__}, a Dataset of qinn_bench.dataset was expected"
    )
    assert isinstance(data, Dataset)
    types = sorted({str(part.dtype) for part in (data.train, data.valid, data.test)})
    expect(types == ["float64"], f"its rows are of type {', '.join(types)}, float64 was expected")
    shapes = {part.shape[1:] for part in (data.train, data.valid, data.test)}
    expect(len(shapes) == 1, f"its parts have rows of the shapes {', '.join(map(str, sorted(shapes)))}")
    short = [n for n in map(len, (data.train, data.valid, data.test)) if not n]
    expect(not short, "it has a part without rows")
    names = [column.name for column in data.columns]
    expect(len(set(names)) == len(names), "two of its columns have one name")
    expect(data.kind != "flat" or len(names) == data.dim, f"it names {len(names)} columns of {data.dim}")
    return f"{len(data.train)} training, {len(data.valid)} validation and {len(data.test)} test rows of {data.shape}"


def stays_the_same(case: DataCase) -> str:
    """Loaded again it has the same rows and the same fingerprint."""
    again = case.load()
    same = all(
        np.array_equal(one, two)
        for one, two in zip(
            (case.data.train, case.data.valid, case.data.test), (again.train, again.valid, again.test), strict=True
        )
    )
    expect(same, "its rows are others when it is loaded again")
    expect(
        bool(again.fingerprint) and again.fingerprint == case.data.fingerprint, "its fingerprint changes or is empty"
    )
    return again.fingerprint[:16]


def keeps_test_rows_apart(case: DataCase) -> str:
    """No test row is a training or a validation row."""
    seen = {row.tobytes() for part in (case.data.train, case.data.valid) for row in np.ascontiguousarray(part)}
    twice = sum(row.tobytes() in seen for row in np.ascontiguousarray(case.data.test))
    return expect(not twice, f"{twice} of {len(case.data.test)} test rows are among the others")


def keeps_signal_out_of_training(case: DataCase) -> str:
    """Training and validation rows are background unless the knob ``mixed`` is true; test rows are of both classes."""
    labels = case.data.labels
    if labels is None:
        raise Spared("its rows have no labels")
    signal = int(labels.train.sum() + labels.valid.sum())
    if registry.spell_out("data", case.use).knobs.get("mixed"):
        expect(0 < labels.train.mean() < 1, "its training rows are of one class, though mixed is true")
    else:
        expect(not signal, f"{signal} training and validation rows are signal, though there is no mixed=true")
    expect(0 < labels.test.mean() < 1, "its test rows are of one class")
    return f"{signal} rows of signal to train and validate, {int(labels.test.sum())} to test"


def lies_in_its_support(case: DataCase) -> str:
    """Every row is finite and lies in the support; a row of NaN does not."""
    rows = case.rows
    expect(bool(np.isfinite(rows).all()), f"{int((~np.isfinite(rows)).sum())} values are not finite")
    outside = int((~case.data.support(rows)).sum())
    expect(not outside, f"{outside} of {len(rows)} rows lie outside of the support")
    nothing = case.data.support(np.full((1, *case.data.shape), np.nan))
    expect(not nothing.any(), "a row of NaN lies in the support")
    return f"all {len(rows)} rows"


def comes_back_from_features(case: DataCase) -> str:
    """The map to features is undone by its inverse, on rows and on features where there are no rows."""
    rows = case.data.test[:SOME]
    features, logdet = case.data.transform.forward(rows)
    expect(features.shape == rows.shape, f"the features of {rows.shape} rows have the shape {features.shape}")
    expect(logdet.shape == (len(rows),), f"the log-Jacobian has the shape {logdet.shape}, ({len(rows)},) was expected")
    off = float(np.abs((case.data.transform.inverse(features) - rows) / (1 + np.abs(rows))).max())
    expect(off <= BACK, f"rows come back off by {off:.2g}, {BACK:.0e} was expected")
    drawn = 1.5 * numpy_rng("laws", "features").normal(size=rows.shape)
    back = case.data.transform.forward(case.data.transform.inverse(drawn))[0]
    off = max(off, float(np.abs(back - drawn).max()))
    return expect(off <= BACK, f"off by {off:.2g} at most, {BACK:.0e} was expected")


def knows_its_log_jacobian(case: DataCase) -> str:
    """The log-Jacobian of the map to features is that of finite differences."""
    if case.data.kind != "flat":
        raise Spared("its rows are not flat, and no densities of them are compared in physical space")
    rows = case.data.test[:50]
    told, off = case.data.transform.forward(rows)[1], np.full(len(rows), np.inf)
    # Near a border of the domain large steps see its curvature or leave it, elsewhere small ones see rounding.
    for step in STEPS:
        left = ~(off <= LOG_JACOBIAN)
        off[left] = np.abs(told[left] - numeric_log_jacobian(case.data.transform, rows[left], step))
    far = off.max()
    return expect(bool(far <= LOG_JACOBIAN), f"off by {far:.2g} at most, {LOG_JACOBIAN:.0e} was expected")


def has_features_of_order_one(case: DataCase) -> str:
    """Training features have mean 0 and standard deviation 1, roughly; those of a fixed scale are of order one."""
    if case.data.kind != "flat":
        raise Spared("its rows are not flat, and pixels share one scale")
    features = case.data.transform.forward(case.data.train)[0]
    if isinstance(case.data.transform, AsTheyAre | FixedRange | SpreadBits):
        largest = float(np.abs(features).max())
        return expect(largest <= LARGEST, f"its scale is fixed, and the largest feature {largest:.3g}")
    mean, spread = float(np.abs(features.mean(0)).max()), float(np.abs(features.std(0) - 1).max())
    said = f"means within {mean:.2g} of 0, standard deviations within {spread:.2g} of 1"
    return expect(max(mean, spread) <= STANDARD, said)


def has_the_observables_that_it_plots(case: DataCase) -> str:
    """Its observables are those of its plots, a finite number a row, and nearly all within the range of the plot."""
    data = case.data
    found = data.observables(data.test)
    expected = [plot.name for plot in data.plots]
    expect(list(found) == expected, f"its observables are {', '.join(found)}; its plots {', '.join(expected)}")
    least = 1.0
    for plot in data.plots:
        values = found[plot.name]
        expect(
            values.shape == (len(data.test),), f"'{plot.name}' of {len(data.test)} rows has the shape {values.shape}"
        )
        expect(bool(np.isfinite(values).all()), f"'{plot.name}' is not finite in some rows")
        inside = float(((values >= plot.low) & (values <= plot.high)).mean())
        expect(inside > IN_RANGE, f"{inside:.1%} of '{plot.name}' lie in [{plot.low:g}, {plot.high:g}]")
        least = min(least, inside)
    peak = data.resonance
    expect(peak is None or peak.observable in found, "its resonance is in an observable that it does not have")
    return f"{len(expected)} observables, {least:.1%} in range" if expected else "it has none"


def survives_wild_features(case: DataCase) -> str:
    """Rows of features far outside of the data are finite, and so are their observables."""
    shape = (200, *case.data.shape)
    rows = case.data.transform.inverse(1e4 * numpy_rng("laws", "wild").normal(size=shape))
    expect(bool(np.isfinite(rows).all()), f"{int((~np.isfinite(rows)).sum())} values of rows are not finite")
    odd = [name for name, values in case.data.observables(rows).items() if not np.isfinite(values).all()]
    return expect(not odd, f"observables that are not finite: {', '.join(odd) or 'none'}")


def has_the_density_that_it_states(case: DataCase) -> str:
    """A density that it states gives its entropy on the test rows, and draws rows in the support."""
    data = case.data
    if data.density is None:
        raise Spared("its density is not known")
    surprise = -data.density.log_density(data.test)
    expect(bool(np.isfinite(surprise).all()), "a test row has no density")
    error = float(surprise.std() / np.sqrt(len(surprise)))
    off = float(surprise.mean() - data.density.entropy)
    expect(abs(off) <= SIGMAS * error, f"the mean of -log p is {off:+.3f} nats off its entropy, {error:.3f} expected")
    drawn = data.density.sample(100, numpy_rng("laws", "density"))
    expect(drawn.shape == (100, *data.shape), f"100 draws of it have the shape {drawn.shape}")
    inside = float(data.support(drawn).mean())
    expect(inside == 1, f"{inside:.0%} of its draws lie in the support")
    return f"entropy {data.density.entropy:.4f} nats, the test rows {off:+.4f}"


def numeric_log_jacobian(transform: Transform, rows: Array, step: float = 1e-5) -> Array:
    """``log |d features / d rows|`` by central differences; steps are relative to the size of a number, and small
    beside numbers near 0, whose logarithm may be taken."""
    out = []
    for row in rows:
        steps = np.clip(30 * step * np.abs(row), 1e-11, step * np.maximum(1.0, np.abs(row) / 100))
        sides = np.repeat(row[None], 2 * len(row), axis=0)
        sides += np.concatenate([np.diag(steps), -np.diag(steps)])
        plus, minus = np.split(transform.forward(sides)[0], 2)
        out.append(np.linalg.slogdet((plus - minus) / (2 * steps[:, None]))[1])
    return np.array(out)


OF_DATA = collected(
    is_a_data_set,
    stays_the_same,
    keeps_test_rows_apart,
    keeps_signal_out_of_training,
    lies_in_its_support,
    comes_back_from_features,
    knows_its_log_jacobian,
    has_features_of_order_one,
    has_the_observables_that_it_plots,
    survives_wild_features,
    has_the_density_that_it_states,
)
"""What every data set keeps."""
