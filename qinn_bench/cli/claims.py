"""``qinn-bench claims``: check, freeze and list files of claims."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from qinn_bench import files
from qinn_bench.cli import _records
from qinn_bench.report import forms
from qinn_bench.report.checked_claims import FOLDER, check_file, freeze, prints_now
from qinn_bench.report.html_table import html
from qinn_bench.values import Refused
from qinn_bench.verdicts import claim_file, claim_locks
from qinn_bench.writing import write_text

REFUTED, UNDECIDED = 1, 5
FORMS = forms.FORMS | {"html": html}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which file."""
    verbs = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = verbs.add_parser("check", help="what the records say of each claim of a file")
    check.add_argument("file", type=Path, help="a file of claims (TOML)")
    check.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    _records.add_argument(check)
    check.add_argument("--format", choices=("text", "md", "latex", "csv", "html", "json"), default="text")
    check.add_argument("--json", action="store_const", const="json", dest="format", help="same as --format json")
    check.add_argument("--out", type=Path, help="write to this file instead")
    freezing = verbs.add_parser("freeze", help="record what a file and its study say, before the run")
    freezing.add_argument("file", type=Path, help="a file of claims (TOML)")
    freezing.add_argument("--json", action="store_true")
    listing = verbs.add_parser("list", help="the files of claims of a folder and whether they are frozen")
    listing.add_argument("folder", type=Path, nargs="?", default=Path(FOLDER))
    listing.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    listing.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Print what was asked for; 1 if a claim is refuted, 5 if none is and one is undecided or not testable."""
    return {"check": _check, "freeze": _freeze, "list": _list}[options.action](options)


def _check(options: argparse.Namespace) -> int:
    checked = check_file(options.file, options.results, options.records)
    if options.format == "json":
        text = json.dumps(checked.plain(), indent=1, ensure_ascii=False)
    else:
        text = "\n".join(map(FORMS[options.format], checked.tables))
    if options.out:
        write_text(options.out, text)
    else:
        print(text)
    decisions = {ruling.decision for ruling in checked.rulings}
    return REFUTED if "refuted" in decisions else 0 if decisions == {"supported"} else UNDECIDED


def _freeze(options: argparse.Namespace) -> int:
    made, without = freeze(options.file)
    lock = claim_locks.lock_path(options.file)
    if options.json:
        print(json.dumps(made.model_dump() | {"lock": str(lock), "study_not_frozen": without}, indent=1))
    else:
        print(f"{options.file} is frozen as of {made.frozen_utc}: {made.sha256[:16]}… in {lock}; commit it")
        cells = f", with the {made.study.count} cells of its study" if made.study else ""
        print(f"Its study is not frozen with it: {without}" if without else f"Frozen{cells}.")
    return 0


def _list(options: argparse.Namespace) -> int:
    names = {path.name for place in files.places(options.folder) for path in place.glob("*.toml")}
    paths = [options.folder / name for name in sorted(names)]
    if not paths:
        raise Refused(f"there are no files of claims (*.toml) in '{options.folder}'")
    described = [_described(path, options.results) for path in paths]
    if options.json:
        print(json.dumps(described, indent=1, ensure_ascii=False))
    else:
        widths = {key: max(len(str(one[key])) for one in described) for key in ("file", "claims", "standing")}
        for one in described:
            print("  ".join([*(str(one[key]).ljust(width) for key, width in widths.items()), str(one["title"])]))
    return 0


def _described(path: Path, results: Path) -> dict[str, str | int]:
    file = claim_file.load(path)
    known = _records.of_folder(results, file.study_name)
    standing = claim_locks.standing(path, file, known, prints_now(path, file))
    return {"file": str(path), "claims": len(file.claims), "standing": standing.kind, "title": file.title}
