"""One-dimensional mixtures of normal, Student-t, Breit-Wigner and logistic distributions, as densities and as maps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from qinn_bench.contracts import LOG_2PI
from reference_models._parts.flow import Univariate
from reference_models._parts.increasing import increasing_root
from reference_models._parts.normal_quantile import normal_quantile

STEEPEST = 5.0
"""The logarithm of a scale moves by less than this."""


class Kind(NamedTuple):
    """A distribution that is symmetric about 0: the logarithms of its density and of its distribution function at t,
    and how it is drawn from five independent normal numbers, ``(..., 5) -> (...)``; none where nobody asks.

    Example:
        >>> flat = Kind(log_density=torch.zeros_like, log_below=torch.zeros_like)
        >>> flat.drawn is None
        True
    """

    log_density: Callable[[Tensor], Tensor]
    log_below: Callable[[Tensor], Tensor]
    drawn: Callable[[Tensor], Tensor] | None = None


def _student_log_below(t: Tensor) -> Tensor:
    # F = (1 - s)^2 (2 + s) / 4 with s = -t / sqrt(4 + t^2); of 1 - s and 1 + s the smaller is a quotient.
    root = torch.sqrt(4 + t.square())
    small = 4 / (root * (root + t.abs()))
    low = 2 * small.log() + (3 - small).log() - math.log(4)
    return torch.where(t < 0, low, torch.log1p(-low.exp()))


KINDS: dict[str, Kind] = {
    "normal": Kind(lambda t: -0.5 * (t.square() + LOG_2PI), torch.special.log_ndtr, lambda z: z[..., 0]),
    "student": Kind(
        lambda t: math.log(3 / 8) - 2.5 * torch.log1p(t.square() / 4),
        _student_log_below,
        lambda z: z[..., 0] / z[..., 1:].square().mean(-1).sqrt(),
    ),
    "breit-wigner": Kind(
        lambda t: -math.log(math.pi) - torch.log1p(t.square()),
        lambda t: torch.log(torch.atan2(torch.ones_like(t), -t) / math.pi),
        lambda z: z[..., 0] / z[..., 1].abs(),
    ),
    "logistic": Kind(lambda t: F.logsigmoid(t) + F.logsigmoid(-t), F.logsigmoid),
}
"""By name; ``student`` has 4 degrees of freedom, ``breit-wigner`` (Cauchy) has 1: their functions are elementary."""


@dataclass(frozen=True)
class Mixture(Univariate):
    """A mixture of these kinds, one for each component, and the increasing map that takes it to a fixed latent.

    Its ``3 k - 1`` numbers are the logarithms of the weights relative to the first, the centres and the logarithms of
    the scales. All zero, components lie side by side over the line and together look like a standard normal, or, with
    a `logistic` latent, like a standard logistic distribution.

    Example:
        >>> one = Mixture(("normal", "student"))
        >>> x = torch.tensor([[-6.0, 0.5]], dtype=torch.float64)
        >>> image, slope = one.forward(x, x.new_zeros(1, 2, one.width))
        >>> one.width, bool(torch.allclose(one.inverse(image, x.new_zeros(1, 2, one.width)), x))
        (5, True)
    """

    kinds: tuple[str, ...]
    logistic: bool = False

    @property
    def width(self) -> int:
        """How many numbers steer one map."""
        return 3 * len(self.kinds) - 1

    def log_density(self, x: Tensor, numbers: Tensor) -> Tensor:
        """``(n, k), (n, k, width) -> (n, k)``, in nats."""
        log_weights, t, log_scales = self._standardised(x, numbers)
        return torch.logsumexp(log_weights - log_scales + self._each(t, "log_density"), -1)

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """``(n, k), (n, k, width) -> (n, k), (n, k)``: image and log-slope."""
        log_weights, t, log_scales = self._standardised(x, numbers)
        below = torch.logsumexp(log_weights + self._each(t, "log_below"), -1)
        above = torch.logsumexp(log_weights + self._each(-t, "log_below"), -1)
        density = torch.logsumexp(log_weights - log_scales + self._each(t, "log_density"), -1)
        if self.logistic:
            return below - above, density - below - above
        z = normal_quantile(below, above)
        return z, density + 0.5 * (z.square() + LOG_2PI)

    def inverse(self, y: Tensor, numbers: Tensor) -> Tensor:
        """``(n, k), (n, k, width) -> (n, k)``; NaN where a number is not finite."""
        finite = numbers.isfinite().all(-1) & y.isfinite()
        exact = numbers.double().where(finite[..., None], 0)
        _, centres, _ = self._read(exact)
        low, high = centres.amin(-1) - 1, centres.amax(-1) + 1
        x = increasing_root(lambda x: self.forward(x, exact), y.double().where(finite, 0), low, high)
        return x.to(y).where(finite, torch.nan)

    def draw(self, numbers: Tensor, rng: torch.Generator) -> Tensor:
        """One value of each mixture, ``(n, k, width) -> (n, k)``; all randomness comes from `rng`.

        Raises:
            TypeError: a component is of a kind that cannot be drawn.
        """
        log_weights, centres, log_scales = self._read(numbers)
        size = *log_weights.shape[:-1], 1
        uniform = torch.rand(size, generator=rng, dtype=torch.float64).to(numbers)
        chosen = (log_weights.softmax(-1).cumsum(-1)[..., :-1] <= uniform).sum(-1, keepdim=True)
        z = torch.randn((*log_weights.shape, 5), generator=rng, dtype=torch.float64).to(numbers)
        t = torch.stack([KINDS[kind].drawn(z[..., k, :]) for k, kind in enumerate(self.kinds)], -1)  # type: ignore[misc]
        return (centres + log_scales.exp() * t).gather(-1, chosen)[..., 0]

    def _read(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logarithms of the weights, centres and logarithms of the scales, each ``(n, k, components)``."""
        k = len(self.kinds)
        relative, centres, log_scales = torch.split(numbers, [k - 1, k, k], dim=-1)
        quantiles = [NormalDist().inv_cdf((i + 0.5) / k) for i in range(k)]
        start = 0.0 if self.logistic else -0.5 * math.log(k)
        log_weights = F.pad(relative, (1, 0)).log_softmax(-1)
        return (
            log_weights,
            centres + numbers.new_tensor(quantiles),
            start + STEEPEST * torch.tanh(log_scales / STEEPEST),
        )

    def _standardised(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        log_weights, centres, log_scales = self._read(numbers)
        return log_weights, (x[..., None] - centres) * (-log_scales).exp(), log_scales

    def _each(self, t: Tensor, which: str) -> Tensor:
        """A function of each component at its own standardised value, ``(n, k, components)``; each kind at once."""
        parts: Tensor = torch.empty_like(t)
        for kind in dict.fromkeys(self.kinds):
            own = [k for k, other in enumerate(self.kinds) if other == kind]
            if len(own) == len(self.kinds):
                value: Tensor = getattr(KINDS[kind], which)(t)
                return value
            parts = parts.index_copy(-1, torch.tensor(own, device=t.device), getattr(KINDS[kind], which)(t[..., own]))
        return parts
