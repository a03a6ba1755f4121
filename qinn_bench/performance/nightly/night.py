"""A nightly run: tiers of measurements that share a budget of time, and the one verdict that they lead to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from pydantic import Field

from qinn_bench.performance.counters import golden
from qinn_bench.performance.counters.count import Counted
from qinn_bench.performance.counters.golden import CounterChange
from qinn_bench.performance.gate.compare_versions import GateReport
from qinn_bench.performance.gate.decide import SPENT
from qinn_bench.performance.gate.launches import NoVerdict
from qinn_bench.performance.nightly import findings
from qinn_bench.performance.nightly.findings import NightVerdict, Notice, NoticeKind, Tier
from qinn_bench.performance.nightly.preflight import Conditions
from qinn_bench.values import Record, Value
from qinn_bench.verdicts.golden_numbers import SeriesVerdict as Moved

CODES: dict[NightVerdict, int] = {"ok": 0, "regression": 1, "unfit": 4, "undecided": 5}
"""Exit codes."""
SHARES: dict[Tier, float] = {
    "self-check": 0.15,
    "counters": 0.2,
    "quality": 0.25,
    "anchor": 0.3,
    "green": 0.2,
    "trace": 0.2,
}
"""How the tiers divide the time among them; what one leaves goes to those that follow."""
ALL, EVERY = "all workloads", "*"
NO_ANCHOR = "no anchor is pinned; to pin one: qinn-bench nightly --set-anchor REVISION --reason WHY"
NO_COUNTERS = "no counters are known in this environment; to keep these: qinn-bench counters --accept"
Spent = Callable[[], bool]
"""Says, before each step, whether the time that a tier may take is over."""


class Absent(Value):
    """Something that was to be measured and was not, and why; `late` where that is lack of time."""

    tier: Tier
    what: str
    why: str
    late: bool = False


class Tonight(Value):
    """What a run is of: the version, the machine, the seconds it may take, and the versions that it is compared with.

    `anchor` and `green` are commits; where one is empty, `no_anchor` or `no_green` says why. `no_quality` says why
    quality is not looked at, if it is not. `workloads` are the patterns of those that were chosen.
    """

    run: str
    utc: str
    commit: str
    dirty: bool
    machine: str
    environment: str
    conditions: Conditions
    budget: float
    workloads: str = EVERY
    anchor: str = ""
    green: str = ""
    no_anchor: str = NO_ANCHOR
    no_green: str = ""
    no_quality: str = ""


class Night(Value):
    """All that came out of a run; `changes` is None where no counters are known to compare with."""

    tonight: Tonight
    verdict: NightVerdict
    reason: str
    findings: tuple[Notice, ...] = ()
    absent: tuple[Absent, ...] = ()
    counted: tuple[Counted, ...] = ()
    changes: tuple[CounterChange, ...] | None = None
    gates: dict[Tier, GateReport] = Field(default_factory=dict)
    quality: tuple[Moved, ...] = ()
    records: tuple[Record, ...] = ()

    def having(self, kind: NoticeKind) -> tuple[Notice, ...]:
        """The findings of a kind."""
        return tuple(one for one in self.findings if one.kind == kind)


@dataclass(frozen=True)
class Tools:
    """What a run measures with; each stops once its time is spent.

    `counters` gives those of all workloads, with a reason where it has none; `gate` compares head with a commit, in
    the self-check with itself; `trace` adds the commits that its regressions come from, and says for which it did not
    and why; `quality` gives what became of the golden numbers, the records that say so, and the rows
    there was no time for. `known` are the counters that are known of workloads in this environment, if any.
    """

    counters: Callable[[Spent], Sequence[Counted]]
    gate: Callable[[Tier, str, Spent], GateReport]
    trace: Callable[[Tier, GateReport, Spent], tuple[GateReport, Sequence[Absent]]]
    quality: Callable[[Spent], tuple[Sequence[Moved], Sequence[Record], Sequence[str]]]
    known: Mapping[str, golden.Known] | None = None


class NightBudget:
    """Seconds from now on, of which each tier gets its share of what is left when it begins."""

    def __init__(self, seconds: float, tiers: Sequence[Tier], now: Callable[[], float] = time.monotonic) -> None:
        self.shares, self.now, self.until = {tier: SHARES[tier] for tier in tiers}, now, now() + seconds

    def begin(self, tier: Tier) -> Spent:
        """The end of a tier's time: a step is not begun if, going by those before, it would not end in time."""
        total, begun = sum(self.shares.values()), self.now()
        until = begun + (self.until - begun) * self.shares.pop(tier) / total
        asked: list[float] = []

        def spent() -> bool:
            asked.append(self.now())
            steps = [after - before for before, after in pairwise(asked)]
            return asked[-1] + (median(steps) if steps else 0.0) > until

        return spent


