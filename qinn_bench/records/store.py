"""Records on disk: one JSON file a cell with its arrays beside it, written whole or not at all."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from qinn_bench import locks
from qinn_bench.files import at_most, packed_arrays, read_arrays, read_bytes
from qinn_bench.records import keys, older, record_index
from qinn_bench.values import Cell, Key, Record, Refused, StudyName, Use
from qinn_bench.writing import Write, write_text, write_together

WITHIN_DIGITS = "log_prob_within_digits"
"""The array of the log-densities of test rows that were moved within their last stored digits."""
LABELS = "labels"
"""The array of what the test rows are, 0 background and 1 signal."""
Arrays = dict[str, NDArray[Any]]
Place = tuple[str, str, int, str]
Stamp = tuple[int, int] | None
"""What tells one state of a record's file from another, None where there is no file."""
LARGEST_RECORD = 2**26
"""Bytes of a record's file: a thousand times what a record of many metrics takes."""
LARGEST_ARRAYS = 2**33
"""Bytes of unpacked arrays."""
LEFTOVERS = (".*.part", ".*.lock", "*.json.*.part", "*.log")
"""What killed processes leave in the folder of a study, those of earlier versions included."""
_KEY: TypeAdapter[str] = TypeAdapter(Key)
_NUMBERS = TypeAdapter(list[dict[str, float]])
_STUDY: TypeAdapter[str] = TypeAdapter(StudyName)


@dataclass(frozen=True)
class UnreadableRecord:
    """A file that stands where a record should be; it is named and left alone."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path} is left out: {self.reason}; delete it, or run with --fresh"


def place(row: str, cell: Cell) -> Place:
    """What tells a cell of a study from its other cells, whatever code it was made by: row, data set and seed."""
    return row, str(cell.data), cell.seed, cell.varies


def data_names(records: Sequence[Record]) -> dict[str, str]:
    """What each data set is called: by its name alone, or with the knobs that tell it from others of that name."""
    uses = {str(record.cell.data): record.cell.data for record in records}
    return {text: str(told_apart(use, uses.values())) for text, use in uses.items()}


def told_apart(use: Use, others: Iterable[Use]) -> Use:
    """A use with only those of its knobs that others of its name have otherwise.

    Example:
        >>> here = Use(name="zjets", knobs={"features": 8, "coordinates": "mass"})
        >>> str(told_apart(here, [here, Use(name="zjets", knobs={"features": 8, "coordinates": "momenta"})]))
        'zjets[coordinates=mass]'
    """
    beside = [one.knobs for one in others if one.name == use.name]
    apart = {k: v for k, v in use.knobs.items() if any(knobs.get(k) != v for knobs in beside)}
    return Use(name=use.name, knobs=apart)


def record_path(results: Path, study: str, key: str) -> Path:
    """Where the record of a cell lies: ``results/records/STUDY/KEY.json``.

    Raises:
        Refused: a study or a key that names no file there.
    """
    try:
        _STUDY.validate_python(study)
        _KEY.validate_python(key)
    except ValidationError:
        raise Refused(
            f"'{study}/{key}' names no record; a study and a key of at most 100 letters, digits, - and _ were expected"
        ) from None
    return results / "records" / study / f"{key}.json"


def lock_path(results: Path, study: str, key: str) -> Path:
    """What a campaign locks while it runs a cell."""
    path = record_path(results, study, key)
    return path.with_name(f".{path.stem}.lock")


def checkpoint_path(results: Path, study: str, key: str) -> Path:
    """Where the training of a cell is kept while it runs."""
    path = record_path(results, study, key)
    return path.with_name(f".{path.stem}.training")


def save(results: Path, record: Record, arrays: Mapping[str, NDArray[Any]] | bytes | None = None) -> bool:
    """Write a record and its arrays (None: those that are there stay); False where what is there is worth more.

    Finished work is never replaced by a failure: an `ok` record, or one that this version cannot read, only gives way
    to another `ok` one. Both files are written and synced before either gets its name, the arrays first; a record
    that exists is therefore complete.

    Raises:
        OSError: the disk is full or cannot be written; what was there is still there.
    """
    path = record_path(results, record.study, record.key)
    if record.status != "ok":
        there = look(results, record.study, record.key)
        if isinstance(there, UnreadableRecord) or (there and there.status == "ok"):
            return False
    text = record.model_dump_json(indent=1).encode()
    files: list[tuple[Path, Write]] = [(path, lambda file: file.write(text))]
    if arrays is not None:
        content = arrays if isinstance(arrays, bytes) else packed_arrays(arrays)
        files.insert(0, (path.with_suffix(".npz"), lambda file: file.write(content)))
    write_together(files)
    return True


def read_cache(path: Path) -> list[dict[str, float]]:
    """Numbers that are kept because they take long; none where they cannot be read, so that they are taken again."""
    try:
        return _NUMBERS.validate_json(read_bytes(path))
    except (OSError, ValidationError, Refused):
        return []


def write_cache(path: Path, numbers: Sequence[Mapping[str, float]]) -> None:
    """Keep numbers that can be taken again; a disk that does not take them is no failure."""
    with suppress(OSError):
        write_text(path, json.dumps(numbers))


def sweep(results: Path, study: str) -> None:
    """Remove what killed campaigns left beside the records of a study; what a living one has in use stays."""
    locks.sweep(results / "records" / study, LEFTOVERS)
    locks.sweep(results / "nulls", (".*.part",))


def look(results: Path, study: str, key: str) -> Record | UnreadableRecord | None:
    """The record of a cell, None if it was never finished, or why the file that is there is no such record."""
    path = record_path(results, study, key)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return UnreadableRecord(path, "it is no regular file")
        with path.open("rb") as file:
            text = at_most(file, LARGEST_RECORD + 1)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise Refused(f"{results} can hold no records: a folder of results was expected") from None
    except OSError as error:
        return UnreadableRecord(path, f"it cannot be read ({error.strerror})")
    if len(text) > LARGEST_RECORD:
        return UnreadableRecord(path, f"it is no record, but longer than {LARGEST_RECORD >> 20} MiB")
    try:
        record = older.record_of(text)
    except ValidationError as error:
        return UnreadableRecord(path, _why_not(error))
    if (record.study, record.key) != (study, key):
        return UnreadableRecord(path, f"it holds the record '{record.study}/{record.key}'")
    if not keys.belongs(record):
        return UnreadableRecord(path, "its settings are not those that its name was made of")
    return record


def _why_not(error: ValidationError) -> str:
    first = error.errors()[0]
    for one in error.errors():
        if one["loc"] == ("schema_version",):
            return f"it is not a record of this version, but of schema {str(one['input'])[:20]}"
    return f"it is not a record of this version ({first['msg'][:200]})"


def stamp(results: Path, study: str, key: str) -> Stamp:
    """The state of a record's file; every write makes another."""
    return stamp_of(record_path(results, study, key))


