"""Every row of a study is tuned alike: as many trials for each, judged on validation rows, each a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qinn_bench import registry
from qinn_bench.capacity import matching
from qinn_bench.labels import joined
from qinn_bench.limits import Limits
from qinn_bench.records import store
from qinn_bench.records.trials import FIRST_SEED, STATED_SEED, best_of, cpu_seconds, ranked, trials_study
from qinn_bench.study import campaign, grid, matched, planning, selection
from qinn_bench.study.grid import Drawn
from qinn_bench.study.matched import Answer, Answers
from qinn_bench.study.order import Order
from qinn_bench.study.planning import PlannedModel
from qinn_bench.study.selection import Filters
from qinn_bench.study.study_files import is_taken_on, label_of
from qinn_bench.study.tuning_space import TrialSettings, as_stated, trials_of
from qinn_bench.values import Budget, Match, Record, Row, Study, Tuning, Use


@dataclass(frozen=True)
class TunedRow:
    """A row at one size under one budget, the `question` that its best trial answers, its trials in their order, and
    each of them trained for the whole budget, `finals`, where the study has finalists."""

    row: Row
    size: int
    budget: Budget
    question: str
    trials: tuple[Order, ...]
    finals: tuple[Order, ...]


def tuned_rows(study: Study, results: Path, filters: Filters, limits: Limits) -> list[TunedRow]:
    """What is to be tuned of a study, as far as the filters keep it or a control of it; seeds are no filter here.

    Raises:
        Refused: the filters name what the study has not.
    """
    selection.check_filters(study, filters)
    wanted, of_trials = filters._replace(seeds=()), study.model_copy(update={"name": trials_study(study.name)})
    models = _Models(of_trials.model_copy(update={"tuning": None}), matched.read(results, of_trials.name))
    rows = []
    for drawn in grid.draw(study, limits):
        for row in study.models:
            if not matched.is_tuned(study, row) or not is_taken_on(row, drawn.use):
                continue
            for size in grid.sizes_of(study, row):
                for name in grid.budgets_of(study, row):
                    budget = study.budgets[name]
                    if any(selection.keeps(wanted, slot) for slot in grid.of_row(study, row, size, drawn.use, name)):
                        question = matched.question(study, row, size, drawn.use, drawn.data.content, name)
                        trials, finals = _trials(of_trials, row, size, drawn, name, results, models)
                        rows.append(TunedRow(row, size, budget, question, trials, finals))
    matched.keep(results, of_trials, models.answers)
    return rows


def _trials(
    of_trials: Study, row: Row, size: int, drawn: Drawn, budget: str, results: Path, models: _Models
) -> tuple[tuple[Order, ...], tuple[Order, ...]]:
    """The trials of a row, cells like any other, of a study of their own: a drawn one, what the row states, the others;
    and the same for the whole budget, where finalists are trained on."""
    tuning, usual = of_trials.tuning, of_trials.budgets[budget]
    assert tuning is not None
    names = (of_trials.name, str(drawn.use), label_of(row), size, budget)
    trials = [(f"trial {k + 1}", FIRST_SEED + k, one) for k, one in enumerate(trials_of(row, tuning, usual, names))]
    # With an end in CPU seconds the first may be the last, and a curve needs a drawn one.
    trials.insert(1, ("as stated", STATED_SEED, as_stated(row, usual)))

    def order(label: str, seed: int, trial: TrialSettings, budget_of_trial: Budget) -> Order:
        slot = grid.of_row(of_trials, trial.row, size, drawn.use, budget)[0]
        moved = {"budget": budget_of_trial, "seed": seed, "mass_draws": tuning.mass_draws}
        slot = replace(slot, cell=slot.cell.model_copy(update=moved), row=joined(slot.row, label))
        planned = models.of(row, trial.row, size, drawn)
        return planning.order_of(of_trials, slot, planned, drawn.data, results, tuning.metrics)

    short = tuple(order(label, seed, trial, trial.budget) for label, seed, trial in trials)
    if not tuning.finalists or usual.until != "converged":
        return short, ()
    whole = {"until": usual.until}
    return short, tuple(
        order(joined(label, "final"), seed, trial, trial.budget.model_copy(update=whole))
        for label, seed, trial in trials
    )


class _Models:
    """The models of trials: what the matcher gives the row itself, with the settings of the trial; where these change
    the size, the matcher is asked again."""

    def __init__(self, study: Study, known: Answers) -> None:
        self.study, self.answers = study, dict(known)
        self.match = study.match or Match()

    def of(self, row: Row, trial: Row, size: int, drawn: Drawn) -> PlannedModel:
        """The model of a trial of a row at a size."""
        question = matched.question(self.study, trial, size, drawn.use, drawn.data.content, "")
        if question not in self.answers:
            planned = self._found(row, trial, size, drawn)
            self.answers[question] = Answer(model=planned.model, skip=planned.skip)
        answer = self.answers[question]
        return PlannedModel(answer.model, size, answer.skip, self.match.tolerance if answer.skip and size else None)

    def _found(self, row: Row, trial: Row, size: int, drawn: Drawn) -> PlannedModel:
        if size and row.knobs != trial.knobs:
            found = self.of(row, trial.model_copy(update={"knobs": row.knobs}), size, drawn)
            model = registry.spell_out("model", Use(name=row.model, knobs=found.model.knobs | trial.knobs))
            if not found.skip and matching.meets(model, drawn.data, self.match, size):
                return replace(found, model=model)
        one = self.study.model_copy(update={"sizes": (size,) if size else (), "models": (trial,)})
        return planning.planned_models(one, trial, drawn.data)[0]


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
    if study.tuning.cpu_s:
        _run_in_turn(rows, study.tuning, results, run)
    else:
        run([order for row in rows for order in row.trials])
    orders = [(*row.trials, *_finals(row, study.tuning)) for row in rows]
    if last := [order for row, own in zip(rows, orders, strict=True) for order in own[len(row.trials) :]]:
        run(last)
    done = [campaign.finished(own) for own in orders]
    answers = {
        row.question: _answer(row, records)
        for row, records, own in zip(rows, done, orders, strict=True)
        if study.tuning.cpu_s or len(records) == len(own)
    }
    matched.keep(results, study, answers)
    return [record for records in done for record in records]


def _finals(row: TunedRow, tuning: Tuning) -> list[Order]:
    """The best trials of a row, to be trained on; none before all trials are finished."""
    records = campaign.finished(row.trials)
    if not row.finals or (len(records) < len(row.trials) and not tuning.cpu_s):
        return []
    places = {order.key: at for at, order in enumerate(row.trials)}
    return [row.finals[places[record.key]] for record in ranked(records)[: tuning.finalists]]


def _run_in_turn(
    rows: Sequence[TunedRow], tuning: Tuning, results: Path, run: Callable[[Sequence[Order]], None]
) -> None:
    """Run the first trial of each row, then the second, of rows whose trials took less than the limit so far."""
    spent = [0.0] * len(rows)
    for k in range(len(rows[0].trials)):
        begun = {at: row.trials[k] for at, row in enumerate(rows) if spent[at] < tuning.cpu_s}
        run(list(begun.values()))
        for at, order in begun.items():
            spent[at] += cpu_seconds(store.load(results, order.study, order.key))


def _answer(row: TunedRow, records: Sequence[Record]) -> Answer:
    best = best_of(records)
    if best is None:
        last = next((record.reason for record in records if record.reason), "none has finished")
        return Answer(model=row.trials[0].cell.model, skip=f"none of {len(row.trials)} trials can be used: {last}")
    settings = {name: getattr(best.cell.budget, name) for name in grid.TRIED}
    return Answer(
        model=best.cell.model,
        budget=row.budget.model_copy(update=settings),
        trials=len({record.cell.seed for record in records}),
    )
