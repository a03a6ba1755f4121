"""The table of what diagnostics found of some models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qinn_bench.diagnostics.diagnose import Diagnosis
from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table

HEADER = (
    Heading("model", "model"),
    Heading("part", "part"),
    Heading("found", "found"),
    Heading("reference", "reference"),
    Heading("of", "what the reference is"),
)
NOTES = (
    "0.123(4) means 0.123 ± 0.004, one standard deviation: over pairs of states, sets of parameters or "
    "rows; the error of a Haar floor is the scatter of a single such measurement.",
    "Circuit diagnostics are properties of states and have no classical counterpart; read them beside, not instead of, "
    "what a model learns.",
    "Effective dimension: scores of log p on test rows, parameters near the own start; the rows limit the rank.",
)


def table(diagnoses: Mapping[str, Sequence[Diagnosis]]) -> Table:
    """Findings by model as a table, grouped by quantity."""
    quantities = dict.fromkeys(finding.quantity for findings in diagnoses.values() for finding in findings)
    rows = [
        Line(quantity, name, "model", "", _entries(name, finding))
        for quantity in quantities
        for name, findings in diagnoses.items()
        for finding in findings
        if finding.quantity == quantity
    ]
    return Table("Diagnostics", HEADER, tuple(rows), NOTES)


def _entries(name: str, finding: Diagnosis) -> tuple[Entry, ...]:
    value = Entry(finding.found if finding.found.value is not None else finding.found.note)
    reference = Entry(finding.reference) if finding.reference else Entry(MISSING)
    return Entry(name), Entry(finding.part), value, reference, Entry(finding.of)
