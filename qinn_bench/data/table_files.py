"""Read tables of numbers from files of several formats: the names of the columns, the rows, and what is no number."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qinn_bench.files import read_arrays, read_bytes, short
from qinn_bench.values import Array, Refused

EXACT_WHOLE = 2**53
"""Up to here every whole number is a float64."""
SEPARATORS = ",;\t"
EXACT: dict[str, Any] = {} if int(pd.__version__.partition(".")[0]) >= 3 else {"float_precision": "round_trip"}
"""With which pandas reads a number as Python does; since version 3 it always does."""


@dataclass(frozen=True)
class FileTable:
    """The columns of a file.

    `rows` ``(n, dim)`` are NaN in a column that does not hold numbers; `odd` says of each column why it cannot be
    taken, as it holds something else or has no name. `place` says where in the file a row is, counted from 0.

    Example:
        >>> FileTable(("pt", "name"), np.array([[50.0, np.nan]]), ("", "text")).names
        ('pt', 'name')
    """

    names: tuple[str, ...]
    rows: Array
    odd: tuple[str, ...]
    place: Callable[[int], str] = lambda row: f"row {row + 1}"


def read_table(path: Path) -> FileTable:
    """The table in a file, whose ending says what it is; refusals know the file by its name.

    Raises:
        Refused: no such file, another ending, or a file that is damaged or holds no table.
    """
    read = ENDINGS.get(path.suffix.lower())
    if read is None:
        raise Refused(f"the table '{path.name}' was given; a file ending in one of {', '.join(ENDINGS)} was expected")
    try:
        return read(path)
    except Refused as refusal:
        raise Refused(str(refusal).replace(str(path), path.name)) from None


def _absent(path: Path) -> str:
    return f"there is no table '{path.name}'; it is looked for from the study file, or else from the working folder"


def _read_text(path: Path) -> FileTable:
    content = read_bytes(path, _absent(path))
    try:
        head = content.partition(b"\n")[0].decode("utf-8-sig")
        separator = max(SEPARATORS, key=head.count)
        names = pd.read_csv(io.StringIO(head), sep=separator, header=None, dtype=str, keep_default_na=False)
        names = [str(name).strip() for name in names.iloc[0]]
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(content),
                sep=separator,
                header=0,
                names=range(len(names)),
                index_col=False,
                encoding="utf-8-sig",
                **EXACT,
                on_bad_lines="error",
                low_memory=False,
            )
    except pd.errors.ParserWarning:
        about = ", which is a comment" if names[0].startswith("#") else ""
        raise Refused(
            f"{path} is no table in CSV: its rows have more values than the {len(names)} names of its first line{about}"
        ) from None
    except (ValueError, OverflowError) as error:  # Of pandas and of UTF-8.
        raise Refused(f"{path} is no table in CSV: {short(error)}") from None
    if names[0].startswith("#") and not all(map(_is_number, names)) and _is_comment(frame):
        raise Refused(f"{path} begins with the comment '{short(head)}'; a line of names was expected first")
    if all(map(_is_number, names)):
        raise Refused(f"{path} begins with the numbers {', '.join(names)[:60]}; a line of names was expected")
    table = _of_frame(tuple(name or f"#{i + 1}" for i, name in enumerate(names)), frame)
    odd = (one if name else "has no name in the first line" for name, one in zip(names, table.odd, strict=True))
    return replace(table, odd=tuple(odd), place=partial(_line_of, content.decode("utf-8-sig"), separator))


def _is_comment(frame: pd.DataFrame) -> bool:
    """Whether the first line below the names holds no number, as names do."""
    return len(frame) > 0 and not any(_is_number(str(value)) for value in frame.iloc[0])


def _line_of(text: str, separator: str, row: int) -> str:
    """The line of a text in CSV that a row ends in; empty lines are no rows, and a quoted value may have several."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows = (reader.line_num for fields in reader if len(fields) > 1 or "".join(fields).strip())
    return f"line {next(islice(rows, row + 1, None), row + 2)}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_parquet(path: Path) -> FileTable:
    content = read_bytes(path, _absent(path))
    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except Exception as error:  # Damaged bytes make pyarrow raise errors of several kinds.
        raise Refused(f"{path} is no table in Parquet: {short(error)}") from None
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()  # An index with a name is a column to whoever gave it one.
    return _of_frame(tuple(map(str, frame.columns)), frame)


def _of_frame(names: tuple[str, ...], frame: pd.DataFrame) -> FileTable:
    columns, odd = [], []
    for i in range(frame.shape[1]):
        column = frame.iloc[:, i]
        kind = column.dtype
        number = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
        number = number and not pd.api.types.is_complex_dtype(kind)
        number = number or not len(column)
        columns.append(column.to_numpy(np.float64, na_value=np.nan) if number else np.full(len(column), np.nan))
        whole = number and pd.api.types.is_integer_dtype(kind)
        text = "" if number else f"holds {_what(column)}, no numbers"
        odd.append(_rounded(column.dropna().to_numpy()) if whole else text)
    return FileTable(names, np.column_stack(columns) if columns else np.zeros((len(frame), 0)), tuple(odd))


def _rounded(values: NDArray[Any]) -> str:
    """Why whole numbers cannot be taken: one of them has more digits than a float64 holds; empty if none has."""
    large = map(int, values[np.abs(values.astype(np.float64)) >= EXACT_WHOLE])
    lost = next((x for x in large if int(float(x)) != x), None)
    return "" if lost is None else f"holds {lost}, beyond 2^53, of which a float64 would lose digits"


def _what(column: pd.Series) -> str:
    """What a column holds in the place of numbers: the first of its values that is none, or their type."""
    if not (pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)):
        return f"values of type {column.dtype}"
    texts = [str(value) for value in column.dropna()]
    return short(repr(next((text for text in texts if not _is_number(text)), "".join(texts[:1]))))[:40]


def _read_npz(path: Path) -> FileTable:
    arrays = read_arrays(path, _absent(path))
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu":
            raise Refused(f"{path}: array '{name}' is of type {array.dtype}; numbers were expected")
    if len(arrays) == 1 and (only := next(iter(arrays.values()))).ndim == 2:
        return _of_arrays(tuple(f"x{i}" for i in range(only.shape[1])), list(only.T))
    lengths = {array.shape for array in arrays.values()}
    if len(lengths) != 1 or len(next(iter(lengths))) != 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise Refused(f"{path} has the arrays {shapes[:200] or 'none'}; one (n, dim) or several (n,) were expected")
    return _of_arrays(tuple(arrays), list(arrays.values()))


def _of_arrays(names: tuple[str, ...], columns: Sequence[NDArray[Any]]) -> FileTable:
    odd = tuple(_rounded(column) if column.dtype.kind in "iu" else "" for column in columns)
    return FileTable(names, np.column_stack([column.astype(np.float64) for column in columns]), odd)


ENDINGS: dict[str, Callable[[Path], FileTable]] = {
    ".csv": _read_text,
    ".tsv": _read_text,
    ".parquet": _read_parquet,
    ".npz": _read_npz,
}
