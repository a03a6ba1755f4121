"""Quantum autoencoders: how well the trash wires of an encoder end in their reference state.

An encoder acts on data wires; the last of them, the trash, should end in a reference state, so that the others carry
all that is to be known (arXiv:1612.02806). A SWAP test of the trash with a register of references measures the fidelity
F. Where the references are a product of one-wire states, F is also the probability that the trash, each wire turned
back by its reference, is measured |0...0>: exactly the same number from fewer wires.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from qinn_bench.contracts import Batch, Scorer
from qinn_bench.quantum.circuit import AllZero, Angle, Circuit, Gate, Pauli, WeightBlock
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.quantum.visibility import trimmed
from qinn_bench.values import Refused

READOUTS = ("exact", "swap")
REFERENCES = ("zero", "random", "learned")


def trash_of(n_wires: int, trash: int) -> tuple[int, ...]:
    """The last wires of a register, so many of them.

    Raises:
        Refused: no wire is trash, or none is left.

    Example:
        >>> trash_of(5, 2)
        (3, 4)
    """
    if not 0 < trash < n_wires:
        raise Refused(
            f"{trash} trash wires of {n_wires} were asked for; at least 1, and at least 1 other wire, are expected"
        )
    return tuple(range(n_wires - trash, n_wires))


def with_references(encoder: Circuit, kind: str, trash: Sequence[int]) -> tuple[Circuit, tuple[Angle, ...]]:
    """The encoder with the weights of its references, and the angles of RX that prepare them from |0>.

    ``zero`` needs no turns, ``random`` draws them in (0, 2 pi) from the global stream of torch, ``learned`` makes them
    weights.

    Raises:
        Refused: there are no such references.
    """
    if kind not in REFERENCES:
        raise Refused(f"no references are called '{kind}'; there are: {', '.join(REFERENCES)}")
    if kind == "zero":
        return encoder, ()
    if kind == "random":
        drawn = 2 * torch.pi * torch.rand(len(trash), device="cpu", dtype=torch.float64)
        return encoder, tuple(Angle(constant=value) for value in drawn.tolist())
    more = replace(encoder, weights=(*encoder.weights, WeightBlock("reference", (len(trash),))))
    return more, tuple(Angle(weight=encoder.n_weights + k) for k in range(len(trash)))


def fidelity_circuit(encoder: Circuit, trash: Sequence[int], references: Sequence[Angle], readout: str) -> Circuit:
    """The circuit whose one output is the fidelity of the trash with its references.

    ``swap`` adds a wire for each reference and an ancilla, of which Z is read; ``exact`` turns the trash back and reads
    the probability of |0...0>.

    Raises:
        Refused: there is no such readout.

    Example:
        >>> encoder = Circuit(2, 1, (), (Gate("RX", (1,), (Angle(input=0),)),))
        >>> fidelity_circuit(encoder, (1,), (), "exact").n_wires, fidelity_circuit(encoder, (1,), (), "swap").n_wires
        (2, 4)
    """
    if readout not in READOUTS:
        raise Refused(f"no readout of the fidelity is called '{readout}'; there are: {', '.join(READOUTS)}")
    if readout == "exact":
        back = [
            Gate("RX", (wire,), (replace(angle, factor=-1.0),)) for wire, angle in zip(trash, references, strict=False)
        ]
        return replace(encoder, gates=(*encoder.gates, *back), readout=(AllZero(tuple(trash)),))
    first = encoder.n_wires
    ancilla = first + len(trash)
    prepared = [Gate("RX", (first + k,), (angle,)) for k, angle in enumerate(references)]
    swaps = [Gate("CSWAP", (ancilla, first + k, wire)) for k, wire in enumerate(trash)]
    test = (Gate("H", (ancilla,)), *swaps, Gate("H", (ancilla,)))
    gates = (*encoder.gates, *prepared, *test)
    return replace(encoder, n_wires=ancilla + 1, gates=gates, readout=(Pauli("Z", (ancilla,)),))


class TrashAutoencoder(Scorer):
    """Scores a row by 1 - F of the trash wires of one circuit, whose inputs `angles` makes of the row.

    The loss is the mean of ``(1 - F)^power``.

    Example:
        >>> encoder = Circuit(2, 2, (), tuple(Gate("RX", (w,), (Angle(input=w),)) for w in range(2)))
        >>> model = TrashAutoencoder(2, fidelity_circuit(encoder, (1,), (), "exact"), "torch")
        >>> model.score(torch.tensor([[1.0, 0.0], [0.0, torch.pi]])).tolist()
        [0.0, 1.0]
    """

    def __init__(
        self,
        shape: int | tuple[int, ...],
        circuit: Circuit,
        backend: str,
        *,
        angles: Callable[[Tensor], Tensor] = torch.Tensor.contiguous,
        power: int = 1,
    ) -> None:
        super().__init__(shape)
        self.circuit = CircuitLayer(circuit, backend)
        self.angles, self.power = angles, power

    def fidelity(self, x: Tensor) -> Tensor:
        """How well the trash ends in its references, ``(n, *shape) -> (n,)``."""
        found: Tensor = self.circuit(self.angles(x))[:, 0]
        return found

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """1 - F."""
        return 1 - self.fidelity(x)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean of ``(1 - F)^power`` over the batch."""
        return self.score(batch.rows).pow(self.power).mean()

    def start_uniform(self, high: float) -> None:
        """Draw all weights of the circuit uniformly from 0 to `high`."""
        torch.nn.init.uniform_(self.circuit.weights, 0, high)


def seen(circuit: Circuit, trim: bool) -> Circuit:
    """The circuit, or what its readout can see of it: the same numbers from fewer weights."""
    return trimmed(circuit)[0] if trim else circuit
