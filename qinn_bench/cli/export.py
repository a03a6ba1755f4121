"""``qinn-bench export``: the records of a study as a table of one row a cell and number, in a file; without torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from qinn_bench.cli import _records, _study
from qinn_bench.report.exports.benchopt_frame import benchopt_frame
from qinn_bench.report.exports.croissant import parquet
from qinn_bench.report.exports.results_json import results_json
from qinn_bench.report.record_frame import BINARY, WRITERS, record_frame, written
from qinn_bench.study.selection import Selection
from qinn_bench.values import Record, Refused
from qinn_bench.writing import write_whole

BENCHOPT = "benchopt"


def _results(records: Sequence[Record], _: Selection) -> bytes:
    return results_json(records).encode()


def _benchopt(records: Sequence[Record], selection: Selection) -> bytes:
    frame = benchopt_frame(records, selection.study.columns)
    if frame.empty:
        raise Refused(f"'{selection.study.name}' has no finished cells, which benchopt's columns are of")
    return parquet(frame)


OTHERS: dict[str, Callable[[Sequence[Record], Selection], bytes]] = {"metriq": _results, BENCHOPT: _benchopt}
"""Forms that other projects read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, a format and a file."""
    _study.add_arguments(parser)
    _records.add_argument(parser)
    parser.add_argument("--to", choices=[*WRITERS, *OTHERS], required=True, help="the format")
    parser.add_argument("--out", type=Path, help="write to this file, whole or not at all (default: print it)")


def run(options: argparse.Namespace) -> int:
    """Write the frame of `qinn_bench.records`; files that are no records are named on the standard error output.

    Raises:
        Refused: no records, or a format that is no text and no file.
    """
    if options.to in (*BINARY, BENCHOPT) and not options.out:
        raise Refused(f"{options.to} is no text to be printed; name a file with --out")
    if options.out and options.records and options.out.resolve() == options.records.resolve():
        raise Refused(f"'{options.out}' holds the records themselves; another file was expected")
    selection = _study.selected(options, options.records)
    for odd in selection.odd:
        print(odd, file=sys.stderr)
    records = [one.record for one in selection.cells if one.record]
    if not records:
        raise Refused(f"'{selection.study.name}' has no records to export; run it first, or name a file with --records")
    content = (
        OTHERS[options.to](records, selection) if options.to in OTHERS else written(record_frame(selection), options.to)
    )
    if options.out:
        write_whole(options.out, lambda file: file.write(content))
        numbers = sum(len(record.metrics) or 1 for record in records)
        cells = len({record.key for record in records})
        print(f"{options.out}: {numbers} numbers of {cells} cells, {len(content) / 1e6:.2f} MB")
    else:
        print(content.decode(), end="")
    return 0
