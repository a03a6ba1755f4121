"""Do two runs of a study agree: every number of every row, compared within its error over seeds; without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from scipy import stats

from qinn_bench.records import keys, store
from qinn_bench.statistics import welch
from qinn_bench.statistics.corrections import holm
from qinn_bench.statistics.estimates import combine
from qinn_bench.values import Array, Record, Refused, Value

LEVEL = 0.05
"""The chance that two runs which differ by their seeds or their rounding alone are called different anywhere."""
SMALL = 0.01
"""A difference of this share of the error that the finite samples leave is none."""
ROUNDING = 1e-6
"""Nor is a relative one of this size: numbers are trained in single precision."""
MACHINE = ("processor", "machine", "system", "python", "torch", "numpy", "scipy", "scikit-learn", "pennylane")
"""What two runs may differ in without a difference of inputs, as provenance names it."""
RowPlace = tuple[str, str]
BySeed = dict[int, Record]
How = Literal["same seeds", "independent seeds", "one seed"]


class Agreement(Value):
    """One column of one row in two runs: the first mean less the second with its error, and how likely that is.

    `first_error` and `second_error` are those of either mean as tables have them; `error` is that of the difference.
    `p` is two-sided, `p_corrected` holds over all numbers that are compared (Holm). `pairs` are
    the seeds of either run.

    Example:
        >>> one = Agreement(row="a", data="moons", column="swd", unit="sd", first=0.036, second=0.034,
        ...     first_error=0.002,
        ...                 second_error=0.002, difference=0.002, error=0.003, z=0.7, p=0.5, p_corrected=1.0,
        ...     how="same seeds",
        ...                 pairs=(5, 5))
        >>> one.agrees
        True
    """

    row: str
    data: str
    column: str
    unit: str
    first: float
    second: float
    first_error: float | None
    second_error: float | None
    difference: float
    error: float
    z: float
    p: float
    p_corrected: float
    how: How
    pairs: tuple[int, int]

    @property
    def agrees(self) -> bool:
        """Whether the two are no further apart than their errors let be."""
        return self.p_corrected > LEVEL


class Compared(Value):
    """All that was compared of two runs, and what has to be known of them.

    `left_out` names rows and numbers that are not in both, or were made under other settings; `inputs` what made the
    numbers and differs; `machines` what differs between processors and libraries; `certificates` cells that are
    believed in one run only.

    Example:
        >>> Compared(found=(), left_out=("row 'b' is in the first run only",), inputs="", machines=(),
        ...     certificates=()).agrees
        True
    """

    found: tuple[Agreement, ...]
    left_out: tuple[str, ...]
    inputs: str
    machines: tuple[str, ...]
    certificates: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether every number agrees."""
        return all(one.agrees for one in self.found)


def compare(first: Sequence[Record], second: Sequence[Record], columns: Sequence[str] = ()) -> Compared:
    """Compare two runs of a study, row by row and column by column (`columns` of metrics; none: all that both have).

    Where both have the same seeds, their differences are paired: both runs then met the same batches and latents, and
    differ by rounding and by what else changed. Otherwise seeds are independent (Welch). Where a row has a single seed,
    its own errors are all that is known. Errors of the finite test sample count only there: both runs have the same
    test rows, so that they cancel.

    Raises:
        Refused: nothing can be compared.
    """
    ours, theirs = _by_row(first), _by_row(second)
    left_out, raw, pairs = _missing(ours, theirs), [], []
    for place in (place for place in ours if place in theirs):
        one, other = ours[place], theirs[place]
        if not one and not other:
            continue
        if reason := _incomparable(one, other):
            left_out.append(f"{place[0]} on {place[1]}: {reason}")
            continue
        pairs += [(other[seed].inputs, one[seed].inputs) for seed in one if seed in other]
        names = columns or list(dict.fromkeys(name for record in one.values() for name in record.metrics))
        for name in names:
            made = _test(place, name, one, other)
            raw += [made] if isinstance(made, Agreement) else []
            left_out += [made] if isinstance(made, str) and made else []
    if not raw:
        raise Refused("the two runs have no row and no number in common" + "".join(f"; {why}" for why in left_out[:3]))
    corrected = holm([one.p for one in raw])
    differences = [one.model_copy(update={"p_corrected": p}) for one, p in zip(raw, corrected, strict=True)]
    return Compared(
        found=tuple(differences),
        left_out=tuple(left_out),
        inputs=keys.counted_differences(pairs),
        machines=tuple(_machines(first, second)),
        certificates=tuple(_certificates(ours, theirs)),
    )


def _by_row(records: Sequence[Record]) -> dict[RowPlace, BySeed]:
    """The records over seeds that ended well, by row and data set, which is called by its name if that is enough."""
    rows: dict[RowPlace, BySeed] = {}
    names = store.data_names(records)
    for record in records:
        if record.cell.varies == "all":
            seeds = rows.setdefault((record.row, names[str(record.cell.data)]), {})
            if record.status == "ok":
                seeds[record.cell.seed] = record
    return rows


