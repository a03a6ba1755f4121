"""Which of two rows of a study is better, from their records, and every reason to say nothing; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qinn_bench.records.known import on_data
from qinn_bench.sensitivity import licence
from qinn_bench.statistics import paired
from qinn_bench.values import Comparison, Outcome, Record
from qinn_bench.verdicts import control_losses
from qinn_bench.verdicts.row_pairs import PairTerms, Side, compare, failures, seeds_of, side_of

ABSENT = ("skipped", "unsupported")
"""What the records of a control say that its model cannot have."""
SHOWN_ONLY = ("untrained",)
"""Controls that stand in tables and that no win is asked for: no one claims that a model is as good before training."""
P_VALUES: dict[Outcome, str] = {"better": "p_better", "worse": "p_worse", "equal": "p_equal"}
"""The field of a comparison with the p-value of each outcome."""


def judge(
    records: Sequence[Record],
    first_row: str,
    second_row: str,
    metric: str,
    margin: float | None = None,
    *,
    rng: np.random.Generator,
    data: str = "",
    level: float = 0.05,
    replicates: int = paired.LEAST,
    other_budgets: bool = False,
    results: Path | None = None,
    arrays: bool = True,
    by: float = 0.0,
) -> Comparison:
    """Whether the first row is better than the second by a metric, on pairs of cells with equal data and seed.

    Nothing is said (outcome ``undecided``, no p-values) where a row is missing or doubled, fewer than `replicates`
    pairs (never below `paired.LEAST`) have a value, the pairs saw different data, test rows or budgets, or, for
    likelihoods, a certificate of either side did not pass. A row that is flagged or has failed seeds is neither better
    nor equal; it may be worse.

    A row with circuits is better than one without only if it is better than each of its own controls too. That is an
    intersection-union test: its p-value is the largest of the p-values, without a correction (Berger, Technometrics
    24, 295 (1982)). No control blocks by having no number: a seed that is not certified counts with the better of its
    claimed and its normalised likelihood, and then has to be worse by more than the margin; one that diverged counts
    with the worst number of the others; a control of which every seed diverged is no rival, as long as another is one.
    The untrained control is shown and not asked for.

    With `by`, better means better by more than this amount, and worse that it is not.

    `results` is the folder of results: its licences say how small a flaw an equality excludes and, unless `arrays` is
    false, the arrays of its records add the uncertainty of the test rows to likelihoods.

    Raises:
        Refused: the metric has no direction that is better, or its direction or unit differs between records.
    """
    terms = PairTerms(
        metric, data, margin, level, max(paired.LEAST, replicates), other_budgets, results if arrays else None, by
    )
    comparison = compare(records, first_row, second_row, terms, rng)
    first, second = side_of(records, first_row, data), side_of(records, second_row, data)
    comparison = _without_doubtful(comparison, first, second, terms)
    orders: tuple[tuple[Side, Side, Outcome], ...] = ((first, second, "better"), (second, first, "worse"))
    for winner, loser, outcome in orders:
        p = _p_of(comparison, outcome)
        if p is not None and p <= level and _owes_controls(winner, loser):
            comparison = _over_controls(comparison, records, winner, outcome, terms, rng)
    return _licensed(comparison, first, terms, results)


def _licensed(comparison: Comparison, side: Side, terms: PairTerms, results: Path | None) -> Comparison:
    """The same comparison; where it shows equality, its reason says how small a flaw the metric can see."""
    if results is None or comparison.p_equal is None or comparison.p_equal > terms.level:
        return comparison
    sights = {licence.equality(results, record, terms.metric) for record in side.records.values()} - {""}
    said = [f"by {terms.metric} that is {sight}" for sight in sorted(sights)]
    return comparison.model_copy(update={"reason": "; ".join(filter(None, [comparison.reason, *said]))})


def _without_doubtful(comparison: Comparison, first: Side, second: Side, terms: PairTerms) -> Comparison:
    """The comparison without what it says in favour of a row that is flagged or has failed seeds."""
    sides: tuple[tuple[Side, Outcome], ...] = ((first, "better"), (second, "worse"))
    for side, own in sides:
        doubt = _doubt(side, terms.metric)
        if doubt and comparison.effect.value is not None:
            comparison = _struck(comparison, (own, "equal"), doubt)
    return comparison


def _p_of(comparison: Comparison, outcome: Outcome) -> float | None:
    p: float | None = getattr(comparison, P_VALUES[outcome])
    return p


def _struck(comparison: Comparison, outcomes: Sequence[Outcome], why: str) -> Comparison:
    """The same comparison, unable to have any of these outcomes."""
    removed: dict[str, object] = {P_VALUES[outcome]: None for outcome in outcomes}
    if comparison.outcome in outcomes:
        removed |= {"outcome": "undecided", "reason": why}
    elif comparison.outcome == "undecided":
        removed |= {"reason": f"{comparison.reason}; {why}" if comparison.reason else why}
    return comparison.model_copy(update=removed)


def _doubt(side: Side, metric: str) -> str:
    """Why a row may not win."""
    flagged = {
        flag: [key for key, r in side.records.items() if flag in r.flags]
        for r in side.records.values()
        for flag in r.flags
    }
    said = [f"'{side.row}' is flagged at {seeds_of(keys)}, {flag}" for flag, keys in flagged.items()]
    return "; ".join(filter(None, [*said, failures(side, metric)]))


def _owes_controls(winner: Side, loser: Side) -> bool:
    """Whether a win would be one of circuits: not over a rival with circuits, nor over the winner's own control."""
    rival = loser.quantum and not loser.is_control
    return winner.quantum and not winner.is_control and not rival and winner.row not in loser.models


