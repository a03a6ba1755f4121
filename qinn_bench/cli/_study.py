"""What the verbs that take a study share: its records, and choosing among its cells; without torch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qinn_bench import registry
from qinn_bench.records import published, store
from qinn_bench.study import grid, matched, progress, study_files
from qinn_bench.study.grid import Drawn
from qinn_bench.study.order import Order
from qinn_bench.study.progress import CellStanding
from qinn_bench.values import Record, Refused, Study, Use


@dataclass(frozen=True)
class Found:
    """A study, its data sets, those of its cells that the filters keep, and files that are no records."""

    study: Study
    drawn: list[Drawn]
    cells: list[CellStanding]
    odd: list[store.UnreadableRecord]

    @property
    def records(self) -> list[Record]:
        """The records of this version, in the order of the tables."""
        return [one.current for one in self.cells if one.current]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study, the folder of its results, and the filters by model, data set and seed."""
    parser.add_argument("study", type=Path, help="a study file (TOML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("-m", "--model", action="append", default=[], help="only this row, family or model[knob=value]")
    parser.add_argument("-d", "--data", action="append", default=[], help="only this data set[knob=value]")
    parser.add_argument("-s", "--seed", action="append", default=[], type=int, help="only this seed")


def found(options: argparse.Namespace, records: Path | None = None) -> Found:
    """The study and the records of its cells, published ones or those of the folder of results.

    Raises:
        Refused: a filter keeps nothing.
    """
    study = study_files.load_study(options.study)
    drawn = grid.draw(study)
    if records:
        known, odd = published.read(records, study.name), list[store.UnreadableRecord]()
    else:
        known, odd = store.look_at_all(options.results, study.name)
    cells = progress.standings(grid.slots(study, drawn, matched.read(options.results, study.name)), drawn, known)
    kept = [one for one in cells if _wanted(options, _named(one))]
    _check_kept(study, [one.slot.row for one in cells], kept)
    return Found(study, drawn, kept, odd)


def chosen(options: argparse.Namespace, study: Study, orders: Sequence[Order]) -> list[Order]:
    """Those cells of a plan that the filters keep.

    Raises:
        Refused: none.
    """
    kept = [order for order in orders if _wanted(options, order)]
    _check_kept(study, [order.row for order in orders], kept)
    return kept


def _check_kept(study: Study, rows: Sequence[str], kept: Sequence[object]) -> None:
    if not kept:
        raise Refused(
            f"the filters keep no cell of '{study.name}'; its rows are: {', '.join(dict.fromkeys(rows))}; its seeds 0 "
            f"to {study.seeds - 1}"
        )


def over_seeds(cells: Sequence[CellStanding]) -> list[CellStanding]:
    """The cells whose seed moves everything: those that moved one source alone answer ``qinn-bench variance`` only."""
    return [one for one in cells if one.slot.cell.varies == "all"]


def _wanted(options: argparse.Namespace, one: grid.Slot | Order | Record) -> bool:
    cell = one.cell
    named = {one.row, one.family} & set(getattr(options, "model", ()))
    models, sets, seeds = (getattr(options, name, ()) for name in ("model", "data", "seed"))
    model = not models or named or any(_fits(text, cell.model) for text in models)
    data = not sets or any(_fits(text, cell.data) for text in sets)
    return bool(model) and data and (not seeds or cell.seed in seeds)


def _named(one: CellStanding) -> grid.Slot | Record:
    """What the filters are asked about: the cell as the study states it, with the knobs that are known of it."""
    if one.current or (one.record and one.slot.shape):
        return one.record or one.slot
    return replace(one.slot, cell=one.slot.with_model(one.slot.models[0])) if len(one.slot.models) == 1 else one.slot


def _fits(text: str, use: Use) -> bool:
    try:
        wanted = registry.parse_use(text)
    except Refused:
        return False
    return registry.covers(wanted, use)
