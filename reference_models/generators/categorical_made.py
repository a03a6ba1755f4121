"""An autoregressive categorical density on cells: the classical twin of the full-state generative circuit."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Density, Sampler, density_of
from qinn_bench.values import Refused
from reference_models._parts.cells import Cells
from reference_models._parts.made import made
from reference_models._parts.sizes import HIDDEN, HIDDEN_LAYERS

ABOUT = About(
    citation="Germain, Gregor, Murray, Larochelle, MADE, arXiv:1502.03509, with categories as in van den Oord et al., "
    "Pixel Recurrent Neural Networks, arXiv:1601.06759",
    deviations=("the categories are cells of equal width after a map to (0, 1), as those of `reversible_circuit`",),
    knobs={"hidden": HIDDEN, "hidden_layers": HIDDEN_LAYERS},
    depth="hidden_layers",
    tiny={"bits": 1, "hidden": 2},
    tune={"bits": (2, 3, 4), "squash": ("normal", "logistic")},
)


class CategoricalMade(Sampler, Density):
    """Each feature is in one of its cells with probabilities that a masked network reads off the cells before it.

    Example:
        >>> model = build(2, bits=2, hidden=3)
        >>> round(float(model.log_prob(torch.zeros(1, 2))), 3)  # It starts as a standard normal.
        -1.838
    """

    normalised = True

    def __init__(self, cells: Cells, hidden: int, hidden_layers: int, condition: int) -> None:
        super().__init__(cells.dim)
        self.cells = cells
        # The logit of the first cell is 0, as only differences count.
        self.network = made(cells.dim, cells.each - 1, hidden, hidden_layers, condition)

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The log-density of features, ``(n, dim) -> (n,)``, in nats."""
        places = self.cells.places(x)
        own = self._log_probabilities(places, x, condition).gather(2, places[:, :, None])[:, :, 0]
        even = torch.log(own.new_tensor(1 / self.cells.each))
        return (own - even).sum(1) + self.cells.log_even(x)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows, one feature after the other."""
        like = next(self.network.parameters())
        places = torch.zeros(n, self.dim, dtype=torch.long, device=like.device)
        for i in range(self.dim):
            below = self._log_probabilities(places, like, condition)[:, i].double().exp().cumsum(1)
            uniform = torch.rand(n, 1, generator=rng, dtype=torch.float64).to(below)
            places[:, i] = (below[:, :-1] <= uniform).sum(1)
        return self.cells.drawn_in(places, rng).to(like)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood."""
        return -density_of(self, batch).mean()

    def _log_probabilities(self, places: Tensor, like: Tensor, condition: Tensor | None) -> Tensor:
        """Of each cell of each feature, ``(n, dim, cells)``."""
        read = self.cells.centres(places).to(like)
        logits = self.network(read if condition is None else torch.cat((condition, read), 1))
        return F.pad(logits.reshape(len(places), self.dim, -1), (1, 0)).log_softmax(2)


def build(
    dim: int,
    *,
    bits: int = 3,
    hidden: int = 16,
    hidden_layers: int = 1,
    squash: str = "normal",
    condition: int = 0,
) -> CategoricalMade:
    """Each feature has 2^bits cells of equal width after `squash`; masked networks of `hidden` units read those before.

    Raises:
        Refused: fewer than two features, or what `Cells` refuses.
    """
    if dim < 2:
        raise Refused(f"an autoregressive density was asked for dim {dim}, but it orders 2 features or more")
    return CategoricalMade(Cells(dim, bits, squash), hidden, hidden_layers, condition)
