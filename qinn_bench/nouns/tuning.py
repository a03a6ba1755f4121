"""How the rows of a study are tuned before they are compared."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from qinn_bench.nouns.base import Positive, Value


class KnobSpan(Value):
    """The numbers from `low` to `high` that tuning may try for a knob, on a logarithmic scale unless `log` is false.

    Raises:
        pydantic.ValidationError: nothing lies between the ends, or a logarithmic scale would begin at 0 or below.

    Example:
        >>> KnobSpan(low=10, high=300).log
        True
    """

    low: float
    high: float
    log: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"a span from {self.low:g} to {self.high:g} holds nothing; its ends in order are expected")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic span begins at {self.low:g}, but above 0 is expected")
        return self


class Tuning(Value):
    """How every row of a study is tuned before it is run: with as many trials, and as much CPU time, for each.

    A trial is a training under settings of its own, of a seed of its own: a learning rate from the span
    `learning_rate`, a `schedule`, a `batch` (that of the budget where none is named) and what the model states that
    tuning may try (`About.tune`); a row with a shape also tries the other shapes of its size. The settings that the row
    states are one trial more. The one that is best on validation rows gives its settings to the row, whose seeds are
    then trained afresh. Where the budget asks for convergence, a trial is its first cycle, and the `finalists` best are
    trained on until they have converged before one of them is chosen, as what is ahead early need not be so late
    (successive halving, Jamieson and Talwalkar, arXiv:1502.07943).

    `cpu_s` ends the tuning of a row: no trial is begun after so many CPU seconds of training (0: no end). `metrics`
    are taken of each trial, for the curve of what k trials give, and its certificate may draw `mass_draws`.

    Example:
        >>> Tuning(trials=8).learning_rate
        (0.002, 0.1)
    """

    trials: Annotated[int, Field(ge=2, le=1024)] = 8
    finalists: Annotated[int, Field(ge=0)] = 0
    cpu_s: Annotated[float, Field(ge=0)] = 0.0
    learning_rate: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.002, 0.1)
    batch: tuple[Positive, ...] = ()
    schedule: tuple[Literal["constant", "cosine", "one-cycle"], ...] = ("cosine", "one-cycle")
    metrics: Annotated[tuple[str, ...], Field(min_length=1)] = ("nll",)
    mass_draws: Positive = 100_000

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.learning_rate
        if low >= high:
            raise ValueError(f"learning_rate is [{low:g}, {high:g}], but a lower and a higher end were expected")
        return self
