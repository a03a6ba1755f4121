"""The page of all verdicts: every file of claims that the suite holds, from the records alone; and a badge a claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from qinn_bench.report.pages.claim_pages import ClaimsOnPage, badges, overview
from qinn_bench.report.pages.shell import filled_in
from qinn_bench.writing import write_together

TITLE = "Claims about quantum models, and what the records say of them"
NOTES = (
    "Supported: shown at the level of the file, corrected over its claims; refuted: shown not to hold; undecided: "
    "neither; not testable: the data do not show what the claim is about; no records: the study was not published.",
)


def verdict_page(files: Sequence[ClaimsOnPage]) -> str:
    """The page, the files in their order."""
    counts = Counter(one.decision for file in files for one in file.verdicts)
    return filled_in(
        "verdicts.html", title=TITLE, files=files, counts=dict(counts), notes=NOTES, overview=overview(files)
    )


def write_badges(folder: Path, files: Sequence[ClaimsOnPage]) -> int:
    """Write a badge for each claim into a folder; how many."""
    made: Mapping[str, str] = {name: svg for file in files for name, svg in badges(file).items()}
    write_together([(folder / name, lambda file, svg=svg: file.write(svg.encode())) for name, svg in made.items()])  # type: ignore[misc]
    return len(made)
