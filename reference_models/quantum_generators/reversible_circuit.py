"""The full-state generative circuit: a row's cell is a basis state, and p(cell) = |<cell|psi>|^2, of all wires.

Nothing is measured away, so that the map from the start to the state is unitary and is undone by its adjoint; the
likelihood is exact, with the volumes of the cells, and so are draws. It is a Born machine trained on its likelihood.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Density, Sampler, density_of
from qinn_bench.quantum.ansatz import ring
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, Probabilities, WeightBlock
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.quantum.visibility import trimmed
from qinn_bench.values import Refused
from reference_models._parts.cells import Cells

ABOUT = About(
    citation="Corchia, Franchini, FastCaloQ (slides), the route that keeps the full state; the model: Liu, Wang, "
    "Differentiable learning of quantum circuit Born machines, arXiv:1804.04168",
    published={"claim": "few qubits and an exact inverse; no size and no result is published"},
    deviations=(
        "a reconstruction: gates, layers and encoding of the slides are not published",
        "it is trained on its exact likelihood instead of the MMD of drawn rows",
        "a millionth of the probability is spread evenly over all cells, so that no row is impossible",
        "conditions, which the papers do not have, turn each wire before every layer",
    ),
    knobs={"layers": (*range(1, 17), 18, 20, 22, 24, 28, 32, 36, 40, 48, 56, 64)},
    depth="layers",
    tiny={"bits": 1, "layers": 2},
    tune={"bits": (2, 3, 4), "gray": (False, True), "entangler": ("zz", "cnot"), "squash": ("normal", "logistic")},
)
EVEN = 1e-6
"""The share of the probability that is spread evenly."""
LARGEST = 20
START = 0.5
ENTANGLERS = ("zz", "cnot")


def born_circuit(wires: int, layers: int, entangler: str, condition: int = 0) -> Circuit:
    """H on each wire, then layers of Rot on each wire and a ring; the probabilities of all outcomes are read.

    With conditions, RY(scale * c + shift) of one of them, in turn, is on each wire before each layer. Weights that no
    outcome depends on are left out. At zero weights all outcomes are equally probable.

    Raises:
        Refused: there is no such entangler.

    Example:
        >>> circuit = born_circuit(3, 2, "zz")
        >>> circuit.n_weights, circuit.n_outputs
        (18, 8)
    """
    if entangler not in ENTANGLERS:
        raise Refused(f"a born machine knows no entangler '{entangler}'; there are: {', '.join(ENTANGLERS)}")
    pairs, used, gates = ring(wires), 0, [Gate("H", (w,)) for w in range(wires)]
    for _ in range(layers):
        for w in range(wires) if condition else ():
            gates.append(Gate("RY", (w,), (Angle(weight=used, scale=used + 1, input=w % condition),)))
            used += 2
        for w in range(wires):
            gates.append(Gate("Rot", (w,), tuple(Angle(weight=used + k) for k in range(3))))
            used += 3
        for pair in pairs:
            gates.append(Gate("CNOT", pair) if entangler == "cnot" else Gate("IsingZZ", pair, (Angle(weight=used),)))
            used += entangler == "zz"
    full = Circuit(
        wires, condition, (WeightBlock("angles", (used,)),), tuple(gates), (Probabilities(tuple(range(wires))),)
    )
    return trimmed(full)[0]


class BornMachine(Sampler, Density):
    """A density that is even within each cell, whose probabilities are those of the outcomes of a circuit.

    Example:
        >>> model = build(2, bits=2, layers=1, backend="torch")
        >>> model.log_prob(torch.zeros(1, 2)).shape, model.sample(5, torch.Generator().manual_seed(0)).shape
        (torch.Size([1]), torch.Size([5, 2]))
    """

    normalised = True

    def __init__(self, cells: Cells, circuit: Circuit, backend: str) -> None:
        super().__init__(cells.dim)
        self.cells = cells
        self.circuit = CircuitLayer(circuit, backend)
        nn.init.normal_(self.circuit.weights, 0, START)

    def probabilities(self, condition: Tensor | None = None) -> Tensor:
        """Of all cells by their number: ``(n, 2^wires)`` for conditions ``(n, c)``, one row without conditions."""
        weights = next(self.circuit.parameters())
        found: Tensor = self.circuit(weights.new_zeros(1, 0) if condition is None else condition)
        return (1 - EVEN) * found + EVEN / found.shape[1]

    def log_prob(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The log-density of features, ``(n, dim) -> (n,)``, in nats."""
        own = self.cells.chances_at(x, self.probabilities(condition))
        return (
            own.clamp_min(torch.finfo(own.dtype).tiny).log() + self.cells.n_bits * math.log(2) + self.cells.log_even(x)
        )

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows: a cell by its probability, then a place in it."""
        found = self.probabilities(condition)
        below = found.double().cumsum(1)
        uniform = torch.rand(len(below), n // len(below), generator=rng, dtype=torch.float64).to(below) * below[:, -1:]
        numbers = torch.searchsorted(below, uniform, right=True).flatten().clamp(max=found.shape[1] - 1)
        return self.cells.drawn_in(self.cells.places_of(numbers), rng).to(found)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean negative log-likelihood."""
        return -density_of(self, batch).mean()


def build(
    dim: int,
    *,
    bits: int = 3,
    layers: int = 6,
    entangler: str = "zz",
    squash: str = "normal",
    gray: bool = True,
    condition: int = 0,
    backend: str = "auto",
) -> BornMachine:
    """A circuit of ``dim * bits`` wires with so many layers: a feature has 2^bits cells of equal width after `squash`.

    The cells are numbered by a `gray` code or in binary; the entangler is a ring of ``zz`` angles or of ``cnot``.

    Raises:
        Refused: more than 20 wires, or what `Cells` or `born_circuit` refuse.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> count_parameters(build(5, bits=2, layers=3, backend="torch")).quantum
        100
    """
    cells = Cells(dim, bits, squash, gray)
    if cells.n_bits > LARGEST:
        raise Refused(f"{dim} features of {bits} bits were to be {cells.n_bits} wires; at most {LARGEST} are expected")
    return BornMachine(cells, born_circuit(cells.n_bits, layers, entangler, condition), backend)
