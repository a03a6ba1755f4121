"""Quantum autoencoder of images: patches of pixels, one on each wire, uploaded again and again between entanglers.

On images of 12 x 12 pixels nine patches of 4 x 4 are on nine wires; a pixel x is a turn by b + w x. The first wires
are the latent space, the others the trash, whose fidelity F with reference states is trained: the loss is the mean of
(1 - F)^2, the score 1 - F.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, WeightBlock
from qinn_bench.values import Refused
from reference_models._parts.patch_circuit import (
    amplitude_angles,
    amplitude_uploads,
    in_patches,
    pairs,
    places_in,
    uploads_of,
)
from reference_models._parts.trash import TrashAutoencoder, fidelity_circuit, seen, trash_of, with_references

ABOUT = About(
    citation="T. Magorsch, Quantum autoencoders for high-energy physics, ML4SCI, Google Summer of Code 2022 "
    "(class ConvSQAE)",
    published={
        "parameters": "576 (two uploads) or 1440 (five)",
        "AUC": "0.563 to 0.565, trained on quark jets, 1200 + 1200 test jets",
    },
    deviations=(
        "nine wires and the probability of zeros instead of 15 with references and an ancilla: the same number; the "
        "SWAP test is there as readout = swap",
        "trained to the budget of the study, instead of three epochs",
        "encodings angle (the mean of a patch) and amplitude, references and entanglers beside the ring are ours",
    ),
    knobs={"uploads": tuple(range(1, 17))},
    depth="uploads",
    tiny={"uploads": 1, "latent": 2, "trim": True},
    tune={
        "latent": (3, 4, 5, 6, 7),
        "encoding": ("patch", "angle", "amplitude"),
        "reference": ("zero", "random", "learned"),
        "entangler": ("ring", "chain", "all"),
    },
    rows=("image",),
)
ENCODINGS = ("patch", "angle", "amplitude")
SIDE = 3
"""Patches along a side where their size is not stated, so that there are nine wires."""
Inputs = Callable[[Tensor], Tensor]


def angle_uploads(wires: int, uploads: int, entangler: str) -> Circuit:
    """One number a wire, uploaded as RY(b + w x), then CNOTs: the simpler circuit of the same author.

    Example:
        >>> angle_uploads(9, 1, "ring").n_weights
        18
    """
    size, gates = wires * uploads, list[Gate]()
    for upload in range(uploads):
        for wire in range(wires):
            shift = upload * wires + wire
            gates.append(Gate("RY", (wire,), (Angle(weight=shift, scale=size + shift, input=wire),)))
        gates += [Gate("CNOT", pair) for pair in pairs(entangler, wires)]
    blocks = WeightBlock("shift", (uploads, wires)), WeightBlock("scale", (uploads, wires))
    return Circuit(wires, wires, blocks, tuple(gates))


def encoder(shape: tuple[int, ...], encoding: str, patch: int, uploads: int, entangler: str) -> tuple[Circuit, Inputs]:
    """The circuit of an encoding up to its readout, and its inputs from images.

    Raises:
        Refused: there is no such encoding or entangler, or no patch of that size.

    Example:
        >>> [encoder((1, 12, 12), encoding, 4, 2, "ring")[0].n_weights for encoding in ENCODINGS]
        [576, 36, 48]
    """
    if encoding not in ENCODINGS:
        raise Refused(f"sqae knows no encoding '{encoding}'; there are: {', '.join(ENCODINGS)}")
    patch = patch or min(shape[1:]) // SIDE
    pixels = torch.Size(shape).numel()
    if encoding == "amplitude":
        wires = max(2, (pixels - 1).bit_length())
        return amplitude_uploads(wires, uploads, entangler), lambda x: amplitude_angles(x.flatten(1), wires)
    wires = places_in(shape, patch)
    if encoding == "angle":
        return angle_uploads(wires, uploads, entangler), lambda x: in_patches(x, patch).mean(2)
    return uploads_of(wires, shape[0] * patch**2, uploads, entangler), lambda x: in_patches(x, patch).flatten(1)


def build(
    shape: tuple[int, ...],
    *,
    uploads: int = 2,
    latent: int = 4,
    patch: int = 4,
    encoding: str = "patch",
    entangler: str = "ring",
    reference: str = "zero",
    readout: str = "exact",
    trim: bool = False,
    backend: str = "auto",
) -> TrashAutoencoder:
    """An autoencoder of images with weights from 0 to 1.

    `encoding` of patches of `patch` pixels a side, with 0 a third of the image: ``patch`` turns a wire by each pixel,
    ``angle`` by their mean; ``amplitude`` makes all pixels amplitudes. `latent` wires are kept; the others end in the
    `reference` state ``zero``, a ``random`` or a ``learned`` one. `entangler` is a ``ring``, a ``chain`` or ``all``
    pairs; `readout` of the fidelity ``exact`` or by a ``swap`` test; `trim` leaves out the weights that the fidelity
    does not depend on.

    Raises:
        Refused: as many latent wires as wires, a patch that does not fit, or an unknown choice.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> [count_parameters(build((1, 12, 12), uploads=n, backend="torch")).total for n in (1, 2, 3, 5)]
        [288, 576, 864, 1440]
    """
    circuit, inputs = encoder(shape, encoding, patch, uploads, entangler)
    trash = trash_of(circuit.n_wires, circuit.n_wires - latent)
    circuit, references = with_references(circuit, reference, trash)
    circuit = seen(fidelity_circuit(circuit, trash, references, readout), trim)
    model = TrashAutoencoder(shape, circuit, backend, angles=inputs, power=2)
    model.start_uniform(1.0)
    return model
