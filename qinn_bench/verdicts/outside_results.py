"""Anybody's table of results, read from CSV in long format: one line a run, or one line with mean, sd and n a cell."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qinn_bench.files import short
from qinn_bench.values import Array, Refused
from qinn_bench.verdicts.outside_lines import Cells, lines_of

SHOWN = 3
"""How many missing scores, and how many rows that cost scores, are named."""
LARGEST = 1e100
"""The largest score, margin or standard deviation, so that its square is still a double; what is smaller than one over
it counts as zero."""
MOST_RUNS = 1e15
PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
HOLES = frozenset({"", "nan", "na", "n/a", "#n/a", "none", "null", "-", "–", "—", "?"})
"""What stands in a cell without a score, in lower case."""
Replicate = tuple[str, str]


class Columns(NamedTuple):
    """The names of a file's columns: what is compared, on what (empty: one data set), and its scores.

    With `sd` and `n` the value is a mean over n runs of that standard deviation; with `seed` there is a line a run,
    with `trial` a line a trial of a search for the best settings (`outside_trials`).

    Example:
        >>> Columns(row="model", value="auc", column="data", seed="seed")
        Columns(row='model', value='auc', column='data', seed='seed', sd='', n='', trial='')
    """

    row: str
    value: str
    column: str = ""
    seed: str = ""
    sd: str = ""
    n: str = ""
    trial: str = ""


class Results(NamedTuple):
    """Scores of rows on replicates, complete: ``(n_rows, n_replicates)`` each.

    A replicate is a (column, seed), seed empty where there is none. `sds` and `sizes` (standard deviation and number of
    the runs of a score) are None where scores are runs themselves. `dropped` are the replicates left out because a
    row has no score there; `costs` says of rows how many more replicates were complete without that row alone, the most
    first.

    Example:
        >>> results = Results(("a", "b"), (("x", "0"), ("x", "1"), ("y", "0")), np.array([[1.0, 2, 3], [4, 5, 6]]))
        >>> results.columns, [block.tolist() for block in results.by_column()]
        (('x', 'y'), [[[1.0, 2.0], [4.0, 5.0]], [[3.0], [6.0]]])
    """

    rows: tuple[str, ...]
    replicates: tuple[Replicate, ...]
    scores: Array
    sds: Array | None = None
    sizes: Array | None = None
    dropped: tuple[Replicate, ...] = ()
    costs: tuple[tuple[str, int], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The data sets, in the order of the file."""
        return tuple(dict.fromkeys(column for column, _ in self.replicates))

    def by_column(self) -> list[Array]:
        """The scores ``(n_rows, n_seeds)`` on each data set."""
        places: dict[str, list[int]] = {}
        for at, (column, _) in enumerate(self.replicates):
            places.setdefault(column, []).append(at)
        return [self.scores[:, own] for own in places.values()]


class Score(NamedTuple):
    """A line of the file; the value is not finite where the line has none.

    Example:
        >>> Score(line=2, value=0.9, sd=0.01, n=5.0).value
        0.9
    """

    line: int
    value: float
    sd: float
    n: float


Scores = dict[tuple[str, Replicate], Score]


def read(path: Path, columns: Columns, drop: bool = False, rows: Sequence[str] = ()) -> Results:
    """Read a table; every row needs a score on every replicate, or with `drop` such replicates are left out.

    The fields are separated by commas, semicolons or tabs, whichever gives the header the columns that are named. A
    cell that is empty or says ``nan``, ``NA`` and the like is a hole, as a line that is not there. Of the rows only the
    named ones are read, in that order, if any are.

    Raises:
        Refused: no such file, a column that is not there or there twice, a score that is no plain finite number, two
            scores of one row on one replicate, a missing score, a row that is not there, or fewer than two rows.
    """
    check_roles(columns)
    return read_cells(lines_of(path, columns), path, columns, drop, rows)


def read_cells(
    lines: Iterable[tuple[int, Cells]], path: Path | str, columns: Columns, drop: bool = False, rows: Sequence[str] = ()
) -> Results:
    """The same from lines that are read already, each with its number and the text of the wanted cells by column.

    `path` is what the table is called where something is wrong with it.

    Raises:
        Refused: as for `read`.
    """
    scores: Scores = {}
    for number, cells in lines:
        row, replicate = cells[columns.row], (cells.get(columns.column, "all"), cells.get(columns.seed, ""))
        score = score_of(path, number, cells, columns)
        if earlier := scores.get((row, replicate)):
            hint = "" if columns.seed or columns.sd else "; name the column that tells its runs apart with --seed"
            where = f"'{row}' on {_named(replicate)}"
            raise Refused(f"{path}: lines {earlier.line} and {number} both hold the score of {where}{hint}")
        scores[row, replicate] = score
    return _complete(
        path, scores, chosen(path, list(dict.fromkeys(row for row, _ in scores)), rows), bool(columns.sd), drop
    )


def plain_number(text: str) -> float | None:
    """A number as people write it, at most `LARGEST` in size; None for anything else, such as ``0_8`` or ``inf``."""
    number = float(text) if PLAIN.fullmatch(text) else math.nan
    return (number if abs(number) * LARGEST >= 1 else 0.0) if abs(number) <= LARGEST else None


def check_roles(columns: Columns) -> None:
    """Let columns pass that go together.

    Raises:
        Refused: seeds and standard deviations, one of `sd` and `n` without the other, or one column named twice.
    """
    if columns.seed and columns.sd:
        raise Refused("name a column of seeds (one line a run) or of standard deviations (one line a mean), not both")
    if columns.trial and (columns.seed or columns.sd):
        raise Refused("name a column of trials (--trial), or of seeds or standard deviations, not both")
    if bool(columns.sd) != bool(columns.n):
        raise Refused("means need both columns, that of their standard deviations (--sd) and of their runs (--n)")
    named = Counter(name for name in columns if name)
    for name in (name for name, times in named.items() if times > 1):
        options = [f"--{role}" for role, used in columns._asdict().items() if used == name]
        raise Refused(f"column '{name}' is named for {' and '.join(options)}; each needs a column of its own")


