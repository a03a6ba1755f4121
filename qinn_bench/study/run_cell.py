"""Run one cell: build, train, audit, measure, record; the only place where threads are set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch

from qinn_bench import registry
from qinn_bench.bit_rows import JUDGING
from qinn_bench.building import batch_of
from qinn_bench.capacity import buffers
from qinn_bench.contracts import Model, count_parameters
from qinn_bench.data.resplit import split_of
from qinn_bench.dataset import Dataset
from qinn_bench.files import packed_arrays
from qinn_bench.quantum import backends
from qinn_bench.records import measures, store
from qinn_bench.records.provenance import provenance
from qinn_bench.study import measure_cell, train_cell
from qinn_bench.study.measure_again import measure_again
from qinn_bench.study.order import Order
from qinn_bench.study.stopwatch import Stopwatch, peak_memory
from qinn_bench.training.checkpoints import Checkpoint
from qinn_bench.training.loop import Fit
from qinn_bench.values import Cell, Estimate, Flag, Record, Status

ROWS = 64
"""Test rows at which a density is looked at to see what it depends on."""
HALVINGS = 3
"""How often the learning rate of a control that diverged is halved."""


def run_cell(
    order: Order,
    on_step: Callable[[int], None] = lambda _: None,
    threads: int = 1,
    on_problem: Callable[[str], None] = lambda _: None,
    watch: Stopwatch | None = None,
) -> Record:
    """Train and measure one cell and write its record; a cell that was trained before is only measured again.

    Everything random is seeded by names: the initial weights by (data, model, seed); the order of batches and the
    latents of the samples by (data, seed), so that all models of a study meet the same batches and the same latents.
    What could not be measured again keeps its old numbers, and `on_problem` is told why. `watch` has timed what came
    before, in a process that was started for the cell.
    """
    watch = watch or Stopwatch()
    torch.set_num_threads(threads)
    # On a GPU some sums, such as those of splines, have no fixed order; `backends.seeds_honoured` promises none there.
    torch.use_deterministic_algorithms(True, warn_only=order.cell.device != "cpu")
    if order.skip:
        return save(order, {}, status="skipped", reason=order.skip)
    if reason := _unsupported(order.cell):
        return save(order, {}, status="unsupported", reason=reason)
    done = None if order.fresh else store.load(order.results, order.study, order.key)
    with watch.phase("data"):
        data = split_of(order.cell.data, order.cell.stream("split"))
    if done and done.status == "ok":
        return measure_again(order, data, done, on_problem)
    checkpoint = _checkpoint(order)
    try:
        record = _train_and_measure(order, data, checkpoint, on_step, watch)
    except Exception:
        _remove(checkpoint)  # What fails would fail again; what is killed comes back.
        raise
    _remove(checkpoint)
    return record


def _checkpoint(order: Order) -> Checkpoint | None:
    """Where the training of a cell is kept until it ends; nowhere if it is asked for afresh, or if its circuits draw
    shots, whose stream of outcomes cannot be taken up again."""
    if order.fresh or (order.cell.backend != "none" and backends.parse(order.cell.backend).shots):
        return None
    return Checkpoint(store.checkpoint_path(order.results, order.study, order.key))


def _unsupported(cell: Cell) -> str:
    return backends.why_not("torch" if cell.backend == "none" else cell.backend, cell.device)


def _remove(checkpoint: Checkpoint | None) -> None:
    if checkpoint:
        checkpoint.remove()


def _train_and_measure(
    order: Order, data: Dataset, checkpoint: Checkpoint | None, on_step: Callable[[int], None], watch: Stopwatch
) -> Record:
    cell = order.cell
    with watch.phase("build"):
        model = train_cell.build(cell, data)
        fresh = buffers.snapshot(model)
    with watch.phase("train"):
        outcome = train_cell.train(model, cell, data, on_step, checkpoint)
    watch.add("train", outcome.before_wall_s, outcome.before_cpu_s)
    if cell.control and outcome.status == "diverged":
        model, outcome = _train_again(cell, data, (model, outcome), on_step, watch)
    facts: dict[str, Any] = {"parameters": count_parameters(model), "training": outcome.training}
    watch.seconds |= _step_cost(outcome) | {"train_peak_mb": peak_memory()}
    arrays = _curves(outcome)
    if outcome.status != "ok":
        return save(order, arrays, status=outcome.status, reason=outcome.reason, watch=watch, **facts)
    model = model.double().to("cpu").eval()
    fitted = _buffers(model, fresh, cell, data)
    facts["parameters"] = facts["parameters"].model_copy(update={"buffers": fitted})
    with watch.phase("evaluate"):
        arrays |= train_cell.weights(model) | train_cell.evaluate(model, cell, data)
    _check_shapes(arrays, cell, data)
    arrays |= measure_cell.labels_of(data)
    if (drawn := len(arrays.get("samples", range(cell.samples)))) < cell.samples:
        reason = f"only {drawn} of {cell.samples} latents have a pre-image"
        return save(order, arrays, status="not-converged", reason=reason, watch=watch, **facts)
    with watch.phase("certify"):
        arrays |= measure_cell.within_digits(model, cell, data, arrays)
        facts["certificate"] = measure_cell.certify(model, cell, data, arrays)
        facts["validation"] = measure_cell.validation(model, cell, data, facts["certificate"], outcome.training)
    with watch.phase("metrics"):
        facts["metrics"], failed = measure_cell.try_metrics(order.metrics, cell, data, arrays, facts["certificate"])
        facts["metrics"] |= {name: Estimate(value=None, note=reason) for name, reason in failed.items()}
        facts["over_truth"] = measure_cell.take_over_truth(
            order.metrics, cell, data, arrays, facts["certificate"], facts["metrics"]
        )
    measured = measures.fingerprints(order.metrics)
    with watch.phase("flags"):
        facts["flags"], why = measure_cell.try_flags(order, model, data, arrays, facts["metrics"])
        if why:  # No row wins with a flag; the next run takes them again.
            facts["flags"] = (Flag(kind="unchecked", said=why),)
            del measured["flags"]
    with watch.phase("resources"):
        used = {"cpu_to_best_s": outcome.cpu_to_best_s, "peak_memory_mb": watch.seconds["train_peak_mb"]}
        facts["resources"] = measure_cell.take_resources(model, cell, data).model_copy(update=used)
    return save(order, arrays, watch=watch, measured=measured, **facts)


def _train_again(
    cell: Cell, data: Dataset, before: tuple[Model, Fit], on_step: Callable[[int], None], watch: Stopwatch
) -> tuple[Model, Fit]:
    """A control that diverged, trained anew with half the learning rate, up to three times; the record says the rate.

    A control that cannot be trained at the rate of its model says nothing about the model, whose rate was chosen.
    """
    model, outcome = before
    for halvings in range(1, HALVINGS + 1):
        rate = cell.budget.learning_rate / 2**halvings
        slower = cell.model_copy(update={"budget": cell.budget.model_copy(update={"learning_rate": rate})})
        spent = watch.seconds["train_wall_s"], watch.seconds["train_cpu_s"]
        with watch.phase("train"):
            model = train_cell.build(slower, data)
            outcome = train_cell.train(model, slower, data, on_step)
        watch.add("train", *spent)
        outcome = replace(outcome, training=outcome.training.model_copy(update={"learning_rate": rate}))
        if outcome.status != "diverged":
            break
    return model, outcome


def _buffers(model: Model, fresh: buffers.Numbers, cell: Cell, data: Dataset) -> int:
    """How many fitted numbers a trained model keeps outside of its parameters, with those of before it was trained."""
    rows = batch_of(cell.model.name, data, 2, data.test[:ROWS])
    return buffers.fitted(model, fresh, rows, given=registry.takes("model", cell.model.name, "data"))


def _check_shapes(arrays: store.Arrays, cell: Cell, data: Dataset) -> None:
    """Refuse what would be broadcast to something else further on.

    Raises:
        ValueError: what the model gives has another shape than it should.
    """
    drawn, n_test = len(arrays["samples"]) if np.ndim(arrays.get("samples", 0)) else 0, len(data.test)
    expected_shapes: dict[str, tuple[int, ...]] = {
        "samples": (drawn, *data.shape),
        "log_prob": (n_test,),
        "scores": (n_test,),
        "reconstructions": (min(cell.samples, n_test), *data.shape),
        "word_means": (2, JUDGING),
    }
    for name, expected in expected_shapes.items():
        if name in arrays and arrays[name].shape != expected:
            raise ValueError(f"the {name} of the model have the shape {arrays[name].shape}; {expected} was expected")


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


def save(
    order: Order, arrays: store.Arrays, *, status: Status = "ok", watch: Stopwatch | None = None, **facts: Any
) -> Record:
    """Write the record of a cell with what is known of it, what it has cost, and its provenance.

    A failure is not written where finished work is; the record that is returned then only says how the cell ended.
    Saving is timed as far as a record can tell of itself: until its arrays are packed.
    """
    timed = watch or Stopwatch()
    with timed.phase("save"):
        packed = packed_arrays(arrays)
    if watch:
        facts["cost"] = watch.spent()
    record = Record(
        key=order.key,
        study=order.study,
        row=order.row,
        family=order.family,
        size=order.size,
        control_of=order.control_of,
        shape=order.shape,
        tolerance=order.tolerance,
        role="control" if order.cell.control else registry.role(order.cell.model.name),
        cell=order.cell,
        status=status,
        seeds={"seed": order.cell.seed},
        inputs=order.inputs,
        provenance=provenance(torch.get_num_threads()) | {"data_hash": order.data_hash},
        **facts,
    )
    store.save(order.results, record, packed)
    return record
