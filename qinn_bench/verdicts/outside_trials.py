"""Verdicts at every budget of trials: what a table of trials says of the best of 1, 2, 3, ... that each row may try."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qinn_bench.statistics.budget_curves import expected_best, expected_error
from qinn_bench.statistics.findings import CompareTerms, Findings, RowPair
from qinn_bench.values import Array, Estimate, Refused, Value
from qinn_bench.verdicts.all_against_all import compared
from qinn_bench.verdicts.outside_lines import lines_of
from qinn_bench.verdicts.outside_results import Columns, Results, check_roles, chosen, score_of

STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""The budgets that are looked at, up to the fewest trials of a row on a data set; then all trials there are."""


class Trials(NamedTuple):
    """The scores of the trials of each row on each data set that all rows have; `failed` trials had no score.

    Example:
        >>> trials = Trials(("a", "b"), ("x",), {("a", "x"): np.array([0.7, 0.9]), ("b", "x"): np.array([0.8])}, 0)
        >>> trials.fewest
        1
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    scores: Mapping[tuple[str, str], Array]
    failed: int
    dropped: tuple[str, ...] = ()

    @property
    def fewest(self) -> int:
        """The fewest trials of a row on a data set."""
        return min(len(self.scores[row, column]) for row in self.rows for column in self.columns)


class AtBudget(Value):
    """What is said at one budget: `trials` for each row, None for all trials that it has, however many.

    `means` are the expected best of each row, averaged over the data sets, with the error that the choice of the trials
    leaves (None where they are more than half of those there are).

    Example:
        >>> scores = {(row, f"d{at}"): np.array([at, at + 1.0]) + (row == "a") for row in "ab" for at in range(8)}
        >>> budgets = at_budgets(Trials(("a", "b"), tuple(f"d{at}" for at in range(8)), scores, 0), CompareTerms())
        >>> [(at.trials, at.means["b"].value) for at in budgets]
        [(1, 4.0), (2, 4.5), (None, 4.5)]
    """

    trials: int | None
    means: dict[str, Estimate]
    findings: Findings

    @property
    def title(self) -> str:
        """The budget in a word: the number of trials, or ``all``."""
        return "all" if self.trials is None else str(self.trials)

    @property
    def pairs(self) -> tuple[RowPair, ...]:
        """What is said of each two rows over all data sets, or on the only one."""
        return tuple(self.findings.overall or self.findings.pairs)


class Flip(Value):
    """Where the verdict on two rows changes: the budgets at which it is decided, with the row that is better there.

    Example:
        >>> Flip(first="a", second="b", better_at={"1": "a", "all": "b"}, flips=True).flips
        True
    """

    first: str
    second: str
    better_at: dict[str, str]
    flips: bool


def read_trials(path: Path, columns: Columns, drop: bool = False, rows: Sequence[str] = ()) -> Trials:
    """Read a table of trials, one line each, in the same forms as `outside_results.read`.

    A trial without a score is one that failed: it is left out of the trials of its row and counted.

    Raises:
        Refused: as for `outside_results.read`; a trial that is there twice; a data set on which a row has no trial,
            unless `drop` leaves it out.
    """
    check_roles(columns)
    seen: dict[tuple[str, str, str], int] = {}
    scores: dict[tuple[str, str], list[float]] = {}
    failed = 0
    for number, cells in lines_of(path, columns):
        row, column, trial = cells[columns.row], cells.get(columns.column, "all"), cells[columns.trial]
        value = score_of(path, number, cells, columns).value
        if (earlier := seen.setdefault((row, column, trial), number)) != number:
            raise Refused(f"{path}: lines {earlier} and {number} both hold trial '{trial}' of '{row}' on '{column}'")
        own = scores.setdefault((row, column), [])
        if math.isfinite(value):
            own.append(value)
        else:
            failed += 1
    compared_rows = chosen(path, list(dict.fromkeys(row for row, _ in scores)), rows)
    known = dict.fromkeys(column for row, column in scores if row in compared_rows)
    whole = tuple(column for column in known if all(scores.get((row, column)) for row in compared_rows))
    dropped = tuple(column for column in known if column not in whole)
    if dropped and not drop:
        without = next(row for row in compared_rows if not scores.get((row, dropped[0])))
        raise Refused(
            f"{path}: '{without}' has no trial on '{dropped[0]}', and so it is on {len(dropped)} of {len(known)} data "
            f"sets for some row; --drop leaves them out"
        )
    if not whole:
        raise Refused(f"{path}: no data set has trials of all {len(compared_rows)} rows; name fewer rows with --rows")
    kept = {(row, column): np.array(scores[row, column]) for row in compared_rows for column in whole}
    return Trials(compared_rows, whole, kept, failed, dropped)


def at_budgets(trials: Trials, terms: CompareTerms) -> tuple[AtBudget, ...]:
    """The findings at each budget of `STEPS` that all rows can afford, and at last with all trials of each.

    At a budget of k the score of a row on a data set is the expected best of k of its trials, exactly, and rows are
    compared over the data sets as `all_against_all.compared` does.
    """
    budgets: list[int | None] = [k for k in STEPS if k <= trials.fewest]
    return tuple(_at(trials, k, terms) for k in [*budgets, None])


def _at(trials: Trials, k: int | None, terms: CompareTerms) -> AtBudget:
    higher = terms.better == "higher"
    table = np.array([[_best(trials.scores[row, c], k, higher) for c in trials.columns] for row in trials.rows])
    replicates = tuple((column, "") for column in trials.columns)
    results = Results(trials.rows, replicates, table, dropped=tuple((column, "") for column in trials.dropped))
    means = {row: _mean(trials, row, values, k, terms) for row, values in zip(trials.rows, table, strict=True)}
    return AtBudget(trials=k, means=means, findings=compared(results, terms))


def _best(scores: Array, k: int | None, higher: bool) -> float:
    return expected_best(scores, len(scores) if k is None else k, higher=higher)


def _mean(trials: Trials, row: str, values: Array, k: int | None, terms: CompareTerms) -> Estimate:
    """The mean over data sets, whose trials are independent of each other."""
    error: float | None = None
    if k is not None:
        higher = terms.better == "higher"
        errors = [expected_error(trials.scores[row, column], k, higher=higher) for column in trials.columns]
        if None not in errors:
            error = float(np.sqrt(np.sum(np.square(np.array(errors, dtype=float))))) / len(errors)
    return Estimate(value=float(values.mean()), error=error, n=len(values), better=terms.better)


def flips(budgets: Sequence[AtBudget]) -> tuple[Flip, ...]:
    """For each pair of rows at which budgets which one is better, and whether both ever are."""
    decided: dict[tuple[str, str], dict[str, str]] = {}
    for at in budgets:
        for pair in at.pairs:
            first, second = sorted((pair.first, pair.second))
            own = decided.setdefault((first, second), {})
            if pair.comparison.outcome in ("better", "worse"):
                ahead = pair.first if pair.comparison.outcome == "better" else pair.second
                own[at.title] = ahead
    return tuple(
        Flip(first=first, second=second, better_at=own, flips=len(set(own.values())) > 1)
        for (first, second), own in decided.items()
    )
