"""The families of a study with sizes: their curves and ratios, as a value that is shown as a table or drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

from qinn_bench.capacity.equivalence import Equivalence, ratio
from qinn_bench.capacity.families import Curve, bounds_of, capacity
from qinn_bench.labels import joined
from qinn_bench.records import known
from qinn_bench.records.known import on_data
from qinn_bench.records.store import data_names
from qinn_bench.report.capacity_table import capacity_table
from qinn_bench.report.table_value import Table
from qinn_bench.values import Control, Estimate, Record


@dataclass(frozen=True)
class Families:
    """The families of a study on one data set, in its order, with the ratio of each quantum to each classical one.

    `data` is the data set as it was asked for, empty where the study has only one. `curves` and `ratios` are of
    `metric` against `axis`; `notes` say what the records are and what is missing.

    Example:
        >>> from qinn_bench.study.study_files import read_plain
        >>> path = Path("results/published/capacity_zjets.jsonl.gz")
        >>> families = families_of(read_plain(Path("capacity_zjets")), Path("results"), path, "nll", "parameters")
        >>> families.unit, [curve.family for curve in families.curves if not curve.control_of][:2]
        ('nats', ['affine_inn', 'spline_inn'])
    """

    curves: list[Curve]
    ratios: list[Equivalence]
    metric: str
    axis: str
    data: str
    records: list[Record]
    notes: list[str]

    @property
    def unit(self) -> str:
        """The unit of the metric."""
        return next((one.metrics[self.metric].unit for one in self.records if self.metric in one.metrics), "")

    @property
    def budget(self) -> str:
        """How the rows that grow were trained, in words; empty where not all were trained alike.

        Where the budget is one of convergence, as many steps as any of them took are said.
        """
        budgets = {record.cell.budget for record in self.records if record.size}
        if len({(one.steps, one.until) for one in budgets}) != 1:
            return ""
        budget = budgets.pop()
        if budget.until == "steps":
            return f"{budget.steps} steps"
        taken = [record.training.steps for record in self.records if record.size and record.training]
        return f"converged, {max(taken, default=0)} steps at most"

    @property
    def bounds(self) -> dict[str, Estimate]:
        """Floors and ceilings by name."""
        return bounds_of(self.records, self.metric, self.data)

    @property
    def table(self) -> Table:
        """Each family with its power law and its ratio to each classical one, and what was left out."""
        names = data_names(self.records)
        data = next(names[str(one.cell.data)] for one in self.records if one.size and on_data(one, self.data))
        made = capacity_table(data, self.curves, self.ratios, self.metric, self.axis, self.unit, self.budget)
        return replace(made, footnotes=(*made.footnotes, *self.notes))


def families_of(
    study: Mapping[str, Any], results: Path, records: Path | None, metric: str, axis: str, data: str = ""
) -> Families:
    """The families of a study (what its file says), from published `records` or else those of the folder of results.

    Raises:
        Refused: there are no records, no sizes, no such metric or axis, or several data sets and none named.
    """
    studied, notes = known.some_of_study(str(study["name"]), results, records)
    curves = _in_order(study, capacity(studied, metric, axis, data))
    return Families(curves, _ratios(curves), metric, axis, data, studied, notes + _absent(study, curves))


def _in_order(study: Mapping[str, Any], families: Sequence[Curve]) -> list[Curve]:
    """The families as the study names them, each before its controls; the names of records' files mean nothing."""
    labels = [str(row.get("label") or row.get("model")) for row in study.get("models", ())]
    places = {joined(label, kind): at for at, (label, kind) in enumerate(product(labels, get_args(Control)))}
    return sorted(families, key=lambda curve: (places.get(curve.family, len(places)), curve.family))


def _absent(study: Mapping[str, Any], families: Sequence[Curve]) -> list[str]:
    """A note on the rows of the study that grow and have no record."""
    rows = [row for row in study.get("models", ()) if row.get("ladder") or row.get("shape")]
    labels = [str(row.get("label") or row.get("model")) for row in rows]
    missing = [label for label in labels if label not in {curve.family for curve in families}]
    return [f"No records: {', '.join(missing)}."] if missing else []


def _ratios(families: Sequence[Curve]) -> list[Equivalence]:
    """The ratio of each family with circuits, and of its controls, to each family without."""
    firsts = [curve.family for curve in families if curve.quantum]
    seconds = [curve.family for curve in families if not curve.quantum]
    return [ratio(families, first, second) for first in firsts for second in seconds]
