"""The last stored digit of every number, noise within it, and how many values of a column are the same number.

Rows are kept to finitely many digits, so that a density may stand on the numbers that can be stored and so state a
likelihood that no density of the quantity has. Uniform noise of one unit of the last digit takes that away: the mean
log-density of such rows is bounded by minus their entropy (Theis et al., arXiv:1511.01844, sec. 3.1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qinn_bench.dataset import Dataset, Transform
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array

MOST = 0.95
"""Share of a column's values that lie on a lattice if the column does."""
MANTISSA = 52
SIGNIFICANT = range(1, 8)
"""Significant decimal digits that are looked for; more say no more than a float32 does."""
DECIMALS = range(-3, 13)
"""Decimal places that are looked for, from thousands on."""
CHANCE = 0.01
"""Share of other numbers that may pass for multiples of a step."""
TIED = 0.5
"""Share of values that come more than once from which on a column stands on the values that it has."""
ROUNDED = 12
"""Binary digits that sums of float64 numbers leave uncertain at most."""
KNOWN = 400_000
"""Numbers by which the digits of a data set's columns are judged."""
BINS, OCCUPIED, IN_THEM, ENOUGH = 256, 8, 0.75, 1000
"""Remainders of so many values, in so many bins, lie to this share in so few of them only on a lattice."""


def last_digits(column: Array, known: Array | None = None) -> Array:
    """One unit of the last stored digit of each value ``(n,)``, in the unit of the column.

    It is the largest that one of these finds: a float32 (or a float64) in binary; fewer binary digits, such as those
    of a float16, or a decimal step, such as 0.01, or a number of significant decimals, that all but a few values have;
    a binary step that most share up to a few offsets, as differences of angles do; and, where most values come more
    than once, the distance of those that do to the nearest other value. `known` are the values by which the column is
    judged; these themselves if left out.

    Example:
        >>> last_digits(np.array([0.25, 1.13, 2.5, 7.31, 8.88])).round(12).tolist()
        [0.01, 0.01, 0.01, 0.01, 0.01]
        >>> x = np.random.default_rng(0).normal(size=1000)
        >>> bool(last_digits(x).max() < 1e-14), bool(last_digits(x.astype(np.float32).astype(float)).max() > 1e-7)
        (True, True)
    """
    column = np.asarray(column, dtype=np.float64)
    known = column if known is None else np.asarray(known, dtype=np.float64)
    finite = known[np.isfinite(known) & (known != 0)]
    units = _stored(column)
    if len(finite) == 0:
        return np.nan_to_num(units, nan=0.0, posinf=0.0)
    exponent = np.where(np.isfinite(column), np.frexp(column)[1], 0)
    units = np.fmax(units, np.where(column == 0, 0.0, np.ldexp(1.0, exponent - 1 - MANTISSA + _lacking(finite))))
    units = np.fmax(units, _decimal(column, finite))
    units = np.fmax(units, _gaps(column, known) if ties(known) >= TIED else _binary_step(finite))
    return np.where(np.isfinite(column) & np.isfinite(units), units, 0.0)


def ties(column: Array) -> float:
    """The share of values ``(n,)`` that another one equals.

    Example:
        >>> ties(np.array([0.0, 0.0, 0.0, 1.5]))
        0.75
    """
    _, counts = np.unique(column, return_counts=True)
    return float(counts[counts > 1].sum() / max(len(column), 1))


def dequantise(rows: Array, known: Array, transform: Transform, rng: np.random.Generator) -> Array:
    """Physical rows ``(n, *shape)`` with uniform noise of one unit of the last stored digit, centred on each number.

    `known` are the rows of the same columns by which their digits are judged. A row that noise takes out of the domain
    of the map to features gets the opposite noise, or none.

    Example:
        >>> from qinn_bench.data.transforms import AsTheyAre
        >>> rows = np.arange(6.0)[:, None]
        >>> moved = dequantise(rows, rows, AsTheyAre(), np.random.default_rng(0))
        >>> bool((np.abs(moved - rows) <= 0.5).all()), bool((moved != rows).all())
        (True, True)
    """
    flat, judged = rows.reshape(len(rows), -1), known.reshape(len(known), -1)
    units = [last_digits(column, of) for column, of in zip(flat.T, judged.T, strict=True)]
    noise = (rng.uniform(-0.5, 0.5, flat.shape) * np.stack(units, 1)).reshape(rows.shape)
    moved = rows + noise
    for other in (rows - noise, rows):
        out = np.logical_not(_inside(moved, transform))
        moved[out] = other[out]
    return moved


_LAST: list[tuple[Dataset, Array]] = []
"""The data set that was asked for last and its moved rows: the likelihood and the certificate of a cell both ask."""


