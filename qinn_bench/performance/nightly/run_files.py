"""What was measured, kept for ever: one file a run, written whole and never changed, so that merging is a set union."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import Field

from qinn_bench.files import read_bytes, read_lines
from qinn_bench.performance.machine import Machine
from qinn_bench.reading import value_of
from qinn_bench.values import Knobs, Refused, Value
from qinn_bench.writing import write_text, write_whole

SCHEMA_VERSION: Literal[1] = 1
NAME = re.compile(r"\d{8}T\d{6}Z_[a-z0-9-]+_[0-9a-f]{8}_[0-9a-f]{8}\.jsonl")
"""UTC time, machine, commit and run."""
RowClock = Literal["cpu", "wall", "cuda", "none"]
RowStatus = Literal["ok", "unsupported", "timeout", "crashed", "inconclusive"]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]


class RunRow(Value):
    """One measured quantity of one workload in one run.

    `value` is in `unit` by `clock` (``none`` for what is counted), the median over `launches`; `ratio` is that to the
    `anchor` commit, measured beside it in the same run, and `launches` are the ratios of the single launches. `status`
    says how it ended, `reason` why it has no value; a workload that was asked for always has a row.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    run: Hash
    utc: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\+00:00$")]
    commit: Hash
    dirty: bool
    anchor: Annotated[str, Field(pattern=r"^([0-9a-f]{8,64})?$")] = ""
    machine: str
    environment: str
    workload: str
    version: str
    knobs: Knobs
    quantity: str
    unit: str
    clock: RowClock
    value: float | None = None
    ratio: float | None = None
    launches: tuple[float, ...] = ()
    rounds: int = 0
    seed: int | None = None
    status: RowStatus = "ok"
    reason: str = ""
    load: float | None = None


def new_run() -> tuple[str, str]:
    """The name of a run that begins now, and its time."""
    return uuid4().hex[:8], datetime.now(UTC).isoformat(timespec="seconds")


def path_of(results: Path, row: RunRow) -> Path:
    """Where the run of a row lies: ``results/runs/YYYY/MM/<utc>_<machine>_<commit>_<run>.jsonl``."""
    stamp = row.utc.removesuffix("+00:00").replace("-", "").replace(":", "") + "Z"
    name = f"{stamp}_{row.machine}_{row.commit[:8]}_{row.run[:8]}.jsonl"
    return results / "runs" / row.utc[:4] / row.utc[5:7] / name


def save(results: Path, rows: Sequence[RunRow], machine: Machine) -> Path:
    """Write a run and, once, the description of its machine.

    Raises:
        Refused: no rows, rows of several runs, or a run that is there already.
    """
    if not rows:
        raise Refused("a run without rows was to be written; at least one was expected")
    if len(runs := {(row.run, row.utc, row.commit, row.machine) for row in rows}) > 1:
        raise Refused(f"rows of {len(runs)} runs were to be written into one file; rows of one were expected")
    path, about = path_of(results, rows[0]), results / "machines" / f"{machine.name}.json"
    if path.exists():
        raise Refused(f"{path} is there already; a run is written once")
    if not about.exists():
        write_text(about, machine.model_dump_json(indent=1) + "\n")
    text = "".join(row.model_dump_json() + "\n" for row in rows)
    write_text(path, text)
    return path


def load(results: Path) -> list[RunRow]:
    """The rows of all runs, oldest first.

    Raises:
        Refused: a file whose name or content is none of a run's.
    """
    return [row for path in sorted(files(results), key=lambda path: path.name) for row in read(path)]


def files(results: Path) -> Iterator[Path]:
    """The files of all runs."""
    yield from (results / "runs").glob("*/*/*.jsonl")


def read(path: Path) -> list[RunRow]:
    """The rows of one run.

    Raises:
        Refused: the name or a line is none of a run's; the message names the line.
    """
    if not NAME.fullmatch(path.name):
        raise Refused(f"{path} is not named as a run is: <utc>_<machine>_<commit>_<run>.jsonl")
    wrong = f"is no row of version {SCHEMA_VERSION}"
    lines = enumerate(read_lines(path), start=1)
    return [value_of(RunRow, line, f"{path}, line {number}, {wrong}") for number, line in lines]


def merge(results: Path, others: Iterable[Path]) -> list[Path]:
    """Copy the runs of other folders of results that are not here yet, and say which.

    Raises:
        Refused: a file is no run, or two runs of one name differ.
    """
    new = []
    for other in others:
        for path in files(other):
            target = results / path.relative_to(other)
            read(path)
            if not target.exists():
                _copy(path, target)
                new.append(target)
            elif read_bytes(target) != read_bytes(path):
                raise Refused(f"{path} and {target} are one run by name and differ; a run never changes")
    return new


def _copy(path: Path, target: Path) -> None:
    content = read_bytes(path)
    write_whole(target, lambda file: file.write(content))


def schema() -> dict[str, Any]:
    """The JSON Schema of a row, as `results/schema/run.schema.json` holds it."""
    return {"$id": f"qinn-bench/run/{SCHEMA_VERSION}"} | RunRow.model_json_schema()


def schema_text() -> str:
    """The schema as its file has it."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"
