"""The classical twin of IQP Born machines: each gate flips its bits by chance, so that nothing interferes."""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import Sampler
from reference_models._parts.bit_cells import places_of_bits
from reference_models._parts.bit_machine import BitMachine, GateChoice, TabledBits, tabled_if_few, walsh_hadamard
from reference_models._parts.cells import Cells
from reference_models._parts.word_mmd import WordMMD
from reference_models.quantum_generators.iqp_born import ABOUT as OF_CIRCUIT

ABOUT = About(
    citation="Recio-Armengol, Ahmed, Bowles, arXiv:2503.02934: the bit-flip model, the control of `iqp_born`",
    published={"sizes at 16 bits": "2516 gates on 8 blobs, 14892 on a 2D Ising model"},
    deviations=(
        "a step takes the rows of its batch instead of all training rows",
        "the bandwidths are those of mean weights 2 and 6 of a word unless it is told otherwise",
        "fewer gates may be asked for, of which the heaviest are a choice",
        "a step takes 1024 words instead of 1000",
        "a millionth of the probability is spread evenly over all cells, so that no row is impossible",
        "gates on one wire start at 0 where all bits are flipped half of the time",
    ),
    knobs=OF_CIRCUIT.knobs,
    depth="order",
    tiny={"draws": 4},
    tune={"start": KnobSpan(low=1e-4, high=1.0), "noise": KnobSpan(low=1e-4, high=0.1), "spin_flip": (False, True)},
)
TINY = 1e-24
"""Added to squared cosines, whose logarithms are taken."""
NUMBERS = 2**24
"""How many chances are drawn at once."""


class BitflipMachine(BitMachine):
    """Bits that begin as zeros; gate j flips all bits on its wires with the chance sin^2 angle_j, on its own.

    The mean of a word of Z is the product of cos 2 angle_j over the gates that share an odd number of wires with it.

    Example:
        >>> model = build(2)
        >>> _ = model.angles.data.copy_(torch.tensor([0.1, 0.2, 0.3]))  # On wires 0, 1, and both.
        >>> words = torch.tensor([[1, 0]], dtype=torch.uint8)
        >>> found = model.word_means(words, torch.Generator())[0] - torch.tensor(0.2).cos() * torch.tensor(0.6).cos()
        >>> bool(found.abs() < 1e-6)
        True
    """

    def word_means(self, words: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Exact, and so are their squares."""
        factors = (2 * self.angles).cos()
        nothing = torch.zeros(self.cells.n_bits, 1, dtype=torch.int64)
        # Of a sample without ones a phase is twice the sum over the gates of the word.
        logs = self.gates.phases(0.25 * (factors.square() + TINY).log(), words, nothing, 1)[:, 0]
        with torch.no_grad():
            below = self.gates.phases(0.5 * (factors < 0).to(factors), words, nothing, 1)[:, 0].round()
        mean = (1 - 2 * (below % 2)) * logs.exp()
        return mean, mean.square()


class LargeBitflip(BitflipMachine, Sampler):
    """As many bits as wanted: rows are drawn by flipping them.

    Example:
        >>> build(100).sample(3, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 100])
    """

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` rows, some at a time."""
        chances, on = self.angles.double().sin().square().cpu(), self.gates.incidence(0, len(self.angles))
        at_once = max(1, NUMBERS // len(chances))
        rows = [self._flipped(min(at_once, n - first), chances, on, rng) for first in range(0, n, at_once)]
        bits = torch.cat(rows) if rows else torch.zeros(0, self.cells.n_bits)
        return self.cells.drawn_in(places_of_bits(self.cells, bits), rng).to(self.angles)

    def _flipped(self, n: int, chances: Tensor, on: Tensor, rng: torch.Generator) -> Tensor:
        flips = torch.rand(n, len(chances), generator=rng) < chances
        bits = (flips.float() @ on) % 2
        return (bits + (torch.rand(n, 1, generator=rng) < 0.5).float()) % 2 if self.flip else bits


class BitflipTwin(BitflipMachine, TabledBits):
    """Few bits, whose probabilities are known: the transform of the means of all words.

    Example:
        >>> model = build(2, bits=2)
        >>> model.log_prob(torch.zeros(1, 2)).shape, model.sample(5, torch.Generator().manual_seed(0)).shape
        (torch.Size([1]), torch.Size([5, 2]))
    """

    def exact(self) -> Tensor:
        """The chance of every state."""
        factors = (2 * self.angles).cos().double()
        logs, below = 0.5 * (factors.square() + TINY).log(), (factors < 0).double()
        means = (0.5 * (logs.sum() - walsh_hadamard(self.spread(logs)))).exp()
        signs = 1 - 2 * ((0.5 * (below.sum() - walsh_hadamard(self.spread(below)))).round() % 2)
        even = 1 - self.parity() if self.flip else 1
        return walsh_hadamard(means * signs * even) / len(means)


def build(
    dim: int,
    *,
    bits: int = 1,
    order: int = 2,
    gates: int = 10_000,
    every: bool = False,
    draws: int = 10,
    light: float = 2.0,
    heavy: float = 6.0,
    spin_flip: bool = False,
    start: float = 0.01,
    noise: float = 1e-4,
    squash: str = "normal",
    gray: bool = True,
) -> BitflipMachine:
    """Flips on every 1 to `order` of ``dim * bits`` bits, or the lightest `gates` of these; knobs as of `iqp_born`.

    Raises:
        Refused: no gates or too many of them, or what `Cells` or `WordMMD` refuse.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> count_parameters(build(16, order=4)).total, type(build(25)).__name__
        (2516, 'LargeBitflip')
    """
    cells, of_loss = Cells(dim, bits, squash, gray), WordMMD(2**draws, 2, light, heavy)
    choice = GateChoice(order, gates, every)
    return tabled_if_few(BitflipTwin, LargeBitflip, cells, choice, of_loss, flip=spin_flip, start=start, noise=noise)
