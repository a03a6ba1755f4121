"""Records on disk: one JSON file a cell with its arrays beside it, written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from qinn_bench.values import Cell, Record, Refused

Arrays = dict[str, NDArray[Any]]
Place = tuple[str, str, int, str]


def place(row: str, cell: Cell) -> Place:
    """What tells a cell of a study from its other cells, whatever code it was made by: row, data set and seed."""
    return row, str(cell.data), cell.seed, cell.varies


def record_path(results: Path, study: str, key: str) -> Path:
    """Where the record of a cell lies: ``results/records/STUDY/KEY.json``."""
    return results / "records" / study / f"{key}.json"


def save(results: Path, record: Record, arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write the arrays, then the record; a record that exists is therefore complete."""
    path = record_path(results, record.study, record.key)
    write_whole(path.with_suffix(".npz"), lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))
    text = record.model_dump_json(indent=1)
    write_whole(path, lambda file: file.write(text.encode()))
    return path


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write under a temporary name, sync, rename: a reader sees the old file or the new one, never a part.

    What is left of a process that was killed meanwhile ends in ``.part``, so that nobody takes it for the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def load(results: Path, study: str, key: str) -> Record | None:
    """The record of a cell, or None if it was never finished.

    Raises:
        Refused: the file is there but is no record.
    """
    path = record_path(results, study, key)
    if not path.exists():
        return None
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise Refused(
            f"{path} is not a record of this version ({error.errors()[0]['msg']}); delete it or run with --fresh"
        ) from None


def load_all(results: Path, study: str) -> list[Record]:
    """The records of a study that lie in a folder, ordered by key; of one row, data set and seed the newest.

    Unlike those of a plan, they need not belong to the code and the study file as these are now.

    Raises:
        Refused: a file is no record.
    """
    keys = sorted(path.stem for path in (results / "records" / study).glob("*.json"))
    found = [record for key in keys if (record := load(results, study, key))]
    newest: dict[Place, Record] = {}
    for record in sorted(found, key=lambda record: str(record.provenance.get("finished_utc", ""))):
        newest[place(record.row, record.cell)] = record
    return sorted(newest.values(), key=lambda record: record.key)


def has_arrays(results: Path, record: Record) -> bool:
    """Whether the arrays of a record are there; a copy of the records alone has none."""
    return record_path(results, record.study, record.key).with_suffix(".npz").exists()


def load_arrays(results: Path, record: Record) -> Arrays:
    """The arrays beside a record: samples, log-densities, loss curves, weights."""
    path = record_path(results, record.study, record.key).with_suffix(".npz")
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
