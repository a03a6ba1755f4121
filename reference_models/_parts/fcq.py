"""The network of FastCaloQ's "qINN": a map to a few angles, blocks that turn them, a map to rows; it is not invertible.

With `wires` angles it is pre (linear, tanh), blocks each followed by tanh, post (linear). In the direction that
encodes, the blocks come in their order; in the one that decodes, in the reverse order and each undone: the adjoint of
its trained gates acts on a newly uploaded state, so that the two directions are no inverses of each other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from qinn_bench.contracts import Batch, Generator, Reconstructor
from qinn_bench.quantum.ansatz import ring
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, GateName, WeightBlock, z_on
from qinn_bench.quantum.layer import CircuitLayer
from reference_models._parts.trash import seen

TURNS: tuple[GateName, ...] = ("RZ", "RY", "RX")
START = 0.01
"""The spread of the weights of circuits at the start."""


def block_of(wires: int, depth: int) -> Circuit:
    """An upload by RY, then `depth` times RZ, RY and RX by weights on each wire and a ring of CNOTs; Z is read.

    Example:
        >>> block_of(6, 2).n_weights
        36
    """
    gates = [Gate("RY", (wire,), (Angle(input=wire),)) for wire in range(wires)]
    for layer in range(depth):
        for wire in range(wires):
            first = 3 * (layer * wires + wire)
            gates += [Gate(name, (wire,), (Angle(weight=first + k),)) for k, name in enumerate(TURNS)]
        gates += [Gate("CNOT", pair) for pair in ring(wires)]
    return Circuit(wires, wires, (WeightBlock("turns", (depth, wires, 3)),), tuple(gates), z_on(range(wires)))


def undone(circuit: Circuit) -> Circuit:
    """The same upload, then the gates after it undone, with the same weights."""
    uploads, rest = list[Gate](), list[Gate]()
    for gate in circuit.gates:
        (uploads if any(angle.input is not None for angle in gate.angles) else rest).append(gate)
    return replace(circuit, gates=(*uploads, *replace(circuit, gates=tuple(rest)).adjoint().gates))


class FCQBlock(nn.Module):
    """A circuit whose inputs are shifted along the wires, and its undoing with the same weights.

    A classical layer that stands in for the circuit serves in both directions. Where nothing encodes, only the undoing
    is there, in which the first turns of each wire are the last before it is read; `trim` leaves them out.

    Example:
        >>> block = FCQBlock(3, 1, shift=1, encodes=True, trim=False, backend="torch")
        >>> block(torch.zeros(2, 3)).shape, block.back(torch.zeros(2, 3)).shape
        (torch.Size([2, 3]), torch.Size([2, 3]))
        >>> FCQBlock(3, 1, shift=1, encodes=False, trim=False, backend="torch").circuit.blind
        3
    """

    def __init__(self, wires: int, depth: int, *, shift: int, encodes: bool, trim: bool, backend: str) -> None:
        super().__init__()
        self.shift, self.encodes = shift, encodes
        circuit = block_of(wires, depth)
        self.circuit = CircuitLayer(circuit if encodes else seen(undone(circuit), trim), backend)
        nn.init.normal_(self.circuit.weights, 0.0, START)
        self._undone = circuit, undone(circuit)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, wires) -> (n, wires)``."""
        values: Tensor = self.circuit(x.roll(-self.shift, 1))
        return values

    def back(self, x: Tensor) -> Tensor:
        """The other direction, ``(n, wires) -> (n, wires)``."""
        layer = self.circuit
        if not self.encodes or not isinstance(layer, CircuitLayer):
            return self(x)  # type: ignore[no-any-return]
        if self._undone[0] is not layer.circuit:  # A control may have changed it.
            self._undone = layer.circuit, undone(layer.circuit)
        return layer.backend.run(self._undone[1], x.roll(-self.shift, 1), layer.weights)


