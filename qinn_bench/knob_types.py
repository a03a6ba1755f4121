"""Checks that the knobs of a use exist and have the types of their defaults."""

from __future__ import annotations

from qinn_bench.values import Knob, Knobs, Refused, Use

TRAIN_EVENTS = "train_events"
"""The knob that every data set has: only so many of its training rows, or with 0 all; the others stay as they are."""
SHARED: dict[str, Knobs] = {"data": {TRAIN_EVENTS: 0}}
"""The knobs that all of a kind have beside their own, each with the value that leaves them as they are."""
LARGEST = 10**300
"""The largest whole number that a knob of type float may be given."""


def check_knobs(kind: str, use: Use, defaults: Knobs) -> None:
    """Check that the knobs of a use are among these defaults, or shared by all of its kind, and have their types.

    Raises:
        Refused: an unknown knob, or a knob of the wrong type.
    """
    defaults = SHARED.get(kind, {}) | defaults
    for knob, value in use.knobs.items():
        if knob not in defaults:
            known = ", ".join(sorted(defaults)) or "none"
            raise Refused(f"{kind} '{use.name}' has no knob '{knob}'; there are: {known}")
        _check_type(f"{kind} '{use.name}'", knob, value, defaults[knob])


def _check_type(owner: str, knob: str, value: Knob, default: Knob) -> None:
    wanted = type(default)
    fits = isinstance(value, wanted) and isinstance(value, bool) == isinstance(default, bool)
    if wanted is float and type(value) is int and abs(value) > LARGEST:
        raise Refused(f"{owner}: knob '{knob}' is larger than {LARGEST:g}, expected a number such as {default!r}")
    if not fits and not (wanted is float and type(value) is int):
        raise Refused(f"{owner}: knob '{knob}' is {value!r}, expected {wanted.__name__} such as {default!r}")


def as_default(default: Knob, value: Knob) -> Knob:
    """The value in the type of its default: a whole number is a number too."""
    return float(value) if isinstance(default, float) else value
