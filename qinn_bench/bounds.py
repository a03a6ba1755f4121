"""How large what is asked for may be: what would build, draw or plan for ever is refused before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from qinn_bench.values import Budget, Knob, Refused, Row, Study

EVENTS = 10_000_000
"""Rows of a data set or of a sample; as many doubles in ten columns are 0.8 GB."""
WIDTH, DEPTH, KNOBS = 10_000, 1_000, 1_000_000
"""The largest size and depth in a knob of a model, and the largest product of all whole numbers in its knobs."""
ROWS, CELLS = 1_000, 100_000
"""Rows and cells of a study."""
SAMPLES, DRAWS, STEPS = 10_000_000, 100_000_000, 1_000_000_000
"""Rows that are generated or make a batch, draws of a certificate, steps of a training."""
SOURCES, CONTROLS = 6, 6
"""So many times a row may be repeated by ``variance`` and by ``controls``."""


def check_model(
    name: str, knobs: Mapping[str, Knob], sizes: Mapping[str, tuple[Knob, ...]] | None = None, depth: str = ""
) -> None:
    """Let the knobs of a model pass with which it can be built in reasonable time.

    `sizes` are the knobs that are sizes of its parts, each with the values that the matcher may give it, and `depth` is
    the one that is their number.

    Raises:
        Refused: a number is too large, or all of them together; or a size is below 1, or below 0 where it may be that.
    """
    numbers, sizes = {knob: value for knob, value in knobs.items() if type(value) is int}, sizes or {}
    for knob, value in numbers.items():
        if value < (least := int(0 not in sizes[knob]) if knob in sizes else value):
            raise Refused(f"model '{name}': knob '{knob}' is {value}, at least {least} was expected")
        _check(f"model '{name}': knob '{knob}'", value, DEPTH if knob == depth else WIDTH if knob in sizes else KNOBS)
    if (size := prod(max(1, abs(value)) for value in numbers.values())) > KNOBS:
        raise Refused(f"model '{name}': the product of its knobs is {_digits(size)}, at most {KNOBS} was expected")


def check_data(name: str, knobs: Mapping[str, Knob]) -> None:
    """Let the knobs of a data set pass of which none asks for too many events.

    Raises:
        Refused: a number is too large.
    """
    for knob, value in knobs.items():
        if type(value) is int:
            _check(f"data '{name}': knob '{knob}'", value, EVENTS)


def check_study(study: Study) -> None:
    """Let a study pass that can be planned.

    Raises:
        Refused: too many rows or cells, or a number in it that is too large.
    """
    where = f"study '{study.name}'"
    if len(study.models) > ROWS:
        raise Refused(f"{where} has {len(study.models)} rows; at most {ROWS} were expected")
    axes = (
        study.coordinates or ("",),
        study.events or (0,),
        study.budgets,
        study.backends,
        study.devices,
    )
    cells = sum(_rungs(row) * _sets(row, study) for row in study.models) * prod(map(len, axes)) * study.seeds
    sizes, controlled = (len(of) or 1 for of in (study.sizes, study.control_sizes or study.sizes))
    cells *= (sizes + (CONTROLS - 1) * controlled * study.controls) * (SOURCES if study.variance else 1)
    if cells > CELLS:
        raise Refused(f"{where} has up to {cells} cells; at most {CELLS} were expected")
    _check(f"{where}: samples", study.samples, SAMPLES)
    _check(f"{where}: mass_draws", study.mass_draws, DRAWS)
    for name, budget in study.budgets.items():
        _check_budget(f"{where}: budget '{name}'", budget)


def _rungs(row: Row) -> int:
    return 1 + len(row.ladder)


def _sets(row: Row, study: Study) -> int:
    """On how many data sets a row is taken at most: of those with one name it may name all."""
    named = {text.partition("[")[0] for text in row.data}
    return sum(not named or text.partition("[")[0] in named for text in study.data)


def _check_budget(where: str, budget: Budget) -> None:
    limits: dict[str, int] = {"steps": STEPS, "batch": SAMPLES, "check_every": STEPS, "check_rows": STEPS}
    for name, most in limits.items():
        _check(f"{where}: {name}", getattr(budget, name), most)


def _check(what: str, value: Any, most: int) -> None:
    if abs(value) > most:
        raise Refused(f"{what} is {_digits(value)}, at most {most} was expected")


def _digits(value: int) -> str:
    """A whole number, by its size where it has too many digits to be read."""
    return str(value) if abs(value) < 10**30 else "more than 10^30"