def moved_test_rows(data: Dataset) -> Array:
    """The test rows of a data set in physical space, each moved within its last stored digits; always the same.

    Example:
        >>> from qinn_bench import registry
        >>> data = registry.make("data", registry.parse_use("moons[events=400]"))
        >>> bool(np.abs(moved_test_rows(data) - data.test).max() < 1e-14)
        True
    """
    if not len(data.test):
        return data.test
    if not (_LAST and _LAST[0][0] is data):
        moved = dequantise(data.test, _known(data), data.transform, numpy_rng("last digit", data.fingerprint))
        _LAST[:] = [(data, moved)]
    return _LAST[0][1].copy()


def most_tied(data: Dataset) -> tuple[float, str]:
    """The largest share of values of a column that another one equals, and the name of that column or its number."""
    columns = _known(data).reshape(-1, data.dim).T
    shares = [ties(column) for column in columns]
    at = int(np.argmax(shares))
    return shares[at], data.columns[at].name if len(data.columns) == data.dim else str(at)


def _known(data: Dataset) -> Array:
    """Training and test rows, as many as are needed to tell how their numbers are stored."""
    n = max(ENOUGH, KNOWN // data.dim) // 2
    return np.concatenate([data.train[:n], data.test[:n]])


def _inside(rows: Array, transform: Transform) -> NDArray[np.bool_]:
    with np.errstate(all="ignore"):
        features = transform.forward(rows)[0]
    return np.asarray(np.isfinite(features).reshape(len(rows), -1).all(1))


def _stored(column: Array) -> Array:
    """The spacing of float32 where the value is one, that of float64 elsewhere."""
    with np.errstate(all="ignore"):
        single = column.astype(np.float32)
        units = np.where(single == column, np.spacing(np.abs(single)).astype(np.float64), _spacing(column))
    return np.where(column == 0, 0.0, units)


def _lacking(values: Array) -> int:
    """How many trailing binary digits of the 53 all but a few values lack."""
    whole = np.ldexp(np.abs(np.frexp(values)[0]), MANTISSA + 1).astype(np.int64)
    trailing = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    return int(np.quantile(trailing, 1 - MOST, method="lower"))


def _binary_step(values: Array) -> float:
    """The largest power of two, below the distance of neighbours, that divides most values but for a few offsets."""
    gaps = np.diff(np.unique(values))
    if len(values) < ENOUGH or len(gaps) == 0 or _lacking(values) > ROUNDED:
        return 0.0
    first = int(np.floor(np.log2(np.median(gaps))))
    last = int(np.log2(np.median(_spacing(values)))) + ROUNDED
    for exponent in range(first, last, -1):
        remainders = np.ldexp(values, -exponent) % 1
        counts = np.sort(np.bincount((remainders * BINS).astype(np.int64), minlength=BINS))
        if counts[-OCCUPIED:].sum() >= IN_THEM * len(values):
            return float(np.ldexp(1.0, exponent))
    return 0.0


def _spacing(values: Array) -> Array:
    return np.asarray(np.spacing(np.abs(values)))


def _decimal(column: Array, known: Array) -> Array:
    """The unit of the decimal step or of the significant digits of what is known, whichever is coarser."""
    step, digits = _decimal_step(known), _significant(known)
    if digits and np.median(_decimal_unit(known, digits)) > step:
        return _decimal_unit(column, digits)
    return np.full(len(column), step)


def _decimal_step(values: Array) -> float:
    """The largest power of ten of which all but a few values are multiples up to rounding; 0 if chance would do."""
    rounding = 2 * _stored(values)
    for places in DECIMALS:
        step = 10.0**-places
        if np.median(2 * rounding / step) > CHANCE:
            return 0.0
        if np.mean(np.abs(values - np.round(values / step) * step) <= rounding) >= MOST:
            return step
    return 0.0


def _significant(values: Array) -> int:
    """The number of significant decimal digits that all but a few values have; 0 if they have more than a float32."""
    rounding = 2 * _stored(values)
    for digits in SIGNIFICANT:
        unit = _decimal_unit(values, digits)
        if np.median(2 * rounding / unit) > CHANCE:
            return 0
        if np.mean(np.abs(values - np.round(values / unit) * unit) <= rounding) >= MOST:
            return digits
    return 0


def _decimal_unit(values: Array, digits: int) -> Array:
    with np.errstate(divide="ignore"):
        leading = np.floor(np.log10(np.abs(values)))
    return np.where(values == 0, 0.0, 10.0 ** (np.where(values == 0, 0.0, leading) - digits + 1))


def _gaps(column: Array, known: Array) -> Array:
    """The distance of tied values to the nearest other one, 0 for others; where all are multiples of one, that one."""
    values, counts = np.unique(known[np.isfinite(known)], return_counts=True)
    if len(values) < 2:
        return np.zeros(len(column))
    gaps = np.diff(values)
    multiples = gaps / gaps.min()
    if np.allclose(multiples, multiples.round(), rtol=1e-4):
        return np.full(len(column), gaps.min())
    nearest = np.minimum(np.append(np.inf, gaps), np.append(gaps, np.inf))
    at = np.searchsorted(values, column).clip(max=len(values) - 1)
    return np.where((values[at] == column) & (counts[at] > 1), nearest[at], 0.0)
