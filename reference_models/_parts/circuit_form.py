"""The forms of a re-uploading circuit: qubits a feature, entanglers, axes of the data, and what is read out of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from qinn_bench.quantum.ansatz import Entangler, reuploading
from qinn_bench.quantum.circuit import Circuit, GateName, Pauli
from qinn_bench.values import Refused

ENTANGLERS = ("cnot", "none", "zz")
ENCODINGS: dict[str, tuple[GateName, ...]] = {"ry": ("RY",), "ry-rx": ("RY", "RX"), "ry-rx-rz": ("RY", "RX", "RZ")}
"""The turns by which uploads encode the data, one upload after the other in turn."""
READOUTS = ("z", "zz", "mixed")
FAINT = -4.0
"""The logarithm of the weight, relative to the first, that each further word of a blend starts with."""


@dataclass(frozen=True)
class CircuitForm:
    """All of a circuit but its size: `copies` qubits a feature, what entangles them, and how data go in and out.

    Each feature is read out as the Pauli words that `readout` names: ``z`` is Z of its first qubit, ``zz`` also the
    product with Z of the next qubit, ``mixed`` Z of all its qubits, that product, and X of its first.

    Raises:
        Refused: an entangler, encoding or readout that does not exist, or no copy.

    Example:
        >>> circuit = CircuitForm(encoding="ry-rx", readout="zz").circuit(2, uploads=2)
        >>> [gate.name for gate in circuit.gates if gate.angles[0].input == 0], len(circuit.readout)
        (['RY', 'RX'], 4)
    """

    copies: int = 1
    entangler: str = "zz"
    encoding: str = "ry"
    readout: str = "z"

    def __post_init__(self) -> None:
        known = {"entangler": ENTANGLERS, "encoding": tuple(ENCODINGS), "readout": READOUTS}
        for what, names in known.items():
            if getattr(self, what) not in names:
                raise Refused(f"a circuit knows no {what} '{getattr(self, what)}'; there are: {', '.join(names)}")
        if self.copies < 1:
            raise Refused(f"a circuit with {self.copies} copies of each feature was asked for; 1 or more are expected")

    def circuit(self, n_features: int, *, uploads: int, layers: int = 1) -> Circuit:
        """The circuit of this form with so many uploads, each followed by so many layers."""
        entangler = cast("Entangler", self.entangler)
        made = reuploading(n_features, copies=self.copies, uploads=uploads, layers=layers, entangler=entangler)
        if self.encoding != "ry":
            turns = ENCODINGS[self.encoding]
            uploading = [k for k, g in enumerate(made.gates) if any(angle.input is not None for angle in g.angles)]
            names = {k: turns[place // made.n_wires % len(turns)] for place, k in enumerate(uploading)}
            made = replace(made, gates=tuple(replace(g, name=names.get(k, g.name)) for k, g in enumerate(made.gates)))
        if self.readout != "z":
            made = replace(made, readout=tuple(word for i in range(n_features) for word in self.words(i, n_features)))
        return made

    def words(self, feature: int, n_features: int) -> tuple[Pauli, ...]:
        """What is read out for a feature of so many."""
        wires = n_features * self.copies
        first = Pauli("Z", (feature,))
        if self.readout == "z":
            return (first,)
        pair = (Pauli("ZZ", tuple(sorted((feature, (feature + 1) % wires)))),) if wires > 1 else ()
        if self.readout == "zz":
            return (first, *pair)
        copies = (Pauli("Z", (feature + k * n_features,)) for k in range(1, self.copies))
        return (first, *copies, *pair, Pauli("X", (feature,)))


class Blend(nn.Module):
    """A mean of the words of each feature with trained weights above 0 that add up to 1, so that it is in (-1, 1).

    It starts with almost all weight on the first word.

    Example:
        >>> values, jacobian = Blend(2, words=3)(torch.ones(5, 6), torch.zeros(5, 6, 2))
        >>> values.shape, jacobian.shape
        (torch.Size([5, 2]), torch.Size([5, 2, 2]))
    """

    def __init__(self, n_features: int, words: int) -> None:
        super().__init__()
        self.relative = nn.Parameter(torch.full((n_features, words - 1), FAINT))

    def forward(self, values: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        """``(n, features * words), (n, features * words, k) -> (n, features), (n, features, k)``."""
        weights = torch.nn.functional.pad(self.relative, (1, 0)).softmax(1)
        n, _, inputs = jacobian.shape
        blended = (values.reshape(n, *weights.shape) * weights).sum(2)
        return blended, (jacobian.reshape(n, *weights.shape, inputs) * weights[:, :, None]).sum(2)
