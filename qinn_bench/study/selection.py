"""The cells of a study that are asked for, each with its record: of a folder of results or published; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from qinn_bench import catalogue, registry
from qinn_bench.labels import is_of
from qinn_bench.records import published, record_index, store
from qinn_bench.study import grid, matched, progress, study_files
from qinn_bench.study.grid import Drawn
from qinn_bench.study.order import Order
from qinn_bench.study.progress import CellStanding
from qinn_bench.values import Record, Refused, Study, Use


class Filters(NamedTuple):
    """Which cells are kept: those of these rows, families or models, data sets and seeds; what is empty keeps all.

    A model or a data set is written like ``spline_inn[blocks=2]`` and keeps what has these knobs and any others.

    >>> Filters(models=("spline_inn",), seeds=(0, 1))
    Filters(models=('spline_inn',), data=(), seeds=(0, 1))
    """

    models: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()


EVERY = Filters()
"""Keeps all cells."""


@dataclass(frozen=True)
class Selection:
    """A study, its data sets, those of its cells that the filters keep, and files that are no records.

    `rows` are all rows of the study in their order, whatever the filters keep: without the truth, controls last.

    Example:
        >>> from qinn_bench.study.study_files import load_study
        >>> path = Path("results/published/quick.jsonl.gz")
        >>> selection = select(load_study(Path("quick")), Path("results"), Filters(models=("qinn",), seeds=(0, 1)),
        ...     path)
        >>> [(one.slot.row, one.slot.cell.seed) for one in selection.cells]
        [('qinn', 0), ('qinn', 1)]
    """

    study: Study
    drawn: list[Drawn]
    cells: list[CellStanding]
    odd: list[store.UnreadableRecord]
    rows: tuple[str, ...] = ()

    @property
    def places(self) -> dict[str, int]:
        """The place of each row among all rows of the study."""
        return {row: at for at, row in enumerate(self.rows)}

    @property
    def records(self) -> list[Record]:
        """The records of this version, in the order of the tables."""
        return [one.current for one in self.cells if one.current]

    @property
    def over_seeds(self) -> list[CellStanding]:
        """The cells whose seed moves everything; those that moved one source alone answer ``variance`` only."""
        return [one for one in self.cells if one.slot.cell.varies == "all"]


def check_filters(study: Study, filters: Filters) -> None:
    """Check that each model of the filters is a row of the study, a label of rows, or a model, and each data set one of
    its data sets.

    Raises:
        Refused: one is not.
    """
    rows = [study_files.label_of(row) for row in study.models]
    bounds = [name for name, role in catalogue.roles().items() if role in ("floor", "ceiling")] if study.floors else []
    for text in filters.models:
        if not any(is_of(text, row) for row in [*rows, *bounds]):
            _check_use("row", text, [row.model for row in study.models] + bounds, [*rows, *bounds], study)
    for text in filters.data:
        names = [registry.parse_use(data).name for data in study.data]
        _check_use("data set", text, names, study.data, study)


def _check_use(what: str, text: str, names: Sequence[str], shown: Sequence[str], study: Study) -> None:
    try:
        known = registry.parse_use(text).name in names
    except Refused:
        known = False
    if not known:
        raise Refused(f"'{study.name}' has no {what} '{text}'; there are: {', '.join(dict.fromkeys(shown))}")


def select(
    study: Study,
    results: Path,
    filters: Filters = EVERY,
    records: Path | None = None,
    drawn: list[Drawn] | None = None,
) -> Selection:
    """The cells of a study with their records, published ones (`records`) or those of the folder of results.

    Its data sets are loaded, unless they are `drawn` already.

    Raises:
        Refused: the filters keep nothing or name what the study has not; the published records are of another study.
    """
    check_filters(study, filters)
    drawn = drawn or grid.draw(study)
    with record_index.without_collector():
        if records:
            known, odd = published.read(records, study.name), list[store.UnreadableRecord]()
        else:
            known, odd = store.look_at_all(results, study.name)
        cells = progress.standings(grid.slots(study, drawn, matched.read(results, study.name)), drawn, known)
    kept = [one for one in cells if keeps(filters, _named(one))]
    _check_kept(study, [one.slot.row for one in cells], kept)
    others = sorted((one.slot for one in cells), key=lambda slot: bool(slot.cell.control))
    rows = tuple(dict.fromkeys(slot.row for slot in others if slot.cell.model.name != "truth"))
    return Selection(study, drawn, kept, odd, rows)


def chosen(study: Study, orders: Sequence[Order], filters: Filters) -> list[Order]:
    """Those cells of a plan that the filters keep.

    Raises:
        Refused: none.
    """
    kept = [order for order in orders if keeps(filters, order)]
    _check_kept(study, [order.row for order in orders], kept)
    return kept


def _check_kept(study: Study, rows: Sequence[str], kept: Sequence[object]) -> None:
    if not kept:
        raise Refused(
            f"the filters keep no cell of '{study.name}'; its rows are: {', '.join(dict.fromkeys(rows))}; its seeds "
            f"{study.first_seed} to {study.every_seed[-1]}"
        )


def keeps(filters: Filters, one: grid.Slot | Order | Record) -> bool:
    """Whether the filters keep a cell."""
    cell, (models, sets, seeds) = one.cell, filters
    named = {one.row, one.family} & set(models)
    model = not models or named or any(_fits("model", text, cell.model) for text in models)
    data = not sets or any(_fits("data", text, cell.data) for text in sets)
    return bool(model) and data and (not seeds or cell.seed in seeds)


def _named(one: CellStanding) -> grid.Slot | Record:
    """What the filters are asked about: the cell as the study states it, with the knobs that are known of it."""
    if one.current or (one.record and one.slot.shape):
        return one.record or one.slot
    return replace(one.slot, cell=one.slot.with_model(one.slot.models[0])) if len(one.slot.models) == 1 else one.slot


def _fits(kind: registry.Kind, text: str, use: Use) -> bool:
    try:
        wanted = registry.parse_use(text)
    except Refused:
        return False
    return registry.covers(wanted, use, kind)
