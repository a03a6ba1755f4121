"""Verdicts at every budget of trials, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from qinn_bench.report.comparison_tables import SIGNS, TURNED
from qinn_bench.report.table_parts import Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.verdicts.outside_trials import AtBudget, Trials, flips


def tables(trials: Trials, budgets: Sequence[AtBudget], name: str) -> tuple[Table, Table]:
    """The expected best of each row at each budget, and who is better than whom at each."""
    return _curves(trials, budgets, name), _verdicts(budgets, name)


def _headings(budgets: Sequence[AtBudget]) -> tuple[Heading, ...]:
    return tuple(Heading(f"best_of_{at.title}", at.title) for at in budgets)


def _curves(trials: Trials, budgets: Sequence[AtBudget], name: str) -> Table:
    lines = []
    for row in trials.rows:
        counts = [len(trials.scores[row, column]) for column in trials.columns]
        tried = str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
        entries = (Entry(row), Entry(tried), *(Entry(at.means[row]) for at in budgets))
        lines.append(Line("", row, "model", "", entries))
    notes = [
        "The expected best of so many trials, exactly, over all choices of them without replacement; means over "
        f"{len(trials.columns)} data sets. An error is what the choice of trials leaves; "
        "there is none where more than half of the trials are taken.",
        "all: every trial that a row has, which is no equal budget where the numbers of trials differ.",
    ]
    if trials.failed:
        notes.append(f"{trials.failed} trials have no score and are left out of those of their rows.")
    if trials.dropped:
        notes.append(f"Left out, as some row has no trial there: {len(trials.dropped)} data sets.")
    header = (Heading("row", "row"), Heading("trials", "trials"), *_headings(budgets))
    return Table(f"Best of k trials, {name}", header, tuple(lines), tuple(notes))


def _verdicts(budgets: Sequence[AtBudget], name: str) -> Table:
    """One line a pair of rows: at each budget the sign of the verdict and on how many data sets the first is ahead."""
    lines = []
    for flip in flips(budgets):
        cells = [_cell(at, flip.first, flip.second) for at in budgets]
        told = _told(flip.better_at) if flip.flips else ""
        entries = (Entry(f"{flip.first} against {flip.second}"), *map(Entry, cells))
        lines.append(Line("", flip.first, "model", "", entries, (told,) if told else ()))
    notes = (
        "The first row against the second: + better, - worse, = equal within the margin, . undecided, and on how many "
        "data sets it is ahead and behind; p-values are corrected (Holm) over the pairs of a budget.",
    )
    return Table(f"Verdicts by budget, {name}", (Heading("pair", "pair"), *_headings(budgets)), tuple(lines), notes)


def _cell(at: AtBudget, first: str, second: str) -> str:
    for pair in at.pairs:
        if {pair.first, pair.second} == {first, second}:
            turned, told = pair.first != first, pair.comparison.outcome
            outcome = TURNED.get(told, told) if turned else told
            counts = (pair.losses, pair.wins) if turned else (pair.wins, pair.losses)
            return f"{SIGNS[outcome]} {counts[0]}:{counts[1]}"
    return ""


def _told(better_at: dict[str, str]) -> str:
    """At which budget the verdict flips."""
    steps = list(better_at.items())
    turns = [(k, row) for (_, before), (k, row) in pairwise(steps) if row != before]
    told = "; ".join(f"from {k} trials on '{row}'" if k != "all" else f"with all trials '{row}'" for k, row in turns)
    return f"the verdict flips: at {steps[0][0]} trial(s) '{steps[0][1]}' is better, {told}"
