"""``qinn-bench publish``: the finished records of a study in one file that can be committed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from qinn_bench import campaign, planning, published
from qinn_bench.cli import _records


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, the folder of its results, and the file."""
    parser.add_argument("study", type=Path, help="a study file (TOML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("--out", type=Path, help="write to this file (default: RESULTS/published/STUDY.jsonl.gz)")
    parser.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Write the newest record of every cell of the study that has one, and say how many have none."""
    study = planning.load_study(options.study)
    orders = planning.plan(study, options.results)
    found = campaign.fitting(orders, _records.of_folder(options.results, study.name))
    path = options.out or published.path_of(options.results, study.name)
    published.write(path, study.name, [record for _, record in found])
    older, _ = campaign.of_other_inputs(found)
    size = path.stat().st_size
    if options.json:
        counts = {"cells": len(orders), "records": len(found), "older": older, "bytes": size}
        print(json.dumps({"study": study.name, "file": str(path)} | counts, indent=1))
    else:
        print(f"{path}: {len(found)} of {len(orders)} cells, {size / 1e6:.2f} MB; {older} not of this version")
    return 0
