"""Rows drawn block by block: features of what came before, ridge decoders in closed form, residuals drawn again."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from qinn_bench.contracts import Batch, Sampler
from qinn_bench.values import Refused

ANGLES = 3
"""How many numbers sum up what came before."""
SHARES = (1.0, 0.5, 0.25)
"""How much a number counts in the number of the summary that is its own, and in the two others."""
FADING = 0.5
"""How much a block counts in the summary, relative to the one after it."""


class BlockSampler(Sampler):
    """Draws rows in blocks of `block` numbers, each from a summary of the blocks before it and of the conditions.

    The summary is a fixed weighted mean of all that came before: the i-th number of a row counts most in the
    (i mod 3)-th of the summary, and half as much if it lies one block farther back; conditions are added in the same
    way. A subclass makes
    `features` of it. Decoders are ridge regressions from these to the block, one for each block; to what they give, the
    residual of a kept training row is added, all numbers of the block together. Nothing of this is trained but what
    `features` has.

    Attributes:
        kept: the first training rows, to which decoders are fitted and whose residuals are drawn, ``(n, dim)``.
        known: their conditions, ``(n, c)``.

    Raises:
        Refused: a row of one block only, which nothing comes before; fewer than two kept rows, or a negative ridge.

    Example:
        >>> class Plain(BlockSampler):
        ...     def features(self, summary):
        ...         return summary
        >>> model = Plain(4, block=2, rows=8, ridge=1e-3, condition=0)
        >>> model.initialise(Batch(torch.randn(8, 4)), torch.Generator())
        >>> model.sample(3, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 4])
    """

    counts: Tensor
    kept: Tensor
    known: Tensor

    def __init__(self, shape: int | tuple[int, ...], *, block: int, rows: int, ridge: float, condition: int) -> None:
        super().__init__(shape)
        if not 0 < block < self.dim or rows < 2 or ridge < 0:
            raise Refused(
                f"blocks of {block} of {self.dim} numbers, {rows} rows and ridge={ridge:g} were given; two blocks, 2 "
                "rows and 0 are the least"
            )
        self.block, self.ridge, self.conditions = block, ridge, condition
        self.n_blocks = -(-self.dim // block)
        self.register_buffer("counts", _counts(self.n_blocks, block).to(torch.get_default_dtype()))
        self.register_buffer("kept", torch.zeros(rows, self.dim))
        self.register_buffer("known", torch.zeros(rows, condition))

    @abstractmethod
    def features(self, summary: Tensor) -> Tensor:
        """What decoders read, ``(n, 3) -> (n, k)``."""

    @torch.no_grad()
    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Keep the first training rows; where there are fewer, each as often as the others, but for one."""
        places = torch.arange(len(self.kept)) % len(train)
        self.kept.copy_(train.rows.flatten(1)[places])
        if train.condition is not None:
            self.known.copy_(train.condition[places])

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows, one block after the other."""
        fixed = self._fixed(self.kept)
        read = self._read(fixed, self.known)
        decoders = self._decoders(read, fixed)
        residuals = fixed - read @ decoders
        drawn = fixed.new_zeros(n, self.n_blocks, self.block)
        known = fixed.new_zeros(n, 0) if condition is None else condition
        for t in range(self.n_blocks):
            which = torch.randint(len(self.kept), (n,), generator=rng).to(drawn.device)
            found = self._with_one(self.features(self.summaries(drawn, known)[:, t])) @ decoders[t]
            drawn[:, t] = found + residuals[t, which]
        return drawn.flatten(1)[:, : self.dim].reshape(n, *self.shape)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean squared error of the decoders that fit the batch best, given the true earlier blocks."""
        fixed = self._fixed(batch.rows.flatten(1))
        known = fixed.new_zeros(len(batch), 0) if batch.condition is None else batch.condition
        read = self._read(fixed, known)
        missed: Tensor = (fixed - read @ self._decoders(read, fixed)).square().sum() / (len(batch) * self.dim)
        return missed

    def summaries(self, blocks: Tensor, known: Tensor) -> Tensor:
        """The summary before each block: ``(n, blocks, block), (n, c) -> (n, blocks, 3)``."""
        earlier = torch.einsum("ni,tik->ntk", blocks.flatten(1), self.counts)
        return earlier + (known @ _shared_out(self.conditions).to(known))[:, None]

    def _fixed(self, rows: Tensor) -> Tensor:
        """Rows in blocks, the last one filled with zeros: ``(n, dim) -> (blocks, n, block)``."""
        padded = F.pad(rows, (0, self.n_blocks * self.block - self.dim))
        return padded.reshape(len(rows), self.n_blocks, self.block).transpose(0, 1)

    def _read(self, fixed: Tensor, known: Tensor) -> Tensor:
        """What the decoders of each block read of true rows, ``(blocks, n, k + 1)``."""
        summaries = self.summaries(fixed.transpose(0, 1), known)
        found = self._with_one(self.features(summaries.flatten(0, 1)))
        return found.reshape(len(summaries), self.n_blocks, -1).transpose(0, 1)

    def _with_one(self, features: Tensor) -> Tensor:
        return F.pad(features, (0, 1), value=1.0)

    def _decoders(self, read: Tensor, fixed: Tensor) -> Tensor:
        """Ridge regressions, one a block: ``(blocks, k + 1, block)``; the constant is not shrunk, or hardly."""
        width = read.shape[2]
        shrink = torch.full((width,), self.ridge).to(read)
        shrink[-1] = self.ridge * 1e-3
        square = read.mT @ read / read.shape[1] + torch.diag(shrink + 1e-9)
        found: Tensor = torch.linalg.solve(square, read.mT @ fixed / read.shape[1])
        return found


def _shared_out(n: int) -> Tensor:
    """How much each of so many numbers counts in each number of the summary, ``(n, 3)``."""
    shares = [[SHARES[(i - k) % ANGLES] for k in range(ANGLES)] for i in range(n)]
    return torch.tensor(shares, dtype=torch.float64).reshape(n, ANGLES)


def _counts(n_blocks: int, block: int) -> Tensor:
    """The same for the numbers of a row before each block, ``(blocks, blocks * block, 3)``; 0 of what comes later.

    They add up to 1, so that the summary, an angle, is not farther out than the numbers are.
    """
    apart = torch.arange(n_blocks)[:, None] - torch.arange(n_blocks * block) // block - 1
    fading = torch.where(apart >= 0, FADING ** apart.clamp_min(0).double(), 0.0)
    counts = fading[:, :, None] * _shared_out(n_blocks * block)
    return counts / counts.sum(1, keepdim=True).clamp_min(1e-9)
