"""Probabilities of bit strings, and images that belong to them: by circuits, and by networks of equal size."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from qinn_bench.quantum.circuit import Angle, Circuit, Gate, Probabilities, WeightBlock
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused
from reference_models._parts.autoencoder import dense_stack

LARGEST = 16
"""Wires of a circuit all of whose outcomes are shown to a discriminator, at most."""
LAYOUTS = ("strong", "turned")
STARTS = {"uniform": 2 * math.pi, "small": 0.1}
"""Weights start between 0 and this."""


def outcome_circuit(wires: int, layers: int, layout: str) -> Circuit:
    """Hadamard gates, layers of a layout, and the probabilities of all outcomes.

    ``strong``: Rot on each wire and CNOTs to the wire 1, 2, ... places on in the first, second, ... layer (PennyLane's
    StronglyEntanglingLayers). ``turned``: RY on each wire, then layers of CZ in a chain and RY on each wire.

    Raises:
        Refused: no layout, wire or layer, or more than 16 wires.

    Example:
        >>> [outcome_circuit(9, 2, layout).n_weights for layout in LAYOUTS]
        [54, 27]
    """
    if layout not in LAYOUTS or not 1 <= wires <= LARGEST or layers < 1:
        raise Refused(
            f"a circuit of {wires} wires and {layers} layers in the layout '{layout}' was asked for; 1 to {LARGEST} "
            f"wires, a layer and one of {', '.join(LAYOUTS)} are expected"
        )
    start = [Gate("H", (wire,)) for wire in range(wires)]
    gates, used = _strong(wires, layers) if layout == "strong" else turned_layers(wires, layers)
    return Circuit(wires, 0, (WeightBlock("angles", (used,)),), (*start, *gates), (Probabilities(tuple(range(wires))),))


def _strong(wires: int, layers: int) -> tuple[list[Gate], int]:
    gates = list[Gate]()
    for layer in range(layers):
        far = layer % max(1, wires - 1) + 1
        for wire in range(wires):
            first = 3 * (layer * wires + wire)
            gates.append(Gate("Rot", (wire,), tuple(Angle(weight=first + k) for k in range(3))))
        gates += [Gate("CNOT", (wire, (wire + far) % wires)) for wire in range(wires) if wires > 1]
    return gates, 3 * wires * layers


def turned_layers(wires: int, layers: int) -> tuple[list[Gate], int]:
    """RY on each wire, then layers of CZ in a chain and RY on each wire; and how many weights they take.

    Example:
        >>> turned_layers(3, 2)[1]
        9
    """
    gates = list[Gate]()
    for layer in range(layers + 1):
        gates += [Gate("CZ", (wire, wire + 1)) for wire in range(wires - 1) if layer]
        gates += [Gate("RY", (wire,), (Angle(weight=layer * wires + wire),)) for wire in range(wires)]
    return gates, wires * (layers + 1)


def image_circuit(wires: int, flips: int, layers: int, read: int) -> Circuit:
    """The first wires are flipped by bits, layers of RY and CZ follow, and outcomes of the first `read` are shown.

    Example:
        >>> circuit = image_circuit(4, 2, 3, 3)
        >>> circuit.n_inputs, circuit.n_weights, circuit.n_outputs
        (2, 16, 8)
    """
    start = [Gate("RY", (wire,), (Angle(input=wire, factor=math.pi),)) for wire in range(flips)]
    gates, used = turned_layers(wires, layers)
    block = WeightBlock("angles", (used,))
    return Circuit(wires, flips, (block,), (*start, *gates), (Probabilities(tuple(range(read))),))


def bit_strings(bits: int) -> Tensor:
    """All strings of so many bits, ``(2^bits, bits)``; the first bit is the highest.

    Example:
        >>> bit_strings(2).tolist()
        [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    numbers = torch.arange(2**bits)[:, None]
    return (numbers >> torch.arange(bits - 1, -1, -1) & 1).to(torch.get_default_dtype())


class Outcomes(nn.Module):
    """The probabilities of all outcomes of a circuit without inputs, whose weights start between 0 and `start`.

    Example:
        >>> Outcomes(outcome_circuit(1, 1, "turned"), "torch", "small")().shape
        torch.Size([2])
    """

    def __init__(self, circuit: Circuit, backend: str, start: str) -> None:
        super().__init__()
        if start not in STARTS:
            raise Refused(f"no start of a circuit is called '{start}'; there are: {', '.join(STARTS)}")
        self.circuit = CircuitLayer(circuit, backend)
        nn.init.uniform_(self.circuit.weights, 0, STARTS[start])

    def forward(self) -> Tensor:
        """``(2^wires,)``."""
        found: Tensor = self.circuit(self.circuit.weights.new_zeros(1, 0))
        return found[0]


class ImageCircuit(nn.Module):
    """An image for each string of bits: the first outcomes of a circuit, whose probabilities are made to sum to 1.

    Example:
        >>> table = ImageCircuit(image_circuit(3, 2, 1, 3), pixels=6, backend="torch", start="uniform")
        >>> table().shape, table().sum(1).round(decimals=4).tolist()
        (torch.Size([4, 6]), [1.0, 1.0, 1.0, 1.0])
    """

    strings: Tensor

    def __init__(self, circuit: Circuit, *, pixels: int, backend: str, start: str) -> None:
        super().__init__()
        self.pixels = pixels
        self.circuit = CircuitLayer(circuit, backend)
        self.register_buffer("strings", bit_strings(circuit.n_inputs), persistent=False)
        nn.init.uniform_(self.circuit.weights, 0, STARTS[start])

    def forward(self) -> Tensor:
        """``(2^bits, pixels)``."""
        found: Tensor = self.circuit(self.strings)[:, : self.pixels]
        return found / found.sum(1, keepdim=True).clamp_min(torch.finfo(found.dtype).tiny)


class BitEnergies(nn.Module):
    """The probabilities of all strings of bits by a network that gives the logit of each; without units it is linear.

    Example:
        >>> BitEnergies(3, 4)().shape, sum(p.numel() for p in BitEnergies(3, 4).parameters())
        (torch.Size([8]), 20)
    """

    strings: Tensor

    def __init__(self, bits: int, hidden: int) -> None:
        super().__init__()
        if not 1 <= bits <= LARGEST or hidden < 0:
            raise Refused(
                f"probabilities of strings of {bits} bits by {hidden} units were asked for; 1 to {LARGEST} bits and 0 "
                "units or more are expected"
            )
        # A constant that is added to all logits would change nothing.
        last = nn.Linear(hidden or bits, 1, bias=False)
        self.network = nn.Sequential(nn.Linear(bits, hidden), nn.Tanh(), last) if hidden else last
        self.register_buffer("strings", 2 * bit_strings(bits) - 1, persistent=False)

    def forward(self) -> Tensor:
        """``(2^bits,)``."""
        logits: Tensor = self.network(self.strings)
        return logits[:, 0].softmax(0)


class ImageNetwork(nn.Module):
    """An image for each string of bits by a dense network whose outputs are made shares.

    Example:
        >>> ImageNetwork(2, 3, 6)().shape
        torch.Size([4, 6])
    """

    strings: Tensor

    def __init__(self, bits: int, hidden: int, pixels: int) -> None:
        super().__init__()
        self.network = dense_stack([bits, *[hidden] * bool(hidden), pixels], nn.Tanh)
        self.register_buffer("strings", 2 * bit_strings(bits) - 1, persistent=False)

    def forward(self) -> Tensor:
        """``(2^bits, pixels)``."""
        logits: Tensor = self.network(self.strings)
        return logits.softmax(1)
