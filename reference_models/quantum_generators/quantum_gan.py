"""FastCaloQ's quantum GAN: noise is uploaded to a circuit of one layer, whose readout a dense network maps to rows.

Wire i is turned by the i-th number of the noise (RX), then by weights (RY and, if asked, RZ); CNOTs go from each wire
to the next and, with more `chains`, to those two, three and four places on. Z of all wires goes into the network.
Without the circuit it is `fastcalogan`: its twin of equal size, batch and steps.
"""

from __future__ import annotations

from math import prod

import torch
from torch import nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, WeightBlock, z_on
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused
from reference_models._parts.adversarial import Adversary, against_critic, normalised, output_of, widening
from reference_models._parts.trash import seen

ABOUT = About(
    citation="M. Corchia, L. Rinaldi, A. Sidoti, FastCaloQ: public code (model BNReLUQuantum) and slides",
    published={
        "parameters": "533 voxels: 5873 (RY) or 5883 (RY, RZ) without hidden layers, 118 403 with layers of 50 and 200"
    },
    deviations=(
        "the last layer of the critic has no bias, which cancels in its loss",
        "weights are chosen by the energy distance of validation rows, instead of by chi2 of the total energy",
        "trained on all training rows with the batch of the study, instead of the last 230 showers in batches of 10",
        "the learning rate is that of the study, instead of 1e-4, and its schedule too",
    ),
    knobs={
        "hidden": (*range(33), *range(34, 65, 2), *range(68, 129, 4)),
        "stages": (1, 2, 3),
        "wires": (2, 3, 4, 5, 6, 8, 10, 12),
    },
    depth="stages",
    tiny={"hidden": 0, "stages": 1, "wires": 3, "critic": "8-4-2", "unit": "silu", "trim": True},
    tune={
        "penalty": KnobSpan(low=1.0, high=30.0),
        "turns": (3, 5, 8),
        "unit": ("relu", "silu"),
        "chains": (1, 2, 3, 4),
    },
    rows=("flat", "image"),
)
MOST_CHAINS = 4


def circuit_of(wires: int, chains: int, *, rz: bool) -> Circuit:
    """One layer: noise and weights turn each wire, then CNOTs go 1 to `chains` places on, in an open chain.

    Example:
        >>> circuit = circuit_of(10, 4, rz=True)
        >>> circuit.n_weights, circuit.counts["CNOT"]
        (20, 30)
    """
    turned = [
        gate
        for wire in range(wires)
        for gate in (
            Gate("RX", (wire,), (Angle(input=wire),)),
            Gate("RY", (wire,), (Angle(weight=wire),)),
            *((Gate("RZ", (wire,), (Angle(weight=wires + wire),)),) if rz else ()),
        )
    ]
    tied = [
        Gate("CNOT", (wire, wire + far)) for wire in range(wires) for far in range(1, chains + 1) if wire + far < wires
    ]
    blocks = (WeightBlock("ry", (wires,)), *((WeightBlock("rz", (wires,)),) if rz else ()))
    return Circuit(wires, wires, blocks, (*turned, *tied), z_on(range(wires)))


def build(
    shape: int | tuple[int, ...],
    *,
    wires: int = 10,
    chains: int = 1,
    rz: bool = True,
    hidden: int = 0,
    stages: int = 2,
    critic: str = "800-400-200",
    unit: str = "relu",
    penalty: float = 20.0,
    turns: int = 5,
    output: str = "linear",
    trim: bool = False,
    condition: int = 0,
    backend: str = "auto",
) -> Adversary:
    """A circuit of as many `wires` as the noise has numbers, then dense layers as in `fastcalogan`.

    Without `hidden` units the readout goes straight into the last layer. Weights start between 0 and 2 pi. Conditions,
    if any, are uploaded to wires of their own after those of the noise. `trim` leaves out the weights that nothing read
    depends on, and the biases that batch normalisation takes away.

    Raises:
        Refused: no wire, no such number of chains or stages, or no such critic, `unit` or `output`.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> [count_parameters(build(533, output="relu", rz=rz, backend="torch")).total for rz in (False, True)]
        [5873, 5883]
        >>> count_parameters(build(533, hidden=50, output="relu", backend="torch")).total
        118403
    """
    if wires < 1 or not 1 <= chains <= MOST_CHAINS or min(hidden, stages - 1) < 0:
        raise Refused(
            f"quantum_gan was given wires={wires}, chains={chains}, hidden={hidden}, stages={stages}; "
            f"a wire, 1 to {MOST_CHAINS} chains, 0 or more units and a stage are expected"
        )
    rows = (shape,) if isinstance(shape, int) else shape
    dim, widths = prod(rows), widening(hidden, stages) if hidden else ()
    every = wires + condition
    layer = CircuitLayer(seen(circuit_of(every, chains, rz=rz), trim), backend)
    nn.init.uniform_(layer.weights, 0, 2 * torch.pi)
    dense = (*normalised(every, widths, trim=trim), nn.Linear((every, *widths)[-1], dim), output_of(output))
    network = nn.Sequential(layer, *dense)
    return against_critic(
        rows, network, wires, critic=critic, unit=unit, penalty=penalty, turns=turns, condition=condition
    )
