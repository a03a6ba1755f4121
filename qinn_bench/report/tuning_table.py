"""The tables of tuning: what each row was given, what so many trials are worth, and the verdict at each budget."""

from __future__ import annotations

from collections.abc import Sequence

from qinn_bench.labels import joined
from qinn_bench.records.trials import best_of
from qinn_bench.report.comparison_tables import SIGNS
from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.values import Budget, Estimate, Record
from qinn_bench.verdicts.tuned_budgets import BudgetVerdict, FamilyTrials, TunedPair, budgets_of

NOTES = (
    "best of k: what the trial has on test rows that is the best of k on validation rows, exactly, over all choices of "
    "k; its error is what the choice of trials leaves, and there is none where k is more than half of them. A trial "
    "that failed, or whose certificate is a refusal, counts as the worst of its row.",
    "as stated: under the settings that the row states, which are tried too; they are no draw and in no best of k.",
)
PAIR_NOTES = (
    "By how much the first family is ahead under each budget, with the two-sided p-value of a permutation of the "
    "trials, corrected (Holm) over the pairs of a budget: + better, - worse, . undecided at 5 %. A difference between "
    "the trials of two families is none between their seeds: the rows of the study say that.",
    "equal CPU: as many trials of each as fit in the CPU seconds that all trials of the cheaper one take, in brackets.",
)


def tuning_table(found: Sequence[FamilyTrials], study: str, metric: str) -> Table:
    """A line a family, size and data set: its trials, their cost, the curve of what k of them give, the settings."""
    budgets = budgets_of(found)
    header = (
        *(Heading("row", "row"), Heading("trials", "trials"), Heading("failed", "failed")),
        Heading("cpu_s", "CPU", "s"),
        Heading("as_stated", "as stated", found[0].unit if found else ""),
        *(Heading(f"best_of_{k}", f"best of {k}", found[0].unit if found else "") for k in budgets),
    )
    lines = [Line(one.data, one.family, "model", "", _entries(one, budgets), _settings(one.records)) for one in found]
    return Table(f"Tuning of {study}: {metric}", header, tuple(lines), NOTES)


def _entries(one: FamilyTrials, budgets: Sequence[int]) -> tuple[Entry, ...]:
    n = len(one.scores)
    curve = (Entry(one.best_of(k)) if k <= n else Entry(MISSING) for k in budgets)
    row = Entry(joined(one.family, str(one.size or "")))
    stated = Entry(one.stated if one.stated.value is not None else MISSING)
    return (row, Entry(str(n)), Entry(str(one.failed)), Entry(Estimate(value=round(one.cpu_s, 1))), stated, *curve)


def _settings(records: Sequence[Record]) -> tuple[str, ...]:
    """What the best trial had, in words, with what stands in its budget unchanged left out."""
    best = best_of(records)
    if best is None:
        return ()
    usual, budget = Budget(), best.cell.budget
    tried = {name: getattr(budget, name) for name in ("learning_rate", "schedule", "batch")}
    told = [f"{name.replace('_', ' ')} {value}" for name, value in tried.items() if value != getattr(usual, name)]
    return (f"best: {', '.join([*told, str(best.cell.model)])}",)


def verdict_table(pairs: Sequence[TunedPair], study: str, metric: str) -> Table:
    """A line a pair of families: the verdict under each budget, and where it flips."""
    names = [one.budget for one in pairs[0].verdicts] if pairs else []
    titles = [f"{name} trials" if name.isdigit() else name for name in names]
    header = (
        *(Heading("pair", "pair"), Heading("size", "size")),
        *(Heading(name.replace(" ", "_"), title) for name, title in zip(names, titles, strict=True)),
    )
    return Table(f"Verdicts by budget of {study}: {metric}", header, tuple(map(_line, pairs)), PAIR_NOTES)


def _line(pair: TunedPair) -> Line:
    first, second = pair.first, pair.second
    told = f"{first.family} against {second.family}"
    entries = (
        Entry(told),
        Entry(str(first.size or MISSING)),
        *(_verdict(one, first.family) for one in pair.verdicts),
    )
    return Line(first.data, told, "model", "", entries, (_flip(pair),) if pair.flips else ())


def _verdict(one: BudgetVerdict, first: str) -> Entry:
    sign = SIGNS["undecided" if not one.better else "better" if one.better == first else "worse"]
    trials = "" if one.budget.isdigit() else f" ({one.trials[0]}:{one.trials[1]})"
    plain: dict[str, str | float | None] = {"": one.ahead, "_p": one.p_corrected, "_better": one.better}
    return Entry(f"{sign} {one.ahead:+.3g}, p {one.p_corrected:.2g}{trials}", plain=plain)


def _flip(pair: TunedPair) -> str:
    told = [f"'{one.better}' at {one.budget}" for one in pair.verdicts if one.better]
    return f"the verdict flips: better is {', '.join(told)}"
