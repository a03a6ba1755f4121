"""What runs of the check have found: a JSON file, which a later run can go on from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _laws import Law
from pydantic import ValidationError

from qinn_bench.performance.scaling.scan_values import ScanRow
from qinn_bench.values import Refused
from qinn_bench.writing import write_text


class Found:
    """Rows and laws, each with the number of the run that found it, and the facts of every run, the first one first.

    Attributes:
        rows, laws: of all runs, in the order in which they were found.
        runs: facts about the machine of each run; the last one is that which adds rows and laws now.
        kept_rows, kept_laws: the numbers of the runs of the first rows and laws; the others are of the last run.
    """

    def __init__(self) -> None:
        self.rows: list[ScanRow] = []
        self.laws: list[Law] = []
        self.runs: list[dict[str, Any]] = []
        self.kept_rows: list[int] = []
        self.kept_laws: list[int] = []

    def run_of(self, row: ScanRow) -> int:
        """The number of the run that measured a row."""
        at = next(k for k, one in enumerate(self.rows) if one is row)
        return self.kept_rows[at] if at < len(self.kept_rows) else len(self.runs) - 1

    def run_of_law(self, law: Law) -> int:
        """The number of the run that held a law."""
        at = next(k for k, one in enumerate(self.laws) if one is law)
        return self.kept_laws[at] if at < len(self.kept_laws) else len(self.runs) - 1

    def continued(self) -> Found:
        """What a later run need not do again: points with a time, and the laws of all kinds of which none is broken."""
        kept = Found()
        kept.runs = list(self.runs)
        kept.rows = [row for row in self.rows if row.seconds]
        kept.kept_rows = [self.run_of(row) for row in kept.rows]
        broken = {law.kind for law in self.laws if law.status == "failed"}
        kept.laws = [law for law in self.laws if law.kind not in broken]
        kept.kept_laws = [self.run_of_law(law) for law in kept.laws]
        return kept

    def write(self, path: Path) -> None:
        """Write the file whole or not at all."""
        document = {
            "rows": [row.model_dump() | {"run": self.run_of(row)} for row in self.rows],
            "laws": [law._asdict() | {"run": self.run_of_law(law)} for law in self.laws],
            "runs": self.runs,
        }
        text = json.dumps(document, indent=1)
        write_text(path, text)


def read(path: Path) -> Found:
    """What a file says; one of the form before runs were counted is one run.

    Raises:
        Refused: there is no such file, or it is none of this check.
    """
    found = Found()
    try:
        document = json.loads(path.read_text(encoding="utf8"))
        found.runs = document["runs"] if "runs" in document else [document["provenance"]]
        found.rows, found.kept_rows = _numbered(document["rows"], ScanRow.model_validate)
        found.laws, found.kept_laws = _numbered(document["laws"], lambda law: Law(**law))
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}; a gpu.json of this check was expected") from None
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        raise Refused(f"{path} is no gpu.json of this check") from None
    return found


def _numbered(listed: list[dict[str, Any]], make: Callable[[dict[str, Any]], Any]) -> tuple[list[Any], list[int]]:
    """What a list holds, without the numbers of its runs, and these."""
    made = [make({name: value for name, value in one.items() if name != "run"}) for one in listed]
    return made, [one.get("run", 0) for one in listed]
