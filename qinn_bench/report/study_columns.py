"""The columns of a study's table: which it has where none are asked for, what they say, and what is best in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from qinn_bench import catalogue
from qinn_bench.statistics import direction
from qinn_bench.values import Estimate, Record

COUNTS = frozenset({"parameters", "quantum", "frozen", "blind", "buffers", "critic", "seeds"})
SPENT = {"circuits": "circuit_evaluations", "flops": "step_flops", "cpu_best_s": "cpu_to_best_s", "rank": "rank"} | {
    "memory_mb": "peak_memory_mb",
    "shots": "row_shots",
}
"""Columns of what a model costs, each with the field of `Resources` that it shows."""
SECONDS = {"train_s": "train_cpu_s", "train_wall_s": "train_wall_s"}
"""Columns of time, each with the entry of a record's cost that it shows."""
UNITS = {"cpu_best_s": "s", "memory_mb": "MiB"}
COMPUTED = frozenset(catalogue.COMPUTED)
LIKELIHOOD, RANKED = "density", frozenset({"scores", "reconstructions"})


def default_columns(records: Sequence[Record]) -> tuple[str, ...]:
    """The columns of a table that was asked for none: what was measured, less what metrics declare as a detail.

    Likelihoods stand before the mass and everything else behind it, in the order that it was measured in. Where rows
    are scored or rebuilt the rank stands beside the parameters: a circuit may depend on few of them. Where training was
    to converge, what another cycle would bring stands before its seconds.
    """
    measured = list(_measured(records))
    shown = [name for name in measured if (column := catalogue.column_of(name)) is None or column.shown]
    density = [one for one in catalogue.metrics().values() if one.needs == LIKELIHOOD]
    first = [name for one in density for name in shown if catalogue.measure_of(name) == one]
    buffered = any(record.parameters and record.parameters.buffers for record in records)
    blind = any(record.parameters and record.parameters.blind for record in records)
    judged = any(record.parameters and record.parameters.critic for record in records)
    certified = any(record.certificate for record in records)
    scored = any(one.needs in RANKED for one in map(catalogue.measure_of, shown) if one)
    converged = any(record.cell.budget.until == "converged" for record in records)
    ranked = scored and any(record.resources and record.resources.rank is not None for record in records)
    return (
        *(
            "parameters",
            *["rank"] * ranked,
            "quantum",
            *["blind"] * blind,
            *["buffers"] * buffered,
            *["critic"] * judged,
        ),
        *(*first, *["mass"] * certified),
        *(name for name in shown if name not in first),
        *["gain"] * converged,
        *("train_s", "seeds"),
    )


def others(records: Sequence[Record], shown: Sequence[str]) -> list[str]:
    """The measured columns that a table does not show."""
    return [name for name in _measured(records) if name not in shown]


def _measured(records: Sequence[Record]) -> dict[str, None]:
    """The columns of which there is anything, in the order that they were measured in."""
    return dict.fromkeys(chain.from_iterable(record.metrics for record in records))


def title_of(name: str) -> str:
    """How a column is titled, such as ``W₁ m_ll`` for ``w1_m_ll``."""
    column = catalogue.column_of(name)
    return column.short if column else name


def meaning_of(name: str) -> str:
    """What a column means, in half a sentence; empty where nobody says."""
    column = catalogue.column_of(name)
    return column.meaning if column else ""


def distance_of(name: str, content: Estimate | str) -> float | None:
    """How far a number is from the best there could be, up to a constant; None if it does not compete."""
    if isinstance(content, str) or content.value is None or name in COMPUTED:
        return None
    return direction.loss(content.value, content.better) if direction.competes(content.better) else None
