"""Solve f(x) = z for many rows at once: Levenberg-Marquardt with an exact Jacobian, each row damped on its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Map = Callable[[Tensor], tuple[Tensor, Tensor]]
STEPS, CHUNK = 60, 2048
TOLERANCE = {torch.float32: 2e-4, torch.float64: 1e-10}
"""Largest residual of a row that counts as solved, by precision."""


@torch.no_grad()
def solve(f: Map, z: Tensor, starts: Sequence[Tensor]) -> Tensor:
    """Rows x ``(n, dim)`` with f(x) = z; NaN for a row that does not converge from any of its `starts`.

    `f` returns values ``(n, dim)`` and Jacobians ``(n, dim, dim)``. The starts, each ``(n, dim)``, are tried in turn,
    each only for the rows that the earlier ones did not solve.
    """
    parts = zip(*(torch.split(rows, CHUNK) for rows in (z, *starts)), strict=True)
    return torch.cat([_solve_chunk(f, target, guesses) for target, *guesses in parts])


def _solve_chunk(f: Map, z: Tensor, starts: Sequence[Tensor]) -> Tensor:
    x = torch.full_like(z, torch.nan)
    for start in starts:
        unsolved = x.isnan().any(1)
        if unsolved.any():
            x[unsolved] = _descend(f, z[unsolved], start[unsolved])
    return x


def _descend(f: Map, z: Tensor, x: Tensor) -> Tensor:
    x, tolerance = x.clone(), TOLERANCE[z.dtype]
    value, jacobian = f(x)
    damping = torch.full_like(x[:, 0], 1e-2)
    active = torch.arange(len(x), device=x.device)
    for _ in range(STEPS):
        error = value[active] - z[active]
        active = active[~(error.abs().amax(1) < tolerance)]
        if len(active) == 0:
            break
        trial = x[active] - _step(jacobian[active], value[active] - z[active], damping[active])
        new_value, new_jacobian = f(trial)
        before = (value[active] - z[active]).square().sum(1)
        better = (new_value - z[active]).square().sum(1) < before
        damping[active] = torch.where(better, damping[active] * 0.1, damping[active] * 8).clamp(1e-15, 1e8)
        kept = active[better]
        x[kept], value[kept], jacobian[kept] = trial[better], new_value[better], new_jacobian[better]
    unsolved = ~((value - z).abs().amax(1) < tolerance)
    x[unsolved] = torch.nan
    return x


def _step(jacobian: Tensor, error: Tensor, damping: Tensor) -> Tensor:
    """The damped Gauss-Newton step ``(J^T J + d diag)^-1 J^T e``."""
    normal = jacobian.transpose(1, 2) @ jacobian
    size = normal.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-12)
    eye = torch.eye(jacobian.shape[1], dtype=jacobian.dtype, device=jacobian.device)
    right = jacobian.transpose(1, 2) @ error[:, :, None]
    step: Tensor = torch.linalg.solve(normal + (damping * size)[:, None, None] * eye, right)
    return step[:, :, 0]
