"""``qinn-bench gate``: whether one version of this project is slower than another."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from qinn_bench.performance.gate import calibration
from qinn_bench.performance.gate.calibration_table import calibration_table
from qinn_bench.performance.gate.checkouts import Checkouts
from qinn_bench.performance.gate.compare_versions import GateReport, chosen, judged, traced
from qinn_bench.performance.gate.gate_table import line, table
from qinn_bench.performance.gate.launches import Launcher, NoVerdict
from qinn_bench.performance.machine import this_machine
from qinn_bench.report.forms import FORMS
from qinn_bench.values import Refused, Use
from qinn_bench.writing import write_text

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
    parser.add_argument("--format", choices=FORMS, default="text")
    parser.add_argument("--json", action="store_true", help="print the decisions as JSON")


def run(options: argparse.Namespace) -> int:
    """Measure and print; 0 nothing got slower, 1 something did, 4 no verdict could be reached."""
    try:
        if options.calibrate:
            return _calibrate(options)
        report = _measured(options)
    except NoVerdict as reason:
        print(f"qinn-bench gate: no verdict: {reason}", file=sys.stderr)
        return NO_VERDICT
    text = f"{report.model_dump_json(indent=1)}\n" if options.json else FORMS[options.format](table(report))
    print(text, end="")
    if report.failed:
        return REGRESSION
    reached = report.having("regression", "improvement", "unchanged", "inconclusive")
    return 0 if reached else NO_VERDICT


def _measured(options: argparse.Namespace) -> GateReport:
    log = _log()

    def take(uses: Sequence[Use]) -> list[Use]:
        return chosen(uses, options.workloads)

    with Checkouts(options.repository) as checkouts:
        report = judged(checkouts, options.base, options.head, options.results, take, lambda one: log(line(one)))
        if options.bisect:
            report = traced(checkouts, report, log)
    if not report.decisions:
        raise Refused(f"--workloads is '{options.workloads}', which no workload of base or head matches")
    return report


def _calibrate(options: argparse.Namespace) -> int:
    """Decide on equal versions of head with planted slowdowns, keep the calibration, and print its rates.

    What was decided before an interruption is kept.
    """
    log, machine, trials = _log(), this_machine().name, list[calibration.Trial]()
    if options.repeats < 1:
        raise Refused(f"--repeats is {options.repeats}; expected a positive number")
    with Checkouts(options.repository) as checkouts:
        base, head = checkouts.at(options.head, " base"), checkouts.at(options.head, " head")
        with Launcher(base, head) as launcher:
            uses = chosen(launcher.uses()[1], options.workloads)
            if not uses:
                raise Refused(f"--workloads is '{options.workloads}', which no workload matches")
            try:
                for trial in calibration.calibrate(uses, launcher, options.repeats):
                    trials.append(trial)
                    log(f"+{100 * trial.planted:.0f} % {line(trial.decision)}")
            finally:
                calibrated = calibration.Calibration(machine=machine, forked=launcher.fork, trials=tuple(trials))
                path = calibration.path_of(options.results, machine)
                if trials:
                    write_text(path, calibrated.model_dump_json(indent=1))
                    log(f"written: {path}")
    if options.json:
        print(json.dumps([rate.model_dump() for rate in calibrated.rates()], indent=1))
        return 0
    print(FORMS[options.format](calibration_table(calibrated)), end="")
    return 0


def _log() -> Callable[[str], None]:
    """Prints a line of progress."""
    return Console(stderr=True, soft_wrap=True, markup=False, highlight=False).print
