"""The data sets of a study: each that it names, in each of its coordinates, with each of its numbers of events."""

from __future__ import annotations

from collections.abc import Iterator

from qinn_bench import catalogue, registry
from qinn_bench.knob_types import TRAIN_EVENTS
from qinn_bench.values import Knob, Refused, Study, Use

KNOBS = {"coordinates": "coordinates", "events": TRAIN_EVENTS}
"""The axes of a study that are knobs of its data sets."""


def uses_of(study: Study) -> list[Use]:
    """The data sets of a study as its file states them, with the knobs of its axes set; the last axis moves first.

    Raises:
        Refused: a data set has not the knob of an axis, or states it itself.

    Example:
        >>> from qinn_bench.study.study_files import study_of
        >>> asked = {"name": "mine", "data": ["moons"], "models": [{"model": "spline_inn"}], "budgets": {"short": {}}}
        >>> study = study_of(asked | {"events": [50, 100]})
        >>> [str(use) for use in uses_of(study)]
        ['moons[train_events=50]', 'moons[train_events=100]']
    """
    return [use for text in study.data for use in _along(study, registry.parse_use(text), list(KNOBS))]


def _along(study: Study, use: Use, axes: list[str]) -> Iterator[Use]:
    if not axes:
        yield use
        return
    axis, *others = axes
    values: tuple[Knob, ...] = getattr(study, axis)
    if values:
        _check(study, use, axis)
    for one in [Use(name=use.name, knobs=use.knobs | {KNOBS[axis]: value}) for value in values] or [use]:
        yield from _along(study, one, others)


def _check(study: Study, use: Use, axis: str) -> None:
    knob = KNOBS[axis]
    if knob in use.knobs:
        raise Refused(
            f"study '{study.name}' takes its data in several {axis}, but '{use}' states its own {knob}; of the two, "
            "one was expected"
        )
    if knob not in catalogue.knobs("data", use.name):
        broken = catalogue.broken_ones("data")
        having = [
            name for name in registry.names("data") if name not in broken and knob in catalogue.knobs("data", name)
        ]
        raise Refused(
            f"study '{study.name}' takes its data in several {axis}, but '{use.name}' has no knob '{knob}'; data sets "
            f"that have it: {', '.join(having)}"
        )
