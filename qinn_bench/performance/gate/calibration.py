"""How often the gate is wrong on this machine: decisions about equal versions, and about slowdowns that are planted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic

from scipy.stats import beta

from qinn_bench.files import file_name
from qinn_bench.performance.gate.decide import Decision, controlled, decide
from qinn_bench.performance.gate.launches import Launch, LaunchClock, NoVerdict, Starter
from qinn_bench.reading import read_value
from qinn_bench.values import Refused, Use, Value

PLANTED = (0.0, 0.03, 0.05, 0.10, 0.20, 0.50)
"""Shares of its work that head repeats; 0 are equal versions."""
POWER = 0.9
"""A slowdown counts as seen by the gate if it is found at least so often."""
FEWEST = 20
"""Launches of equal versions from which p-values are taken; fewer give none that is small enough to use."""
Planter = Callable[[Use, float], Launch]


class Trial(Value):
    """A decision about a slowdown of a known size, and the seconds that it took."""

    planted: float
    decision: Decision
    took: float = 0.0


class Rate(Value):
    """How many of `trials` decisions called a slowdown (any change, where none was planted), with a 95 % interval."""

    planted: float
    called: int
    trials: int
    low: float
    high: float


class Calibration(Value):
    """Decisions of known truth on one machine."""

    machine: str
    forked: bool
    trials: tuple[Trial, ...]

    def rates(self) -> tuple[Rate, ...]:
        """The share of calls for each planted size, over all workloads, with Clopper and Pearson's intervals."""
        groups: dict[float, list[bool]] = defaultdict(list)
        for trial in self.trials:
            if trial.decision.change is not None:
                wanted = ("regression",) if trial.planted else ("regression", "improvement")
                groups[trial.planted].append(trial.decision.outcome in wanted)
        return tuple(_rate(planted, sum(called), len(called)) for planted, called in sorted(groups.items()))

    def nulls(self) -> dict[str, tuple[float, ...]]:
        """log(head / base) of the launches of equal versions, by workload and clock, where there are enough."""
        changes_of: dict[str, list[float]] = defaultdict(list)
        for one in (trial.decision for trial in self.trials if not trial.planted):
            other: LaunchClock = "wall" if one.clock == "cpu" else one.clock
            for clock in ("cpu", other):
                changes_of[f"{one.workload} {clock}"] += [change for stage in one.stages(clock) for change in stage]
        return {name: tuple(changes) for name, changes in changes_of.items() if len(changes) >= FEWEST}

    def smallest(self) -> float | None:
        """The smallest slowdown from which on all are found often enough, by the lower ends of the intervals."""
        seen = None
        for rate in sorted((rate for rate in self.rates() if rate.planted), key=lambda rate: -rate.planted):
            if rate.low < POWER:
                break
            seen = rate.planted
        return seen


def calibrate(uses: Sequence[Use], start: Planter, repeats: int) -> Iterator[Trial]:
    """Take `repeats` decisions of each workload at each planted size; sizes take turns, so that all meet one load."""
    for _ in range(repeats):
        for use in uses:
            for planted in PLANTED:
                begun, decision = monotonic(), decide(use, _planting(start, planted))
                yield Trial(planted=planted, decision=decision, took=monotonic() - begun)


def supported(decisions: Sequence[Decision], known: Calibration | None) -> tuple[list[Decision], list[str]]:
    """The decisions that the calibration of this machine supports, and what it says of those that cannot be seen."""
    if known is None:
        return list(decisions), []
    smallest = known.smallest()
    seen = "no slowdown" if smallest is None else f"slowdowns from {100 * smallest:.0f} %"
    return controlled(decisions, known.nulls()), [f"unchanged: on this machine {seen} is found in {POWER:.0%} or more"]


def path_of(results: Path, machine: str) -> Path:
    """Where the calibration of a machine lies."""
    return results / "calibration" / f"{file_name(machine)}.json"


def load(results: Path, machine: str) -> Calibration | None:
    """The calibration of a machine, if it has one.

    Raises:
        NoVerdict: the file is not a calibration.
    """
    path = path_of(results, machine)
    if not path.exists():
        return None
    try:
        return read_value(Calibration, path, "is not a calibration")
    except Refused:
        raise NoVerdict(f"'{path}' is not a calibration; remove it or run gate --calibrate") from None


def _planting(start: Planter, planted: float) -> Starter:
    return lambda use: start(use, planted)


def _rate(planted: float, called: int, trials: int) -> Rate:
    low = float(beta.ppf(0.025, called, trials - called + 1)) if called else 0.0
    high = float(beta.ppf(0.975, called + 1, trials - called)) if called < trials else 1.0
    return Rate(planted=planted, called=called, trials=trials, low=low, high=high)
