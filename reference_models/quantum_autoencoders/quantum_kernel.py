"""One-class support vector machine on a quantum kernel: two features a wire, uploaded three times between CNOTs.

The kernel of two rows is the fidelity of their states. Its twins: without entanglers (``entangler = "none"``), from the
state of each wire alone (``kernel = "projected"``), and in closed form from one upload on the states before any
entangler, which sees every other feature only (``kernel = "product"``).
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from qinn_bench.about import About
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, Pauli
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused
from reference_models._parts.one_class import OneClass
from reference_models._parts.patch_circuit import ENTANGLERS, pairs

ABOUT = About(
    citation="K. A. Wozniak et al., Quantum anomaly detection in the latent space of proton collision events at the "
    "LHC, arXiv:2301.10780",
    published={"claim": "the quantum kernel beats a classical one significantly for some signals and latent sizes"},
    deviations=(
        "one model a training: the published errors are those of folds of the test rows alone",
        "the projected and the product kernel and other entanglers than chain and all pairs are ours",
        "an odd number of features is padded with a zero",
    ),
    tiny={"rows": 40, "nu": 0.1, "repetitions": 1, "kernel": "projected"},
    tune={"kernel": ("fidelity", "projected"), "nu": (0.01, 0.03, 0.1)},
)
KERNELS = ("fidelity", "projected", "product")


def feature_map(features: int, repetitions: int, entangler: str) -> Circuit:
    """The map u_dense_encoding of the authors: U(pi/2, a, b) on each wire, CNOTs, U(a, b, 0) on each wire, repeated.

    Read out are X, Y and Z of each wire.

    Raises:
        Refused: there is no such entangler.

    Example:
        >>> circuit = feature_map(8, 3, "chain")
        >>> circuit.n_wires, circuit.counts, circuit.n_outputs
        (4, {'U3': 24, 'CNOT': 9}, 12)
    """
    if entangler not in (*ENTANGLERS, "none"):
        raise Refused(f"quantum_kernel knows no entangler '{entangler}'; there are: {', '.join(ENTANGLERS)}, none")
    wires, gates = (features + 1) // 2, list[Gate]()
    for _ in range(repetitions):
        for q in range(wires):
            gates.append(Gate("U3", (q,), (Angle(constant=torch.pi / 2), Angle(input=2 * q), Angle(input=2 * q + 1))))
        gates += [Gate("CNOT", pair) for pair in (pairs(entangler, wires) if entangler != "none" else ())]
        for q in range(wires):
            gates.append(Gate("U3", (q,), (Angle(input=2 * q), Angle(input=2 * q + 1), Angle())))
    words = tuple(Pauli(letter, (q,)) for q in range(wires) for letter in "XYZ")
    return Circuit(wires, 2 * wires, (), tuple(gates), words)


class QuantumKernel(OneClass):
    """The machine on the kernel of a circuit without weights.

    Example:
        >>> machine = build(4, rows=5, backend="torch")
        >>> same = machine.kernel(torch.ones(2, 4), torch.ones(3, 4))
        >>> bool(torch.allclose(same, torch.ones(2, 3)))
        True
    """

    width: Tensor

    def __init__(self, dim: int, circuit: Circuit, backend: str, kind: str, *, rows: int, nu: float) -> None:
        super().__init__(dim, rows=rows, nu=nu)
        self.kind = kind
        self.circuit = CircuitLayer(circuit, backend)
        self.circuit.compared = kind == "fidelity"
        self.circuit.weights.requires_grad_(False)  # There are none, and so nothing is trained.
        self.register_buffer("width", torch.ones(()))

    def prepare(self, rows: Tensor) -> None:
        """The width of the projected kernel: the variance of all numbers of the states of wires, times their number."""
        if self.kind == "projected":
            values = self._values(rows)
            self.width.copy_(values.var() * values.shape[1])

    def _values(self, x: Tensor) -> Tensor:
        values: Tensor = self.circuit(F.pad(x, (0, x.shape[1] % 2)))
        return values

    def kernel(self, x: Tensor, y: Tensor) -> Tensor:
        """The kernel of each row with each other, ``(n, dim), (m, dim) -> (n, m)``, from 0 to 1."""
        if self.kind == "product":
            return product_kernel(x, y)
        if self.kind == "projected":
            return torch.exp(-torch.cdist(self._values(x), self._values(y)).square() / self.width)
        here, there = (self.circuit.state(F.pad(part, (0, part.shape[1] % 2))) for part in (x, y))
        return (here @ there.mH).abs().square()


def product_kernel(x: Tensor, y: Tensor) -> Tensor:
    """The product of ``cos^2((x_i - y_i) / 2)`` over every other feature: ``(n, dim), (m, dim) -> (n, m)``.

    Example:
        >>> product_kernel(torch.tensor([[0.0, 5.0]]), torch.tensor([[torch.pi, 5.0], [0.0, 7.0]])).round().tolist()
        [[0.0, 1.0]]
    """
    return ((x[:, None, ::2] - y[None, :, ::2]) / 2).cos().square().prod(2)


def build(
    dim: int,
    *,
    kernel: str = "fidelity",
    entangler: str = "chain",
    repetitions: int = 3,
    nu: float = 0.01,
    rows: int = 600,
    backend: str = "auto",
) -> QuantumKernel:
    """A machine that is fitted to random training rows, `rows` of them; features are angles in radians.

    `kernel` is the ``fidelity`` of states, ``projected`` on the states of single wires, or the closed-form ``product``;
    the map is repeated `repetitions` times with its `entangler` (``chain``, ``all`` pairs, ``ring``, ``none``). A share
    `nu` of the fitted rows may lie outside.

    Raises:
        Refused: an unknown choice, or what `OneClass` refuses.

    Example:
        >>> build(8, backend="torch").circuit.circuit.n_wires
        4
    """
    if kernel not in KERNELS:
        raise Refused(f"quantum_kernel knows no kernel '{kernel}'; there are: {', '.join(KERNELS)}")
    make = partial(QuantumKernel, dim, feature_map(dim, repetitions, entangler), backend, kernel)
    return make(rows=rows, nu=nu)
