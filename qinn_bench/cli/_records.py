"""What the verbs that read records share: those of the folder of results, or published ones; without torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from qinn_bench import published, store
from qinn_bench.values import Record


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The file of published records."""
    parser.add_argument("--records", type=Path, metavar="FILE", help="published records, in place of RESULTS/records")


def of_study(options: argparse.Namespace, study: str) -> tuple[list[Record], list[str]]:
    """All records of a study, and a note on the file if they are published ones."""
    if not options.records:
        return store.load_all(options.results, study), []
    found = published.read(options.records, study)
    return found, [published.said(options.records, found)]
