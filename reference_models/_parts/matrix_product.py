"""A distribution of bit strings as the square of a matrix product state: exact probabilities and draws, any length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from qinn_bench.values import Refused
from reference_models._parts.binary_priors import BinaryPrior

START = 0.1
"""How far from a product of even bits the entries start (standard deviation)."""
EVEN = 1e-6
"""The share of the probability that is spread evenly, as in circuits, so that no string is impossible."""


def bonds_of(bits: int, bond: int) -> list[int]:
    """The sizes of the bonds before, between and after so many sites; none is larger than the full state needs.

    Example:
        >>> bonds_of(5, 3)
        [1, 2, 3, 3, 2, 1]
    """
    return [min(bond, 2 ** min(k, bits - k)) for k in range(bits + 1)]


class MatrixProduct(BinaryPrior):
    """p(v) = |A_1[v_1] A_2[v_2] ... A_n[v_n]|^2 / Z with matrices of at most `bond` rows and columns.

    Site k holds the bit ``order[k]``. Of its numbers, those of a change of basis on each bond, and the norm, have no
    effect on it: `MatrixProduct.free` says how many are left. Entries are real, or `phased`.

    Raises:
        Refused: no bit or no bond.

    Example:
        >>> from reference_models._parts.binary_priors import all_states
        >>> law = MatrixProduct(4, bond=2)
        >>> round(law.log_prob(all_states(4).float()).exp().sum().item(), 5), law.free
        (1.0, 11)
    """

    def __init__(self, bits: int, bond: int, *, order: Sequence[int] | None = None, phased: bool = False) -> None:
        super().__init__()
        if bits < 1 or bond < 1:
            raise Refused(f"a matrix product of {bits} bits and bond {bond} was asked for; 1 or more are expected")
        self.order = list(range(bits)) if order is None else list(order)
        self.back = sorted(range(bits), key=self.order.__getitem__)
        bonds, parts = bonds_of(bits, bond), 2 if phased else 1
        self.free = parts * (sum(2 * a * b for a, b in pairwise(bonds)) - sum(d * d for d in bonds[:-1]))
        self.sites = nn.ParameterList()
        for left, right in pairwise(bonds):
            site = START / math.sqrt(right) * torch.randn(left, 2, right, parts)
            site[0, :, 0, 0] += 1
            self.sites.append(nn.Parameter(site))

    def _matrices(self) -> Iterator[Tensor]:
        """The matrices of each site, ``(left, 2, right)``."""
        for site in self.sites:
            yield torch.view_as_complex(site) if site.shape[3] > 1 else site[..., 0]

    def log_prob(self, z: Tensor) -> Tensor:
        """The exact log-probability of rows of bits, ``(n, bits) -> (n,)``."""
        at = z[:, self.order]
        row, size = None, z.new_zeros(len(z))
        for k, site in enumerate(self._matrices()):
            row = site.new_ones(len(z), 1) if row is None else row
            both = torch.einsum("na,asb->nsb", row, site)
            row = torch.where(at[:, k, None] > 0.5, both[:, 1], both[:, 0])
            largest = row.detach().abs().amax(1).clamp_min(torch.finfo(z.dtype).tiny)
            row, size = row / largest[:, None], size + largest.log()
        assert row is not None
        square = row[:, 0].abs().square().clamp_min(torch.finfo(z.dtype).tiny)
        own = square.log() + 2 * size - self._log_norm()
        return torch.logaddexp(own + math.log1p(-EVEN), own.new_tensor(math.log(EVEN) - len(self.sites) * math.log(2)))

    def _log_norm(self) -> Tensor:
        """The logarithm of the squared norm of the state."""
        inner, size = None, self.sites[0].new_zeros(())
        for site in self._matrices():
            inner = site.new_ones(1, 1) if inner is None else inner
            inner = torch.einsum("ab,asc,bsd->cd", inner, site.conj(), site)
            largest = inner.detach().abs().amax()
            inner, size = inner / largest, size + largest.log()
        assert inner is not None
        total: Tensor = inner[0, 0].real.log() + size
        return total

    @torch.no_grad()
    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """``n`` strings, one site after the other given those before it, by their exact probabilities."""
        sites = [site.to(torch.complex128) for site in self._matrices()]
        right = [sites[0].new_ones(1, 1)]
        for site in reversed(sites[1:]):
            inner = torch.einsum("asc,cd,bsd->ab", site, right[-1], site.conj())
            right.append(inner / inner.abs().amax())
        row, found = sites[0].new_ones(n, 1), []
        for site, after in zip(sites, reversed(right), strict=True):
            both = torch.einsum("na,asb->nsb", row, site)
            weight = torch.einsum("nsb,bc,nsc->ns", both, after, both.conj()).real.clamp_min(0)
            uniform = torch.rand(n, generator=rng, dtype=torch.float64).to(weight) * weight.sum(1)
            one = uniform >= weight[:, 0]
            found.append(one)
            row = torch.where(one[:, None], both[:, 1], both[:, 0])
            row = row / row.abs().amax(1, keepdim=True).clamp_min(1e-300)
        drawn = torch.stack(found, 1)[:, self.back]
        even = torch.rand(n, len(sites) + 1, generator=rng, dtype=torch.float64).to(drawn.device)
        return torch.where(even[:, :1] < EVEN, even[:, 1:] < 0.5, drawn).to(self.sites[0])
