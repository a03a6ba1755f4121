"""Run one cell: build, train, audit, measure, record; the only place where seeds, dtype and threads are set."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import torch

from qinn_bench import limits, registry
from qinn_bench.capacity import buffers
from qinn_bench.contracts import Generator, count_parameters
from qinn_bench.data.resplit import resplit
from qinn_bench.dataset import Dataset
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.quantum import backends, controls
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.records import measures, store
from qinn_bench.records.provenance import provenance
from qinn_bench.seeds import seed_of
from qinn_bench.study import measure_cell
from qinn_bench.study.order import Order
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.training.loop import Fit, fit
from qinn_bench.values import Cell, Certificate, Estimate, Record, Resources, Status, Training

WEIGHT = "weight:"
ROWS = 64
"""Test rows at which a density is looked at to see what it depends on."""


@dataclass
class _Clock:
    """Wall and CPU seconds by phase."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds[f"{name}_wall_s"] = time.perf_counter() - wall
            self.seconds[f"{name}_cpu_s"] = time.process_time() - cpu

    def spent(self) -> dict[str, float]:
        """What the cell has cost, with the most memory that this process has held so far."""
        return self.seconds | {"peak_memory_mb": _peak_memory()}


def run_cell(
    order: Order,
    on_step: Callable[[int], None] = lambda _: None,
    threads: int = 1,
    on_problem: Callable[[str], None] = lambda _: None,
) -> Record:
    """Train and measure one cell and write its record; a cell that was trained before is only measured again.

    Everything random is seeded by names: the initial weights by (data, model, seed); the order of batches and the
    latents of the samples by (data, seed), so that all models of a study meet the same batches and the same latents.
    What could not be measured again keeps its old numbers, and `on_problem` is told why.
    """
    torch.set_num_threads(threads)
    # On a GPU some sums, such as those of splines, have no fixed order; `backends.seeds_honoured` promises none there.
    torch.use_deterministic_algorithms(True, warn_only=order.cell.device != "cpu")
    if order.skip:
        return save(order, {}, status="skipped", reason=order.skip)
    if reason := _unsupported(order.cell):
        return save(order, {}, status="unsupported", reason=reason)
    done = None if order.fresh else store.load(order.results, order.study, order.key)
    data = resplit(registry.make("data", order.cell.data), order.cell.stream("split"))
    if done and done.status == "ok":
        return _measure_again(order, data, done, on_problem)
    return _train_and_measure(order, data, on_step)


def _unsupported(cell: Cell) -> str:
    return backends.why_not("torch" if cell.backend == "none" else cell.backend, cell.device)


def _train_and_measure(order: Order, data: Dataset, on_step: Callable[[int], None]) -> Record:
    cell, clock = order.cell, _Clock()
    with clock.phase("build"):
        model = build(cell, data)
        fresh = buffers.snapshot(model)
    with clock.phase("train"):
        outcome = _train(model, cell, data, on_step)
    facts: dict[str, Any] = {"parameters": count_parameters(model), "training": outcome.training}
    clock.seconds |= _step_cost(outcome) | {"train_peak_mb": _peak_memory()}
    arrays = _curves(outcome)
    if outcome.status != "ok":
        return save(order, arrays, status=outcome.status, reason=outcome.reason, cost=clock.spent(), **facts)
    model = model.double().to("cpu").eval()
    fitted = _buffers(model, fresh, cell, data)
    facts["parameters"] = facts["parameters"].model_copy(update={"buffers": fitted})
    with clock.phase("evaluate"):
        arrays |= _weights(model) | _evaluate(model, cell, data)
    _check_shapes(arrays, data)
    if (found := len(arrays["samples"])) < cell.samples:
        reason = f"only {found} of {cell.samples} latents have a pre-image"
        return save(order, arrays, status="not-converged", reason=reason, cost=clock.spent(), **facts)
    with clock.phase("certify"):
        facts["certificate"] = measure_cell.certify(model, cell, data, arrays)
    with clock.phase("metrics"):
        facts["metrics"], failed = _take_metrics(order.metrics, cell, data, arrays, facts["certificate"])
        facts["metrics"] |= {name: Estimate(value=None, note=reason) for name, reason in failed.items()}
    measured = measures.fingerprints(order.metrics)
    with clock.phase("flags"):
        facts["flags"], why = _take_flags(order, model, data, arrays, facts["metrics"])
        if why:  # No row wins with a flag; the next run takes them again.
            facts["flags"] = (f"unchecked: {why}",)
            del measured["flags"]
    with clock.phase("resources"):
        used = {"cpu_to_best_s": outcome.cpu_to_best_s, "peak_memory_mb": clock.seconds["train_peak_mb"]}
        facts["resources"] = measure_cell.take_resources(model, cell, data).model_copy(update=used)
    return save(order, arrays, cost=clock.spent(), measured=measured, **facts)