def _missing(ours: Mapping[RowPlace, BySeed], theirs: Mapping[RowPlace, BySeed]) -> list[str]:
    told = []
    for these, those, where in ((ours, theirs, "second"), (theirs, ours, "first")):
        told += [f"{row} on {data}: not in the {where} run" for row, data in these if (row, data) not in those]
    return told


def _incomparable(one: BySeed, other: BySeed) -> str:
    """Why two rows of one name are not the same row; empty if they are."""
    if not one or not other:
        return f"no finished cell in the {'second' if one else 'first'} run"
    for seeds, run in ((one, "first"), (other, "second")):
        if differs := keys.mixed(list(seeds.values())):
            return f"its seeds in the {run} run were made under several settings: {differs}"
    mine, yours = (next(iter(seeds.values())).cell for seeds in (one, other))
    for name in ("model", "data", "budget", "samples", "control", "device"):
        left, right = getattr(mine, name), getattr(yours, name)
        if left != right:
            return f"another {name} ({left} and {right})" if name != "budget" else "another budget"
    return ""


def _test(place: RowPlace, name: str, one: BySeed, other: BySeed) -> Agreement | str:
    """The agreement of a column, or why there is none."""
    left, right = _values(name, one), _values(name, other)
    where = f"{place[0]} on {place[1]}, {name}"
    if not left or not right:
        return f"{where}: no value in the {'second' if left else 'first'} run" if left or right else ""
    inside = math.hypot(*(float(np.mean([error for _, error in side.values()])) for side in (left, right)))
    both = sorted(left.keys() & right.keys())
    a, b = (np.array([value for value, _ in side.values()]) for side in (left, right))
    how: How
    if len(both) > 1:
        a, b = (np.array([side[seed][0] for seed in both]) for side in (left, right))
        how, error, freedom = "same seeds", float(np.std(a - b, ddof=1) / np.sqrt(len(both))), len(both) - 1.0
    elif len(a) > 1 and len(b) > 1:
        how = "independent seeds"
        error, freedom = _independent(a, b)
    else:
        how, error, freedom = "one seed", inside, np.inf
    difference = float(a.mean() - b.mean())
    scale = max(abs(float(a.mean())), abs(float(b.mean())))
    # Rows that no seed moves differ by rounding alone, the same in every seed: no spread is no evidence.
    error = max(error, SMALL * inside, ROUNDING * scale, float(np.finfo(float).tiny))
    z = difference / error
    p = float(2 * stats.t.sf(abs(z), freedom))
    unit = next(iter(one.values())).metrics[name].unit if name in next(iter(one.values())).metrics else ""
    return Agreement(
        row=place[0],
        data=place[1],
        column=name,
        unit=unit,
        first=float(a.mean()),
        second=float(b.mean()),
        first_error=_error_of(name, one, left),
        second_error=_error_of(name, other, right),
        difference=difference,
        error=error,
        z=z,
        p=p,
        p_corrected=p,
        how=how,
        pairs=(len(a), len(b)),
    )


def _error_of(name: str, seeds: BySeed, values: Mapping[int, object]) -> float | None:
    """The error of a mean over the seeds, from their scatter and from the finite samples."""
    return combine([seeds[seed].metrics[name] for seed in values]).error


def _values(name: str, seeds: BySeed) -> dict[int, tuple[float, float]]:
    """The values of a column with the errors within a seed, by seed."""
    estimates = {seed: record.metrics[name] for seed, record in seeds.items() if name in record.metrics}
    return {seed: (one.value, one.error or 0.0) for seed, one in estimates.items() if one.value is not None}


def _independent(a: Array, b: Array) -> tuple[float, float]:
    """The error of a difference of two means, and its degrees of freedom."""
    sds = np.array([[np.std(side, ddof=1)] for side in (a, b)])
    return welch.error_of(sds, np.array([[len(a)], [len(b)]])) if sds.any() else (0.0, float(len(a) + len(b) - 2))


def _machines(first: Sequence[Record], second: Sequence[Record]) -> list[str]:
    """What of machines and libraries is not the same in both runs."""
    told = []
    for name in MACHINE:
        sides = [
            " or ".join(sorted({str(record.provenance.get(name, "unknown")) for record in run if record.provenance}))
            for run in (first, second)
        ]
        if sides[0] != sides[1]:
            told.append(f"{name}: {sides[0] or 'unknown'} and {sides[1] or 'unknown'}")
    return told


def _certificates(ours: Mapping[RowPlace, BySeed], theirs: Mapping[RowPlace, BySeed]) -> list[str]:
    """The cells whose likelihood is believed in one run only."""
    told = []
    for place in (place for place in ours if place in theirs):
        for seed in sorted(ours[place].keys() & theirs[place].keys()):
            verdicts = [
                side.certificate.verdict for side in (ours[place][seed], theirs[place][seed]) if side.certificate
            ]
            if len(verdicts) == 2 and verdicts[0] != verdicts[1]:
                told.append(f"{place[0]} on {place[1]}, seed {seed}: {verdicts[0]} and {verdicts[1]}")
    return told
