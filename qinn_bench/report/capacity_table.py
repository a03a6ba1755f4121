"""The table of a capacity study: each family with its power law, and how much larger the classical ones have to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scipy.stats import chi2

from qinn_bench.capacity import curves
from qinn_bench.capacity.equivalence import Equivalence, SizeRatio
from qinn_bench.capacity.families import Curve
from qinn_bench.report.cells import count, ranged
from qinn_bench.report.study_columns import title_of
from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.values import Estimate, Role

WORST_FIT = 0.05
"""Chance of a misfit at least so large below which the parameters of a fit are not shown."""
Rivals = Sequence[tuple[str, Mapping[tuple[str, str], Equivalence]]]
BY_SIZE = "by size"
FITTED = 7
"""Columns between the name of a family and its ratios."""
AXIS_TITLES = {
    "parameters": "parameters",
    "flops": "operations of a step",
    "circuits": "circuits of a step",
    "cpu_best_s": "CPU seconds of training",
    "rank": "effective parameters",
}


def capacity_table(
    data: str,
    families: Sequence[Curve],
    ratios: Sequence[Equivalence],
    metric: str,
    axis: str,
    unit: str,
    budget: str = "",
) -> Table:
    """A line a family; the last columns hold its equivalence ratio to each classical family with the 95 % interval.

    `budget` says in words what all rows were trained with, such as "2000 steps"; limits hold for that alone.
    """
    limit = f"{title_of(metric)} at infinite size" + (f", {budget}" if budget else "")
    rivals = list(dict.fromkeys(ratio_of.classical for ratio_of in ratios))
    header = (
        Heading("family", "family"),
        Heading("sizes", "sizes"),
        Heading("range", "from - to"),
        Heading("first", f"{title_of(metric)} at first", unit),
        Heading("last", "at last", unit),
        Heading("exponent", "b"),
        Heading("floor", limit, unit),
        Heading("chi2", "χ²/n"),
        *(Heading(f"rho_{name}", f"ρ {name}") for name in rivals),
    )
    ratio_of = {(one.quantum, one.classical): one for one in ratios}
    ordered = sorted(families, key=lambda curve: (not curve.quantum, bool(curve.control_of)))
    lines = [
        line
        for curve in ordered
        if not curve.control_of
        for line in _with_controls(data, curve, families, [(name, ratio_of) for name in rivals])
    ]
    left_out = [f"Left out of {curve.family}: {'; '.join(curve.remarks)}." for curve in ordered if curve.remarks]
    title = f"Capacity: {title_of(metric)} against {AXIS_TITLES[axis]}"
    return Table(title, header, tuple(lines), (*_notes(metric, axis, limit), *left_out))


def _with_controls(data: str, curve: Curve, families: Sequence[Curve], rivals: Rivals) -> list[Line]:
    own = [other for other in families if other.control_of == curve.family]
    return [line for one in (curve, *own) for line in (_line(data, one, rivals), *_at_sizes(data, one, rivals))]


def _line(data: str, curve: Curve, rivals: Rivals) -> Line:
    role: Role = "control" if curve.control_of else "model"
    label = f"  {curve.control}" if curve.control_of else curve.family
    ratios = [_ratio(ratio_of.get((curve.family, name))) for name, ratio_of in rivals]
    entries = [Entry(label), *_fit(curve), *ratios]
    return Line(data, label, role, "", tuple(entries))


def _at_sizes(data: str, curve: Curve, rivals: Rivals) -> list[Line]:
    """A line for each size of a family at which something is known of a ratio."""
    role: Role = "control" if curve.control_of else "model"
    here = [ratio_of.get((curve.family, name)) for name, ratio_of in rivals]
    of_size = [{} if one is None else {at.size: at for at in one.per_size} for one in here]
    lines = []
    for size in curve.sizes:
        entries = [_at_size(found.get(size)) for found in of_size]
        if any(entry.content != MISSING for entry in entries):
            label = f"  at {size:g}"
            lines.append(Line(data, label, role, "", (Entry(label), *[Entry(MISSING)] * FITTED, *entries)))
    return lines


def _at_size(found: SizeRatio | None) -> Entry:
    return Entry(MISSING) if found is None else ranged(str(found), found.ratio, (found.low, found.high))


def _fit(curve: Curve) -> list[Entry]:
    """Sizes, their range, the first and the last mean, and the power law."""
    sizes, losses = curve.arrays
    if not len(sizes):
        return [count(0), *[Entry(MISSING)] * 6]
    error = curves.standard_error(losses)
    ends = [Entry(Estimate(value=curve.sign * float(losses[k].mean()), error=error)) for k in (0, -1)]
    first, last = float(sizes[0]), float(sizes[-1])
    head = [count(len(sizes)), Entry(f"{first:g} - {last:g}", plain={"_from": first, "_to": last}), *ends]
    if len(sizes) < 3 or len(curve.seeds) < 2:
        return [*head, *[Entry(MISSING)] * 3]
    fit, errors = curves.power_law(sizes, losses), curves.jackknife(sizes, losses)
    freedom = len(sizes) - 3
    told = errors.floor < abs(losses[0].mean() - losses[-1].mean())
    if not told or not freedom or chi2.sf(fit.chi2, freedom) < WORST_FIT:
        return [*head, Entry(MISSING), Entry(MISSING), _misfit(fit.chi2, freedom)]
    return [
        *head,
        Entry(Estimate(value=fit.exponent, error=errors.exponent)),
        Entry(Estimate(value=curve.sign * fit.floor, error=errors.floor)),
        _misfit(fit.chi2, freedom),
    ]


def _misfit(chi2: float, freedom: int) -> Entry:
    return Entry(f"{chi2 / freedom:.2g}", plain={"": chi2 / freedom}) if freedom > 0 else Entry(MISSING)


def _ratio(ratio: Equivalence | None) -> Entry:
    """A ratio with its interval, or on which side of the sizes it lies."""
    if ratio is None or (ratio.rho.value is None and ratio.interval == (None, None) and not _known(ratio)):
        return Entry(MISSING)
    low, high = ratio.interval
    if ratio.rho.value is None:
        end = low if ratio.censored == "above" else high
        text = f"{'>' if ratio.censored == 'above' else '<'} {end:.2g}" if ratio.censored and end else BY_SIZE
        return ranged(text, None, ratio.interval)
    ends = ", ".join(MISSING if end is None else f"{end:.2g}" for end in (low, high))
    return ranged(f"{ratio.rho.value:.2g} [{ends}]", ratio.rho.value, ratio.interval)


def _known(ratio: Equivalence) -> bool:
    return any(one.ratio is not None or one.bound for one in ratio.per_size)


def _notes(metric: str, axis: str, limit: str) -> list[str]:
    quality, size = title_of(metric), AXIS_TITLES[axis]
    return [
        f"b and {limit}: power law q = q_inf + a p^-b through the means over seeds, errors by leaving out each seed in "
        "turn; χ²/n: its misfit per degree of freedom. They are shown only where the law fits (a χ² this large has a "
        "chance of 5 % or more) and the sizes tell q_inf to within what they improve. It is the limit of many "
        "parameters for this budget, and none for longer trainings.",
        f"ρ: how many times the {size} of this family the classical one needs for the same {quality}, "
        "with its 95 % interval over seeds; above 1 the family of the line needs fewer. '>' and '<': the classical "
        "sizes show no more than that it lies above or below. The line of a family has one factor for all its sizes; "
        f"'{BY_SIZE}': there is none, as it differs between sizes (5 % test), is not shown at one of them, or a family "
        "is not shown to gain by size.",
        "Only certified likelihoods and unflagged records count; a size counts with 5 seeds or more.",
    ]
