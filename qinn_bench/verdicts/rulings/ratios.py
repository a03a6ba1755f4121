"""A claim on how many times the parameters of one family another one needs, at all sizes or at one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from qinn_bench.capacity import equivalence
from qinn_bench.capacity.equivalence import Equivalence, SizeRatio
from qinn_bench.labels import joined
from qinn_bench.values import Estimate, Record
from qinn_bench.verdicts.claim_file import Claim, Claims
from qinn_bench.verdicts.judge import ABSENT, SHOWN_ONLY, controls_of, over_controls
from qinn_bench.verdicts.row_pairs import PairTerms
from qinn_bench.verdicts.rulings.pair import PairRuling

COVERAGE = 0.95
"""Of the interval of a ratio, which decides."""
NEAR = 0.2
"""How far, relatively, the size of a row may be from the one that a claim states."""
RatioEnds = tuple[float | None, float | None]


def of_families(claims: Claims, claim: Claim, first: str, second: str, records: Sequence[Record]) -> PairRuling:
    """A claim that the second family needs at least so many times the parameters of the first.

    It is supported where the 95 % interval of the ratio lies above the stated one and the first family also needs fewer
    parameters than each of its controls, and refuted where the interval lies below. p is at most 5 % where it does: the
    interval is taken for one of Student's t of the logarithm, on whichever side the stated ratio lies.
    """
    known = {record.family for record in records if record.size}
    if absent := [family for family in (first, second) if family not in known]:
        why = f"no record of '{absent[0]}' on {claim.data}; to make them: qinn-bench run {claims.study}"
        return _undecided(first, second, why)
    equivalent = equivalence.equivalence(records, first, second, claim.metric)
    effect, interval, why = _asked(equivalent, claim.at)
    if effect.value is None and interval == (None, None):
        return _undecided(first, second, why or equivalent.reason)
    if effect.value is not None and effect.n < claim.replicates:
        return _undecided(
            first, second, f"{effect.n} seeds are common to both families, at least {claim.replicates} are needed"
        )
    p, against = ratio_p(effect, interval, claim.ratio or 1.0)
    if effect.value is None:
        size = None if claim.at is None else _nearest(equivalent, claim.at).size
        p, against = equivalence.p_sides(records, first, second, claim.metric, claim.ratio or 1.0, size)
    in_the_way = _controls(records, first, claim)
    doubt = in_the_way.why_not if p is not None and p <= claims.level else ""
    low, high = interval
    return PairRuling(
        first=first,
        second=second,
        effect=effect,
        interval=None if low is None or high is None else (low, high),
        coverage=COVERAGE,
        p=None if doubt else p,
        p_against=against,
        replicates=effect.n,
        method="95 % interval of the equivalence ratio" + f" at {claim.at}" * (claim.at is not None),
        reason="; ".join(filter(None, [why, doubt])),
        said=why,
        can_win=in_the_way.can,
        cannot="" if in_the_way.can else in_the_way.why_not,
    )


def _asked(equivalent: Equivalence, at: int | None) -> tuple[Estimate, RatioEnds, str]:
    """The ratio that a claim is about with its interval, and what is known of it in words."""
    if at is None:
        return equivalent.rho, equivalent.interval, equivalent.reason
    if not equivalent.per_size:
        return Estimate(value=None), (None, None), equivalent.reason
    there = _nearest(equivalent, at)
    if not near(there.size, at):
        sizes = ", ".join(f"{one.size:.0f}" for one in equivalent.per_size)
        return Estimate(value=None), (None, None), f"no ratio at {at}; there are ratios at {sizes}"
    ends = [f"{word} {end:.3g}" for word, end in (("above", there.low), ("below", there.high)) if end is not None]
    told = f"{there.ratio:.3g} times" if there.ratio is not None else " and ".join(ends) or "an unknown number of times"
    said = f"at {at} parameters {equivalent.classical} needs {told} the size"
    return Estimate(value=there.ratio, n=equivalent.rho.n), (there.low, there.high), said


def _nearest(equivalent: Equivalence, at: int) -> SizeRatio:
    return min(equivalent.per_size, key=lambda one: abs(math.log(one.size / at)))


def ratio_p(effect: Estimate, interval: RatioEnds, stated: float) -> tuple[float | None, float | None]:
    """The p-values of "the ratio is below the stated one" and of "it is not", two-sided as the 95 % interval is.

    An interval without a ratio in it, or with only one end, has p = 0.05 where it leaves the stated ratio outside.

    Example:
        >>> p, against = ratio_p(Estimate(value=4.0, n=6), (3.0, 5.3), 3.0)
        >>> round(p, 3), round(against, 2)
        (0.05, 1.0)
    """
    low, high = interval
    return _beyond(effect, low, stated, 1), _beyond(effect, high, stated, -1)


def _beyond(effect: Estimate, end: float | None, stated: float, side: int) -> float | None:
    if end is None or end <= 0:
        return None
    outside = side * math.log(end / stated) >= 0
    reach = side * math.log(effect.value / end) if effect.value else 0.0
    if effect.value is None or reach <= 0 or effect.n < 2:
        return 1 - COVERAGE if outside else None
    error = reach / float(stats.t.ppf((1 + COVERAGE) / 2, effect.n - 1))
    return min(1.0, 2 * float(stats.t.cdf(-side * math.log(effect.value / stated) / error, effect.n - 1)))


class _InTheWay(NamedTuple):
    """What the controls have against a ratio: nothing, or a reason, which better numbers can or cannot move."""

    why_not: str = ""
    can: bool = True


def _controls(records: Sequence[Record], first: str, claim: Claim) -> _InTheWay:
    """Which control of the first family cannot be shown to need more parameters; none where it has no circuits.

    Where the claim is about one size and the controls have too few of them for a curve, they have to be worse there.
    """
    own = [r for r in records if r.family == first and r.cell.backend != "none"]
    if not own:
        return _InTheWay()
    kinds = dict.fromkeys(r.cell.control for r in own if r.cell.control and r.status not in ABSENT)
    asked = [kind for kind in kinds if kind not in SHOWN_ONLY]
    if not asked:
        return _InTheWay(f"no controls: nothing shows that the circuits of '{first}' matter", can=False)
    for kind in asked:
        equivalent = equivalence.equivalence(records, first, joined(first, kind), claim.metric)
        effect, (low, high), _ = _asked(equivalent, claim.at)
        if effect.value is None and low is None and high is None:
            if claim.at is not None:
                return _at_one_size(records, own, claim)
            return _InTheWay(f"the {kind} control has no ratio: {equivalent.reason}", can=False)
        if low is None or low < 1 - 1e-9:  # A control of equal sizes that never gets there is shown by "> 1".
            return _InTheWay(f"the {kind} control is not shown to need more parameters")
    return _InTheWay()


def _at_one_size(records: Sequence[Record], own: Sequence[Record], claim: Claim) -> _InTheWay:
    """What the controls of the row nearest to a size have against it."""
    sizes = {record.row: record.size for record in own if not record.cell.control and near(record.size, claim.at)}
    if not sizes:
        return _InTheWay(f"no row of '{own[0].family}' has {claim.at} parameters", can=False)
    row = min(sizes, key=lambda name: abs(sizes[name] - (claim.at or 0)))
    terms = PairTerms(claim.metric, claim.data, replicates=claim.replicates, other_budgets=claim.other_budgets)
    if not controls_of(records, row, claim.data):
        return _InTheWay(f"no controls at {claim.at}: nothing shows that the circuits of '{row}' matter", can=False)
    return _InTheWay(over_controls(records, row, terms, np.random.default_rng(0)).why_not)


def near(size: float, at: int | None) -> bool:
    """Whether a size is meant by one that is stated: they differ by a fifth at most.

    Example:
        >>> near(1952, 2000), near(1000, 2000)
        (True, False)
    """
    return at is not None and abs(size / at - 1) <= NEAR


def _undecided(first: str, second: str, why: str) -> PairRuling:
    return PairRuling(first=first, second=second, effect=Estimate(value=None), reason=why, can_win=False, cannot=why)
