"""``qinn-bench status``: how far a study is, once or until it has ended; works without torch."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from datetime import datetime

from qinn_bench.cli import _study
from qinn_bench.study import follow, progress, study_files
from qinn_bench.study.costs import cpu_by_phase
from qinn_bench.values import Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study and filters."""
    _study.add_arguments(parser)
    words = "go on, with a line whenever something has changed, until all cells have ended; looked at so often"
    parser.add_argument("--watch", nargs="?", type=float, const=5.0, metavar="SECONDS", help=words)
    parser.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Print how many cells have which status, what a finished one has cost, and why those that gave no result did not;
    3 if some failed."""
    if options.watch is not None:
        _watch(options)
    selection = _study.selected(options)
    study, records = selection.study.name, selection.records
    counts = Counter(str(record.status) for record in records)
    counts["to run"] = progress.to_run(selection.study, selection.drawn, selection.cells, selection.odd)
    without = [record for record in records if record.status != "ok"]
    n_other, differs = progress.of_other_inputs(selection.cells)
    other = f"{n_other} of the records are of other settings or of another version: {differs}" if n_other else ""
    reasons = [f"{r.row} seed {r.cell.seed} on {r.cell.data}: {r.status}: {r.reason}" for r in without]
    reasons += map(str, selection.odd)
    spent = cpu_by_phase(records)
    if options.json:
        content = {"study": study, "cells": len(selection.cells), "status": counts, "failed": reasons, "other": other}
        print(json.dumps(content | {"cpu_seconds": {phase: round(of, 3) for phase, of in spent.items()}}, indent=1))
    else:
        print(f"{study}: {len(selection.cells)} cells; " + ", ".join(f"{n} {what}" for what, n in counts.items()))
        if spent:
            parts = ", ".join(f"{phase} {of:.2f}" for phase, of in spent.items())
            print(f"  CPU seconds of a finished cell: {sum(spent.values()):.1f} ({parts})")
        print("".join(f"  {reason}\n" for reason in [*reasons, *filter(None, [other])]), end="")
    return 3 if selection.odd or any(progress.failed(record) for record in records) else 0


def _watch(options: argparse.Namespace) -> None:
    """Print how far the study is whenever that has changed, until no cell is left to run."""
    if not 0.0 < options.watch < math.inf:
        raise Refused(f"--watch is {options.watch:g}; a number of seconds above 0 was expected")
    study = study_files.load_study(options.study)
    for now in follow.follow(study, options.results, _study.filters(options), options.watch):
        print(f"{datetime.now():%H:%M:%S} {now}", file=sys.stderr if options.json else sys.stdout, flush=True)
