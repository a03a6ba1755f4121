"""A study becomes records: plan its cells, skip what is finished, run the rest in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import selectors
import time
import tomllib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from qinn_bench import matching, measuring, registry, run, store
from qinn_bench.dataset import Dataset
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.quantum import backends
from qinn_bench.reading import parse
from qinn_bench.run import Order
from qinn_bench.values import Cell, Control, Match, Record, Refused, Row, Status, Study, Use
from qinn_bench.worker import work

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Set for workers: two spinning thread pools on one core cost more than any model; cells run side by side instead."""
PROCESSES = multiprocessing.get_context("forkserver")
"""Workers are forked from one process that has imported what they need."""


@dataclass(frozen=True)
class Limits:
    """What each cell may use: wall seconds and GiB of memory (None: no limit), threads; how many cells run at once."""

    workers: int = 1
    timeout: float | None = None
    memory: float | None = None
    threads: int = 1


@dataclass(frozen=True)
class Event:
    """Something to show: a cell that started, took a step or finished (`record` is then set)."""

    order: Order
    step: int = 0
    record: Record | None = None


def load_study(path: Path) -> Study:
    """Read and check a study file.

    Raises:
        Refused: no such file, no TOML, or a key, model, data set, metric or backend that does not exist.
    """
    if not path.is_file():
        raise Refused(f"there is no study file '{path}'")
    try:
        content = tomllib.loads(path.read_text(encoding="utf8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is not valid TOML: {error}") from None
    study = parse(Study, content, str(path))
    _check_names(study)
    return study


def _check_names(study: Study) -> None:
    for text in study.data:
        registry.spell_out("data", registry.parse_use(text))
    for row in study.models:
        for rung in row.ladder or ({},):
            registry.spell_out("model", Use(name=row.model, knobs=row.knobs | rung))
    for backend in study.backends:
        backends.parse(backend)
    known = all_metrics()
    for name in study.metrics:
        if name not in known:
            raise Refused(f"no metric is called '{name}'; there are: {', '.join(sorted(known))}")
    _check_grid(study)
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
    if study.controls and not any(has_circuit(row.model) for row in study.models):
        names = ", ".join(name for name in registry.names("model") if has_circuit(name))
        raise Refused(
            f"study '{study.name}' asks for controls, but none of its models has a circuit; there are: {names}"
        )


def has_circuit(model: str) -> bool:
    """Whether a model runs circuits, so that it has controls."""
    return registry.takes("model", model, "backend")


def label_of(row: Row) -> str:
    """What a row is called in tables."""
    return row.label or row.model


def plan(study: Study, results: Path) -> list[Order]:
    """All cells of a study, in the order of its tables.

    The rows that the study compares are matched: knobs left open are set by the matcher, and a row that misses the
    parameter budget is refused before anything is trained. With `sizes`, a row with a shape or a ladder is matched to
    each; a size that none meets becomes one cell to be skipped. The controls of a model follow it.
    """
    metrics = study.metrics or tuple(sorted(all_metrics()))
    orders: list[Order] = []
    for text in study.data:
        use = registry.spell_out("data", registry.parse_use(text))
        data: Dataset = registry.make("data", use)
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
    for name in registry.names("model"):
        if name not in named and registry.role(name) in ("floor", "ceiling") and _exists(name, data):
            found.append(Row(model=name))
    return found


def _exists(name: str, data: Dataset) -> bool:
    """Whether a model can be built for a data set."""
    try:
        registry.make("model", registry.spell_out("model", Use(name=name)), data.dim, data=data)
    except Refused:
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
    code = registry.code_fingerprint(cell.model.name, cell.control)
    label = _label(study, row, shape, budget, cell)
    return Order(
        cell=cell,
        key=store.key_of(cell, data.fingerprint, f"{code} {shape.size} skipped" if shape.skip else code),
        study=study.name,
        row=f"{label} · {cell.control}" if cell.control else label,
        results=results,
        metrics=metrics,
        data_hash=data.fingerprint,
        code_hash=code,
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
    controls = get_args(Control) if study.controls and quantum else ("",)
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
        )
        for control in controls
        for backend in (study.backends if quantum else study.backends[:1])
        for device in study.devices
        for seed in range(study.seeds)
    ]
    return cells[:1] if shape.skip else cells


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


def finished(orders: Sequence[Order]) -> list[Record]:
    """The records that exist, in the order of the plan."""
    found = (store.load(order.results, order.study, order.key) for order in orders)
    return [record for record in found if record]


