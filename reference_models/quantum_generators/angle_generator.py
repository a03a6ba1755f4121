"""A reconstruction of the quantum angle generator: one qubit a pixel, whose energy is the angle of the qubit read out.

Only abstracts are public. Normal noise turns each wire, layers of a coarse-to-fine tree (``mera``) or of a ring
entangle them, and the angle arccos<Z> of a wire, scaled and shifted, is the pixel. It is trained by the MMD of drawn
and true rows plus a term on their correlations; it states no likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import Batch, Generator, given
from qinn_bench.quantum.ansatz import ring
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, WeightBlock, z_on
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.quantum.visibility import trimmed
from qinn_bench.values import Refused
from reference_models._parts.circuit_maps import SHRINK
from reference_models._parts.loss_terms import mmd2

ABOUT = About(
    citation="Rehm, Vallecorsa, Borras, Kruecker, Grossi, Varo, the quantum angle generator, arXiv:2307.05253",
    published={
        "claim": "of several circuits the one called MERA-upsampling is best; stable up to about 1.5 % noise, 3 % when "
        "trained with it"
    },
    deviations=(
        "a reconstruction from abstracts: circuits, depths, decoding and weights of the loss are not published there",
        "the tree of CNOTs and the turns between them are ours",
        "pixels are a trained scale and shift of the angle, in the features of the data set",
        "trained by exact gradients instead of by shots",
        "the noise of each wire is normal, with a trained scale and shift",
        "conditions, which the paper does not have, turn each wire beside the noise",
        "the loss is taken of at most 500 rows, and the weights that are kept are the best by it on validation rows",
    ),
    knobs={"layers": (*range(1, 17), 18, 20, 24, 28, 32)},
    depth="layers",
    tiny={"layers": 1},
    tune={"layout": ("mera", "ring"), "correlation": KnobSpan(low=0.01, high=10.0)},
)
LAYOUTS = ("mera", "ring")
LARGEST = 20
MOST_ROWS = 500
"""Rows of a batch, or of the validation rows, that the loss is taken of: it takes the distances of all pairs."""


def angle_circuit(wires: int, layers: int, layout: str, condition: int = 0) -> Circuit:
    """H and RY(scale * noise + shift) on each wire, conditions if any, the layers, and a last RY on each wire.

    A layer of ``mera`` goes from the coarsest distance of wires to the finest: RY and RZ on the wires of each pair and
    a CNOT, then CNOTs between neighbouring pairs. One of ``ring`` has RY and RZ on each wire and a ring of CNOTs.
    Weights that no wire's Z depends on are left out.

    Raises:
        Refused: there is no such layout.

    Example:
        >>> circuit = angle_circuit(8, 1, "mera")
        >>> circuit.counts["CNOT"], circuit.n_inputs
        (11, 8)
    """
    if layout not in LAYOUTS:
        raise Refused(f"angle_generator knows no layout '{layout}'; there are: {', '.join(LAYOUTS)}")
    used, gates = 0, [Gate("H", (w,)) for w in range(wires)]

    def turn(name: str, wire: int, source: int | None = None) -> Iterator[Gate]:
        nonlocal used
        scaled = source is not None
        angle = Angle(weight=used, scale=used + 1, input=source) if scaled else Angle(weight=used)
        used += 1 + scaled
        yield Gate("RY" if name == "RY" else "RZ", (wire,), (angle,))

    for w in range(wires):
        gates += turn("RY", w, w)
        gates += turn("RY", w, wires + w % condition) if condition else ()
    for _ in range(layers):
        for pairs, between in _levels(wires) if layout == "mera" else [(ring(wires), ())]:
            touched = dict.fromkeys(w for pair in pairs for w in pair)
            gates += [gate for w in touched for name in ("RY", "RZ") for gate in turn(name, w)]
            gates += [Gate("CNOT", pair) for pair in (*pairs, *between)]
    for w in range(wires):
        gates += turn("RY", w)
    blocks = (WeightBlock("angles", (used,)),)
    return trimmed(Circuit(wires, wires + condition, blocks, tuple(gates), z_on(range(wires))))[0]


def _levels(wires: int) -> Iterator[tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]]:
    """Pairs at a distance, and the pairs between them, from the coarsest distance to 1."""
    for k in reversed(range(max(0, (wires - 1).bit_length()))):
        near, far = 2**k, 2 ** (k + 1)
        starts = range(0, wires, far)
        pairs = tuple((i, i + near) for i in starts if i + near < wires)
        yield pairs, tuple((i + near, i + far) for i in starts if i + far < wires)


class AngleGenerator(Generator):
    """Maps normal noise, one number a feature, to features by the angles of a circuit's wires.

    Example:
        >>> model = build(4, layers=1, backend="torch")
        >>> model.sample(3, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 4])
    """

    def __init__(self, circuit: Circuit, backend: str, correlation: float) -> None:
        super().__init__(circuit.n_wires)
        self.correlation = correlation
        self.circuit = CircuitLayer(circuit, backend)
        nn.init.normal_(self.circuit.weights, 0, 0.5)
        with torch.no_grad():
            scales = [angle.scale for gate in circuit.gates for angle in gate.angles if angle.scale is not None]
            self.circuit.weights[scales] = 1.0
        self.log_scale = nn.Parameter(torch.zeros(self.dim))
        self.shift = nn.Parameter(torch.zeros(self.dim))

    def noise(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw the noise of ``n`` rows, ``(n, dim)``, in double precision."""
        return torch.randn(n, self.dim, generator=rng, dtype=torch.float64)

    def generate(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """The rows that noise is mapped to, ``(n, dim) -> (n, dim)``."""
        values = self.circuit(noise if condition is None else torch.cat((noise, condition), 1))
        angles = torch.acos(SHRINK * values)
        return self.shift + self.log_scale.exp() * (angles - math.pi / 2)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The MMD^2 of drawn and true rows, conditions beside them, and the squared distance of their correlations.

        Of a batch of more than 500 rows, the first 500 are taken.
        """
        batch = batch[:MOST_ROWS]
        drawn = self.generate(self.noise(len(batch), rng).to(batch.rows), *given(batch.condition))
        apart = mmd2(*(torch.cat((rows, *given(batch.condition)), 1) for rows in (drawn, batch.rows)))
        return apart + self.correlation * (correlations(drawn) - correlations(batch.rows)).square().mean()


def correlations(rows: Tensor) -> Tensor:
    """The linear correlation of each feature with each other, ``(n, dim) -> (dim, dim)``; 0 of what is constant.

    Example:
        >>> correlations(torch.tensor([[0.0, 0.0], [1.0, -2.0], [2.0, -4.0]])).round(decimals=3).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    moved = rows - rows.mean(0)
    scaled = moved / (moved.square().mean(0) + 1e-12).sqrt()
    return scaled.T @ scaled / len(rows)


def build(
    dim: int,
    *,
    layers: int = 2,
    layout: str = "mera",
    correlation: float = 1.0,
    condition: int = 0,
    backend: str = "auto",
) -> AngleGenerator:
    """A circuit with a wire for each feature and so many `layers` of a `layout`, ``mera`` or ``ring``.

    `correlation` is the weight of the term on correlations.

    Raises:
        Refused: fewer than 2 or more than 20 features, a negative weight, or a layout that does not exist.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> count_parameters(build(8, layers=1, backend="torch")).quantum
        52
    """
    if not 2 <= dim <= LARGEST or correlation < 0:
        raise Refused(
            f"{dim} features and correlation={correlation:g} were given; 2 to {LARGEST} features, a qubit each, and a "
            "weight of 0 or more are expected"
        )
    return AngleGenerator(angle_circuit(dim, layers, layout, condition), backend, correlation)
