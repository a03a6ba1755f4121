"""``qinn-bench gate``: whether one version of this project is slower than another."""

from __future__ import annotations

import argparse
import fnmatch
import json
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from qinn_bench import store
from qinn_bench.performance import calibration
from qinn_bench.performance.attribution import common
from qinn_bench.performance.bisection import search, sentence, total
from qinn_bench.performance.checkouts import Checkouts
from qinn_bench.performance.gate import Decision, GateReport, gate
from qinn_bench.performance.launches import HEAVY, LIBRARIES, Launcher, NoVerdict
from qinn_bench.performance.machine import this_machine
from qinn_bench.report.gate import line, table
from qinn_bench.values import Refused, Use

SPAWNED_EXTRA = 2
"""Launches more in each stage where processes cannot be forked."""
REGRESSION, NO_VERDICT = 1, 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which versions and which workloads."""
    parser.add_argument("--base", default="HEAD", help="the revision to compare with")
    parser.add_argument("--head", default=".", help="the revision that is judged; . is the working tree as it is")
    parser.add_argument("--workloads", default="*", help="patterns such as 'engine*n_qubits=8*', separated by spaces")
    parser.add_argument("--bisect", action="store_true", help="name the commit of each regression")
    parser.add_argument("--calibrate", action="store_true", help="measure how often the gate is wrong on this machine")
    parser.add_argument("--repeats", type=int, default=10, help="decisions for each workload and size, to calibrate")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("--repository", type=Path, default=Path(), help="the top of the repository")
    parser.add_argument("--json", action="store_true", help="print the decisions as JSON")


def run(options: argparse.Namespace) -> int:
    """Measure and print; 0 nothing got slower, 1 something did, 4 no verdict could be reached."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        if options.calibrate:
            return _calibrate(options)
        report = _measured(options)
    except NoVerdict as reason:
        print(f"qinn-bench gate: no verdict: {reason}", file=sys.stderr)
        return NO_VERDICT
    print(report.model_dump_json(indent=1) if options.json else table(report).text())
    if report.failed:
        return REGRESSION
    judged = report.having("regression", "improvement", "unchanged", "inconclusive")
    return 0 if judged else NO_VERDICT


def _measured(options: argparse.Namespace) -> GateReport:
    log = Console(stderr=True)

    def watch(decision: Decision) -> None:
        log.print(line(decision), markup=False, highlight=False, soft_wrap=True)

    with Checkouts(options.repository) as checkouts:
        base, head = checkouts.at(options.base, " base"), checkouts.at(options.head, " head")
        with Launcher(base, head, LIBRARIES) as launcher:
            ours, theirs = (_chosen(uses, options.workloads) for uses in launcher.uses())
        if not ours and not theirs:
            raise Refused(f"--workloads is '{options.workloads}', which no workload of base or head matches")
        with Launcher(base, head, _libraries(theirs)) as launcher:
            extra = 0 if launcher.fork else SPAWNED_EXTRA
            decisions = list(gate(ours, theirs, launcher, watch, extra))
            forked = launcher.fork
        machine = this_machine().name
        known = calibration.load(options.results, machine)
        decisions, notes = calibration.supported(decisions, known)
        slower = [one for one in decisions if one.outcome == "regression" and one.clock == "cpu"]
        return GateReport(
            base=checkouts.commit(options.base),
            head=checkouts.commit(options.head),
            machine=machine,
            forked=forked,
            calibrated=known is not None,
            decisions=tuple(decisions),
            notes=(
                *notes,
                *_shared(decisions),
                *(_source(checkouts, options, one) for one in slower if options.bisect),
            ),
        )


def _shared(decisions: Sequence[Decision]) -> list[str]:
    words = common(decisions)
    return [f"all regressions, and nothing else, have {' and '.join(words)}"] if words else []


def _calibrate(options: argparse.Namespace) -> int:
    """Decide on equal versions of head with planted slowdowns, write the calibration, and print its rates."""
    log = Console(stderr=True)
    if options.repeats < 1:
        raise Refused(f"--repeats is {options.repeats}; expected a positive number")

    def watch(trial: calibration.Trial) -> None:
        log.print(f"+{100 * trial.planted:.0f} % {line(trial.decision)}", markup=False, highlight=False, soft_wrap=True)

    with Checkouts(options.repository) as checkouts:
        base, head = checkouts.at(options.head, " base"), checkouts.at(options.head, " head")
        with Launcher(base, head) as launcher:
            uses = _chosen(launcher.uses()[1], options.workloads)
            if not uses:
                raise Refused(f"--workloads is '{options.workloads}', which no workload matches")
            machine = this_machine().name
            found = calibration.calibrate(uses, launcher, machine, launcher.fork, options.repeats, watch)
    path = calibration.path_of(options.results, machine)
    store.write_whole(path, lambda file: file.write(found.model_dump_json(indent=1).encode()))
    log.print(f"written: {path}", soft_wrap=True)
    if options.json:
        print(json.dumps([rate.model_dump() for rate in found.rates()], indent=1))
        return 0
    for rate in found.rates():
        said = f"{rate.called}/{rate.trials} called, 95 % interval {100 * rate.low:.1f} to {100 * rate.high:.1f} %"
        print(f"+{100 * rate.planted:2.0f} %: {said}")
    return 0


def _source(checkouts: Checkouts, options: argparse.Namespace, one: Decision) -> str:
    """The commit that a regression comes from, in a sentence."""
    base, commits = checkouts.commit(options.base), checkouts.path(options.base, options.head)
    with ExitStack() as stack:

        def between(first: str, second: str) -> Launcher:
            stack.pop_all().close()
            folders = checkouts.at(first), checkouts.at(second)
            return stack.enter_context(Launcher(*folders, _libraries([one.workload])))

        return sentence(search(one.workload, base, commits, total(one), between))


def _chosen(uses: Sequence[Use], patterns: str) -> list[Use]:
    return [use for use in uses if any(fnmatch.fnmatchcase(str(use), _literal(p)) for p in patterns.split())]


def _literal(pattern: str) -> str:
    """A pattern in which brackets mean themselves, since names have them."""
    return pattern.replace("[", "[[]")


def _libraries(uses: Sequence[Use]) -> tuple[str, ...]:
    """What launches of these workloads import; PennyLane takes seconds and is left out where only engines run."""
    words = " ".join(map(str, uses))
    light = all(use.name.startswith("engine") for use in uses) and ".qubit" not in words
    return LIBRARIES if light else LIBRARIES + HEAVY
