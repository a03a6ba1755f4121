"""The cells of a study as its file states them, in the order of its tables, before shapes are matched.

Nothing is built for it, so that a study can be looked at without torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import get_args

from qinn_bench import catalogue, registry
from qinn_bench.dataset import Dataset
from qinn_bench.labels import joined
from qinn_bench.limits import Limits, kept_to
from qinn_bench.quantum import backend_names
from qinn_bench.study import matched
from qinn_bench.study.data_axes import uses_of
from qinn_bench.study.matched import Answer, Answers
from qinn_bench.study.study_files import has_circuit, is_taken_on, label_of
from qinn_bench.values import Cell, Control, Match, Refused, Row, Source, Study, Use

TRIED = ("learning_rate", "schedule", "batch")
"""What tuning tries of the budget, for every model alike."""
SOURCES: tuple[Source, ...] = get_args(Source)


@dataclass(frozen=True)
class Slot:
    """A cell that a study asks for, and its place in the tables.

    `cell` is complete but for the knobs of its model where the matcher chooses those. Where its `answer` is known, the
    model is that of the answer; until then it is any of the `models` (one for each rung of a ladder) or, where there
    is a `shape` or the row is `tuned`, one that has the knobs of the cell and more, that meets the `match`. A control
    that is `regrown` has a model that is larger in one knob. All slots of one `group` are one model under one budget;
    where no shape fits, one of them is skipped for all.
    """

    cell: Cell
    row: str
    family: str
    size: int
    control_of: str
    shape: str
    models: tuple[Use, ...]
    group: tuple[object, ...]
    match: Match | None = None
    answer: Answer | None = None
    tuned: bool = False
    regrown: bool = False

    @property
    def matched(self) -> bool:
        """Whether the matcher chooses its model."""
        return bool(self.shape) or len(self.models) > 1 or self.size > 0

    def may_have(self, model: Use) -> bool:
        """Whether the cell may have this model, as far as is known."""
        open_knobs = (self.shape or self.tuned) and not self.answer
        if self.regrown:
            stated = (self.cell.model,) if open_knobs else self.models
            return any(_but_one_knob(model, one) for one in stated)
        if open_knobs:
            return model.name == self.cell.model.name and self.cell.model.knobs.items() <= model.knobs.items()
        return model in self.models

    def with_model(self, model: Use) -> Cell:
        """The cell with the model that was found for it."""
        return self.cell.model_copy(update={"model": model})

    def is_as(self, cell: Cell) -> bool:
        """Whether another cell has the same settings, the model apart, and where tuning is not known what it tries."""
        own, other = vars(self.cell), vars(cell)
        if any(own[name] != other[name] for name in own if name not in ("model", "budget")):
            return False
        budget = self.cell.budget
        if self.tuned and not self.answer:
            budget = budget.model_copy(update={name: getattr(cell.budget, name) for name in TRIED})
        return budget == cell.budget


def _but_one_knob(model: Use, stated: Use) -> bool:
    """Whether a model is what is stated, but for one knob at most."""
    differing = [name for name, value in stated.knobs.items() if model.knobs.get(name) != value]
    return model.name == stated.name and len(differing) <= 1


@dataclass(frozen=True)
class Drawn:
    """A data set of a study with all its knobs, and its rows."""

    use: Use
    data: Dataset


def draw(study: Study, limits: Limits | None = None) -> list[Drawn]:
    """Load the data sets of a study, under the limits of a cell.

    Raises:
        Refused: one takes more than the limits allow, fails, or is broken.
    """
    drawn = []
    for stated in uses_of(study):
        use = registry.spell_out("data", stated)
        with kept_to(f"drawing {use}", limits):
            data: Dataset = registry.make("data", use)
        if not isinstance(data, Dataset):
            raise Refused(f"data '{use}' is broken: its load gives no Dataset, but {type(data).__name__}")
        drawn.append(Drawn(use, data))
    return drawn


def rows_of(study: Study, drawn: Drawn) -> list[Row]:
    """The rows that a study takes on a data set, with the floors and ceilings that it does not name and that fit."""
    named = {row.model for row in study.models} | {label_of(row) for row in study.models}
    bounds = [name for name, role in catalogue.roles().items() if role in ("floor", "ceiling") and name not in named]
    added = [Row(model=name) for name in bounds if study.floors and _fits(name, drawn.data)]
    return [*(row for row in study.models if is_taken_on(row, drawn.use)), *added]


def _fits(name: str, data: Dataset) -> bool:
    """Whether a floor or ceiling is of use for a data set: it takes its rows, and knows the density or the labels that
    it needs."""
    made = catalogue.made("model", name)
    labels = data.labels
    known = data.density is not None or not made.needs_density
    labelled = labels is not None or not (made.needs_labels or made.supervised)
    both = not made.supervised or (labels is not None and len(set(labels.train.tolist())) == 2)
    return data.kind in made.rows and known and labelled and both


def budgets_of(study: Study, row: Row) -> tuple[str, ...]:
    """The names of the budgets of its study that a row is trained under: all, or those that it names."""
    return tuple(name for name in study.budgets if not row.budgets or name in row.budgets)


def sizes_of(study: Study, row: Row) -> tuple[int, ...]:
    """The sizes that a row is matched to; 0 for a row that is as large as it is."""
    return study.sizes if study.sizes and (row.shape or row.ladder) else (0,)


def slots(study: Study, drawn: list[Drawn], answers: Answers | None = None) -> Iterator[Slot]:
    """All cells of a study, in the order of its tables, with what is known of the matcher's `answers`."""
    for one in drawn:
        for row in rows_of(study, one):
            for size in sizes_of(study, row):
                for budget in budgets_of(study, row):
                    answer = answer_of(study, row, size, one, budget, answers or {})
                    of_one = of_row(study, row, size, one.use, budget)
                    for slot in of_one[:1] if answer and answer.skip else of_one:
                        yield answered(slot, answer) if answer else slot


