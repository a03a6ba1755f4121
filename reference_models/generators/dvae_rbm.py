"""A discrete variational autoencoder whose prior is a restricted Boltzmann machine, or a classical twin of it.

The line of quantum annealers draws the binary latents from such a machine. Here they are few, so that its
normalisation, its draws and the likelihood of the whole, a mixture over all settings of the latents, are exact. Twins
have independent bits (``factorised``) or an autoregressive network (``made``) as prior.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import LOG_2PI, Batch, Density, Sampler, density_of, given
from qinn_bench.values import Refused
from reference_models._parts.binary_priors import (
    AutoregressiveBits,
    BinaryPrior,
    Boltzmann,
    Factorised,
    all_states,
    bernoulli,
)
from reference_models._parts.sizes import HIDDEN

ABOUT = About(
    citation="Rolfe, Discrete Variational Autoencoders, arXiv:1609.02200; for showers: CaloQVAE, arXiv:2312.03179",
    published={"claim": "the machine of a prior can be sampled on a quantum annealer"},
    deviations=(
        "a few latents, so that normalisation, draws and likelihood are exact, instead of hundreds and chains",
        "nothing runs on an annealer: the machine is summed exactly",
        "one layer of latents, with hard bits and the gradient of relaxed ones, instead of a hierarchy",
        "rows are normal around what is decoded, with a trained spread of each feature",
        "the priors `factorised` and `made` are ours",
        "the weights that are kept are those of the best exact likelihood of validation rows",
    ),
    knobs={"hidden": HIDDEN, "latent": (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)},
    depth="latent",
    tiny={"latent": 2, "hidden": 2},
    tune={"temperature": KnobSpan(low=0.1, high=1.0)},
)
PRIORS = ("rbm", "factorised", "made")
LARGEST = 12
JUDGED = 2000
"""Validation rows that choose the weights, at most."""
WARM_UP = 0.5
"""The part of the training in which the divergence from the prior comes to count in full."""
NUMBERS = 2**22
"""How many numbers the likelihood of a group of rows may take at once."""


class DiscreteVAE(Sampler, Density):
    """Binary latents drawn from a prior, and rows that are normal around what is decoded of them.

    Example:
        >>> model = build(2, latent=3)
        >>> model.log_prob(torch.zeros(1, 2)).shape, model.sample(5, torch.Generator().manual_seed(0)).shape
        (torch.Size([1]), torch.Size([5, 2]))
    """

    normalised = True
    states: Tensor

    def __init__(self, dim: int, prior: BinaryPrior, *, latent: int, hidden: int, temperature: float, condition: int):
        super().__init__(dim)
        self.prior, self.temperature = prior, temperature
        # No layer starts at zero: latents that say nothing at first are soon as good as their prior, and stay so.
        self.encoder = nn.Sequential(nn.Linear(dim + condition, hidden), nn.SiLU(), nn.Linear(hidden, latent))
        self.decoder = nn.Sequential(nn.Linear(latent + condition, hidden), nn.SiLU(), nn.Linear(hidden, dim))
        self.log_spread = nn.Parameter(torch.zeros(dim))
        self.register_buffer("states", all_states(latent))

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The log-density of features, ``(n, dim) -> (n,)``, in nats: the mixture over all settings of the latents."""
        states = self.states.to(self.log_spread)
        weights, means = self.prior.log_prob(states), None if condition is not None else self._decoded(states)
        at_once, found = max(1, NUMBERS // (len(states) * self.dim)), [x.new_zeros(0)]
        for start in range(0, len(x), at_once):
            rows = slice(start, start + at_once)
            own = means if condition is None else self._decoded(*_all_pairs(states, condition[rows]))
            around = own.reshape(-1, len(states), self.dim)  # type: ignore[union-attr]
            found.append(torch.logsumexp(weights + self._log_normal(x[rows, None], around), 1))
        return torch.cat(found)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows."""
        mean = self._decoded(self.prior.draw(n, rng), *given(condition))
        noise = torch.randn(n, self.dim, generator=rng, dtype=torch.float64).to(mean)
        return mean + self.log_spread.exp() * noise

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """Minus the evidence lower bound with one draw of the latents, hard bits with the gradient of relaxed ones.

        The divergence from the prior counts more and more over the first part of the training, and then in full.
        """
        logits = self.encoder(torch.cat((batch.rows, *given(batch.condition)), 1))
        uniform = torch.rand(logits.shape, generator=rng, dtype=torch.float64).clamp(1e-12, 1 - 1e-12).to(logits.device)
        relaxed = torch.sigmoid((logits + torch.logit(uniform).to(logits)) / self.temperature)
        z = (relaxed > 0.5).to(relaxed) + relaxed - relaxed.detach()
        rebuilt = self._log_normal(batch.rows, self._decoded(z, *given(batch.condition)))
        apart = bernoulli(z, logits) - self.prior.log_prob(z)
        return (min(1.0, progress / WARM_UP) * apart - rebuilt).mean()

    def validation_loss(self, valid: Batch, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood of the first validation rows."""
        return -density_of(self, valid[:JUDGED]).mean()

    def _decoded(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        mean: Tensor = self.decoder(z if condition is None else torch.cat((z, condition), 1))
        return mean

    def _log_normal(self, x: Tensor, mean: Tensor) -> Tensor:
        scaled = (x - mean) * (-self.log_spread).exp()
        return -0.5 * (scaled.square().sum(-1) + self.dim * LOG_2PI) - self.log_spread.sum()


def _all_pairs(states: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
    """Each state beside each condition, the states of one condition in a row: ``(n * states, .)`` of both."""
    return states.repeat(len(condition), 1), condition.repeat_interleave(len(states), 0)


def build(
    dim: int,
    *,
    prior: str = "rbm",
    latent: int = 8,
    hidden: int = 32,
    temperature: float = 0.5,
    condition: int = 0,
) -> DiscreteVAE:
    """So many binary latents with a `prior`, ``rbm``, ``factorised`` or ``made``; networks of `hidden` units.

    The masked network of ``made`` has as many hidden units as there are latents. Bits are relaxed at a `temperature`.

    Raises:
        Refused: fewer than 2 or more than 12 latents, a prior that does not exist, or a temperature of 0 or below.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> [count_parameters(build(5, prior=prior).prior).total for prior in PRIORS]
        [24, 8, 80]
    """
    if not 2 <= latent <= LARGEST or prior not in PRIORS or temperature <= 0:
        raise Refused(
            f"dvae_rbm was given latent={latent}, prior={prior}, temperature={temperature:g}; 2 to {LARGEST} latents, "
            f"one of {', '.join(PRIORS)}, and a temperature above 0 are expected"
        )
    made_of = {"rbm": Boltzmann, "factorised": Factorised}
    chosen = made_of[prior](latent) if prior in made_of else AutoregressiveBits(latent, latent)
    return DiscreteVAE(dim, chosen, latent=latent, hidden=hidden, temperature=temperature, condition=condition)
