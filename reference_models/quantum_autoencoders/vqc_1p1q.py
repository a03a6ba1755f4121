"""Supervised circuit of jets with one particle a wire: pT-weighted places as angles, a ring of CNOTs, one turn a wire.

With one layer and Z of the first wire read out, 27 of 32 parameters have no effect, the other five are four, and the
score is a sum of three products of sines and cosines: `closed_1p1q` is the same function without a circuit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.contracts import Batch, Scorer
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, GateName, WeightBlock, z_on
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused
from reference_models._parts.particles import START, ParticleAngles
from reference_models._parts.trash import seen

ABOUT = About(
    citation="A. Bal et al., One particle - one qubit: particle physics data encoding for quantum machine learning, "
    "arXiv:2502.17301",
    published={
        "parameters": "32",
        "AUC": "0.885, tops against jets of Z(nu nu) + jet; Particle Transformer of more than 2 million: 0.898",
    },
    deviations=(
        "that the published 32 parameters are one layer of ten particles, read on the first wire, is inferred from the "
        "authors' code of that week",
        "each layer uploads the same particles, as in that code; later versions upload the next ones",
        "exact expectation values instead of 2500 shots",
        "trained to the budget of the study by its optimiser, instead of 25 epochs of 2000 jets",
    ),
    knobs={"layers": (1, 2, 3, 4, 5, 6, 8)},
    depth="layers",
    tiny={"trim": True},
    tune={"readout": ("z0", "sum")},
    multiple_of=3,
    supervised=True,
)
READOUTS = ("z0", "sum")
TURNS: tuple[GateName, ...] = ("RY", "RZ", "RX")


def vqc(particles: int, layers: int, readout: str) -> Circuit:
    """The circuit of so many particles; inputs are those of `ParticleAngles`, each layer uploads all of them.

    Raises:
        Refused: there is no such readout.

    Example:
        >>> vqc(10, 1, "z0").n_weights, vqc(10, 1, "sum").n_outputs
        (30, 10)
    """
    if readout not in READOUTS:
        raise Refused(f"vqc_1p1q knows no readout '{readout}'; there are: {', '.join(READOUTS)}")
    n, gates = particles, list[Gate]()
    for layer in range(layers):
        for w in range(n):
            gates += [Gate("RY", (w,), (Angle(input=w),)), Gate("RX", (w,), (Angle(input=n + w),))]
        gates += [Gate("CNOT", (w, (w + 1) % n)) for w in range(n) if n > 1]
        for w in range(n):
            first = 3 * (layer * n + w)
            gates += [Gate(turn, (w,), (Angle(weight=first + k),)) for k, turn in enumerate(TURNS)]
    return Circuit(
        n, 2 * n, (WeightBlock("turns", (layers, n, 3)),), tuple(gates), z_on(range(n if readout == "sum" else 1))
    )


class ParticleCircuit(Scorer):
    """The score ``bias + <Z_0>``, or ``bias + sum_w c_w <Z_w>`` with trained c, fitted to the labels 0 and 1.

    Example:
        >>> build(6, backend="torch").score(torch.zeros(2, 6)).shape
        torch.Size([2])
    """

    def __init__(self, dim: int, circuit: Circuit, backend: str) -> None:
        super().__init__(dim)
        self.angles = ParticleAngles(scaled=True)
        self.circuit = CircuitLayer(circuit, backend)
        self.bias = nn.Parameter(torch.zeros(()))
        several = len(circuit.readout) > 1
        self.coefficients = nn.Parameter(torch.full((len(circuit.readout),), START)) if several else None

    def score(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """``(n, 3 N) -> (n,)``, near 1 for what is labelled 1."""
        values: Tensor = self.circuit(self.angles(x))
        return self.bias + (values[:, 0] if self.coefficients is None else values @ self.coefficients)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The mean squared difference between scores and labels."""
        assert batch.labels is not None
        return (self.score(batch.rows) - batch.labels).square().mean()


def build(
    dim: int, *, layers: int = 1, readout: str = "z0", trim: bool = False, backend: str = "auto"
) -> ParticleCircuit:
    """A circuit of jets of dim / 3 particles, read on its first wire (``z0``) or on all (``sum``).

    `trim` leaves out the weights that nothing read depends on. The angles start from 0 to pi, and so do scale and bias
    where one wire is read; where all are, bias and coefficients start at 0.1.

    Raises:
        Refused: there is no such readout.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> [count_parameters(build(30, readout=readout, backend="torch")).total for readout in READOUTS]
        [32, 42]
    """
    model = ParticleCircuit(dim, seen(vqc(dim // 3, layers, readout), trim), backend)
    for parameter in model.parameters():
        if parameter is not model.coefficients:
            nn.init.uniform_(parameter, 0, torch.pi)
    if model.coefficients is not None:
        nn.init.constant_(model.bias, START)
    return model
