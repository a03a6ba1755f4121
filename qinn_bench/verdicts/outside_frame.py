"""Anybody's table of results from a pandas DataFrame in long format, read as `outside_results` reads a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from qinn_bench.files import short
from qinn_bench.values import Refused
from qinn_bench.verdicts.outside_lines import Cells
from qinn_bench.verdicts.outside_results import Columns, Results, check_roles, read_cells

NAME = "the frame"
FIRST_LINE = 2
"""Lines are counted as in the CSV file that the frame would make, whose first line has the names."""


def read_frame(frame: pd.DataFrame, columns: Columns, drop: bool = False, rows: Sequence[str] = ()) -> Results:
    """Read a table whose cells are those of a frame; what is missing in it (NaN, None, NA) is a hole.

    Raises:
        Refused: no frame, a column that is not there or there twice, and as for `outside_results.read`.

    >>> frame = pd.DataFrame({"model": ["a", "b"], "data": ["x", "x"], "auc": [0.7, 0.8]})
    >>> read_frame(frame, Columns("model", "auc", "data")).scores
    array([[0.7],
           [0.8]])
    """
    if not isinstance(frame, pd.DataFrame):
        raise Refused(f"a {type(frame).__name__} was given to be compared; a pandas DataFrame was expected")
    check_roles(columns)
    _check_there(frame, [column for column in columns if column])
    return read_cells(_lines(frame, columns), NAME, columns, drop, rows)


def _check_there(frame: pd.DataFrame, wanted: Sequence[str]) -> None:
    known = list(map(str, frame.columns))
    for column in wanted:
        if column not in known:
            raise Refused(f"{NAME} has no column '{column}'; it has: {short(', '.join(known)) if known else 'none'}")
        if known.count(column) > 1:
            raise Refused(f"{NAME} has {known.count(column)} columns '{column}'; which one is meant cannot be told")


def _lines(frame: pd.DataFrame, columns: Columns) -> Iterator[tuple[int, Cells]]:
    """The rows of the frame, numbered as lines of a file, each cell as the text that a file would have."""
    wanted = [column for column in columns if column]
    places = [list(map(str, frame.columns)).index(column) for column in wanted]
    texts = [["" if pd.isna(cell) else str(cell).strip() for cell in frame.iloc[:, at].to_numpy()] for at in places]
    for number, cells in enumerate(zip(*texts, strict=True), start=FIRST_LINE):
        yield number, dict(zip(wanted, cells, strict=True))
