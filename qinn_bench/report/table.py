"""From records to a table: one row a study row, its seeds combined, floors first and ceilings last; without torch."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from qinn_bench.comparing import LIKELIHOODS
from qinn_bench.report.cells import count, share
from qinn_bench.report.columns import COMPUTED, COUNTS, DEFAULT, MEANINGS, SPENT, UNITS, distance_of, title_of
from qinn_bench.report.groups import Group, groups_of, is_truth
from qinn_bench.report.layout import FLAGGED, INDENT, MISSING, VERDICTS, Entry, Heading, Line, Table
from qinn_bench.statistics import combine
from qinn_bench.values import Control, Estimate, Record, Refused

CONTROLS: dict[Control, str] = {
    "frozen": "circuits held at their random start, the rest trained",
    "unentangled": "circuits without gates on two wires",
    "fourier": "circuits replaced by bounded trigonometric polynomials with the circuits' frequencies",
    "tanh": "circuits replaced by dense layers of tanh",
    "untrained": "the model as it starts",
}


def table(records: Sequence[Record], columns: Sequence[str] | None = None) -> Table:
    """The table of the records of a study, in the order of the study.

    Rows are grouped by data set: floors first with the truth on top, then the compared models, each followed by its
    controls, ceilings last. The numbers of a row are those of its finished seeds, combined; a cell that failed or is
    missing is named below its row. `columns` are names of metrics or of: parameters, quantum, frozen, mass, circuits,
    flops, cpu_best_s, memory_mb, rank, train_s, seeds.

    Raises:
        Refused: no records, two records of one row, data set and seed, or a column that does not exist.
    """
    if not records:
        raise Refused("a table was asked for, but there are no records yet; run the study first")
    groups = groups_of(records)
    asked = tuple(dict.fromkeys(columns or DEFAULT))
    _check_columns(asked, records)
    kept = [name for name in asked if any(_cell(name, group) is not None for group in groups)]
    owners = {group.row for group in groups}
    lines = _with_best([_line(group, kept, nested=group.owner in owners) for group in groups], kept)
    header = (Heading("model", "model"), *(_heading(name, i + 1, lines) for i, name in enumerate(kept)))
    studies = ", ".join(dict.fromkeys(record.study for record in records))
    absent = [name for name in asked if name not in kept]
    notes = [
        *_legend(header, lines),
        *_role_notes(groups),
        *_flag_notes(groups),
        *_doubts(groups),
        *_empty_notes(header, lines),
    ]
    if absent:
        notes.append(f"Left out, as no record has them: {', '.join(absent)}.")
    return Table(f"Study {studies}", header, tuple(lines), tuple(notes))


def _check_columns(asked: Sequence[str], records: Sequence[Record]) -> None:
    known = COMPUTED | {name for record in records for name in record.metrics}
    for name in asked:
        if name not in known | set(DEFAULT) and any(record.metrics for record in records):
            raise Refused(f"no column is called '{name}'; there are: {', '.join(sorted(known))}")


def _line(group: Group, kept: Sequence[str], *, nested: bool) -> Line:
    """The row of a group; a control below the row that it belongs to is called by its kind alone."""
    mark = VERDICTS[group.verdict] if group.verdict else ""
    label = INDENT + group.records[0].cell.control if nested else group.row
    entries = [Entry(f"{label} {FLAGGED}" if group.flags else label)]
    for name in kept:
        content = _cell(name, group)
        has_mark = name in LIKELIHOODS and isinstance(content, Estimate) and content.value is not None
        entry = content if isinstance(content, Entry) else Entry(content or MISSING, mark if has_mark else "")
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
        found = [record.certificate.mass for record in group.ok if record.certificate]
    elif name == "train_s":
        seconds = [record.cost["train_wall_s"] for record in group.ok if "train_wall_s" in record.cost]
        found = [Estimate(value=value, unit="s") for value in seconds]
    else:
        found = [record.metrics[name] for record in group.ok if name in record.metrics]
    return combine(found) if found else None


def _count(name: str, group: Group) -> Entry | None:
    if name == "seeds" and group.skipped:
        return None
    if name == "seeds":
        return share(len(group.ok), group.seeds)
    found = [record.parameters for record in group.records if record.parameters]
    if not found:
        return None
    return count({"parameters": found[0].total, "quantum": found[0].quantum, "frozen": found[0].frozen}[name])


def _spent(name: str, group: Group) -> Entry | Estimate | None:
    """What a row costs: counts of a step as they are, seconds and memory as the mean over seeds, the largest rank."""
    resources = [record.resources for record in group.ok if record.resources]
    found = [value for value in (getattr(spent, SPENT[name]) for spent in resources) if value is not None]
    if not found:
        return None
    if name in UNITS:
        return combine([Estimate(value=value, unit=UNITS[name]) for value in found])
    return _rank(group) if name == "rank" else Estimate(value=found[0]) if name == "flops" else count(found[0])


def _rank(group: Group) -> Entry:
    """The largest rank over the seeds, marked where it is a lower bound."""
    ranked = [r.resources for r in group.ok if r.resources and r.resources.rank is not None]
    best = max(ranked, key=lambda spent: spent.rank or 0)
    plain = {"_at_least" if best.rank_is_bound else "": best.rank}
    return Entry(f"{'≥ ' * best.rank_is_bound}{best.rank}", plain=plain)


def _remarks(group: Group) -> list[str]:
    """What went wrong in a row: each way to fail with the number of its seeds, and seeds without a record.

    Reasons that differ in a number only are one way; that of the first seed is told.
    """
    failed = defaultdict[tuple[str, str], list[str]](list)
    for record in group.records:
        if record.status != "ok":
            failed[record.status, re.sub(r"[0-9]+", "#", record.reason)].append(record.reason)
    found = [
        f"{len(reasons)} of {group.seeds} seeds: {status}"
        + (f": {reasons[0]}" if reasons[0] else "")
        + (" in the first" if len(set(reasons)) > 1 else "")
        for (status, _), reasons in failed.items()
    ]
    if group.skipped:
        return [f"skipped: {group.records[0].reason}"]
    if missing := group.seeds - len(group.records):
        found.append(f"{missing} of {group.seeds} seeds: not run yet")
    return found


def _with_best(lines: list[Line], kept: Sequence[str]) -> list[Line]:
    """The same rows with the best entry of each column marked, on each data set, among compared models only.

    A likelihood competes only where the certificate says that it may be believed, and a flagged row never does.
    """
    winners = set()
    for i, name in enumerate(kept, start=1):
        distances: dict[str, dict[int, float]] = {}
        for at, line in enumerate(lines):
            distance = distance_of(name, line.entries[i].content)
            believed = not line.flagged and (name not in LIKELIHOODS or line.verdict == "pass")
            if distance is None or line.role != "model" or not believed:
                continue
            distances.setdefault(line.data, {})[at] = distance
        for found in distances.values():
            winners |= {(at, i) for at, distance in found.items() if distance == min(found.values()) and len(found) > 1}
    return [
        replace(line, entries=tuple(replace(e, best=(at, i) in winners) for i, e in enumerate(line.entries)))
        for at, line in enumerate(lines)
    ]


def _heading(name: str, at: int, lines: Sequence[Line]) -> Heading:
    found = (line.entries[at].content for line in lines)
    unit = next((content.unit for content in found if isinstance(content, Estimate) and content.unit), "")
    title = title_of(name)
    return Heading(name, title, "" if unit in title else unit)


def _legend(header: Sequence[Heading], lines: Sequence[Line]) -> list[str]:
    entries = [entry for line in lines for entry in line.entries]
    notes = [
        "Numbers: means over the finished seeds; 6.495(12) means 6.495 ± 0.012, one standard deviation from the "
        "scatter over seeds and from the finite samples; units in brackets.",
        "Columns: " + "; ".join(f"{h.title}: {MEANINGS[h.name]}" for h in header if h.name in MEANINGS) + ".",
    ]
    if any(entry.mark for entry in entries):
        notes.append(
            "Certificate of the likelihood, the worst over the seeds: ✓ passed, ✗ failed (do not believe the number), "
            "? undecided."
        )
    if any(entry.best for entry in entries):
        notes.append(
            "Bold (in plain text a star): best central value of the compared models, for likelihoods of those "
            "certified ✓; a lead within the errors is none."
        )
    return notes


def _role_notes(groups: Sequence[Group]) -> list[str]:
    floors = dict.fromkeys(group.row for group in groups if group.role == "floor")
    ceilings = dict.fromkeys(group.row for group in groups if group.role == "ceiling")
    notes = [f"Floors, not compared: {', '.join(floors)}."] if floors else []
    if truth := next((group.row for group in groups if is_truth(group)), ""):
        notes[0] += (
            f" The row '{truth}' has other true events in the place of generated ones: its numbers are what a perfect "
            "model would score with samples of this size."
        )
    if controls := dict.fromkeys(group.records[0].cell.control for group in groups if group.role == "control"):
        meanings = "; ".join(f"{control}: {CONTROLS[control]}" for control in controls)
        notes.append(f"Controls of a quantum model, below it, not compared: {meanings}.")
    return notes + (
        [f"Ceilings, not compared: {', '.join(ceilings)}; they know what a model has to learn."] if ceilings else []
    )


def _flag_notes(groups: Sequence[Group]) -> list[str]:
    """What the flags say: of each kind the sentence of the first seed."""
    notes = [
        f"{group.row} on {group.data}, {len(said)} of {group.seeds} seeds: {said[0]}."
        for group in groups
        for said in group.flags.values()
    ]
    return [f"{FLAGGED} too good to be believed, and never the best:", *notes] if notes else []


def _doubts(groups: Sequence[Group]) -> list[str]:
    """Why certificates were not given: the first reason of the first seed that has the verdict of its row."""
    notes = []
    for group in groups:
        found = [r.certificate for r in group.ok if r.certificate and r.certificate.verdict == group.verdict != "pass"]
        if found:
            reason = next((reason for certificate in found for reason in certificate.reasons), "no reason recorded")
            notes.append(
                f"{group.row} on {group.data}: certificate '{group.verdict}' for {len(found)} of {group.seeds} seeds: "
                f"{reason}."
            )
    return notes


def _empty_notes(header: Sequence[Heading], lines: Sequence[Line]) -> list[str]:
    """Why numbers are missing, in whole or for some seeds."""
    return [
        f"{line.model} on {line.data}, {heading.title}: {entry.content.note}."
        for line in lines
        for heading, entry in zip(header, line.entries, strict=True)
        if isinstance(entry.content, Estimate) and entry.content.note
    ]