def stamp_of(path: Path) -> Stamp:
    """The state of a file; every write makes another. None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def load(results: Path, study: str, key: str) -> Record | None:
    """The record of a cell, or None if it was never finished.

    Raises:
        Refused: the file is there but is no record of this cell.
    """
    record = look(results, study, key)
    if isinstance(record, UnreadableRecord):
        raise Refused(str(record))
    return record


def load_all(results: Path, study: str) -> list[Record]:
    """The records of a study that lie in a folder, ordered by key; of one row, data set and seed the newest.

    Unlike those of a plan, they need not belong to the code and the study file as these are now. Files that are no
    records are left out; `left_out` names them.
    """
    return newest_of(results, study)[0]


def newest_of(results: Path, study: str) -> tuple[list[Record], list[UnreadableRecord]]:
    """The same, and the files that are left out."""
    records, odd = look_at_all(results, study)
    newest: dict[Place, Record] = {}
    for record in sorted(records, key=lambda record: str(record.provenance.get("finished_utc", ""))):
        newest[place(record.row, record.cell)] = record
    return sorted(newest.values(), key=lambda record: record.key), odd


def left_out(results: Path, study: str) -> list[str]:
    """A sentence for each file among the records of a study that is none of this version."""
    return list(map(str, look_at_all(results, study)[1]))


def look_at_all(results: Path, study: str, *, keep: bool = True) -> tuple[list[Record], list[UnreadableRecord]]:
    """All records among the files of a study, those that newer ones replace included, and the files that are none of
    this version.

    Of many records an index is kept, unless the folder is not to be touched.
    """
    marks = record_index.marks_of(results / "records" / study)
    known = record_index.read_index(results, study, marks) if len(marks) >= record_index.FEWEST else {}
    records: list[Record] = []
    odd: list[UnreadableRecord] = []
    for key in marks:
        one = known.get(key) or _looked(results, study, key)
        if isinstance(one, Record):
            records.append(one)
        elif one:
            odd.append(one)
    if keep and record_index.is_worth_keeping(len(marks), len(records) - len(known)):
        record_index.keep_index(results, study, marks, records)
    return records, odd


def look_at_some(results: Path, study: str, names: Sequence[str]) -> dict[str, Record | UnreadableRecord | None]:
    """What `look` says of each of these keys; of many all at once."""
    if len(names) < record_index.FEWEST:
        return {key: look(results, study, key) for key in names}
    records, odd = look_at_all(results, study)
    found: dict[str, Record | UnreadableRecord] = {one.key: one for one in records}
    found |= {one.path.stem: one for one in odd}
    return {key: found.get(key) for key in names}


def _looked(results: Path, study: str, key: str) -> Record | UnreadableRecord | None:
    try:
        return look(results, study, key)
    except Refused:
        return UnreadableRecord(results / "records" / study / f"{key}.json", "its name is no key")


def has_arrays(results: Path, record: Record) -> bool:
    """Whether the arrays of a record are there; a copy of the records alone has none."""
    return record_path(results, record.study, record.key).with_suffix(".npz").exists()


def likelihoods(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
    """The log-densities ``(n_test,)`` that likelihoods are made of: of test rows moved within their last stored digits.

    Cells of before these were taken have those of the stored rows; None without a density.

    Example:
        >>> import numpy as np
        >>> likelihoods({"log_prob": np.zeros(2), WITHIN_DIGITS: np.ones(2)}).tolist()
        [1.0, 1.0]
    """
    return arrays.get(WITHIN_DIGITS, arrays.get("log_prob"))


def anomaly_scores(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
    """How anomalous each test row is ``(n_test,)``: what a scorer says, or minus the log-density of what is none.

    None where there is neither.

    Example:
        >>> import numpy as np
        >>> anomaly_scores({"log_prob": np.ones(2)}).tolist(), anomaly_scores({"log_prob": np.ones(1), "scores":
        ...     np.zeros(1)}).tolist()
        ([-1.0, -1.0], [0.0])
    """
    if "scores" in arrays:
        return arrays["scores"]
    log_densities = likelihoods(arrays)
    return None if log_densities is None else -log_densities


def load_arrays(results: Path, record: Record) -> Arrays:
    """The arrays beside a record: samples, log-densities, loss curves, weights.

    Raises:
        Refused: they are missing or damaged, or would fill gigabytes.
    """
    path = record_path(results, record.study, record.key).with_suffix(".npz")
    try:
        return read_arrays(path, f"{path} is missing, so that the cell has no arrays", LARGEST_ARRAYS)
    except Refused as refusal:
        raise Refused(f"{refusal}; run its cell with --fresh") from None
