"""``qinn-bench clean``: what killed runs have left behind, removed; finished records only where they are asked for."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from qinn_bench.records import leftovers, store
from qinn_bench.records.leftovers import Leftover
from qinn_bench.records.trials import trials_study
from qinn_bench.study import progress, study_files
from qinn_bench.study.selection import select
from qinn_bench.values import Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study or none, the folder of results, and what is to go beside what nobody needs."""
    parser.add_argument("study", type=Path, nargs="?", help="a study file (TOML); all studies of the folder without it")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("--checkpoints", action="store_true", help="trainings too that could go on from where they are")
    every = ",".join(progress.FAILURES)
    words = "records too of cells that failed, or of these statuses only, such as timeout,lost"
    parser.add_argument("--failed", nargs="?", const=every, default="", metavar="STATUSES", help=words)
    words = "finished records too that the study no longer asks for, or that other code or settings made"
    parser.add_argument("--older", action="store_true", help=words)
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and remove nothing")
    parser.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Remove what is left over, and say what it was; finished records of the studies as they are now stay."""
    found = _found(options)
    gone = found if options.dry_run else [one for one in found if one.remove()]
    counts = Counter(str(one.kind) for one in gone)
    if options.json:
        print(json.dumps({"removed": not options.dry_run, "files": [str(one.path) for one in gone], "counts": counts}))
    else:
        for one in gone if options.dry_run else ():
            print(f"  {one.path} ({one.kind})")
        told = ", ".join(f"{n} {kind}" for kind, n in counts.items()) or "nothing"
        print(f"{told} {'would go' if options.dry_run else 'removed'}")
    return 0


def _found(options: argparse.Namespace) -> list[Leftover]:
    statuses, found = progress.statuses(options.failed), list[Leftover]()
    study = study_files.load_study(options.study) if options.study else None
    if options.older and not study:
        raise Refused("--older removes what a study no longer asks for; its file was expected")
    names = [study.name, trials_study(study.name)] if study else leftovers.studies_of(options.results)
    for name in names:
        found += leftovers.leftovers(options.results, name)
        found += leftovers.checkpoints(options.results, name) if options.checkpoints else []
        found += leftovers.failures(options.results, name, statuses) if statuses else []
    if options.older and study:
        selection = select(study, options.results)
        current = {one.current.key for one in selection.cells if one.current}
        records, _ = store.look_at_all(options.results, study.name)
        found += leftovers.of_records(options.results, [one for one in records if one.key not in current])
    return list({one.path: one for one in found}.values())
