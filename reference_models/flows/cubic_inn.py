"""The classical invertible network with monotone cubic splines, as in the sister papers of the QINN."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor
from torch.nn import functional as F

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import DensityModel
from reference_models._parts.compiled_spline import CompiledSpline, Form
from reference_models._parts.flow import coupling_flow, dense
from reference_models._parts.sizes import SPLINE_KNOBS

ABOUT = About(
    citation="Durkan, Bekasov, Murray, Papamakarios, Cubic-Spline Flows, arXiv:1906.02145",
    published={"parameters": "the classical networks of arXiv:2302.12906 have 6k to 16k parameters"},
    knobs=SPLINE_KNOBS,
    depth="blocks",
    tiny={"blocks": 2, "hidden": 2, "bins": 3},
    tune={"bound": KnobSpan(low=3.0, high=10.0)},
)
NARROWEST = 1e-2
FLATTEST = 1e-3
STEPS = 100
ROUNDING = 2e-15


@dataclass(frozen=True)
class Piece:
    """The cubic ``y0 + h (a t + b t^2 + c t^3)``, ``t = (x - x0) / w`` in [0, 1], of the bin that holds each value.

    All are ``(n, k)``; ``a, b, c`` come from the end slopes in units of the chord ``h / w``.

    Example:
        >>> one = torch.ones(1, 1)
        >>> straight = Piece(0 * one, 0 * one, one, one, one, 0 * one, 0 * one)
        >>> float(straight.image(0.25 * one)), float(straight.slope(0.25 * one))
        (0.25, 1.0)
    """

    x0: Tensor
    y0: Tensor
    w: Tensor
    h: Tensor
    a: Tensor
    b: Tensor
    c: Tensor

    def image(self, t: Tensor) -> Tensor:
        """How far up the bin, from 0 to 1, the curve is at `t`."""
        return t * (self.a + t * (self.b + t * self.c))

    def slope(self, t: Tensor) -> Tensor:
        """The derivative of `image`."""
        return self.a + t * (2 * self.b + t * 3 * self.c)


@dataclass(frozen=True)
class Cubic(CompiledSpline):
    """Steffen's monotone cubic spline on [-bound, bound] with `bins` bins, continued by straight lines outside.

    Its ``2 bins + 2`` numbers are widths, heights (through a softmax) and the slopes at both ends (through a sigmoid,
    between 0 and 3 chords of the end bin); inner slopes follow from Steffen's rule (Astron. Astrophys. 239 (1990) 443).

    Example:
        >>> spline = Cubic(bins=3, bound=5.0)
        >>> x = torch.tensor([[-6.0, 0.5]])
        >>> image, slope = spline.forward(x, torch.zeros(1, 2, spline.width))
        >>> spline.width, bool(torch.allclose(spline.inverse(image, torch.zeros(1, 2, spline.width)), x, atol=1e-5))
        (8, True)
    """

    @property
    def width(self) -> int:
        """How many numbers steer one map."""
        return 2 * self.bins + 2

    @property
    def form(self) -> Form:
        """What the kernel is told."""
        return Form(self.bins, self.bound, NARROWEST, FLATTEST, -log(2), cubic=True)

    def twin(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """``(n, k), (n, k, width) -> (n, k), (n, k)``: image and log-slope, by operations of torch."""
        xs, ys, slopes = self._knots(numbers)
        piece = _piece(xs, ys, slopes, _bin_of(x, xs))
        t = (x - piece.x0) / piece.w
        within = t.clamp(0, 1)
        slope = piece.slope(within)
        y = piece.y0 + piece.h * (piece.image(within) + (t - within) * slope)
        return y, torch.log(slope * piece.h / piece.w)

    def twin_inverse(self, y: Tensor, numbers: Tensor) -> Tensor:
        """``(n, k), (n, k, width) -> (n, k)``, by the root of the cubic in its bin."""
        xs, ys, slopes = self._knots(numbers.double())
        piece = _piece(xs, ys, slopes, _bin_of(y.double(), ys))
        up = (y - piece.y0) / piece.h
        inside = (up > 0) & (up < 1)
        within = _root(piece, up.clamp(0, 1)).where(inside, up.clamp(0, 1))
        t = within + (up - up.clamp(0, 1)) / piece.slope(within)
        return (piece.x0 + piece.w * t).to(y)

    def _knots(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Positions and images of the knots and the slopes there, each ``(n, k, bins + 1)``."""
        widths, heights, ends = torch.split(numbers, [self.bins, self.bins, 2], dim=-1)
        w, h = self._share(widths), self._share(heights)
        chord = h / w
        mean = (chord[..., :-1] * w[..., 1:] + chord[..., 1:] * w[..., :-1]) / (w[..., :-1] + w[..., 1:])
        inner = torch.minimum(mean, 2 * torch.minimum(chord[..., :-1], chord[..., 1:]))
        outer = (FLATTEST + (3 - 3 * FLATTEST) * torch.sigmoid(ends - log(2))) * chord[..., [0, -1]]
        slopes = torch.cat([outer[..., :1], inner, outer[..., 1:]], dim=-1)
        return self._positions(w), self._positions(h), slopes

    def _share(self, numbers: Tensor) -> Tensor:
        shares = NARROWEST / self.bins + (1 - NARROWEST) * numbers.softmax(-1)
        return 2 * self.bound * shares

    def _positions(self, steps: Tensor) -> Tensor:
        return F.pad(steps.cumsum(-1), (1, 0)) - self.bound


