"""An autoregressive mixture density: normal, Student-t and Breit-Wigner components, steered by a masked network."""

from __future__ import annotations

from itertools import cycle, islice

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Density, Sampler, density_of
from qinn_bench.values import Refused
from reference_models._parts.flow import Mixing
from reference_models._parts.made import made
from reference_models._parts.mixture import Mixture
from reference_models._parts.sizes import HIDDEN, HIDDEN_LAYERS

ABOUT = About(
    citation="Uria, Murray, Larochelle, RNADE, arXiv:1306.0186, with the masks of MADE, arXiv:1502.03509",
    knobs={"components": (1, 2, 3, 4, 5, 6, 8, 10, 12), "hidden": HIDDEN, "hidden_layers": HIDDEN_LAYERS},
    depth="components",
    tiny={"components": 3, "hidden": 2, "shapes": "student"},
    tune={"shapes": ("normal", "student", "breit-wigner", "all")},
)
SHAPES = {
    "normal": ("normal",),
    "student": ("normal", "student"),
    "breit-wigner": ("normal", "breit-wigner"),
    "all": ("normal", "student", "breit-wigner"),
}
"""Which kinds of components take turns."""


class MixtureMade(Sampler, Density):
    """Each feature, after a triangular mixing, is a mixture whose numbers a masked network reads off those before it.

    The density is exact and normalised by construction; rows are drawn one feature after the other.

    Example:
        >>> model = build(2, components=2, hidden=3)
        >>> model.log_prob(torch.zeros(1, 2)).shape, model.sample(5, torch.Generator().manual_seed(0)).shape
        (torch.Size([1]), torch.Size([5, 2]))
    """

    normalised = True

    def __init__(self, dim: int, mixture: Mixture, hidden: int, hidden_layers: int, condition: int) -> None:
        super().__init__(dim)
        self.mixture = mixture
        self.mixing = Mixing(dim, upper=False)
        self.network = made(dim, mixture.width, hidden, hidden_layers, condition)

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The log-density of features, ``(n, dim) -> (n,)``, in nats."""
        mixed, _ = self.mixing(x)
        return self.mixture.log_density(mixed, self._numbers(mixed, condition)).sum(1)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows."""
        mixed = self.mixing.entries.new_zeros(n, self.dim)
        for i in range(self.dim):
            own = slice(i, i + 1)
            mixed[:, own] = self.mixture.draw(self._numbers(mixed, condition)[:, own], rng)
        return self.mixing.inverse(mixed)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood."""
        return -density_of(self, batch).mean()

    def _numbers(self, x: Tensor, condition: Tensor | None) -> Tensor:
        numbers: Tensor = self.network(x if condition is None else torch.cat((condition, x), 1))
        return numbers.reshape(len(x), self.dim, self.mixture.width)


def build(
    dim: int,
    *,
    components: int = 6,
    hidden: int = 16,
    hidden_layers: int = 1,
    shapes: str = "all",
    condition: int = 0,
) -> MixtureMade:
    """So many components a feature; masked networks of `hidden` units steer them, which also read `condition` numbers.

    `shapes` says which kinds take turns among the components: ``normal`` only, normal and ``student`` (4 degrees of
    freedom), normal and ``breit-wigner``, or ``all`` three.

    Raises:
        Refused: fewer than two features, no component, or shapes that do not exist.
    """
    if dim < 2:
        raise Refused(f"an autoregressive mixture was asked for dim {dim}, but it orders 2 features or more")
    if components < 1 or shapes not in SHAPES:
        raise Refused(
            f"mixture_made was given components={components}, shapes={shapes}; 1 component or more is expected, and as "
            f"shapes one of {', '.join(SHAPES)}"
        )
    kinds = tuple(islice(cycle(SHAPES[shapes]), components))
    return MixtureMade(dim, Mixture(kinds), hidden, hidden_layers, condition)
