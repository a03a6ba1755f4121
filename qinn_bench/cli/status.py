"""``qinn-bench status``: how far a study is; works without torch."""

from __future__ import annotations

import argparse
import json
from collections import Counter

from qinn_bench.cli import _study
from qinn_bench.study import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study and filters."""
    _study.add_arguments(parser)
    parser.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Print how many cells have which status, and why those that gave no result did not; 3 if some failed."""
    selection = _study.selected(options)
    study, records = selection.study.name, selection.records
    counts = Counter(str(record.status) for record in records)
    counts["to run"] = progress.to_run(selection.study, selection.drawn, selection.cells, selection.odd)
    without = [record for record in records if record.status != "ok"]
    n_other, differs = progress.of_other_inputs(selection.cells)
    other = f"{n_other} of the records are of other settings or of another version: {differs}" if n_other else ""
    reasons = [f"{r.row} seed {r.cell.seed} on {r.cell.data}: {r.status}: {r.reason}" for r in without]
    reasons += map(str, selection.odd)
    if options.json:
        content = {"study": study, "cells": len(selection.cells), "status": counts, "failed": reasons, "other": other}
        print(json.dumps(content, indent=1))
    else:
        print(f"{study}: {len(selection.cells)} cells; " + ", ".join(f"{n} {what}" for what, n in counts.items()))
        print("".join(f"  {reason}\n" for reason in [*reasons, *filter(None, [other])]), end="")
    return 3 if selection.odd or any(progress.failed(record) for record in records) else 0