def answer_of(study: Study, row: Row, size: int, drawn: Drawn, budget: str, answers: Answers) -> Answer | None:
    """What is known of a row at a size: the matcher's answer, or under a budget that of tuning."""
    if not answers or not (row.shape or row.ladder or matched.is_tuned(study, row)):
        return None
    return answers.get(matched.question(study, row, size, drawn.use, drawn.data.content, budget))


def answered(slot: Slot, answer: Answer) -> Slot:
    """A cell with the model, and the budget, that were found for it."""
    cell = slot.cell.model_copy(update={"budget": answer.budget}) if answer.budget else slot.cell
    return replace(slot, answer=answer, models=(answer.model,), cell=cell)


def of_row(study: Study, row: Row, size: int, data: Use, budget: str) -> list[Slot]:
    """The cells of a row on a data set at one size and budget: over controls, backends, devices and seeds."""
    quantum = has_circuit(row.model)
    stated = Use(name=row.model, knobs=row.knobs)
    models = () if row.shape else tuple(_spelled(stated, rung) for rung in row.ladder or ({},))
    controlled = study.controls and quantum and (not study.control_sizes or size in study.control_sizes)
    compared = study.variance and catalogue.made("model", row.model).role == "model"
    slots_of_row = []
    for control in get_args(Control) if controlled else ("",):
        for backend in study.backends if quantum else study.backends[:1]:
            for device in study.devices:
                for source in _sources(quantum, backend) if compared and not control else SOURCES[:1]:
                    for seed in study.every_seed[source != "all" :]:
                        cell = Cell(
                            model=stated if row.shape else models[0],
                            data=data,
                            budget=study.budgets[budget],
                            backend=backend_names.resolve(backend, device) if quantum else "none",
                            device=device,
                            seed=seed,
                            samples=study.samples,
                            mass_draws=study.mass_draws,
                            control=control,
                            varies=source,
                        )
                        slots_of_row.append(_slot(study, row, size, budget, cell, models))
    return slots_of_row


def _spelled(stated: Use, rung: dict[str, bool | int | float | str]) -> Use:
    return catalogue.spell_out("model", Use(name=stated.name, knobs=stated.knobs | rung))


def _slot(study: Study, row: Row, size: int, budget: str, cell: Cell, models: tuple[Use, ...]) -> Slot:
    label = _label(study, row, size, budget, cell)
    match = study.match or (Match() if size else None)
    slot = Slot(
        cell=cell,
        row=label,
        family=label_of(row),
        size=size,
        control_of="",
        shape=row.shape,
        models=models,
        group=(str(cell.data), label_of(row), size, budget),
        match=match.model_copy(update={"parameters": size}) if match and size else match,
        tuned=matched.is_tuned(study, row),
        regrown=study.equal_controls and cell.control == "unentangled",
    )
    return replace(slot, row=joined(label, cell.control), control_of=label) if cell.control else slot


def _sources(quantum: bool, backend: str) -> list[Source]:
    """What a seed can move; seed 0 of all of them is where a source that is moved alone starts from."""
    shots = quantum and backend_names.parse(backend_names.resolve(backend)).shots
    return [source for source in SOURCES if shots or source != "shots"]


def _label(study: Study, row: Row, size: int, budget: str, cell: Cell) -> str:
    """A row's label, with what sets it apart where the study has sizes or several budgets, backends or devices."""
    quantum = cell.backend != "none"
    apart = [
        str(size or ""),
        budget if len(study.budgets) > 1 else "",
        cell.backend if quantum and len(study.backends) > 1 else "",
        cell.device if len(study.devices) > 1 else "",
    ]
    return joined(label_of(row), *apart)
