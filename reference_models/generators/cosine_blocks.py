"""The classical twin of `qfan_like`: the same blocks, decoders and residuals on 12 random cosines, nothing trained."""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused
from reference_models._parts.block_sampler import ANGLES, BlockSampler

ABOUT = About(
    citation="the features: Rahimi, Recht, Random Features for Large-Scale Kernel Machines, NeurIPS 2007; the blocks: "
    "Slim et al., QFAN, arXiv:2605.16044",
    deviations=("all but the features is that of `qfan_like`, which is a reconstruction",),
    tiny={"block": 1, "rows": 40},
    tune={"ridge": (1e-4, 1e-3, 1e-2, 1e-1), "width": (0.5, 1.0, 2.0)},
    rows=("flat", "image"),
)


class CosineBlocks(BlockSampler):
    """Block sampling on features cos(w s + b) of the summary s, with normal w and even b, the same for all seeds.

    Example:
        >>> build(12).features(torch.zeros(5, 3)).shape
        torch.Size([5, 12])
    """

    frequencies: Tensor
    phases: Tensor

    def __init__(
        self,
        shape: int | tuple[int, ...],
        *,
        cosines: int,
        width: float,
        block: int,
        rows: int,
        ridge: float,
        condition: int,
    ) -> None:
        super().__init__(shape, block=block, rows=rows, ridge=ridge, condition=condition)
        if cosines < 1 or width <= 0:
            raise Refused(
                f"{cosines} cosines of width {width:g} were asked for; 1 or more and a width above 0 are expected"
            )
        rng = torch_rng("cosines", cosines)
        frequencies = width * torch.randn(ANGLES, cosines, generator=rng, device="cpu")
        phases = 2 * torch.pi * torch.rand(cosines, generator=rng, device="cpu")
        self.register_buffer("frequencies", frequencies)
        self.register_buffer("phases", phases)

    def features(self, summary: Tensor) -> Tensor:
        """The cosines, ``(n, 3) -> (n, cosines)``."""
        return torch.cos(summary @ self.frequencies + self.phases)


def build(
    shape: int | tuple[int, ...],
    *,
    cosines: int = 12,
    width: float = 1.0,
    block: int = 3,
    ridge: float = 1e-3,
    rows: int = 2000,
    condition: int = 0,
) -> CosineBlocks:
    """So many `cosines` with frequencies of a normal of this `width`; the rest is as in `qfan_like`.

    Raises:
        Refused: no cosine, a width of 0 or below, or what `BlockSampler` refuses.
    """
    return CosineBlocks(shape, cosines=cosines, width=width, block=block, rows=rows, ridge=ridge, condition=condition)
