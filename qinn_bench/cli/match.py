"""``qinn-bench match``: shapes of model families that meet a budget of parameters, circuits, operations or rank."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from qinn_bench import matching, registry, store
from qinn_bench.dataset import Dataset
from qinn_bench.matching import Matching
from qinn_bench.values import Axis, Match, Refused, Use

AXES: dict[Axis, str] = {
    "parameters": "how many trained parameters",
    "quantum": "how many trained parameters in circuits",
    "circuits": "how many circuit evaluations in a training step",
    "flops": "how many floating-point operations in a training step",
    "rank": "what rank of the Jacobian of the parameters",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set, the budget, and the families."""
    parser.add_argument("-d", "--data", required=True, help="data set[knob=value]")
    axes = parser.add_mutually_exclusive_group(required=True)
    for axis, meaning in AXES.items():
        names = ("--params", "--parameters") if axis == "parameters" else (f"--{axis}",)
        axes.add_argument(*names, dest=axis, type=int, metavar="N", help=meaning)
    parser.add_argument("--batch", type=int, default=128, metavar="N", help="rows of the training step, for the above")
    parser.add_argument("--tol", default="2%", help="relative tolerance, such as 2%% or 0.02")
    parser.add_argument("-m", "--model", action="append", required=True, help="model[knob=value]; given knobs are held")
    parser.add_argument("--most", type=int, default=9, help="rows a family in the table")
    parser.add_argument("--json", action="store_true", help="print the certificates as JSON")
    parser.add_argument("--out", type=Path, help="write the certificates to this file too")


def run(options: argparse.Namespace) -> int:
    """Search every family; the exit code is 0 if all can meet the budget, 2 otherwise."""
    data = registry.make("data", registry.spell_out("data", registry.parse_use(options.data)))
    match = _match(options)
    found = [matching.search(_family(text), data, match) for text in options.model]
    certificates = json.dumps([matched.model_dump() for matched in found], indent=1)
    if options.out:
        store.write_whole(options.out, lambda file: file.write(certificates.encode()))
    if options.json:
        print(certificates)
    else:
        for matched in found:
            _show(matched, options.most, data, match.batch)
    return 0 if all(matched.verdict == "feasible" for matched in found) else 2


def _match(options: argparse.Namespace) -> Match:
    axis, asked = next((axis, getattr(options, axis)) for axis in AXES if getattr(options, axis) is not None)
    for name, number in ((axis, asked), ("batch", options.batch)):
        if number <= 0:
            raise Refused(f"--{name} is {number}; a positive whole number was expected")
    return Match(**{axis: asked}, batch=options.batch, tolerance=_tolerance(options.tol))


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


def _show(found: Matching, most: int, data: Dataset, batch: int) -> None:
    if found.verdict == "infeasible":
        nearest = found.nearest
        print(
            f"{found.family}: infeasible, no shape has {found.asked} {found.axis} within {found.tolerance:.1%}; "
            f"the nearest of {found.searched} is {nearest.model} with {nearest.size}"
        )
        return
    title = (
        f"{found.family} on {found.data}: {len(found.shapes)} shapes of {found.searched} within {found.tolerance:.1%}"
    )
    columns = ("depth", "total", "quantum", "circuits", "flop", *["rank"] * (found.axis == "rank"), "off")
    table = Table(*columns, title=escape(title))
    table.add_column("shape", overflow="fold")
    for shape in _spread(found, most):
        count = shape.parameters
        step = matching.measure(shape.model, data, batch, rank=False)[0]
        spent = (str(step.circuits), "–" if step.flops is None else f"{step.flops:.2e}")
        rank = [str(shape.size)] * (found.axis == "rank")
        figures = (str(count.total), str(count.quantum), *spent, *rank, f"{shape.residual:+.2%}")
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
