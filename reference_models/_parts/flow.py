"""Flows out of parts: invertible steps one after the other, and the networks that steer them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from qinn_bench.contracts import DensityModel
from qinn_bench.values import Refused

Conditioner = Callable[[int, int], nn.Module]


class Univariate(Protocol):
    """A family of increasing maps of the line, each steered by `width` unconstrained numbers; all zero: the identity.

    Values are ``(n, k)``, their numbers ``(n, k, width)``.
    """

    @property
    def width(self) -> int:
        """How many numbers steer one map."""

    def forward(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """The image of `x`, and the log of the slope there in nats, both ``(n, k)``."""

    def inverse(self, y: Tensor, numbers: Tensor) -> Tensor:
        """The ``(n, k)`` values whose images are `y`; not finite where a number is not."""

    def map_columns(self, x: Tensor, which: slice, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """``(n, dim), (n, k, width) -> (n, dim), (n,)``: rows with these columns mapped, and their log-slopes added up.

        The slice has a start or none and a step or none.
        """
        image, log_slope = self.forward(x[:, which], numbers)
        return x.slice_scatter(image, 1, which.start, None, which.step or 1), log_slope.sum(1)

    def unmap_columns(self, y: Tensor, which: slice, numbers: Tensor) -> Tensor:
        """``(n, dim), (n, k, width) -> (n, dim)``: rows with these columns mapped back."""
        return y.slice_scatter(self.inverse(y[:, which], numbers), 1, which.start, None, which.step or 1)


def dense(hidden: int, hidden_layers: int) -> Conditioner:
    """A maker of dense networks with SiLU between their layers, the last of which starts at zero."""

    def conditioner(n_in: int, n_out: int) -> nn.Module:
        sizes = [n_in, *[hidden] * hidden_layers]
        inner = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.SiLU())]
        last = nn.Linear(sizes[-1], n_out)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return nn.Sequential(*inner, last)

    return conditioner


class Coupling(DensityModel):
    """Maps every second feature by a univariate map whose numbers a network reads off the features in between.

    The features with an odd index are mapped if `odd`, else those with an even one (arXiv:1605.08803, section 3.4).
    The network reads `condition` numbers more, if there are conditions (arXiv:1907.02392, section 3.2).

    Example:
        >>> from reference_models._parts.rational_quadratic import RationalQuadratic
        >>> flow = Coupling(2, RationalQuadratic(bins=3, bound=5.0), lambda n_in, n_out: nn.Linear(n_in, n_out),
        ...     odd=True)
        >>> x = torch.linspace(-1, 1, 6).reshape(3, 2)
        >>> z, logdet = flow(x)
        >>> logdet.shape, bool(torch.allclose(flow.inverse(z), x, atol=1e-5))
        (torch.Size([3]), True)
    """

    def __init__(
        self, dim: int, univariate: Univariate, conditioner: Conditioner, *, odd: bool, condition: int = 0
    ) -> None:
        super().__init__(dim)
        if dim < 2:
            raise Refused(f"a coupling flow was asked for dim {dim}, but it couples 2 features or more")
        self.mapped, self.kept = slice(int(odd), None, 2), slice(1 - odd, None, 2)
        n_mapped = len(range(dim)[self.mapped])
        self.univariate = univariate
        self.network = conditioner(dim - n_mapped + condition, n_mapped * univariate.width)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features to latents and the log-det."""
        return self.univariate.map_columns(x, self.mapped, self._numbers(x, condition))

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents to features."""
        return self.univariate.unmap_columns(y, self.mapped, self._numbers(y, condition))

    def _numbers(self, x: Tensor, condition: Tensor | None) -> Tensor:
        read = x[:, self.kept] if condition is None else torch.cat((x[:, self.kept], condition), 1)
        numbers: Tensor = self.network(read)
        return numbers.reshape(len(x), -1, self.univariate.width)


class Mixing(DensityModel):
    """Multiplies by a unit triangular matrix, ``dim (dim - 1) / 2`` parameters, of log-det 0; starts as the identity.

    A lower and an upper one in turn make up the LU-decomposed matrix of arXiv:1906.04032, section 3.2, at half its
    parameters a step; scales are left to the univariate maps.

    Example:
        >>> flow = Mixing(2, upper=True)
        >>> x = torch.linspace(-1, 1, 6).reshape(3, 2)
        >>> z, logdet = flow(x)
        >>> logdet.shape, bool(torch.allclose(flow.inverse(z), x, atol=1e-5))
        (torch.Size([3]), True)
    """

    def __init__(self, dim: int, *, upper: bool) -> None:
        super().__init__(dim)
        self.upper = upper
        mask = [[j > i if upper else j < i for j in range(dim)] for i in range(dim)]
        self.register_buffer("mask", torch.tensor(mask))
        self.entries = nn.Parameter(torch.zeros(dim * (dim - 1) // 2))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features to latents and the log-det, which is 0."""
        return x @ self._matrix().T, x.new_zeros(len(x))

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents to features."""
        x: Tensor = torch.linalg.solve_triangular(self._matrix(), y.T, upper=self.upper, unitriangular=True)
        return x.T

    def _matrix(self) -> Tensor:
        mask = self.get_buffer("mask")
        identity = torch.eye(self.dim, dtype=self.entries.dtype, device=mask.device)
        return identity.masked_scatter(mask, self.entries)


class Composition(DensityModel):
    """Density models one after the other, the latent of one being the features of the next; log-dets add up.

    Example:
        >>> flow = Composition(2, [Mixing(2, upper=True), Mixing(2, upper=False)])
        >>> x = torch.linspace(-1, 1, 6).reshape(3, 2)
        >>> z, logdet = flow(x)
        >>> logdet.shape, bool(torch.allclose(flow.inverse(z), x, atol=1e-5))
        (torch.Size([3]), True)
    """

    def __init__(self, dim: int, steps: Iterable[DensityModel]) -> None:
        super().__init__(dim)
        self.steps = cast("list[DensityModel]", nn.ModuleList(steps))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features to latents and the log-det."""
        total = x.new_zeros(len(x))
        for step in self.steps:
            x, logdet = step(x, condition)
            total = total + logdet
        return x, total

    def inverse(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents to features."""
        for step in reversed(self.steps):
            z = step.inverse(z, condition)
        return z


def coupling_flow(
    dim: int, univariate: Univariate, conditioner: Conditioner, blocks: int, condition: int = 0
) -> Composition:
    """Blocks of a mixing and a coupling, which reads the condition; the triangle and the mapped half alternate."""
    steps: list[DensityModel] = []
    for k in range(blocks):
        coupling = Coupling(dim, univariate, conditioner, odd=k % 2 == 1, condition=condition)
        steps += [Mixing(dim, upper=k % 2 == 1), coupling]
    return Composition(dim, steps)
