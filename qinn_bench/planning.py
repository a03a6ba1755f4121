"""From a study file to its cells: names checked, shapes matched to sizes, controls and floors added; nothing is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from qinn_bench import keys, matching, registry, studies
from qinn_bench.dataset import Dataset
from qinn_bench.limits import Limits, kept_to
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.quantum import backends
from qinn_bench.run import Order
from qinn_bench.studies import has_circuit, label_of
from qinn_bench.values import Cell, Control, Match, Refused, Row, Source, Study, Use

SOURCES: tuple[Source, ...] = get_args(Source)


def load_study(path: Path) -> Study:
    """Read and check a study file, the options of its backends included.

    Raises:
        Refused: what `studies.load_study` refuses, or a backend with options that it does not have.
    """
    study = studies.load_study(path)
    for backend in study.backends:
        backends.parse(backend)
    return study


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
