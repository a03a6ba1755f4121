"""Take what is newly measured of a finished cell, or by new code, without training it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qinn_bench.dataset import Dataset, owner_of
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.records import measures, store
from qinn_bench.study import measure_cell
from qinn_bench.study.order import Order
from qinn_bench.study.train_cell import trained
from qinn_bench.values import Cell, Record, Resources


def measure_again(order: Order, data: Dataset, done: Record, on_problem: Callable[[str], None]) -> Record:
    """Take the metrics, and the certificate, whose code is new since the record was written.

    The arrays stay as they are, but for the log-densities that are taken with the certificate. A metric that fails
    keeps its old columns and counts as not measured.
    """
    now = measures.fingerprints(order.metrics)
    stale = {name for name, code in now.items() if done.measured.get(name) != code}
    if not stale:
        return done
    arrays, certificate, new = store.load_arrays(order.results, done), done.certificate, store.Arrays()
    if "certificate" in stale and "log_prob" in arrays:
        model = trained(order.cell, data, arrays)
        new = measure_cell.within_digits(model, order.cell, data, arrays)
        arrays |= new
        certificate = measure_cell.certify(model, order.cell, data, arrays)
        stale |= {name for name in order.metrics if all_metrics()[name].needs == "density"}
    again = tuple(name for name in order.metrics if name in stale)
    taken, failed = measure_cell.try_metrics(again, order.cell, data, arrays, certificate)
    for name, reason in failed.items():
        on_problem(f"metric '{name}': {reason}")
    found: dict[str, Any] = {
        "certificate": certificate,
        "metrics": done.metrics | taken,
        "measured": done.measured | {name: code for name, code in now.items() if name not in failed},
    }
    found["over_truth"] = _over_truth_again(order, data, done, arrays, found, again)
    if "resources" in stale:
        found["resources"] = _resources_again(order.cell, data, arrays, done)
    if "flags" in stale or again:
        flags, why = measure_cell.try_flags(order, trained(order.cell, data, arrays), data, arrays, found["metrics"])
        if why:
            on_problem(f"flags: {why}")
            found["measured"].pop("flags", None)
        else:
            found["flags"] = flags
    record = done.model_copy(update=found)
    store.save(order.results, record, arrays if new else None)
    return record


def _over_truth_again(
    order: Order, data: Dataset, done: Record, arrays: store.Arrays, found: Mapping[str, Any], again: tuple[str, ...]
) -> dict[str, tuple[float, ...]]:
    """The columns on other draws of true rows: of metrics that were taken again, and of all where none are known."""
    before = done.over_truth
    names = order.metrics if before is None else again
    taken = measure_cell.take_over_truth(names, order.cell, data, arrays, found["certificate"], found["metrics"])
    columns = {name: metric.stated for name, metric in all_metrics().items()}
    kept = {name: of for name, of in (before or {}).items() if owner_of(name, columns) not in names}
    return kept | taken


def _resources_again(cell: Cell, data: Dataset, arrays: store.Arrays, done: Record) -> Resources:
    """The resources of a finished cell; what only its training could tell is kept as it was measured then."""
    before, peak = done.resources, done.cost.get("train_peak_mb")
    used = {"cpu_to_best_s": before.cpu_to_best_s if before else None, "peak_memory_mb": peak}
    return measure_cell.take_resources(trained(cell, data, arrays), cell, data).model_copy(update=used)
