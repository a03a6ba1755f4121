"""Solve f(x) = y for increasing functions of the line: Newton's method inside a bracket that closes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WIDENINGS, STEPS = 200, 200
ROUNDING = 1e-15


def increasing_root(f: Callable[[Tensor], tuple[Tensor, Tensor]], y: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The x of any shape in float64 with f(x) = y, where f gives values and the logarithms of its slopes.

    The bracket from `low` to `high` is a first guess, which is widened until it holds the root. A step that leaves the
    bracket or does not halve the step before gives way to the middle (Press et al., Numerical Recipes, section 9.4).

    Example:
        >>> y = torch.tensor([8.0, -27.0], dtype=torch.float64)
        >>> x = increasing_root(lambda x: (x**3, (3 * x**2).log()), y, y * 0 - 1, y * 0 + 1)
        >>> [round(float(one), 9) for one in x]
        [2.0, -3.0]
    """
    with torch.no_grad():
        low, high = _widened(f, y, low, high)
        x = _closed(f, y, low, high)
    # One more step, which leaves the root where it is and carries its derivatives.
    value, log_slope = f(x)
    return x - (value - y) * (-log_slope.detach()).exp()


def _widened(
    f: Callable[[Tensor], tuple[Tensor, Tensor]], y: Tensor, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor]:
    width = high - low
    for _ in range(WIDENINGS):
        above, below = f(low)[0] > y, f(high)[0] < y
        if not bool((above | below).any()):
            break
        low, high, width = torch.where(above, low - width, low), torch.where(below, high + width, high), 2 * width
    return low, high


def _closed(f: Callable[[Tensor], tuple[Tensor, Tensor]], y: Tensor, low: Tensor, high: Tensor) -> Tensor:
    x, step = (low + high) / 2, high - low
    for _ in range(STEPS):
        value, log_slope = f(x)
        miss = value - y
        done = (miss.abs() <= ROUNDING * (1 + y.abs())) | ((high - low).abs() <= ROUNDING * x.abs())
        if bool(done.all()):
            break
        low, high = x.where(miss < 0, low), x.where(miss > 0, high)
        newton = x - miss * (-log_slope).exp()
        good = (newton > low) & (newton < high) & ((newton - x).abs() <= step / 2)
        new = newton.where(good, (low + high) / 2).where(~done, x)
        x, step = new, (new - x).abs()
    return x
