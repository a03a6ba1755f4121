"""The table of a search for anomalies: areas both ways, their mean and the complexity bias, points on the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qinn_bench.records import store
from qinn_bench.report.score_floors import AUC, BELOW, below_floors, below_notes
from qinn_bench.report.study_columns import meaning_of, title_of
from qinn_bench.report.study_rows import ROLES, Group, groups_of
from qinn_bench.report.study_table import count_cell
from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.statistics.estimates import combine
from qinn_bench.values import Estimate, Record, Refused, Use

KNOB = "background"
"""The knob of a data set that says which class is background."""
POINTS = (
    *(f"signal_efficiency_at_{point}" for point in ("10_percent", "1_percent", "1_permille")),
    *(f"background_rejection_at_{point}" for point in ("30_percent", "50_percent")),
    "significance_improvement",
)
BOTH = "both ways"
NOTES = (
    "AUC A | B: area under the ROC curve where A is background and B has to be found, with one standard deviation from "
    "the scatter over seeds and from the finite test rows.",
    "mean: of the areas both ways; 0.5 of a score that tells only how complex a row is.",
    "bias: half of their difference, the complexity bias: how much of the area comes from one class always scoring "
    "higher (arXiv:2104.09051). The test rows of both ways may be the same, so that errors within seeds are added up.",
)


@dataclass(frozen=True)
class BothWays:
    """The groups of one row on a data set with either class as background; one of them where there is no other.

    Example:
        >>> BothWays("qg_jets", "conv_ae", {}).ways
        {}
    """

    data: str
    row: str
    ways: dict[str, Group]


def roc_table(records: Sequence[Record], title: str = "") -> Table:
    """A line a row and data set: parameters, rank, areas both ways with their mean and bias, and points of the curves.

    Two data sets are the two ways of one where they differ in the knob `background` alone. Points are those of either
    way, in lines below the areas. Rows that do not beat the best floor of single numbers are marked.

    Raises:
        Refused: no record has an area under a ROC curve.
    """
    groups = groups_of(records)
    scored = [group for group in groups if any(AUC in record.metrics for record in group.ok)]
    if not scored:
        raise Refused(
            f"none of {len(records)} records has '{AUC}', which is taken of scores of labelled rows; name the metric "
            "in the study, and a data set with labels"
        )
    below, pairs = below_floors(groups), _pairs(scored)
    ways = list(dict.fromkeys(way for pair in pairs for way in pair.ways))
    points = [name for name in POINTS if any(name in record.metrics for group in scored for record in group.ok)]
    both = len(ways) > 1
    header = (
        *(Heading("model", "model"), Heading("parameters", "param."), Heading("rank", "rank")),
        *(Heading("background", "background"),) * bool(any(ways)),
        Heading(AUC, "AUC"),
        *(Heading("mean", "mean"), Heading("bias", "bias")) * both,
        *(Heading(name, title_of(name)) for name in points),
    )
    lines = [line for pair in pairs for line in _lines(pair, points, below, named=bool(any(ways)), both=both)]
    notes = [NOTES[0].replace("AUC A | B", "AUC").replace("where A is background and B has to be found, ", "")]
    notes += [*(NOTES[1:] if both else ()), *below_notes(below)]
    if points:
        notes.append("Points: " + "; ".join(f"{title_of(name)}: {meaning_of(name)}" for name in points) + ".")
    studies = ", ".join(dict.fromkeys(record.study for record in records))
    return Table(f"ROC curves of {studies}{f': {title}' * bool(title)}", header, tuple(lines), tuple(notes))


def _pairs(groups: Sequence[Group]) -> list[BothWays]:
    """Each row on each data set, with the groups of either class as background."""
    uses = {group.data: group.records[0].cell.data for group in groups}
    bare = {data: _without(use) for data, use in uses.items()}
    names = {str(use): str(store.told_apart(use, bare.values())) for use in bare.values()}
    found: dict[tuple[str, str], dict[str, Group]] = {}
    for group in groups:
        way = str(uses[group.data].knobs.get(KNOB, ""))
        found.setdefault((names[str(bare[group.data])], group.row), {})[way] = group
    pairs = [BothWays(data, row, ways) for (data, row), ways in found.items()]
    order = {data: at for at, data in enumerate(dict.fromkeys(pair.data for pair in pairs))}
    return sorted(pairs, key=lambda pair: (order[pair.data], ROLES[next(iter(pair.ways.values())).role]))


def _without(use: Use) -> Use:
    return Use(name=use.name, knobs={knob: value for knob, value in use.knobs.items() if knob != KNOB})


def _lines(
    pair: BothWays, points: Sequence[str], below: dict[tuple[str, str], str], *, named: bool, both: bool
) -> list[Line]:
    """A line for each way of a row; the first one has what belongs to both."""
    lines = []
    for at, (way, group) in enumerate(pair.ways.items()):
        mark = f" {BELOW}" if (group.data, group.row) in below else ""
        size = [_size(name, group) for name in ("parameters", "rank")]
        entries = [Entry(f"{pair.row}{mark}"), *size, *[Entry(way or MISSING)] * named]
        entries.append(_entry([record.metrics.get(AUC) for record in group.ok]))
        if both:
            entries += [_both(pair, 1, at), _both(pair, -1, at)]
        entries += [_entry([record.metrics.get(name) for record in group.ok]) for name in points]
        lines.append(Line(pair.data, pair.row, group.role, "", tuple(entries)))
    return lines


def _size(name: str, group: Group) -> Entry:
    found = count_cell(name, group)
    return found if isinstance(found, Entry) else Entry(found or MISSING)


def _both(pair: BothWays, sign: int, at: int) -> Entry:
    """Half of the sum (or, by the sign, difference) of the areas both ways, over the seeds that have both."""
    if at or len(pair.ways) != 2:
        return Entry("" if at else MISSING)
    first, second = (
        {r.cell.seed: r.metrics[AUC] for r in group.ok if AUC in r.metrics} for group in pair.ways.values()
    )
    halves = [_half(first[seed], second[seed], sign) for seed in sorted(first.keys() & second.keys())]
    return _entry(halves)


def _half(one: Estimate, other: Estimate, sign: int) -> Estimate | None:
    if one.value is None or other.value is None:
        return None
    error = None if one.error is None or other.error is None else (one.error + other.error) / 2
    return Estimate(value=(one.value + sign * other.value) / 2, error=error, n=min(one.n, other.n))


def _entry(estimates: Sequence[Estimate | None]) -> Entry:
    """The seeds of one number, combined."""
    there = [one for one in estimates if one is not None]
    return Entry(combine(there)) if there else Entry(MISSING)