def pending(orders: Sequence[Order], retry: bool = False) -> list[Order]:
    """The cells that are still to be run: without a record, or with metrics older than their code.

    With `retry`, cells that failed are run again too.
    """
    todo = []
    for order in orders:
        record = store.load(order.results, order.study, order.key)
        if record is None or (retry and failed(record)) or _stale(record, order):
            todo.append(order)
    return todo


def failed(record: Record) -> bool:
    """Whether a cell was to be run and gave no result."""
    return record.status not in ("ok", "skipped")


def forget(orders: Sequence[Order]) -> None:
    """Remove the records of these cells, so that they are trained anew."""
    for order in orders:
        store.record_path(order.results, order.study, order.key).unlink(missing_ok=True)


def _stale(record: Record, order: Order) -> bool:
    wanted = measuring.fingerprints(order.metrics)
    return record.status == "ok" and any(record.measured.get(name) != code for name, code in wanted.items())


def execute(orders: Sequence[Order], limits: Limits, show: Callable[[Event], None]) -> None:
    """Run cells, each in a process of its own; whatever happens to one, the others go on and a record says why."""
    waiting, running = deque(orders), selectors.DefaultSelector()
    workers: dict[int, _Worker] = {}
    PROCESSES.set_forkserver_preload(_modules(orders))
    try:
        while waiting or workers:
            while waiting and len(workers) < limits.workers:
                worker = _Worker(waiting.popleft(), limits)
                workers[worker.steps.fileno()] = worker
                running.register(worker.steps, selectors.EVENT_READ)
                show(Event(worker.order))
            for key, _ in running.select(timeout=0.5):
                workers[key.fd].read(show)
            for handle, worker in list(workers.items()):
                if worker.over():
                    running.unregister(worker.steps)
                    del workers[handle]
                    show(Event(worker.order, record=worker.record()))
    finally:
        for worker in workers.values():
            worker.process.kill()


def _modules(orders: Sequence[Order]) -> list[str]:
    """What the cells import: loaded once, in the process that all workers are forked from."""
    data = {registry.find("data", order.cell.data.name).__name__ for order in orders}
    models = {registry.find("model", order.cell.model.name).__name__ for order in orders}
    return ["qinn_bench.worker", "qinn_bench.preloaded", *sorted(data | models)]


class _Worker:
    """One running cell."""

    def __init__(self, order: Order, limits: Limits) -> None:
        self.order, self.limits, self.started = order, limits, time.monotonic()
        self.log = store.record_path(order.results, order.study, order.key).with_suffix(".log")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.steps, steps = PROCESSES.Pipe(duplex=False)
        told = (order.to_json(), steps, str(self.log), limits.memory, limits.threads)
        self.process = PROCESSES.Process(target=work, args=told, daemon=True)
        with _environment(dict.fromkeys(THREADS, str(limits.threads)) | {"OMP_WAIT_POLICY": "PASSIVE"}):
            self.process.start()
        steps.close()
        self.timed_out = False

    def read(self, show: Callable[[Event], None]) -> None:
        try:
            while self.steps.poll():
                step = int(self.steps.recv_bytes())
                show(Event(self.order, step=step))
        except EOFError:
            self.process.join(timeout=1)

    def over(self) -> bool:
        spent = time.monotonic() - self.started
        if self.limits.timeout is not None and spent > self.limits.timeout and self.process.exitcode is None:
            self.timed_out = True
            self.process.kill()
            self.process.join()
        return self.process.exitcode is not None

    def record(self) -> Record:
        """The record the worker wrote, or one that says how it ended without."""
        written = self.log.read_text(encoding="utf8", errors="replace") if self.log.exists() else ""
        last = written.strip().splitlines()[-1:]
        self.log.unlink(missing_ok=True)
        self.steps.close()
        record = store.load(self.order.results, self.order.study, self.order.key)
        if self.process.exitcode == 0 and record:
            return record
        status: Status = "timeout" if self.timed_out else "crashed"
        return run.save(self.order, {}, status=status, reason=self._reason(last))

    def _reason(self, last: list[str]) -> str:
        if self.timed_out:
            return f"stopped after its limit of {self.limits.timeout:g} s"
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"killed by signal {-code}" + (" (9 is often a lack of memory)" if code == -9 else "")
        return last[0][:300] if last else f"the process ended with exit code {code} and no record"


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Variables that hold while a process is started."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
