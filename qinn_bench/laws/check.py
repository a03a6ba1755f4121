"""All laws of one thing: what keeps them, what breaks them, and what was measured."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

from qinn_bench import registry
from qinn_bench.laws.cases import cases_of
from qinn_bench.laws.data_sets import OF_DATA, DataCase
from qinn_bench.laws.densities import OF_NUMBERS
from qinn_bench.laws.law import SECONDS, Law, LawOutcome, judge
from qinn_bench.laws.metrics import OF_METRICS, MetricCase
from qinn_bench.laws.models import OF_ALL
from qinn_bench.limits import time_limit
from qinn_bench.outside import Kind
from qinn_bench.values import Refused, Use

T = TypeVar("T")
OF_MODELS = (*OF_ALL, *OF_NUMBERS)
"""The laws of models."""


def outcomes(kind: Kind, use: Use, only: Collection[str] = ()) -> Iterator[LawOutcome]:
    """Every law of a kind on a thing, or the laws of these names; a model on each kind of rows that it takes.

    Raises:
        Refused: no such name, or a knob that it does not have; or it is broken, and nothing can be asked of it.
    """
    if kind == "model":
        yield from _rulings(OF_MODELS, [(case, case.rows) for case in cases_of(use)], only)
    elif kind == "data":
        _see_that_it_is_there(use)
        yield from _rulings(OF_DATA, [(DataCase(use), str(use))], only)
    else:
        family = registry.find("metric", use.name).METRICS
        yield from _rulings(OF_METRICS, [(MetricCase(metric), metric.name) for metric in family], only)


def _see_that_it_is_there(use: Use) -> None:
    """Load a data set once; what else may go wrong with it, its laws say.

    Raises:
        Refused: whatever it refuses, such as a file that is not there.
    """
    try:
        with time_limit(SECONDS):
            registry.make("data", registry.spell_out("data", use))
    except (Refused, KeyboardInterrupt):
        raise
    except BaseException:
        return


def _rulings(laws: Sequence[Law[T]], cases: Sequence[tuple[T, str]], only: Collection[str]) -> Iterator[LawOutcome]:
    for law in laws:
        if not only or law.name in only:
            yield from (judge(law, case, name) for case, name in cases)
