"""``qinn-bench plan``: what a run of a study would do, and what it is expected to take; nothing is run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from qinn_bench import limits
from qinn_bench.cli import _study
from qinn_bench.report.forms import FORMS
from qinn_bench.report.plan_table import plan_table
from qinn_bench.study import progress, study_files
from qinn_bench.study.plan_matrix import plan_matrix


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, filters, how many cells at once, and where costs are known from."""
    _study.add_arguments(parser)
    parser.add_argument("-j", "--jobs", type=int, default=limits.cores(), help="cells at once, here or on a cluster")
    _study.add_retry(parser, "cells")
    parser.add_argument("--records", type=Path, metavar="FILE", help="published records whose costs are taken too")
    parser.add_argument("--format", choices=FORMS, default="text")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="same as --format json")


def run(options: argparse.Namespace) -> int:
    """Print the matrix of cells with what is finished, and what the rest takes."""
    study = study_files.load_study(options.study)
    retry, jobs = progress.statuses(options.retry), max(1, options.jobs)
    made = plan_matrix(study, options.results, _study.filters(options), retry, options.records)
    for odd in made.odd:
        print(odd, file=sys.stderr)
    print(FORMS[options.format](plan_table(made, jobs)), end="" if options.format != "json" else "\n")
    return 0
