"""A file of claims with what the records say of each, as a value that can be shown; without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qinn_bench.files import named
from qinn_bench.records import known
from qinn_bench.report.claims_table import matrices, table
from qinn_bench.report.table_value import Table
from qinn_bench.study import grid, matched, progress, study_files
from qinn_bench.study.study_prints import study_prints
from qinn_bench.values import Record, Refused
from qinn_bench.verdicts import claim_file, claim_locks, claims
from qinn_bench.verdicts.claim_file import Claims
from qinn_bench.verdicts.claims import Ruling

FOLDER = "benchmarks/claims"


@dataclass(frozen=True)
class CheckedClaims:
    """A file of claims, a ruling for each, whether the file was frozen before the run, and notes on the records.

    Example:
        >>> checked = check_file(Path("rousselot2024"), Path("results"),
        ...     Path("results/published/capacity_zjets.jsonl.gz"))
        >>> [ruling.decision for ruling in checked.rulings][-2:], checked.standing
        (['undecided', 'undecided'], 'frozen')
    """

    file: Claims
    rulings: tuple[Ruling, ...]
    standing: claim_locks.LockStanding
    standing_said: str
    notes: tuple[str, ...]

    @property
    def table(self) -> Table:
        """One row a claim: its decision, the effect and how sure it is; below it, why."""
        made = table(self.file, self.rulings, self.standing_said)
        return replace(made, footnotes=(*made.footnotes, *self.notes))

    @property
    def tables(self) -> tuple[Table, ...]:
        """The `table`, and for each claim about several rows all pairs of these as a matrix."""
        return (self.table, *matrices(self.file, self.rulings))

    def plain(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        about = {"name": self.file.name, "title": self.file.title, "source": self.file.source}
        rulings = [ruling.model_dump() | {"pairs": self._pairs(ruling)} for ruling in self.rulings]
        return (
            about
            | {"deviations": list(self.file.deviations)}
            | {"standing": self.standing, "standing_said": self.standing_said}
            | {"notes": list(self.notes), "rulings": rulings}
        )

    def _pairs(self, ruling: Ruling) -> list[dict[str, Any]]:
        return [pair.model_dump() | {"decision": pair.decision(self.file.level)} for pair in ruling.pairs]

    def rows(self) -> Iterable[Mapping[str, object]]:
        """One mapping a claim, numbers in full precision; what does not exist is None."""
        for one in self.rulings:
            low, high = one.interval or (None, None)
            claim = one.claim
            yield {
                **{"id": claim.id, "statement": claim.statement, "first": str(claim.first)},
                **{"second": str(claim.second), "metric": claim.metric, "relation": claim.relation},
                "data": claim.data,
                "decision": one.decision,
                "words": one.words,
                "effect": one.effect.value,
                "error": one.effect.error,
                "unit": one.effect.unit,
                **{"interval_low": low, "interval_high": high, "margin": one.claim.margin, "ratio": one.claim.ratio},
                **{"at": one.claim.at, "coverage": one.coverage, "p": one.p, "p_corrected": one.p_corrected},
                **{"p_against": one.p_against, "p_against_corrected": one.p_against_corrected},
                **{"pairs": one.replicates, "can_win": one.can_win, "cannot": one.cannot},
                **{"reason": one.reason, "method": one.method, "standing": self.standing},
            }


def check_file(path: Path, results: Path, records: Path | None = None) -> CheckedClaims:
    """What the records say of each claim of a file, or of one of the project's own by its name.

    The records are the published ones of the file `records`, or else those of the folder of results.

    Raises:
        Refused: no such file, or one that is wrong; no file of published records of the study.
    """
    path, _ = named(path, FOLDER, "file of claims")
    file = claim_file.load(path)
    studied, notes = known.of_study(file.study_name, results, records)
    study = prints_now(path, file)
    rulings = claims.check(file, studied, results, arrays=not records)
    notes += _of_other_versions(file, studied, results) if studied else []
    standing = claim_locks.standing(path, file, studied, study)
    return CheckedClaims(file, rulings, standing.kind, standing.said, tuple(notes))


def prints_now(path: Path, file: Claims) -> claim_locks.StudyPrints | None:
    """The fingerprints of the study as it is now, where the lock of these claims has some to compare them with."""
    freezes = claim_locks.read_lock(path).freezes
    if not freezes or freezes[-1].study is None:
        return None
    try:
        return prints_of(file)
    except Refused:
        return None


def prints_of(file: Claims) -> claim_locks.StudyPrints:
    """The fingerprints of the study that a file of claims is about.

    Raises:
        Refused: it cannot be read, or it is wrong.
    """
    return claim_locks.StudyPrints.model_validate(study_prints(Path(file.study)))


def freeze(path: Path) -> tuple[claim_locks.Freeze, str]:
    """Freeze a file of claims with its study; and why the study is not frozen with it, where it cannot be.

    Raises:
        Refused: the file is no valid file of claims, or its lock cannot be read.
    """
    try:
        study = prints_of(claim_file.load(path))
    except Refused as refusal:
        claim_file.load(path)
        return claim_locks.freeze(path), str(refusal)
    return claim_locks.freeze(path, study), ""


def _of_other_versions(file: Claims, studied: Sequence[Record], results: Path) -> list[str]:
    """What has to be said of records that are not of this version of the study, of its data and of the code."""
    try:
        study = study_files.load_study(Path(file.study))
        drawn = grid.draw(study)
        cells = progress.standings(grid.slots(study, drawn, matched.read(results, study.name)), drawn, studied)
    except Refused as refusal:
        return [f"Whether these records are of this version is not known: {refusal}."]
    return progress.said_of_versions(cells)
