"""From records to a table: one row a study row, its seeds combined, floors first and ceilings last; without torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qinn_bench.report.layout import FLAGGED, INDENT, MISSING, VERDICTS, Entry, Heading, Line, Table
from qinn_bench.statistics import combine
from qinn_bench.values import Control, Estimate, Record, Refused, Role, Verdict

DEFAULT = (
    *("parameters", "quantum", "nll", "mass", "mmd", "w1_mean", "w1_m_ll", "sep_mean", "c2st"),
    *("peak_mass", "peak_width", "train_s", "seeds"),
)
DENSITY = frozenset({"nll", "nll_claimed", "bits_per_dim", "kl"})
COUNTS = frozenset({"parameters", "quantum", "frozen", "seeds"})
SPENT = {"circuits": "circuit_evaluations", "flops": "step_flops", "cpu_best_s": "cpu_to_best_s", "rank": "rank"} | {
    "memory_mb": "peak_memory_mb"
}
"""Columns of what a model costs, each with the field of `Resources` that it shows."""
UNITS = {"cpu_best_s": "s", "memory_mb": "MiB"}
COMPUTED = COUNTS | {"mass", "train_s", *SPENT}
TITLES = {
    "parameters": "param.",
    "quantum": "quant.",
    "nll": "NLL",
    "nll_claimed": "claimed NLL",
    "bits_per_dim": "bits/dim",
    "kl": "KL",
    "mass": "mass",
    "mmd": "MMD²",
    "mmd_bw": "MMD² BW",
    "w1_mean": "⟨W₁⟩",
    "swd": "sliced W₁",
    "chi2_mean": "⟨χ²/n⟩",
    "sep_mean": "⟨sep⟩",
    "c2st": "C2ST AUC",
    "peak_mass": "peak M",
    "peak_width": "peak Γ",
    "shorth_center": "shorth centre",
    "shorth_width": "shorth width",
    "peak_mass_shift": "peak ΔM",
    "peak_width_shift": "peak ΔΓ",
    "train_s": "train",
    "frozen": "frozen",
    "circuits": "circuits/step",
    "flops": "flop/step",
    "cpu_best_s": "CPU to best",
    "memory_mb": "memory",
    "rank": "rank",
    "seeds": "seeds",
}
FAMILIES = {"w1_": "W₁ ", "chi2_": "χ²/n ", "sep_": "sep "}
MEANINGS = {
    "parameters": "trained parameters",
    "quantum": "those of them in quantum circuits",
    "nll": "negative log-likelihood of the test rows in physical space, after dividing the density by its mass",
    "nll_claimed": "negative log-likelihood as the model states it, not comparable unless the mass is 1",
    "mass": "integral of the density that the model states",
    "mmd": "squared maximum mean discrepancy, unbiased, so that it may be negative",
    "w1_mean": "mean over observables of the Wasserstein-1 distance, in standard deviations (sd) of the truth",
    "chi2_mean": "mean over observables of chi-squared per degree of freedom",
    "sep_mean": "mean over observables of the separation power of histograms, 0 (equal) to 1 (disjoint)",
    "c2st": "area under the ROC curve of a classifier of true against generated rows, 0.5 if it cannot tell them apart",
    "shorth_center": "centre of the shortest interval with half of the rows of the resonance's observable",
    "shorth_width": "length of that interval",
    "peak_mass": "fitted position of the resonance",
    "peak_width": "fitted width of the resonance",
    "train_s": "wall time of training",
    "frozen": "parameters that are held fixed",
    "circuits": "circuit evaluations of a training step, a circuit and each of its tangents on one row being one",
    "flops": "floating-point operations of a training step",
    "cpu_best_s": "CPU time of training until the kept weights",
    "memory_mb": "most memory that the process held until training ended",
    "rank": "numerical rank of the derivative of latents and log-det by the parameters at some test rows",
    "seeds": "finished cells of those planned",
}
ROLES: dict[Role, int] = {"floor": 0, "model": 1, "control": 1, "ceiling": 2}
CONTROLS: dict[Control, str] = {
    "frozen": "circuits held at their random start, the rest trained",
    "unentangled": "circuits without gates on two wires",
    "fourier": "circuits replaced by bounded trigonometric polynomials with the circuits' frequencies",
    "tanh": "circuits replaced by dense layers of tanh",
    "untrained": "the model as it starts",
}
WORST: tuple[Verdict, ...] = ("fail", "undecided", "pass")


@dataclass(frozen=True)
class _Group:
    """The records of one row on one data set, and how many seeds the rows beside it have."""

    data: str
    row: str
    records: tuple[Record, ...]
    seeds: int

    @property
    def role(self) -> Role:
        return self.records[0].role

    @property
    def owner(self) -> str:
        """The row that a control belongs to."""
        return self.records[0].control_of

    @property
    def ok(self) -> list[Record]:
        return [record for record in self.records if record.status == "ok"]

    @property
    def skipped(self) -> bool:
        """Whether the row was not to be run."""
        return self.records[0].status == "skipped"

    @property
    def flags(self) -> dict[str, list[str]]:
        """The sentences of every kind of flag, one a seed that has it."""
        found: dict[str, list[str]] = {}
        for record in self.ok:
            for flag in record.flags:
                found.setdefault(flag.partition(":")[0], []).append(flag)
        return found

    @property
    def verdict(self) -> Verdict | None:
        """The worst certificate over the seeds; None where no seed has one."""
        found = {record.certificate.verdict for record in self.ok if record.certificate}
        return next((verdict for verdict in WORST if verdict in found), None)


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
    groups = _groups(records)
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


def _groups(records: Sequence[Record]) -> list[_Group]:
    """The rows of the table in their order."""
    names = _data_names(records)
    parts: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        parts.setdefault((names[str(record.cell.data)], record.row), []).append(record)
    seeds = {data: {r.cell.seed for (d, _), part in parts.items() if d == data for r in part} for data, _ in parts}
    for (data, row), part in parts.items():
        seed, count = Counter(record.cell.seed for record in part).most_common(1)[0]
        if count > 1:
            raise Refused(f"row '{row}' on '{data}' has {count} records of seed {seed}; one record a seed was expected")
    groups = [_Group(data, row, tuple(part), len(seeds[data])) for (data, row), part in parts.items()]
    order, rows = list(seeds), list(dict.fromkeys(group.row for group in groups))

    def place(group: _Group) -> tuple[int, int, bool, int, bool]:
        nested = group.owner in rows
        at = rows.index(group.owner if nested else group.row)
        return order.index(group.data), ROLES[group.role], not _is_truth(group), at, nested

    return sorted(groups, key=place)


def _is_truth(group: _Group) -> bool:
    return group.role == "floor" and group.records[0].cell.model.name == "truth"


def _data_names(records: Sequence[Record]) -> dict[str, str]:
    """What each data set is called: by its name alone, or with its knobs where several share the name."""
    uses = {str(record.cell.data): record.cell.data.name for record in records}
    shared = Counter(uses.values())
    return {use: use if shared[name] > 1 else name for use, name in uses.items()}


def _check_columns(asked: Sequence[str], records: Sequence[Record]) -> None:
    known = COMPUTED | {name for record in records for name in record.metrics}
    for name in asked:
        if name not in known | set(DEFAULT) and any(record.metrics for record in records):
            raise Refused(f"no column is called '{name}'; there are: {', '.join(sorted(known))}")


def _line(group: _Group, kept: Sequence[str], *, nested: bool) -> Line:
    """The row of a group; a control below the row that it belongs to is called by its kind alone."""
    mark = VERDICTS[group.verdict] if group.verdict else ""
    label = INDENT + group.records[0].cell.control if nested else group.row
    entries = [Entry(f"{label} {FLAGGED}" if group.flags else label)]
    for name in kept:
        content = _cell(name, group)
        has_mark = name in DENSITY and isinstance(content, Estimate) and content.value is not None
        entries.append(Entry(MISSING if content is None else content, mark if has_mark else ""))
    remarks, flagged = tuple(_remarks(group)), bool(group.flags)
    return Line(group.data, group.row, group.role, group.verdict or "", tuple(entries), remarks, flagged)


def _cell(name: str, group: _Group) -> Estimate | str | None:
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


def _count(name: str, group: _Group) -> str | None:
    if name == "seeds" and group.skipped:
        return None
    if name == "seeds":
        return f"{len(group.ok)}/{group.seeds}"
    found = [record.parameters for record in group.records if record.parameters]
    if not found:
        return None
    return str({"parameters": found[0].total, "quantum": found[0].quantum, "frozen": found[0].frozen}[name])


def _spent(name: str, group: _Group) -> Estimate | str | None:
    """What a row costs: counts of a step as they are, seconds and memory as the mean over seeds, the largest rank."""
    resources = [record.resources for record in group.ok if record.resources]
    found = [value for value in (getattr(spent, SPENT[name]) for spent in resources) if value is not None]
    if not found:
        return None
    if name in UNITS:
        return combine([Estimate(value=value, unit=UNITS[name]) for value in found])
    return _rank(group) if name == "rank" else Estimate(value=found[0]) if name == "flops" else str(found[0])


def _rank(group: _Group) -> str:
    """The largest rank over the seeds, marked where it is a lower bound."""
    ranked = [r.resources for r in group.ok if r.resources and r.resources.rank is not None]
    best = max(ranked, key=lambda spent: spent.rank or 0)
    return f"{'≥ ' * best.rank_is_bound}{best.rank}"


def _remarks(group: _Group) -> list[str]:
    """What went wrong in a row: each way to fail with the number of its seeds, and seeds without a record."""
    failed = Counter((record.status, record.reason) for record in group.records if record.status != "ok")
    found = [
        f"{count} of {group.seeds} seeds: {status}" + (f": {reason}" if reason else "")
        for (status, reason), count in failed.items()
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
            distance = _distance(name, line.entries[i].content)
            believed = not line.flagged and (name not in DENSITY or line.verdict == "pass")
            if distance is None or line.role != "model" or not believed:
                continue
            distances.setdefault(line.data, {})[at] = distance
        for found in distances.values():
            winners |= {(at, i) for at, distance in found.items() if distance == min(found.values()) and len(found) > 1}
    return [
        replace(line, entries=tuple(replace(e, best=(at, i) in winners) for i, e in enumerate(line.entries)))
        for at, line in enumerate(lines)
    ]


def _distance(name: str, content: Estimate | str) -> float | None:
    """How far a number is from the best there could be, up to a constant; None if it does not compete."""
    if isinstance(content, str) or content.value is None or name in COMPUTED:
        return None
    value = content.value
    ways = {"lower": value, "higher": -value, "zero": abs(value), "one": abs(value - 1)}
    return ways.get(content.better)


def _heading(name: str, at: int, lines: Sequence[Line]) -> Heading:
    found = (line.entries[at].content for line in lines)
    unit = next((content.unit for content in found if isinstance(content, Estimate) and content.unit), "")
    title = title_of(name)
    return Heading(name, title, "" if unit in title else unit)


def title_of(name: str) -> str:
    """How a column is titled, such as ``W₁ m_ll`` for ``w1_m_ll``."""
    family = next((prefix for prefix in FAMILIES if name.startswith(prefix)), "")
    return TITLES.get(name) or FAMILIES.get(family, "") + name.removeprefix(family)


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


def _role_notes(groups: Sequence[_Group]) -> list[str]:
    floors = dict.fromkeys(group.row for group in groups if group.role == "floor")
    ceilings = dict.fromkeys(group.row for group in groups if group.role == "ceiling")
    notes = [f"Floors, not compared: {', '.join(floors)}."] if floors else []
    if truth := next((group.row for group in groups if _is_truth(group)), ""):
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


def _flag_notes(groups: Sequence[_Group]) -> list[str]:
    """What the flags say: of each kind the sentence of the first seed."""
    notes = [
        f"{group.row} on {group.data}, {len(said)} of {group.seeds} seeds: {said[0]}."
        for group in groups
        for said in group.flags.values()
    ]
    return [f"{FLAGGED} too good to be believed, and never the best:", *notes] if notes else []


def _doubts(groups: Sequence[_Group]) -> list[str]:
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
