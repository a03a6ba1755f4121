"""One p-value of a statement about any or all of some rows, from those of its pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from qinn_bench.verdicts.claim_file import Quantifier

OTHER: dict[Quantifier, Quantifier] = {"any": "all", "all": "any"}


class Combined(NamedTuple):
    """A p-value, and the places of the pair that decides it.

    Example:
        >>> Combined(0.04, first=0, second=2).p
        0.04
    """

    p: float
    first: int
    second: int


def combine(p: Sequence[Sequence[float]], quantifiers: tuple[Quantifier, Quantifier]) -> Combined:
    """The p-value of "any (all) of the first with any (all) of the second", ``p[first][second]`` being those of pairs.

    *Any* is shown by one: the smallest p times their number (Bonferroni), as one of so many chances was taken. *All*
    needs each: the largest, without a correction (Berger, Technometrics 24, 295 (1982)). The quantifier of the first
    side is the outer one: "any of the first is better than all of the second" is the smallest over the first, times
    their number, of the largest over the second.

    Example:
        >>> combine([[0.01, 0.04], [0.001, 0.2]], ("any", "all"))
        Combined(p=0.08, first=0, second=1)
    """
    rows = [_combined(row, quantifiers[1]) for row in p]
    value, first = _combined([value for value, _ in rows], quantifiers[0])
    return Combined(value, first, rows[first][1])


def refuted(p: Sequence[Sequence[float]], quantifiers: tuple[Quantifier, Quantifier]) -> Combined:
    """The p-value of the opposite, from the p-values that each pair is not so: *any* and *all* change places.

    Example:
        >>> refuted([[0.01, 0.04], [0.001, 0.2]], ("any", "all"))
        Combined(p=0.02, first=0, second=0)
    """
    return combine(p, (OTHER[quantifiers[0]], OTHER[quantifiers[1]]))


def _combined(p: Sequence[float], quantifier: Quantifier) -> tuple[float, int]:
    pick = min if quantifier == "any" else max
    at = pick(range(len(p)), key=p.__getitem__)
    return (min(1.0, len(p) * p[at]) if quantifier == "any" else p[at]), at
