"""``qinn-bench capacity``: the families of a study, their curves, and the equivalence ratios; works without torch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from qinn_bench.capacity.families import AXES
from qinn_bench.cli import _records
from qinn_bench.report import figure_style
from qinn_bench.report.capacity_figure import figure_of
from qinn_bench.report.family_curves import Families, families_of
from qinn_bench.report.forms import FORMS
from qinn_bench.study import study_files
from qinn_bench.values import Refused


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
    study = study_files.read_plain(options.study)
    families = families_of(study, options.results, options.records, options.metric, options.axis, options.data)
    if options.figure:
        _draw(options.figure, families)
    if options.json:
        content = {
            "families": [curve.model_dump() for curve in families.curves],
            "ratios": [one.model_dump() for one in families.ratios],
            "notes": families.notes,
        }
        print(json.dumps(content, indent=1, ensure_ascii=False))
        return 0
    print(FORMS[options.format](families.table), end="")
    return 0


def _draw(path: Path, families: Families) -> None:
    if path.suffix.removeprefix(".") not in figure_style.METADATA:
        endings = ", ".join(f".{ending}" for ending in figure_style.METADATA)
        raise Refused(f"a figure was asked for as '{path}'; a file ending in one of {endings} was expected")
    figure_style.save_as(figure_of(families), path)
