"""What every value is made of: kinds of numbers and words, an estimate, and the one error that users see."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Array = NDArray[np.float64]
Knob = bool | int | float | str
Knobs = dict[str, Knob]
Direction = Literal["lower", "higher", "zero", "one", "none"]
Status = Literal[
    "ok",
    "diverged",
    "not-converged",
    "timeout",
    "out-of-memory",
    "crashed",
    "unsupported",
    "skipped",
    "lost",
]
"""How a cell has ended; it is lost where the machines that ran it were lost, again and again."""
Role = Literal["model", "control", "floor", "ceiling"]
RowKind = Literal["flat", "image", "voxels"]
"""A row is a vector of features, channels of pixels, or channels of cells in layers, angles and radii."""
Verdict = Literal["pass", "fail", "undecided"]
Outcome = Literal["better", "equal", "worse", "undecided"]
Control = Literal["", "frozen", "unentangled", "fourier", "tanh", "untrained"]
Source = Literal["all", "initialisation", "batches", "shots", "evaluation", "split"]
Suspicion = Literal["better-than-truth", "memoriser", "leak", "idle-circuit", "unchecked"]
Axis = Literal["parameters", "quantum", "circuits", "flops", "rank"]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
NAME = r"^[a-z0-9][a-z0-9_-]*$"
StudyName = Annotated[str, Field(pattern=NAME, max_length=100)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.,=+\[\]-]*$", max_length=100)]
"""Studies and keys name folders and files: nothing that leads elsewhere or that a file system does not take."""


class Refused(ValueError):
    """What was asked for cannot be had; the message is one sentence: what was given, what was expected, what exists.

    Example:
        >>> try:
        ...     raise Refused("no model is called 'splin'; there are: spline_inn")
        ... except ValueError as refusal:
        ...     print(refusal)
        no model is called 'splin'; there are: spline_inn
    """


class Value(BaseModel):
    """A frozen, strictly typed value; unknown keys and non-finite numbers are refused.

    Example:
        >>> class Point(Value):
        ...     x: float
        >>> Point(x=1.0).model_copy(update={"x": 2.0})
        Point(x=2.0)
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Estimate(Value):
    """A number with its error (one standard deviation), its unit, the direction that is better, and its sample size.

    `value` is None where the number does not exist; `note` then says why.

    Example:
        >>> Estimate(value=0.036, error=0.003, n=10_000, unit="sd", better="lower").error
        0.003
        >>> Estimate(value=None, note="no row lies in the window").value is None
        True
    """

    value: float | None
    error: float | None = None
    n: int = 0
    unit: str = ""
    better: Direction = "none"
    note: str = ""
