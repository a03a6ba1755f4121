"""Anybody's table of results, read from CSV in long format: one line a run, or one line with mean, sd and n a cell."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qinn_bench.values import Array, Refused

SHOWN = 3
"""How many missing scores a refusal names."""
Replicate = tuple[str, str]
Line = tuple[int, dict[str, str]]


class Columns(NamedTuple):
    """The names of a file's columns: what is compared, on what (empty: one data set), and its scores.

    With `sd` and `n` the value is a mean over n runs of that standard deviation; with `seed` there is a line a run.
    """

    row: str
    value: str
    column: str = ""
    seed: str = ""
    sd: str = ""
    n: str = ""


class Results(NamedTuple):
    """Scores of rows on replicates, complete: ``(n_rows, n_replicates)`` each.

    A replicate is a (column, seed), seed empty where there is none. `sds` and `sizes` (standard deviation and number of
    the runs of a score) are None where scores are runs themselves. `dropped` are the replicates left out because a
    row has no score there.
    """

    rows: tuple[str, ...]
    replicates: tuple[Replicate, ...]
    scores: Array
    sds: Array | None = None
    sizes: Array | None = None
    dropped: tuple[Replicate, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The data sets, in the order of the file."""
        return tuple(dict.fromkeys(column for column, _ in self.replicates))

    def by_column(self) -> list[Array]:
        """The scores ``(n_rows, n_seeds)`` on each data set."""
        of = [column for column, _ in self.replicates]
        return [self.scores[:, [at for at, name in enumerate(of) if name == column]] for column in self.columns]


class _Score(NamedTuple):
    """A line of the file."""

    line: int
    value: float
    sd: float
    n: float


def read(path: Path, columns: Columns, drop: bool = False) -> Results:
    """Read a table; every row needs a score on every replicate, or with `drop` such replicates are left out.

    Raises:
        Refused: no such file, a column that is not there, a score that is no number, two scores of one row on one
            replicate, a missing score, or fewer than two rows.
    """
    if columns.seed and columns.sd:
        raise Refused("name a column of seeds (one line a run) or of standard deviations (one line a mean), not both")
    if bool(columns.sd) != bool(columns.n):
        raise Refused("means need both columns, that of their standard deviations (--sd) and of their runs (--n)")
    lines = _lines(path, [name for name in columns if name])
    scores: dict[tuple[str, Replicate], _Score] = {}
    for number, cells in lines:
        row, replicate = cells[columns.row], (cells.get(columns.column, "all"), cells.get(columns.seed, ""))
        score = _score(path, number, cells, columns)
        if earlier := scores.get((row, replicate)):
            hint = "" if columns.seed or columns.sd else "; name the column that tells its runs apart with --seed"
            where = f"'{row}' on {_named(replicate)}"
            raise Refused(f"{path}: lines {earlier.line} and {number} both hold the score of {where}{hint}")
        scores[row, replicate] = score
    return _complete(path, scores, bool(columns.sd), drop)


def _lines(path: Path, wanted: Sequence[str]) -> list[Line]:
    """The lines of the file, each with its number and the wanted cells."""
    if not path.is_file():
        raise Refused(f"there is no file '{path}'")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            if absent := [name for name in wanted if name not in header]:
                raise Refused(f"{path} has no column '{absent[0]}'; it has: {', '.join(header) or 'none'}")
            found = []
            for cells in reader:
                if cells and len(cells) != len(header):
                    fields = f"{len(cells)} fields, its header {len(header)}"
                    raise Refused(f"{path}: line {reader.line_num} has {fields}")
                if cells:
                    plain = dict(zip(header, (cell.strip() for cell in cells), strict=True))
                    found.append((reader.line_num, {name: plain[name] for name in wanted}))
            return found
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(f"{path} is not CSV in UTF-8: {error}") from None


def _score(path: Path, line: int, cells: dict[str, str], columns: Columns) -> _Score:
    if not cells[columns.row]:
        raise Refused(f"{path}: line {line} has nothing in column '{columns.row}'")
    value = _number(path, line, cells, columns.value)
    if not columns.sd:
        return _Score(line, value, 0.0, 1.0)
    sd, n = _number(path, line, cells, columns.sd), _number(path, line, cells, columns.n)
    if sd < 0 or n < 2 or n != round(n):
        raise Refused(f"{path}: line {line} has sd {sd:g} of {n:g} runs, expected sd >= 0 of two runs or more")
    return _Score(line, value, sd, n)


def _number(path: Path, line: int, cells: dict[str, str], column: str) -> float:
    try:
        found = float(cells[column])
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise Refused(f"{path}: line {line} has '{cells[column]}' in column '{column}', expected a finite number")
    return found


def _complete(path: Path, scores: dict[tuple[str, Replicate], _Score], means: bool, drop: bool) -> Results:
    rows = tuple(dict.fromkeys(row for row, _ in scores))
    if len(rows) < 2:
        raise Refused(f"{path} has {len(rows)} {'row' if len(rows) == 1 else 'rows'}, at least 2 are compared")
    replicates = tuple(dict.fromkeys(replicate for _, replicate in scores))
    missing = [(row, one) for one in replicates for row in rows if (row, one) not in scores]
    if missing and not drop:
        names = ", ".join(f"'{row}' on {_named(one)}" for row, one in missing[:SHOWN])
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise Refused(f"{path} has no score of {names}{more}; --drop compares without what is not complete")
    incomplete = {one for _, one in missing}
    kept = tuple(one for one in replicates if one not in incomplete)
    if not kept:
        raise Refused(f"{path}: nothing is left to compare on, no data set or seed has scores of all {len(rows)} rows")
    table = np.array([[scores[row, one] for one in kept] for row in rows], dtype=np.float64)
    dropped = tuple(one for one in replicates if one in incomplete)
    sds, sizes = (table[..., 2], table[..., 3]) if means else (None, None)
    return Results(rows, kept, table[..., 1], sds, sizes, dropped)


def _named(replicate: Replicate) -> str:
    column, seed = replicate
    return f"'{column}', seed {seed}" if seed else f"'{column}'"