def score_of(path: Path | str, line: int, cells: Cells, columns: Columns) -> Score:
    """The score of a line.

    Raises:
        Refused: a cell that has to say something is empty, or a number is none.
    """
    for role, name in (
        ("row", columns.row),
        ("column", columns.column),
        ("seed", columns.seed),
        ("trial", columns.trial),
    ):
        if name and not cells[name]:
            raise Refused(f"{path}: line {line} has nothing in column '{name}' (--{role})")
    value = _number(path, line, cells, columns.value)
    if not columns.sd:
        return Score(line, value, 0.0, 1.0)
    sd, n = _number(path, line, cells, columns.sd), _number(path, line, cells, columns.n)
    if not all(map(math.isfinite, (value, sd, n))):
        return Score(line, math.nan, 0.0, 1.0)
    if sd < 0 or not 2 <= n <= MOST_RUNS or n != round(n):
        raise Refused(f"{path}: line {line} has sd {sd:g} of {n:g} runs, expected sd >= 0 of two runs or more")
    return Score(line, value, sd, n)


def _number(path: Path | str, line: int, cells: dict[str, str], column: str) -> float:
    """The number in a cell, not a number where the cell is a hole."""
    text = cells[column]
    if text.lower() in HOLES:
        return math.nan
    number = plain_number(text)
    if number is None:
        given = text if len(text) <= 40 else f"{text[:40]}…"
        expected = f"expected a plain number of at most {LARGEST:g} in size"
        comma = ", with a point for the decimals" if "," in text else ""
        raise Refused(f"{path}: line {line} has '{given}' in column '{column}', {expected}{comma}")
    return number


def chosen(path: Path | str, known: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """The rows to compare: those asked for, or all."""
    for name in asked:
        if name not in known:
            near = get_close_matches(name, known, n=SHOWN, cutoff=0.3) or known[:SHOWN]
            raise Refused(f"{path} has no row '{name}'; of its {len(known)} rows the nearest are: {', '.join(near)}")
    rows = tuple(dict.fromkeys(asked)) if asked else tuple(known)
    if len(rows) < 2:
        raise Refused(f"{path} has {len(rows)} {'row' if len(rows) == 1 else 'rows'}, at least 2 are compared")
    return rows


def _complete(path: Path | str, scores: Scores, rows: tuple[str, ...], means: bool, drop: bool) -> Results:
    replicates = tuple(dict.fromkeys(replicate for row, replicate in scores if row in set(rows)))
    nothing = Score(0, math.nan, math.nan, math.nan)
    table = np.array([[scores.get((row, one), nothing) for one in replicates] for row in rows], dtype=np.float64)
    hole = np.isnan(table[..., 1])
    kept = np.logical_not(hole.any(0))
    costs = _costs(rows, hole)
    if not kept.all() and not drop:
        raise Refused(_holes(path, rows, replicates, hole, scores, costs))
    if not kept.any():
        nothing_left = f"{path}: nothing is left to compare on, no data set or seed has scores of all {len(rows)} rows"
        raise Refused(nothing_left + (f"; {said_costs(costs)}" if costs else "; name fewer rows with --rows"))
    scored, dropped = (
        tuple(one for one, there in zip(replicates, which, strict=True) if there)
        for which in (kept, np.logical_not(kept))
    )
    table = table[:, kept]
    sds, sizes = (table[..., 2], table[..., 3]) if means else (None, None)
    return Results(rows, scored, table[..., 1], sds, sizes, dropped, costs)


def _costs(rows: Sequence[str], hole: Array) -> tuple[tuple[str, int], ...]:
    """How many more replicates are complete without each row that alone has no score there, the most first."""
    alone = (hole & (hole.sum(0) == 1)).sum(1)
    lost_by_row = [(row, int(lost)) for row, lost in zip(rows, alone, strict=True) if lost]
    return tuple(sorted(lost_by_row, key=lambda item: -item[1])) if len(rows) > 2 else ()


def said_costs(costs: Sequence[tuple[str, int]]) -> str:
    """Which rows cost how many data sets or seeds, in words."""
    named = [f"{lost} more without '{row}'" for row, lost in costs[:SHOWN]]
    return f"complete are {', '.join(named)} (--rows)"


def _holes(
    path: Path | str,
    rows: Sequence[str],
    replicates: Sequence[Replicate],
    hole: Array,
    scores: Scores,
    costs: Sequence[tuple[str, int]],
) -> str:
    """The refusal of a table with holes: where the first ones are, and what would be left."""
    at = [(rows[i], replicates[j]) for j, i in np.argwhere(hole.T)]
    lines = [scores[one].line if one in scores else 0 for one in at]
    named = [
        f"'{row}' on {_named(replicate)}" + (f" (line {line})" if line else "")
        for (row, replicate), line in list(zip(at, lines, strict=True))[:SHOWN]
    ]
    more = f" and {len(at) - SHOWN} more" if len(at) > SHOWN else ""
    left = int((~hole.any(0)).sum())
    what = f"--drop compares on the {left} of {len(replicates)} data sets or seeds that are complete"
    return f"{path} has no score of {', '.join(map(short, named))}{more}; {what}" + (
        f"; {said_costs(costs)}" if costs else ""
    )


def _named(replicate: Replicate) -> str:
    column, seed = replicate
    return f"'{column}', seed {seed}" if seed else f"'{column}'"
