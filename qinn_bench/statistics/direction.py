"""Which way is better: the one place that turns numbers of any direction so that they can be compared."""

from __future__ import annotations

from typing import TypeVar

from qinn_bench.values import Array, Direction, Refused

Number = TypeVar("Number", float, Array)
IDEAL: dict[Direction, float] = {"zero": 0.0, "one": 1.0}
"""What is best where neither less nor more is better, but to come close to a value."""


def competes(better: Direction) -> bool:
    """Whether there is a better side at all."""
    return better != "none"


def sign_of(better: Direction) -> int:
    """What a loss has to be multiplied with to be the number again, where less or more is better; 1 for a distance."""
    return -1 if better == "higher" else 1


def loss(value: Number, better: Direction) -> Number:
    """How bad a number is, less being better: itself, its negative, or its distance from the ideal.

    Args:
        value: a number or an array of numbers, in any unit.
        better: the direction that is better.

    Raises:
        Refused: neither less nor more is better.

    Example:
        >>> loss(0.7, "higher"), loss(-0.2, "zero"), loss(0.75, "one")
        (-0.7, 0.2, 0.25)
    """
    if better == "none":
        raise Refused("of this metric neither more nor less is better; name a metric that has a direction")
    if better in IDEAL:
        return abs(value - IDEAL[better])
    return -value if better == "higher" else value


def goodness(value: Number, better: Direction) -> Number:
    """How good a number is, more being better: minus its `loss`.

    Raises:
        Refused: neither less nor more is better.

    Example:
        >>> goodness(0.7, "higher"), goodness(2.5, "lower")
        (0.7, -2.5)
    """
    return -loss(value, better)
