"""FastCaloQ's "qINN" as what it is in each of its versions: a generator against a critic, or an autoencoder.

It is called an invertible network, but states no density and no direction of it undoes the other: what comes out lies
on a sheet of as many dimensions as it has wires. `version`:

* ``v1``: a circuit between two networks, trained against a critic; 7038 parameters for 100 rows of output.
* ``bridge``: two blocks between linear maps (838 parameters), then dense layers. As shipped its weights are never
  trained, a fixed map of the noise (`frozen`); else it is trained end to end.
* ``wae``: the blocks alone, from rows to as many latents and back (a Wasserstein autoencoder).

`fcq_twin` is the same without circuits.
"""

from __future__ import annotations

from math import prod

from torch import nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import Generator
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, WeightBlock, z_on
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.values import Refused
from reference_models._parts.adversarial import against_critic, output_of
from reference_models._parts.fcq import LATENT, FCQAutoencoder, FCQNetwork, bridge
from reference_models._parts.fcq_block import START, turned_blocks
from reference_models._parts.trash import seen

ABOUT = About(
    citation="M. Corchia, L. Rinaldi, A. Sidoti, FastCaloQ: public code (qinn_module, qinn_bridge, qinn_pipeline)",
    published={
        "parameters": "v1 7038, bridge 838 (10 to 100 numbers, 6 wires, depth 2); wae 7007 (533 voxels), 4862 (368)"
    },
    deviations=(
        "frozen weights are not trained; the public code also gives the noise before them a gradient that is none",
        "no dropout in v1, whose rate is not in the public configurations",
        "weights against a critic are chosen by the energy distance of validation rows",
        "rows are features of the study, instead of energies in MeV that are not normalised",
        "the learning rate is that of the study, instead of 1e-4, and its schedule too",
    ),
    knobs={
        "between": (*range(1, 33), *range(34, 65, 2), *range(68, 129, 4)),
        "wires": (2, 3, 4, 5, 6, 8),
        "depth": (1, 2, 3, 4),
    },
    depth="depth",
    tiny={"between": 2, "wires": 2, "depth": 1, "tail": 2, "critic": "8-4-2", "unit": "silu", "trim": True},
    tune={"penalty": KnobSpan(low=1.0, high=30.0), "turns": (3, 5, 8), "unit": ("relu", "silu")},
    rows=("flat", "image"),
)
VERSIONS = ("v1", "bridge", "wae")
BLOCKS = 2


def first_circuit(wires: int, depth: int) -> Circuit:
    """That of ``v1``: an upload by RY, then `depth` times RY and RZ by weights on each wire and a chain of CNOTs.

    Example:
        >>> first_circuit(6, 2).n_weights
        24
    """
    gates = [Gate("RY", (wire,), (Angle(input=wire),)) for wire in range(wires)]
    for layer in range(depth):
        for wire in range(wires):
            first = 2 * (layer * wires + wire)
            gates += [Gate("RY", (wire,), (Angle(weight=first),)), Gate("RZ", (wire,), (Angle(weight=first + 1),))]
        gates += [Gate("CNOT", (wire, wire + 1)) for wire in range(wires - 1)]
    return Circuit(wires, wires, (WeightBlock("turns", (depth, wires, 2)),), tuple(gates), z_on(range(wires)))


def build(
    shape: int | tuple[int, ...],
    *,
    version: str = "bridge",
    frozen: bool = False,
    wires: int = 6,
    depth: int = 2,
    between: int = 100,
    tail: int = 64,
    critic: str = "800-400-200",
    unit: str = "relu",
    penalty: float = 20.0,
    turns: int = 5,
    mmd: float = 0.1,
    output: str = "linear",
    trim: bool = False,
    backend: str = "auto",
) -> Generator:
    """One of the versions for rows of this shape.

    `between` are the numbers that the blocks of ``bridge`` give, `tail` the units of the layer after them (and of that
    in ``v1``); `critic`, `unit`, `penalty`, `turns` and `output` are as in `quantum_gan`; `mmd` weighs the latents of
    ``wae``. `trim` leaves out the weights that nothing read depends on.

    Raises:
        Refused: no such version, `frozen` weights of another than ``bridge``, no wire, layer or unit.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> made = (build(dim, version=one, backend="torch") for dim, one in ((100, "v1"), (533, "wae"), (368, "wae")))
        >>> [count_parameters(model).total for model in made]
        [7038, 7007, 4862]
        >>> counted = count_parameters(build(533, frozen=True, backend="torch"))
        >>> counted.frozen, counted.total
        (838, 41237)
    """
    if version not in VERSIONS or (frozen and version != "bridge") or min(wires, depth, between, tail) < 1:
        raise Refused(
            f"fcq_qinn was given version={version}, frozen={frozen}, wires={wires}, depth={depth}, between={between}, "
            f"tail={tail}; one of {', '.join(VERSIONS)}, of which bridge may be frozen, and 1 or more of the "
            "others are expected"
        )
    rows = (shape,) if isinstance(shape, int) else shape
    dim = prod(rows)
    if version == "wae":
        both = turned_blocks(BLOCKS, wires, depth, encodes=True, trim=False, backend=backend)
        whole = FCQNetwork(dim, dim, wires, both)
        return FCQAutoencoder(rows, whole, output_of(output), mmd)
    if version == "v1":
        layer = CircuitLayer(seen(first_circuit(wires, depth), trim), backend)
        nn.init.normal_(layer.weights, 0.0, START)
        ends = (nn.Linear(LATENT, wires), nn.Tanh(), layer, nn.Linear(wires, tail), nn.SiLU())
        network = nn.Sequential(*ends, nn.Linear(tail, dim), output_of(output))
    else:
        back = turned_blocks(BLOCKS, wires, depth, encodes=False, trim=trim, backend=backend)
        blocks = FCQNetwork(LATENT, between, wires, back)
        blocks.requires_grad_(not frozen)
        network = bridge(blocks, between, tail, dim, output, trim=trim)
    return against_critic(rows, network, LATENT, critic=critic, unit=unit, penalty=penalty, turns=turns)
