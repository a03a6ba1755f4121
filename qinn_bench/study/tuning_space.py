"""What tuning may try of a row, and the points at which it does: scrambled Sobol points, seeded by names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from scipy.stats import qmc

from qinn_bench import registry
from qinn_bench.capacity.matching import Depth
from qinn_bench.seeds import seed_of
from qinn_bench.study.grid import TRIED
from qinn_bench.values import Budget, Knob, Knobs, KnobSpan, Row, Tuning

Dimension = KnobSpan | tuple[Knob, ...]
SHAPE = "shape"


@dataclass(frozen=True)
class TrialSettings:
    """The settings of one trial of a row: knobs of the model, its shape where the matcher sets one, and the budget.

    Example:
        >>> TrialSettings(Row(model="spline_inn"), Budget(learning_rate=0.05)).budget.learning_rate
        0.05
    """

    row: Row
    budget: Budget


def space_of(row: Row, tuning: Tuning, budget: Budget) -> dict[str, Dimension]:
    """What is tried of a row, by name: of the budget, of its shape, and the knobs that its model or the row itself
    states and the row does not hold. A choice of one value is no dimension.

    Example:
        >>> sorted(space_of(Row(model="affine_inn", shape="deep"), Tuning(), Budget()))
        ['learning_rate', 'schedule', 'shape']
    """
    low, high = tuning.learning_rate
    dimensions: dict[str, Dimension] = {
        "learning_rate": KnobSpan(low=low, high=high),
        "schedule": tuning.schedule or (budget.schedule,),
        "batch": tuning.batch or (budget.batch,),
        SHAPE: get_args(Depth) if row.shape else (),
    }
    stated = registry.about("model", row.model).tune | row.tune
    dimensions |= {knob: values for knob, values in stated.items() if knob not in row.knobs}
    return {name: one for name, one in dimensions.items() if isinstance(one, KnobSpan) or len(one) > 1}


def as_stated(row: Row, budget: Budget) -> TrialSettings:
    """The trial of a row with the settings that it states: drawn ones may all be worse.

    Example:
        >>> as_stated(Row(model="spline_inn"), Budget(until="converged")).budget.until
        'steps'
    """
    return TrialSettings(row, _one_cycle(budget))


def _one_cycle(budget: Budget) -> Budget:
    return budget.model_copy(update={"until": "steps"})


def trials_of(row: Row, tuning: Tuning, budget: Budget, names: Sequence[str | int]) -> list[TrialSettings]:
    """The trials of a row, as many as the study asks for; `names` are those of the row, its data and its size.

    The points fill the space evenly however many there are, and each of them alone is uniform in it (Owen, Scrambled
    nets, 1995), so that any of them may be taken for the first.

    Example:
        >>> trials = trials_of(Row(model="spline_inn"), Tuning(trials=4), Budget(steps=100), ("moons",))
        >>> len({trial.budget.learning_rate for trial in trials}), trials[0].budget.steps
        (4, 100)
    """
    space = space_of(row, tuning, budget)
    sobol = qmc.Sobol(len(space), scramble=True, rng=np.random.default_rng(seed_of("tuning", *names)))
    # A power of two is drawn, as the balance of the points hangs on it.
    points = sobol.random_base2(int(np.ceil(np.log2(tuning.trials))))[: tuning.trials]
    return [_trial(row, budget, dict(zip(space, point, strict=True)), space) for point in points.tolist()]


def _trial(row: Row, budget: Budget, point: dict[str, float], space: dict[str, Dimension]) -> TrialSettings:
    settings = {name: _value(space[name], at, row, name) for name, at in point.items()}
    knobs: Knobs = {name: value for name, value in settings.items() if name not in (*TRIED, SHAPE)}
    shape = {SHAPE: settings[SHAPE]} if SHAPE in settings else {}
    tried = {name: settings[name] for name in TRIED if name in settings}
    return TrialSettings(
        row=row.model_copy(update={"knobs": row.knobs | knobs, **shape}),
        budget=_one_cycle(budget).model_copy(update=tried),
    )


def _value(dimension: Dimension, at: float, row: Row, name: str) -> Knob:
    """The value of a dimension at a place in [0, 1): three digits of a number, a whole one where the knob is whole."""
    if not isinstance(dimension, KnobSpan):
        return dimension[int(at * len(dimension))]
    low, high = dimension.low, dimension.high
    value = low * (high / low) ** at if dimension.log else low + (high - low) * at
    whole = name not in TRIED and isinstance(registry.knob_defaults("model", row.model)[name], int)
    return round(value) if whole else float(f"{value:.3g}")
