"""A dense autoencoder of features or images."""

from __future__ import annotations

from torch import nn

from qinn_bench.about import About
from qinn_bench.values import Refused
from reference_models._parts.autoencoder import Autoencoder, dense_stack

ABOUT = About(
    citation="Heimel, Kasieczka, Plehn, Thompson, QCD or What?, arXiv:1808.08979; Farina, Nakai, Shih, Searching for "
    "New Physics with Deep Autoencoders, arXiv:1808.08992",
    knobs={
        "hidden": (*range(1, 17), 18, 20, 22, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96, 128),
        "latent": (*range(1, 13), 14, 16, 20, 24, 28, 32),
        "layers": (1, 2),
    },
    depth="layers",
    tiny={"hidden": 3, "latent": 1},
    rows=("flat", "image"),
)


def build(
    shape: int | tuple[int, ...], *, hidden: int = 32, latent: int = 3, layers: int = 1, error: str = "mse"
) -> Autoencoder:
    """Dense layers to `latent` numbers and back, with `layers` hidden ones of `hidden` units on either side.

    The `error` is the mean squared one of features (``mse``), or the binary cross-entropy of numbers in [0, 1]
    (``bce``).

    Raises:
        Refused: no unit, latent number or layer, or no such error.
    """
    if min(hidden, latent, layers) < 1:
        raise Refused(
            f"dense_ae was given hidden={hidden}, latent={latent}, layers={layers}; 1 or more of each are expected"
        )
    sizes = (shape,) if isinstance(shape, int) else shape
    autoencoder = Autoencoder(sizes, nn.Identity(), nn.Identity(), error)
    between = [hidden] * layers
    autoencoder.encoder = nn.Sequential(nn.Flatten(), dense_stack([autoencoder.dim, *between, latent]))
    autoencoder.decoder = dense_stack([latent, *between, autoencoder.dim])
    return autoencoder
