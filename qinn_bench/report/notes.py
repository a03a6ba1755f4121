"""The notes below a study's table: what its columns and marks mean, and what has to be known about its rows."""

from __future__ import annotations

from collections.abc import Sequence

from qinn_bench.report.study_columns import meaning_of
from qinn_bench.report.study_rows import Group, is_truth
from qinn_bench.report.table_parts import BY_MASS, FLAGGED, VERDICTS, Heading, Hint, Line
from qinn_bench.statistics.outlying import Quartiles
from qinn_bench.values import Control, Estimate

CONTROLS: dict[Control, str] = {
    "frozen": "circuits held at their random start, the rest trained",
    "unentangled": "circuits without gates on two wires",
    "fourier": "circuits replaced by bounded trigonometric polynomials with the circuits' frequencies",
    "tanh": "circuits replaced by dense layers of tanh",
    "untrained": "the model as it starts",
}

CHAOS = (
    "Training is chaotic to rounding: on another machine or with other versions of libraries the same seeds give other "
    "digits, and now and then another certificate."
)
AGREE = Hint("Whether two runs agree within their errors says qinn-bench agree.")


def notes_on(
    header: Sequence[Heading], lines: Sequence[Line], groups: Sequence[Group], outgrown: Sequence[Group]
) -> list[str]:
    """All notes on a table, in their order; `outgrown` are the rows with more fitted numbers than parameters."""
    return [
        *_legend(header, lines),
        *_role_notes(groups),
        *_flag_notes(groups),
        *_outgrown_notes(outgrown),
        *_uncontrolled_notes(groups),
        *_doubts(groups),
        *_empty_notes(header, lines),
    ]


def _legend(header: Sequence[Heading], lines: Sequence[Line]) -> list[str]:
    entries = [entry for line in lines for entry in line.entries]
    notes = [
        "Numbers: means over the finished seeds; 6.495(12) means 6.495 ± 0.012, one standard deviation from the "
        "scatter over seeds and from the finite samples; units in brackets.",
        "Columns: " + "; ".join(f"{h.title}: {said}" for h in header if (said := meaning_of(h.name))) + ".",
        CHAOS,
        AGREE,
    ]
    if any(isinstance(entry.content, Quartiles) for entry in entries):
        notes.append(
            "A number with two others in brackets, such as 2.5 [2.1, 7]: median and quartiles over the seeds, where "
            "the largest is ten times the median, so that a mean would be the number of one seed."
        )
    if any(entry.beyond for entry in entries):
        notes.append("> 1e6: one row that is far out, or a few, make the number, which says no more than that.")
        notes.append(Hint("All digits are in --format json and csv."))
    if any(sign in entry.mark for entry in entries for sign in VERDICTS.values()):
        notes.append(
            "Certificate of the likelihood, the worst over the seeds: ✓ passed, ✗ failed (do not believe the number), "
            "? undecided."
        )
    if any(BY_MASS in entry.mark for entry in entries):
        notes.append(
            f"{BY_MASS} beside it: nothing but the measurement says that the density integrates to what it is divided "
            "by; the map is not one-to-one by construction. Its mass is known to 1 %, whatever it is."
        )
    if any(entry.best for entry in entries):
        notes.append(
            "Bold (in plain text a star): the best of the compared models and every one that is not worse than it at "
            "5 %, by a paired test over seeds; of likelihoods only those certified ✓."
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


def _outgrown_notes(groups: Sequence[Group]) -> list[str]:
    """Of the rows that are larger than their parameters say."""
    notes = []
    for group in groups:
        counts = [record.parameters for record in group.ok if record.parameters]
        notes.append(
            f"{group.row} on {group.data}: {max(count.buffers or 0 for count in counts)} fitted numbers in buffers "
            f"beside {counts[0].total} parameters; it is larger than it counts, and never the best."
        )
    return notes


def _uncontrolled_notes(groups: Sequence[Group]) -> list[str]:
    """Of the compared rows with quantum parameters whose circuits no control replaces."""
    owners = {(group.data, group.owner) for group in groups if group.role == "control"}
    uncontrolled = [
        group
        for group in groups
        if group.role == "model"
        and (group.data, group.row) not in owners
        and any(record.parameters and record.parameters.quantum for record in group.records)
    ]
    elsewhere = {owner for _, owner in owners}
    named = [(f"{g.row} on {g.data}" if g.row in elsewhere else g.row, g) for g in uncontrolled]
    without = dict.fromkeys(name for name, g in named if g.records[0].cell.backend == "none")
    not_run = dict.fromkeys(name for name, g in named if g.records[0].cell.backend != "none")
    notes = []
    if not_run:
        notes.append(f"Without controls: {', '.join(not_run)}; what their circuits contribute is not shown.")
        notes.append(Hint("Controls are run where a study says controls = true."))
    if without:
        notes.append(
            f"Without controls: {', '.join(without)}; no control can replace circuits that are no CircuitLayer and "
            "take no backend, so that nothing shows what they contribute."
        )
    return notes


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
        certificates = [
            r.certificate for r in group.ok if r.certificate and r.certificate.verdict == group.verdict != "pass"
        ]
        if certificates:
            reason = next(
                (reason for certificate in certificates for reason in certificate.reasons), "no reason recorded"
            )
            notes.append(
                f"{group.row} on {group.data}: certificate '{group.verdict}' for {len(certificates)} of {group.seeds} "
                f"seeds: {reason}."
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
