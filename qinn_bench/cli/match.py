"""``qinn-bench match``: shapes of model families that meet a parameter budget."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from qinn_bench import matching, registry, store
from qinn_bench.matching import Matching
from qinn_bench.values import Match, Refused, Use


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set, the budget, and the families."""
    parser.add_argument("-d", "--data", required=True, help="data set[knob=value]")
    parser.add_argument("--params", type=int, required=True, help="how many trained parameters")
    parser.add_argument("--tol", default="2%", help="relative tolerance, such as 2%% or 0.02")
    parser.add_argument("-m", "--model", action="append", required=True, help="model[knob=value]; given knobs are held")
    parser.add_argument("--most", type=int, default=9, help="rows a family in the table")
    parser.add_argument("--json", action="store_true", help="print the certificates as JSON")
    parser.add_argument("--out", type=Path, help="write the certificates to this file too")


def run(options: argparse.Namespace) -> int:
    """Search every family; the exit code is 0 if all can meet the budget, 2 otherwise."""
    data = registry.make("data", registry.spell_out("data", registry.parse_use(options.data)))
    if options.params <= 0:
        raise Refused(f"--params is {options.params}; a parameter budget is a positive whole number")
    match = Match(parameters=options.params, tolerance=_tolerance(options.tol))
    found = [matching.search(_family(text), data, match) for text in options.model]
    certificates = json.dumps([matched.model_dump() for matched in found], indent=1)
    if options.out:
        store.write_whole(options.out, lambda file: file.write(certificates.encode()))
    if options.json:
        print(certificates)
    else:
        for matched in found:
            _show(matched, options.most)
    return 0 if all(matched.verdict == "feasible" for matched in found) else 2


def _family(text: str) -> Use:
    use = registry.parse_use(text)
    registry.spell_out("model", use)
    return use


def _tolerance(text: str) -> float:
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise Refused(f"--tol is '{text}'; expected a share between 0 and 1, such as 2% or 0.02")
    return value


def _show(found: Matching, most: int) -> None:
    if found.verdict == "infeasible":
        nearest = found.nearest
        print(
            f"{found.family}: infeasible, no shape has {found.asked} parameters within {found.tolerance:.1%}; "
            f"the nearest of {found.searched} is {nearest.model} with {nearest.parameters.total}"
        )
        return
    title = (
        f"{found.family} on {found.data}: {len(found.shapes)} shapes of {found.searched} within {found.tolerance:.1%}"
    )
    table = Table("depth", "total", "quantum", "classical", "off", title=escape(title))
    table.add_column("shape", overflow="fold")
    for shape in _spread(found, most):
        count = shape.parameters
        figures = (str(count.total), str(count.quantum), str(count.classical), f"{shape.residual:+.2%}")
        table.add_row(shape.depth, *figures, escape(_terse(shape.model)))
    Console().print(table)


def _terse(model: Use) -> str:
    """A model with those knobs that differ from their defaults."""
    defaults = registry.knob_defaults("model", model.name)
    return str(Use(name=model.name, knobs={k: v for k, v in model.knobs.items() if v != defaults[k]}))


def _spread(found: Matching, most: int) -> list[matching.Shape]:
    """The closest shapes of each depth class, equally many of each."""
    classes = ("shallow", "balanced", "deep")
    each = max(1, most // len(classes))
    return [shape for depth in classes for shape in [s for s in found.shapes if s.depth == depth][:each]]
