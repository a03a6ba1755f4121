"""``qinn-bench status``: how far a study is."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence

from qinn_bench import campaign, store
from qinn_bench.cli import _study
from qinn_bench.run import Order


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study and filters."""
    _study.add_arguments(parser)
    parser.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Print how many cells have which status, and why those that gave no result did not; 3 if some failed."""
    study, orders = _study.planned(options)
    records = campaign.finished(orders)
    counts = Counter(str(record.status) for record in records)
    counts["to run"] = len(campaign.pending(orders))
    without = [record for record in records if record.status != "ok"]
    other = _of_other_inputs(options, study.name, orders)
    reasons = [f"{r.row} seed {r.cell.seed} on {r.cell.data}: {r.status}: {r.reason}" for r in without]
    left_out = campaign.unreadable(orders)
    reasons += left_out
    if options.json:
        print(
            json.dumps(
                {"study": study.name, "cells": len(orders), "status": counts, "failed": reasons, "other": other},
                indent=1,
            )
        )
    else:
        print(f"{study.name}: {len(orders)} cells; " + ", ".join(f"{n} {what}" for what, n in counts.items()))
        print("".join(f"  {reason}\n" for reason in [*reasons, *filter(None, [other])]), end="")
    return 3 if left_out or any(campaign.failed(record) for record in records) else 0


def _of_other_inputs(options: argparse.Namespace, study: str, orders: Sequence[Order]) -> str:
    """What differs between this version and the records that cells of the plan have under other keys."""
    found = campaign.fitting(orders, store.load_all(options.results, study))
    other, differs = campaign.of_other_inputs(found)
    return f"{other} cells have records that are not of this version: {differs}" if other else ""
