"""Which cells of a plan are finished, and which are still to be run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from qinn_bench.records import measures, store
from qinn_bench.study import progress
from qinn_bench.study.order import Order
from qinn_bench.values import Record, Status


def finished(orders: Sequence[Order]) -> list[Record]:
    """The records that exist, in the order of the plan and under its names; `unreadable` names what is left out."""
    looked_up = zip(orders, _looked_up(orders), strict=True)
    return [progress.named(order, record) for order, record in looked_up if isinstance(record, Record)]


def unreadable(orders: Sequence[Order]) -> list[str]:
    """A sentence for each of these cells that has a file which is no record of this version."""
    return [str(one) for one in _looked_up(orders) if isinstance(one, store.UnreadableRecord)]


def pending(orders: Sequence[Order], retry: Collection[Status] = ()) -> list[Order]:
    """The cells that are still to be run: without a record, or with metrics older than their code.

    Cells that failed with a status of `retry` are run again too. A file that is none of this version is left alone.
    """
    todo = []
    for order, record in zip(orders, _looked_up(orders), strict=True):
        if isinstance(record, store.UnreadableRecord):
            continue
        stale = record is not None and progress.is_stale(record, measures.fingerprints(order.metrics))
        if record is None or record.status in retry or stale:
            todo.append(order)
    return todo


def _looked_up(orders: Sequence[Order]) -> list[Record | store.UnreadableRecord | None]:
    """What there is of each cell."""
    folders: dict[tuple[Path, str], list[str]] = {}
    for order in orders:
        folders.setdefault((order.results, order.study), []).append(order.key)
    found = {place: store.look_at_some(*place, names) for place, names in folders.items()}
    return [found[order.results, order.study][order.key] for order in orders]


def afresh(orders: Sequence[Order]) -> list[Order]:
    """These cells, to be trained although they have records; each record stays until its successor is written."""
    return [replace(order, fresh=True) for order in orders]
