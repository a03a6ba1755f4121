"""Quantum autoencoder of Ngairangbam, Spannowsky and Takeuchi: one feature a wire, one turn a wire, a CNOT a pair.

Features are angles in radians, from 0 to pi: RX(x_i), then RY(w_i / 2) on each wire, then a CNOT for every pair of
wires. The last wires are the trash, whose fidelity with |0...0> is maximised on background.

In this order the CNOTs cancel in pairs: the parities of the trash are those of neighbouring wires, so that with k trash
wires k + 1 of the n features and weights have an effect, and the other features are not read at all.
"""

from __future__ import annotations

from itertools import combinations

import torch

from qinn_bench.about import About
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, WeightBlock
from reference_models._parts.trash import TrashAutoencoder, fidelity_circuit, seen, trash_of

ABOUT = About(
    citation="V. S. Ngairangbam, M. Spannowsky, M. Takeuchi, Anomaly detection in high-energy physics using a quantum "
    "autoencoder, arXiv:2112.04958",
    published={
        "parameters": "one a feature",
        "claim": "beats classical autoencoders on the same inputs and trains with few events",
    },
    deviations=(
        "Adam of the one training loop, instead of the diagonal quantum natural gradient",
        "exact fidelities instead of 5000 shots of a SWAP test; the SWAP test is there as readout = swap",
    ),
    tiny={"trim": True},
    tune={"trash": (1, 2)},
)


def encoder(n: int) -> Circuit:
    """The circuit of n features up to its readout.

    Example:
        >>> encoder(4).n_weights, encoder(4).counts
        (4, {'RX': 4, 'RY': 4, 'CNOT': 6})
    """
    gates = [Gate("RX", (w,), (Angle(input=w),)) for w in range(n)]
    gates += [Gate("RY", (w,), (Angle(weight=w, factor=0.5),)) for w in range(n)]
    gates += [Gate("CNOT", pair) for pair in combinations(range(n), 2)]
    return Circuit(n, n, (WeightBlock("turns", (n,)),), tuple(gates))


def build(
    dim: int, *, trash: int = 1, readout: str = "exact", trim: bool = False, backend: str = "auto"
) -> TrashAutoencoder:
    """An autoencoder of dim features with weights from 0 to pi.

    `trash` is the number of trash wires; `readout` of the fidelity is ``exact`` or by a ``swap`` test; `trim` leaves
    out the weights that the fidelity does not depend on.

    Raises:
        Refused: as many trash wires as features, or no such readout.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> counted = count_parameters(build(4, trash=2, backend="torch"))
        >>> counted.total, counted.live
        (4, 3)
    """
    circuit = seen(fidelity_circuit(encoder(dim), trash_of(dim, trash), (), readout), trim)
    model = TrashAutoencoder(dim, circuit, backend)
    model.start_uniform(torch.pi)
    return model
