"""``qinn-bench quality``: did the numbers of pinned seeds move from the golden ones."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from qinn_bench.cli import _records
from qinn_bench.performance.machine import environment
from qinn_bench.records.provenance import commit
from qinn_bench.report import forms
from qinn_bench.report.golden_table import quality_table
from qinn_bench.study import study_files
from qinn_bench.values import Refused
from qinn_bench.verdicts import golden_numbers
from qinn_bench.verdicts.golden_numbers import SeriesVerdict

PASSED = frozenset({"same", "equal", "better"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is watched, the folder of results, and what to do."""
    parser.add_argument("--watch", type=Path, default=golden_numbers.WATCHED, help="what is watched (TOML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("--accept", action="store_true", help="make the numbers of the finished records golden")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Print what became of every golden number; 0 all pass, 1 some worse, 5 none worse but some inconclusive."""
    watch = golden_numbers.load_watch(options.watch)
    study = study_files.load_study(Path(watch.study))
    records = _records.of_folder(options.results, study.name)
    path = options.results / "golden" / "quality" / f"{study.name}.json"
    if not records:
        raise Refused(f"'{study.name}' has no records yet; to make them: qinn-bench run {watch.study}")
    if options.accept:
        head = str(commit().get("commit", ""))
        golden = golden_numbers.golden_of(watch, study.name, records, head, environment())
        golden_numbers.save_golden(path, golden)
        print(f"{len(golden.series)} series of {max(len(one.values) for one in golden.series)} seeds: {path}")
        return 0
    found = golden_numbers.check(golden_numbers.load_golden(path), watch, records)
    if options.json:
        print(json.dumps([one.model_dump() for one in found], indent=1, ensure_ascii=False))
    else:
        print(forms.text(quality_table(found)), end="")
    return _code(found)


def _code(found: Sequence[SeriesVerdict]) -> int:
    outcomes = {one.outcome for one in found}
    return 1 if "worse" in outcomes else 0 if outcomes <= PASSED else 5