def night(tonight: Tonight, tools: Tools, self_check: bool = False, now: Callable[[], float] = time.monotonic) -> Night:
    """Measure what there is time for and judge it.

    With `self_check`, head is first compared with itself; where that finds a difference, the machine is unfit and
    nothing else is measured.
    """
    bases: dict[Tier, str] = {"anchor": tonight.anchor, "green": tonight.green}
    why_not: dict[Tier, str] = {"anchor": tonight.no_anchor, "green": tonight.no_green}
    tiers: list[Tier] = ["self-check"] if self_check else []
    tiers += ["counters"] if tonight.no_quality else ["counters", "quality"]
    tiers += [*(tier for tier, base in bases.items() if base), "trace"]
    budget = NightBudget(tonight.budget, tiers, now)
    compared: dict[Tier, bool] = {}
    if self_check:
        itself = tools.gate("self-check", tonight.commit, budget.begin("self-check"))
        if why := _differences(itself):
            return Night(tonight=tonight, verdict="unfit", reason=f"machine unfit tonight: {why}")
        compared["self-check"] = _reached(itself)
    counted = tools.counters(budget.begin("counters"))
    taken = [one for one in counted if not one.late]
    changes = None if tools.known is None else tuple(golden.compare(tools.known, taken))
    absent = [Absent(tier=tier, what=ALL, why=why_not[tier]) for tier, base in bases.items() if not base]
    moved: Sequence[Moved] = ()
    records: Sequence[Record] = ()
    if tonight.no_quality:
        absent.append(Absent(tier="quality", what="all golden numbers", why=tonight.no_quality))
    else:
        moved, records, left = tools.quality(budget.begin("quality"))
        absent += [Absent(tier="quality", what=what, why=SPENT, late=True) for what in left]
    gates, without = _gated({tier: base for tier, base in bases.items() if base}, tools, budget)
    absent += without
    notices = (*findings.of_counters(changes or ()), *findings.of_gates(gates), *findings.of_quality(moved))
    absent += _left_out(counted, changes, gates)
    late = len({one.what for one in absent if one.late})
    compared |= {} if changes is None else {"counters": any(one.counters for one in taken)}
    compared |= {tier: tier in gates and _reached(gates[tier]) for tier, base in bases.items() if base}
    compared |= {} if tonight.no_quality else {"quality": bool(moved)}
    verdict, why = findings.verdict_of(notices, compared, late)
    return Night(
        tonight=tonight,
        verdict=verdict,
        reason=why,
        findings=notices,
        absent=tuple(absent),
        counted=tuple(counted),
        changes=changes,
        gates=gates,
        quality=tuple(moved),
        records=tuple(records),
    )


def _gated(bases: Mapping[Tier, str], tools: Tools, budget: NightBudget) -> tuple[dict[Tier, GateReport], list[Absent]]:
    """The comparison with each of these commits, its regressions traced, and what there was no comparison of."""
    gates: dict[Tier, GateReport] = {}
    absent: list[Absent] = []
    for tier, base in bases.items():
        try:
            gates[tier] = tools.gate(tier, base, budget.begin(tier))
        except NoVerdict as reason:
            absent.append(Absent(tier=tier, what=ALL, why=str(reason)))
    spent = budget.begin("trace")
    for tier, report in list(gates.items()):
        if report.having("regression"):
            gates[tier], untraced = tools.trace(tier, report, spent)
            absent += untraced
    return gates, absent


def unfit(tonight: Tonight, why: str) -> Night:
    """A run that measured nothing, for the machine is not fit for it."""
    return Night(tonight=tonight, verdict="unfit", reason=why)


def _differences(itself: GateReport) -> str:
    """Which workloads change between equal versions; empty if none."""
    changed = itself.having("regression", "improvement")
    return ", ".join(f"equal versions of {one.workload} differ by {one.change:+.1%}" for one in changed)


def _reached(report: GateReport) -> bool:
    return any(one.change is not None for one in report.decisions)


def _left_out(
    counted: Sequence[Counted], changes: Sequence[CounterChange] | None, gates: Mapping[Tier, GateReport]
) -> Iterator[Absent]:
    """The workloads that a tier did not measure, each with its reason."""
    if changes is None:
        yield Absent(tier="counters", what="comparison of all workloads", why=NO_COUNTERS)
    yield from (
        Absent(tier="counters", what=str(one.workload), why=one.reason, late=one.late) for one in counted if one.reason
    )
    for tier, report in gates.items():
        for one in report.having("skipped", "unsupported", "new"):
            late = one.outcome == "skipped"
            yield Absent(tier=tier, what=str(one.workload), why=one.reason, late=late)
