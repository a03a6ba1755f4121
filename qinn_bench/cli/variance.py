"""``qinn-bench variance``: how much of a number's spread comes from each source of randomness; works without torch."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qinn_bench.cli import _records
from qinn_bench.records import known
from qinn_bench.report.forms import FORMS
from qinn_bench.report.variance_table import variance_table
from qinn_bench.study import study_files
from qinn_bench.values import Record, Refused
from qinn_bench.verdicts.variance_sources import VarianceBudget, budgets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, its results, the metrics, the row that differences are taken to, and the form of the answer."""
    parser.add_argument("study", type=Path, help="a study file (TOML) with variance = true")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    _records.add_argument(parser)
    parser.add_argument("--metric", action="append", default=[], help="a number (default: nll); repeatable")
    parser.add_argument("--against", default="", metavar="ROW", help="of the differences to this row")
    parser.add_argument("--format", choices=FORMS, default="text")
    parser.add_argument("--json", action="store_true", help="print the budgets as JSON")


def run(options: argparse.Namespace) -> int:
    """Print a line for each row, data set and metric."""
    study = str(study_files.read_plain(options.study)["name"])
    records, notes = known.some_of_study(study, options.results, options.records)
    metrics = options.metric or ["nll"]
    found = budgets(records, metrics, options.against)
    if not found:
        measured = sorted({name for record in records for name in record.metrics})
        raise Refused(f"no row has three values of {', '.join(metrics)}; there are: {', '.join(measured)}")
    if options.json:
        print(json.dumps([one.model_dump() for one in found], indent=1, ensure_ascii=False))
        return 0
    table = variance_table(found, study)
    table = replace(table, footnotes=(*table.footnotes, *_left_out(records, found, metrics), *notes))
    print(FORMS[options.format](table), end="")
    return 0


def _left_out(records: Sequence[Record], found: Sequence[VarianceBudget], metrics: Sequence[str]) -> list[str]:
    """Each row that moved sources alone and has no budget for a metric, with what its records say."""
    have = {(one.data, one.row, one.metric) for one in found} | {(one.data, one.against, one.metric) for one in found}
    reasons: dict[tuple[str, str, str], Counter[str]] = {}
    for record in records:
        for metric in metrics:
            key = str(record.cell.data), record.row, metric
            if record.cell.varies != "all" and key not in have:
                reasons.setdefault(key, Counter())[_reason(record, metric)] += 1
    said = {key: ", ".join(f"{count} cells: {reason}" for reason, count in of.items()) for key, of in reasons.items()}
    return [f"No budget for {metric} of {row} on {data}: {why}." for (data, row, metric), why in said.items()]


def _reason(record: Record, metric: str) -> str:
    if record.status != "ok":
        return f"{record.status}, {record.reason}" if record.reason else record.status
    if metric not in record.metrics:
        return "no such number"
    return f"the certificate is {record.certificate.verdict}" if record.certificate else "no certificate"
