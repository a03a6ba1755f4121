"""A density by the chain rule: the first features given the condition, then the others given both."""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.contracts import DensityModel
from qinn_bench.values import Refused
from reference_models._parts.flow import Conditioner, Univariate, coupling_flow
from reference_models.bounds.elementwise import Elementwise


class Steered(DensityModel):
    """Maps each feature by a univariate map whose numbers a network reads off the condition alone.

    It is what is left of a coupling where there is one feature, which has no other to be coupled to.

    Example:
        >>> from reference_models._parts.flow import dense
        >>> from reference_models._parts.rational_quadratic import RationalQuadratic
        >>> flow = Steered(1, RationalQuadratic(bins=3, bound=5.0), dense(2, 1), condition=2)
        >>> z, logdet = flow(torch.zeros(3, 1), torch.ones(3, 2))
        >>> z.shape, logdet.shape
        (torch.Size([3, 1]), torch.Size([3]))
    """

    def __init__(self, dim: int, univariate: Univariate, conditioner: Conditioner, condition: int) -> None:
        super().__init__(dim)
        self.univariate = univariate
        self.network = conditioner(condition, dim * univariate.width)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features to latents and the log-det."""
        return self.univariate.map_columns(x, slice(None), self._numbers(condition))

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents to features."""
        return self.univariate.inverse(y, self._numbers(condition))

    def _numbers(self, condition: Tensor | None) -> Tensor:
        numbers: Tensor = self.network(condition)
        return numbers.reshape(len(numbers), self.dim, self.univariate.width)


class Chain(DensityModel):
    """The first features are mapped given the condition, the others given the first ones and the condition after them.

    The Jacobian is block triangular, so that the log-dets of both add up:
    ``p(first, rest | c) = p(first | c) p(rest | first, c)``.

    Example:
        >>> from reference_models._parts.flow import dense
        >>> from reference_models._parts.rational_quadratic import RationalQuadratic
        >>> flow = chain(5, 2, RationalQuadratic(bins=3, bound=5.0), dense(4, 1), blocks=2, condition=1)
        >>> x, energy = torch.linspace(-1, 1, 15).reshape(3, 5), torch.ones(3, 1)
        >>> bool(torch.allclose(flow.inverse(flow(x, energy)[0], energy), x, atol=1e-5))
        True
    """

    def __init__(self, first: DensityModel, rest: DensityModel) -> None:
        super().__init__(first.dim + rest.dim)
        self.first, self.rest = first, rest

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features to latents and the log-det."""
        first, rest = self._split(x)
        z, logdet = self.first(first, condition)
        further, more = self.rest(rest, _beside(first, condition))
        return torch.cat((z, further), 1), logdet + more

    def inverse(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents to features, the first ones first."""
        z, further = self._split(z)
        first = self.first.inverse(z, condition)
        return torch.cat((first, self.rest.inverse(further, _beside(first, condition))), 1)

    def _split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return rows[:, : self.first.dim], rows[:, self.first.dim :]


def _beside(first: Tensor, condition: Tensor | None) -> Tensor:
    return first if condition is None else torch.cat((first, condition), 1)


def chain(
    dim: int, layers: int, univariate: Univariate, conditioner: Conditioner, *, blocks: int, condition: int = 0
) -> DensityModel:
    """A coupling flow of the first `layers` features and one of the others given them, each of so many `blocks`.

    With no layers, or where all features are layers, it is a single flow.

    Raises:
        Refused: no feature, or a negative number of layers.
    """
    if dim < 1 or layers < 0:
        raise Refused(f"a flow of {dim} features of which {layers} are layers was asked for; 1 and 0 are the least")
    if not 0 < layers < dim:
        return _flow(dim, univariate, conditioner, blocks, condition)
    first = _flow(layers, univariate, conditioner, blocks, condition)
    return Chain(first, _flow(dim - layers, univariate, conditioner, blocks, condition + layers))


def _flow(dim: int, univariate: Univariate, conditioner: Conditioner, blocks: int, condition: int) -> DensityModel:
    if dim > 1:
        return coupling_flow(dim, univariate, conditioner, blocks, condition)
    return Steered(1, univariate, conditioner, condition) if condition else Elementwise(1, univariate)
