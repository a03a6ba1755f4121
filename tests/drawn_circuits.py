"""Circuits that tests draw: gates of every kind, with angles of every form."""

from __future__ import annotations

from typing import get_args

import numpy as np

from qinn_bench.quantum.circuit import ANGLES, WIRES, Angle, Circuit, Gate, GateName, Pauli, WeightBlock

GATES: tuple[GateName, ...] = get_args(GateName)


def random_circuit(n: int, n_gates: int, seed: int) -> Circuit:
    """Gates of every kind, with angles of every form, read out by random Pauli words."""
    rng = np.random.default_rng(seed)

    def angle() -> Angle:
        weight, scale = (int(rng.integers(6)) if rng.random() < 0.6 else None for _ in range(2))
        feature = int(rng.integers(3)) if rng.random() < 0.5 else None
        return Angle(
            weight, feature, scale if feature is not None else None, rng.normal(), rng.choice([1.0, -1.0, 0.5])
        )

    fitting = [name for name in GATES if WIRES.get(name, 1) <= n]
    gates = []
    for _ in range(n_gates):
        name = fitting[rng.integers(len(fitting))]
        wires = tuple(int(wire) for wire in rng.permutation(n)[: WIRES.get(name, 1)])
        gates.append(Gate(name, wires, tuple(angle() for _ in range(ANGLES.get(name, 0)))))
    first = Gate("RY", (0,), (Angle(weight=0, input=0, scale=1),))
    words = [Pauli("".join(rng.choice(list("IXYZ"), size=k)), tuple(range(k))) for k in range(1, n + 1)]
    return Circuit(n, 3, (WeightBlock("w", (6,)),), (first, *gates), (*words, Pauli("X", (0,))))