def _take_metrics(
    names: tuple[str, ...], cell: Cell, data: Dataset, arrays: store.Arrays, certificate: Certificate | None
) -> tuple[dict[str, Estimate], dict[str, str]]:
    """The columns of these metrics, and why for those that could not be taken: one does not cost the others."""
    found: dict[str, Estimate] = {}
    failed: dict[str, str] = {}
    for name in names:
        try:
            found |= _columns(name, measure_cell.take_metrics((name,), cell, data, arrays, certificate))
        except Exception as error:
            if limits.lacks_memory(error):
                raise
            failed[name] = limits.sentence(error)
    return found, failed


def _columns(metric: str, found: Mapping[str, Estimate]) -> Mapping[str, Estimate]:
    """What a metric has given, if it is what a metric may give.

    Raises:
        ValueError: it is not.
    """
    for column, estimate in found.items():
        if not isinstance(estimate, Estimate) or not str(column).startswith(metric):
            raise ValueError(f"column {column!r} is {estimate!r:.100}; estimates named '{metric}...' were expected")
    return found


def _buffers(model: Generator, fresh: buffers.Numbers, cell: Cell, data: Dataset) -> int:
    """How many fitted numbers a trained model keeps outside of its parameters, with those of before it was trained."""
    rows = torch.as_tensor(data.transform.forward(data.test[:ROWS])[0])
    return buffers.fitted(model, fresh, rows, given=registry.takes("model", cell.model.name, "data"))


def build(cell: Cell, data: Dataset) -> Generator:
    """The untrained model of a cell, its weights drawn from the seed of its names, in the precision of its budget.

    A control starts from the weights that its model would start from.

    Raises:
        Refused: the model has no such control.
    """
    names, seed = (str(cell.data), str(cell.model)), cell.stream("initialisation")
    torch.manual_seed(seed_of("init", *names, seed))
    model: Generator = registry.make("model", cell.model, data.dim, data=data, backend=cell.backend)
    controls.apply(model, cell.control, torch_rng("control", cell.control, *names, seed))
    if cell.backend != "none" and backends.parse(cell.backend).shots:
        _seed_shots(model, cell)
    return model.to(device=cell.device, dtype=getattr(torch, cell.budget.precision))


def _seed_shots(model: Generator, cell: Cell) -> None:
    """Give the shots a seed of their own, which does not hang on how the weights are drawn."""
    circuits = (layer for layer in model.modules() if isinstance(layer, CircuitLayer))
    for k, layer in enumerate(circuits):
        layer.backend = backends.get(cell.backend, seed=seed_of("shots", str(cell.data), k, cell.stream("shots")))


def _train(model: Generator, cell: Cell, data: Dataset, on_step: Callable[[int], None]) -> Fit:
    kind = {"device": cell.device, "dtype": getattr(torch, cell.budget.precision)}
    train = torch.as_tensor(data.transform.forward(data.train)[0]).to(**kind)
    valid = torch.as_tensor(data.transform.forward(data.valid)[0]).to(**kind)
    model.initialise(train, torch_rng("initialise", str(cell.data), cell.stream("initialisation")))
    if cell.control == "untrained":
        return Fit("ok", "", Training(steps=0, best_step=0, best_loss=None, stopped="untrained control"))
    return fit(model, train, valid, cell.budget, (str(cell.data), cell.stream("batches")), on_step)


def _evaluate(model: Generator, cell: Cell, data: Dataset) -> store.Arrays:
    features = model.sample(cell.samples, torch_rng("sample", str(cell.data), cell.stream("evaluation")))
    arrays: store.Arrays = {"samples": data.transform.inverse(features.double().numpy())}
    if measure_cell.has_density(model):
        arrays["log_prob"] = measure_cell.physical_log_prob(model, data, data.test)
    return arrays


def _check_shapes(arrays: store.Arrays, data: Dataset) -> None:
    """Refuse what would be broadcast to something else further on.

    Raises:
        ValueError: samples or log-densities have another shape than they should.
    """
    rows = len(arrays["samples"]) if arrays["samples"].ndim else 0
    for name, expected in (("samples", (rows, data.dim)), ("log_prob", (len(data.test),))):
        if name in arrays and arrays[name].shape != expected:
            raise ValueError(f"the {name} of the model have the shape {arrays[name].shape}; {expected} was expected")


