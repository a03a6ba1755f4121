"""What the verbs that read records share: the argument that names published ones, and a folder's; without torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from qinn_bench.records import store
from qinn_bench.values import Record


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The file of published records."""
    parser.add_argument("--records", type=Path, metavar="FILE", help="published records, in place of RESULTS/records")


def of_folder(results: Path, study: str) -> list[Record]:
    """The records of a study in a folder of results; files that are none are named on the standard error output."""
    records, odd = store.newest_of(results, study)
    for one in odd:
        print(one, file=sys.stderr)
    return records