def _bin_of(values: Tensor, knots: Tensor) -> Tensor:
    """The index of the bin that holds each value ``(n, k)``; the first and the last take what lies outside."""
    return (values[..., None] >= knots[..., 1:-1]).sum(-1, keepdim=True)


def _piece(xs: Tensor, ys: Tensor, slopes: Tensor, index: Tensor) -> Piece:
    x0, x1, y0, y1, d0, d1 = (knots.gather(-1, index + step)[..., 0] for knots in (xs, ys, slopes) for step in (0, 1))
    w, h = x1 - x0, y1 - y0
    d0, d1 = d0 * w / h, d1 * w / h
    return Piece(x0, y0, w, h, a=d0, b=3 - 2 * d0 - d1, c=d0 + d1 - 2)


def _root(piece: Piece, up: Tensor) -> Tensor:
    """The ``t`` in [0, 1] where the increasing cubic of a piece is ``up``.

    Newton's method inside a bracket that halves whenever a step leaves it or does not halve the step before (Press et
    al., Numerical Recipes, section 9.4). It needs no case by case formula, so that no coefficient is too small for it;
    closed forms lose digits, or the root, near a vanishing cubic or quadratic term. Rows that are done stand still.
    """
    with torch.no_grad():
        t = _bracketed(piece, up)
    # One more step, which leaves the root where it is and carries its derivatives.
    return (t - (piece.image(t) - up) / piece.slope(t)).clamp(0, 1)


def _bracketed(piece: Piece, up: Tensor) -> Tensor:
    low, high = torch.zeros_like(up), torch.ones_like(up)
    t, step = up.clone(), torch.ones_like(up)
    for _ in range(STEPS):
        miss = piece.image(t) - up
        done = miss.abs() <= ROUNDING
        if bool(done.all()):
            break
        low, high = t.where(miss < 0, low), t.where(miss > 0, high)
        newton = t - miss / piece.slope(t)
        good = (newton > low) & (newton < high) & ((newton - t).abs() <= step / 2)
        new = newton.where(good, (low + high) / 2).where(~done, t)
        t, step = new, (new - t).abs()
    return t


def build(
    dim: int,
    *,
    blocks: int = 8,
    hidden: int = 4,
    hidden_layers: int = 1,
    bins: int = 4,
    bound: float = 5.0,
    condition: int = 0,
) -> DensityModel:
    """Couplings whose splines live on [-bound, bound], with `bins` bins; dense networks of `hidden` units steer them.

    The networks also read `condition` numbers a row.

    Raises:
        Refused: fewer than two features.
    """
    return coupling_flow(dim, Cubic(bins, bound), dense(hidden, hidden_layers), blocks, condition)
