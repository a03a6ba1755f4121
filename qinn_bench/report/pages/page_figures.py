"""The figures of a study's page: what its records give alone, and what the arrays beside them give where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from qinn_bench.records import trials
from qinn_bench.report.budget_figure import budget_figure, curves_of
from qinn_bench.report.capacity_figure import figure_of
from qinn_bench.report.critical_figure import critical_figure
from qinn_bench.report.family_curves import families_of
from qinn_bench.report.figure_style import svg
from qinn_bench.report.pages.shell import data_uri
from qinn_bench.report.pareto import COSTS, CostPoint, cost_points, sets_of
from qinn_bench.report.ratio_figure import ratio_figure, shown_ratios
from qinn_bench.report.row_figures import pareto_figure, seeds_figure
from qinn_bench.report.study_columns import title_of
from qinn_bench.report.study_figure_set import figures_of
from qinn_bench.report.study_ranks import study_ranks
from qinn_bench.report.study_rows import Group
from qinn_bench.statistics import direction
from qinn_bench.study.selection import Selection
from qinn_bench.values import Refused
from qinn_bench.verdicts.tuned_budgets import families

LIKELIHOOD = "nll"
RATIOS = (
    "How many times larger each classical family has to be than one with circuits for its quality, at each of its "
    "sizes with 95 % intervals; arrows: bounds; grey: one factor for all sizes where the seeds tell one."
)
FEWEST = 3
"""Rows that a front is drawn of."""
SAID = {
    "observables": "Observables of generated rows against the truth, with ratios and Poisson bands",
    "losses": "Training curves: median and band over seeds",
    "roc": "ROC curves",
    "scores": "Scores of background and signal",
    "reconstructions": "Reconstructions of test images",
    "averages": "Mean images and mean reconstructions",
    "average_showers": "Average showers",
    "profiles": "Profiles of showers",
    "histograms": "Histograms of showers against the truth",
    "correlations": "Correlations of layers",
}


@dataclass(frozen=True)
class PageFigure:
    """A figure that stands in the page: its title, what is read out in its place, and the picture as a data URI.

    Example:
        >>> PageFigure("f1", "Seeds", "Every seed of each row", "data:image/svg+xml;base64,").id
        'f1'
    """

    id: str
    title: str
    said: str
    source: str


def page_figures(
    selection: Selection, groups: Sequence[Group], columns: Sequence[str], results: Path, records: Path | None
) -> tuple[list[PageFigure], list[str]]:
    """The figures in their order, of the first `columns` that compete; and why some are not there."""
    drawn: list[tuple[str, str, Figure]] = []
    notes: list[str] = []
    for data in sets_of(groups):
        own = [group for group in groups if group.data == data]
        metrics = headline(own, columns)
        if metrics and any(group.role == "model" for group in own):
            names = ", ".join(map(title_of, metrics[:FEWEST]))
            said = f"Every finished seed of each compared row in {names}; bars: means; red: with circuits; grey: truth."
            drawn.append((f"Seeds of each row on {data}", said, seeds_figure(own, metrics)))
            drawn += _front(own, metrics[0], data)
    drawn += _ranks(groups, columns)
    drawn += _capacity(selection, groups, columns, results, records, notes)
    drawn += _tuning(selection, results, records, notes)
    if records:
        notes.append(
            "Figures of samples and of training curves need the arrays of the records, which published ones lack."
        )
    else:
        drawn += _of_arrays(selection, results, notes)
    made = [
        PageFigure(f"figure-{at}", title, said, data_uri(svg(figure), "image/svg+xml"))
        for at, (title, said, figure) in enumerate(drawn, 1)
    ]
    return made, notes


def headline(groups: Sequence[Group], columns: Sequence[str]) -> list[str]:
    """The columns whose numbers compete, the likelihood first where it is one of them."""
    measured = {name: one for group in groups for record in group.ok for name, one in record.metrics.items()}
    competing = [name for name in columns if name in measured and direction.competes(measured[name].better)]
    return sorted(competing, key=lambda name: name != LIKELIHOOD)


def _front(groups: Sequence[Group], metric: str, data: str) -> list[tuple[str, str, Figure]]:
    points = {cost: cost_points(groups, metric, cost) for cost in COSTS}
    told: dict[str, Sequence[CostPoint]] = {
        cost: own for cost, own in points.items() if len(own) >= FEWEST and len({one.cost for one in own}) > 1
    }
    if not told:
        return []
    unit = next((r.metrics[metric].unit for group in groups for r in group.ok if metric in r.metrics), "")
    said = (
        f"{title_of(metric)} against {', '.join(map(title_of, told))}; the line joins rows that no other beats in both."
    )
    return [(f"Quality against cost on {data}", said, pareto_figure(told, metric, unit))]


def _ranks(groups: Sequence[Group], columns: Sequence[str]) -> list[tuple[str, str, Figure]]:
    """Mean ranks over data sets and sizes by each column that competes, where several data sets have one."""
    made = []
    for metric in headline(groups, columns):
        ranked = study_ranks(groups, metric)
        if ranked is None or ranked[0].alike is None:
            continue
        findings, places = ranked
        where = ", ".join(dict.fromkeys(data for data, _ in places))
        said = (
            f"Mean ranks of {len(findings.standings)} families by {title_of(metric)} in {len(places)} places, each a "
            f"data set and a size ({where}); a bar joins those that the critical difference does not tell apart. Sizes "
            "on one data set are not independent, so that it is a little too small."
        )
        made.append((f"Ranks by {title_of(metric)}", said, critical_figure(findings)))
    return made


def _capacity(
    selection: Selection,
    groups: Sequence[Group],
    columns: Sequence[str],
    results: Path,
    records: Path | None,
    notes: list[str],
) -> list[tuple[str, str, Figure]]:
    """The curves of families that grow, on each data set that has some."""
    growing = [group for group in groups if any(record.size for record in group.ok)]
    made = []
    for data in sets_of(growing):
        own = [group for group in growing if group.data == data]
        metric = next(iter(headline(own, columns)), LIKELIHOOD)
        use = str(own[0].records[0].cell.data)
        try:
            grown = families_of(selection.study.model_dump(), results, records, metric, "parameters", use)
            said = (
                f"{title_of(metric)} against parameters: means over seeds with bands, power laws dotted; arrows lead "
                "to the size that the classical family needs that needs least."
            )
            made.append((f"Capacity on {data}", said, figure_of(grown)))
            controls = [curve.family for curve in grown.curves if curve.control_of]
            if known := shown_ratios(grown.ratios, controls):
                made.append((f"Equivalence ratios on {data}", RATIOS, ratio_figure(known)))
        except Refused as refusal:
            notes.append(f"No curves of capacity on {data}: {refusal}.")
    return made


def _tuning(
    selection: Selection, results: Path, records: Path | None, notes: list[str]
) -> list[tuple[str, str, Figure]]:
    """The budget curves of a study that tunes, on each data set."""
    study = selection.study
    if not study.tuning:
        return []
    metric = study.tuning.metrics[0]
    try:
        found = curves_of(families(trials.known(study.name, results, records), metric))
    except Refused as refusal:
        notes.append(f"No curves of tuning: {refusal}.")
        return []
    if not found:
        notes.append("No curves of tuning: its trials are not beside these records.")
    sets = dict.fromkeys(one.data for one in found)
    return [
        (
            f"Tuning on {data}" if len(sets) > 1 else "Tuning",
            f"The expected best of k trials in {title_of(metric)}, with what their choice leaves; stars: as stated.",
            budget_figure([one for one in found if one.data == data], metric),
        )
        for data in sets
    ]


def _of_arrays(selection: Selection, results: Path, notes: list[str]) -> list[tuple[str, str, Figure]]:
    try:
        figures = figures_of(selection, results)
    except Refused as refusal:
        notes.append(f"No figures of samples: {refusal}.")
        return []
    return [
        (f"{SAID.get(kind, kind)}: {data}", f"{SAID.get(kind, kind)} on {data}.", one)
        for (data, kind), one in figures.items()
    ]
