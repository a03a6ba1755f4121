"""Numbers as amplitudes of a state: the angles that prepare it, the gates that take them, and a circuit after it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.quantum.ansatz import Entangler, ring
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, WeightBlock, z_on
from qinn_bench.quantum.visibility import trimmed
from reference_models._parts.circuit_conditioner import CircuitConditioner

TINY = 1e-30
"""Where the square of a length is below this, its direction is taken to be that of the first axis."""


def preparation_angles(amplitudes: Tensor) -> Tensor:
    """The angles ``(n, 2^q - 1)`` by which `preparation` gives a state these real amplitudes ``(n, 2^q)``, normalised.

    Wire after wire they share out the length between both halves of what is left; those of the last wire see signs
    (Mottonen, Vartiainen, Bergholm, Salomaa, arXiv:quant-ph/0407010). The sign of the whole is that of the first
    amplitude that the last wire's first angle sees, up to which the state is the same.

    Example:
        >>> preparation_angles(torch.tensor([[0.6, 0.8]])).mul(0.5).cos().tolist()
        [[0.6000000238418579]]
    """
    shares, left = [], amplitudes
    while left.shape[1] > 1:
        pairs = left.reshape(len(left), -1, 2)
        size = pairs.square().sum(2)
        there = size > TINY
        a, b = (torch.where(there, pairs[:, :, k], float(k == 0)) for k in (0, 1))
        shares.append(2 * torch.atan2(b, a))
        left = torch.where(there, torch.where(there, size, 1.0).sqrt(), 0.0)
    return torch.cat([_of_gates(angles) for angles in reversed(shares)], 1)


def _of_gates(angles: Tensor) -> Tensor:
    """The angles of turns between CNOTs that together turn by one of these angles ``(n, 2^k)``, by what k wires are."""
    each = torch.arange(angles.shape[1], device=angles.device)
    flips = each[:, None] & (each ^ each >> 1)
    for shift in (8, 4, 2, 1):
        flips = flips ^ flips >> shift
    return angles @ (1 - 2 * (flips & 1)).to(angles) / len(each)


def preparation(wires: int) -> tuple[Gate, ...]:
    """Turns about Y and CNOTs whose inputs are the `preparation_angles` of a state of so many wires.

    Example:
        >>> [len([gate for gate in preparation(3) if gate.name == name]) for name in ("RY", "CNOT")]
        [7, 6]
    """
    gates: list[Gate] = []
    used = 0
    for wire in range(wires):
        for k in range(2**wire):
            gates.append(Gate("RY", (wire,), (Angle(input=used),)))
            used += 1
            if wire:
                # The bit of the Gray code that changes next; the last step takes the highest one back.
                bit = min((k + 1 & -(k + 1)).bit_length() - 1, wire - 1)
                gates.append(Gate("CNOT", (wire - 1 - bit, wire)))
    return tuple(gates)


def amplitude_circuit(numbers: int, layers: int, entangler: Entangler) -> Circuit:
    """So many numbers and a constant 1 as amplitudes, then layers of Rot on each wire and a ring; <Z> of each is read.

    Weights that no <Z> sees are left out.

    Example:
        >>> circuit = amplitude_circuit(3, 2, "cnot")
        >>> circuit.n_wires, circuit.n_inputs, circuit.n_weights
        (2, 3, 10)
    """
    wires = max(1, numbers.bit_length())
    gates, used = list(preparation(wires)), 0
    for _ in range(layers):
        for w in range(wires):
            gates.append(Gate("Rot", (w,), tuple(Angle(weight=used + k) for k in range(3))))
            used += 3
        for pair in ring(wires) if entangler != "none" else ():
            gates.append(Gate("CNOT", pair) if entangler == "cnot" else Gate("IsingZZ", pair, (Angle(weight=used),)))
            used += entangler == "zz"
    block = (WeightBlock("angles", (used,)),)
    return trimmed(Circuit(wires, 2**wires - 1, block, tuple(gates), z_on(range(wires))))[0]


class AmplitudeConditioner(nn.Module):
    """Reads numbers off features that are amplitudes of a state, beside a constant 1 so that their length is kept.

    Example:
        >>> conditioner = AmplitudeConditioner(3, 5, layers=2, entangler="cnot", backend="torch")
        >>> conditioner(torch.zeros(4, 3)).shape
        torch.Size([4, 5])
    """

    def __init__(self, n_in: int, n_out: int, *, layers: int, entangler: Entangler, backend: str) -> None:
        super().__init__()
        circuit = amplitude_circuit(n_in, layers, entangler)
        self.size = 2**circuit.n_wires
        self.circuit = CircuitConditioner(n_out, circuit, backend)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, n_in) -> (n, n_out)``."""
        padding = x.new_zeros(len(x), self.size - x.shape[1] - 1)
        numbers: Tensor = self.circuit(preparation_angles(torch.cat((x.new_ones(len(x), 1), x, padding), 1)))
        return numbers
