"""What is to be told of a night: what got worse, what is open, what got better, and the verdict that follows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from qinn_bench.performance.counters.golden import CounterChange
from qinn_bench.performance.gate.bisection import sentence
from qinn_bench.performance.gate.compare_versions import GateReport
from qinn_bench.performance.gate.decide import Decision, GateOutcome
from qinn_bench.performance.gate.growth_terms import KNOB
from qinn_bench.values import Value
from qinn_bench.verdicts.golden_numbers import SeriesOutcome as Quality
from qinn_bench.verdicts.golden_numbers import SeriesVerdict as Moved

Tier = Literal["self-check", "counters", "anchor", "green", "trace", "quality"]
NoticeKind = Literal["worse", "undecided", "better"]
NightVerdict = Literal["ok", "regression", "unfit", "undecided"]
BY_OUTCOME: dict[GateOutcome, NoticeKind] = {
    "regression": "worse",
    "error": "worse",
    "missing": "worse",
    "inconclusive": "undecided",
    "improvement": "better",
}
BY_QUALITY: dict[Quality, NoticeKind] = {"worse": "worse", "inconclusive": "undecided", "better": "better"}


class Notice(Value):
    """One thing to be told: what it is about, and what is said of it.

    ``worse`` fails the night, ``undecided`` keeps it from being green, ``better`` is good news.
    """

    tier: Tier
    kind: NoticeKind
    what: str
    said: str

    def __str__(self) -> str:
        return f"{self.what}: {self.said}"


def of_counters(changes: Sequence[CounterChange]) -> Iterator[Notice]:
    """What grew or shrank; how much of a counter is too little to be told is said in `golden`."""
    for one in changes:
        if one.kind in ("grown", "less"):
            kind: NoticeKind = "worse" if one.kind == "grown" else "better"
            yield Notice(tier="counters", kind=kind, what=one.workload, said=one.said)


def of_gates(gates: Mapping[Tier, GateReport]) -> Iterator[Notice]:
    """What got slower or faster, broke, or could not be told; with the term and the commit it is put down to.

    What two comparisons say alike of a workload is one finding, of the first of them.
    """
    told: dict[tuple[NoticeKind, str], list[tuple[Tier, str]]] = defaultdict(list)
    for tier, report in gates.items():
        for one in report.decisions:
            if one.outcome in BY_OUTCOME:
                said = "; ".join([_change(one, tier), *_sources(one, report)])
                told[BY_OUTCOME[one.outcome], str(one.workload)].append((tier, said))
    for (kind, what), all_of in told.items():
        yield Notice(tier=all_of[0][0], kind=kind, what=what, said="; ".join(said for _, said in all_of))


def of_quality(moved: Sequence[Moved]) -> Iterator[Notice]:
    """What is no longer as good as its golden numbers, or better."""
    for one in moved:
        if one.outcome in BY_QUALITY:
            what = f"{one.row} on {one.data}, {one.metric}"
            yield Notice(tier="quality", kind=BY_QUALITY[one.outcome], what=what, said=f"{_size(one)}: {one.reason}")


def _size(one: Moved) -> str:
    """The outcome, and by how much a number got worse (if negative, better), with its 95 % interval."""
    if (of := one.comparison) is None or of.effect.value is None or of.interval is None:
        return one.outcome
    sign, word = (1, "") if one.outcome == "better" else (-1, "" if one.outcome == "worse" else ", worse")
    low, high = sorted(sign * end for end in of.interval)
    return f"{one.outcome}{word} by {sign * of.effect.value:.3g} [{low:.3g}, {high:.3g}]"


def verdict_of(findings: Sequence[Notice], compared: Mapping[Tier, bool], late: int = 0) -> tuple[NightVerdict, str]:
    """The verdict and its reason.

    `compared` says of each tier that was asked for whether it compared anything: a night on which one did not is not
    green, and one on which none did has no verdict. `late` workloads were left out for lack of time.
    """
    missed = f"; there was no time for {late}" if late else ""
    count = {kind: len({one.what for one in findings if one.kind == kind}) for kind in ("worse", "undecided")}
    nothing = [tier for tier, anything in compared.items() if not anything]
    if count["worse"]:
        return "regression", f"{count['worse']} got worse{missed}"
    if len(nothing) == len(compared):
        return "unfit", f"nothing could be compared{missed}"
    if count["undecided"]:
        return "undecided", f"nothing got worse, but {count['undecided']} could not be decided{missed}"
    if nothing:
        return "undecided", f"nothing got worse, but nothing was compared in: {', '.join(nothing)}{missed}"
    return "ok", f"nothing got worse{missed}"


def _change(one: Decision, tier: Tier) -> str:
    against = "the anchor" if tier == "anchor" else "the last green run"
    by = "" if one.change is None else f" by {one.change:+.1%} of {one.clock} time"
    why = f" ({one.reason})" if one.reason else ""
    return f"{one.outcome} against {against}{by}{why}"


def _sources(one: Decision, report: GateReport) -> Iterator[str]:
    """Which term and which commit a regression is put down to."""
    plain = {knob: value for knob, value in one.workload.knobs.items() if knob != KNOB}
    for growth in report.growth:
        if one.outcome == "regression" and (growth.workload.name, growth.workload.knobs) == (one.workload.name, plain):
            yield growth.said
    for culprit in report.culprits:
        if culprit.workload == one.workload:
            yield sentence(culprit, of="it")
