"""Medians of points and clusters about them: the geometric median by Weiszfeld's steps, and the component-wise one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from qinn_bench.values import Refused

STEPS, NEAR = 200, 1e-6
"""Steps of a geometric median at most, and the length of a step below which it ends."""
ROUNDS, TOLERANCE, LOOSER = 1000, 1e-3, 200
"""Rounds of the clustering at most, the shift of the centres below which it ends, and after how many rounds that is
multiplied by ten."""
MEDIANS = ("geometric", "component")

Distances = Callable[[Tensor, Tensor], Tensor]


def euclidean(x: Tensor, y: Tensor) -> Tensor:
    """The distance of each row to each other, ``(n, dim), (m, dim) -> (n, m)``.

    Example:
        >>> euclidean(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])).tolist()
        [[5.0]]
    """
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def geometric_median(points: Tensor, distances: Distances = euclidean) -> Tensor:
    """The place ``(dim,)`` whose distances to points ``(n, dim)`` have the least sum.

    By Weiszfeld's iteration as Vardi and Zhang (Proc. Natl. Acad. Sci. 97 (2000) 1423) made it stop nowhere but at the
    median, where it meets a point; a step that is shorter than 1e-6 by the `distances` ends it.

    Example:
        >>> at = geometric_median(torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [5.0, 5.0]]))
        >>> bool(at.norm() < 1e-4)
        True
    """
    at = points.mean(0)
    for _ in range(STEPS):
        far = distances(points, at[None])[:, 0]
        apart = far > NEAR
        if not apart.any():
            return at
        weights = 1 / far[apart]
        pulled = (points[apart] * weights[:, None]).sum(0) / weights.sum()
        here = int((~apart).sum())
        pull = float(((points[apart] - at) * weights[:, None]).sum(0).norm())
        share = min(1.0, here / pull) if pull > 0 else float(here > 0)
        moved = (1 - share) * pulled + share * at
        step = float(distances(moved[None], at[None])[0, 0])
        at = moved
        if step < NEAR:
            break
    return at


def median_of(points: Tensor, kind: str, distances: Distances = euclidean) -> Tensor:
    """The median ``(dim,)`` of points: ``geometric``, or of each ``component`` by itself.

    Raises:
        Refused: there is no such median.

    Example:
        >>> median_of(torch.tensor([[0.0, 3.0], [1.0, 4.0], [9.0, 5.0]]), "component").tolist()
        [1.0, 4.0]
    """
    if kind not in MEDIANS:
        raise Refused(f"no median is called '{kind}'; there are: {', '.join(MEDIANS)}")
    return geometric_median(points, distances) if kind == "geometric" else points.median(0).values


def k_medians(points: Tensor, centres: Tensor, kind: str = "geometric", distances: Distances = euclidean) -> Tensor:
    """Centres ``(k, dim)`` of clusters of points, from given ones: assignment and median in turn until none moves.

    A centre that no point is nearest to stays.

    Example:
        >>> points = torch.tensor([[0.0], [0.0], [1.0], [8.0], [9.0], [9.0]])
        >>> k_medians(points, torch.tensor([[0.0], [8.0]]), "component").tolist()
        [[0.0], [9.0]]
    """
    tolerance = TOLERANCE
    for at in range(1, ROUNDS + 1):
        nearest = distances(points, centres).argmin(1)
        own = [points[nearest == k] for k in range(len(centres))]
        moved = torch.stack(
            [median_of(one, kind, distances) if len(one) else centre for one, centre in zip(own, centres, strict=True)]
        )
        shift = float((moved - centres).norm(dim=1).max())
        centres = moved
        if shift < tolerance:
            break
        tolerance *= 10 if at % LOOSER == 0 else 1
    return centres
