"""``qinn-bench export``: the records of a study as a table of one row a cell and number, in a file; without torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from qinn_bench.cli import _records, _study
from qinn_bench.report.record_frame import BINARY, WRITERS, record_frame, written
from qinn_bench.values import Refused
from qinn_bench.writing import write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, a format and a file."""
    _study.add_arguments(parser)
    _records.add_argument(parser)
    parser.add_argument("--to", choices=WRITERS, required=True, help="the format")
    parser.add_argument("--out", type=Path, help="write to this file, whole or not at all (default: print it)")


def run(options: argparse.Namespace) -> int:
    """Write the frame of `qinn_bench.records`; files that are no records are named on the standard error output.

    Raises:
        Refused: no records, or a format that is no text and no file.
    """
    if options.to in BINARY and not options.out:
        raise Refused(f"{options.to} is no text to be printed; name a file with --out")
    if options.out and options.records and options.out.resolve() == options.records.resolve():
        raise Refused(f"'{options.out}' holds the records themselves; another file was expected")
    selection = _study.selected(options, options.records)
    for odd in selection.odd:
        print(odd, file=sys.stderr)
    frame = record_frame(selection)
    if frame.empty:
        raise Refused(f"'{selection.study.name}' has no records to export; run it first, or name a file with --records")
    content = written(frame, options.to)
    if options.out:
        write_whole(options.out, lambda file: file.write(content))
        print(f"{options.out}: {len(frame)} numbers of {frame['key'].nunique()} cells, {len(content) / 1e6:.2f} MB")
    else:
        print(content.decode(), end="")
    return 0
