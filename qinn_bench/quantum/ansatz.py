"""Circuit families: data re-uploading with an entangling ring, and the SWAP test of two circuits."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import count
from typing import Literal

from qinn_bench.quantum.circuit import AllZero, Angle, Circuit, Gate, Observable, Pauli, WeightBlock, z_on

Entangler = Literal["zz", "cnot", "none"]


@lru_cache
def reuploading(
    n_features: int,
    *,
    copies: int = 1,
    uploads: int,
    layers: int = 1,
    entangler: Entangler = "zz",
) -> Circuit:
    """Data re-uploading (arXiv:1907.02085): uploads of all features alternate with trainable layers.

    There are ``n_features * copies`` wires and wire q carries feature ``q % n_features``. An upload is
    RY(scale * x + shift) on each wire; a layer is Rot on each wire and a ring of entanglers on the wires
    (q, q + 1). Read out is <Z> of the first ``n_features`` wires. Weight blocks: "scale" and "shift" (uploads,
    wires), "rot" (uploads, layers, wires, 3), "zz" (uploads, layers, pairs).
    """
    wires = n_features * copies
    pairs = ring(wires)
    zz_pairs = len(pairs) if entangler == "zz" else 0
    shapes = {"scale": (uploads, wires), "shift": (uploads, wires), "rot": (uploads, layers, wires, 3)}
    if zz_pairs:
        shapes["zz"] = (uploads, layers, zz_pairs)
    blocks = tuple(WeightBlock(name, shape) for name, shape in shapes.items())
    starts = Circuit(wires, n_features, blocks, ())
    scale, shift, rot = (count(starts.block(name).start) for name in ("scale", "shift", "rot"))
    zz = count(starts.block("zz").start) if zz_pairs else count()
    gates: list[Gate] = []
    for _ in range(uploads):
        gates += [
            Gate("RY", (q,), (Angle(weight=next(shift), input=q % n_features, scale=next(scale)),))
            for q in range(wires)
        ]
        for _ in range(layers):
            gates += [Gate("Rot", (q,), tuple(Angle(weight=next(rot)) for _ in range(3))) for q in range(wires)]
            if entangler == "zz":
                gates += [Gate("IsingZZ", pair, (Angle(weight=next(zz)),)) for pair in pairs]
            elif entangler == "cnot":
                gates += [Gate("CNOT", pair) for pair in pairs]
    return replace(starts, gates=tuple(gates), readout=z_on(range(n_features)))


def ring(n_wires: int) -> tuple[tuple[int, int], ...]:
    """The neighbouring pairs of a ring of wires: none on one wire, a single pair on two."""
    if n_wires == 2:
        return ((0, 1),)
    return tuple((wire, (wire + 1) % n_wires) for wire in range(n_wires)) if n_wires > 2 else ()


def overlap(first: Circuit, second: Circuit) -> Circuit:
    """The fidelity of two circuits' states on one register: the first, then the second undone, then all wires at 0.

    Inputs and weights of `second` follow those of `first`; its weight blocks are named with the prefix "second.".

    Raises:
        ValueError: the circuits have different numbers of wires.
    """
    n = _shared_size(first, second)
    undone = [moved(gate, 0, first.n_inputs, first.n_weights) for gate in second.adjoint().gates]
    return _joined(n, first, second, (*first.gates, *undone), AllZero(tuple(range(n))))


def swap_test(first: Circuit, second: Circuit) -> Circuit:
    """The SWAP test (arXiv:quant-ph/0102001): <Z> of the ancilla is the fidelity of the two circuits' states.

    Wires: the ancilla, the first register, the second register. Inputs and weights are those of `overlap`.

    Raises:
        ValueError: the circuits have different numbers of wires.
    """
    n = _shared_size(first, second)
    prepared = [moved(gate, 1, 0, 0) for gate in first.gates]
    prepared += [moved(gate, 1 + n, first.n_inputs, first.n_weights) for gate in second.gates]
    test = [Gate("H", (0,)), *(Gate("CSWAP", (0, 1 + q, 1 + n + q)) for q in range(n)), Gate("H", (0,))]
    return _joined(1 + 2 * n, first, second, (*prepared, *test), Pauli("Z", (0,)))


def _shared_size(first: Circuit, second: Circuit) -> int:
    if second.n_wires != first.n_wires:
        raise ValueError(f"fidelity is of registers of equal size, not of {first.n_wires} and {second.n_wires} wires")
    return first.n_wires


def _joined(n_wires: int, first: Circuit, second: Circuit, gates: tuple[Gate, ...], observable: Observable) -> Circuit:
    renamed = tuple(replace(block, name=f"second.{block.name}") for block in second.weights)
    return Circuit(n_wires, first.n_inputs + second.n_inputs, first.weights + renamed, gates, (observable,))


def moved(gate: Gate, wires: int, inputs: int, weights: int) -> Gate:
    """The gate with its wires and the indices of its inputs and weights shifted by these amounts."""

    def shifted(index: int | None, by: int) -> int | None:
        return None if index is None else index + by

    angles = tuple(
        replace(
            angle,
            weight=shifted(angle.weight, weights),
            scale=shifted(angle.scale, weights),
            input=shifted(angle.input, inputs),
        )
        for angle in gate.angles
    )
    return replace(gate, wires=tuple(wire + wires for wire in gate.wires), angles=angles)
