"""Hybrid variational autoencoder: a circuit between a classical encoder and the mean and spread of its latents.

A network makes angles of a row, a circuit of RY(x) and strongly entangling layers turns them into Z of each wire, and
linear maps of these are the mean and the log-variance of the latents, which a network decodes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Reconstructor, Scorer
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, WeightBlock, z_on
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused
from reference_models._parts.trash import seen

ABOUT = About(
    citation="P. Rivas, L. Zhao, J. Orduz, Hybrid quantum variational autoencoders for representation learning, CSCI "
    "2021",
    published={"claim": "a classical variational autoencoder with a circuit as bottleneck learns representations"},
    deviations=(
        "wires, gates, widths and weights of the loss are not published: those here are a choice",
        "rows are scored by minus the evidence lower bound at the mean of the latents",
    ),
    knobs={"layers": (1, 2, 3, 4, 6, 8), "hidden": (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128)},
    depth="layers",
    tiny={"wires": 2, "layers": 1, "hidden": 3, "latent": 1, "trim": True},
    tune={"beta": (0.01, 0.1, 1.0)},
    rows=("flat", "image"),
)


def entangling(wires: int, layers: int) -> Circuit:
    """RY(x) on each wire, then layers of Rot on each wire and CNOTs to the next; Z of each wire is read.

    Example:
        >>> entangling(4, 2).n_weights
        24
    """
    gates = [Gate("RY", (w,), (Angle(input=w),)) for w in range(wires)]
    for layer in range(layers):
        for w in range(wires):
            first = 3 * (layer * wires + w)
            gates.append(Gate("Rot", (w,), tuple(Angle(weight=first + k) for k in range(3))))
        gates += [Gate("CNOT", (w, (w + 1) % wires)) for w in range(wires) if wires > 1]
    return Circuit(wires, wires, (WeightBlock("rot", (layers, wires, 3)),), tuple(gates), z_on(range(wires)))


class HybridVAE(Scorer, Reconstructor):
    """Scores a row by minus its evidence lower bound, with a normal of width 1 around what is decoded.

    Example:
        >>> model = build(6, wires=2, backend="torch")
        >>> model.reconstruct(torch.zeros(3, 6)).shape, model.score(torch.zeros(3, 6)).shape
        (torch.Size([3, 6]), torch.Size([3]))
    """

    def __init__(
        self, shape: int | tuple[int, ...], circuit: Circuit, backend: str, *, hidden: int, latent: int, beta: float
    ) -> None:
        super().__init__(shape)
        self.beta = beta
        self.encoder = nn.Sequential(nn.Linear(self.dim, hidden), nn.Tanh(), nn.Linear(hidden, circuit.n_wires))
        self.circuit = CircuitLayer(circuit, backend)
        self.latents = nn.Linear(circuit.n_wires, 2 * latent)
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, self.dim))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-variances of the latents, each ``(n, latent)``."""
        mean, log_variance = self.latents(self.circuit(self.encoder(x.flatten(1)))).chunk(2, 1)
        return mean, log_variance

    def _bound(self, x: Tensor, z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        missed = (self.decoder(z) - x.flatten(1)).square().sum(1) / 2
        apart = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        bound: Tensor = missed + self.beta * apart
        return bound

    def reconstruct(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """What is decoded of the mean of the latents."""
        rebuilt: Tensor = self.decoder(self.encode(x)[0])
        return rebuilt.reshape(x.shape)

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Half the squared error, plus the divergence of the latents from the normal times `beta`."""
        mean, log_variance = self.encode(x)
        return self._bound(x, mean, mean, log_variance)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The same with latents that are drawn, as a mean over the batch."""
        mean, log_variance = self.encode(batch.rows)
        noise = torch.randn(mean.shape, generator=rng, dtype=torch.float64).to(mean)
        return self._bound(batch.rows, mean + noise * (log_variance / 2).exp(), mean, log_variance).mean()


def build(
    shape: int | tuple[int, ...],
    *,
    wires: int = 4,
    layers: int = 2,
    hidden: int = 32,
    latent: int = 2,
    beta: float = 0.1,
    trim: bool = False,
    backend: str = "auto",
) -> HybridVAE:
    """An autoencoder with a circuit of so many `wires` and `layers`, whose weights start from 0 to 2 pi.

    Encoder and decoder have `hidden` units, the latent space `latent` numbers, whose divergence counts `beta` times;
    `trim` leaves out the weights that nothing read depends on.

    Raises:
        Refused: no wire, no latent, or a negative beta.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> count_parameters(build((1, 12, 12), backend="torch")).quantum
        24
    """
    if wires < 1 or latent < 1 or beta < 0:
        raise Refused(
            f"{wires} wires, {latent} latents and beta = {beta:g} were asked for; at least 1, 1 and 0 are expected"
        )
    circuit = seen(entangling(wires, layers), trim)
    model = HybridVAE(shape, circuit, backend, hidden=hidden, latent=latent, beta=beta)
    nn.init.uniform_(model.circuit.weights, 0, 2 * torch.pi)
    return model
