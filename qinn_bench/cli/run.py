"""``qinn-bench run``: run a study; what is finished is not run again."""

from __future__ import annotations

import argparse

from qinn_bench import limits
from qinn_bench.cli import _clusters, _study
from qinn_bench.cli._endings import INTERRUPTED
from qinn_bench.limits import Limits
from qinn_bench.report import forms
from qinn_bench.report.finished_table import run_table
from qinn_bench.study import progress, study_files
from qinn_bench.study.run_study import Stopped, console, run_study

SOME_FAILED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, filters, and limits."""
    _study.add_arguments(parser)
    parser.add_argument("-j", "--jobs", type=int, default=limits.cores(), help="cells at once")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of each cell; more than one pays for many qubits"
    )
    parser.add_argument("--timeout", type=float, help="wall seconds a cell may take, or its data to be drawn")
    parser.add_argument("--memory", type=float, help="GiB a cell may allocate, or its data when they are drawn")
    parser.add_argument("--fresh", action="store_true", help="run finished cells again; each is kept until then")
    _study.add_retry(parser, "cells")
    _clusters.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the table as JSON")


def run(options: argparse.Namespace) -> int:
    """Run what is missing, print the table and where the records are; 3 if some cells failed."""
    log = console()
    use = Limits(options.jobs, options.timeout, options.memory, options.threads)
    study, kept = study_files.load_study(options.study), _study.filters(options)
    how = {"fresh": options.fresh, "retry": progress.statuses(options.retry)}
    if _clusters.dry_run(options):
        return 0
    try:
        with _clusters.scheduler_of(options, log) as scheduler:
            ran = run_study(study, options.results, kept, use, log, **how, scheduler=scheduler)
    except Stopped:
        return INTERRUPTED
    if ran.over_seeds:  # Not even one on a disk that is full.
        shown = run_table(study, ran.over_seeds, options.results)
        print(shown.json() if options.json else forms.text(shown))
    log.print(f"records: {options.results / 'records' / study.name}", soft_wrap=True)
    for problem in ran.problems:
        log.print(problem, markup=False, soft_wrap=True)
    return 0 if ran.complete else SOME_FAILED
