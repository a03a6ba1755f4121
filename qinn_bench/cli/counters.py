"""``qinn-bench counters``: what the workloads ask for, counted, and whether it is what it was."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from qinn_bench import registry
from qinn_bench.performance import workloads
from qinn_bench.performance.counters import count, golden
from qinn_bench.performance.counters.count import Counted
from qinn_bench.performance.counters.golden import CounterChange
from qinn_bench.study.time_left import Pace
from qinn_bench.values import Use

GOLDEN = Path("results/golden/counters.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Workloads, and what is done with their counters."""
    parser.add_argument("workload", nargs="*", help="name or name[parameter=value,...]; all by default")
    parser.add_argument("--check", action="store_true", help="compare with the known counters; exit code 1 for growth")
    parser.add_argument("--accept", action="store_true", help="make these the known counters of this environment")
    parser.add_argument("--golden", type=Path, default=GOLDEN, help=f"file of known counters (default {GOLDEN})")
    parser.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Count, print, compare, keep; 1 if a counter grew by more than a share of `golden.BLOCKS`."""
    known = golden.load(options.golden)
    chosen = [use for text in options.workload for use in _chosen(text)] if options.workload else workloads.uses()
    counted, pace, log = [], Pace(len(chosen)), Console(stderr=True, soft_wrap=True, markup=False, highlight=False)
    for one in count.counted(chosen):
        counted.append(one)
        log.print(f"{pace.step()}: {one.workload}")
    here = known.get(golden.environment())
    changes = golden.compare(here, counted) if here is not None else []
    if options.accept:
        golden.accept(options.golden, counted)
    grown = [change for change in changes if change.kind == "grown"]
    if options.json:
        _print_json(counted, changes, here is not None)
    else:
        _print(options, counted, changes, here is not None)
    return 1 if options.check and grown and not options.accept else 0


def _chosen(text: str) -> list[Use]:
    """The default uses of a workload by its name alone, or the one use that is spelled out."""
    use = registry.parse_use(text)
    return [use] if use.knobs else list(workloads.workload_of(use).uses())


def _print_json(counted: list[Counted], changes: list[CounterChange], compared: bool) -> None:
    document = {
        "environment": golden.environment(),
        "compared": compared,
        "workloads": [one.model_dump() for one in counted],
        "changes": [change.model_dump() for change in changes],
    }
    print(json.dumps(document, indent=1))


def _print(options: argparse.Namespace, counted: list[Counted], changes: list[CounterChange], compared: bool) -> None:
    console = Console(soft_wrap=True, markup=False, highlight=False)
    for one in [] if options.check or options.accept else counted:
        said = one.reason or ", ".join(f"{name} {number}" for name, number in one.counters.items())
        console.print(f"{one.workload}: {said}")
    for change in changes:
        console.print(f"{'GROWN ' if change.kind == 'grown' else ''}{change}")
    n = sum(not one.reason for one in counted)
    if options.accept:
        console.print(f"{options.golden}: counters of {n} workloads kept for {golden.environment()}")
    elif not compared:
        console.print(f"no counters are known for {golden.environment()}; nothing was compared")
    elif not changes:
        console.print(f"{n} workloads ask for what they did")
    if options.check and not options.accept and any(change.kind == "grown" for change in changes):
        words = " ".join(f"'{text}'" for text in options.workload)
        console.print(f"if this growth is meant: qinn-bench counters {words} --accept".replace("  ", " "))
