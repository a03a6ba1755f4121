"""How many times larger a classical family has to be than a quantum one, from the curves of a study; without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qinn_bench.capacity import size_ratio
from qinn_bench.capacity.families import LEAST_SEEDS, Curve, capacity
from qinn_bench.capacity.size_ratio import Bound, CurvePair
from qinn_bench.values import Array, Estimate, Record, Refused, Value

LEAST_SIZES = 3
LEVEL = 0.05
"""Of the test that the ratio is the same at all sizes."""


class SizeRatio(Value):
    """How many times the size of the quantum family, at one of its sizes, the classical family needs.

    `low` and `high` are the ends of the 95 % interval; one that the classical sizes cannot show is None, and so is the
    `ratio` then: it lies ``above`` what `low` says or ``below`` what `high` says (`bound`). Where both ends are None
    nothing is known.

    Example:
        >>> str(SizeRatio(size=200, ratio=0.53, low=0.45, high=0.59)), str(SizeRatio(size=9, low=3.2, bound="above"))
        ('0.53 [0.45, 0.59]', '> 3.2')
    """

    size: float
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    bound: Bound = ""

    def __str__(self) -> str:
        if self.bound:
            return f"> {self.low:.2g}" if self.bound == "above" else f"< {self.high:.2g}"
        return "–" if self.ratio is None else f"{self.ratio:.2g} [{self.low:.2g}, {self.high:.2g}]"


class Equivalence(Value):
    """How many times larger the classical family has to be for the quality of the quantum one.

    `per_size` has the ratio at each quantum size. `rho` is one factor for all of them: it has a value only where each
    size has one, where no test finds that they differ (`p_one_ratio` is the p-value of "it is the same at all sizes",
    over the sizes that have one) and where both families gain by size. `interval` is its 95 % interval; without such a
    factor it is what holds at each size, the lowest of all lower ends and the highest of all upper ends, of which one
    that a size cannot show is None. `censored` says that the ratio lies ``above`` or ``below`` what can be shown at
    every size. `reason` is one sentence.

    Example:
        >>> found = Equivalence(quantum="qinn", classical="spline_inn", rho=Estimate(value=0.53), interval=(0.45, 0.59))
        >>> found.rho.value, found.censored
        (0.53, '')
    """

    quantum: str
    classical: str
    rho: Estimate
    interval: tuple[float | None, float | None] = (None, None)
    censored: Bound = ""
    per_size: tuple[SizeRatio, ...] = ()
    p_one_ratio: float | None = None
    reason: str = ""


def equivalence(
    records: Sequence[Record], quantum_family: str, classical_family: str, metric: str, axis: str = "parameters"
) -> Equivalence:
    """The equivalence ratio of two families of one study, on the seeds that both have at all their sizes.

    Raises:
        Refused: what `capacity` refuses, or a family that does not exist.
    """
    return ratio(capacity(records, metric, axis), quantum_family, classical_family)


def ratio(families: Sequence[Curve], quantum_family: str, classical_family: str) -> Equivalence:
    """The equivalence ratio of two of these curves.

    Raises:
        Refused: a family that does not exist.
    """
    by_name = {curve.family: curve for curve in families}
    for name in (quantum_family, classical_family):
        if name not in by_name:
            raise Refused(f"no family with sizes is called '{name}'; there are: {', '.join(by_name)}")
    first, second = by_name[quantum_family], by_name[classical_family]
    common = [seed for seed in first.seeds if seed in second.seeds]
    why = _undefined(first, second, common)
    if why:
        empty = Estimate(value=None, note=why)
        return Equivalence(quantum=first.family, classical=second.family, rho=empty, reason=f"undefined: {why}")
    return _ratio(first, second, CurvePair(*_of(first, common), *_of(second, common)))


def p_sides(
    records: Sequence[Record], quantum_family: str, classical_family: str, metric: str, stated: float, at: float | None
) -> tuple[float, float]:
    """The p-values of "the ratio is at most the stated one" and of "it is at least that", each at some size of the
    quantum family, or at its size `at`; 1 where there is no ratio at all.

    Raises:
        Refused: what `equivalence` refuses.
    """
    by_name = {curve.family: curve for curve in capacity(records, metric)}
    first, second = by_name[quantum_family], by_name[classical_family]
    common = [seed for seed in first.seeds if seed in second.seeds]
    if _undefined(first, second, common):
        return 1.0, 1.0
    pair = CurvePair(*_of(first, common), *_of(second, common))
    if size_ratio.is_flat(pair.losses) and size_ratio.is_flat(pair.other_losses):
        return 1.0, 1.0
    sizes = range(len(pair.sizes)) if at is None else [first.sizes.index(at)]
    return size_ratio.p_sides(pair.at(sizes), stated)


def _ratio(first: Curve, second: Curve, pair: CurvePair) -> Equivalence:
    shifts = [size_ratio.shift(pair.at([k])) for k in range(len(pair.sizes))]
    per_size = tuple(
        SizeRatio(size=float(size), ratio=one.ratio, low=one.low, high=one.high, bound=one.side)
        for size, one in zip(pair.sizes, shifts, strict=True)
    )
    shown = {k: one.ratio for k, one in enumerate(shifts) if one.ratio is not None}
    p = size_ratio.p_one_ratio(pair.at(list(shown)), list(shown.values())) if len(shown) > 1 else None
    sides = {one.side for one in shifts}
    censored: Bound = sides.pop() if len(sides) == 1 else ""
    facts: dict[str, Any] = {"per_size": per_size, "p_one_ratio": p, "censored": censored}
    if why := _no_single(first, second, pair, per_size, p):
        rho = Estimate(value=None, n=pair.seeds, note=why)
        interval = _hull([one.low for one in shifts], min), _hull([one.high for one in shifts], max)
        return Equivalence(
            quantum=first.family, classical=second.family, rho=rho, interval=interval, reason=why, **facts
        )
    one = size_ratio.shift(pair)
    said = "" if one.ratio is None else f"{second.family} needs {one.ratio:.3g} times the size"
    return Equivalence(
        quantum=first.family,
        classical=second.family,
        rho=Estimate(value=one.ratio, n=pair.seeds, note="" if said else "the seeds do not tell one ratio"),
        interval=(one.low, one.high),
        reason=said or "the seeds do not tell one ratio",
        **facts,
    )


def _hull(ends: Sequence[float | None], of: Callable[[list[float]], float]) -> float | None:
    """The outermost of these ends; None where one of them is not known."""
    known = [end for end in ends if end is not None]
    return of(known) if len(known) == len(ends) else None


def _no_single(first: Curve, second: Curve, pair: CurvePair, sizes: Sequence[SizeRatio], p: float | None) -> str:
    """Why there is no one ratio for all sizes; empty where there is."""
    said = ", ".join(f"{one} at {one.size:g}" for one in sizes)
    flat = [size_ratio.is_flat(losses) for losses in (pair.losses, pair.other_losses)]
    if all(flat):
        return f"undefined: neither {first.family} nor {second.family} is shown to gain by size"
    for side, word in (("above", "does not reach"), ("below", "is better than")):
        if all(one.bound == side for one in sizes):
            return f"{second.family} {word} {first.family} within its sizes, at any of these: {said}"
    if unknown := [one for one in sizes if one.ratio is None]:
        where = ", ".join(f"{one.size:g}" for one in unknown)
        return f"no one ratio, as {second.family} has no size that is shown to equal {first.family} at {where}: {said}"
    if any(flat):
        curve = first if flat[0] else second
        return f"no one ratio, as {curve.family} is not shown to gain by size: {said}"
    if p is not None and p <= LEVEL:
        return f"no one ratio, as it differs between sizes (p = {p:.2g}): {said}"
    return ""


def _undefined(first: Curve, second: Curve, common: Sequence[int]) -> str:
    for curve in (first, second):
        if len(curve.sizes) < LEAST_SIZES:
            return f"{curve.family} has {len(curve.sizes)} sizes, {LEAST_SIZES} are needed"
    if len(common) < LEAST_SEEDS:
        return f"{len(common)} seeds are common to both families, {LEAST_SEEDS} are needed"
    return ""


def _of(curve: Curve, seeds: Sequence[int]) -> tuple[Array, Array]:
    sizes, losses = curve.arrays
    return sizes, losses[:, [curve.seeds.index(seed) for seed in seeds]]
