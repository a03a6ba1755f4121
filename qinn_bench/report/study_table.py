"""From records to a table: one row a study row, its seeds combined, floors first and ceilings last; without torch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from qinn_bench import catalogue
from qinn_bench.dataset import OF_LIKELIHOODS
from qinn_bench.records.certified import is_likelihood
from qinn_bench.report.best_rows import not_worse
from qinn_bench.report.cells import count, share
from qinn_bench.report.notes import notes_on
from qinn_bench.report.numbers import FAR
from qinn_bench.report.score_floors import BELOW, below_floors, below_notes
from qinn_bench.report.still_falling import FALLING, falling_notes, gains_of, still_falling
from qinn_bench.report.study_columns import (
    COMPUTED,
    COUNTS,
    SECONDS,
    SPENT,
    UNITS,
    default_columns,
    distance_of,
    others,
    title_of,
)
from qinn_bench.report.study_rows import Group, groups_of
from qinn_bench.report.table_parts import BY_MASS, FLAGGED, INDENT, MISSING, VERDICTS, Entry, Heading, Hint, Line
from qinn_bench.report.table_value import Table
from qinn_bench.statistics.outlying import summary
from qinn_bench.values import Estimate, Record, Refused, Status

COSTS = {*COUNTS, *SPENT, *SECONDS}
OPEN: tuple[Status, ...] = ("crashed", "unsupported")
"""Ways to fail that may have any reason; all others say by their name what it was."""


def table(records: Sequence[Record], columns: Sequence[str] | None = None, title: str = "") -> Table:
    """The table of the records of a study, in the order of the study; `title` is the study's own.

    Rows are grouped by data set: floors first with the truth on top, then the compared models, each followed by its
    controls, ceilings last. The numbers of a row are those of its finished seeds, combined; a cell that failed or is
    missing is named below its row. `columns` are names of columns of metrics or of `catalogue.COMPUTED`; without any,
    the table has those of what was measured.

    Raises:
        Refused: no records, two records of one row, data set and seed, or a column that does not exist.
    """
    if not records:
        raise Refused(
            "a table was asked for, but there are no records yet; run the study first, or name its results (--results)"
        )
    groups = groups_of(records)
    asked = tuple(dict.fromkeys(columns or default_columns(records)))
    _check_columns(asked, records)
    kept = [name for name in asked if any(_cell(name, group) is not None for group in groups)]
    owners = {group.row for group in groups}
    outgrown, below = [group for group in groups if _outgrown(group)], below_floors(groups)
    falling = still_falling(groups)
    signs = {BELOW: below, FALLING: falling}
    apart = {(group.data, group.row) for group in outgrown}
    lines = _with_best(
        [_line(group, kept, _marks(group, signs), nested=group.owner in owners) for group in groups],
        groups,
        kept,
        apart,
    )
    header = (Heading("model", "model"), *(_heading(name, i + 1, lines) for i, name in enumerate(kept)))
    studies = ", ".join(dict.fromkeys(record.study for record in records))
    absent = [name for name in asked if name not in kept]
    notes = [*notes_on(header, lines, groups, outgrown), *below_notes(below), *falling_notes(falling)]
    if absent and columns:
        notes.append(f"Left out, as no record has them: {', '.join(absent)}.")
    if not columns and (more := others(records, kept)):
        notes.append(Hint(f"More was measured, to be had with --columns: {', '.join(more)}."))
    return Table(f"Study {studies}: {title}" if title else f"Study {studies}", header, tuple(lines), tuple(notes))


def _check_columns(asked: Sequence[str], records: Sequence[Record]) -> None:
    """That every column is known: computed, measured, or declared by a metric of which nothing was measured."""
    measured = {name for record in records for name in record.metrics}
    for name in asked if measured else ():
        stem = catalogue.stem_of(name)
        absent = catalogue.column_of(name) is None or (stem and any(other.startswith(stem) for other in measured))
        if name not in measured and absent:
            raise Refused(f"no column is called '{name}'; there are: {', '.join(sorted(COMPUTED | measured))}")


def _marks(group: Group, signs: Mapping[str, Container[tuple[str, str]]]) -> str:
    """The signs behind the name of a row: that it is flagged, and those of `signs` whose rows it is one of."""
    own = [sign for sign, rows in signs.items() if (group.data, group.row) in rows]
    return "".join(f" {sign}" for sign in [*own, *[FLAGGED] * bool(group.flags)])


def _line(group: Group, kept: Sequence[str], marks: str, *, nested: bool) -> Line:
    """The row of a group; a control below the row that it belongs to is called by its kind alone."""
    mark = VERDICTS[group.verdict] + BY_MASS * group.rests_on_its_mass if group.verdict else ""
    label = INDENT + group.records[0].cell.control if nested else group.row
    entries = [Entry(label + marks)]
    for name in kept:
        content = _cell(name, group)
        has_value = isinstance(content, Estimate) and content.value is not None
        has_mark = has_value and is_likelihood(name, group.verdict or "")
        most = math.inf if name in COSTS else FAR
        entry = content if isinstance(content, Entry) else Entry(content or MISSING, mark * has_mark, most=most)
        entries.append(entry)
    remarks, flagged = tuple(_remarks(group)), bool(group.flags)
    return Line(group.data, group.row, group.role, group.verdict or "", tuple(entries), remarks, flagged)


def _cell(name: str, group: Group) -> Entry | Estimate | None:
    """What a row says in a column; None if nothing."""
    if name in COUNTS:
        return _count(name, group)
    if name in SPENT:
        return _spent(name, group)
    if name == "mass":
        estimates = [record.certificate.mass for record in group.ok if record.certificate]
    elif name in SECONDS:
        seconds = [record.cost[SECONDS[name]] for record in group.ok if SECONDS[name] in record.cost]
        estimates = [Estimate(value=value, unit="s") for value in seconds]
    elif name == "steps":
        estimates = [Estimate(value=float(record.training.steps)) for record in group.ok if record.training]
    elif name == "gain":
        estimates = gains_of(group)
    else:
        estimates = [record.metrics[name] for record in group.ok if name in record.metrics]
    return summary(estimates) if estimates else None


def count_cell(name: str, group: Group) -> Entry | Estimate | None:
    """What a row says of its size: parameters, the rank of its Jacobian and other counts; None if nothing."""
    return _count(name, group) if name in COUNTS else _spent(name, group)


def _count(name: str, group: Group) -> Entry | None:
    if name == "seeds" and group.skipped:
        return None
    if name == "seeds":
        return share(len(group.ok), group.seeds)
    parameters = next((record.parameters for record in group.records if record.parameters), None)
    if parameters is None:
        return None
    if name == "buffers":
        counted = [r.parameters.buffers for r in group.ok if r.parameters and r.parameters.buffers is not None]
        return count(max(counted)) if counted else None
    known = {
        "parameters": parameters.total,
        "quantum": parameters.quantum,
        "frozen": parameters.frozen,
        "blind": parameters.blind,
        "critic": parameters.critic,
    }
    return None if (amount := known[name]) is None else count(amount)


def _spent(name: str, group: Group) -> Entry | Estimate | None:
    """What a row costs: counts of a step as they are, seconds and memory as the mean over seeds, the largest rank."""
    resources = [record.resources for record in group.ok if record.resources]
    amounts = [value for value in (getattr(spent, SPENT[name]) for spent in resources) if value is not None]
    if not amounts:
        return None
    if name in UNITS:
        return summary([Estimate(value=value, unit=UNITS[name]) for value in amounts])
    return _rank(group) if name == "rank" else Estimate(value=amounts[0]) if name == "flops" else count(amounts[0])


def _rank(group: Group) -> Entry:
    """The largest rank over the seeds, marked where it is a lower bound."""
    ranked = [r.resources for r in group.ok if r.resources and r.resources.rank is not None]
    best = max(ranked, key=lambda spent: spent.rank or 0)
    plain = {"_at_least" if best.rank_is_bound else "": best.rank}
    return Entry(f"{'≥ ' * best.rank_is_bound}{best.rank}", plain=plain)


def _remarks(group: Group) -> list[str]:
    """What went wrong in a row: each way to fail with the number of its seeds, and seeds without a record.

    A status is one way, and the reason of the first seed is told; crashes are as many ways as they have reasons.
    """
    failed = defaultdict[tuple[Status, str], list[str]](list)
    for record in group.records:
        if record.status != "ok":
            failed[record.status, record.reason if record.status in OPEN else ""].append(record.reason)
    remarks = [
        f"{len(reasons)} of {group.seeds} seeds: {status}"
        + (f": {reasons[0]}" if reasons[0] else "")
        + (" in the first" if len(set(reasons)) > 1 else "")
        for (status, _), reasons in failed.items()
    ]
    if group.skipped:
        return [f"skipped: {group.records[0].reason}"]
    if missing := group.seeds - len(group.records):
        remarks.append(f"{missing} of {group.seeds} seeds: not run yet")
    return remarks


def _outgrown(group: Group) -> bool:
    """Whether the models of a row hold more fitted numbers in buffers than they have parameters."""
    counts = [record.parameters for record in group.ok if record.parameters]
    return group.role == "model" and any((count.buffers or 0) > count.total for count in counts)


def _with_best(
    lines: list[Line], groups: Sequence[Group], kept: Sequence[str], apart: Container[tuple[str, str]]
) -> list[Line]:
    """The same rows with the entries of each column marked that are the best or not worse than it, on each data set.

    Only compared models compete, likelihoods only where the certificate says that they may be believed; a flagged row
    never does, nor one that is `apart`, a (data set, row).
    """
    winners = set()
    for i, name in enumerate(kept, start=1):
        distances: dict[str, dict[int, float]] = {}
        for at, line in enumerate(lines):
            distance = distance_of(name, line.entries[i].content)
            believed = (
                not line.flagged
                and (line.data, line.model) not in apart
                and (line.verdict == "pass" or not is_likelihood(name, line.verdict))
            )
            if distance is None or line.role != "model" or not believed or line.entries[i].beyond:
                continue
            distances.setdefault(line.data, {})[at] = distance
        shared = catalogue.row_loss_of(name) in OF_LIKELIHOODS
        for of_data in distances.values():
            winners |= {(at, i) for at in not_worse(name, dict(enumerate(groups)), of_data, shared=shared)}
    return [
        replace(line, entries=tuple(replace(e, best=(at, i) in winners) for i, e in enumerate(line.entries)))
        for at, line in enumerate(lines)
    ]


def _heading(name: str, at: int, lines: Sequence[Line]) -> Heading:
    contents = (line.entries[at].content for line in lines)
    unit = next((content.unit for content in contents if isinstance(content, Estimate) and content.unit), "")
    title = title_of(name)
    return Heading(name, title, "" if unit in title else unit)
