"""What is kept of a night and read from the nights before: rows of a run, the last green commit, turns, and trends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from math import exp

from qinn_bench.performance.gate.decide import Decision, GateOutcome
from qinn_bench.performance.nightly.findings import Tier
from qinn_bench.performance.nightly.night import CODES, EVERY, Night, Tonight
from qinn_bench.performance.nightly.run_files import RowStatus, RunRow
from qinn_bench.performance.nightly.trends import Trend
from qinn_bench.performance.workloads import WORKLOADS
from qinn_bench.values import Knob, Use

STEP, EXIT = "step", "exit code"
NIGHTLY, QUALITY = "nightly", "quality"
"""Names of the workloads that hold the verdict of a run and the numbers of the quality tier."""
KEPT = 60
"""So many nights a trend shows."""
ENDED: dict[GateOutcome, RowStatus] = {
    "unsupported": "unsupported",
    "inconclusive": "inconclusive",
    "error": "crashed",
    "missing": "crashed",
    "skipped": "timeout",
}
"""How a row ends by its outcome, where that is not ``ok``."""
FIRST: tuple[tuple[str, dict[str, Knob]], ...] = (
    ("engine", {"backend": "native"}),
    ("model", {"what": "step"}),
    ("start", {}),
    ("engine", {}),
    ("model", {"what": "log_prob"}),
    ("model", {"what": "sample"}),
    ("engine_batch", {}),
    ("engine_depth", {}),
    ("tabled", {}),
    ("plan", {}),
)
"""The workloads that matter most come first; those that are not named here come last."""


def rows(night: Night) -> list[RunRow]:
    """All that a run keeps: its verdict, the times of workloads, their counters, and the numbers of quality."""
    tonight = night.tonight
    return [
        _row(tonight, NIGHTLY, _chosen(tonight), EXIT, "", value=float(CODES[night.verdict]), reason=night.reason),
        *(_timed(tonight, tier, one) for tier, report in night.gates.items() for one in report.decisions),
        *_counters(night),
        *_numbers(night),
    ]


def _row(tonight: Tonight, workload: str, knobs: dict[str, Knob], quantity: str, unit: str, **others: object) -> RunRow:
    kind = WORKLOADS.get(workload)
    plain = {
        "run": tonight.run,
        "utc": tonight.utc,
        "commit": tonight.commit,
        "dirty": tonight.dirty,
        "machine": tonight.machine,
        "environment": tonight.environment,
        "workload": workload,
        "version": kind.version if kind else "",
        "knobs": knobs,
        "quantity": quantity,
        "unit": unit,
        "clock": "none",
        "load": tonight.conditions.load,
    }
    return RunRow.model_validate(plain | others)


def _timed(tonight: Tonight, tier: Tier, one: Decision) -> RunRow:
    plain = one.outcome == "unchanged"
    return _row(
        tonight,
        one.workload.name,
        one.workload.knobs,
        STEP,
        "s",
        clock=one.clock,
        anchor=tonight.anchor if tier == "anchor" else tonight.green,
        value=one.seconds[1] if one.seconds else None,
        ratio=None if one.change is None else 1 + one.change,
        launches=tuple(exp(change) for change in one.last),
        status=ENDED.get(one.outcome, "ok"),
        reason=one.reason if plain or one.outcome in ENDED else ": ".join(filter(None, (one.outcome, one.reason))),
        load=one.load,
    )


def _counters(night: Night) -> Iterator[RunRow]:
    for one in night.counted:
        for counter, count in one.counters.items():
            unit = "bytes" if "bytes" in counter else "count"
            yield _row(night.tonight, one.workload.name, one.workload.knobs, counter, unit, value=float(count))
        if one.reason:
            ended: RowStatus = "timeout" if one.late else "unsupported"
            yield _row(
                night.tonight, one.workload.name, one.workload.knobs, "counters", "", status=ended, reason=one.reason
            )


def _numbers(night: Night) -> Iterator[RunRow]:
    watched = {one.metric for one in night.quality}
    for record in night.records:
        knobs: dict[str, Knob] = {"row": record.row, "data": str(record.cell.data)}
        for metric in sorted(watched & set(record.metrics)):
            estimate = record.metrics[metric]
            yield _row(
                night.tonight, QUALITY, knobs, metric, estimate.unit, value=estimate.value, seed=record.cell.seed
            )


def _chosen(tonight: Tonight) -> dict[str, Knob]:
    return {} if tonight.workloads == EVERY else {"workloads": tonight.workloads}


def last_green(before: Sequence[RunRow], known: Callable[[str], bool]) -> str:
    """The commit of the newest run that later ones are compared with, if it is `known`; empty if there is none.

    It ended with 0, was of a clean tree and of all workloads, and left none out for lack of time: what it did not
    measure may have got worse.
    """
    short = {row.run for row in before if row.status == "timeout"}
    green = [row for row in before if (row.workload, row.quantity, row.value) == (NIGHTLY, EXIT, 0.0)]
    whole = [row for row in green if not (row.dirty or row.knobs or row.run in short)]
    commits = (row.commit for row in sorted(whole, key=lambda row: row.utc, reverse=True))
    return next((commit for commit in commits if known(commit)), "")


def in_turns(uses: Sequence[Use], before: Sequence[RunRow], quantity: str = STEP) -> list[Use]:
    """The workloads in the order in which they are measured: the most important first, then the longest unmeasured."""
    measured: dict[str, str] = {}
    for row in before:
        if row.value is not None and (row.quantity == quantity):
            name = str(Use(name=row.workload, knobs=row.knobs))
            measured[name] = max(measured.get(name, ""), row.utc)
    return sorted(uses, key=lambda use: (_rank(use), measured.get(str(use), "")))


def _rank(use: Use) -> int:
    fits = (at for at, (name, knobs) in enumerate(FIRST) if name == use.name and knobs.items() <= use.knobs.items())
    return next(fits, len(FIRST))


def trends(before: Sequence[RunRow], tonight: Tonight) -> dict[str, Trend]:
    """The ratio to tonight's anchor of each workload over the nights on this machine, by ``str(workload)``."""
    ratios: dict[str, dict[str, float]] = defaultdict(dict)
    for row in sorted(before, key=lambda row: row.utc):
        same = (row.machine, row.anchor, row.quantity) == (tonight.machine, tonight.anchor, STEP)
        if same and tonight.anchor and row.ratio is not None:
            ratios[str(Use(name=row.workload, knobs=row.knobs))][row.utc] = row.ratio
    return {name: tuple(of.items())[-KEPT:] for name, of in ratios.items()}


def numbers(before: Sequence[RunRow], tonight: Tonight) -> dict[str, Trend]:
    """The numbers of quality over the nights on this machine, of the first seed of each series.

    Nights that found something train more seeds than others; a mean over them would move for that alone.
    """
    values: dict[str, dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in sorted(before, key=lambda row: row.utc):
        if row.workload == QUALITY and row.machine == tonight.machine and row.value is not None:
            name = f"{row.knobs.get('row', '')} on {row.knobs.get('data', '')}, {row.quantity}"
            values[name][row.seed or 0][row.utc] = row.value
    return {f"{name}, seed {min(of)}": tuple(of[min(of)].items())[-KEPT:] for name, of in values.items()}
