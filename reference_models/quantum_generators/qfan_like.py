"""A reconstruction of QFAN: rows block by block from one small circuit with 12 shared angles and closed-form decoders.

Only its abstract is public. The circuit has three wires and the same 12 angles for all blocks; its input sums up the
blocks before, Pauli observables are its features, ridge regressions decode them, and residuals of training rows are
added. Much of the distribution comes from decoders and residuals, which are fitted in closed form: compare the control
``frozen`` and the twin `cosine_blocks`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qinn_bench.about import About
from qinn_bench.quantum.ansatz import ring
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, Observable, Pauli, WeightBlock, z_on
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.quantum.visibility import trimmed
from reference_models._parts.block_sampler import ANGLES, BlockSampler

ABOUT = About(
    citation="Slim, Monaco, Rehm, Kruecker, Borras, QFAN, arXiv:2605.16044",
    published={
        "parameters": "12 shared angles in one circuit of 3 qubits",
        "claim": "intensities and correlations of pixels and the total energy are reproduced, at a cost of a step that "
        "does not grow with the image",
    },
    deviations=(
        "a reconstruction from the abstract: gates, observables, summary, ridge and residuals are not published",
        "blocks have 3 numbers by default, and the circuit two layers of RY and RZ and a ring of CNOTs",
        "the summary is a fixed linear map of earlier blocks, not a learned one",
        "read are Z and X of each wire and ZZ of each pair",
        "the angles are trained by the squared error of the decoders that fit a batch best",
        "residuals are those of kept training rows, whole blocks at once and whatever the summary",
        "exact expectation values instead of shots and hardware",
    ),
    knobs={"layers": (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)},
    depth="layers",
    tiny={"block": 1, "rows": 40, "layers": 1},
    tune={"ridge": (1e-4, 1e-3, 1e-2, 1e-1)},
    rows=("flat", "image"),
)


def block_circuit(layers: int) -> Circuit:
    """RY(c) on each of three wires, then layers of RY and RZ on each wire and a ring of CNOTs; nine words are read.

    Weights that nothing read depends on would be left out; there are none.

    Example:
        >>> circuit = block_circuit(2)
        >>> circuit.n_weights, circuit.n_outputs
        (12, 9)
    """
    gates, used = [Gate("RY", (w,), (Angle(input=w),)) for w in range(ANGLES)], 0
    for _ in range(layers):
        for w in range(ANGLES):
            gates += [Gate("RY", (w,), (Angle(weight=used),)), Gate("RZ", (w,), (Angle(weight=used + 1),))]
            used += 2
        gates += [Gate("CNOT", pair) for pair in ring(ANGLES)]
    pairs = tuple(Pauli("ZZ", (a, b)) for a, b in ((0, 1), (1, 2), (0, 2)))
    words: tuple[Observable, ...] = (*z_on(range(ANGLES)), *pairs, *(Pauli("X", (w,)) for w in range(ANGLES)))
    return trimmed(Circuit(ANGLES, ANGLES, (WeightBlock("angles", (used,)),), tuple(gates), words))[0]


class QFANLike(BlockSampler):
    """Block sampling whose features are expectation values of a circuit of the summary.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> count_parameters(build(12, backend="torch")).total
        12
    """

    def __init__(
        self,
        shape: int | tuple[int, ...],
        circuit: Circuit,
        backend: str,
        *,
        block: int,
        rows: int,
        ridge: float,
        condition: int,
    ) -> None:
        super().__init__(shape, block=block, rows=rows, ridge=ridge, condition=condition)
        self.circuit = CircuitLayer(circuit, backend)
        nn.init.uniform_(self.circuit.weights, 0, 2 * torch.pi)

    def features(self, summary: Tensor) -> Tensor:
        """Expectation values, ``(n, 3) -> (n, 9)``."""
        values: Tensor = self.circuit(summary)
        return values

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """What the decoders read before each block of true rows, ``(blocks, n, 10)``."""
        known = x.new_zeros(len(x), 0) if condition is None else condition
        return self._read(self._fixed(x.flatten(1)), known)


def build(
    shape: int | tuple[int, ...],
    *,
    block: int = 3,
    layers: int = 2,
    ridge: float = 1e-3,
    rows: int = 2000,
    condition: int = 0,
    backend: str = "auto",
) -> QFANLike:
    """Blocks of `block` numbers and a circuit with so many `layers` of six angles, which start from 0 to 2 pi.

    The first `rows` training rows are kept for decoders and residuals; `ridge` shrinks the decoders.

    Raises:
        Refused: what `BlockSampler` refuses.
    """
    circuit = block_circuit(layers)
    return QFANLike(shape, circuit, backend, block=block, rows=rows, ridge=ridge, condition=condition)
