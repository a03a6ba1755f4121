"""What a worker of a cluster does: it runs one cell in a process of its own, as a campaign on its machine would."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

from qinn_bench.files import read_arrays, read_bytes
from qinn_bench.limits import Limits
from qinn_bench.records import keys, older, store
from qinn_bench.study import campaign
from qinn_bench.study.cell_log import log_path
from qinn_bench.study.endings import CellEvent
from qinn_bench.study.order import Order
from qinn_bench.study.schedulers.local import KeptServer
from qinn_bench.values import Record
from qinn_bench.writing import write_whole

_OF_THREAD = threading.local()
"""Holds the server of workers of each thread of this worker: importing what cells need takes seconds."""


class Files(TypedDict):
    """A record as text, the bytes of its arrays, if there are some, and what its cell printed."""

    record: str
    arrays: bytes | None
    log: bytes


class RemoteAnswer(TypedDict):
    """What became of a cell: whether its record lies in the shared folder, else its files; and what went wrong.

    Neither: the worker does not see the folder, and has not run the cell.
    """

    shared: bool
    files: Files | None
    problem: str


def run_remotely(told: str, limits: str, token: str, before: Files | None, tell: Callable[[int], None]) -> RemoteAnswer:
    """Run the cell of an order (its JSON) under `limits` (theirs); `tell` hears of its steps.

    The record goes to the folder of results if this machine sees the file `token` of the campaign in it; if not,
    nothing is run. Without a token the cell runs in a folder of its own, beginning with the files that there are
    `before`, and its files are sent back.
    """
    order, use = Order.from_json(told), Limits(**json.loads(limits))
    if token:
        shared = (order.results / "records" / order.study / token).exists()
        return RemoteAnswer(shared=shared, files=None, problem=_run(order, use, tell) if shared else "")
    folder = Path(tempfile.mkdtemp(prefix="qinn-bench-"))
    try:
        here = replace(order, results=folder)
        if before:
            put_files(folder, order.study, order.key, before)
        problem = _run(here, use, tell)
        return RemoteAnswer(shared=False, files=files_of(folder, order.study, order.key), problem=problem)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(order: Order, limits: Limits, tell: Callable[[int], None]) -> str:
    """Run it; what went wrong beside what its record says."""
    problems: list[str] = []

    def show(event: CellEvent) -> None:
        if event.problem:
            problems.append(event.problem)
        elif not event.record:
            tell(event.step)

    if not hasattr(_OF_THREAD, "kept"):
        _OF_THREAD.kept = KeptServer()
    campaign.execute_one(order, limits, show, _OF_THREAD.kept)
    return "; ".join(problems)


def limits_text(limits: Limits) -> str:
    """The limits of a cell as JSON; on a worker one runs at a time in each thread."""
    plain: dict[str, Any] = dataclasses.asdict(replace(limits, workers=1))
    return json.dumps(plain)


def files_of(results: Path, study: str, key: str) -> Files | None:
    """The files of a record; None where there is none."""
    path = store.record_path(results, study, key)
    if not isinstance(store.look(results, study, key), Record):
        return None
    beside = path.with_suffix(".npz")
    arrays = read_bytes(beside, most=store.LARGEST_ARRAYS) if beside.exists() else None
    log = log_path(results, study, key)
    printed = read_bytes(log) if log.exists() else b""
    return Files(record=read_bytes(path).decode("utf8"), arrays=arrays, log=printed)


def put_files(results: Path, study: str, key: str, files: Files) -> None:
    """Write the files of a record of this cell, as `store.save` does.

    Raises:
        ValidationError: they are none.
        ValueError: they are of another cell.
        Refused: the arrays are damaged.
    """
    record = older.record_of(files["record"])
    if (record.study, record.key) != (study, key):
        raise ValueError(f"a worker sent the record '{record.study}/{record.key}', '{study}/{key}' was expected")
    if not keys.belongs(record):
        raise ValueError(f"a worker sent a record '{study}/{key}' whose inputs have another key")
    arrays = None
    if files["arrays"] is not None:
        with tempfile.TemporaryDirectory(prefix="qinn-bench-") as folder:
            packed = Path(folder) / "arrays.npz"
            packed.write_bytes(files["arrays"])
            arrays = read_arrays(packed, most=store.LARGEST_ARRAYS)
    store.save(results, record, arrays)
    if files["log"]:
        with suppress(OSError):
            write_whole(log_path(results, study, key), lambda file: file.write(files["log"]))
