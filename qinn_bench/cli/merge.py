"""``qinn-bench merge``: finished records of a study from elsewhere, so that a run goes on from them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from qinn_bench.records import merging
from qinn_bench.study import study_files

CONFLICT = 1
SHOWN = 5
"""Conflicts that are told one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, where its records come from, and where they go."""
    parser.add_argument("study", type=Path, help="a study file (TOML)")
    parser.add_argument(
        "sources", nargs="+", type=Path, metavar="SOURCE", help="folder of results or published records"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of results that they are put into"
    )
    parser.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Take the records that are missing here, and say what was taken; 1 where cells have other numbers here."""
    study = study_files.load_study(options.study).name
    found = merging.Merged(0, 0, (), ())
    for source in options.sources:
        found += merging.merge(options.results, study, source)
    for sentence in found.odd:
        print(sentence, file=sys.stderr)
    if options.json:
        content = {"study": study, "taken": found.taken, "there": found.there, "conflicts": found.conflicts}
        print(json.dumps(content, indent=1))
    else:
        print(f"{study}: {found.taken} records taken, {found.there} were there, {len(found.conflicts)} in conflict")
        print("".join(f"  {sentence}\n" for sentence in found.conflicts[:SHOWN]), end="")
        if len(found.conflicts) > SHOWN:
            print(f"  and {len(found.conflicts) - SHOWN} more")
    return CONFLICT if found.conflicts else 0
