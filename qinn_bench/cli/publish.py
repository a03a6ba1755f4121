"""``qinn-bench publish``: the finished records of a study in one file that can be committed, its trials in another."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from qinn_bench.cli import _study
from qinn_bench.records import published, trials
from qinn_bench.study import progress
from qinn_bench.values import Refused, Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, the folder of its results, and the file."""
    parser.add_argument("study", type=Path, help="a study file (TOML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("--out", type=Path, help="write to this file (default: RESULTS/published/STUDY.jsonl.gz)")
    parser.add_argument("--replace", action="store_true", help="replace a file that holds more records")
    parser.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Write the newest record of every cell of the study that has one, and say how many have none."""
    selection = _study.selected(options)
    for odd in selection.odd:
        print(odd, file=sys.stderr)
    study, records = selection.study, [one.record for one in selection.cells if one.record]
    path = options.out or published.path_of(options.results, study.name)
    if path.exists() and not options.replace and (there := len(published.read(path, study.name))) > len(records):
        raise Refused(
            f"{path} holds {there} records, and there are {len(records)} to publish; name another file with --out, or "
            "replace it with --replace"
        )
    published.write(path, study.name, records)
    tried = _publish_trials(study, options.results, path)
    older, _ = progress.of_other_inputs(selection.cells)
    size = path.stat().st_size
    if options.json:
        counts = {"cells": len(selection.cells), "records": len(records), "older": older, "bytes": size}
        print(json.dumps({"study": study.name, "file": str(path)} | counts, indent=1))
    else:
        cells = f"{len(records)} of {len(selection.cells)} cells"
        print(f"{path}: {cells}, {size / 1e6:.2f} MB; {older} not of this version")
        if tried:
            print(f"{tried}: the trials of its tuning")
    return 0


def _publish_trials(study: Study, results: Path, records: Path) -> Path | None:
    """Write the trials of a study that tunes beside its records; where they are, if there are some."""
    made = trials.known(study.name, results) if study.tuning else []
    if not made:
        return None
    name = trials.trials_study(study.name)
    path = published.beside(records, name)
    published.write(path, name, made)
    return path
