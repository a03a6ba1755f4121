"""Circuits of images: patches that are uploaded pixel by pixel, entanglers, and images as the amplitudes of a state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import torch
from torch import Tensor

from qinn_bench.quantum.circuit import Angle, Circuit, Gate, GateName, WeightBlock
from qinn_bench.values import Refused

TURNS: tuple[GateName, ...] = ("RZ", "RY", "RZ")
"""The turns of the pixels of a patch, one after the other in turn."""
ENTANGLERS = ("ring", "chain", "all")


def pairs(entangler: str, wires: int) -> list[tuple[int, int]]:
    """Control and target of each CNOT: a ``ring`` that begins with the last wire, a ``chain``, or ``all`` pairs.

    Raises:
        Refused: there is no such entangler.

    Example:
        >>> pairs("ring", 3), pairs("chain", 3), pairs("all", 3)
        ([(2, 0), (0, 1), (1, 2)], [(0, 1), (1, 2)], [(0, 1), (0, 2), (1, 2)])
    """
    if entangler not in ENTANGLERS:
        raise Refused(f"no entangler of images is called '{entangler}'; there are: {', '.join(ENTANGLERS)}")
    chain = [(wire, wire + 1) for wire in range(wires - 1)]
    if entangler == "ring":
        return [(wires - 1, 0), *chain] if wires > 1 else []
    return chain if entangler == "chain" else list(combinations(range(wires), 2))


def in_patches(images: Tensor, size: int, stride: int | None = None) -> Tensor:
    """Square patches of images, row by row: ``(n, c, h, w) -> (n, patches, c size^2)``; what is left over is dropped.

    Raises:
        Refused: no patch fits.

    Example:
        >>> in_patches(torch.arange(16.0).view(1, 1, 4, 4), 2)[0, 1].tolist()
        [2.0, 3.0, 6.0, 7.0]
    """
    places_in(images.shape[1:], size, stride)
    step = stride or size
    patches = images.unfold(2, size, step).unfold(3, size, step)
    return patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


def places_in(shape: Sequence[int], size: int, stride: int | None = None) -> int:
    """How many patches fit into an image ``(c, h, w)``.

    Raises:
        Refused: none does.

    Example:
        >>> places_in((1, 12, 12), 4), places_in((1, 9, 9), 3, 2)
        (9, 16)
    """
    _, height, width = shape
    if not 0 < size <= min(height, width):
        raise Refused(f"a patch of {size} x {size} pixels was asked for in an image of {height} x {width}")
    step = stride or size
    return ((height - size) // step + 1) * ((width - size) // step + 1)


def uploads_of(wires: int, pixels: int, uploads: int, entangler: str, turns: Sequence[GateName] = TURNS) -> Circuit:
    """Data re-uploading of patches, one on each wire: each pixel x is a turn by ``b + w x``, then CNOTs entangle.

    Inputs are the pixels patch by patch. Weights are the blocks "shift" and "scale" (uploads, wires, pixels).

    Example:
        >>> circuit = uploads_of(9, 16, uploads=2, entangler="ring")
        >>> circuit.n_weights, circuit.n_inputs, circuit.counts["CNOT"]
        (576, 144, 18)
    """
    shape = (uploads, wires, pixels)
    size, gates = wires * pixels, list[Gate]()
    for upload in range(uploads):
        for wire in range(wires):
            for pixel in range(pixels):
                place = wire * pixels + pixel
                shift = upload * size + place
                angle = Angle(weight=shift, scale=uploads * size + shift, input=place)
                gates.append(Gate(turns[pixel % len(turns)], (wire,), (angle,)))
        gates += [Gate("CNOT", pair) for pair in pairs(entangler, wires)]
    return Circuit(wires, size, (WeightBlock("shift", shape), WeightBlock("scale", shape)), tuple(gates))


def amplitude_uploads(wires: int, uploads: int, entangler: str) -> Circuit:
    """Uploads of amplitudes, each a preparation followed by a turn of every wire and CNOTs.

    Inputs are those of `amplitude_angles`; the weights are a block "turns" (uploads, wires, 3).

    Example:
        >>> amplitude_uploads(8, 2, "ring").n_weights
        48
    """
    gates = list[Gate]()
    for upload in range(uploads):
        gates += preparation(wires)
        for wire in range(wires):
            first = 3 * (upload * wires + wire)
            gates.append(Gate("Rot", (wire,), tuple(Angle(weight=first + k) for k in range(3))))
        gates += [Gate("CNOT", pair) for pair in pairs(entangler, wires)]
    return Circuit(wires, 2**wires - 1, (WeightBlock("turns", (uploads, wires, 3)),), tuple(gates))


def preparation(wires: int) -> Iterator[Gate]:
    """The gates that take |0...0> to a real state: RY and CNOT in turn, wire by wire (arXiv:quant-ph/0407010).

    Example:
        >>> len(list(preparation(3)))
        13
    """
    place = 0
    for target in range(wires):
        for k in range(2**target):
            yield Gate("RY", (target,), (Angle(input=place),))
            place += 1
            if target:
                changed = (_gray(k) ^ _gray((k + 1) % 2**target)).bit_length()
                yield Gate("CNOT", (target - changed, target))


def amplitude_angles(values: Tensor, wires: int) -> Tensor:
    """The angles of `preparation` for amplitudes in the ratio of these values: ``(n, k) -> (n, 2^wires - 1)``.

    Values are padded with zeros; where all are zero the state is |0...0>.

    Raises:
        Refused: there are more values than amplitudes.

    Example:
        >>> amplitude_angles(torch.tensor([[1.0, 1.0]]), 1).tolist()
        [[1.5707963705062866]]
    """
    if values.shape[1] > 2**wires:
        raise Refused(f"{values.shape[1]} values were to be amplitudes of {wires} wires, which have {2**wires}")
    level = torch.nn.functional.pad(values, (0, 2**wires - values.shape[1])) + 0.0  # No zero is negative.
    found = list[Tensor]()
    for target in reversed(range(wires)):
        left, right = level[:, 0::2], level[:, 1::2]
        found.append(2 * torch.atan2(right, left) @ _mixing(target).to(values))
        level = torch.hypot(left, right)
    return torch.cat(found[::-1], 1)


def _gray(k: int) -> int:
    return k ^ (k >> 1)


def _mixing(controls: int) -> Tensor:
    """From the turns of each setting of the controls to those between the CNOTs: ``(2^controls, 2^controls)``."""
    n = 2**controls
    signs = [[(-1) ** (setting & _gray(k)).bit_count() / n for k in range(n)] for setting in range(n)]
    return torch.tensor(signs, dtype=torch.float64)
