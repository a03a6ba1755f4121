"""Corrections of p-values that are looked at together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values that hold the chance of any false rejection (Holm, Scand. J. Stat. 6, 65 (1979)).

    Example:
        >>> holm([0.01, 0.04, 0.03, 0.005])
        [0.03, 0.06, 0.06, 0.02]
    """
    order = np.argsort(p, kind="stable")
    adjusted, largest = [0.0] * len(p), 0.0
    for place, at in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - place) * p[at]))
        adjusted[at] = largest
    return adjusted


def discoveries(p: Sequence[float], rate: float) -> list[bool]:
    """Which of some p-values are discoveries, of which in expectation at most the share `rate` is false.

    Source: Benjamini and Hochberg, J. R. Stat. Soc. B 57, 289 (1995), as scipy has it.

    Example:
        >>> discoveries([0.001, 0.5, 0.02, 0.03], 0.05)
        [True, False, True, True]
    """
    return [bool(adjusted <= rate) for adjusted in scipy.stats.false_discovery_control(p)] if len(p) else []
