"""From a study file to its cells: names checked, shapes matched to sizes, controls and floors added; nothing is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from qinn_bench import keys, matching, registry
from qinn_bench.dataset import Dataset
from qinn_bench.limits import Limits, kept_to
from qinn_bench.metrics._collect import all_metrics, broken_families
from qinn_bench.quantum import backends
from qinn_bench.reading import parse, read_toml
from qinn_bench.run import Order
from qinn_bench.values import Cell, Control, Match, Refused, Row, Source, Study, Use

FEWEST_VARIED = 4
"""A source of randomness that is moved alone needs so many seeds to show its variance."""
SOURCES: tuple[Source, ...] = get_args(Source)


def load_study(path: Path) -> Study:
    """Read and check a study file.

    Raises:
        Refused: no such file, no TOML, or a key, model, data set, metric or backend that does not exist.
    """
    study = parse(Study, read_toml(path, f"there is no study file '{path}'"), str(path))
    _check_names(study)
    return study


def _check_names(study: Study) -> None:
    for text in study.data:
        registry.spell_out("data", registry.parse_use(text))
    for row in study.models:
        registry.role(row.model)
        for rung in row.ladder or ({},):
            registry.spell_out("model", Use(name=row.model, knobs=row.knobs | rung))
    for backend in study.backends:
        backends.parse(backend)
    known = all_metrics()
    for name in study.metrics:
        if name not in known:
            without = "".join(f"; broken: {reason}" for reason in broken_families().values())
            raise Refused(f"no metric is called '{name}'; there are: {', '.join(sorted(known))}{without}")
    _check_grid(study)
    if study.variance and study.seeds < FEWEST_VARIED:
        raise Refused(
            f"study '{study.name}' asks for the variance of {study.seeds} seeds; {FEWEST_VARIED} or more were expected"
        )
    labels = [label_of(row) for row in study.models]
    if doubled := {label for label in labels if labels.count(label) > 1}:
        raise Refused(f"two rows of study '{study.name}' are called '{doubled.pop()}'; give each its own label")


def _check_grid(study: Study) -> None:
    """That sizes, match and controls make sense together."""
    match = study.match or Match()
    if doubled := {size for size in study.sizes if study.sizes.count(size) > 1}:
        raise Refused(f"study '{study.name}' names the size {doubled.pop()} twice; each size was expected once")
    if study.sizes and match.target:
        raise Refused(
            f"study '{study.name}' names both sizes and match.{match.axis} = {match.target}; of the two, one was "
            "expected"
        )
    if study.sizes and not any(row.shape or row.ladder for row in study.models):
        raise Refused(f"study '{study.name}' names sizes, but none of its rows has a shape or a ladder to meet them")
    for row in study.models:
        if row.ladder and (row.shape or not study.sizes):
            raise Refused(f"row '{label_of(row)}' has a ladder, which takes the study's sizes and no shape of its own")
    if study.match and not (study.sizes or match.target):
        raise Refused(f"[match] of study '{study.name}' names no amount; expected such as parameters = 370")
    if odd := set(study.control_sizes) - set(study.sizes):
        raise Refused(
            f"study '{study.name}' has controls at size {odd.pop()}, which is none of its sizes {study.sizes}"
        )
    if study.controls and not any(has_circuit(row.model) for row in study.models):
        names = ", ".join(name for name in registry.working("model") if has_circuit(name))
        raise Refused(
            f"study '{study.name}' asks for controls, but none of its models has a circuit; there are: {names}"
        )


def has_circuit(model: str) -> bool:
    """Whether a model runs circuits, so that it has controls."""
    return registry.takes("model", model, "backend")


def label_of(row: Row) -> str:
    """What a row is called in tables."""
    return row.label or row.model


def plan(study: Study, results: Path, limits: Limits | None = None) -> list[Order]:
    """All cells of a study, in the order of its tables.

    The rows that the study compares are matched: knobs left open are set by the matcher, and a row that misses the
    parameter budget is refused before anything is trained. With `sizes`, a row with a shape or a ladder is matched to
    each; a size that none meets becomes one cell to be skipped. The controls of a model follow it.
    """
    metrics = study.metrics or tuple(sorted(all_metrics()))
    orders: list[Order] = []
    for text in study.data:
        use = registry.spell_out("data", registry.parse_use(text))
        with kept_to(f"drawing {use}", limits):
            data: Dataset = registry.make("data", use)
        if not isinstance(data, Dataset):
            raise Refused(f"data '{use}' is broken: its load gives no Dataset, but {type(data).__name__}")
        for row in (*study.models, *(_bounds(study, data) if study.floors else ())):
            for shape in _shapes(study, row, data):
                for budget in study.budgets:
                    for cell in _cells(study, shape, use, budget):
                        orders.append(_order(study, row, shape, budget, cell, data, results, metrics))
    _check_apart(orders)
    return orders


def _bounds(study: Study, data: Dataset) -> list[Row]:
    """The floors and ceilings that a study does not name; an oracle only where the density of the data is known."""
    named = {row.model for row in study.models} | {label_of(row) for row in study.models}
    found = []
    for name in registry.working("model"):
        if name not in named and registry.role(name) in ("floor", "ceiling") and _exists(name, data):
            found.append(Row(model=name))
    return found


def _exists(name: str, data: Dataset) -> bool:
    """Whether a model can be built for a data set."""
    try:
        keys.code_of(name)
        registry.make("model", registry.spell_out("model", Use(name=name)), data.dim, data=data)
    except Exception:  # Somebody else's floor, which breaks where it is built: it bounds nothing.
        return False
    return True


@dataclass(frozen=True)
class _Shape:
    """A model with all its knobs, the size it was matched to (0: none), and why it is to be skipped, if so."""

    model: Use
    size: int = 0
    skip: str = ""


def _shapes(study: Study, row: Row, data: Dataset) -> list[_Shape]:
    """A row once, or once for each size of the study."""
    if not study.sizes:
        return [_Shape(matching.resolve(row, data, study.match))]
    if not (row.shape or row.ladder):
        return [_Shape(matching.resolve(row, data, None))]
    match = study.match or Match()
    if row.ladder:
        found = matching.ladder(row, data, match, study.sizes)
    else:
        found = [matching.nearest(row, data, match.model_copy(update={"parameters": size})) for size in study.sizes]
    return [_Shape(model, size, missed) for size, (model, missed) in zip(study.sizes, found, strict=True)]


def _order(
    study: Study,
    row: Row,
    shape: _Shape,
    budget: str,
    cell: Cell,
    data: Dataset,
    results: Path,
    metrics: tuple[str, ...],
) -> Order:
    inputs = keys.inputs_of(cell, data, shape.size if shape.skip else None)
    label = _label(study, row, shape, budget, cell)
    return Order(
        cell=cell,
        key=keys.key_of(inputs),
        study=study.name,
        row=f"{label} · {cell.control}" if cell.control else label,
        results=results,
        metrics=metrics,
        data_hash=data.fingerprint,
        inputs=inputs,
        family=label_of(row),
        size=shape.size,
        control_of=label if cell.control else "",
        skip=shape.skip,
    )


def _check_apart(orders: Sequence[Order]) -> None:
    """That no two rows ask for the same cell, whose one record could not name both."""
    rows: dict[str, str] = {}
    for order in orders:
        if rows.setdefault(order.key, order.row) != order.row:
            raise Refused(
                f"rows '{rows[order.key]}' and '{order.row}' are the same model, {order.cell.model}; rows that differ "
                "were expected"
            )


def _cells(study: Study, shape: _Shape, data: Use, budget: str) -> list[Cell]:
    model, quantum = shape.model, has_circuit(shape.model.name)
    controlled = study.controls and quantum and (not study.control_sizes or shape.size in study.control_sizes)
    controls = get_args(Control) if controlled else ("",)
    compared = study.variance and registry.role(model.name) == "model"
    cells = [
        Cell(
            model=model,
            data=data,
            budget=study.budgets[budget],
            backend=backends.resolve(backend, device) if quantum else "none",
            device=device,
            seed=seed,
            samples=study.samples,
            mass_draws=study.mass_draws,
            control=control,
            varies=source,
        )
        for control in controls
        for backend in (study.backends if quantum else study.backends[:1])
        for device in study.devices
        for source in (_sources(quantum, backend) if compared and not control else SOURCES[:1])
        for seed in range(source != "all", study.seeds)
    ]
    return cells[:1] if shape.skip else cells


def _sources(quantum: bool, backend: str) -> list[Source]:
    """What a seed can move; seed 0 of all of them is where a source that is moved alone starts from."""
    shots = quantum and backends.parse(backends.resolve(backend)).shots
    return [source for source in SOURCES if shots or source != "shots"]


def _label(study: Study, row: Row, shape: _Shape, budget: str, cell: Cell) -> str:
    """A row's label, with what sets it apart where the study has sizes or several budgets, backends or devices."""
    quantum = cell.backend != "none"
    apart = [
        str(shape.size or ""),
        budget if len(study.budgets) > 1 else "",
        cell.backend if quantum and len(study.backends) > 1 else "",
        cell.device if len(study.devices) > 1 else "",
    ]
    return " · ".join([label_of(row), *filter(None, apart)])
