"""Distances to clusters of background, each measured by a circuit in which two rows interfere.

A state has the numbers of both rows as amplitudes, a first wire telling which row; after H on that wire it is found in
1 with the probability ``|a - b|^2 / (2 |a|^2 + 2 |b|^2)``, so that the distance is ``norm sqrt(2 P(1))``. Exactly read
it is the Euclidean distance, and the model is `k_medians` with geometric medians; a backend with shots gives that
distance with the noise of its measurements.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from qinn_bench.about import About
from qinn_bench.quantum.circuit import Circuit, Gate, z_on
from qinn_bench.quantum.layer import CircuitLayer
from reference_models._parts.clustered import Clustered
from reference_models._parts.patch_circuit import amplitude_angles, preparation

ABOUT = About(
    citation="K. A. Wozniak et al., Quantum anomaly detection in the latent space of proton collision events at the "
    "LHC, arXiv:2301.10780 (quantum k-medians)",
    published={"shots": "10 000 a distance"},
    deviations=(
        "exact probabilities instead of 10 000 shots, unless the backend is one with shots",
        "the nearest centre is found by comparing all distances",
        "centres begin at training points that are drawn at random",
    ),
    tiny={"rows": 40, "clusters": 2, "parts": 1},
    tune={"clusters": (2, 3, 5)},
)


def distance_circuit(numbers: int) -> Circuit:
    """The circuit of two rows of so many numbers: their state, H on the first wire, which is read.

    Its inputs are the angles that `amplitude_angles` makes of both rows, each padded to a power of two.

    Example:
        >>> distance_circuit(8).n_wires, distance_circuit(3).n_inputs
        (4, 7)
    """
    wires = 1 + max(1, (numbers - 1).bit_length())
    return Circuit(wires, 2**wires - 1, (), (*preparation(wires), Gate("H", (0,))), z_on((0,)))


class QuantumMedians(Clustered):
    """Clusters by the distances that a circuit measures.

    Example:
        >>> model = build(4, backend="torch").double()
        >>> x, y = torch.tensor([[3.0, 4.0]]).double(), torch.zeros(1, 2).double()
        >>> round(float(model.distances(x, y)), 9)
        5.0
    """

    def __init__(self, dim: int, backend: str, *, clusters: int, parts: int, rows: int) -> None:
        super().__init__(dim, clusters=clusters, parts=parts, rows=rows, median="geometric")
        self.circuit = CircuitLayer(distance_circuit(dim // parts), backend)
        self.circuit.weights.requires_grad_(False)  # There are none, and so nothing is trained.

    def distances(self, x: Tensor, y: Tensor) -> Tensor:
        """The measured distance of each part to each other, ``(n, dim / parts), (m, dim / parts) -> (n, m)``."""
        size = 2 ** (self.circuit.circuit.n_wires - 1)
        a, b = (F.pad(one, (0, size - one.shape[1])) for one in (x, y))
        both = torch.cat((a.repeat_interleave(len(b), 0), b.repeat(len(a), 1)), 1)
        values: Tensor = self.circuit(amplitude_angles(both, self.circuit.circuit.n_wires))
        ones = ((1 - values[:, 0]) / 2).clamp(0, 1)
        measured: Tensor = both.square().sum(1).sqrt() * (2 * ones).sqrt()
        return measured.reshape(len(a), len(b))


def build(dim: int, *, clusters: int = 2, parts: int = 2, rows: int = 600, backend: str = "auto") -> QuantumMedians:
    """So many `clusters` of the `parts` of the first training `rows`, about their geometric medians.

    Raises:
        Refused: what `Clustered` refuses.

    Example:
        >>> build(16, backend="torch").circuit.circuit.n_wires
        4
    """
    return QuantumMedians(dim, backend, clusters=clusters, parts=parts, rows=rows)
