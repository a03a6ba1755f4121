"""Quantum invertible network (QINN): a re-uploading circuit between two elementwise maps, with its exact full Jacobian.

A reconstruction of the model of arXiv:2302.12906, whose exact circuit is not published: features are squeezed to
angles in (0, pi), encoded by RY, turned by trainable layers and read out as <Z>, which a map takes to the latent. Its
log-determinant is exact, but nothing makes the map one-to-one by construction: the terms of its loss only encourage
that, which is why its likelihood needs a certificate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor

from qinn_bench.about import About
from qinn_bench.contracts import LOG_2PI, Batch, DensityModel
from qinn_bench.quantum.ansatz import Entangler, moved, reuploading
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.layer import CircuitLayer, fidelity
from qinn_bench.quantum.visibility import trimmed
from qinn_bench.values import Knob, Knobs, Refused
from reference_models._parts.circuit_maps import SHRINK, ToAngles, ToLatent
from reference_models._parts.solver import solve

ABOUT = About(
    citation="A. Rousselot, M. Spannowsky, Generative invertible quantum neural networks, arXiv:2302.12906",
    published={"parameters": "about 2k (hybrid)", "claim": "on par with INNs of 6k-16k parameters on Z+jet"},
    knobs={
        "layers": (1, 2, 3),
        "preparation": (0, 1, 2, 3, 4, 6, 8, 12, 16, 24),
        "uploads": tuple(range(1, 81)),
    },
    depth="uploads",
    tiny={"uploads": 2, "fidelity": 0.5, "mmd": 0.5, "barrier": 1.0},
    later={"trim": False},
)

WIDENED, WIDE = 0.4, 2.0
"""The fold barrier also looks at training rows with this much noise added, and at a normal this wide."""
ANCHORS, RETRIES = 512, 8
"""How many training rows are kept as starting points of the inverse, and how many of them one latent may try."""
LEAST_STRETCH = 0.05
"""Below this stretch, where 1 is that of the identity, the fold barrier acts."""
STARTS = {"identity": 0.05, "random": 1.0}
"""How far from the identity the weights start (standard deviation, radians)."""
FINAL_MMD = 0.1
"""The share of the MMD weight that is left at the end of training; the rest fades linearly over its first half."""


def open_knobs(knobs: Knobs) -> dict[str, tuple[Knob, ...]]:
    """The knobs that the matcher may turn: without a fidelity term there is no preparation."""
    return {name: values for name, values in ABOUT.knobs.items() if name != "preparation" or knobs["fidelity"]}


@dataclass(frozen=True)
class Terms:
    """The weights of the loss beside the likelihood; a term of weight 0 is not computed.

    `fidelity` multiplies the mean of 1 - F between the measured state and the one prepared from the measured values;
    `mmd` the MMD^2 between latents and the normal, and, with `both` directions, between rows and rows that the learned
    preparation generates; `barrier` the penalty on folds, which are seen in `stretch`.

    Example:
        >>> Terms(fidelity=0.0, mmd=0.0, barrier=100.0, stretch="monotone", both=False).barrier
        100.0
    """

    fidelity: float
    mmd: float
    barrier: float
    stretch: str
    both: bool


class QINN(DensityModel):
    """One circuit with one wire per feature (times `copies`), between `ToAngles` and `ToLatent`.

    Example:
        >>> flow = build(2, uploads=1, backend="torch")
        >>> x = torch.linspace(-1, 1, 6).reshape(3, 2)
        >>> z, logdet = flow(x)
        >>> z.shape, logdet.shape
        (torch.Size([3, 2]), torch.Size([3]))
    """

    one_to_one = False
    inverse_tolerance = 1e-7

    def __init__(self, dim: int, circuit: Circuit, preparation: Circuit, terms: Terms, backend: str) -> None:
        super().__init__(dim)
        self.terms = terms
        self.to_angles = ToAngles(dim)
        self.circuit = CircuitLayer(circuit, backend)
        self.circuit.compared = terms.fidelity > 0
        self.to_latent = ToLatent(dim)
        self.preparation = CircuitLayer(preparation, backend) if terms.fidelity > 0 else None
        if self.preparation is not None:
            self.preparation.compared = True
        self.register_buffer("anchors", torch.zeros(ANCHORS, dim))

    def start_near_identity(self, spread: float) -> None:
        """Let the first upload encode each angle as it is and all else be almost nothing, so that z is almost x."""
        for layer in filter(None, (self.circuit, self.preparation)):
            with torch.no_grad():
                layer.weights.normal_(0, spread)
                first = layer.block("scale").view(-1)[: layer.circuit.n_wires]
                first.add_(1 - first.detach())

    def initialise(self, train: Batch, rng: torch.Generator) -> None:
        """Keep some training rows as starting points of the inverse."""
        rows = train.rows
        self.anchors = rows[torch.randint(len(rows), (ANCHORS,), generator=rng).to(rows.device)].clone()

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Latents and log-determinant; the sign of the determinant is left to the barrier and the audit."""
        z, jacobian, _ = self.jacobian(x)
        return z, torch.linalg.slogdet(jacobian)[1]

    def jacobian(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Latents ``(n, dim)``, the full Jacobian dz/dx ``(n, dim, dim)`` and the measured values ``(n, dim)``."""
        h, slope_in = self.to_angles(x)
        y, jacobian = self.circuit.jacobian(h)
        z, slope_out = self.to_latent(y)
        return z, -slope_out.exp()[:, :, None] * jacobian * slope_in.exp()[:, None, :], y

    def inverse(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Solve f(x) = z from the learned guess, then from the nearest anchors; NaN where there is no solution."""
        return solve(lambda x: self.jacobian(x)[:2], z, [self.guess(z), *self._nearest_anchors(z)])

    def guess(self, z: Tensor) -> Tensor:
        """The rows that the learned inverse state preparation gives: prepare from y, undo the layers, measure.

        The uploads to be undone hold the unknown angles, so their first guess is arccos y. Without a preparation that
        guess is all.
        """
        angles = torch.arccos(self.to_latent.inverse(z))
        if self.preparation is not None:
            weights = torch.cat((self.preparation.weights, self.circuit.weights))
            undo = _undo(self.preparation.circuit, self.circuit.circuit)
            cosines = self.circuit.backend.run(undo, torch.cat((angles, angles), 1), weights)
            angles = self._decode(cosines)
        rows: Tensor = self.to_angles.inverse(angles)
        return rows

    def _decode(self, cosines: Tensor) -> Tensor:
        """The angles h whose first upload RY(scale h + shift) shows these cosines."""
        scale, shift = (self.circuit.block(name).view(-1)[: self.dim] for name in ("scale", "shift"))
        angles = (torch.arccos(cosines.clamp(-1 + 1e-6, 1 - 1e-6)) - shift) / scale
        return angles.clamp(1e-3, torch.pi - 1e-3)

    def _nearest_anchors(self, z: Tensor) -> tuple[Tensor, ...]:
        """For each latent the training rows whose latents are nearest, nearest first."""
        distances = torch.cdist(z, self.jacobian(self.anchors)[0])
        return self.anchors[distances.topk(RETRIES, largest=False)[1]].unbind(1)

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The negative log-likelihood plus the terms that have a weight."""
        z, logdet, penalty = self.regularised(batch.rows, progress, rng)
        return negative_log_likelihood(z, logdet) + penalty

    def regularised(self, x: Tensor, progress: float, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latents and log-determinants of a batch, and the weighted sum of the loss terms beside the likelihood."""
        n, penalty = len(x), x.new_zeros(())
        points = torch.cat((x, *self._around(x, rng))) if self.terms.barrier else x
        z, jacobian, y = self.jacobian(points)
        logdet = torch.linalg.slogdet(jacobian)[1]
        if self.terms.barrier:
            stretch = STRETCHES[self.terms.stretch](jacobian)
            penalty = penalty + self.terms.barrier * torch.relu(LEAST_STRETCH - stretch).mean()
        if self.terms.fidelity:
            penalty = penalty + self.terms.fidelity * (1 - self.fidelity(x, y[:n]).mean())
        if self.terms.mmd:
            weight = self.terms.mmd * max(FINAL_MMD, 1 - 2 * progress)
            penalty = penalty + weight * self._discrepancy(x, z[:n], rng)
        return z[:n], logdet[:n], penalty

    def _around(self, x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Where the barrier looks beside the batch: half of it with noise added, and as many rows of a wide normal."""
        half = x[::2]
        noise = torch.randn((2, *half.shape), generator=rng).to(x)
        return half + WIDENED * noise[0], WIDE * noise[1]

    def fidelity(self, x: Tensor, y: Tensor) -> Tensor:
        """Overlap ``(n,)`` of the measured state of rows with the one prepared from their measured values y."""
        if self.preparation is None:
            raise ValueError("a QINN without a fidelity term has no state preparation")
        measured = self.circuit.state(self.to_angles(x)[0])
        prepared = self.preparation.state(torch.arccos(y.clamp(-SHRINK, SHRINK)))
        return fidelity(measured, prepared)

    def _discrepancy(self, x: Tensor, z: Tensor, rng: torch.Generator) -> Tensor:
        normal = torch.randn(z.shape, generator=rng).to(z)
        total = mmd2(z, normal)
        return total + mmd2(self.guess(normal), x) if self.terms.both else total


def least_stretch(jacobian: Tensor) -> Tensor:
    """The smallest eigenvalue ``(n,)`` of the symmetric part of each Jacobian.

    A map of a convex domain for which it is positive everywhere is one-to-one (Gale, Nikaido, Math. Ann. 159, 81),
    and some such map takes any density to the normal one (Brenier, Comm. Pure Appl. Math. 44, 375).
    """
    symmetric = (0.5 * (jacobian + jacobian.mT)).nan_to_num()
    smallest: Tensor = torch.linalg.eigvalsh(symmetric)[:, 0]
    return smallest


def signed_volume(jacobian: Tensor) -> Tensor:
    """The determinant ``(n,)`` of each Jacobian, its size taken per dimension; folds that come in pairs escape it."""
    sign, logdet = torch.linalg.slogdet(jacobian)
    volume: Tensor = sign * torch.exp(logdet / jacobian.shape[1])
    return volume


STRETCHES = {"monotone": least_stretch, "determinant": signed_volume}
"""What the barrier keeps above `LEAST_STRETCH`."""


def negative_log_likelihood(z: Tensor, logdet: Tensor) -> Tensor:
    """The mean of ``-log p`` for latents ``(n, dim)`` of a standard normal and log-determinants ``(n,)``."""
    return (0.5 * (z.square().sum(1) + z.shape[1] * LOG_2PI) - logdet).mean()


def mmd2(x: Tensor, y: Tensor) -> Tensor:
    """Unbiased MMD^2 of rows with a mixture of Gaussian kernels whose squared widths are dim times 1/4, 1 and 4."""
    n, m, dim = len(x), len(y), x.shape[1]
    distances = torch.cdist(torch.cat((x, y)), torch.cat((x, y)), compute_mode="donot_use_mm_for_euclid_dist").square()
    kernel = torch.stack([torch.exp(-distances / (2 * dim * width)) for width in (0.25, 1.0, 4.0)]).mean(0)
    kernel = kernel - torch.diag_embed(kernel.diagonal())
    return kernel[:n, :n].sum() / (n * (n - 1)) + kernel[n:, n:].sum() / (m * (m - 1)) - 2 * kernel[:n, n:].mean()


@lru_cache
def _undo(preparation: Circuit, circuit: Circuit) -> Circuit:
    """Prepare a state from (first inputs), then undo all of the circuit but its first upload at (second inputs)."""
    n, later = circuit.n_inputs, circuit.gates[circuit.n_wires :]
    undone = replace(circuit, gates=later).adjoint().gates
    renamed = tuple(replace(block, name=f"undone.{block.name}") for block in circuit.weights)
    gates = preparation.gates + tuple(moved(gate, 0, n, preparation.n_weights) for gate in undone)
    return replace(circuit, n_inputs=2 * n, weights=preparation.weights + renamed, gates=gates)


def make_qinn(dim: int, circuit: Circuit, preparation: Circuit, terms: Terms, start: str, backend: str) -> QINN:
    """A QINN on this circuit with this inverse state preparation, started near the identity or at random.

    Raises:
        Refused: a start that does not exist, or both directions without a fidelity term.
    """
    if start not in STARTS:
        raise Refused(f"a QINN knows no start '{start}'; there are: {', '.join(STARTS)}")
    if terms.stretch not in STRETCHES:
        raise Refused(f"a QINN knows no stretch '{terms.stretch}'; there are: {', '.join(STRETCHES)}")
    if terms.both and not terms.fidelity:
        raise Refused("a QINN with both=true generates through its state preparation, which needs fidelity > 0")
    model = QINN(dim, circuit, preparation, terms, backend)
    model.start_near_identity(STARTS[start])
    return model


def build(
    dim: int,
    *,
    uploads: int = 6,
    layers: int = 1,
    preparation: int = 0,
    copies: int = 1,
    entangler: str = "zz",
    start: str = "identity",
    fidelity: float = 1.0,
    mmd: float = 1.0,
    barrier: float = 100.0,
    stretch: str = "monotone",
    both: bool = False,
    trim: bool = True,
    backend: str = "auto",
) -> DensityModel:
    """A QINN with `uploads` of the features, each followed by `layers` of rotations and an entangling ring.

    With `trim` the circuit ends where its readout still sees: the last turns about Z and the last ring, which change no
    <Z>, are left out. Where states are compared (`fidelity` > 0) they have an effect and stay. The inverse state
    preparation has the same form with `preparation` uploads, or as many as the circuit if that is 0.

    Raises:
        Refused: an entangler or a start that does not exist, or both directions without a fidelity term.
    """
    if entangler not in ("zz", "cnot", "none"):
        raise Refused(f"qinn knows no entangler '{entangler}'; there are: cnot, none, zz")
    circuit, prepare = (
        reuploading(dim, copies=copies, uploads=count, layers=layers, entangler=cast(Entangler, entangler))
        for count in (uploads, preparation or uploads)
    )
    if trim and not fidelity:
        circuit = trimmed(circuit)[0]
    return make_qinn(dim, circuit, prepare, Terms(fidelity, mmd, barrier, stretch, both), start, backend)
