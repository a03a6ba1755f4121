"""Did quality move? Numbers of pinned seeds against golden ones: the same bits pass, moved ones are put to the test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from qinn_bench.reading import parse, read_toml, read_value
from qinn_bench.records import keys
from qinn_bench.statistics import corrections, paired
from qinn_bench.values import Array, Comparison, Record, Refused, Value
from qinn_bench.writing import write_text

WATCHED = Path("benchmarks/watched/quality.toml")
TOLERANCES = {"float32": 1e-4, "float64": 1e-6}
"""The relative difference up to which a number is the same, by the precision of its training."""
SeriesOutcome = Literal["same", "equal", "better", "worse", "inconclusive"]
Margin = Annotated[float, Field(gt=0)]


class WatchedStudy(Value):
    """What is watched: a study, the first seeds that are enough while nothing moves, and a margin for each metric.

    A margin is the largest change of a metric, in its unit, that counts as none.

    Example:
        >>> WatchedStudy(study="nightly", margins={"nll": 0.05}).first_seeds
        5
    """

    study: str
    first_seeds: Annotated[int, Field(gt=0)] = 5
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    margins: Annotated[dict[str, Margin], Field(min_length=1)]


class Series(Value):
    """The golden numbers of one row, data set and metric: one for each seed from 0 on, None where there was none.

    Example:
        >>> Series(row="qinn", data="moons", metric="nll", values=(1.55, None, 1.56)).values[0]
        1.55
    """

    row: str
    data: str
    metric: str
    values: tuple[float | None, ...]


class Golden(Value):
    """Numbers that were accepted, with the commit and the environment that they are of.

    `inputs` has for each row (`row_of`) the content of all that made its numbers but the seed (`keys.inputs_of`), and
    `measured` for each metric that of the code that took it.

    Example:
        >>> Golden(study="nightly", commit="0a1b2c3", environment="", series=()).schema_version
        1
    """

    schema_version: Literal[1] = 1
    study: str
    commit: str
    environment: str
    series: tuple[Series, ...]
    inputs: dict[str, dict[str, str]] = Field(default_factory=dict)
    measured: dict[str, str] = Field(default_factory=dict)


class SeriesVerdict(Value):
    """What became of one golden series; `comparison` is of the numbers now against then, where they moved.

    Example:
        >>> SeriesVerdict(row="qinn", data="moons", metric="nll", outcome="equal", reason="within the margin",
        ...     seeds=5).outcome
        'equal'
    """

    row: str
    data: str
    metric: str
    outcome: SeriesOutcome
    reason: str
    seeds: int
    comparison: Comparison | None = None


def row_of(row: str, data: str) -> str:
    """A row on a data set, as golden numbers name it."""
    return f"{row} on {data}"


def made_by(record: Record) -> dict[str, str]:
    """The inputs of a record that it shares with all seeds of its row."""
    return {part: content for part, content in record.inputs.items() if part != "cell"}


def load_watch(path: Path) -> WatchedStudy:
    """Read and check a file that says what is watched.

    Raises:
        Refused: no such file, no TOML, or a wrong key.
    """
    return parse(WatchedStudy, read_toml(path, f"there is no file '{path}' that says what is watched"), str(path))


def load_golden(path: Path) -> Golden:
    """Read golden numbers.

    Raises:
        Refused: there are none, or the file is none of this version.
    """
    absent = f"there are no golden numbers '{path}'; accept those of finished records with --accept"
    return read_value(Golden, path, "holds no golden numbers of this version", absent)


def golden_of(watch: WatchedStudy, name: str, records: Sequence[Record], commit: str, environment: str) -> Golden:
    """The numbers of these records as golden ones.

    Raises:
        Refused: a watched metric that no record has, or fewer seeds than a paired test needs.
    """
    series = [
        Series(row=row, data=data, metric=metric, values=_values(of, metric))
        for (row, data), of in _groups(records).items()
        for metric in watch.margins
        if any(_value(record, metric) is not None for record in of.values())
    ]
    if absent := set(watch.margins) - {one.metric for one in series}:
        raise Refused(f"no record of '{name}' has the metric '{absent.pop()}' that is watched")
    if short := [one for one in series if len(one.values) < paired.LEAST]:
        raise Refused(f"'{short[0].row}' has {len(short[0].values)} seeds; golden numbers need {paired.LEAST} or more")
    return Golden(
        study=name,
        commit=commit,
        environment=environment,
        series=tuple(series),
        inputs={row_of(record.row, str(record.cell.data)): made_by(record) for record in records},
        measured={metric: records[-1].measured.get(metric, "") for metric in watch.margins},
    )


def save_golden(path: Path, golden: Golden) -> None:
    """Make these the golden numbers."""
    text = golden.model_dump_json(indent=1) + "\n"
    write_text(path, text)


def check(golden: Golden, watch: WatchedStudy, records: Sequence[Record]) -> list[SeriesVerdict]:
    """What became of every golden series, in its order.

    * ``same``: at all seeds that were run, at least the first ones, the number is the golden one within `TOLERANCES`;
      the seeds are pinned, so that no statistics are needed.
    * Otherwise it moved, and all golden seeds have to be run: by paired tests over them, corrected over all
      moved series (Holm 1979), it is ``worse``, ``better``, or ``equal`` within the margin.
    * ``inconclusive``: none of these, or not all seeds were run; it is no pass.

    A seed that had a number and has none now is never a pass: such a series is worse or inconclusive.
    """
    groups = _groups(records)
    verdicts = [_first_tier(one, watch, groups.get((one.row, one.data), {})) for one in golden.series]
    moved = [k for k, one in enumerate(verdicts) if one.comparison and one.comparison.p_worse is not None]
    for side in ("p_better", "p_worse", "p_equal"):
        corrected = corrections.holm([_p(verdicts[k], side) for k in moved])
        for k, p in zip(moved, corrected, strict=True):
            comparison = verdicts[k].comparison
            assert comparison is not None
            verdicts[k] = verdicts[k].model_copy(update={"comparison": comparison.model_copy(update={side: p})})
    return [_explained(_ruled(one, watch.level), golden, groups) for one in verdicts]


def _explained(
    one: SeriesVerdict, golden: Golden, groups: Mapping[tuple[str, str], Mapping[int, Record]]
) -> SeriesVerdict:
    """A finding that is not "same", with the inputs that are others than those of the golden numbers."""
    then = golden.inputs.get(row_of(one.row, one.data))
    now = next(iter(groups.get((one.row, one.data), {}).values()), None)
    if one.outcome == "same" or then is None or now is None:
        return one
    measure = keys.difference(one.metric, golden.measured.get(one.metric, ""), now.measured.get(one.metric, ""))
    told = keys.differences(then, made_by(now)) + [f"the measure {one.metric} {measure}"] * bool(measure)
    return one.model_copy(update={"reason": "; ".join([one.reason, *told])}) if told else one


def _p(one: SeriesVerdict, side: str) -> float:
    p = getattr(one.comparison, side)
    return 1.0 if p is None else float(p)


def _groups(records: Sequence[Record]) -> dict[tuple[str, str], dict[int, Record]]:
    groups: dict[tuple[str, str], dict[int, Record]] = defaultdict(dict)
    for record in (r for r in records if r.cell.varies == "all"):
        groups[record.row, str(record.cell.data)][record.cell.seed] = record
    return groups


def _values(records: Mapping[int, Record], metric: str) -> tuple[float | None, ...]:
    return tuple(_value(records.get(seed), metric) for seed in range(max(records, default=-1) + 1))


def _value(record: Record | None, metric: str) -> float | None:
    estimate = record.metrics.get(metric) if record and record.status == "ok" else None
    return estimate.value if estimate else None


def _first_tier(one: Series, watch: WatchedStudy, records: Mapping[int, Record]) -> SeriesVerdict:
    """The same, or moved and, if all seeds are there, compared."""

    def finding(outcome: SeriesOutcome, reason: str, comparison: Comparison | None = None) -> SeriesVerdict:
        return SeriesVerdict(
            row=one.row,
            data=one.data,
            metric=one.metric,
            outcome=outcome,
            reason=reason,
            seeds=len(records),
            comparison=comparison,
        )

    if one.metric not in watch.margins:
        return finding("inconclusive", "this metric is watched no more; accept the numbers anew")
    asked = range(min(watch.first_seeds, len(one.values)))
    if missing := [seed for seed in asked if seed not in records]:
        return finding("inconclusive", f"seeds {_list(missing)} were not run")
    known = {seed: record for seed, record in sorted(records.items()) if seed < len(one.values)}
    moved = [seed for seed, record in known.items() if not _same(one.values[seed], record, one.metric)]
    if not moved:
        return finding("same", "")
    if missing := [seed for seed in range(len(one.values)) if seed not in records]:
        return finding("inconclusive", f"moved at seeds {_list(moved)}; to judge it, run seeds {_list(missing)} too")
    lost = [seed for seed in moved if one.values[seed] is not None and _value(known[seed], one.metric) is None]
    better = next((r.metrics[one.metric].better for r in known.values() if one.metric in r.metrics), None)
    if better is None:
        return finding("worse", "no seed has a number any more")
    now, then = (_array(of) for of in (_values(known, one.metric), one.values))
    comparison = paired.compare(
        now, then, better=better, rng=np.random.default_rng(0), margin=watch.margins[one.metric], level=watch.level
    )
    if lost:
        comparison = comparison.model_copy(update={"p_equal": None, "p_better": None})
    without = f", without a number at seeds {_list(lost)}" if lost else ""
    return finding("inconclusive", f"moved at seeds {_list(moved)}{without}", comparison)


def _same(then: float | None, record: Record, metric: str) -> bool:
    now = _value(record, metric)
    if then is None or now is None:
        return then is now
    return abs(now - then) <= TOLERANCES[record.cell.budget.precision] * max(abs(then), abs(now))


def _array(values: Sequence[float | None]) -> Array:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _ruled(one: SeriesVerdict, level: float) -> SeriesVerdict:
    if one.comparison is None:
        return one
    c = one.comparison
    if c.p_worse is None:
        return one.model_copy(update={"reason": f"{one.reason}; {c.reason}"})
    outcome, why = paired.ruling(c.p_better, c.p_worse, c.p_equal, level, subject="it")
    ruled: SeriesOutcome = "inconclusive" if outcome == "undecided" else outcome
    return one.model_copy(update={"outcome": ruled, "reason": f"{one.reason}; {why}"})


def _list(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
