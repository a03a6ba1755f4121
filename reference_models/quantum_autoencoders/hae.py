"""Hybrid autoencoder of images: convolutions, a circuit of 16 wires as latent space, transposed convolutions.

Of an image of 12 x 12 pixels convolutions make a map of 9 x 9; its 4 x 4 patches of 3 x 3, two apart, are uploaded to
16 wires as in `sqae`, and Z of all wires goes into the decoder. Loss and score are the binary cross-entropy of pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Reconstructor, Scorer
from qinn_bench.quantum.circuit import Circuit, z_on
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused
from reference_models._parts.patch_circuit import in_patches, places_in, uploads_of
from reference_models._parts.trash import seen

ABOUT = About(
    citation="T. Magorsch, Quantum autoencoders for high-energy physics, ML4SCI, Google Summer of Code 2022 "
    "(class HAE)",
    published={
        "parameters": "3423 by the author; 2365 classical and 576 quantum by the list of layers",
        "AUC": "0.551 to 0.575, trained on quark jets, 1200 + 1200 test jets",
    },
    deviations=(
        "576 weights in the circuit: of the 900 that the author's class has, 324 are not used",
        "trained to the budget of the study by its optimiser, instead of AdamW with weight decay and early stopping",
    ),
    knobs={"uploads": tuple(range(1, 9))},
    depth="uploads",
    tiny={"uploads": 1, "trim": True},
    tune={"entangler": ("ring", "chain", "all")},
    rows=("image",),
)
PATCH, STRIDE, SMALLEST = 3, 2, 6
"""Patches of the map, how far apart they are, and the smallest side of an image of which a map is made."""
START = 0.1
"""The biases of layers before a ReLU, so that no unit starts without an effect."""
SAME = nn.ZeroPad2d((0, 1, 0, 1))
"""Before a convolution of 2 x 2, so that the map keeps its size."""


class HybridAutoencoder(Scorer, Reconstructor):
    """Scores an image by the binary cross-entropy of its pixels, of what the decoder makes of the circuit.

    Example:
        >>> model = build((1, 8, 8), uploads=1, backend="torch")
        >>> model.reconstruct(torch.zeros(2, 1, 8, 8)).shape, model.score(torch.zeros(2, 1, 8, 8)).shape
        (torch.Size([2, 1, 8, 8]), torch.Size([2]))
    """

    def __init__(self, shape: tuple[int, ...], circuit: Circuit, backend: str) -> None:
        super().__init__(shape)
        channels, height, width = shape
        self.map = (1, height - 3, width - 3)
        self.encoder = nn.Sequential(
            *(nn.Conv2d(channels, 12, 4), nn.ReLU()),
            *(SAME, nn.Conv2d(12, 10, 2), nn.ReLU()),
            *(SAME, nn.Conv2d(10, 1, 2), nn.ReLU()),
        )
        self.circuit = CircuitLayer(circuit, backend)
        self.widen = nn.Linear(len(circuit.readout), self.map[1] * self.map[2])
        self.decoder = nn.Sequential(nn.ConvTranspose2d(1, 12, 4), nn.ReLU(), SAME, nn.Conv2d(12, channels, 2))

    def latents(self, x: Tensor) -> Tensor:
        """Z of each wire, ``(n, *shape) -> (n, wires)``."""
        values: Tensor = self.circuit(in_patches(self.encoder(x), PATCH, STRIDE).flatten(1))
        return values

    def _logits(self, x: Tensor) -> Tensor:
        logits: Tensor = self.decoder(self.widen(self.latents(x)).reshape(-1, *self.map))
        return logits

    def reconstruct(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The images that the decoder makes, with pixels from 0 to 1."""
        return self._logits(x).sigmoid()

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The mean binary cross-entropy of the pixels, in nats."""
        return F.binary_cross_entropy_with_logits(self._logits(x), x, reduction="none").flatten(1).mean(1)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean score."""
        return self.score(batch.rows).mean()


def build(
    shape: tuple[int, ...], *, uploads: int = 2, entangler: str = "ring", trim: bool = False, backend: str = "auto"
) -> HybridAutoencoder:
    """A hybrid autoencoder of images; the weights of its circuit start from 0 to 1.

    `entangler` is a ``ring``, a ``chain`` or ``all`` pairs; `trim` leaves out the weights that nothing read depends on.

    Raises:
        Refused: images below 6 x 6 pixels, or no such entangler.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> counted = count_parameters(build((1, 12, 12), backend="torch"))
        >>> counted.classical, counted.quantum
        (2365, 576)
    """
    if min(shape[1:]) < SMALLEST:
        raise Refused(f"hae takes images of at least {SMALLEST} x {SMALLEST} pixels, not of {shape[1]} x {shape[2]}")
    wires = places_in((1, shape[1] - 3, shape[2] - 3), PATCH, STRIDE)
    encoder = uploads_of(wires, PATCH**2, uploads, entangler)
    circuit = Circuit(wires, encoder.n_inputs, encoder.weights, encoder.gates, z_on(range(wires)))
    model = HybridAutoencoder(shape, seen(circuit, trim), backend)
    for layer in (*model.encoder, model.decoder[0]):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
            nn.init.constant_(layer.bias, START)
    nn.init.uniform_(model.circuit.weights, 0, 1)
    return model