class FCQNetwork(nn.Module):
    """From ``n_in`` numbers to ``n_out`` through blocks of angles, and with the same weights back if it `encodes`.

    Without blocks it is its twin without a circuit.

    Example:
        >>> network = FCQNetwork(10, 100, wires=6, depth=2, blocks=2, encodes=False, trim=False, backend="torch")
        >>> sum(p.numel() for p in network.parameters())
        838
    """

    def __init__(
        self, n_in: int, n_out: int, *, wires: int, depth: int, blocks: int, encodes: bool, trim: bool, backend: str
    ) -> None:
        super().__init__()
        self.pre, self.post = nn.Linear(n_in, wires), nn.Linear(wires, n_out)
        step = max(1, wires // 3)
        made = (
            FCQBlock(wires, depth, shift=k * step, encodes=encodes, trim=trim, backend=backend) for k in range(blocks)
        )
        self.blocks = cast("list[FCQBlock]", nn.ModuleList(made))

    def encode(self, x: Tensor) -> Tensor:
        """Rows to latents, ``(n, n_in) -> (n, n_out)``."""
        angles = self.pre(x).tanh()
        for block in self.blocks:
            angles = block(angles).tanh()
        latents: Tensor = self.post(angles)
        return latents

    def forward(self, z: Tensor) -> Tensor:
        """Latents to rows, ``(n, n_in) -> (n, n_out)``: the direction that decodes."""
        angles = self.pre(z).tanh()
        for block in reversed(self.blocks):
            angles = block.back(angles).tanh()
        rows: Tensor = self.post(angles)
        return rows


def median_mmd2(x: Tensor, y: Tensor) -> Tensor:
    """Unbiased MMD^2 of rows with a Gaussian kernel whose squared width is half the median squared distance."""
    every = torch.cat((x, y))
    squares = torch.cdist(every, every, compute_mode="donot_use_mm_for_euclid_dist").square()
    n, m = len(x), len(y)
    apart = ~torch.eye(n + m, dtype=torch.bool, device=x.device)
    kernel = torch.exp(-squares / squares[apart].median().detach().clamp_min(1e-12)).where(apart, 0.0)
    within = kernel[:n, :n].sum() / (n * (n - 1)) + kernel[n:, n:].sum() / (m * (m - 1))
    return within - 2 * kernel[:n, n:].mean()


class PlainNetwork(nn.Sequential):
    """The classical switch of the public code: linear, SiLU, linear, in either direction.

    Example:
        >>> sum(p.numel() for p in PlainNetwork(533, 533).parameters())
        68821
    """

    def __init__(self, n_in: int, n_out: int, hidden: int = 64) -> None:
        super().__init__(nn.Linear(n_in, hidden), nn.SiLU(), nn.Linear(hidden, n_out))

    def encode(self, x: Tensor) -> Tensor:
        """Rows to latents, ``(n, n_in) -> (n, n_out)``."""
        latents: Tensor = self(x)
        return latents


class FCQAutoencoder(Generator, Reconstructor):
    """Rows through a network and back; its latents, as many as a row has numbers, are drawn to a standard normal.

    The loss is the mean squared error and `weight` times the MMD^2 of the latents (a Wasserstein autoencoder,
    arXiv:1711.01558); rows are generated from a standard normal.

    Example:
        >>> model = FCQAutoencoder((3,), PlainNetwork(3, 3, hidden=2), nn.Identity(), weight=0.1)
        >>> model.reconstruct(torch.zeros(2, 3)).shape, model.sample(4, torch.Generator().manual_seed(0)).shape
        (torch.Size([2, 3]), torch.Size([4, 3]))
    """

    def __init__(
        self, shape: tuple[int, ...], network: FCQNetwork | PlainNetwork, output: nn.Module, weight: float
    ) -> None:
        super().__init__(shape)
        self.network, self.output, self.weight = network, output, weight

    def noise(self, n: int, rng: torch.Generator) -> Tensor:
        """Normal numbers, ``(n, dim)``."""
        return torch.randn(n, self.dim, generator=rng, dtype=torch.float64)

    def generate(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """``(n, dim) -> (n, *shape)``."""
        rows: Tensor = self.output(self.network(noise))
        return rows.reshape(len(rows), *self.shape)

    def reconstruct(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """``(n, *shape) -> (n, *shape)``."""
        return self.generate(self.network.encode(x.flatten(1)))

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The squared error of a number, and the distance of the latents from normal ones."""
        z = self.network.encode(batch.rows.flatten(1))
        error = (self.generate(z) - batch.rows).square().mean()
        return error + self.weight * median_mmd2(z, self.noise(len(z), rng).to(z))
