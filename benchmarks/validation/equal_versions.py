"""How often is the gate wrong, over the whole suite: launches of equal versions, and nights drawn from them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from math import exp
from pathlib import Path
from time import monotonic

import numpy as np
from scipy.stats import binomtest

from qinn_bench.performance.gate.checkouts import Checkouts
from qinn_bench.performance.gate.compare_versions import libraries
from qinn_bench.performance.gate.decide import FINDINGS, SCREEN, gate
from qinn_bench.performance.gate.launches import Launch, Launcher, Starter
from qinn_bench.seeds import numpy_rng

ROOT = Path(__file__).parents[2]
LAUNCHES = 12
"""Of each workload; in rounds over the whole suite, so that a passing load meets all of them."""
NIGHTS = 4000
AGAIN = 100
"""Sets of launches that are drawn anew, for the intervals."""
PLANTED = (0.05, 0.10)
"""Slowdowns that are added to recorded changes."""
DEMANDED = {
    "a workload raises an alarm": (0.0, 0.01),
    "a night raises an alarm": (0.0, 0.01),
    "a slowdown of 5 % is found": (0.9, 1.0),
    "a slowdown of 10 % is found": (0.95, 1.0),
}
UNEVEN = 0.05
"""Significance at which the changes of a workload are called one-sided."""
Recorded = dict[str, list[Launch]]


def run(launches: int = LAUNCHES, nights: int = NIGHTS, again: int = AGAIN) -> tuple[str, list[str]]:
    """The table of false alarms and of slowdowns found on this machine, and what misses its limit.

    Takes about half an hour on two cores.
    """
    begun = monotonic()
    recorded, unmeasured = record(launches)
    seconds = SCREEN.launches * (monotonic() - begun) / sum(map(len, recorded.values()))
    return report(recorded, unmeasured, seconds, nights, again)


def record(launches: int) -> tuple[Recorded, Counter[str]]:
    """Launches of each workload of HEAD against itself; and of how many there are none, by the reason."""
    recorded, unmeasured = Recorded(), Counter[str]()
    with Checkouts(ROOT) as checkouts:
        base, head = checkouts.at("HEAD", " base"), checkouts.at("HEAD", " head")
        with Launcher(base, head) as launcher:
            uses = launcher.uses()[1]
        with Launcher(base, head, libraries(uses)) as launcher:
            for number in range(1, launches + 1):
                for use in list(uses):
                    found = launcher(use)
                    if found.failed and number == 1:
                        uses.remove(use)
                        unmeasured[_reason(found)] += 1
                    else:
                        recorded.setdefault(str(use), []).append(found)
                print(f"{number} of {launches} launches of {len(uses)} workloads", file=sys.stderr, flush=True)
    return recorded, unmeasured


def report(
    recorded: Recorded, unmeasured: Counter[str], seconds: float, nights: int = NIGHTS, again: int = AGAIN
) -> tuple[str, list[str]]:
    """The table, and its lines that miss what is demanded; a decision took so many `seconds`."""
    rng = numpy_rng("nights of equal versions")
    short = {name: [_short(one) for one in found] for name, found in recorded.items()}
    rates, worst = judged(short, nights, rng)
    spread = [judged(_drawn(short, rng), max(1, nights // again), rng)[0] for _ in range(again)]
    missed = list[str]()
    lines = [
        f"| of {len(short)} equal workloads | share [%] | 95 % interval [%] | demanded [%] |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, share in rates.items():
        low, high = np.quantile([one[name] for one in spread], [0.025, 0.975])
        limits = DEMANDED.get(name, (0.0, 1.0))
        demanded = f"{100 * limits[0]:g} to {100 * limits[1]:g}" if name in DEMANDED else "–"
        lines.append(f"| {name} | {100 * share:.3g} | {100 * low:.3g} to {100 * high:.3g} | {demanded} |")
        missed += [] if limits[0] <= share <= limits[1] else lines[-1:]
    loads = [one.load for found in recorded.values() for one in found]
    uneven = sum(_sign_p(found) <= UNEVEN for found in recorded.values())
    if binomtest(uneven, len(recorded), UNEVEN, alternative="greater").pvalue < 0.01:
        missed.append(f"{uneven} of {len(recorded)} workloads prefer one of two equal versions")
    lines += [
        "",
        f"{min(map(len, recorded.values()))} launches of each, at a load average of {min(loads):.1f} to "
        f"{max(loads):.1f}; {nights} nights drawn from them, with replacement and with either side as base, and "
        f"decided by the rules of the gate; intervals from {again} sets of launches drawn anew. Changes are one-sided "
        f"(sign test, p below {UNEVEN:g}) for {uneven} workloads. {SCREEN.launches} launches, which most decisions "
        f"take, took {seconds:.1f} s. Slowdowns are added to recorded changes.",
        "",
        *(f"* {name}: called {100 * share:.3g} %, {_scatter(recorded[name])}" for name, share in worst),
        *(f"* {number} not measured: {reason}" for reason, number in sorted(unmeasured.items())),
        "",
    ]
    return "\n".join(lines), missed


def judged(
    recorded: Recorded, nights: int, rng: np.random.Generator
) -> tuple[dict[str, float], list[tuple[str, float]]]:
    """Shares of alarms among workloads and among nights; and the workloads most often called, with their shares.

    Which of two equal versions is called base is drawn too: otherwise what chance left one-sided would count twice.
    """
    either = {name: [*found, *map(_turned, found)] for name, found in recorded.items()}
    uses = [found[0].workload for found in recorded.values()]
    outcomes, called, red = Counter[str](), Counter[str](), 0
    for _ in range(nights):
        found = gate(uses, uses, _drawing(either, rng))
        outcomes.update(one.outcome for one in found)
        called.update(str(one.workload) for one in found if one.outcome not in ("unchanged", "inconclusive"))
        red += any(one.outcome in FINDINGS for one in found)
    decisions = nights * len(uses)
    rates = {
        "a workload raises an alarm": sum(outcomes[name] for name in FINDINGS) / decisions,
        "a workload is called faster": outcomes["improvement"] / decisions,
        "a workload is left inconclusive": outcomes["inconclusive"] / decisions,
        "a night raises an alarm": red / nights,
    }
    for planted in PLANTED:
        slowed = {name: [_slowed(one, planted) for one in found] for name, found in either.items()}
        rates[f"a slowdown of {100 * planted:g} % is found"] = _found(slowed, max(1, nights // 40), rng)
    return rates, [(name, number / nights) for name, number in called.most_common(3)]


def _short(one: Launch) -> Launch:
    """The same launch in one round, its median change, which is all that decisions use of it."""
    if one.failed:
        return one
    cpu, wall = (((1.0,), (exp(one.change(clock)),)) for clock in ("cpu", "wall"))
    return one.model_copy(update={"cpu": cpu, "wall": wall})


def _found(slowed: Recorded, times: int, rng: np.random.Generator) -> float:
    """The share of regressions among decisions about slowdowns."""
    uses = [found[0].workload for found in slowed.values()]
    decisions = gate(uses, uses * times, _drawing(slowed, rng))
    return float(np.mean([one.outcome == "regression" for one in decisions]))


def _drawing(recorded: Recorded, rng: np.random.Generator) -> Starter:
    """Takes one of the recorded launches of a workload in the place of a new one."""
    return lambda use: recorded[str(use)][rng.integers(len(recorded[str(use)]))]


def _slowed(one: Launch, planted: float) -> Launch:
    """The same launch with a head that takes so much longer."""
    cpu, wall = ((base, tuple(second * (1 + planted) for second in head)) for base, head in (one.cpu, one.wall))
    return one.model_copy(update={"cpu": cpu, "wall": wall})


def _turned(one: Launch) -> Launch:
    """The same launch with the other side as base."""
    (base, head), (before, after) = one.cpu, one.wall
    swapped = {"base_failure": one.head_failure, "head_failure": one.base_failure}
    return one.model_copy(update={"cpu": (head, base), "wall": (after, before)} | swapped)


def _sign_p(found: Sequence[Launch]) -> float:
    """The p-value of as many changes of one sign, where neither side is preferred."""
    changes = [one.change(one.clock) for one in found if not one.failed]
    return float(binomtest(sum(change > 0 for change in changes), len(changes)).pvalue)


def _drawn(recorded: Recorded, rng: np.random.Generator) -> Recorded:
    """As many launches of each workload, drawn with replacement."""
    return {name: [found[at] for at in rng.integers(len(found), size=len(found))] for name, found in recorded.items()}


def _scatter(found: Sequence[Launch]) -> str:
    """How far the launches of a workload are from no change, or that some failed."""
    if failures := [one for one in found if one.failed]:
        return f"{len(failures)} of {len(found)} launches failed ({_reason(failures[0])})"
    cpu, wall = ([100 * (exp(one.change(clock)) - 1) for one in found] for clock in ("cpu", "wall"))
    return f"CPU {min(cpu):+.1f} to {max(cpu):+.1f} %, wall {min(wall):+.1f} to {max(wall):+.1f} %"


def _reason(failed: Launch) -> str:
    return next(one.reason for one in (failed.head_failure, failed.base_failure) if one)
