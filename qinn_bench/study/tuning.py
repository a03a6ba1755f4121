"""Every row of a study is tuned alike: as many trials for each, judged on validation rows, each a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qinn_bench.labels import joined
from qinn_bench.limits import Limits
from qinn_bench.records import store
from qinn_bench.records.trials import best_of, cpu_seconds, trials_study
from qinn_bench.study import campaign, grid, matched, planning, selection
from qinn_bench.study.grid import Drawn
from qinn_bench.study.matched import Answer
from qinn_bench.study.order import Order
from qinn_bench.study.selection import Filters
from qinn_bench.study.study_files import label_of
from qinn_bench.study.tuning_space import trials_of
from qinn_bench.values import Record, Row, Study, Use

FIRST_SEED = 1000
"""The seed of the first trial: beyond those of every study, so that no row is judged on what chose its settings."""


@dataclass(frozen=True)
class TunedRow:
    """A row at one size under one budget, the `question` that its best trial answers, and its trials in their order."""

    row: Row
    size: int
    data: Use
    question: str
    trials: tuple[Order, ...]


def tuned_rows(study: Study, results: Path, filters: Filters, limits: Limits) -> list[TunedRow]:
    """What is to be tuned of a study, as far as the filters keep it; seeds are no filter here.

    Raises:
        Refused: the filters keep no row.
    """
    selection.check_filters(study, filters)
    rows = [
        TunedRow(row, size, drawn.use, _question(study, row, size, drawn, budget), tuple(orders))
        for drawn in grid.draw(study, limits)
        for row in study.models
        if matched.is_tuned(study, row)
        for size in grid.sizes_of(study, row)
        for budget in study.budgets
        if (orders := [*_orders(study, row, size, drawn, budget, results)])
    ]
    wanted = filters._replace(seeds=())
    return [one for one in rows if selection.keeps(wanted, one.trials[0])]


def _question(study: Study, row: Row, size: int, drawn: Drawn, budget: str) -> str:
    return matched.question(study, row, size, drawn.use, drawn.data.content, budget)


def _orders(study: Study, row: Row, size: int, drawn: Drawn, budget: str, results: Path) -> Iterator[Order]:
    """The trials of a row: cells like any other, of a study of their own."""
    tuning = study.tuning
    assert tuning is not None
    names = (study.name, str(drawn.use), label_of(row), size, budget)
    for k, trial in enumerate(trials_of(row, tuning, study.budgets[budget], names)):
        one = study.model_copy(update={"sizes": (size,) if size else (), "models": (trial.row,)})
        planned = planning.planned_models(one, trial.row, drawn.data)[0]
        slot = grid.of_row(one, trial.row, size, drawn.use, budget)[0]
        moved = {"budget": trial.budget, "seed": FIRST_SEED + k, "mass_draws": tuning.mass_draws}
        slot = replace(slot, cell=slot.cell.model_copy(update=moved), row=joined(slot.row, f"trial {k + 1}"))
        of_trials = study.model_copy(update={"name": trials_study(study.name)})
        yield planning.order_of(of_trials, slot, planned, drawn.data, results, tuning.metrics)


def tune(
    study: Study,
    rows: Sequence[TunedRow],
    results: Path,
    run: Callable[[Sequence[Order]], None],
) -> list[Record]:
    """Let `run` run the trials of these rows, keep the settings of the best of each row, and give all their records.

    With a limit of CPU seconds, the trials of a row are run one after the other, those of all rows side by side.
    """
    assert study.tuning is not None
    rounds = [[order for row in rows for order in row.trials]]
    if study.tuning.cpu_s:
        rounds = [[row.trials[k] for row in rows] for k in range(study.tuning.trials)]
    spent = dict.fromkeys((row.question for row in rows), 0.0)
    question_of = {order.key: row.question for row in rows for order in row.trials}
    for asked in rounds:
        begun = [one for one in asked if not study.tuning.cpu_s or spent[question_of[one.key]] < study.tuning.cpu_s]
        run(begun)
        for order in begun:
            spent[question_of[order.key]] += cpu_seconds(store.load(results, order.study, order.key))
    records = {row.question: campaign.finished(row.trials) for row in rows}
    matched.keep(results, study, {row.question: _answer(row, records[row.question]) for row in rows})
    return [record for row in rows for record in records[row.question]]


def _answer(row: TunedRow, records: Sequence[Record]) -> Answer:
    best = best_of(records)
    if best is None:
        last = next((record.reason for record in records if record.reason), "none has finished")
        return Answer(model=row.trials[0].cell.model, skip=f"none of {len(row.trials)} trials can be used: {last}")
    return Answer(model=best.cell.model, budget=best.cell.budget, trials=len(records))
