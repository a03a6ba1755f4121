"""The circuits of FastCaloQ's "qINN": an upload, turns and a ring, and the same undone, which is no inverse of it.

Undone, the adjoint of the trained gates acts on a newly uploaded state, not on the one that they gave.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from qinn_bench.quantum.ansatz import ring
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, GateName, WeightBlock, z_on
from qinn_bench.quantum.layer import CircuitLayer
from reference_models._parts.trash import seen

TURNS: tuple[GateName, ...] = ("RZ", "RY", "RX")
START = 0.01
"""The spread of the weights of circuits at the start."""


def block_of(wires: int, depth: int) -> Circuit:
    """An upload by RY, then `depth` times RZ, RY and RX by weights on each wire and a ring of CNOTs; Z is read.

    Example:
        >>> block_of(6, 2).n_weights
        36
    """
    gates = [Gate("RY", (wire,), (Angle(input=wire),)) for wire in range(wires)]
    for layer in range(depth):
        for wire in range(wires):
            first = 3 * (layer * wires + wire)
            gates += [Gate(name, (wire,), (Angle(weight=first + k),)) for k, name in enumerate(TURNS)]
        gates += [Gate("CNOT", pair) for pair in ring(wires)]
    return Circuit(wires, wires, (WeightBlock("turns", (depth, wires, 3)),), tuple(gates), z_on(range(wires)))


def undone(circuit: Circuit) -> Circuit:
    """The same upload, then the gates after it undone, with the same weights."""
    uploads, rest = list[Gate](), list[Gate]()
    for gate in circuit.gates:
        (uploads if any(angle.input is not None for angle in gate.angles) else rest).append(gate)
    return replace(circuit, gates=(*uploads, *replace(circuit, gates=tuple(rest)).adjoint().gates))


class FCQBlock(nn.Module):
    """A circuit whose inputs are shifted along the wires, and its undoing with the same weights.

    A classical layer that stands in for the circuit serves in both directions. Where nothing encodes, only the undoing
    is there, in which the first turns of each wire are the last before it is read; `trim` leaves them out.

    Example:
        >>> import torch
        >>> block = FCQBlock(3, 1, shift=1, encodes=True, trim=False, backend="torch")
        >>> block(torch.zeros(2, 3)).shape, block.back(torch.zeros(2, 3)).shape
        (torch.Size([2, 3]), torch.Size([2, 3]))
        >>> FCQBlock(3, 1, shift=1, encodes=False, trim=False, backend="torch").circuit.blind
        3
    """

    def __init__(self, wires: int, depth: int, *, shift: int, encodes: bool, trim: bool, backend: str) -> None:
        super().__init__()
        self.shift, self.encodes = shift, encodes
        circuit = block_of(wires, depth)
        self.circuit = CircuitLayer(circuit if encodes else seen(undone(circuit), trim), backend)
        nn.init.normal_(self.circuit.weights, 0.0, START)
        self._undone = circuit, undone(circuit)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, wires) -> (n, wires)``."""
        values: Tensor = self.circuit(x.roll(-self.shift, 1))
        return values

    def back(self, x: Tensor) -> Tensor:
        """The other direction, ``(n, wires) -> (n, wires)``."""
        layer = self.circuit
        if not self.encodes or not isinstance(layer, CircuitLayer):
            return self(x)  # type: ignore[no-any-return]
        if self._undone[0] is not layer.circuit:  # A control may have changed it.
            self._undone = layer.circuit, undone(layer.circuit)
        return layer.backend.run(self._undone[1], x.roll(-self.shift, 1), layer.weights)


def turned_blocks(number: int, wires: int, depth: int, *, encodes: bool, trim: bool, backend: str) -> list[FCQBlock]:
    """So many blocks, each shifted by a third of the wires more than the one before."""
    step = max(1, wires // 3)
    return [FCQBlock(wires, depth, shift=k * step, encodes=encodes, trim=trim, backend=backend) for k in range(number)]
