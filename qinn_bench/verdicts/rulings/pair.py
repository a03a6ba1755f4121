"""One pair of rows of a claim: how sure it is that the claim holds of it, and that it does not, by the same test."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from scipy import stats

from qinn_bench.records.known import on_data
from qinn_bench.values import Comparison, Estimate, Record, Refused, Value
from qinn_bench.verdicts.claim_file import Claim, Claims
from qinn_bench.verdicts.judge import judge
from qinn_bench.verdicts.row_pairs import row_names


class PairRuling(Value):
    """What the records say of a claim about two rows.

    `p` is the p-value of "the claim does not hold", `p_against` that of "it holds": small ones speak for and against
    it, None where they may not. `interval` is the one that goes with them, of this `coverage`: a claim of better or
    equal is decided by one-sided tests at the level of the file, so that either end of an interval of 1 - 2 level is
    the bound of such a test. `said` is what would refute it in words; `can_win` whether the claim could be supported by
    such records at all, with the reason `cannot` where not.

    Example:
        >>> PairRuling(first="a", second="b", effect=Estimate(value=None), reason="3 pairs of seeds").decision(0.05)
        'undecided'
    """

    first: str
    second: str
    effect: Estimate
    interval: tuple[float, float] | None = None
    coverage: float | None = None
    p: float | None = None
    p_against: float | None = None
    replicates: int = 0
    method: str = ""
    reason: str = ""
    said: str = ""
    budget: str = ""
    moves: str = ""
    can_win: bool = True
    cannot: str = ""

    def decision(self, level: float) -> str:
        """What is said of this pair alone, without a correction."""
        if self.p is not None and self.p <= level:
            return "supported"
        return "refuted" if self.p_against is not None and self.p_against <= level else "undecided"


def of_rows(
    claims: Claims, claim: Claim, first: str, second: str, records: Sequence[Record], results: Path | None, arrays: bool
) -> PairRuling:
    """A claim that one row is better than, or equal to, another.

    Better by a margin is supported where the difference is shown to be above the margin, and refuted where it is shown
    to be below. Equal is supported by two one-sided tests (Schuirmann 1987) and refuted where the difference is shown
    to be beyond the margin on either side, p being the chance of one as far out at the margin. Each p-value is the
    larger one of sign flips over the seeds and of Student's t, and the interval has the bounds of the two tests
    together: a p-value is at most the level where the interval is on one side, and only there.

    Raises:
        Refused: the metric has no direction, or the margin of the claim is in another unit.
    """
    if why := _absent(claims, claim, first, second, records):
        return PairRuling(first=first, second=second, effect=Estimate(value=None), reason=why)

    def judged(by: float = 0.0) -> Comparison:
        return _judged(claims, claim, (first, second), records, results, arrays, by)

    margin = claim.margin or 0.0
    if claim.relation == "equal":
        base, above, below = judged(), judged(margin), judged(-margin)
        p, against, said = base.p_equal, *_beyond(above, below, margin, first, claim.unit)
    else:
        base = judged(margin)
        p, against = _for(base, margin), _against(base, margin)
        by = f" by more than {claim.margin:g} {claim.unit}".rstrip() if claim.margin else ""
        worse = base.effect.value is not None and base.effect.value < 0
        said = f"'{first}' is worse" if worse else f"'{first}' is not better{by}"
    _check_unit(claims, claim, base)
    return PairRuling(
        first=first,
        second=second,
        effect=base.effect,
        interval=base.bounds,
        coverage=1 - 2 * claims.level,
        p=p,
        p_against=against,
        replicates=base.replicates,
        method=base.method,
        reason=_more_seeds(claims, claim, first, records, base),
        said=said,
    )


def _judged(
    claims: Claims,
    claim: Claim,
    rows: tuple[str, str],
    records: Sequence[Record],
    results: Path | None,
    arrays: bool,
    by: float,
) -> Comparison:
    single = len(claim.pairs) == 1
    names = (claims.name, claim.id) if single else (claims.name, claim.id, *rows)
    return judge(
        records,
        *rows,
        claim.metric,
        claim.margin if claim.relation == "equal" else None,
        rng=np.random.default_rng(list("/".join(names).encode())),
        data=claim.data,
        level=claims.level,
        replicates=claim.replicates,
        other_budgets=claim.other_budgets,
        results=results,
        arrays=arrays,
        by=by,
    )


def _for(one: Comparison, margin: float) -> float | None:
    """The p-value of "the difference is not above the margin"."""
    return None if one.p_better is None else max(one.p_better, _t(one, margin, -1))


def _against(one: Comparison, margin: float) -> float | None:
    """The p-value of "the difference is not below the margin"."""
    return None if one.p_worse is None else max(one.p_worse, _t(one, margin, 1))


def _beyond(above: Comparison, below: Comparison, margin: float, first: str, unit: str) -> tuple[float | None, str]:
    """The p-value of "the two differ by no more than the margin", and what is so otherwise.

    At a difference of the margin one as far out on the near side is the more probable, one on the far side is added.
    """
    sides: list[tuple[float, str]] = []
    for one, edge, sign, word in ((above, margin, -1, "better"), (below, -margin, 1, "worse")):
        p = _for(one, edge) if sign < 0 else _against(one, edge)
        if p is not None:
            near, far = _t(one, edge, sign), _t(one, -edge, sign, mirrored=True)
            said = f"'{first}' is {word} by more than {margin:g} {unit}".rstrip()
            sides.append((max(p, min(1.0, near + far)), said))
    return min(sides) if sides else (None, "")


def _t(one: Comparison, edge: float, sign: int, *, mirrored: bool = False) -> float:
    """The chance, by Student's t, of a difference as far beyond an edge as the one that was found.

    `sign` is -1 for above and 1 for below; `mirrored` takes it as far out on the other side of zero, seen from an edge.
    0 without a spread, where sign flips are alone.
    """
    if one.effect.value is None or not one.effect.error or one.freedom is None:
        return 0.0
    distance = sign * (one.effect.value - edge) if not mirrored else -abs(one.effect.value) - abs(edge)
    return float(stats.t.cdf(distance / one.effect.error, one.freedom))


def _absent(claims: Claims, claim: Claim, first: str, second: str, records: Sequence[Record]) -> str:
    known = row_names(records, claim.data)
    absent = [row for row in (first, second) if row not in known]
    if not absent:
        return ""
    near = get_close_matches(absent[0], known, n=5, cutoff=0.3)
    there = f"; of {len(known)} rows the nearest are: {', '.join(near)}" if near else ""
    return f"no record of '{absent[0]}' on {claim.data}{there}; to make them: qinn-bench run {claims.study}"


def _more_seeds(claims: Claims, claim: Claim, first: str, records: Sequence[Record], one: Comparison) -> str:
    """The reason of a comparison, with what to do where there are too few seeds for one."""
    seeds = len({r.cell.seed for r in records if r.row == first and on_data(r, claim.data)})
    if one.effect.value is None and seeds < claim.replicates:
        return f"{one.reason}; set seeds = {claim.replicates} in {claims.study} and run it"
    return one.reason


def _check_unit(claims: Claims, claim: Claim, one: Comparison) -> None:
    if claim.margin is not None and one.effect.value is not None and one.effect.unit != claim.unit:
        stated = f"in '{claim.unit}'" if claim.unit else "without a unit"
        raise Refused(
            f"claims '{claims.name}': the margin of '{claim.id}' is {stated}, "
            f"but {claim.metric} is in '{one.effect.unit}'"
        )
