"""The budget that a ruling is of, in words, and whether more training would move what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from qinn_bench.records.known import on_data
from qinn_bench.training.cycles import lengths
from qinn_bench.values import Record
from qinn_bench.verdicts.row_pairs import PairTerms, compare, side_of

LONGER = (2.5, 3.5)
"""How many times the steps of a budget another one has that tells whether its rulings move."""
LIKELIHOOD = "nll"
"""The metric that losses in training are, up to what all rows share."""
SHARE = 1 / 3
"""Of the margin, or of the effect where there is none: by how much a difference may move."""


def steps_of(records: Sequence[Record]) -> tuple[int, ...]:
    """The numbers of training steps of these records that were trained, ascending."""
    trained = [one for one in records if one.training and one.training.steps and one.status == "ok"]
    return tuple(sorted({max(one.cell.budget.steps, one.training.steps) for one in trained if one.training}))


def at_budget(records: Sequence[Record]) -> str:
    """The budget of some records in words; empty where none was trained."""
    steps = [str(count) for count in steps_of(records)]
    if not steps:
        return ""
    told = steps[0] if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
    return f"at {told} steps"


def longer(records: Sequence[Record], row: str) -> str:
    """The row of the same family, size and control that was trained about three times as long; empty without one.

    Where there are only shorter ones, it is that with a third of the steps. One under otherwise the same settings is
    preferred to one that has others, such as a learning rate that was tuned for its budget.
    """
    own = next((one for one in records if one.row == row), None)
    if own is None:
        return ""
    others = {one.row: one for one in records if one.row != row and _who(one) == _who(own)}
    fitting = sorted(others, key=lambda name: not _same_but_steps(own, others[name]))
    for low, high in (LONGER, (1 / LONGER[1], 1 / LONGER[0])):
        for name in fitting:
            if low <= others[name].cell.budget.steps / own.cell.budget.steps <= high:
                return name
    return ""


def _who(record: Record) -> tuple[object, ...]:
    """Of whom a record is, whatever it was trained with."""
    cell = record.cell
    return record.family, record.size, cell.control, cell.data, cell.backend, cell.device


def _same_but_steps(own: Record, other: Record) -> bool:
    budget = other.cell.budget.model_copy(update={"steps": own.cell.budget.steps})
    return budget == own.cell.budget and other.cell.model == own.cell.model


def moves(records: Sequence[Record], first: str, second: str, terms: PairTerms, effect: float | None) -> str:
    """How the difference of two rows moves with three times the steps, if by more than a third of the margin.

    Without a margin, which is `terms.margin`, a third of the effect counts. Of rows that were trained until convergence
    it is asked what the last cycle, with three times the steps of the one before, has moved, by validation losses.
    """
    here = [one for one in records if on_data(one, terms.data)]
    rows = longer(here, first), longer(here, second)
    if effect is None:
        return ""
    if not all(rows):
        return _by_the_last_cycle(here, first, second, terms, effect)
    counts = [steps_of([one for one in here if one.row == row]) for row in (first, rows[0], second, rows[1])]
    if counts[0] != counts[2] or counts[1] != counts[3] or not all(counts):
        return ""
    other = compare(here, rows[0], rows[1], replace(terms, arrays=None), np.random.default_rng(0)).effect.value
    allowed = SHARE * (terms.margin or abs(effect))
    if other is None or abs(other - effect) <= allowed:
        return ""
    return f"with {counts[1][-1]} steps the difference is {other:.3g} instead of {effect:.3g}"


def _by_the_last_cycle(records: Sequence[Record], first: str, second: str, terms: PairTerms, effect: float) -> str:
    """How the last cycle of both rows has moved a difference of likelihoods, over seeds at which both had as many."""
    if terms.metric != LIKELIHOOD:
        return ""
    sides = [
        side_of([one for one in records if one.status == "ok"], row, terms.data).records for row in (first, second)
    ]
    moved, before = [], set()
    for one, other in ((sides[0][pair], sides[1][pair]) for pair in sorted(sides[0].keys() & sides[1].keys())):
        a, b = (_cycles_of(record) for record in (one, other))
        if len(a) == len(b) >= 2 and one.cell.budget.steps == other.cell.budget.steps:
            moved.append((b[-1] - a[-1]) - (b[-2] - a[-2]))
            before.add(sum(lengths(one.cell.budget)[: len(a) - 1]))
    if not moved or abs(fmean(moved)) <= SHARE * (terms.margin or abs(effect)):
        return ""
    told = " to ".join(str(count) for count in sorted({min(before), max(before)}))
    return f"after {told} steps the difference was {effect - fmean(moved):.3g} instead of {effect:.3g}"


def _cycles_of(record: Record) -> tuple[float, ...]:
    return record.training.at_cycles if record.training else ()