def _over_controls(
    won: Comparison, records: Sequence[Record], winner: Side, own: Outcome, terms: PairTerms, rng: np.random.Generator
) -> Comparison:
    """The comparison with the p-value of its winner raised to that against its own controls."""
    over = over_controls(records, winner.row, terms, rng)
    if over.why_not:
        return _struck(won, (own,), over.why_not)
    reason = "; ".join(filter(None, [won.reason, over.said]))
    return won.model_copy(update={P_VALUES[own]: max(over.p, _p_of(won, own) or 0.0), "reason": reason})


class OverControls(NamedTuple):
    """Whether a row is better than each of its controls: why not, or else the largest p-value and what is said of it.

    Example:
        >>> OverControls("no controls").p
        1.0
    """

    why_not: str
    p: float = 1.0
    said: str = ""


def over_controls(records: Sequence[Record], row: str, terms: PairTerms, rng: np.random.Generator) -> OverControls:
    """Whether a row with circuits is better than each of its own controls that has to be asked."""
    belonging = controls_of(records, row, terms.data)
    if not belonging:
        return OverControls(f"no controls: nothing shows that the circuits of '{row}' matter")
    compared, untrainable = _against_controls(records, belonging, row, terms, rng)
    if not compared:
        return OverControls(f"no controls that could be trained: {'; '.join(untrainable)}")
    for name, (comparison, _) in compared.items():
        if comparison.p_better is None:
            return OverControls(f"'{name}' cannot be compared: {comparison.reason}")
    name = max(compared, key=lambda name: compared[name][0].p_better or 0.0)
    closest, how = compared[name]
    p, kind = closest.p_better or 0.0, _kind_of(name, belonging)
    if p > terms.level:
        return OverControls(f"the {kind} control is as good: {said(closest)}{how}")
    over = f"over its controls, the closest of which is {kind}: {said(closest)}{how}"
    return OverControls("", p, "; ".join([over, *untrainable]))


def controls_of(records: Sequence[Record], row: str, data: str = "") -> list[Record]:
    """The records of the controls that a win of this row is asked to be over."""
    own = [r for r in records if r.control_of == row and on_data(r, data) and r.cell.varies == "all"]
    return [r for r in own if r.status not in ABSENT and r.cell.control not in SHOWN_ONLY]


def _against_controls(
    records: Sequence[Record], belonging: Sequence[Record], winner: str, terms: PairTerms, rng: np.random.Generator
) -> tuple[dict[str, tuple[Comparison, str]], list[str]]:
    """The comparison with each control and what its seeds counted for, and the controls that could not be trained."""
    compared: dict[str, tuple[Comparison, str]] = {}
    untrainable: list[str] = []
    models = [record for record in records if record.row == winner]
    for row in dict.fromkeys(record.row for record in belonging):
        losses = control_losses.of_control([record for record in belonging if record.row == row], terms.metric)
        if not losses.records:
            untrainable.append(f"'{row}' {losses.said}")
            continue
        by = (terms.margin or terms.by) if losses.doubted else 0.0
        asked = replace(terms, by=max(by, 0.0))
        how = f" ({losses.said})" if losses.said else ""
        compared[row] = compare([*models, *losses.records], winner, row, asked, rng), how
    return compared, untrainable


def _kind_of(row: str, controls: Sequence[Record]) -> str:
    return next((str(record.cell.control) for record in controls if record.row == row and record.cell.control), row)


def said(comparison: Comparison) -> str:
    """An effect with its p-value in words."""
    effect, unit = comparison.effect, f" {comparison.effect.unit}" if comparison.effect.unit else ""
    error = f" ± {effect.error:.2g}" if effect.error is not None else ""
    p = f", p = {comparison.p_better:.2g}" if comparison.p_better is not None else ""
    return f"better by {effect.value:.3g}{error}{unit}{p}"
