"""What the losses of QINNs are made of: the likelihood, the MMD, and how far a Jacobian is from a fold."""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.contracts import LOG_2PI


def least_stretch(jacobian: Tensor) -> Tensor:
    """The smallest eigenvalue ``(n,)`` of the symmetric part of each Jacobian.

    A map of a convex domain for which it is positive everywhere is one-to-one (Gale, Nikaido, Math. Ann. 159, 81),
    and some such map takes any density to the normal one (Brenier, Comm. Pure Appl. Math. 44, 375).
    """
    symmetric = (0.5 * (jacobian + jacobian.mT)).nan_to_num()
    smallest: Tensor = torch.linalg.eigvalsh(symmetric)[:, 0]
    return smallest


def signed_volume(jacobian: Tensor) -> Tensor:
    """The determinant ``(n,)`` of each Jacobian, its size taken per dimension; folds that come in pairs escape it."""
    sign, logdet = torch.linalg.slogdet(jacobian)
    volume: Tensor = sign * torch.exp(logdet / jacobian.shape[1])
    return volume


def negative_log_likelihood(z: Tensor, logdet: Tensor) -> Tensor:
    """The mean of ``-log p`` for latents ``(n, dim)`` of a standard normal and log-determinants ``(n,)``."""
    return (0.5 * (z.square().sum(1) + z.shape[1] * LOG_2PI) - logdet).mean()


def mmd2(x: Tensor, y: Tensor) -> Tensor:
    """Unbiased MMD^2 of rows with a mixture of Gaussian kernels whose squared widths are dim times 1/4, 1 and 4."""
    n, m, dim = len(x), len(y), x.shape[1]
    distances = torch.cdist(torch.cat((x, y)), torch.cat((x, y)), compute_mode="donot_use_mm_for_euclid_dist").square()
    kernel = torch.stack([torch.exp(-distances / (2 * dim * width)) for width in (0.25, 1.0, 4.0)]).mean(0)
    kernel = kernel - torch.diag_embed(kernel.diagonal())
    return kernel[:n, :n].sum() / (n * (n - 1)) + kernel[n:, n:].sum() / (m * (m - 1)) - 2 * kernel[:n, n:].mean()


def energy_distance(x: Tensor, y: Tensor) -> Tensor:
    """Unbiased energy distance of rows, ``2 E|x - y| - E|x - x'| - E|y - y'|`` (Szekely and Rizzo, 2004)."""
    n, m = len(x), len(y)
    distances = torch.cdist(torch.cat((x, y)), torch.cat((x, y)), compute_mode="donot_use_mm_for_euclid_dist")
    within = distances[:n, :n].sum() / (n * (n - 1)) + distances[n:, n:].sum() / (m * (m - 1))
    return 2 * distances[:n, n:].mean() - within
