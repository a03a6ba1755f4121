"""Autoencoder of the 100 hardest constituents of a jet, whose latents are the rows of `dijet_latents`.

It has the layers that arXiv:2301.10780 used (162 197 parameters for 4 latents, 322 689 for 8). The loss of that work is
not published with it: here it is the Chamfer distance between the constituents of a jet and those that come back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qinn_bench.seeds import seed_of
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Array

PARTICLES = 100
EPOCHS, BATCH, LEARNING_RATE, CLIP = 40, 64, 1e-3, 1.0
SPREAD = 0.5
"""The spread of the latents before their tanh as the training begins, so that none starts where it is flat."""
HELD_OUT = 5
"""One of so many jets is not trained on and tells the loss."""
LENGTH, WIDE = 47, 24
"""Places and channels of the innermost map."""
SAID = (
    "layers as in arXiv:2301.10780 (convolutions of 16, 20 and 24 channels, dense layers, tanh), Chamfer distance of "
    f"standardised constituents, Adam at {LEARNING_RATE:g} falling to 0 in {EPOCHS} epochs of batches of {BATCH}, "
    f"gradients of length {CLIP:g} at most; latents of mean 0 and spread {SPREAD:g} before their tanh at the start"
)


class JetAutoencoder(nn.Module):
    """Convolutions and dense layers to `latents` numbers between -1 and 1, and back.

    Example:
        >>> [sum(p.numel() for p in JetAutoencoder(n).parameters()) for n in (4, 8)]
        [162197, 322689]
    """

    def __init__(self, latents: int) -> None:
        super().__init__()
        wide, narrow, inner = 17 * latents, 4 * latents, LENGTH * WIDE
        self.encoder = nn.Sequential(
            *(nn.Unflatten(1, (1, PARTICLES)), nn.Conv2d(1, 16, 3), nn.ELU(), nn.Flatten(2)),
            *(nn.Conv1d(16, 20, 3), nn.ELU(), nn.Conv1d(20, WIDE, 3), nn.ELU(), nn.AvgPool1d(2), nn.Flatten()),
            *(nn.Linear(inner, wide), nn.ELU(), nn.Linear(wide, narrow), nn.ELU(), nn.Linear(narrow, latents)),
            nn.Tanh(),
        )
        self.decoder = nn.Sequential(
            *(nn.Linear(latents, narrow), nn.ELU(), nn.Linear(narrow, wide), nn.ELU(), nn.Linear(wide, inner)),
            *(nn.ELU(), nn.Unflatten(1, (WIDE, LENGTH)), nn.Upsample(scale_factor=2)),
            *(nn.ConvTranspose1d(WIDE, 20, 3), nn.ELU(), nn.ConvTranspose1d(20, 16, 3), nn.ELU()),
            *(nn.Unflatten(2, (PARTICLES - 2, 1)), nn.ConvTranspose2d(16, 1, 3), nn.Flatten(1, 2)),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
                nn.init.constant_(layer.get_parameter("bias"), 0.0)

    def forward(self, jets: Tensor) -> Tensor:
        """``(n, 100, 3) -> (n, 100, 3)``."""
        made: Tensor = self.decoder(self.encoder(jets))
        return made


def chamfer(made: Tensor, jets: Tensor) -> Tensor:
    """The mean over points of the squared distance to the nearest point of the other set, both ways added: ``(n,)``.

    Example:
        >>> chamfer(torch.zeros(1, 2, 3), torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 2.0]]])).tolist()
        [2.0]
    """
    squares = made.square().sum(2)[:, :, None] + jets.square().sum(2)[:, None, :] - 2 * made @ jets.mT
    return squares.amin(2).mean(1) + squares.amin(1).mean(1)


@dataclass(frozen=True)
class Trained:
    """An autoencoder, the mean and the scale of each number of a constituent, and its losses.

    Example:
        >>> trained = train(np.random.default_rng(0).normal(size=(10, 100, 3)), 4, ("an example",), epochs=1)
        >>> trained.latents(np.zeros((2, 100, 3))).shape
        (2, 4)
    """

    model: JetAutoencoder
    mean: Array
    scale: Array
    losses: dict[str, float]

    def latents(self, jets: NDArray[np.floating]) -> NDArray[np.float32]:
        """``(n, 100, 3) -> (n, latents)``, between -1 and 1."""
        with torch.no_grad():
            rows = [self.model.encoder(_standard(part, self.mean, self.scale)) for part in _parts(jets)]
        return np.asarray(torch.cat(rows).numpy(), dtype=np.float32)


def train(jets: NDArray[np.floating], latents: int, names: tuple[str | int, ...], epochs: int = 0) -> Trained:
    """Train on jets ``(n, 100, 3)`` once, 0 `epochs` being the usual ones; weights and batches follow from `names`."""
    epochs = epochs or EPOCHS
    flat = jets.reshape(-1, 3).astype(np.float64)
    mean, scale = flat.mean(0), np.maximum(flat.std(0), 1e-6)
    rng = torch_rng("batches", *names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("initialisation", *names))
        model = JetAutoencoder(latents)
    rows = _standard(jets, mean, scale)
    held, rows = rows[::HELD_OUT], rows[[i for i in range(len(rows)) if i % HELD_OUT]]
    _spread(model, rows)
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    found = {"held_out_before": _loss(model, held)}
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(rows), generator=rng), BATCH):
            optimiser.zero_grad()
            batch = rows[chosen]
            chamfer(model(batch), batch).mean().backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimiser.step()
        schedule.step()
    return Trained(model, mean, scale, {**found, "trained": _loss(model, rows), "held_out": _loss(model, held)})


@torch.no_grad()
def _spread(model: JetAutoencoder, rows: Tensor) -> None:
    last, before = model.encoder[-2], model.encoder[:-2]
    assert isinstance(last, nn.Linear)
    made = last(before(rows))
    last.weight.mul_(SPREAD / made.std(0).clamp_min(1e-6)[:, None])
    last.bias.sub_(last(before(rows)).mean(0))


def _loss(model: JetAutoencoder, rows: Tensor) -> float:
    with torch.no_grad():
        return float(torch.cat([chamfer(model(part), part) for part in torch.split(rows, BATCH)]).mean())


def _standard(jets: NDArray[np.floating], mean: Array, scale: Array) -> Tensor:
    return torch.as_tensor(((jets - mean) / scale).astype(np.float32))


def _parts(jets: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    return [jets[start : start + BATCH] for start in range(0, len(jets), BATCH)]
