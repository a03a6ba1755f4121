"""The capacity matcher: which shapes of a model family meet a budget of one kind, counted by building them."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Mapping
from typing import Literal

import torch

from qinn_bench import registry
from qinn_bench.building import batch_of, make_model
from qinn_bench.capacity import cost
from qinn_bench.capacity.cost import StepCost
from qinn_bench.contracts import Model, count_parameters
from qinn_bench.dataset import Dataset
from qinn_bench.quantum import controls
from qinn_bench.seeds import seed_of
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Axis, Control, Knob, Knobs, Match, Parameters, Refused, Row, Use, Value

Depth = Literal["shallow", "balanced", "deep"]
MOVED = 0.1
"""The rank is taken with normal noise of this size on the weights, because many models start where it is degenerate."""
ROWS = 4096
"""Training rows that a model to be measured is initialised on; those of its step and of its Jacobian are among them."""
COUNTED: dict[tuple[str, str, int, str, Control], Parameters] = {}
"""What was counted before: the sizes of a study have many shapes in common, and its seeds all of them."""
LARGEST_RANK = int(cost.OUTPUTS / cost.SPARE)


class Shape(Value):
    """A model with all its knobs, its parameters, its size on the matched axis, how far (relative, signed) that is
    from the one that was asked for, and its depth.

    Of the depths that meet the budget, the lowest third is shallow and the highest third is deep.

    Example:
        >>> count = Parameters(total=372, quantum=320, classical=52, frozen=0)
        >>> shape = Shape(model=Use(name="qinn"), parameters=count, size=372, residual=0.005)
        >>> shape.depth
        'balanced'
    """

    model: Use
    parameters: Parameters
    size: int
    residual: float
    depth: Depth = "balanced"


class Matching(Value):
    """The certificate of a search: every shape within the tolerance, closest first; or infeasible, with the nearest.

    Example:
        >>> count = Parameters(total=372, quantum=320, classical=52, frozen=0)
        >>> shape = Shape(model=Use(name="qinn"), parameters=count, size=372, residual=0.005)
        >>> Matching(family="qinn", data="moons", axis="parameters", asked=370, tolerance=0.02, searched=40,
        ...     verdict="feasible",
        ...          shapes=(shape,), nearest=shape).nearest.size
        372
    """

    family: str
    data: str
    axis: Axis
    asked: int
    tolerance: float
    searched: int
    verdict: Literal["feasible", "infeasible"]
    shapes: tuple[Shape, ...]
    nearest: Shape


def search(family: Use, data: Dataset, match: Match) -> Matching:
    """Find all shapes of a model family that meet a budget.

    The knobs in `family` are held; every other knob that the model lists is searched. Along the knob with the
    most values the size never falls, so it is bisected; all combinations of the others are visited.

    Raises:
        Refused: the model lists no knobs, so its size cannot be chosen; or a size that cannot be measured.
    """
    free = _free_knobs(family)
    if not free:
        raise Refused(
            f"model '{family}' leaves no knob open to the matcher: its size is {_size(family, data, match)[1]}"
        )
    if match.rank > LARGEST_RANK:
        raise Refused(f"rank = {match.rank} was asked for; ranks are measured up to {LARGEST_RANK}")
    longest = max(free, key=lambda knob: len(free[knob]))
    rest = {knob: values for knob, values in free.items() if knob != longest}
    counts = _Counts(data, match)
    for combination in itertools.product(*rest.values()):
        held = Use(name=family.name, knobs=family.knobs | dict(zip(rest, combination, strict=True)))
        counts.visit(held, longest, free[longest])
    by_distance = sorted(
        counts.found.values(), key=lambda counted: (abs(counted[-1] / match.target - 1), str(counted[0]))
    )
    close = [
        Shape(
            model=registry.spell_out("model", use),
            parameters=count,
            size=size,
            residual=size / match.target - 1,
        )
        for rank, (use, count, size) in enumerate(by_distance)
        if rank == 0 or abs(size / match.target - 1) <= match.tolerance
    ]
    fitting = [shape for shape in close if abs(shape.residual) <= match.tolerance]
    return Matching(
        family=str(family),
        data=data.name,
        axis=match.axis,
        asked=match.target,
        tolerance=match.tolerance,
        searched=len(by_distance),
        verdict="feasible" if fitting else "infeasible",
        shapes=tuple(_classify(fitting)),
        nearest=close[0],
    )


def _free_knobs(family: Use) -> dict[str, tuple[Knob, ...]]:
    """The knobs to search: those that the model lists, or that its `open_knobs` says matter beside the held ones."""
    declared = _declared(family.name, registry.spell_out("model", family).knobs)
    return {knob: values for knob, values in declared.items() if knob not in family.knobs}


def _declared(name: str, knobs: Knobs) -> Mapping[str, tuple[Knob, ...]]:
    """The knobs that a model lists, or of those the ones that its `open_knobs` says matter beside the others."""
    module = registry.find("model", name)
    if hasattr(module, "open_knobs"):
        listed: Mapping[str, tuple[Knob, ...]] = module.open_knobs(knobs)
        return listed
    return registry.about("model", name).knobs


class _Counts:
    """The size of every use that a search has built, each built once."""

    def __init__(self, data: Dataset, match: Match) -> None:
        self.data, self.match = data, match
        self.found: dict[str, tuple[Use, Parameters, int]] = {}

    def visit(self, held: Use, knob: str, values: tuple[Knob, ...]) -> None:
        """Count, along one knob, the uses within the tolerance and the two that bracket the budget."""
        match = self.match

        def total(value: Knob) -> int:
            return self.total(Use(name=held.name, knobs=held.knobs | {knob: value}))

        low = bisect_left(values, match.target * (1 - match.tolerance), key=total)
        for value in values[low:]:
            if total(value) > match.target * (1 + match.tolerance):
                break
        if low > 0:
            total(values[low - 1])

    def total(self, use: Use) -> int:
        """How large a use is."""
        if str(use) not in self.found:
            self.found[str(use)] = use, *_size(use, self.data, self.match)
        return self.found[str(use)][-1]


def _size(use: Use, data: Dataset, match: Match) -> tuple[Parameters, int]:
    """The parameters of a model, and how much it has of what is matched."""
    count = _count(use, data)
    if match.axis in ("parameters", "quantum"):
        return count, match.counted(count)
    step, rank = measure(use, data, match.batch, rank=match.axis == "rank")
    size = {"circuits": step.circuits, "flops": step.flops, "rank": rank}[match.axis]
    if size is None:
        raise Refused(f"the {match.axis} of model '{use}' cannot be measured; match its parameters instead")
    return count, size


def _count(use: Use, data: Dataset, control: Control = "") -> Parameters:
    """The parameters of a model, or of one of its controls, built once for each data set."""
    key = data.name, data.fingerprint, data.dim, str(use), control
    if key not in COUNTED:
        model = make_model(use, data)
        controls.apply(model, control, torch_rng("count", control))
        COUNTED[key] = count_parameters(model)
    return COUNTED[key]


def measure(use: Use, data: Dataset, batch: int, *, rank: bool) -> tuple[StepCost, int | None]:
    """One training step of an untrained model on `batch` rows and, if asked for, the rank of its Jacobian."""
    use = registry.spell_out("model", use)
    rows = batch_of(use.name, data, 0, data.train[:ROWS])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("init", data.name, str(use)))
        model = make_model(use, data).double()
    model.initialise(rows, torch_rng("initialise", data.name))
    step = cost.step_cost(model, rows[:batch], torch_rng("resources", data.name))
    if not rank:
        return step, None
    _move(model, torch_rng("move", data.name, str(use)))
    return step, cost.jacobian_rank(model, rows[: cost.OUTPUTS], step, batch).rank


@torch.no_grad()
def _move(model: Model, rng: torch.Generator) -> None:
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.add_(MOVED * torch.randn(parameter.shape, generator=rng, dtype=parameter.dtype))


def _classify(shapes: list[Shape]) -> list[Shape]:
    """Say of each shape whether it is shallow, balanced or deep among these."""
    if not shapes:
        return []
    knob = registry.about("model", shapes[0].model.name).depth
    depths = sorted({shape.model.knobs[knob] for shape in shapes})

    def depth(shape: Shape) -> Depth:
        place = depths.index(shape.model.knobs[knob]) / max(1, len(depths) - 1)
        return (
            "balanced" if len(depths) == 1 else "shallow" if place < 1 / 3 else "deep" if place > 2 / 3 else "balanced"
        )

    return [shape.model_copy(update={"depth": depth(shape)}) for shape in shapes]


def resolve(row: Row, data: Dataset, match: Match | None) -> Use:
    """The model of a study's row with every knob set, checked against the study's budget.

    A row with a `shape` gets the closest match of that depth class. A compared model (role ``model``) without one must
    meet the budget as it is; floors and ceilings need not.

    Raises:
        Refused: the row misses the budget, or no shape meets it; the message names the nearest shape.
    """
    if match and row.shape:
        use, missed = nearest(row, data, match)
        if missed:
            raise Refused(missed)
        return use
    if row.shape:
        raise Refused(f"row '{row.label or row.model}' asks for a {row.shape} shape, but the study has no [match]")
    use = registry.spell_out("model", Use(name=row.model, knobs=row.knobs))
    if match and registry.role(row.model) == "model":
        size = _size(use, data, match)[1]
        if abs(size / match.target - 1) > match.tolerance:
            raise Refused(
                f"'{use}' has {match.axis} = {size} on {data.name}, "
                f"the study asks for {match.target} {match.allowed}; set its shape or its knobs"
            )
    return use


def meets(model: Use, data: Dataset, match: Match, size: int) -> bool:
    """Whether a model has a size, within the tolerance of the match."""
    asked = match.model_copy(update={match.axis: size})
    return abs(_size(model, data, asked)[1] / size - 1) <= match.tolerance


def regrown(model: Use, data: Dataset) -> Use:
    """The model of which as many parameters are left when its circuits lose their entanglers as this one has with them.

    It is larger in the open knob with the most values, such as the uploads; one without such a knob stays as it is.
    """
    knobs = registry.spell_out("model", model).knobs
    declared = _declared(model.name, knobs)
    longest = max(declared, key=lambda knob: len(declared[knob]), default="")
    if not longest or knobs[longest] not in declared[longest]:
        return model
    values = declared[longest][declared[longest].index(knobs[longest]) :]
    larger = [Use(name=model.name, knobs=knobs | {longest: value}) for value in values]
    wanted = _count(model, data).total

    def left(use: Use) -> int:
        return _count(use, data, "unentangled").total

    above = bisect_left(larger, wanted, key=left)
    return min(larger[max(0, above - 1) : above + 1], key=lambda use: abs(left(use) - wanted))


def nearest(row: Row, data: Dataset, match: Match) -> tuple[Use, str]:
    """The closest match of a row, of the depth that it asks for where there is one; and, where none fits, why not."""
    matched = search(Use(name=row.model, knobs=row.knobs), data, match)
    if matched.verdict == "infeasible":
        return matched.nearest.model, (
            f"no shape of '{matched.family}' has {matched.asked} {matched.axis} {match.allowed} on "
            f"{matched.data}; the nearest is {matched.nearest.model} with {matched.nearest.size}"
        )
    fitting = [shape for shape in matched.shapes if shape.depth == row.shape] or list(matched.shapes)
    return fitting[0].model, ""


def ladder(row: Row, data: Dataset, match: Match, sizes: tuple[int, ...]) -> list[tuple[Use, str]]:
    """For each size the rung of a row's ladder that comes nearest to it; and, where none fits, why not."""
    uses = [registry.spell_out("model", Use(name=row.model, knobs=row.knobs | rung)) for rung in row.ladder]
    rungs = [(_size(use, data, match)[1], use) for use in uses]
    nearest_rungs = []
    for size in sizes:
        amount, use = min(rungs, key=lambda rung: abs(rung[0] / size - 1))
        missed = (
            f"no rung of '{row.label or row.model}' has {size} {match.axis} {match.allowed} on "
            f"{data.name}; the nearest is {use} with {amount}"
        )
        nearest_rungs.append((use, "" if abs(amount / size - 1) <= match.tolerance else missed))
    return nearest_rungs
