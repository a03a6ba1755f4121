"""Whether two runs of a study agree, as a table: one line a row and column, the two means and their difference."""

from __future__ import annotations

from collections.abc import Sequence

from qinn_bench.report.numbers import FAR, bounded
from qinn_bench.report.study_columns import title_of
from qinn_bench.report.table_parts import Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.values import Estimate
from qinn_bench.verdicts.agreement import LEVEL, Agreement, Compared

SHOWN = 8
"""How many of a list of notes are told one by one."""


def agreement_table(study: str, compared: Compared, sides: tuple[str, str]) -> Table:
    """All numbers that were compared, those that disagree named below; `sides` says what the two runs are."""
    header = (
        Heading("row", "row, column"),
        Heading("first", "first"),
        Heading("second", "second"),
        Heading("difference", "difference"),
        Heading("z", "z"),
        Heading("p", "p"),
        Heading("p_corrected", "p (Holm)"),
        Heading("seeds", "seeds"),
        Heading("verdict", "verdict"),
    )
    return Table(f"Two runs of {study}", header, tuple(map(_line, compared.found)), tuple(_notes(compared, sides)))


def _line(one: Agreement) -> Line:
    unit = f" [{one.unit}]" if one.unit else ""
    name = f"{one.row}, {title_of(one.column)}{unit}"
    entries = (
        Entry(name),
        Entry(Estimate(value=one.first, error=one.first_error, unit=one.unit), most=FAR),
        Entry(Estimate(value=one.second, error=one.second_error, unit=one.unit), most=FAR),
        Entry(Estimate(value=one.difference, error=one.error, unit=one.unit), most=FAR),
        Entry(f"{one.z:+.1f}"),
        Entry(f"{one.p:.2g}"),
        Entry(f"{one.p_corrected:.2g}"),
        Entry(f"{one.pairs[0]}" if one.how == "same seeds" else f"{one.pairs[0]}+{one.pairs[1]}"),
        Entry("agrees" if one.agrees else "DISAGREES"),
    )
    return Line(one.data, f"{one.row}, {one.column}", "model", "", entries)


def _notes(compared: Compared, sides: tuple[str, str]) -> list[str]:
    apart = [one for one in compared.found if not one.agrees]
    verdict = "the two runs agree within their errors" if compared.agrees else "the two runs disagree"
    told = "; ".join(f"{one.row}, {title_of(one.column)}: {bounded(one.difference, one.error)}" for one in apart)
    beyond = sum(abs(one.z) > 2 for one in compared.found)
    return [
        f"Verdict: {verdict}: {len(apart)} of {len(compared.found)} numbers disagree"
        + (f" ({told})." if apart else "."),
        f"First: {sides[0]}. Second: {sides[1]}.",
        "First, second: means over the seeds with their errors as tables have them, the finite samples included; "
        "difference: first less second, with its error: from the differences of the same seeds, or from the scatter of "
        "either run where seeds are not the same (seeds: n+m); z: in units of it; p: two-sided, of Student's t with "
        f"the seeds' degrees of freedom, and corrected over all {len(compared.found)} numbers (Holm). A number "
        f"disagrees where that is {LEVEL:g} or less: of runs that differ by rounding alone, {LEVEL:.0%} are called "
        f"different. {beyond} numbers have |z| > 2.",
        "What agrees is not equal: no more is said than that the errors allow it.",
        f"Inputs that differ: {compared.inputs}."
        if compared.inputs
        else "Inputs: nothing that makes the numbers differs.",
        f"Machines: {'; '.join(compared.machines)}."
        if compared.machines
        else "Machines: nothing that is recorded differs.",
        *_listed("Certificates that differ", compared.certificates),
        *_listed("Not compared", compared.left_out),
    ]


def _listed(what: str, told: Sequence[str]) -> list[str]:
    more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return [f"{what}: {'; '.join(told[:SHOWN])}{more}."] if told else []
