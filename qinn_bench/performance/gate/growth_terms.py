"""Which term of t(n) = a + b 2^(c n) grew, where a workload got slower: the same work at several numbers of qubits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Literal

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import f as f_distribution

from qinn_bench.performance.gate.decide import Decision
from qinn_bench.performance.gate.launches import Launch, Starter
from qinn_bench.performance.scaling.fit import FEWEST, fit
from qinn_bench.values import Array, Use, Value

KNOB = "n_qubits"
QUBITS = (2, 4, 6, 8, 10)
LAUNCHES, MEDIAN_VARIANCE = 3, 0.45
"""Launches at each number of qubits, and the variance of their median in units of that of one (of normal numbers)."""
MOST_SERIES = 3
"""So many series are looked at, those first that changed most."""
LEAST_SCATTER = 0.005
"""Standard deviation that a launch has at least; a few launches can agree by chance."""
APART = 6.0
"""How much worse the sum of squares of an explanation is before it is ruled out: odds of 20 to 1."""
UNLIKELY = 0.001
"""An explanation that fits worse than this share of true ones does is none."""
Term = Literal["a", "b", "c", "all"]
WORDS: dict[Term, str] = {
    "a": "the fixed overhead a grew by {by:+.1%} of a step of the fewest qubits",
    "b": "the growing part b 2^(c n) got slower by {by:+.1%} at every n",
    "c": "its exponent c grew by {by:+.3f}",
    "all": "all sizes got slower alike, by {by:+.1%}",
}


class GrowthTerm(Value):
    """What the change of a series of workloads that differ in their number of qubits is put down to.

    `seconds` are those of a step of base and `changes` log(head / base), one for each of `qubits`, medians over the
    launches. `terms` are those that explain the changes, the best first: one, if it can be told; none, if none does
    alone. `by` is what the best one grew by: a share, or for c a difference.
    """

    workload: Use
    qubits: tuple[int, ...]
    seconds: tuple[float, ...]
    changes: tuple[float, ...]
    terms: tuple[Term, ...] = ()
    by: float = 0.0
    reason: str = ""

    @property
    def said(self) -> str:
        """The term that the change is put down to, without the workload."""
        if self.reason:
            return self.reason
        where = f"at {self.qubits[0]} to {self.qubits[-1]} qubits"
        if not self.terms:
            return f"{where}: no single term of a + b 2^(c n) explains the change"
        best = WORDS[self.terms[0]].format(by=self.by)
        others = " or ".join(self.terms[1:])
        return f"{where}: {best}" + (f" (not told apart from {others})" if others else "")

    def __str__(self) -> str:
        return f"{self.workload}{': ' if self.reason else ' '}{self.said}"


def series(decisions: Sequence[Decision]) -> list[Use]:
    """The workloads, without their number of qubits, that got slower by CPU time; those that changed most first."""
    slower = [one for one in decisions if one.outcome == "regression" and one.clock == "cpu"]
    slower = [one for one in slower if KNOB in one.workload.knobs]
    slower.sort(key=lambda one: -abs(one.change or 0.0))
    workloads = {str(use): use for use in (_without(one.workload) for one in slower)}
    return list(workloads.values())[:MOST_SERIES]


def attribute(of: Use, start: Starter, enough: Callable[[], bool] = lambda: False) -> GrowthTerm:
    """Launch a workload at several numbers of qubits and say which term changed; `enough` ends the launches early."""
    misfits = {}
    for n in QUBITS:
        use = of.model_copy(update={"knobs": of.knobs | {KNOB: n}})
        launches: list[Launch] = []
        while len(launches) < LAUNCHES and not enough() and not (launches and launches[-1].failed):
            launches.append(start(use))
        if len(launches) == LAUNCHES and not launches[-1].failed:
            misfits[n] = launches
    return explained(of, misfits)


def explained(of: Use, launches: dict[int, list[Launch]]) -> GrowthTerm:
    """Which single change of a term explains the changes at these numbers of qubits."""
    seconds = tuple(median(one.seconds()[0] for one in of_n) for of_n in launches.values())
    changes = tuple(median(one.change() for one in of_n) for of_n in launches.values())
    said = GrowthTerm(workload=of, qubits=tuple(launches), seconds=seconds, changes=changes)
    if len(launches) < FEWEST:
        return said.model_copy(update={"reason": f"measured at {len(launches)} numbers of qubits only"})
    spread = np.array([np.var([one.change() for one in of_n], ddof=1) for of_n in launches.values()])
    error = float(np.sqrt(MEDIAN_VARIANCE * max(spread.mean(), LEAST_SCATTER**2)))
    n = np.array(said.qubits, dtype=np.float64)
    return said.model_copy(update=_best(n, np.array(seconds), np.array(changes), error))


def _best(n: Array, t: Array, changes: Array, error: float) -> dict[str, object]:
    """The explanations that cannot be ruled out, and the size of the best; changes have normal errors."""
    overhead = fit(n, t).a
    high = t.min() if overhead.high is None else min(overhead.high, t.min())
    misfits: dict[Term, tuple[float, float]] = {"a": _least(lambda by: np.log1p(by * t.min() / t), changes)}
    misfits["all"] = _least(lambda by: np.full_like(t, np.log1p(by)), changes)
    for a in np.linspace(min(overhead.low or 0.0, high), high, 5):
        share = np.clip(1 - a / t, 0.0, 1.0)
        for term, curve in (("b", _scaled(share)), ("c", _steeper(share, n))):
            fitted = _least(curve, changes)
            misfits[term] = min(misfits.get(term, fitted), fitted)  # type: ignore[index, call-overload]
    ranked = sorted(misfits, key=lambda term: misfits[term][0])
    least, by = misfits[ranked[0]]
    freedom = len(n) - 1, len(n) * (LAUNCHES - 1)
    if least / error**2 / freedom[0] > f_distribution.isf(UNLIKELY, *freedom):
        return {"terms": ()}
    kept = tuple(term for term in ranked if (misfits[term][0] - least) / error**2 < APART)
    return {"terms": kept, "by": by}


def _scaled(share: Array) -> Callable[[float], Array]:
    return lambda by: np.log1p(by * share)


def _steeper(share: Array, n: Array) -> Callable[[float], Array]:
    return lambda by: np.log1p(share * np.expm1(np.log(2) * by * n))


def _least(curve: Callable[[float], Array], changes: Array) -> tuple[float, float]:
    """The least sum of squares over the one free number, and that number."""
    minimum = minimize_scalar(
        lambda by: float(np.sum((curve(by) - changes) ** 2)), bounds=(-0.9, 9.0), method="bounded"
    )
    return float(minimum.fun), float(minimum.x)


def _without(use: Use) -> Use:
    return use.model_copy(update={"knobs": {knob: value for knob, value in use.knobs.items() if knob != KNOB}})
