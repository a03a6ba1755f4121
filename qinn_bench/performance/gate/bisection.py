"""Which commit made a workload slower: a search among the commits between base and head by paired launches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import expm1
from statistics import median

from qinn_bench.performance.gate.decide import Decision, decide
from qinn_bench.performance.gate.launches import Launch, LaunchClock, Starter
from qinn_bench.values import Use, Value

PROBE_LAUNCHES = 5
Between = Callable[[str, str], Starter]
"""Makes launches of two revisions, base and head."""


class Culprit(Value):
    """The commit that a change of a workload is put down to, and how sure that is.

    `decision` is that of the gate between the commit before it and the commit itself, from launches of their own;
    `probes` counts the pairs of versions that were measured, that one included. `skipped` are commits that could not
    run the workload: the change may be theirs where they come right before the commit.
    """

    workload: Use
    commit: str
    before: str
    decision: Decision
    probes: int
    skipped: tuple[str, ...] = ()

    @property
    def confirmed(self) -> bool:
        """Whether the commit alone changes the workload."""
        return self.decision.outcome in ("regression", "improvement", "error")


def search(
    use: Use,
    base: str,
    commits: Sequence[str],
    change: float,
    between: Between,
    clock: LaunchClock = "cpu",
    tell: Callable[[str], None] = lambda _: None,
) -> Culprit:
    """Find the commit after `base`, among `commits` (oldest first), that changed a workload by `change`.

    `change` is log(head / base) by the `clock`, as the gate has seen it; `tell` hears of each probe. A commit lies
    after the culprit if the median of its launches against base is beyond half of that, which is as far from either
    side's truth as can be; so n commits take log2(n) probes, and one more confirms the one that is found. A commit that
    cannot run the workload is passed over.
    """
    known = [base, *commits]
    good, bad, probes = 0, len(known) - 1, 0
    skipped: list[int] = []
    while open_ := [k for k in range(good + 1, bad) if k not in skipped]:
        middle = min(open_, key=lambda k: abs(2 * k - good - bad))
        start = between(base, known[middle])
        launches: list[Launch] = [start(use) for _ in range(PROBE_LAUNCHES)]
        probes += 1
        if any(one.failed for one in launches):
            skipped.append(middle)
            tell(f"{use}: {known[middle][:12]} cannot run it")
            continue
        seen = median(one.change(clock) for one in launches)
        good, bad = (good, middle) if seen / change > 0.5 else (middle, bad)
        tell(f"{use}: {100 * expm1(seen):+.1f} % at {known[middle][:12]}, so it is among {bad - good} commits")
    tell(f"{use}: {known[bad][:12]} is gated against the commit before it")
    return Culprit(
        workload=use,
        commit=known[bad],
        before=known[good],
        decision=decide(use, between(known[good], known[bad])),
        probes=probes + 1,
        skipped=tuple(known[k] for k in sorted(skipped)),
    )


def sentence(culprit: Culprit, of: str = "") -> str:
    """What a search found, in words; the workload is called as `of` says, or by its name."""
    change = culprit.decision.change
    size = "" if change is None else f" by {100 * change:+.1f} %"
    said = "changes" if culprit.confirmed else "seems to change (not confirmed)"
    passed = f", with {len(culprit.skipped)} commits that cannot run it" if culprit.skipped else ""
    return f"{culprit.commit[:12]} {said} {of or culprit.workload}{size}, found in {culprit.probes} probes{passed}"


def total(decision: Decision) -> float:
    """log(head / base) that a search looks for the source of."""
    return median(decision.last)
