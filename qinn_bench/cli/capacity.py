"""``qinn-bench capacity``: the families of a study, their curves, and the equivalence ratios; works without torch."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

from qinn_bench.capacity.equivalence import AXES, Curve, Equivalence, bounds_of, capacity, ratio
from qinn_bench.cli import _records
from qinn_bench.cli._tables import FORMS
from qinn_bench.labels import joined
from qinn_bench.report import figure_style
from qinn_bench.report.capacity_figure import capacity_figure
from qinn_bench.report.capacity_table import capacity_table
from qinn_bench.values import Control, Record, Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, its results, the metric, what sizes are measured in, and the forms of the answer."""
    parser.add_argument("study", type=Path, help="a study file (TOML) with sizes")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    _records.add_argument(parser)
    parser.add_argument("-d", "--data", default="", help="the data set, where the study has several")
    parser.add_argument("--metric", default="nll", help="what quality is (default: nll)")
    parser.add_argument("--axis", default="parameters", help=f"parameters or one of: {', '.join(AXES)}")
    parser.add_argument("--format", choices=FORMS, default="text")
    parser.add_argument("--json", action="store_true", help="print curves and ratios as JSON")
    parser.add_argument("--figure", type=Path, help="draw the curves into this file (.png or .pdf)")


def run(options: argparse.Namespace) -> int:
    """Print each family with its power law and its ratio to each classical one, and what was left out."""
    study = _records.read_study(options.study)
    records, notes = _records.some_of_study(options, str(study["name"]))
    families = _in_order(study, capacity(records, options.metric, options.axis, options.data))
    ratios = _ratios(families)
    notes += _absent(study, families)
    if options.figure:
        _draw(options, records, families)
    if options.json:
        content = {"families": [c.model_dump() for c in families], "ratios": [e.model_dump() for e in ratios]}
        print(json.dumps(content | {"notes": notes}, indent=1, ensure_ascii=False))
        return 0
    data = next(record.cell.data.name for record in records if record.size)
    table = capacity_table(data, families, ratios, options.metric, options.axis, _unit(records, options.metric))
    table = replace(table, footnotes=(*table.footnotes, *notes))
    print(FORMS[options.format](table), end="")
    return 0


def _in_order(study: Mapping[str, Any], families: Sequence[Curve]) -> list[Curve]:
    """The families as the study names them, each before its controls; the names of records' files mean nothing."""
    labels = [str(row.get("label") or row.get("model")) for row in study.get("models", ())]
    places = {joined(label, kind): at for at, (label, kind) in enumerate(product(labels, get_args(Control)))}
    return sorted(families, key=lambda curve: (places.get(curve.family, len(places)), curve.family))


def _absent(study: Mapping[str, Any], families: Sequence[Curve]) -> list[str]:
    """A note on the rows of the study that grow and have no record."""
    rows = [row for row in study.get("models", ()) if "ladder" in row or "shape" in row]
    labels = [str(row.get("label") or row.get("model")) for row in rows]
    missing = [label for label in labels if label not in {curve.family for curve in families}]
    return [f"No records: {', '.join(missing)}."] if missing else []


def _ratios(families: Sequence[Curve]) -> list[Equivalence]:
    """The ratio of each family with circuits, and of its controls, to each family without."""
    firsts = [curve.family for curve in families if curve.quantum]
    seconds = [curve.family for curve in families if not curve.quantum]
    return [ratio(families, first, second) for first in firsts for second in seconds]


def _unit(records: Sequence[Record], metric: str) -> str:
    return next((record.metrics[metric].unit for record in records if metric in record.metrics), "")


def _draw(options: argparse.Namespace, records: Sequence[Record], families: Sequence[Curve]) -> None:
    if options.figure.suffix.removeprefix(".") not in figure_style.METADATA:
        endings = ", ".join(f".{ending}" for ending in figure_style.METADATA)
        raise Refused(f"a figure was asked for as '{options.figure}'; a file ending in one of {endings} was expected")
    bounds = bounds_of(records, options.metric, options.data)
    unit = _unit(records, options.metric)
    figure = capacity_figure(families, bounds, options.metric, options.axis, unit)
    figure_style.save_as(figure, options.figure)
