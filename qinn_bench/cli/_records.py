"""What the verbs that read records share: those of the folder of results, or published ones; without torch."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

from qinn_bench import published, store
from qinn_bench.values import Record, Refused


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The file of published records."""
    parser.add_argument("--records", type=Path, metavar="FILE", help="published records, in place of RESULTS/records")


def name_of(study: Path) -> str:
    """What a study is called, read from its file without looking at its models.

    Raises:
        Refused: no such file, or no study.
    """
    if not study.is_file():
        raise Refused(f"there is no study file '{study}'")
    try:
        return str(tomllib.loads(study.read_text(encoding="utf8"))["name"])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
        raise Refused(f"{study} is not a study in TOML: {error}") from None


def of_study(options: argparse.Namespace, study: str) -> tuple[list[Record], list[str]]:
    """All records of a study, and a note on the file if they are published ones."""
    if not options.records:
        return store.load_all(options.results, study), []
    found = published.read(options.records, study)
    return found, [published.said(options.records, found)]
