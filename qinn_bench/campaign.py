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

from qinn_bench import matching, registry, run, store
from qinn_bench.dataset import Dataset
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.quantum import backends
from qinn_bench.reading import parse
from qinn_bench.run import Order
from qinn_bench.values import Budget, Cell, Record, Refused, Row, Status, Study, Use
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
        registry.spell_out("model", Use(name=row.model, knobs=row.knobs))
    for backend in study.backends:
        backends.parse(backend)
    known = all_metrics()
    for name in study.metrics:
        if name not in known:
            raise Refused(f"no metric is called '{name}'; there are: {', '.join(sorted(known))}")
    labels = [label_of(row) for row in study.models]
    if doubled := {label for label in labels if labels.count(label) > 1}:
        raise Refused(f"two rows of study '{study.name}' are called '{doubled.pop()}'; give each its own label")


def label_of(row: Row) -> str:
    """What a row is called in tables."""
    return row.label or row.model


def plan(study: Study, results: Path) -> list[Order]:
    """All cells of a study, in the order of its tables.

    The rows that the study compares are matched: knobs left open are set by the matcher, and a row that misses the
    parameter budget is refused before anything is trained.
    """
    metrics = study.metrics or tuple(sorted(all_metrics()))
    orders: list[Order] = []
    for text in study.data:
        use = registry.spell_out("data", registry.parse_use(text))
        data: Dataset = registry.make("data", use)
        for row in study.models:
            model = matching.resolve(row, data, study.match)
            code = registry.code_fingerprint(model.name)
            for budget_name, budget in study.budgets.items():
                for cell in _cells(study, model, use, budget):
                    key = store.key_of(cell, data.fingerprint, code)
                    label = _label(study, row, budget_name, cell)
                    orders.append(Order(cell, key, study.name, label, results, metrics, data.fingerprint, code))
    return orders


def _cells(study: Study, model: Use, data: Use, budget: Budget) -> list[Cell]:
    quantum = registry.takes("model", model.name, "backend")
    return [
        Cell(
            model=model,
            data=data,
            budget=budget,
            backend=backends.resolve(backend, device) if quantum else "none",
            device=device,
            seed=seed,
            samples=study.samples,
            mass_draws=study.mass_draws,
        )
        for backend in (study.backends if quantum else study.backends[:1])
        for device in study.devices
        for seed in range(study.seeds)
    ]


def _label(study: Study, row: Row, budget: str, cell: Cell) -> str:
    """A row's label, with what sets it apart where the study's grid has several budgets, backends or devices."""
    quantum = cell.backend != "none"
    apart = [
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
        if record is None or (retry and record.status != "ok") or _stale(record, order):
            todo.append(order)
    return todo


def forget(orders: Sequence[Order]) -> None:
    """Remove the records of these cells, so that they are trained anew."""
    for order in orders:
        store.record_path(order.results, order.study, order.key).unlink(missing_ok=True)


def _stale(record: Record, order: Order) -> bool:
    wanted = run.fingerprints(order.metrics)
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
