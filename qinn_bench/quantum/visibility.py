"""What a circuit's readout can see: gates and weights without any effect on it are found, and can be left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from qinn_bench.quantum.circuit import Angle, Circuit, Gate, GateName, Observable, Pauli, WeightBlock, WeightedSum

DIAGONAL = frozenset({"RZ", "PhaseShift", "Z", "S", "T", "CZ", "CRZ", "CPhase", "IsingZZ"})
"""Gates that are diagonal in the computational basis."""
PERMUTING = frozenset({"X", "Y", "CNOT", "CY", "SWAP", "Toffoli", "CSWAP"})
"""Gates that take basis states to basis states, up to phases, without being diagonal."""
TURNS = {"Rot": (0, 1, 2), "U3": (2, 0, 1)}
"""Gates that are a turn about Z, one about Y and one about Z: which of their angles come in this order."""


CONTROLLED = {"CNOT": 1, "CY": 1, "Toffoli": 2, "CSWAP": 1}
"""Permutations with controls, and how many controls; the other wires are their targets."""


@dataclass(frozen=True)
class _Word:
    """A product of operators on wires, each diagonal in the computational basis on `bits`, and any on `fully`."""

    fully: frozenset[int]
    bits: frozenset[int]


def trimmed(circuit: Circuit) -> tuple[Circuit, list[int]]:
    """The circuit without the gates that its readout cannot see, and which of its weights are left.

    Left out are gates on wires that nothing read depends on, diagonal gates after which only outcomes of bits are read
    (such as the last turns about Z, and the last ring of IsingZZ, before <Z>), and diagonal gates on wires that are
    still in a basis state. All readouts stay the same to the last digit but for rounding; the state does not. A block
    that lost some of its weights becomes flat.

    Example:
        >>> from qinn_bench.quantum.circuit import z_on
        >>> gates = (Gate("RX", (0,), (Angle(weight=0),)), Gate("RZ", (0,), (Angle(weight=1),)))
        >>> trimmed(Circuit(1, 0, (WeightBlock("w", (2,)),), gates, z_on(range(1))))[1]
        [0]
    """
    gates = circuit.gates
    while (fewer := _from_the_start(circuit, _from_the_end(circuit, gates))) != gates:
        gates = fewer
    return with_gates(circuit, gates)


@lru_cache
def blind_weights(circuit: Circuit) -> int:
    """How many weights of a circuit have no effect on its readout, whatever their values."""
    return circuit.n_weights - trimmed(circuit)[0].n_weights


def with_gates(circuit: Circuit, gates: Sequence[Gate]) -> tuple[Circuit, list[int]]:
    """The circuit with only these of its gates, and which of its weights they take: the others are left out."""
    used = {index for gate in gates for angle in gate.angles for index in (angle.weight, angle.scale)}
    kept = [index for index in range(circuit.n_weights) if index in used]
    at = {index: place for place, index in enumerate(kept)}

    def renumbered(angle: Angle) -> Angle:
        weight, scale = (None if index is None else at[index] for index in (angle.weight, angle.scale))
        return replace(angle, weight=weight, scale=scale)

    left = tuple(replace(gate, angles=tuple(map(renumbered, gate.angles))) for gate in gates)
    return replace(circuit, weights=tuple(_blocks(circuit, kept)), gates=left), kept


def _blocks(circuit: Circuit, kept: Iterable[int]) -> list[WeightBlock]:
    """The weight blocks of a circuit of whose weights only some are kept."""
    sizes = {
        block.name: len(set(range(*circuit.block(block.name).indices(circuit.n_weights))) & set(kept))
        for block in circuit.weights
    }
    return [
        block if sizes[block.name] == block.size else WeightBlock(block.name, (sizes[block.name],))
        for block in circuit.weights
        if sizes[block.name]
    ]


def _from_the_end(circuit: Circuit, gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates without those that the readout cannot see, found from the last one back."""
    words = [word for observable in circuit.readout for word in _words(observable)]
    kept: list[Gate] = []
    for gate in reversed(gates):
        for part in reversed(_last_turn_apart(gate)) if not _fully(words, gate) else (gate,):
            if any(_changed(word, part) for word in words):
                kept.append(part)
                words = [_before(word, part) for word in words]
    return tuple(reversed(kept))


def _words(observable: Observable) -> list[_Word]:
    """Words whose products make up an observable."""
    if isinstance(observable, WeightedSum):
        return [word for pauli in observable.paulis for word in _words(pauli)]
    if not isinstance(observable, Pauli):
        return [_Word(frozenset(), frozenset({wire})) for wire in observable.wires]
    on = {
        letter: frozenset(w for a, w in zip(observable.word, observable.wires, strict=True) if a == letter)
        for letter in "XYZ"
    }
    return [_Word(on["X"] | on["Y"], on["Z"])]


def _fully(words: Iterable[_Word], gate: Gate) -> bool:
    """Whether some word has more than a bit of a wire of this gate."""
    return any(word.fully & set(gate.wires) for word in words)


def _changed(word: _Word, gate: Gate) -> bool:
    """Whether taking a word back through a gate can change it."""
    wires = set(gate.wires)
    if gate.name in DIAGONAL:
        return bool(word.fully & wires)
    if gate.name in CONTROLLED:
        return bool(word.fully & wires or word.bits & set(gate.wires[CONTROLLED[gate.name] :]))
    return bool((word.fully | word.bits) & wires)


def _before(word: _Word, gate: Gate) -> _Word:
    """A word taken back through a gate: what it may have on which wires."""
    wires = frozenset(gate.wires)
    if not _changed(word, gate) or gate.name in ("X", "Y"):
        return word
    if gate.name == "SWAP":
        other = dict(zip(gate.wires, reversed(gate.wires), strict=True))
        return _Word(*(frozenset(other.get(wire, wire) for wire in part) for part in (word.fully, word.bits)))
    if gate.name in DIAGONAL:
        return _Word(word.fully, word.bits | (wires - word.fully))
    if gate.name in CONTROLLED and not word.fully & wires:
        # Z on the target becomes Z on both: twice on the control is none.
        both = word.bits ^ {gate.wires[0]} if gate.name in ("CNOT", "CY") else word.bits | wires
        return _Word(word.fully, both)
    return _Word(word.fully | wires, word.bits - wires)


def _last_turn_apart(gate: Gate) -> tuple[Gate, ...]:
    """A general turn as turns about Z and Y and, apart from these, the last one about Z."""
    if gate.name not in TURNS:
        return (gate,)
    first, middle, last = (gate.angles[k] for k in TURNS[gate.name])
    z: GateName = "RZ" if gate.name == "Rot" else "PhaseShift"
    return Gate(z, gate.wires, (first,)), Gate("RY", gate.wires, (middle,)), Gate(z, gate.wires, (last,))


def _from_the_start(circuit: Circuit, gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates without diagonal ones on wires that are still in a basis state: there they only turn its phase."""
    basis = set(range(circuit.n_wires))
    kept: list[Gate] = []
    for gate in gates:
        parts = _first_turn_apart(gate) if gate.wires[0] in basis else (gate,)
        for part in parts:
            untouched = basis.issuperset(part.wires)
            if untouched and part.name in DIAGONAL:
                continue
            kept.append(part)
            if part.name not in DIAGONAL and not (untouched and part.name in PERMUTING):
                basis.difference_update(part.wires)
    return tuple(kept)


def _first_turn_apart(gate: Gate) -> tuple[Gate, ...]:
    """A general turn on a wire in a basis state: all but its first turn about Z is left."""
    return _last_turn_apart(gate)[1:] if gate.name in TURNS else (gate,)
