"""What the verbs that take a study share: finding it, planning it, and choosing among its cells."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from qinn_bench import planning, registry
from qinn_bench.limits import Limits
from qinn_bench.run import Order
from qinn_bench.values import Refused, Study, Use


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study, the folder of its results, and the filters by model, data set and seed."""
    parser.add_argument("study", type=Path, help="a study file (TOML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("-m", "--model", action="append", default=[], help="only this row, family or model[knob=value]")
    parser.add_argument("-d", "--data", action="append", default=[], help="only this data set[knob=value]")
    parser.add_argument("-s", "--seed", action="append", default=[], type=int, help="only this seed")


def planned(options: argparse.Namespace, limits: Limits | None = None) -> tuple[Study, list[Order]]:
    """The study and those of its cells that the filters keep; its data are drawn under the limits of a cell.

    Raises:
        Refused: a filter keeps nothing.
    """
    study = planning.load_study(options.study)
    orders = planning.plan(study, options.results, limits)
    kept = [order for order in orders if _wanted(order, options)]
    if not kept:
        rows = ", ".join(dict.fromkeys(order.row for order in orders))
        raise Refused(
            f"the filters keep no cell of '{study.name}'; its rows are: {rows}; its seeds 0 to {study.seeds - 1}"
        )
    return study, kept


def over_seeds(orders: Sequence[Order]) -> list[Order]:
    """The cells whose seed moves everything: those that moved one source alone answer ``qinn-bench variance`` only."""
    return [order for order in orders if order.cell.varies == "all"]


def _wanted(order: Order, options: argparse.Namespace) -> bool:
    cell = order.cell
    named = {order.row, order.family} & set(options.model)
    model = not options.model or named or any(_fits(text, cell.model) for text in options.model)
    data = not options.data or any(_fits(text, cell.data) for text in options.data)
    return bool(model) and data and (not options.seed or cell.seed in options.seed)


def _fits(text: str, use: Use) -> bool:
    try:
        wanted = registry.parse_use(text)
    except Refused:
        return False
    return wanted.name == use.name and wanted.knobs.items() <= use.knobs.items()
