"""Classical stand-ins for a circuit: a bounded trigonometric polynomial and a dense layer of tanh, with derivatives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from qinn_bench.quantum.circuit import Circuit, Observable, Pauli, WeightedSum

DIAGONAL = frozenset({"RZ", "PhaseShift", "Z", "S", "T", "CZ", "CRZ", "CPhase", "IsingZZ"})
RIDGE = 1e-4
POLISHES = 30
NEARLY_ONE = 0.999
STEEPNESS = 1.5
Frequency = tuple[int, ...]


class Fourier(nn.Module):
    """A trigonometric polynomial of the inputs h that stays in [-1, 1].

    Output j is ``(sum_t |c_t| (a_t cos(w_t h) + b_t sin(w_t h)) + d_j |d_j|) / max(1, sum_t |c_t|^2 + d_j^2)`` over its
    own terms t, with trained ``c_t = (a_t, b_t)`` and ``d_j``. Amplitudes are squares of what is trained, as those of
    a circuit's outputs are to lowest order, so that a small step leaves the outputs almost as they are.

    Attributes:
        frequencies: the integer frequencies ``(terms, n_in)``, with respect to the inputs as they come.
        owner: which output a term belongs to, ``(terms, n_out)`` of zeros and ones.

    Example:
        >>> stand_in = Fourier([[(1, 0), (0, 1)]], n_in=2)
        >>> stand_in(torch.zeros(3, 2)).shape, sum(p.numel() for p in stand_in.parameters())
        (torch.Size([3, 1]), 5)
    """

    frequencies: Tensor
    owner: Tensor

    def __init__(self, terms: Sequence[Sequence[Frequency]], n_in: int) -> None:
        super().__init__()
        n_out = len(terms)
        owners = [output for output, own in enumerate(terms) for _ in own]
        flat = [frequency for own in terms for frequency in own]
        self.register_buffer("frequencies", torch.tensor(flat, dtype=torch.float32).view(-1, n_in))
        self.register_buffer("owner", torch.eye(n_out)[owners])
        self.pairs = nn.Parameter(torch.zeros(len(flat), 2))
        self.offsets = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_in) -> (B, n_out)``."""
        angles = x @ self.frequencies.T
        return self._sum(angles.cos(), angles.sin())

    def jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs ``(B, n_out)`` and their derivatives along the inputs, ``(B, n_out, n_in)``."""
        angles = x @ self.frequencies.T
        cos, sin = angles.cos(), angles.sin()
        waves, _, bound = self._waves()
        slopes = cos * waves[:, 1] - sin * waves[:, 0]
        spread = (self.owner / bound)[:, :, None] * self.frequencies[:, None, :]
        return self._sum(cos, sin), (slopes @ spread.flatten(1)).view(len(x), *spread.shape[1:])

    def _sum(self, cos: Tensor, sin: Tensor) -> Tensor:
        waves, offsets, bound = self._waves()
        total: Tensor = ((cos * waves[:, 0] + sin * waves[:, 1]) @ self.owner + offsets) / bound
        return total

    def _waves(self) -> tuple[Tensor, Tensor, Tensor]:
        """Amplitudes of cosines and sines ``(terms, 2)``, offsets ``(n_out,)`` and what keeps the sums in [-1, 1]."""
        sizes = self.pairs.norm(dim=1)
        bound = sizes.square() @ self.owner + self.offsets.square()
        return sizes[:, None] * self.pairs, self.offsets * self.offsets.abs(), bound.clamp(min=1)

    def start_at(self, x: Tensor, y: Tensor) -> None:
        """Fit outputs ``(n, n_out)`` at inputs ``(n, n_in)`` by least squares, then again under the bound."""
        self.to(x)
        self._start_without_bound(x, y)
        _polish(self, x, y)

    @torch.no_grad()
    def _start_without_bound(self, x: Tensor, y: Tensor) -> None:
        angles = x @ self.frequencies.T
        for output, column in enumerate(y.T):
            own = self.owner[:, output] > 0
            waves = torch.cat((angles[:, own].cos(), angles[:, own].sin(), torch.ones_like(x[:, :1])), 1)
            fitted = _least_squares(waves, column[:, None])[:, 0]
            self.pairs[own] = _root(fitted[:-1].view(2, -1).T)
            self.offsets[output] = fitted[-1].sign() * fitted[-1].abs().sqrt()


def _root(waves: Tensor) -> Tensor:
    """The pairs c ``(n, 2)`` with ``|c| c`` as given."""
    sizes = waves.norm(dim=1, keepdim=True)
    pairs: Tensor = waves / sizes.sqrt().clamp(min=1e-12)
    return pairs


class TanhLayer(nn.Module):
    """``y = tanh(s h' + b + C tanh(D h + e))`` where ``h'`` is, for each output, the input that it is nearest to.

    Example:
        >>> TanhLayer([0, 1], n_in=2, width=3)(torch.zeros(5, 2)).shape
        torch.Size([5, 2])
    """

    nearest: Tensor

    def __init__(self, nearest: Sequence[int], n_in: int, width: int) -> None:
        super().__init__()
        n_out = len(nearest)
        self.register_buffer("nearest", torch.eye(n_in)[list(nearest)])
        self.slope = nn.Parameter(torch.zeros(n_out))
        self.offset = nn.Parameter(torch.zeros(n_out))
        self.inner = nn.Linear(n_in, width)
        self.outer = nn.Parameter(torch.zeros(n_out, width))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_in) -> (B, n_out)``."""
        return torch.tanh(self._before(x, torch.tanh(self.inner(x))))

    def jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs ``(B, n_out)`` and their derivatives along the inputs, ``(B, n_out, n_in)``."""
        hidden = torch.tanh(self.inner(x))
        y = torch.tanh(self._before(x, hidden))
        through = (self.outer * (1 - hidden.square())[:, None, :]) @ self.inner.weight
        return y, (1 - y.square())[:, :, None] * (through + self.slope[:, None] * self.nearest)

    def _before(self, x: Tensor, hidden: Tensor) -> Tensor:
        before: Tensor = x @ self.nearest.T * self.slope + self.offset + hidden @ self.outer.T
        return before

    def start_at(self, x: Tensor, y: Tensor, rng: torch.Generator) -> None:
        """Fit outputs ``(n, n_out)`` at inputs ``(n, n_in)``: least squares on drawn hidden units, then of all."""
        self.to(x)
        self._start_at_drawn_units(x, y, rng)
        _polish(self, x, y)

    @torch.no_grad()
    def _start_at_drawn_units(self, x: Tensor, y: Tensor, rng: torch.Generator) -> None:
        width, n_in = self.inner.weight.shape
        weight = 0.1 * torch.randn(width, n_in, generator=rng, dtype=torch.float64)
        bias = torch.zeros(width, dtype=torch.float64)
        rounds = -(-width // n_in)
        for unit in range(width):
            read, at = unit % n_in, (unit // n_in + 0.5) / rounds
            weight[unit, read] += STEEPNESS / x[:, read].std()
            bias[unit] = -(weight[unit] * x.mean(0)).sum()
            bias[unit] -= weight[unit, read] * (torch.quantile(x[:, read], at) - x[:, read].mean())
        self.inner.weight.copy_(weight)
        self.inner.bias.copy_(bias)
        hidden, one = torch.tanh(x @ weight.T + bias), torch.ones_like(x[:, :1])
        for output, column in enumerate(torch.atanh(NEARLY_ONE * y).T):
            own = x @ self.nearest[output]
            fitted = _least_squares(torch.cat((own[:, None], one, hidden), 1), column[:, None])[:, 0]
            self.slope[output], self.offset[output] = fitted[0], fitted[1]
            self.outer[output] = fitted[2:]


def _polish(layer: Fourier | TanhLayer, x: Tensor, y: Tensor) -> None:
    """Bring a layer's outputs nearer to those that are asked for, in the measure of their inverse hyperbolic tangents.

    That is the measure in which a QINN reads its circuit.
    """
    targets = torch.atanh(NEARLY_ONE * y)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=POLISHES, line_search_fn="strong_wolfe")

    def distance() -> Tensor:
        optimiser.zero_grad()
        total: Tensor = (torch.atanh(NEARLY_ONE * layer(x)) - targets).square().mean()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    with torch.enable_grad():
        optimiser.step(distance)  # type: ignore[no-untyped-call]


def _least_squares(features: Tensor, targets: Tensor) -> Tensor:
    """The coefficients ``(k, m)`` of features ``(n, k)`` that come closest to targets ``(n, m)``, slightly shrunk."""
    square = features.T @ features
    shrink = RIDGE * len(features) * torch.eye(len(square), dtype=features.dtype)
    coefficients: Tensor = torch.linalg.solve(square + shrink, features.T @ targets)
    return coefficients


def fourier(circuit: Circuit, rng: torch.Generator) -> Fourier:
    """A polynomial with frequencies of the circuit and as nearly as possible as many parameters as it has weights.

    The spectrum of an output is that of arXiv:2008.08605: one upload of an input by a Pauli rotation adds -1, 0 or 1
    to the frequency of that input; only uploads that reach the output count. Of the product of these, terms are taken
    by rising degree, those of the first degree nearest input first, the others of a degree in an order drawn from
    `rng`, until the parameters are used up or the spectrum is. Where that would leave an input unread that the circuit
    reads, each output begins with an input that no other has begun with.
    """
    n_out = len(circuit.readout)
    total = max(n_out, round((circuit.n_weights - n_out) / 2))
    shares = [total // n_out + (output < total % n_out) for output in range(n_out)]
    reached = [reach(circuit, observable) for observable in circuit.readout]
    terms = _terms(reached, shares, circuit.n_inputs, rng)
    read = {place for own in terms for frequency in own for place, w in enumerate(frequency) if w}
    if set().union(*reached) - read:
        terms = _terms(_apart(reached), shares, circuit.n_inputs, rng)
    return Fourier(terms, circuit.n_inputs)


def _terms(
    reached: Sequence[dict[int, int]], shares: Sequence[int], n_in: int, rng: torch.Generator
) -> list[list[Frequency]]:
    """The frequencies of each output, as many as its share."""
    pairs = zip(reached, shares, strict=True)
    return [list(islice(_harmonics(uploads, n_in, rng), share)) for uploads, share in pairs]


def _apart(reached: Sequence[dict[int, int]]) -> list[dict[int, int]]:
    """The same with another input first for each output, as far as there are others."""
    taken, ordered = set[int](), []
    for uploads in reached:
        first = next((i for i in uploads if i not in taken), next(iter(uploads), -1))
        taken.add(first)
        ordered.append({i: n for i, n in uploads.items() if i == first} | uploads)
    return ordered


def tanh_layer(circuit: Circuit) -> TanhLayer:
    """A layer whose hidden units are as many as bring its parameters nearest to the circuit's weights."""
    n_in, n_out = circuit.n_inputs, len(circuit.readout)
    width = max(1, round((circuit.n_weights - 2 * n_out) / (n_in + n_out + 1)))
    reached = [reach(circuit, observable) for observable in circuit.readout]
    nearest = [next(iter(uploads), output % n_in) for output, uploads in enumerate(reached)]
    return TanhLayer(nearest, n_in, width)


def reach(circuit: Circuit, observable: Observable) -> dict[int, int]:
    """How many uploads of each input an observable depends on, the input whose upload is nearest to it first.

    Gates are followed backwards from the wires that are read; those that commute with what is read are passed over.
    """
    words = observable.paulis if isinstance(observable, WeightedSum) else (observable,)
    cone = {wire for word in words for wire in word.wires}
    turned = {
        wire
        for word in words
        if isinstance(word, Pauli)
        for letter, wire in zip(word.word, word.wires, strict=True)
        if letter in "XY"
    }
    uploads: Counter[int] = Counter()
    for gate in reversed(circuit.gates):
        wires = set(gate.wires)
        if not cone & wires or (gate.name in DIAGONAL and not turned & wires):
            continue
        cone |= wires
        if gate.name not in DIAGONAL:
            turned |= wires
        uploads.update(angle.input for angle in gate.angles if angle.input is not None)
    return dict(uploads)


def _harmonics(uploads: dict[int, int], n_in: int, rng: torch.Generator) -> Iterator[Frequency]:
    """The frequencies of a product spectrum but 0, one of each pair w and -w, by rising degree."""
    inputs = list(uploads)
    for degree in range(1, sum(uploads.values()) + 1):
        shell = [w for w in _of_degree([uploads[i] for i in inputs], degree) if next(filter(None, w)) > 0]
        order = torch.randperm(len(shell), generator=rng).tolist()
        own = [k for k in order if shell[k][0] == degree] if degree > 1 else range(len(shell))
        for k in dict.fromkeys([*own, *order]):
            placed = [0] * n_in
            for i, w in zip(inputs, shell[k], strict=True):
                placed[i] = w
            yield tuple(placed)


def _of_degree(most: Sequence[int], degree: int) -> Iterator[Frequency]:
    """All integer vectors with absolute values of at most `most` that add up to `degree`, large first entries first."""
    if not most:
        if degree == 0:
            yield ()
        return
    for size in range(min(most[0], degree), -1, -1):
        for rest in _of_degree(most[1:], degree - size):
            yield from ((w, *rest) for w in sorted({size, -size}, reverse=True))