def _measure_again(order: Order, data: Dataset, done: Record, on_problem: Callable[[str], None]) -> Record:
    """Take the metrics, and the certificate, whose code is new since the record was written.

    The arrays stay as they are. A metric that fails keeps its old columns and counts as not measured.
    """
    now = measures.fingerprints(order.metrics)
    stale = {name for name, code in now.items() if done.measured.get(name) != code}
    if not stale:
        return done
    arrays, certificate = store.load_arrays(order.results, done), done.certificate
    if "certificate" in stale and "log_prob" in arrays:
        certificate = measure_cell.certify(trained(order.cell, data, arrays), order.cell, data, arrays)
        stale |= {name for name in order.metrics if all_metrics()[name].needs == "density"}
    again = tuple(name for name in order.metrics if name in stale)
    taken, failed = _take_metrics(again, order.cell, data, arrays, certificate)
    for name, reason in failed.items():
        on_problem(f"metric '{name}': {reason}")
    found: dict[str, Any] = {
        "certificate": certificate,
        "metrics": done.metrics | taken,
        "measured": done.measured | {name: code for name, code in now.items() if name not in failed},
    }
    if "resources" in stale:
        found["resources"] = _resources_again(order.cell, data, arrays, done)
    if "flags" in stale or again:
        flags, why = _take_flags(order, trained(order.cell, data, arrays), data, arrays, found["metrics"])
        if why:
            on_problem(f"flags: {why}")
            found["measured"].pop("flags", None)
        else:
            found["flags"] = flags
    record = done.model_copy(update=found)
    store.save(order.results, record)
    return record


def _take_flags(
    order: Order, model: Generator, data: Dataset, arrays: store.Arrays, metrics: Mapping[str, Estimate]
) -> tuple[tuple[str, ...], str]:
    """The flags of a trained model, and why they could not be taken, if so."""
    try:
        return _flags(order, model, data, arrays, metrics), ""
    except Exception as error:
        if limits.lacks_memory(error):
            raise
        return (), limits.sentence(error)


def _flags(
    order: Order, model: Generator, data: Dataset, arrays: store.Arrays, metrics: Mapping[str, Estimate]
) -> tuple[str, ...]:
    """What is too good to be believed; whether circuits are idle is asked of models that have some, not of controls."""
    cell, initial = order.cell, None
    if cell.backend != "none" and not cell.control:
        initial = build(cell, data).double().to("cpu").eval()
    return measure_cell.find_flags(model, initial, cell, data, arrays, metrics, order.results / "nulls")


def _resources_again(cell: Cell, data: Dataset, arrays: store.Arrays, done: Record) -> Resources:
    """The resources of a finished cell; what only its training could tell is kept as it was measured then."""
    before, peak = done.resources, done.cost.get("train_peak_mb")
    used = {"cpu_to_best_s": before.cpu_to_best_s if before else None, "peak_memory_mb": peak}
    return measure_cell.take_resources(trained(cell, data, arrays), cell, data).model_copy(update=used)


def trained(cell: Cell, data: Dataset, arrays: store.Arrays) -> Generator:
    """The trained model of a finished cell in float64, its weights read from the arrays beside its record."""
    model = build(cell, data).double()
    weights = {name.removeprefix(WEIGHT): value for name, value in arrays.items() if name.startswith(WEIGHT)}
    model.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    return model.eval()


def _weights(model: Generator) -> store.Arrays:
    return {WEIGHT + name: value.numpy() for name, value in model.state_dict().items()}


def _curves(outcome: Fit) -> store.Arrays:
    return {
        "curve_step": np.array(outcome.steps),
        "curve_train": np.array(outcome.train_loss),
        "curve_valid": np.array(outcome.valid_loss),
    }


def _step_cost(outcome: Fit) -> dict[str, float]:
    if not outcome.step_seconds:
        return {}
    return {"first_step_s": outcome.step_seconds[0], "steady_step_s": median(outcome.step_seconds)}


def save(order: Order, arrays: store.Arrays, *, status: Status = "ok", **facts: Any) -> Record:
    """Write the record of a cell with what is known of it, and its provenance.

    A failure is not written where finished work is; the record that is returned then only says how the cell ended.
    """
    record = Record(
        key=order.key,
        study=order.study,
        row=order.row,
        family=order.family,
        size=order.size,
        control_of=order.control_of,
        shape=order.shape,
        role="control" if order.cell.control else registry.role(order.cell.model.name),
        cell=order.cell,
        status=status,
        seeds={"seed": order.cell.seed},
        inputs=order.inputs,
        provenance=provenance(torch.get_num_threads()) | {"data_hash": order.data_hash},
        **facts,
    )
    store.save(order.results, record, arrays)
    return record


def _peak_memory() -> float:
    """The most memory that this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
