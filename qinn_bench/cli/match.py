"""``qinn-bench match``: shapes of model families that meet a budget of parameters, circuits, operations or rank."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from qinn_bench import registry
from qinn_bench.capacity import matching
from qinn_bench.capacity.matching import Matching, Shape
from qinn_bench.dataset import Dataset
from qinn_bench.report import forms
from qinn_bench.report.table_parts import Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.values import Axis, Knobs, Match, Refused, Use
from qinn_bench.writing import write_text

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
    found = []
    for text in options.model:
        print(f"{text}: counting shapes", file=sys.stderr)
        found.append(matching.search(_family(text), data, match))
    certificates = json.dumps([matched.model_dump() for matched in found], indent=1)
    if options.out:
        write_text(options.out, certificates)
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
    shapes = _spread(found, most)
    print(forms.text(_table(found, shapes, data, batch)))
    print(f'model = "{found.shapes[0].model.name}"')
    for at, shape in enumerate(shapes, start=1):
        # One line each, whatever the width of the terminal: it is to be copied into a study.
        print(f"{_toml(_terse(shape.model))}  # {at}: {shape.depth}, {shape.size} {found.axis}")


def _table(found: Matching, shapes: Sequence[Shape], data: Dataset, batch: int) -> Table:
    """A line a shape; the shapes themselves stand below it by their numbers."""
    names = ("#", "depth", "total", "quantum", "circuits", "flop", *["rank"] * (found.axis == "rank"), "off")
    lines = []
    for at, shape in enumerate(shapes, start=1):
        count = shape.parameters
        step = matching.measure(shape.model, data, batch, rank=False)[0]
        spent = (str(step.circuits), "–" if step.flops is None else f"{step.flops:.2e}")
        rank = [str(shape.size)] * (found.axis == "rank")
        cells = (str(at), shape.depth, str(count.total), str(count.quantum), *spent, *rank, f"{shape.residual:+.2%}")
        lines.append(Line("", str(at), "model", "", tuple(map(Entry, cells))))
    title = (
        f"{found.family} on {found.data}: {len(found.shapes)} shapes of {found.searched} within {found.tolerance:.1%}"
    )
    note = f"circuits, flop: of a training step of {batch} rows; off: from the {found.asked} {found.axis} asked for."
    return Table(title, tuple(Heading(name, name) for name in names), tuple(lines), (note,))


def _terse(model: Use) -> Knobs:
    """The knobs of a model that differ from their defaults."""
    defaults = registry.knob_defaults("model", model.name)
    return {knob: value for knob, value in sorted(model.knobs.items()) if value != defaults[knob]}


def _toml(knobs: Knobs) -> str:
    """The line of a study that sets these knobs."""
    inside = ", ".join(f"{knob} = {json.dumps(value)}" for knob, value in knobs.items())
    return f"knobs = {{ {inside} }}" if inside else "knobs = {}"


def _spread(found: Matching, most: int) -> list[Shape]:
    """The closest shapes of each depth class, equally many of each."""
    classes = ("shallow", "balanced", "deep")
    each = max(1, most // len(classes))
    return [shape for depth in classes for shape in [s for s in found.shapes if s.depth == depth][:each]]
