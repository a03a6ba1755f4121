"""A state that is trained in the Fourier basis, where the data are phases, and drawn from after a fixed basis change.

The amplitudes that a circuit gives are the coefficients of waves over (0, 1), where a monotone feature map takes the
features: the density is the square of the sum of the waves, smooth and normalised. After an inverse quantum Fourier
transform, which is fixed, outcomes in the computational basis are drawn from it on a grid.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Density, DensityModel, Sampler, density_of
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused
from reference_models._parts.born_circuits import layered_circuit, start_at
from reference_models._parts.cells import EDGE, SQUASHES, Cells
from reference_models._parts.energies import drawn_from_table
from reference_models._parts.rational_quadratic import RationalQuadratic
from reference_models._parts.waves import drawn_point, waves_at
from reference_models.bounds.elementwise import Elementwise

ABOUT = About(
    citation="Kyriienko, Paine, Elfving, Protocols for trainable and differentiable quantum generative modelling, "
    "arXiv:2202.08253; for showers: Corchia, Franchini, FastCaloQ (slides)",
    published={"claim": "training and sampling in different bases, with a fixed transform between them"},
    deviations=(
        "a reconstruction: gates and layers of the works are not used, but those of `qcbm`",
        "it is trained on its exact likelihood, instead of on a density that is known or an equation",
        "the basis change is a fast Fourier transform of the simulated state; as gates it is `inverse_fourier`",
        "by default the density is stated and drawn between the points of the grid as well (`reading=smooth`)",
        "before the phases, features may pass trained monotone splines (`bins`)",
        "a millionth of the probability is spread evenly, so that no row is impossible",
    ),
    knobs={"layers": (*range(1, 17), 18, 20, 22, 24, 28, 32, 36, 40, 48, 56, 64)},
    depth="layers",
    tiny={"bits": 1, "layers": 1, "bins": 2},
    tune={
        "bits": (2, 3, 4),
        "ansatz": ("rx-rz-rx", "rz-rx-rz", "ry-rz", "ry-cz"),
        "graph": ("ring", "chain", "all"),
        "bins": (0, 3),
        "squash": ("normal", "logistic"),
    },
)
READINGS = ("smooth", "cells")
EVEN = 1e-6
"""The share of the probability that is spread evenly."""


class WaveBornMachine(Sampler, Density):
    """The density of a state's outcomes after a Fourier transform, on a grid or between its points as well.

    Example:
        >>> model = build(2, bits=2, layers=1, backend="torch")
        >>> model.log_prob(torch.zeros(1, 2)).shape, model.sample(5, torch.Generator().manual_seed(0)).shape
        (torch.Size([1]), torch.Size([5, 2]))
    """

    normalised = True

    def __init__(self, cells: Cells, circuit: Circuit, *, before: DensityModel | None, smooth: bool, backend: str):
        super().__init__(cells.dim)
        self.cells, self.before, self.smooth = cells, before, smooth
        self.circuit = CircuitLayer(circuit, backend)
        self.circuit.compared = True

    def amplitudes(self, condition: Tensor | None = None) -> Tensor:
        """Of the waves, ``(n, 2^wires)`` for conditions ``(n, c)``, one row without conditions."""
        weights = next(self.circuit.parameters())
        return self.circuit.state(weights.new_zeros(1, 0) if condition is None else condition)

    def outcomes(self, condition: Tensor | None = None) -> Tensor:
        """The probability of each outcome after the inverse transform of each feature's register."""
        turned = self.amplitudes(condition)
        shape = turned.shape
        for k in range(self.dim):
            # One feature after the other: libraries have no transform of many dimensions at once.
            each = turned.reshape(len(turned), self.cells.each**k, self.cells.each, -1)
            turned = torch.fft.fft(each, dim=2, norm="ortho").reshape(shape)
        found: Tensor = turned.real.square() + turned.imag.square()
        return found

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The log-density of features, ``(n, dim) -> (n,)``, in nats."""
        inner, logdet = (x, x.new_zeros(len(x))) if self.before is None else self.before(x)
        if self.smooth:
            unit = SQUASHES[self.cells.squash].into(inner)
            wave = waves_at(self.amplitudes(condition), unit, self.cells.each)
            chance = wave.real.square() + wave.imag.square()
        else:
            chance = self.cells.chances_at(inner, self.outcomes(condition)) * 2**self.cells.n_bits
        return ((1 - EVEN) * chance + EVEN).log() + self.cells.log_even(inner) + logdet

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows, one feature given those before it, or cells by their probabilities."""
        unit = self._points(n, rng, condition) if self.smooth else self._in_cells(n, rng, condition)
        even = torch.rand(n, self.dim + 1, generator=rng, dtype=torch.float64).to(unit)
        unit = torch.where(even[:, :1] < EVEN, even[:, 1:], unit).clamp(EDGE, 1 - EDGE)
        z = SQUASHES[self.cells.squash].back(unit).to(next(self.parameters()))
        return z if self.before is None else self.before.inverse(z)

    def _points(self, n: int, rng: torch.Generator, condition: Tensor | None) -> Tensor:
        psi = self.amplitudes(condition).to(torch.complex128)
        rows = max(1, 2**22 // psi.shape[1])
        uniform = torch.rand(n, self.dim, generator=rng, dtype=torch.float64).to(psi.device)
        parts = [slice(start, start + rows) for start in range(0, n, rows)]
        return torch.cat(
            [drawn_point(psi if condition is None else psi[k], uniform[k], self.cells.each) for k in parts]
        )

    def _in_cells(self, n: int, rng: torch.Generator, condition: Tensor | None) -> Tensor:
        places = self.cells.places_of(drawn_from_table(self.outcomes(condition).log(), n, rng))
        within = torch.rand(places.shape, generator=rng, dtype=torch.float64).to(places.device)
        return (places + within) / self.cells.each

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood."""
        return -density_of(self, batch).mean()


def build(
    dim: int,
    *,
    bits: int = 3,
    layers: int = 6,
    ansatz: str = "rx-rz-rx",
    graph: str = "ring",
    reading: str = "smooth",
    bins: int = 0,
    bound: float = 5.0,
    squash: str = "normal",
    condition: int = 0,
    backend: str = "auto",
) -> WaveBornMachine:
    """A circuit of `bits` wires for each feature, with so many layers of an `ansatz` on a `graph`, as in `qcbm`.

    With `bins` each feature first passes a trained spline with so many bins on [-bound, bound], then `squash`. The
    `reading` is ``smooth``, between the points of the grid as well, or ``cells``, which are drawn as a device would.

    Raises:
        Refused: a reading that does not exist, one bin, or what `Cells` and `layered_circuit` refuse.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> count_parameters(build(3, bits=2, layers=4, backend="torch")).quantum  # 3 layers n
        72
    """
    if reading not in READINGS or bins < 0 or bins == 1:
        raise Refused(
            f"qft_generator was given reading={reading}, bins={bins}; one of {', '.join(READINGS)} and 0 bins, or 2 or "
            "more, are expected"
        )
    cells = Cells(dim, bits, squash)
    circuit = layered_circuit(cells.n_bits, layers, ansatz=ansatz, graph=graph, condition=condition)
    before = Elementwise(dim, RationalQuadratic(bins, bound)) if bins else None
    model = WaveBornMachine(cells, circuit, before=before, smooth=reading == "smooth", backend=backend)
    start_at(model.circuit, "small")
    return model
