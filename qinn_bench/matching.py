"""The capacity matcher: which shapes of a model family meet a parameter budget, counted by building them."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from typing import Literal

from qinn_bench import registry
from qinn_bench.contracts import count_parameters
from qinn_bench.dataset import Dataset
from qinn_bench.values import Knob, Match, Parameters, Refused, Row, Use, Value

Depth = Literal["shallow", "balanced", "deep"]


class Shape(Value):
    """A model with all its knobs, its parameters, its signed relative distance from the asked total, its depth.

    Of the depths that meet the budget, the lowest third is shallow and the highest third is deep.
    """

    model: Use
    parameters: Parameters
    residual: float
    depth: Depth = "balanced"


class Matching(Value):
    """The certificate of a search: every shape within the tolerance, closest first; or infeasible, with the nearest."""

    family: str
    data: str
    asked: int
    tolerance: float
    searched: int
    verdict: Literal["feasible", "infeasible"]
    shapes: tuple[Shape, ...]
    nearest: Shape


def search(family: Use, data: Dataset, match: Match) -> Matching:
    """Find all shapes of a model family that meet a parameter budget.

    The knobs in `family` are held; every other knob that the model's KNOBS list is searched. Along the knob with the
    most values the count never falls, so it is bisected; all combinations of the others are visited.

    Raises:
        Refused: the model states no KNOBS, so its size cannot be chosen.
    """
    free = _free_knobs(family)
    if not free:
        raise Refused(f"model '{family}' leaves no knob open to the matcher: its size is {_count(family, data).total}")
    longest = max(free, key=lambda knob: len(free[knob]))
    rest = {knob: values for knob, values in free.items() if knob != longest}
    counts = _Counts(data)
    for combination in itertools.product(*rest.values()):
        held = Use(name=family.name, knobs=family.knobs | dict(zip(rest, combination, strict=True)))
        counts.visit(held, longest, free[longest], match)
    shapes = [
        Shape(model=registry.spell_out("model", use), parameters=count, residual=count.total / match.parameters - 1)
        for use, count in counts.found.values()
    ]
    by_distance = sorted(shapes, key=lambda shape: (abs(shape.residual), str(shape.model)))
    fitting = [shape for shape in by_distance if abs(shape.residual) <= match.tolerance]
    return Matching(
        family=str(family),
        data=data.name,
        asked=match.parameters,
        tolerance=match.tolerance,
        searched=len(shapes),
        verdict="feasible" if fitting else "infeasible",
        shapes=tuple(_classify(fitting)),
        nearest=by_distance[0],
    )


def _free_knobs(family: Use) -> dict[str, tuple[Knob, ...]]:
    """The knobs to search: the model's KNOBS, or those that its `open_knobs` says matter beside the held ones."""
    module = registry.find("model", family.name)
    declared: dict[str, tuple[Knob, ...]] = getattr(module, "KNOBS", {})
    if hasattr(module, "open_knobs"):
        declared = module.open_knobs(registry.spell_out("model", family).knobs)
    return {knob: values for knob, values in declared.items() if knob not in family.knobs}


class _Counts:
    """The parameters of every use that a search has built, each built once."""

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self.found: dict[str, tuple[Use, Parameters]] = {}

    def visit(self, held: Use, knob: str, values: tuple[Knob, ...], match: Match) -> None:
        """Count, along one knob, the uses within the tolerance and the two that bracket the budget."""

        def total(value: Knob) -> int:
            return self.total(Use(name=held.name, knobs=held.knobs | {knob: value}))

        low = bisect_left(values, match.parameters * (1 - match.tolerance), key=total)
        for value in values[low:]:
            if total(value) > match.parameters * (1 + match.tolerance):
                break
        if low > 0:
            total(values[low - 1])

    def total(self, use: Use) -> int:
        """How many parameters a use has."""
        if str(use) not in self.found:
            self.found[str(use)] = use, _count(use, self.data)
        return self.found[str(use)][1].total


def _count(use: Use, data: Dataset) -> Parameters:
    return count_parameters(registry.make("model", use, data.dim, data=data))


def _classify(shapes: list[Shape]) -> list[Shape]:
    """Say of each shape whether it is shallow, balanced or deep among these."""
    if not shapes:
        return []
    knob: str = registry.find("model", shapes[0].model.name).DEPTH
    depths = sorted({shape.model.knobs[knob] for shape in shapes})

    def depth(shape: Shape) -> Depth:
        place = depths.index(shape.model.knobs[knob]) / max(1, len(depths) - 1)
        return (
            "balanced" if len(depths) == 1 else "shallow" if place < 1 / 3 else "deep" if place > 2 / 3 else "balanced"
        )

    return [shape.model_copy(update={"depth": depth(shape)}) for shape in shapes]


def resolve(row: Row, data: Dataset, match: Match | None) -> Use:
    """The model of a study's row with every knob set, checked against the study's parameter budget.

    A row with a `shape` gets the closest match of that depth class. A compared model (role ``model``) without one must
    meet the budget as it is; floors and ceilings need not.

    Raises:
        Refused: the row misses the budget, or no shape meets it; the message names the nearest shape.
    """
    given = Use(name=row.model, knobs=row.knobs)
    if match and row.shape:
        return _closest(search(given, data, match), row.shape)
    if row.shape:
        raise Refused(f"row '{row.label or row.model}' asks for a {row.shape} shape, but the study has no [match]")
    use = registry.spell_out("model", given)
    if match and registry.role(row.model) == "model":
        residual = _count(use, data).total / match.parameters - 1
        if abs(residual) > match.tolerance:
            raise Refused(
                f"'{use}' has {_count(use, data).total} parameters on {data.name}, "
                f"the study asks for {match.parameters} within {match.tolerance:.1%}; set its shape or its knobs"
            )
    return use


def _closest(found: Matching, depth: str) -> Use:
    if found.verdict == "infeasible":
        raise Refused(
            f"no shape of '{found.family}' has {found.asked} parameters within {found.tolerance:.1%} on {found.data}; "
            f"the nearest is {found.nearest.model} with {found.nearest.parameters.total}"
        )
    fitting = [shape for shape in found.shapes if shape.depth == depth] or list(found.shapes)
    return fitting[0].model
