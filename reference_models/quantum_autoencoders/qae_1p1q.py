"""Quantum autoencoder of jets with one particle a wire: pT-weighted places as angles, one trained turn a wire.

Each of the N hardest constituents is RY(s pt eta) RZ(s pt phi) of its wire, every pair of wires is entangled by a NOT
that acts where the first is 0, each wire is turned, and the last wires are the trash. Turns of the other wires commute
with what is read and so do the last turns about Z: of 3 N + 1 parameters the fidelity depends on 2 k + 1 for k trash
wires. With ``turned = "before"`` the turns come before the entangler, where it depends on 2 k + 3: on turns of the
trash and of the wire before it, since all that the entangler does to other wires cancels.
"""

from __future__ import annotations

from itertools import combinations

import torch

from qinn_bench.about import About
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, WeightBlock
from qinn_bench.values import Refused
from reference_models._parts.particles import ParticleAngles
from reference_models._parts.trash import TrashAutoencoder, fidelity_circuit, seen, trash_of

ABOUT = About(
    citation="A. Bal et al., One particle - one qubit: particle physics data encoding for quantum machine learning, "
    "arXiv:2502.17301",
    published={
        "parameters": "31",
        "claim": "a quantum autoencoder of 31 parameters beats a classical one of about 2500",
    },
    deviations=(
        "the scale of the angles is that of the authors' supervised circuit, by which 31 parameters are reached",
        "the number of trash wires is not published: all but one, as in the sample settings of the code",
        "loss and score are 1 - F, without the factor 100",
        "exact fidelities instead of 2500 shots of a SWAP test; the SWAP test is there as readout = swap",
        "trained to the budget of the study by its optimiser, instead of 40 epochs of 2500 events",
    ),
    tiny={"trim": True},
    multiple_of=3,
)
TURNED = ("after", "before")


def encoder(particles: int, turned: str = "after") -> Circuit:
    """The circuit of so many particles up to its readout; inputs are those of `ParticleAngles`.

    Raises:
        Refused: the turns come neither after nor before the entangler.

    Example:
        >>> encoder(10).n_weights, encoder(10).n_inputs
        (30, 20)
    """
    if turned not in TURNED:
        raise Refused(f"qae_1p1q turns its wires '{turned}' the entangler; there are: {', '.join(TURNED)}")
    n = particles
    loaded = [
        gate
        for w in range(n)
        for gate in (Gate("RY", (w,), (Angle(input=w),)), Gate("RZ", (w,), (Angle(input=n + w),)))
    ]
    entangled = [
        gate for i, j in combinations(range(n), 2) for gate in (Gate("X", (i,)), Gate("CNOT", (i, j)), Gate("X", (i,)))
    ]
    turns = [Gate("Rot", (w,), tuple(Angle(weight=block * n + w) for block in range(3))) for w in range(n)]
    order = (loaded, entangled, turns) if turned == "after" else (loaded, turns, entangled)
    return Circuit(n, 2 * n, (WeightBlock("rot", (3, n)),), tuple(gate for part in order for gate in part))


def build(
    dim: int,
    *,
    trash: int = 0,
    scale: bool = True,
    turned: str = "after",
    readout: str = "exact",
    trim: bool = False,
    backend: str = "auto",
) -> TrashAutoencoder:
    """An autoencoder of jets of dim / 3 particles with weights from 0 to pi.

    `trash` is the number of trash wires, with 0 all but one; `scale` trains a factor of all angles; `turned` ``after``
    or ``before`` the entangler; `readout` of the fidelity ``exact`` or by a ``swap`` test; `trim` leaves out the
    weights that the fidelity does not depend on.

    Raises:
        Refused: fewer than two particles, as many trash wires as particles, or an unknown choice.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> counted = count_parameters(build(30, backend="torch"))
        >>> counted.total, counted.blind
        (31, 12)
    """
    particles = dim // 3
    wires = trash_of(particles, trash or particles - 1)
    circuit = seen(fidelity_circuit(encoder(particles, turned), wires, (), readout), trim)
    model = TrashAutoencoder(dim, circuit, backend, angles=ParticleAngles(scaled=scale))
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, 0, torch.pi)
    return model
