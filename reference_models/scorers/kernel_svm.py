"""One-class support vector machine on a classical kernel whose width is fitted to background: RBF, Laplace, or Fourier.

The width is that at which a Parzen estimate by the kernel gives the fitted rows, each without itself, the highest
likelihood, so that no label is seen; or a multiple of the median distance. ``fourier`` is the RBF kernel by random
Fourier features.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.values import Refused
from reference_models._parts.one_class import OneClass

ABOUT = About(
    citation="B. Schölkopf et al., Estimating the support of a high-dimensional distribution, Neural Computation 13, "
    "1443 (2001); random features: A. Rahimi, B. Recht, NIPS 2007",
    tiny={"rows": 40, "nu": 0.1, "features": 8},
    tune={"kernel": ("rbf", "laplace"), "nu": (0.01, 0.03, 0.1)},
    rows=("flat", "image"),
)
KERNELS = ("rbf", "laplace", "fourier")
NORMS = {"rbf": 2.0, "laplace": 1.0, "fourier": 2.0}
"""The norm of the distance that each kernel falls with."""
WIDTHS = tuple(2.0**k for k in range(-5, 3))
"""The multiples of the median distance that are tried."""


class KernelMachine(OneClass):
    """The machine on ``exp(-d^2 / 2 h^2)`` of Euclidean or ``exp(-d / h)`` of L1 distances d with the width h.

    Example:
        >>> machine = build(2, rows=5)
        >>> machine.kernel(torch.zeros(1, 2), torch.zeros(3, 2)).tolist()
        [[1.0, 1.0, 1.0]]
    """

    width: Tensor
    directions: Tensor
    phases: Tensor

    def __init__(
        self, shape: int | tuple[int, ...], kind: str, *, width: float, features: int, rows: int, nu: float
    ) -> None:
        super().__init__(shape, rows=rows, nu=nu)
        self.kind, self.multiple = kind, width
        self.register_buffer("width", torch.ones(()))
        drawn = features if kind == "fourier" else 0
        self.register_buffer("directions", torch.randn(self.dim, drawn))
        self.register_buffer("phases", 2 * torch.pi * torch.rand(drawn))

    def prepare(self, rows: Tensor) -> None:
        """The width, from the distances of the fitted rows."""
        distances = torch.pdist(rows.flatten(1), NORMS[self.kind])
        median = float(distances.median().clamp(min=torch.finfo(rows.dtype).tiny))
        self.width.fill_(median * (self.multiple or self._likeliest(rows, median)))

    def _likeliest(self, rows: Tensor, median: float) -> float:
        """The multiple of the median distance at which the rows are likeliest, each given the others."""
        norm = NORMS[self.kind]
        distances = torch.cdist(rows.flatten(1), rows.flatten(1), norm).fill_diagonal_(math.inf)
        scaled = {width: distances / (width * median) for width in WIDTHS}
        of = {width: (-d.square() / 2 if norm == 2 else -d).logsumexp(1).mean() for width, d in scaled.items()}
        return max(WIDTHS, key=lambda width: float(of[width]) - self.dim * math.log(width))

    def kernel(self, x: Tensor, y: Tensor) -> Tensor:
        """The kernel of each row with each other, ``(n, *shape), (m, *shape) -> (n, m)``."""
        x, y = x.flatten(1), y.flatten(1)
        if self.kind == "fourier":
            waves = [torch.cos(part @ self.directions / self.width + self.phases) for part in (x, y)]
            return 2 / len(self.phases) * waves[0] @ waves[1].T
        distances = torch.cdist(x, y, NORMS[self.kind], compute_mode="donot_use_mm_for_euclid_dist") / self.width
        return torch.exp(-distances.square() / 2 if self.kind == "rbf" else -distances)


def build(
    shape: int | tuple[int, ...],
    *,
    kernel: str = "rbf",
    width: float = 0.0,
    features: int = 500,
    nu: float = 0.01,
    rows: int = 600,
) -> KernelMachine:
    """A machine that is fitted to random training rows, `rows` of them.

    `kernel` is ``rbf``, ``laplace``, or ``fourier`` with `features` random features; `width` a multiple of the median
    distance of the fitted rows, with 0 the likeliest. A share `nu` of the fitted rows may lie outside.

    Raises:
        Refused: an unknown kernel, a negative width, no feature, or what `OneClass` refuses.

    Example:
        >>> build(2, kernel="laplace").kind
        'laplace'
    """
    if kernel not in KERNELS:
        raise Refused(f"kernel_svm knows no kernel '{kernel}'; there are: {', '.join(KERNELS)}")
    if width < 0 or features < 1:
        raise Refused(f"a width of {width:g} and {features} features were given; at least 0 and 1 are expected")
    return KernelMachine(shape, kernel, width=width, features=features, rows=rows, nu=nu)
