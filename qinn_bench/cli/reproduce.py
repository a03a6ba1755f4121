"""``qinn-bench reproduce``: a cell run again from its record alone, and whether its numbers come back."""

from __future__ import annotations

import argparse
import tempfile
from math import isfinite
from pathlib import Path

from qinn_bench import limits
from qinn_bench.limits import Limits
from qinn_bench.records.finding import find_record
from qinn_bench.report.forms import FORMS
from qinn_bench.report.reproduction_table import reproduction_table
from qinn_bench.study.reproduction import reproduce
from qinn_bench.values import Refused

OTHER_NUMBERS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A cell, where its record is, limits, and how far its numbers may be apart."""
    parser.add_argument("cell", help="the key of a cell, the beginning of one, or the file of its record")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results with its record")
    parser.add_argument("--records", type=Path, metavar="FILE", help="published records, one of which is the cell's")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the new record and its arrays in this folder")
    parser.add_argument("--timeout", type=float, help="wall seconds that the cell may take")
    parser.add_argument("--memory", type=float, help="GiB that the cell may allocate")
    words = "combined standard errors that numbers may be apart where equal bits cannot be asked for (default 3)"
    parser.add_argument("--errors", type=float, default=3.0, help=words)
    parser.add_argument("--all", action="store_true", help="show the numbers too that came back bit for bit")
    parser.add_argument("--format", choices=FORMS, default="text")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="same as --format json")


def run(options: argparse.Namespace) -> int:
    """Run the cell again and print what differs; 1 where its numbers do not come back."""
    if not (isfinite(options.errors) and options.errors > 0):
        raise Refused(f"--errors is {options.errors:g}, but a number above 0 was expected")
    record, arrays = find_record(options.cell, options.results, options.records)
    threads = record.provenance.get("threads", 1)
    most = min(int(threads), limits.cores()) if isinstance(threads, int) else 1
    use = limits.checked(Limits(1, options.timeout, options.memory, max(1, most)))
    with tempfile.TemporaryDirectory(prefix="qinn-bench-") as folder:
        nulls = options.results / "nulls"
        made = reproduce(record, arrays, options.keep or Path(folder), use, options.errors, nulls)
    shown = reproduction_table(made, every=options.all or options.format == "json")
    print(FORMS[options.format](shown), end="" if options.format != "json" else "\n")
    return 0 if made.came_back else OTHER_NUMBERS
