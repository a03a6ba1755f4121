"""Style-based circuits: every angle is read off the noise, ``scale * noise + shift``, layer after layer.

The circuit of arXiv:2110.06933 as its code has it: turns on each wire, controlled turns after some layers, and a last
turn on each wire. The numbers of the noise are given to the angles in turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from qinn_bench.quantum.circuit import Angle, Circuit, Gate, GateName, Observable, WeightBlock
from qinn_bench.values import Refused

TURNS: dict[int, tuple[GateName, ...]] = {2: ("RY", "RZ"), 4: ("RY", "RZ", "RY", "RZ")}
"""The turns of a wire in a layer: two in the code of the paper, four in its tutorial and in Qibo."""
GRAPHS = ("alternate", "ring", "rings", "chain", "all", "none")
MIXINGS = ("cycled", "full")
STARTS = ("small", "uniform", "blocks")
SMALL = 0.15
"""Weights of the published circuit start between minus this and this."""


class StyledTurn(NamedTuple):
    """A turn whose angle is read off the noise: its gate, its wires and its layer; the last turns are a layer too.

    Example:
        >>> next(turns_of(2, 1, 2, "none"))
        StyledTurn(gate='RY', wires=(0,), layer=0)
    """

    gate: GateName
    wires: tuple[int, ...]
    layer: int


class StyleForm(NamedTuple):
    """What a style-based circuit looks like.

    Attributes:
        layers: before the last turns.
        rotations: turns of a wire in a layer, 2 or 4.
        graph: which wires are entangled: ``alternate`` after every other layer, as published; a ``ring``, two ``rings``
            of turns about y and z, a ``chain``, ``all`` pairs or ``none`` after each.
        every: the noise enters in each layer (1), in every second (2), ...; the other angles are weights alone.
        mixing: an angle reads one number of the noise, in turn (``cycled``), or all of them (``full``).

    Example:
        >>> StyleForm(4).graph
        'alternate'
    """

    layers: int
    rotations: int = 2
    graph: str = "alternate"
    every: int = 1
    mixing: str = "cycled"


def turns_of(wires: int, layers: int, rotations: int, graph: str) -> Iterator[StyledTurn]:
    """The turns of a style-based circuit, in order.

    Raises:
        Refused: no such number of turns, or no such graph.

    Example:
        >>> [turn.wires for turn in turns_of(3, 4, 2, "alternate") if turn.gate == "CRY"]
        [(0, 1), (0, 2), (1, 2), (2, 0)]
    """
    if rotations not in TURNS or graph not in GRAPHS:
        raise Refused(
            f"a style-based circuit of {rotations} turns a wire and the graph '{graph}' was asked for; "
            f"{' or '.join(map(str, TURNS))} turns and one of {', '.join(GRAPHS)} are expected"
        )
    for layer in range(layers):
        yield from (StyledTurn(gate, (wire,), layer) for wire in range(wires) for gate in TURNS[rotations])
        for pair in _entangled(wires, layer, rotations, graph):
            yield StyledTurn("CRY", pair, layer)
            if graph == "rings":
                yield StyledTurn("CRZ", pair, layer)
    yield from (StyledTurn("RY", (wire,), layers) for wire in range(wires))


def _entangled(wires: int, layer: int, rotations: int, graph: str) -> list[tuple[int, int]]:
    """Control and target of each controlled turn after a layer."""
    if graph == "alternate":
        # Two turns a wire are entangled after every other layer, four after each.
        layer, idle = (layer, False) if rotations == max(TURNS) else (layer // 2, layer % 2 == 0)
        if idle or wires == 1:
            return []
        first = [(0, wire) for wire in range(1, wires)]
        return first if layer % 2 == 0 else [*pairwise(range(1, wires)), (wires - 1, 0)]
    if graph in ("ring", "rings"):
        return [(wire, (wire + 1) % wires) for wire in range(wires) if wires > 1]
    if graph == "chain":
        return list(pairwise(range(wires)))
    return list(combinations(range(wires), 2)) if graph == "all" else []


def styled_circuit(wires: int, inputs: int, form: StyleForm, readout: tuple[Observable, ...]) -> Circuit:
    """The circuit of a form on so many wires, whose angles read `inputs` numbers of noise and conditions.

    Weights are in the order of the published code: scale and shift of each angle, one angle after the other; where all
    numbers are read, their scales and then the shift, and where none is, the shift alone.

    Raises:
        Refused: no input, wire or layer, a form that does not exist, or fewer angles than numbers to be read.

    Example:
        >>> from qinn_bench.quantum.circuit import z_on
        >>> styled_circuit(3, 5, StyleForm(4), z_on(range(3))).n_weights  # Published: 62.
        62
    """
    turns = list(turns_of(wires, form.layers, form.rotations, form.graph))
    styled = [turn for turn in turns if form.every > 0 and turn.layer % form.every == 0]
    reached = len(styled) if form.mixing == "cycled" else inputs * bool(styled)
    if min(wires, inputs, form.layers, form.every) < 1 or form.mixing not in MIXINGS or reached < inputs:
        raise Refused(
            f"a style-based circuit of {wires} wires, {form.layers} layers, noise in every {form.every} of them, "
            f"{form.mixing}, was to read {inputs} numbers; 1 or more of each, {' or '.join(MIXINGS)}, and at most as "
            "many numbers as angles are expected"
        )
    used, number, gates = 0, 0, list[Gate]()
    for place, turn in enumerate(turns):
        scaled = _read(number, inputs, form) if turn.layer % form.every == 0 else []
        # A gate adds the shift; gates about one axis, one after the other, add up what they read.
        shift = used + len(scaled)
        for k, of in enumerate(scaled or [None]):
            last = k == max(0, len(scaled) - 1)
            scale = None if of is None else used + k
            gates.append(Gate(turn.gate, turn.wires, (Angle(weight=shift if last else None, scale=scale, input=of),)))
        used = shift + 1
        number += bool(scaled) and not _shared(turns, place, form)
    return Circuit(wires, inputs, (WeightBlock("style", (used,)),), tuple(gates), readout)


def _read(number: int, inputs: int, form: StyleForm) -> list[int]:
    return [number % inputs] if form.mixing == "cycled" else list(range(inputs))


def _shared(turns: list[StyledTurn], place: int, form: StyleForm) -> bool:
    """Whether the next turn reads the same number: of four turns the two in the middle do, as in the published code."""
    if form.rotations != max(TURNS) or turns[place].gate != "RZ" or turns[place].layer == form.layers:
        return False
    following = turns[place + 1]
    return following.gate == "RY" and following.wires == turns[place].wires and following.layer == turns[place].layer


def start_of(circuit: Circuit, kind: str) -> Tensor:
    """Weights that a style-based circuit starts from, drawn from the stream of torch.

    Scales lie between -0.15 and 0.15. So do shifts if `kind` is ``small``, as published; they are between 0 and 2 pi
    if ``uniform``; with ``blocks`` (arXiv:1903.05076) all but the last turns are drawn so and undo each other two by
    two, and controlled turns and those about z are 0: up to the noise the circuit starts as a right angle on each wire.

    Raises:
        Refused: there is no such start.
    """
    if kind not in STARTS:
        raise Refused(f"no start of a style-based circuit is called '{kind}'; there are: {', '.join(STARTS)}")
    weights = SMALL * (2 * torch.rand(circuit.n_weights) - 1)
    drawn = 2 * math.pi * torch.rand(circuit.n_weights)
    undone: dict[tuple[int, ...], int | None] = {}
    shifts = [(gate, gate.angles[0].weight) for gate in circuit.gates]
    last = {gate.wires: at for gate, at in shifts if gate.name == "RY" and at is not None}
    for gate, at in shifts:
        if kind == "small" or at is None:
            continue
        if kind == "uniform":
            weights[at] = drawn[at]
        elif gate.name != "RY":
            weights[at] = 0.0
        else:
            before, final = undone.get(gate.wires), last[gate.wires] == at
            left = 0.0 if before is None else weights[before]
            weights[at] = drawn[at] if before is None and not final else math.pi / 2 * final - left
            undone[gate.wires] = at if before is None else None
    return weights
