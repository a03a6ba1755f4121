"""What the verbs that read records share: those of the folder of results, or published ones; without torch."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qinn_bench.files import at_hand, named
from qinn_bench.reading import parse, read_toml
from qinn_bench.records import keys, published, store
from qinn_bench.study import study_files
from qinn_bench.values import NAME, Plugins, Record, Refused


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The file of published records."""
    parser.add_argument("--records", type=Path, metavar="FILE", help="published records, in place of RESULTS/records")


def read_study(study: Path) -> dict[str, Any]:
    """What a study file says, its models not looked up; it has a name.

    Raises:
        Refused: no such file, or no study.
    """
    study, absent = named(study, study_files.FOLDER, "study file")
    content = read_toml(study, absent, "a study in TOML")
    if "name" not in content:
        raise Refused(f"{study} is not a study: it has no name")
    name, models = content["name"], content.get("models", [])
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise Refused(f"{study}: 'name' is {name!r:.60}, but lower-case letters, digits, - and _ were expected")
    if not isinstance(models, list) or not all(isinstance(row, dict) for row in models):
        raise Refused(f"{study}: 'models' is {models!r:.60}, but [[models]] was expected")
    study_files.join(parse(Plugins, content.get("plugins", {}), f"{study}: plugins"), at_hand(study))
    return content


def of_folder(results: Path, study: str) -> list[Record]:
    """The records of a study in a folder of results; files that are none are named on the standard error output."""
    for sentence in store.left_out(results, study):
        print(sentence, file=sys.stderr)
    return store.load_all(results, study)


def of_study(options: argparse.Namespace, study: str) -> tuple[list[Record], list[str]]:
    """All records of a study, and a note on the file if they are published ones."""
    if not options.records:
        known = store.load_all(options.results, study)
        return known, [*store.left_out(options.results, study), *_mixed(known)]
    records = published.read(options.records, study)
    return records, [published.said(options.records, records), *_mixed(records)]


def _mixed(records: Sequence[Record]) -> list[str]:
    """A note for each row whose seeds were not all made alike."""
    rows: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.status == "ok":
            rows.setdefault((record.row, str(record.cell.data)), []).append(record)
    told = {place: keys.mixed(of) for place, of in rows.items()}
    return [
        f"The seeds of {row} on {data} were made under several settings: {why}."
        for (row, data), why in told.items()
        if why
    ]


def some_of_study(options: argparse.Namespace, study: str) -> tuple[list[Record], list[str]]:
    """The same, for a verb that has nothing to say without records.

    Raises:
        Refused: there are none.
    """
    records, notes = of_study(options, study)
    if not records:
        raise Refused(
            f"there are no records of '{study}' in '{options.results}'; run the study first, or name a file of "
            "published ones with --records"
        )
    return records, notes
