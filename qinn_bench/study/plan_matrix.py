"""What a run of a study would do: its cells by row and data set, what is finished, and what the rest is expected to
take; nothing is run, and torch is loaded only where nothing but the engine can say what a circuit takes."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qinn_bench import catalogue
from qinn_bench.files import at_hand
from qinn_bench.records import measures, published, store, trials
from qinn_bench.study import grid, matched, progress
from qinn_bench.study.costs import UNKNOWN, Costs, Expected
from qinn_bench.study.grid import Slot
from qinn_bench.study.progress import CellStanding
from qinn_bench.study.selection import EVERY, Filters, Selection, select
from qinn_bench.study.study_files import label_of
from qinn_bench.values import Record, Status, Study


@dataclass
class PlannedRow:
    """The cells of a row on a data set: finished ones, failures by status, cells to be measured again without training,
    cells `to_run`, and what one of these is expected to take."""

    data: str
    row: str
    control: bool = False
    finished: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    again: int = 0
    to_run: int = 0
    each: Expected = UNKNOWN

    @property
    def cells(self) -> int:
        """All of them."""
        return self.finished + self.failed.total() + self.again + self.to_run

    @property
    def seconds(self) -> float | None:
        """What its cells that are to be run take one after the other; None where that is not known."""
        if not self.to_run:
            return 0.0
        return None if self.each.seconds is None else self.to_run * self.each.seconds


@dataclass(frozen=True)
class StudyPlan:
    """The rows of a study, how many `trials` of its tuning have ended and how many there may be, from where recorded
    costs are known, on which processors they were taken, and files that are no records."""

    study: Study
    rows: tuple[PlannedRow, ...]
    trials: tuple[int, int]
    source: str
    processors: tuple[str, ...]
    odd: tuple[store.UnreadableRecord, ...]

    @property
    def to_run(self) -> int:
        """How many cells are to be trained."""
        return sum(row.to_run for row in self.rows)

    @property
    def unknown(self) -> int:
        """How many of them take nobody knows how long."""
        return sum(row.to_run for row in self.rows if row.seconds is None)

    def seconds(self, workers: int) -> float:
        """The wall time of all that is known, with so many cells at once: no less than its longest cell."""
        known = [row for row in self.rows if row.to_run and row.seconds is not None]
        longest = max((row.each.seconds or 0.0 for row in known), default=0.0)
        return max(longest, sum(row.seconds or 0.0 for row in known) / workers)

    def memory_mb(self, workers: int) -> float | None:
        """The most MiB that so many cells hold at once, the largest of them beside each other; None if unknown."""
        held = [one for row in self.rows if (one := row.each.memory_mb) for _ in range(min(row.to_run, workers))]
        return sum(sorted(held, reverse=True)[:workers]) if held else None


def plan_matrix(
    study: Study,
    results: Path,
    filters: Filters = EVERY,
    retry: Sequence[Status] = (),
    records: Path | None = None,
) -> StudyPlan:
    """What a run of the cells that the filters keep would do, failures of the statuses `retry` run again.

    Costs are those of the records in `results`, of any version, and of published ones: the file `records`, or those of
    the study beside its results or among the project's own.

    Raises:
        Refused: the filters keep nothing, or `records` are no published records of the study.
    """
    selection = select(study, results, filters)
    known, source = _known(study, results, records)
    costs = Costs(known)
    wanted = measures.fingerprints(study.metrics or tuple(sorted(catalogue.metrics())))
    rows: dict[tuple[str, str], PlannedRow] = {}
    first: dict[tuple[str, str], Slot] = {}
    for one in selection.cells:
        place = str(one.slot.cell.data), one.slot.row
        row = rows.setdefault(place, PlannedRow(*place, control=bool(one.slot.cell.control)))
        _count(row, one, wanted, retry)
        first.setdefault(place, one.slot)
    for place, row in rows.items():
        if row.to_run:
            row.each = _expected(study, selection, first[place], costs)
    processors = dict.fromkeys(str(one.provenance.get("processor", "")) for one in known)
    return StudyPlan(
        study=study,
        rows=tuple(rows.values()),
        trials=_trials(study, selection, results),
        source=source,
        processors=tuple(filter(None, processors)),
        odd=tuple(selection.odd),
    )


def _known(study: Study, results: Path, records: Path | None) -> tuple[list[Record], str]:
    """The records whose costs are known, and where they are from, in words."""
    own, _ = store.look_at_all(results, study.name)
    own += trials.known(study.name, results) if study.tuning else []
    path = records or published.path_of(results, study.name)
    if not (records or path.exists()):
        path = at_hand(published.path_of(Path("results"), study.name))
    others = published.read(path, study.name) if records or path.exists() else []
    told = [f"{len(own)} records in {results}"] * bool(own) + [f"{len(others)} in {path}"] * bool(others)
    return [*own, *others], " and ".join(told)


def _count(row: PlannedRow, one: CellStanding, wanted: dict[str, str], retry: Iterable[Status]) -> None:
    record = one.current
    if record is None or record.status in retry:
        row.to_run += 1
    elif progress.failed(record):
        row.failed[record.status] += 1
    elif progress.is_stale(record, wanted):
        row.again += 1
    else:
        row.finished += 1


def _expected(study: Study, selection: Selection, slot: Slot, costs: Costs) -> Expected:
    """What a cell takes: as records of its row or model say; else as the engine forecasts, where a model has circuits;
    else as a step of any record."""
    told = costs.of(slot.row, slot.cell)
    if told.basis in ("row", "model") or slot.cell.backend == "none":
        return told
    engine = importlib.import_module("qinn_bench.study.engine_costs")  # Needs torch.
    drawn = next(one for one in selection.drawn if one.use == slot.cell.data)
    forecast: Expected | None = engine.engine_cost(study, slot, drawn)
    return forecast or told


def _trials(study: Study, selection: Selection, results: Path) -> tuple[int, int]:
    """How many trials of the study have ended, and how many there may be: drawn ones, the stated one, finalists."""
    if not study.tuning:
        return 0, 0
    each = study.tuning.trials + 1 + (study.tuning.finalists or 0)
    kept = {(str(one.slot.cell.data), one.slot.family) for one in selection.cells}
    places = [
        (drawn, row, size, budget)
        for drawn in selection.drawn
        for row in study.models
        if matched.is_tuned(study, row) and (str(drawn.use), label_of(row)) in kept
        for size in grid.sizes_of(study, row)
        for budget in grid.budgets_of(study, row)
    ]
    return len(trials.known(study.name, results)), each * len(places)
