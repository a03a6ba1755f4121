"""Runs in asv's format, so that ``asv publish`` shows their history; made anew from the runs at any time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from qinn_bench.files import file_name
from qinn_bench.performance.machine import Machine
from qinn_bench.performance.nightly.run_files import RunRow
from qinn_bench.repository import git
from qinn_bench.values import Knob, Refused
from qinn_bench.writing import write_text

RESULTS_VERSION, MACHINE_VERSION, BENCHMARKS_VERSION = 2, 1, 2
"""Versions of asv's file formats (asv 0.6)."""
COLUMNS = ("result", "params", "version")
SeriesName = tuple[str, str, str]
Grid = dict[str, list[Knob]]


def export(rows: Sequence[RunRow], machines: Mapping[str, Machine], folder: Path, repository: Path) -> list[Path]:
    """Write the rows below `folder`, where asv looks for results; returns the files of commits.

    A workload's quantity is one benchmark of asv, its knobs are the parameters. Of several runs of one commit, machine
    and environment the last counts. Left out are rows of a dirty tree, as no commit stands for them, and what never had
    a value.

    Raises:
        Refused: a commit that the repository does not have, or a machine without a description.
    """
    valued = {_series(row) for row in rows if row.value is not None}
    clean = [row for row in rows if not row.dirty and _series(row) in valued]
    grids = _grids(clean)
    written = []
    for name in sorted({row.machine for row in clean}):
        if name not in machines:
            raise Refused(f"runs of machine '{name}' have no description; there are: {', '.join(sorted(machines))}")
        about = machines[name].model_dump() | {"machine": name, "version": MACHINE_VERSION}
        _write(
            folder / file_name(name) / "machine.json",
            {key: str(v) if key != "version" else v for key, v in about.items()},
        )
    groups: dict[tuple[str, str, str], list[RunRow]] = defaultdict(list)
    for row in sorted(clean, key=lambda row: row.utc):
        groups[row.machine, row.commit, row.environment].append(row)
    for (machine, commit, environment), group in groups.items():
        path = folder / file_name(machine) / f"{commit[:8]}-{file_name(environment)}.json"
        _write(path, _results(group, grids, machine, commit, environment, _date(commit, repository)))
        written.append(path)
    _write(folder / "benchmarks.json", _benchmarks(clean, grids))
    return written


def _series(row: RunRow) -> SeriesName:
    return row.workload, row.quantity, row.clock


def _name(series: SeriesName) -> str:
    workload, quantity, clock = series
    return f"{workload}.{quantity}" + ("" if clock == "none" else f"_{clock}")


def _grids(rows: Sequence[RunRow]) -> dict[SeriesName, Grid]:
    """For each series its knobs and all values that any run has."""
    values_of: dict[SeriesName, dict[str, set[Knob]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        for knob, value in row.knobs.items():
            values_of[_series(row)][knob].add(value)
        values_of[_series(row)].setdefault("", set())
    return {
        series: {knob: sorted(values, key=lambda v: (str(type(v)), v)) for knob, values in sorted(grid.items()) if knob}
        for series, grid in values_of.items()
    }


def _results(
    rows: Sequence[RunRow], grids: Mapping[SeriesName, Grid], machine: str, commit: str, environment: str, date: int
) -> dict[str, Any]:
    values: dict[SeriesName, dict[tuple[Knob, ...], float | None]] = defaultdict(dict)
    versions: dict[SeriesName, str] = {}
    for row in rows:
        series = _series(row)
        values[series][tuple(row.knobs.get(knob, "") for knob in grids[series])] = row.value
        versions[series] = row.version
    results = {}
    for series, at in values.items():
        grid = grids[series]
        points = [at.get(point) for point in product(*grid.values())]
        results[_name(series)] = [points, [list(map(repr, of)) for of in grid.values()], versions[series]]
    return {
        "commit_hash": commit,
        "env_name": environment,
        "date": date,
        "params": {"machine": machine},
        "python": "",
        "requirements": {},
        "env_vars": {},
        "result_columns": list(COLUMNS),
        "results": results,
        "durations": {},
        "version": RESULTS_VERSION,
    }


def _benchmarks(rows: Sequence[RunRow], grids: Mapping[SeriesName, Grid]) -> dict[str, Any]:
    """What asv has to know of each series: its unit, parameters and latest version."""
    latest = {_series(row): row for row in sorted(rows, key=lambda row: row.utc)}
    about: dict[str, Any] = {"version": BENCHMARKS_VERSION}
    for series, row in latest.items():
        about[_name(series)] = {
            "name": _name(series),
            "code": "",
            "param_names": list(grids[series]),
            "params": [list(map(repr, values)) for values in grids[series].values()],
            "type": "time" if row.unit == "s" else "track",
            "unit": "seconds" if row.unit == "s" else row.unit,
            "version": row.version,
        }
    return about


def _date(commit: str, repository: Path) -> int:
    """When a commit was made, in milliseconds since 1970."""
    done = git(repository, "show", "-s", "--format=%ct", commit)
    if done.returncode:
        raise Refused(f"commit {commit[:8]} of a run is not in {repository}; fetch its history")
    return 1000 * int(done.stdout.strip())


def _write(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1, sort_keys=True)
    write_text(path, text)
