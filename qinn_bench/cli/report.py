"""``qinn-bench report``: a study as one page or as a bundle for a referee, and the page of all verdicts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from qinn_bench.cli import _records, _study
from qinn_bench.files import named
from qinn_bench.report.bundle.archive import bundle_problems, read_bundle, write_bundle
from qinn_bench.report.bundle.contents import contents
from qinn_bench.report.checked_claims import FOLDER
from qinn_bench.report.pages.claim_pages import checked_folder
from qinn_bench.report.pages.study_page import StudyPage, study_page
from qinn_bench.report.pages.verdict_page import verdict_page, write_badges
from qinn_bench.study import study_files
from qinn_bench.values import Refused
from qinn_bench.writing import write_text

BROKEN = 1
ALL = "verdicts"
"""The name of the page of all verdicts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, or all claims; and where to write."""
    _study.add_arguments(parser, optional=True)
    _records.add_argument(parser)
    parser.add_argument("--claims", action="store_true", help="the page of all verdicts in the place of a study")
    parser.add_argument("--claims-folder", type=Path, default=Path(FOLDER), help="folder of files of claims")
    parser.add_argument("--columns", help="names of columns of the table, separated by commas")
    parser.add_argument("--out", type=Path, help="write to this file (default: RESULTS/reports/STUDY.html)")
    parser.add_argument("--bundle", type=Path, metavar="PATH", help="a folder or .zip with all that a referee needs")
    parser.add_argument("--check", type=Path, metavar="BUNDLE", help="whether a bundle is whole and as it was made")
    parser.add_argument("--badges", type=Path, metavar="FOLDER", help="with --claims: a badge (SVG) for each claim")


def run(options: argparse.Namespace) -> int:
    """Write the page or the bundle, and say where it is; 1 if a bundle that is checked is not as it was made.

    Raises:
        Refused: a study, ``--claims`` and ``--check``, or none of them; options of the one with the other.
    """
    if [options.claims, bool(options.study), bool(options.check)].count(True) != 1:
        raise Refused("a report is of a study, with --claims of all claims, with --check of a bundle; one was expected")
    if options.badges and not options.claims:
        raise Refused("badges are of all claims; --badges is given without --claims")
    if options.bundle and (not options.study or options.out):
        raise Refused("a bundle is of a study and has its page in it; --bundle goes with a study and without --out")
    if options.check:
        return _check(options.check)
    return _claims(options) if options.claims else _study_page(options)


def _check(path: Path) -> int:
    """Say what is wrong with a bundle, a line each."""
    files = read_bundle(path)
    wrong = bundle_problems(files)
    for one in wrong:
        print(one)
    print(f"{path}: {len(files)} files, " + (f"{len(wrong)} problems" if wrong else "all as they were made"))
    return BROKEN if wrong else 0


def _study_page(options: argparse.Namespace) -> int:
    made = _page(options)
    for odd in made.odd:
        print(odd, file=sys.stderr)
    if options.bundle:
        files = contents(made, options.results, options.records, options.claims_folder)
        write_bundle(options.bundle, files)
        print(f"{options.bundle}: {len(files)} files, {sum(map(len, files.values())) / 1e6:.2f} MB")
        return 0
    _write(options.out or options.results / "reports" / f"{made.study.name}.html", made.html())
    return 0


def _page(options: argparse.Namespace) -> StudyPage:
    selection = _study.selected(options, options.records)
    columns = options.columns.split(",") if options.columns else ()
    file, _ = named(options.study, study_files.FOLDER, "study file")
    return study_page(selection, file, options.results, options.records, options.claims_folder, columns)


def _claims(options: argparse.Namespace) -> int:
    if options.records:
        raise Refused("verdicts are of the published records of all studies; leave --records out")
    shown = checked_folder(options.claims_folder, options.results)
    _write(options.out or options.results / "reports" / f"{ALL}.html", verdict_page(shown))
    if options.badges:
        print(f"{options.badges}: {write_badges(options.badges, shown)} badges")
    return 0


def _write(path: Path, text: str) -> None:
    write_text(path, text)
    print(f"{path}: {len(text.encode()) / 1e6:.2f} MB")
