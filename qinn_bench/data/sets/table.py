"""A table of the user's as a data set: a file of numbers, a row an event and a column a feature (CSV, Parquet, npz)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qinn_bench.bounds import EVENTS
from qinn_bench.data.assemble import FEWEST, Shares, assemble
from qinn_bench.data.table_files import FileTable, read_table
from qinn_bench.data.transforms import Affine, Arcsinh, Columnwise, Identity, LogShift
from qinn_bench.dataset import Column, Dataset, Observable, Transform
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Refused

EXAMPLE = Path(__file__).parents[1] / "samples" / "example.csv"
FEATURES = ("standard", "arcsinh")
LEAST = 5
"""Rows that the training, the validation and the test part need each."""
EDGES = (0.001, 0.999)
"""Quantiles of a column between which it is drawn and compared by histogram."""


def load(
    *,
    path: str = "",
    columns: str = "",
    log: str = "",
    features: str = "standard",
    valid: float = 0.125,
    test: float = 0.5,
    max_rows: int = 0,
) -> Dataset:
    """Read a table whose first line names its columns; its rows are shuffled, always alike, and split.

    Args:
        path: a file ending in .csv, .tsv, .parquet or .npz, relative to the study file, or without a study to the
            working folder; an example of 400 rows if empty. An npz file has one array ``(n, dim)``, or one array
            ``(n,)`` for each column.
        columns: the columns to take, in this order, separated by ``;``; all if empty.
        log: those of them of which models see the logarithm; their values have to be positive.
        features: what models see of the other columns, before all are standardised: ``standard``, the values, or
            ``arcsinh`` for long tails, arcsinh((x - median) / interquartile range).
        valid: the share of validation rows.
        test: the share of test rows.
        max_rows: only the first so many rows of the file; 0 takes all.

    Raises:
        Refused: no such file, or no table of numbers; a column that is not there, twice there, constant, or text; a
            value that is no finite number; too few rows; a share or a choice that does not exist.
    """
    where = f"table '{Path(path or EXAMPLE).name}'"
    _check(where, features, valid, test, max_rows)
    table = _chosen(where, read_table(Path(path or EXAMPLE)), columns, max_rows)
    logs, shares = _logs(where, table, log), Shares(1 - valid - test, valid)
    rows = table.rows[numpy_rng("data", "table", len(table.rows)).permutation(len(table.rows))]
    _check_parts(where, shares.split(rows), valid, test)
    names = _names_of_observables(where, table.names)
    return assemble(
        "table",
        {"columns": ";".join(table.names), "log": ";".join(table.names[i] for i in logs), "features": features},
        rows,
        columns=tuple(Column(name, _label(name)) for name in table.names),
        steps=_steps(shares.split(rows)[0], logs, features),
        observables=partial(_observables, names),
        plots=tuple(map(_plot, names, table.names, rows.T)),
        support=partial(_inside, logs),
        provenance={"description": f"the rows of {Path(path or EXAMPLE).name}", "events": len(rows)},
        shares=shares,
    )


def _check(where: str, features: str, valid: float, test: float, max_rows: int) -> None:
    if features not in FEATURES:
        raise Refused(f"{where}: features is '{features}'; there are: {', '.join(FEATURES)}")
    if not (0 < valid < 1 and 0 < test < 1 and valid + test < 1):
        raise Refused(f"{where}: valid is {valid:g} and test {test:g}; two shares were expected, together less than 1")
    if max_rows < 0:
        raise Refused(f"{where}: max_rows is {max_rows}, but 0 (all) or a positive number is expected")


def _chosen(where: str, table: FileTable, columns: str, max_rows: int) -> FileTable:
    """The rows and the columns that were asked for, all of them finite numbers."""
    if doubled := sorted({name for name in table.names if table.names.count(name) > 1}):
        raise Refused(f"{where} has two columns called '{doubled[0]}'; names that differ were expected")
    picks = _named(where, table.names, columns) if columns else tuple(range(len(table.names)))
    for i in picks:
        if table.odd[i]:
            raise Refused(f"{where}: column '{table.names[i]}' {table.odd[i]}; name the columns of numbers (columns=)")
    if not picks:
        raise Refused(f"{where} has no column; one or more were expected")
    rows, names = table.rows[: max_rows or None, list(picks)], tuple(table.names[i] for i in picks)
    if not FEWEST <= len(rows) <= EVENTS:
        raise Refused(f"{where} has {len(rows)} rows; from {FEWEST} to {EVENTS} were expected")
    bad = ~np.isfinite(rows)
    if bad.any():
        at, i = (int(one) for one in np.argwhere(bad)[0])
        raise Refused(
            f"{where}: column '{names[i]}' is {rows[at, i]:g} in {table.place(at)}, the first of {int(bad.sum())} such "
            "values; every value has to be a finite number"
        )
    return FileTable(names, rows, ("",) * len(names), table.place)


def _named(where: str, known: tuple[str, ...], text: str) -> tuple[int, ...]:
    """The places of the columns that a text names."""
    asked = [name.strip() for name in text.split(";") if name.strip()]
    for name in asked:
        if name not in known:
            raise Refused(f"{where} has no column '{name}'; there are: {', '.join(known)}")
    if doubled := sorted({name for name in asked if asked.count(name) > 1}):
        raise Refused(f"{where}: column '{doubled[0]}' is named twice in '{text}'")
    return tuple(known.index(name) for name in asked)


def _logs(where: str, table: FileTable, log: str) -> tuple[int, ...]:
    """The places of the columns whose logarithm was asked for, which is there in every row."""
    logs = _named(where, table.names, log)
    for i in logs:
        values = table.rows[:, i]
        if not (values > 0).all():
            at = int(np.argmin(values > 0))
            raise Refused(
                f"{where}: the logarithm of '{table.names[i]}' was asked for, which is {values[at]:g} in "
                f"{table.place(at)}"
            )
    return logs


def _check_parts(where: str, parts: tuple[Array, Array, Array], valid: float, test: float) -> None:
    train, validation, rest = map(len, parts)
    if min(train, validation, rest) < LEAST:
        raise Refused(
            f"{where}: with valid = {valid:g} and test = {test:g} there are {train} rows to train, {validation} to "
            f"validate and {rest} to test; at least {LEAST} each were expected"
        )


def _steps(train: Array, logs: tuple[int, ...], features: str) -> tuple[Transform, ...]:
    """The maps to features before they are standardised; their parameters are those of the training rows."""
    last = Arcsinh() if features == "arcsinh" else Identity()
    ends = Columnwise(tuple(LogShift() if i in logs else last for i in range(train.shape[1])))
    if features == "standard":
        return (ends,)
    first, centre, third = np.quantile(train, (0.25, 0.5, 0.75), axis=0)
    scales = [Affine(float(at), float(span) or 1.0) for at, span in zip(centre, third - first, strict=True)]
    return Columnwise(tuple(Identity() if i in logs else scale for i, scale in enumerate(scales))), ends


def _names_of_observables(where: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names by which columns of results know the columns: letters, digits and ``_``."""
    plain = tuple("".join(c if c.isalnum() or c == "_" else "_" for c in name).strip("_") or "x" for name in names)
    for i, name in enumerate(plain):
        if name in plain[:i]:
            raise Refused(
                f"{where}: columns '{names[plain.index(name)]}' and '{names[i]}' would both be called '{name}' in "
                "results; names that differ in letters or digits were expected"
            )
    return plain


def _plot(name: str, column: str, values: Array) -> Observable:
    low, high = np.quantile(values, EDGES)
    if not high > low:
        low, high = values.min(), values.max()
    return Observable(name, _label(column), float(low), float(high))


def _label(name: str) -> str:
    """A name as figures show it: a dollar sign would begin mathematics."""
    return name.replace("$", r"\$")


def _observables(names: tuple[str, ...], rows: Array) -> dict[str, Array]:
    return dict(zip(names, rows.T, strict=True))


def _inside(logs: tuple[int, ...], rows: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(rows).all(axis=1) & (rows[:, list(logs)] > 0).all(axis=1))
