"""Circuits without data whose outcomes are drawn: layers of turns and entanglers, on graphs, and where they start."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from qinn_bench.quantum.ansatz import ring
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, GateName, Probabilities, WeightBlock
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused

LARGEST = 20
"""The most wires whose outcomes are all looked at."""


class Ansatz(NamedTuple):
    """The turns of a layer on each wire, the gate between pairs of wires, and whether one more layer of turns ends it.

    Example:
        >>> ANSAETZE["rx-rz-rx"].turns, ANSAETZE["rx-rz-rx"].closes
        (('RX', 'RZ', 'RX'), False)
    """

    turns: tuple[GateName, ...]
    pair: GateName
    closes: bool


ANSAETZE: dict[str, Ansatz] = {
    "rx-rz-rx": Ansatz(("RX", "RZ", "RX"), "CNOT", False),
    "rz-rx-rz": Ansatz(("RZ", "RX", "RZ"), "CNOT", True),
    "ry-rz": Ansatz(("RY", "RZ"), "CNOT", True),
    "ry-cz": Ansatz(("RY",), "CZ", True),
}
"""``rz-rx-rz`` is that of arXiv:1804.04168; ``ry-rz`` and ``ry-cz`` are hardware-efficient, the last one real."""
GRAPHS = ("ring", "chain", "all", "none")
STARTS = ("even", "small", "uniform")
SPREAD = 0.2
"""How far from its start a weight is (standard deviation, radians)."""


def pairs_of(graph: str, wires: int) -> tuple[tuple[int, int], ...]:
    """The pairs of wires that a graph connects, in the order of their gates.

    Raises:
        Refused: there is no such graph.

    Example:
        >>> [len(pairs_of(graph, 4)) for graph in GRAPHS]
        [4, 3, 6, 0]
    """
    if graph not in GRAPHS:
        raise Refused(f"a circuit knows no graph '{graph}'; there are: {', '.join(GRAPHS)}")
    if graph == "ring":
        return ring(wires)
    if graph == "chain":
        return tuple((k, k + 1) for k in range(wires - 1))
    return tuple((a, b) for a in range(wires) for b in range(a + 1, wires)) if graph == "all" else ()


@lru_cache(maxsize=64)
def layered_circuit(wires: int, layers: int, *, ansatz: str, graph: str, condition: int = 0) -> Circuit:
    """Layers of turns and entanglers on so many wires; the probabilities of all outcomes are read.

    With conditions, RY(scale * c + shift) of one of them, in turn, is on each wire before each layer. Weights that no
    outcome depends on are left out.

    Raises:
        Refused: an ansatz or a graph that does not exist, no layer, or more than `LARGEST` wires.

    Example:
        >>> sizes = [layered_circuit(4, 3, ansatz=name, graph="ring").n_weights for name in ANSAETZE]
        >>> sizes  # 3 n L; (3 L + 1) n (arXiv:1804.04168); 2 n L + n; n (L + 1)
        [36, 40, 28, 16]
    """
    if ansatz not in ANSAETZE or layers < 1:
        raise Refused(
            f"a circuit of {layers} layers of '{ansatz}' was asked for; 1 or more are expected of one of "
            f"{', '.join(ANSAETZE)}"
        )
    if wires > LARGEST:
        raise Refused(f"a circuit of {wires} wires was asked for; at most {LARGEST} are expected")
    (turns, pair, closes), pairs, used, gates = ANSAETZE[ansatz], pairs_of(graph, wires), 0, list[Gate]()
    for layer in range(layers + closes):
        for w in range(wires) if condition and layer < layers else ():
            gates.append(Gate("RY", (w,), (Angle(weight=used, scale=used + 1, input=w % condition),)))
            used += 2
        # Turns about Z of |0>, and those before the outcomes, change nothing that is read.
        blind_start = turns[0] == "RZ" and not layer and not condition
        own = turns[blind_start : len(turns) - (turns[-1] == "RZ" and layer == layers)]
        for w in range(wires):
            gates += [Gate(turn, (w,), (Angle(weight=used + k),)) for k, turn in enumerate(own)]
            used += len(own)
        gates += [Gate(pair, wired) for wired in pairs] if layer < layers else []
    read = (Probabilities(tuple(range(wires))),)
    return Circuit(wires, condition, (WeightBlock("angles", (used,)),), tuple(gates), read)


def even_turns(circuit: Circuit) -> list[int]:
    """The weights that, at pi / 2 while all others are zero, take each wire from |0> to an even mean of both states.

    They are those of the first RY, or of the first RX and of the RZ right after it. The state is then one that turns
    about X and CNOTs leave as it is.

    Example:
        >>> even_turns(layered_circuit(2, 1, ansatz="rz-rx-rz", graph="ring"))
        [0, 1, 2, 3]
    """
    on = {wire: [gate for gate in circuit.gates if wire in gate.wires] for wire in range(circuit.n_wires)}
    found: list[int] = []
    for gates in on.values():
        own = [gate for gate in gates if not any(angle.input is not None for angle in gate.angles)]
        first = own[:2] if [gate.name for gate in own[:2]] == ["RX", "RZ"] else own[:1]
        found += [angle.weight for gate in first for angle in gate.angles if angle.weight is not None]
    return found


@torch.no_grad()
def start_at(layer: CircuitLayer, start: str) -> None:
    """Set the weights of a layered circuit at its start.

    ``small`` is near the state |0...0>, ``even`` near one whose outcomes are all equally probable, ``uniform`` anywhere
    in [0, 2 pi).

    Raises:
        Refused: there is no such start.
    """
    if start not in STARTS:
        raise Refused(f"a circuit knows no start '{start}'; there are: {', '.join(STARTS)}")
    if start == "uniform":
        layer.weights.uniform_(0, 2 * math.pi)
        return
    layer.weights.normal_(0, SPREAD)
    if start == "even":
        layer.weights[even_turns(layer.circuit)] += math.pi / 2


def inverse_fourier(wires: int) -> Circuit:
    """The inverse quantum Fourier transform: amplitudes psi_k to sum_k psi_k exp(-2 pi i j k / 2^wires) / 2^(wires/2).

    Example:
        >>> inverse_fourier(3).counts
        {'SWAP': 1, 'H': 3, 'CPhase': 3}
    """
    gates = [Gate("SWAP", (w, wires - 1 - w)) for w in range(wires // 2)]
    for target in reversed(range(wires)):
        gates += [
            Gate("CPhase", (control, target), (Angle(constant=-math.pi / 2 ** (control - target)),))
            for control in reversed(range(target + 1, wires))
        ]
        gates.append(Gate("H", (target,)))
    return Circuit(wires, 0, (), tuple(gates), (Probabilities(tuple(range(wires))),))


def apart(difference: Tensor, factors: list[Tensor]) -> Tensor:
    """Tables of differences ``(n, N)`` after a kernel that is a product over parts of what numbers them, ``(n, N)``.

    Each factor ``(k, k)`` is the kernel of one part; the first one has the highest digits, and the product of all k is
    N. It is the quick form of a product with the Kronecker product of the factors.

    Example:
        >>> apart(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), [torch.eye(2), torch.ones(2, 2)]).tolist()
        [[1.0, 1.0, 0.0, 0.0]]
    """
    found = difference
    for factor in factors:
        # Each turn takes the first part to the end, so that after all of them the order is what it was.
        found = found.reshape(len(difference), len(factor), -1).transpose(1, 2) @ factor
    return found.reshape(difference.shape)
