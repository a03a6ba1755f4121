"""What a metric finds, whatever it does: numbers, or none with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from qinn_bench.dataset import Evidence, Metric
from qinn_bench.values import Array, Estimate


def take(metric: Metric, evidence: Evidence) -> dict[str, Estimate]:
    """The columns of a metric, each a finite number or none with the reason; a metric never ends what asks for it.

    One that fails has a single column, of its name, without a value.

    Raises:
        MemoryError: the metric needs more memory than there is, which is not the metric's fault.
    """
    try:
        return attempt(metric, evidence)
    except MemoryError:
        raise
    except Exception as error:
        failed = _none(f"the metric ended in an error: {_first_line(error)}")
        return {metric.name: _directed(failed, metric, metric.name)}


def attempt(metric: Metric, evidence: Evidence) -> dict[str, Estimate]:
    """The columns of a metric as `take` gives them, but one that fails is let fail: older numbers may be kept then.

    A column without a direction has the one that the metric states. The arrays that it is given cannot be written to.

    Raises:
        Exception: whatever the metric raises.
        TypeError: it returns no columns.
    """
    log_prob = None if evidence.log_prob is None else _sealed(evidence.log_prob)
    sealed = replace(evidence, truth=_sealed(evidence.truth), generated=_sealed(evidence.generated), log_prob=log_prob)
    found: Any = metric.compute(sealed)
    if not isinstance(found, dict):
        raise TypeError(f"the metric returned a {type(found).__name__} instead of columns")
    return {str(name): _directed(_checked(column), metric, str(name)) for name, column in found.items()}


def _checked(column: Any) -> Estimate:
    """A column as it is if it keeps the contract of an estimate, else none with the reason."""
    if not isinstance(column, Estimate):
        return _none(f"the metric returned a {type(column).__name__} instead of an estimate")
    try:
        return Estimate.model_validate(dict(column))
    except ValidationError as error:
        return _none(f"the metric returned no valid estimate: {_first_line(error)}")


def _directed(column: Estimate, metric: Metric, name: str) -> Estimate:
    """A column with the direction that its metric states, where it has none of its own."""
    better = metric.better_of(name)
    return column if column.better != "none" or better == "none" else column.model_copy(update={"better": better})


def _none(why: str) -> Estimate:
    return Estimate(value=None, note=why)


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))} is {first['input']!r}; {first['msg']}"
    return ": ".join(filter(None, (type(error).__name__, str(error).strip().partition("\n")[0][:200])))


def _sealed(rows: Array) -> Array:
    view = rows.view()
    view.flags.writeable = False
    return view
