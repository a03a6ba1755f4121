"""A GAN whose generator is a dense network: the classical twin of the style-based quantum GANs, with their judges.

With a ``code`` it makes that many latents, which the decoder of an autoencoder shows, as in `latent_style_qgan`.
Without hidden layers the noise is mapped linearly.
"""

from __future__ import annotations

from math import prod

from torch import nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.values import Refused
from reference_models._parts.adversarial import Duel
from reference_models._parts.autoencoder import dense_stack
from reference_models._parts.opposed import Opposed, latent_game, row_game
from reference_models._parts.sizes import HIDDEN
from reference_models._parts.spans import SignedSpan

ABOUT = About(
    citation="Goodfellow et al., Generative adversarial networks, arXiv:1406.2661",
    deviations=(
        "rows lie between the least and the largest training value of each feature, as those of style_qgan",
        "weights are chosen by the energy distance of validation rows",
        "conditions are read beside the noise by both networks",
    ),
    knobs={"hidden": HIDDEN, "hidden_layers": (0, 1, 2, 3)},
    depth="hidden_layers",
    tiny={"hidden": 2, "latent": 2, "critic": "4"},
    tune={"latent": (2, 3, 5, 8), "turns": (1, 2, 5), "penalty": KnobSpan(low=0.3, high=30.0)},
    rows=("flat", "image"),
)


def build(
    shape: int | tuple[int, ...],
    *,
    hidden: int = 6,
    hidden_layers: int = 1,
    latent: int = 5,
    code: int = 0,
    between: int = 16,
    critic: str = "64-32",
    game: str = "bce",
    turns: int = 1,
    penalty: float = 10.0,
    condition: int = 0,
) -> Opposed:
    """A network with `hidden_layers` of `hidden` units from `latent` numbers of normal noise to rows.

    With a `code` it goes to as many latents of an autoencoder with `between` hidden units. `critic`, `game`, `turns`
    and `penalty` are those of `style_qgan`.

    Raises:
        Refused: no unit or number of noise, a negative number of layers or latents, or an unknown choice.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> count_parameters(build(3, hidden=6, latent=5)).total
        57
    """
    if min(hidden, latent) < 1 or min(hidden_layers, code) < 0:
        raise Refused(
            f"mlp_gan was given hidden={hidden}, hidden_layers={hidden_layers}, latent={latent}, code={code}; 1 or "
            "more units and numbers of noise, and 0 or more layers and latents are expected"
        )
    rows = (shape,) if isinstance(shape, int) else shape
    dim, inner = prod(rows), [latent + condition, *[hidden] * hidden_layers]
    duel = Duel(penalty, turns)
    if code:
        core = nn.Sequential(*dense_stack([*inner, code]), nn.Tanh())
        return latent_game(
            rows,
            core,
            latent=latent,
            code=code,
            between=between,
            critic=critic,
            game=game,
            duel=duel,
            condition=condition,
        )
    network = nn.Sequential(*dense_stack([*inner, dim]), nn.Tanh(), SignedSpan(dim))
    return row_game(rows, network, latent=latent, critic=critic, game=game, duel=duel, condition=condition)
