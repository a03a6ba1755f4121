"""Monotone rational-quadratic splines of the line: compiled, or by normflows with their edges made safe."""

from __future__ import annotations

from dataclasses import dataclass
from math import expm1, log

import torch
from normflows.utils.splines import rational_quadratic_spline
from torch import Tensor
from torch.nn import functional as F

from reference_models._parts.compiled_spline import CompiledSpline, Form

MIN_SLOPE = 1e-3
NARROWEST = 1e-2
UNIT_SLOPE = log(expm1(1 - MIN_SLOPE))


@dataclass(frozen=True)
class RationalQuadratic(CompiledSpline):
    """The spline of arXiv:1906.04032 on [-bound, bound] with `bins` bins, and the identity outside.

    Its ``3 bins - 1`` numbers are widths, heights (both through a softmax; the narrowest bin is a hundredth of an even
    one, which is the 1e-3 of the paper at 10 bins) and inner slopes (through a softplus, at least 1e-3).

    Example:
        >>> spline = RationalQuadratic(bins=3, bound=5.0)
        >>> x = torch.tensor([[-6.0, 0.5]])
        >>> image, slope = spline.forward(x, torch.zeros(1, 2, spline.width))
        >>> spline.width, bool(torch.allclose(spline.inverse(image, torch.zeros(1, 2, spline.width)), x, atol=1e-5))
        (8, True)
    """

    @property
    def width(self) -> int:
        """How many numbers steer one map."""
        return 3 * self.bins - 1

    @property
    def form(self) -> Form:
        """What the kernel is told."""
        return Form(self.bins, self.bound, NARROWEST, MIN_SLOPE, UNIT_SLOPE, cubic=False)

    def twin(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """``(n, k), (n, k, width) -> (n, k), (n, k)``: image and log-slope, by the operations of normflows."""
        inside = x.abs() < self.bound
        y, log_slope = self._spline(x.where(inside, 0), numbers, inverse=False)
        return y.where(inside, x), log_slope.where(inside, 0)

    def twin_inverse(self, y: Tensor, numbers: Tensor) -> Tensor:
        """``(n, k), (n, k, width) -> (n, k)``, by the operations of normflows."""
        finite = numbers.isfinite().all(-1)
        inside = (y.abs() < self.bound) & finite
        # normflows asserts that a discriminant is not negative, which rounding to float32 can break.
        x, _ = self._spline(y.double().where(inside, 0), numbers.double().where(finite[..., None], 0), inverse=True)
        return x.to(y).where(inside, y).where(finite, torch.nan)

    def _spline(self, values: Tensor, numbers: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        # On [-1, 1], because normflows closes the last bin with an absolute 1e-6, lost in float32 at a wide bound.
        widths, heights, slopes = torch.split(numbers, [self.bins, self.bins, self.bins - 1], dim=-1)
        image, log_slope = rational_quadratic_spline(
            values / self.bound,
            widths,
            heights,
            F.pad(slopes, (1, 1)) + UNIT_SLOPE,
            inverse=inverse,
            left=-1.0,
            right=1.0,
            bottom=-1.0,
            top=1.0,
            min_bin_width=NARROWEST / self.bins,
            min_bin_height=NARROWEST / self.bins,
            min_derivative=MIN_SLOPE,
        )
        return image * self.bound, log_slope
