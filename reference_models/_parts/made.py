"""Masked networks (MADE), whose i-th outputs see only what comes before the i-th feature."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.contracts import DensityModel
from reference_models._parts.flow import Univariate


class MaskedLinear(nn.Module):
    """A linear layer whose unit of degree k reads units of degree below k, or up to k; it owns no other weights.

    The masks are those of MADE (arXiv:1502.03509, equations 8 and 13). A masked weight that is stored all the same, as
    libraries do, would be counted as capacity that the model does not have.

    Example:
        >>> layer = MaskedLinear([1, 2], [1, 2], below=True)
        >>> tuple(layer(torch.zeros(3, 2)).shape)
        (3, 2)
    """

    def __init__(self, read: Sequence[int], own: Sequence[int], *, below: bool) -> None:
        super().__init__()
        mask = [[k > j if below else k >= j for j in read] for k in own]
        fans = [sum(row) for row in mask]
        self.register_buffer("mask", torch.tensor(mask))
        self.weight = nn.Parameter(_uniform([fan for fan in fans for _ in range(fan)]))
        self.bias = nn.Parameter(_uniform(fans))

    def forward(self, x: Tensor) -> Tensor:
        """``(n, len(read)) -> (n, len(own))``."""
        mask = self.get_buffer("mask")
        return F.linear(x, x.new_zeros(mask.shape).masked_scatter(mask, self.weight), self.bias)


def _uniform(fans: Sequence[int]) -> Tensor:
    """A starting value below the inverse root of each fan-in, as in a dense layer."""
    return (2 * torch.rand(len(fans)) - 1) / torch.tensor(fans).clamp(min=1).sqrt()


def made(dim: int, width: int, hidden: int, hidden_layers: int, condition: int = 0) -> nn.Module:
    """A network ``(n, condition + dim) -> (n, dim * width)`` whose i-th `width` outputs see only the features before
    the i-th, and the conditions, which come first.

    Hidden degrees are spread evenly over 1 to dim - 1, so that few units reach far as well.
    """
    features = range(1, dim + 1)
    spread = [1 + round(k * (dim - 2) / max(1, hidden - 1)) for k in range(hidden)]
    layers: list[nn.Module] = []
    for read, own in pairwise([[*[0] * condition, *features], *[spread] * hidden_layers]):
        layers += [MaskedLinear(read, own, below=False), nn.SiLU()]
    last = MaskedLinear(spread, [k for k in features for _ in range(width)], below=True)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


class Autoregressive(DensityModel):
    """Maps each feature by a univariate map that is steered by those before it, or by those after it if `backward`.

    Example:
        >>> from reference_models._parts.rational_quadratic import RationalQuadratic
        >>> flow = Autoregressive(2, RationalQuadratic(bins=3, bound=5.0), made(2, 8, 3, 1), backward=False)
        >>> x = torch.linspace(-1, 1, 6).reshape(3, 2)
        >>> z, logdet = flow(x)
        >>> logdet.shape, bool(torch.allclose(flow.inverse(z), x, atol=1e-5))
        (torch.Size([3]), True)
    """

    def __init__(self, dim: int, univariate: Univariate, network: nn.Module, *, backward: bool) -> None:
        super().__init__(dim)
        self.univariate, self.network = univariate, network
        self.turned = [1] if backward else []

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features to latents and the log-det."""
        x = x.flip(self.turned)
        y, logdet = self.univariate.map_columns(x, slice(None), self._numbers(x, condition))
        return y.flip(self.turned), logdet

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents to features, one feature after the other."""
        y = y.flip(self.turned)
        x = torch.zeros_like(y)
        for i in range(self.dim):
            own = slice(i, i + 1)
            x[:, own] = self.univariate.inverse(y[:, own], self._numbers(x, condition)[:, own])
        return x.flip(self.turned)

    def _numbers(self, x: Tensor, condition: Tensor | None) -> Tensor:
        numbers: Tensor = self.network(x if condition is None else torch.cat((condition, x), 1))
        return numbers.reshape(len(x), self.dim, self.univariate.width)
