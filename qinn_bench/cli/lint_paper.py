"""``qinn-bench lint-paper``: numbers of a draft that no record has, or that are printed beyond their uncertainty."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from qinn_bench.files import named
from qinn_bench.records import published
from qinn_bench.report.checked_claims import FOLDER, check_file
from qinn_bench.report.finished_table import shown_records
from qinn_bench.report.paper import known_numbers
from qinn_bench.report.paper.draft_files import draft_files
from qinn_bench.report.paper.known_numbers import KnownNumber
from qinn_bench.report.paper.lint import lint, not_read
from qinn_bench.report.paper.tex_numbers import draft_numbers
from qinn_bench.study import study_files
from qinn_bench.study.selection import select
from qinn_bench.values import Refused
from qinn_bench.verdicts import claim_file

FOUND = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A draft, and where its numbers may be from."""
    parser.add_argument("draft", type=Path, help="a draft in LaTeX; files that it takes in are read too")
    parser.add_argument("study", type=Path, nargs="*", help="study files (default: those of the records)")
    parser.add_argument("--records", type=Path, action="append", default=[], metavar="FILE", help="published records")
    parser.add_argument("--claims", type=Path, action="append", default=[], metavar="FILE", help="a file of claims")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("--integers", action="store_true", help="look at whole numbers outside of tables too")
    parser.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Print what is wrong, a line each; 1 if there is something.

    Raises:
        Refused: no draft, no studies, or no records of one of them.
    """
    files, missing = draft_files(options.draft)
    draft = draft_numbers(files)
    by_study = {published.study_of(path): path for path in options.records}
    studies = options.study or [Path(name) for name in by_study]
    if not studies:
        raise Refused("a draft is compared with studies; name some, or files of published records with --records")
    known = [one for study in studies for one in _of_study(study, by_study, options.results)]
    known += [one for path in options.claims for one in _of_claims(path, by_study, options.results)]
    called = ", ".join(study.stem for study in studies)
    found = not_read(missing) + lint(draft, known, called, whole=options.integers)
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False))
    else:
        _print(found, len(draft), options.draft)
    return FOUND if found else 0


def _of_study(file: Path, by_study: dict[str, Path], results: Path) -> Iterator[KnownNumber]:
    study = study_files.load_study(file)
    path = by_study.get(study.name)
    records, _ = shown_records(select(study, results, records=path), path)
    yield from known_numbers.of_records(study.name, records)
    yield from known_numbers.of_study(study)


def _of_claims(path: Path, by_study: dict[str, Path], results: Path) -> Iterator[KnownNumber]:
    path, _ = named(path, FOLDER, "file of claims")
    records = by_study.get(claim_file.load(path).study_name)
    yield from known_numbers.of_claims(check_file(path, results, records))


def _print(found: Sequence[object], count: int, draft: Path) -> None:
    for one in found:
        print(one)
    print(f"{draft}: {count} numbers, " + (f"{len(found)} to look at" if found else "nothing to look at"))
