"""Whether head is slower than base: a decision for each workload from paired launches, and the report of them all.

The launch is the sampling unit: within one launch a difference between two equal versions is real (the layout of
memory) and does not go away with more rounds. A first stage looks at three launches, or at five where these leave it in
doubt; what it calls is measured again in fresh launches, five and then more, and only what all three stages call is
reported. They are independent, so that the share of false alarms is the product of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import expm1, log
from statistics import median
from typing import Literal

from scipy.stats import binom

from qinn_bench.performance.gate.launches import Launch, LaunchClock, Starter
from qinn_bench.statistics.corrections import discoveries
from qinn_bench.values import Use, Value

GateOutcome = Literal[
    "regression", "improvement", "unchanged", "inconclusive", "unsupported", "error", "new", "missing", "skipped"
]
FINDINGS: tuple[GateOutcome, ...] = ("regression", "error", "missing")
"""Outcomes that make the gate fail."""
SPENT = "the time for this comparison was spent before its turn"
FDR = 0.01
"""Share of false ones that is allowed among the alarms of a report."""


class Rule(Value):
    """A stage calls a change if, of `launches`, the median is above `middle` and at least `most` are above `each`.

    Both thresholds are relative slowdowns; improvements have the mirrored rule on the logarithms.
    """

    launches: int
    middle: float
    each: float = 0.0
    most: int = 0

    def calls(self, changes: Sequence[float]) -> int:
        """1 for a slowdown, -1 for an improvement, 0 for neither; `changes` are log(head / base), one a launch."""
        for sign in (1, -1):
            turned = [sign * change for change in changes]
            above = sum(change > log(1 + self.each) for change in turned)
            if median(turned) > log(1 + self.middle) and above >= self.most:
                return sign
        return 0


SCREEN = Rule(launches=3, middle=0.03, each=0.02, most=3)
DOUBT = 0.02
"""Two more launches are taken where the median of the screen is beyond this without a call."""
SECOND_LOOK = Rule(launches=5, middle=0.02, most=4)
CONFIRM = Rule(launches=5, middle=0.025)
SETTLE = Rule(launches=9, middle=0.025, most=8)
WALL_SCREEN = Rule(launches=3, middle=0.05, each=0.02, most=3)
"""By the wall, for work that waits: CPU time does not see sleeping, reading and locks."""
WALL_CONFIRM = Rule(launches=5, middle=0.02, each=0.02, most=5)
WALL_SETTLE = Rule(launches=9, middle=0.02, most=8)


class Decision(Value):
    """What is said of one workload.

    `change` is head / base - 1 by the `clock` that decided, the median over the launches of the last stage; `low` and
    `high` are the smallest and the largest of these launches. `screen`, `confirm` and `settle` hold log(head / base) of
    each launch of a stage on the CPU clock, `wall_screen` and so on by the wall, or on a GPU by CUDA events. `p` is the
    probability of such an outcome for equal versions, where launches of equal versions have been recorded. `seconds`
    are those of a step, base and head. `same_work` says whether both sides gave the same results.
    """

    workload: Use
    outcome: GateOutcome
    clock: LaunchClock = "cpu"
    change: float | None = None
    low: float | None = None
    high: float | None = None
    seconds: tuple[float, float] | None = None
    screen: tuple[float, ...] = ()
    confirm: tuple[float, ...] = ()
    settle: tuple[float, ...] = ()
    wall_screen: tuple[float, ...] = ()
    wall_confirm: tuple[float, ...] = ()
    wall_settle: tuple[float, ...] = ()
    p: float | None = None
    load: float = 0.0
    same_work: bool = True
    reason: str = ""

    def stages(self, clock: LaunchClock) -> tuple[tuple[float, ...], ...]:
        """log(head / base) of the launches of each stage that was taken, by the CPU clock or by any other."""
        cpu, wall = (self.screen, self.confirm, self.settle), (self.wall_screen, self.wall_confirm, self.wall_settle)
        return tuple(filter(None, cpu if clock == "cpu" else wall))

    @property
    def last(self) -> tuple[float, ...]:
        """log(head / base) of the launches of the last stage, by the clock that decided."""
        return (self.stages(self.clock) or ((),))[-1]


def decide(use: Use, start: Starter, extra: int = 0) -> Decision:
    """Measure a workload in as many launches as its decision needs; each stage has `extra` launches more.

    A workload that states the wall clock is judged by the wall alone, one on a GPU by CUDA events alone under the rule
    of the wall, any other by the wall only if the CPU clock calls nothing. A workload that fails on head alone is an
    `error`, on base alone `new`.
    """

    def stage(count: int) -> list[Launch]:
        launches: list[Launch] = []
        while len(launches) < count and not (launches and launches[-1].failed):
            launches.append(start(use))
        return launches

    screen = stage(SCREEN.launches + extra)
    if screen[-1].failed:
        return _failed(screen[-1])
    clock, called = screen[-1].clock, 0
    if clock == "cpu":
        called = _larger(SCREEN, extra).calls(_changes(screen))
        if not called and abs(median(_changes(screen))) > log(1 + DOUBT):
            screen += stage(SECOND_LOOK.launches - SCREEN.launches)
            if screen[-1].failed:
                return _failed(screen[-1])
            called = _larger(SECOND_LOOK, extra).calls(_changes(screen))
    if not called and (called := _larger(WALL_SCREEN, extra).calls(_changes(screen, "wall"))):
        clock = "wall" if clock == "cpu" else clock
    stages, held = [screen], called
    for rule in (CONFIRM, SETTLE) if clock == "cpu" else (WALL_CONFIRM, WALL_SETTLE):
        if held:
            stages.append(stage(rule.launches + extra))
            if stages[-1][-1].failed:
                return _failed(stages[-1][-1])
            held *= _larger(rule, extra).calls(_changes(stages[-1], clock)) == called
    return _decision(stages, called, held, clock)


def _decision(stages: Sequence[Sequence[Launch]], called: int, held: int, clock: LaunchClock) -> Decision:
    """What the launches of the stages say: the first `called` a change by `clock`, and all `held` to it, or not."""
    screen, last = stages[0], stages[-1]
    outcome: GateOutcome = "unchanged"
    reason = ""
    if held:
        outcome = "regression" if held > 0 else "improvement"
    elif called:
        seen, again = (100 * expm1(median(_changes(launches, clock))) for launches in (screen, last))
        reason = f"the first stage saw {seen:+.1f} %, the last {again:+.1f} %, which does not confirm it"
        outcome = "unchanged" if abs(again) < 100 * SETTLE.middle else "inconclusive"
    if held and not last[-1].same_version:
        outcome, reason = "inconclusive", "the workload itself was changed between base and head"
    changes, every = _changes(last, clock), [one for stage in stages for one in stage]
    cpu, wall = ([_changes(stage, of) for stage in stages] + [()] * (3 - len(stages)) for of in ("cpu", "wall"))
    return Decision(
        workload=screen[0].workload,
        outcome=outcome,
        clock=clock,
        change=expm1(median(changes)),
        low=expm1(min(changes)),
        high=expm1(max(changes)),
        seconds=(median(one.seconds(clock)[0] for one in last), median(one.seconds(clock)[1] for one in last)),
        screen=cpu[0],
        confirm=cpu[1],
        settle=cpu[2],
        wall_screen=wall[0],
        wall_confirm=wall[1],
        wall_settle=wall[2],
        load=max(one.load for one in every),
        same_work=all(one.same_work for one in every),
        reason=reason,
    )


def gate(
    base: Sequence[Use],
    head: Sequence[Use],
    start: Starter,
    watch: Callable[[Decision], None] = lambda _: None,
    extra: int = 0,
    spent: Callable[[], bool] = lambda: False,
) -> tuple[Decision, ...]:
    """Decide on each workload that base or head has; `watch` hears of each decision.

    Once `spent` says so, those that are left are `skipped`.
    """
    known, decisions = {str(use) for use in head}, []
    for use in head:
        skipped = Decision(workload=use, outcome="skipped", reason=SPENT)
        decisions.append(skipped if spent() else decide(use, start, extra))
        watch(decisions[-1])
    for use in base:
        if str(use) not in known:
            decisions.append(Decision(workload=use, outcome="missing", reason="head does not have this workload"))
            watch(decisions[-1])
    return tuple(decisions)


def above(null: Sequence[float], threshold: float) -> float:
    """The probability that a launch of equal versions shows more than `threshold` in size, from recorded ones.

    One is added to both counts, so that the estimate is never zero and tests on it are exact.
    """
    return (1 + sum(abs(change) >= threshold for change in null)) / (1 + len(null))


def p_value(decision: Decision, null: Sequence[float]) -> float:
    """The probability of a decision like this one, or a more extreme one, for equal versions.

    It is 1 for what did not reach the last stage. Else it is the probability of getting there times that of a last
    median at least as far out: a median of k launches is beyond m where more than half of them are. As the stages are
    independent, this is a p-value: P(p <= x) = P(pass) P(p_last <= x / P(pass)) <= x. `null` are the changes of
    recorded launches of the same workload and clock; both signs count.
    """
    settle = decision.settle if decision.clock == "cpu" else decision.wall_settle
    if not settle:
        return 1.0
    if decision.clock == "cpu":
        passed = (passing(SCREEN, null) + passing(SECOND_LOOK, null)) * passing(CONFIRM, null)
    else:
        passed = passing(WALL_SCREEN, null) * passing(WALL_CONFIRM, null)
    beyond = above(null, abs(median(settle)))
    return float(min(1.0, passed * binom.sf(len(settle) // 2, len(settle), beyond)))


def passing(rule: Rule, null: Sequence[float]) -> float:
    """The largest probability that a stage calls equal versions, from recorded launches of them."""
    middle = binom.sf(rule.launches // 2, rule.launches, above(null, log(1 + rule.middle)))
    return float(min(middle, binom.sf(rule.most - 1, rule.launches, above(null, log(1 + rule.each)))))


def controlled(decisions: Iterable[Decision], nulls: dict[str, tuple[float, ...]], rate: float = FDR) -> list[Decision]:
    """Hold the alarms of a whole report to a false discovery rate.

    `nulls` are the recorded changes of equal versions by ``str(workload)`` and clock (``NAME cpu``). An alarm that
    they do not support becomes `inconclusive`; a workload without records keeps its decision.
    """
    judged = []
    for one in decisions:
        null = nulls.get(f"{one.workload} {one.clock}", ())
        judged.append(one.model_copy(update={"p": p_value(one, null)}) if null and one.change is not None else one)
    kept = iter(discoveries([one.p for one in judged if one.p is not None], rate))
    return [one if one.p is None else _kept(one, next(kept), rate) for one in judged]


def _kept(one: Decision, supported: bool, rate: float) -> Decision:
    if supported or one.outcome not in ("regression", "improvement"):
        return one
    reason = f"equal versions differ as much with p = {one.p:.2g}, too often for {rate:.0%} false alarms in this report"
    return one.model_copy(update={"outcome": "inconclusive", "reason": reason})


def _changes(launches: Sequence[Launch], clock: LaunchClock = "cpu") -> tuple[float, ...]:
    return tuple(launch.change(clock) for launch in launches)


def _larger(rule: Rule, extra: int) -> Rule:
    return rule.model_copy(update={"launches": rule.launches + extra, "most": rule.most and rule.most + extra})


def _failed(launch: Launch) -> Decision:
    """The decision about a workload that has no times on one side or on both."""
    base, head = launch.base_failure, launch.head_failure
    outcome: GateOutcome = "new" if base else "error"
    if base and head:
        outcome = "unsupported" if head.status == "unsupported" else "inconclusive"
    failure = head or base
    reason = failure.reason if failure else ""
    if outcome == "new":
        reason = f"base cannot run it: {reason}"
    return Decision(workload=launch.workload, outcome=outcome, reason=reason, load=launch.load)
