"""Two versions of the project judged: which workloads changed, by how much, and where the changes come from."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from pathlib import Path

from qinn_bench.performance.gate import calibration, growth_terms
from qinn_bench.performance.gate.bisection import Culprit, search, sentence, total
from qinn_bench.performance.gate.checkouts import Checkouts
from qinn_bench.performance.gate.common_words import common
from qinn_bench.performance.gate.decide import FINDINGS, Decision, GateOutcome, gate
from qinn_bench.performance.gate.growth_terms import GrowthTerm
from qinn_bench.performance.gate.launches import HEAVY, LIBRARIES, Launcher
from qinn_bench.performance.machine import this_machine
from qinn_bench.values import Use, Value

SPAWNED_EXTRA = 2
"""Launches more in each stage where processes cannot be forked."""
Arrange = Callable[[Sequence[Use]], list[Use]]
"""Which of the workloads are measured, and in which order."""
WatchDecision = Callable[[Decision], None]


class GateReport(Value):
    """All decisions about two versions; `calibrated` says whether the rules' rates are known on this machine.

    `growth` says, of workloads that got slower and have a number of qubits, how the change depends on it; `culprits`
    are the commits that regressions come from, as far as they were searched for.
    """

    base: str
    head: str
    machine: str
    forked: bool
    calibrated: bool
    decisions: tuple[Decision, ...]
    growth: tuple[GrowthTerm, ...] = ()
    culprits: tuple[Culprit, ...] = ()
    notes: tuple[str, ...] = ()

    def having(self, *outcomes: GateOutcome) -> tuple[Decision, ...]:
        """The decisions with one of these outcomes."""
        return tuple(one for one in self.decisions if one.outcome in outcomes)

    @property
    def untraced(self) -> tuple[Use, ...]:
        """The workloads whose regression no commit is named for."""
        traced = [one.workload for one in self.culprits]
        return tuple(one.workload for one in self.having("regression") if one.workload not in traced)

    @property
    def failed(self) -> bool:
        """Whether something got slower, broke or went missing."""
        return bool(self.having(*FINDINGS))


def judged(
    checkouts: Checkouts,
    base: str,
    head: str,
    results: Path,
    order: Arrange,
    watch: WatchDecision = lambda _: None,
    spent: Callable[[], bool] = lambda: False,
) -> GateReport:
    """Compare two revisions on the workloads that `order` takes of them.

    Regressions are put down to a term of their growth with qubits. Once `spent`, what is left is said to be skipped.

    Raises:
        Refused: no such revision.
        NoVerdict: the repository or the machine keeps workloads from being launched.
    """
    folders = checkouts.at(base, " base"), checkouts.at(head, " head")
    with Launcher(*folders, LIBRARIES) as launcher:
        ours, theirs = map(order, launcher.uses())
    with Launcher(*folders, libraries(theirs)) as launcher:
        extra, forked = 0 if launcher.fork else SPAWNED_EXTRA, launcher.fork
        decisions = list(gate(ours, theirs, launcher, watch, extra, spent))
        machine = this_machine().name
        known = calibration.load(results, machine)
        decisions, notes = calibration.supported(decisions, known)
        growth = tuple(growth_terms.attribute(of, launcher, spent) for of in growth_terms.series(decisions))
    return GateReport(
        base=checkouts.commit(base),
        head=checkouts.commit(head),
        machine=machine,
        forked=forked,
        calibrated=known is not None,
        decisions=tuple(decisions),
        growth=growth,
        notes=(*notes, *_shared(decisions), *map(str, growth)),
    )


def traced(
    checkouts: Checkouts,
    report: GateReport,
    tell: Callable[[str], None] = lambda _: None,
    spent: Callable[[], bool] = lambda: False,
) -> GateReport:
    """The report with the commit that each regression comes from; once `spent`, no search is begun.

    Raises:
        Refused: head does not come after base.
        NoVerdict: the repository or the machine keeps workloads from being launched.
    """
    culprits: list[Culprit] = []
    for one in report.having("regression"):
        if spent():
            break
        culprits.append(source(checkouts, report.base, report.head, one, tell))
    notes = (*report.notes, *map(sentence, culprits))
    return report.model_copy(update={"culprits": tuple(culprits), "notes": notes})


def source(
    checkouts: Checkouts, base: str, head: str, one: Decision, tell: Callable[[str], None] = lambda _: None
) -> Culprit:
    """The commit that a regression comes from; `tell` hears of each probe."""
    commits = checkouts.path(base, head)
    with Launcher(checkouts.at(base), checkouts.at(head), libraries([one.workload])) as launcher:

        def between(before: str, after: str) -> Launcher:
            return launcher.turn_to(checkouts.at(before), checkouts.at(after))

        return search(one.workload, base, commits, total(one), between, one.clock, tell)


def libraries(uses: Sequence[Use]) -> tuple[str, ...]:
    """What launches of these workloads import; PennyLane takes seconds and is left out where only engines run."""
    words = " ".join(map(str, uses))
    light = all(use.name.startswith("engine") for use in uses) and ".qubit" not in words
    return LIBRARIES if light else LIBRARIES + HEAVY


def _shared(decisions: Sequence[Decision]) -> list[str]:
    words = common(decisions)
    return [f"all regressions, and nothing else, have {' and '.join(words)}"] if words else []


def chosen(uses: Sequence[Use], patterns: str) -> list[Use]:
    """The workloads that match one of the patterns, which are separated by spaces."""
    return [use for use in uses if any(fnmatch.fnmatchcase(str(use), _literal(p)) for p in patterns.split())]


def _literal(pattern: str) -> str:
    """A pattern in which brackets mean themselves, since names have them."""
    return pattern.replace("[", "[[]")
