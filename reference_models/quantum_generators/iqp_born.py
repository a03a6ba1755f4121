"""IQP Born machines: commuting gates between two layers of H, trained by the MMD over words of Z without a state.

A step costs words x samples x gates at most, so that 1000 wires are trained; what can be drawn here, and has a
likelihood, is a circuit of 24 wires at most.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.about import About, KnobSpan
from qinn_bench.values import Refused
from reference_models._parts.bit_machine import (
    LARGEST,
    BitMachine,
    GateChoice,
    TabledBits,
    tabled_if_few,
    walsh_hadamard,
)
from reference_models._parts.cells import Cells
from reference_models._parts.word_mmd import WordMMD, square_of_sampled
from reference_models._parts.z_words import even_bits

ABOUT = About(
    citation="Recio-Armengol, Ahmed, Bowles, Train on classical, deploy on quantum: scaling generative quantum machine "
    "learning to a thousand qubits, arXiv:2503.02934; IQPopt, arXiv:2501.04776",
    published={"sizes at 16 bits": "14892 gates on 8 blobs, 2516 on a 2D Ising model"},
    deviations=(
        "a step takes the rows of its batch instead of all training rows",
        "with a flip of all bits, samples with an odd number of ones are not drawn instead of being weighted by 0, and "
        "words of odd weight have the mean 0 that theirs are on average; gates on one wire start at 0",
        "the bandwidths are those of mean weights 2 and 6 of a word unless it is told otherwise",
        "fewer gates may be asked for, of which the heaviest are a choice",
        "a step takes 1024 words and samples instead of 1000",
        "a millionth of the probability is spread evenly over all cells, so that no row is impossible",
        "no shared angles, no ending before the budget does",
        "conditions are not taken",
    ),
    knobs={
        "gates": (
            *range(2, 17),
            *(18, 20, 22, 25, 28, 32, 36, 40, 45, 50, 56, 64, 72, 80, 90, 100, 112, 128, 144, 160, 180, 200, 225, 256),
            *(288, 320, 360, 400, 450, 512, 576, 640, 720, 800, 900, 1024, 1152, 1280, 1440, 1600, 1800, 2048, 2560),
            *(2880, 3200, 3600, 4096, 4608, 5120, 5760, 6400, 7200, 8192, 9216, 10_000),
        ),
        "order": (1, 2, 3, 4, 5, 6),
    },
    depth="order",
    tiny={"draws": 4},
    tune={"start": KnobSpan(low=1e-4, high=1.0), "noise": KnobSpan(low=1e-4, high=0.1), "spin_flip": (False, True)},
)


class IqpMachine(BitMachine):
    """An IQP circuit: means of words of Z are estimated from samples of bits, whatever the number of wires.

    Example:
        >>> model = build(100, draws=6)
        >>> words = torch.eye(100, dtype=torch.uint8)[:2]
        >>> model.word_means(words, torch.Generator().manual_seed(0))[0].tolist()  # All angles are zero.
        [1.0, 1.0]
    """

    is_quantum = True

    def word_means(self, words: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """From as many samples as the loss takes, the same for all words."""
        n = self.of_loss.samples
        samples = even_bits(self.wires, n, rng, even=self.flip)
        cosines = self.gates.phases(self.angles, words, samples, n).cos()
        return cosines.mean(1), square_of_sampled(cosines)


class LargeIqp(IqpMachine):
    """An IQP circuit that can be trained, and run on a quantum computer, but neither sampled here nor given a density.

    Example:
        >>> build(100).sample(1, torch.Generator())
        Traceback (most recent call last):
        ...
        qinn_bench.nouns.base.Refused: rows of 100 wires were to be drawn; iqp_born draws from 24 wires at most
    """

    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """There are none.

        Raises:
            Refused: always.
        """
        wires = self.cells.n_bits
        raise Refused(f"rows of {wires} wires were to be drawn; iqp_born draws from {LARGEST} wires at most")


class IqpBorn(IqpMachine, TabledBits):
    """An IQP circuit of few wires, whose state is known: two transforms of Walsh and Hadamard, one of them of phases.

    Example:
        >>> model = build(2, bits=2)
        >>> model.log_prob(torch.zeros(1, 2)).shape, model.sample(5, torch.Generator().manual_seed(0)).shape
        (torch.Size([1]), torch.Size([5, 2]))
    """

    def exact(self) -> Tensor:
        """|<x|psi>|^2 of every x."""
        phases = walsh_hadamard(self.spread(self.angles))
        start = (1 - self.parity().double()) * 2**0.5 if self.flip else torch.ones_like(phases)
        state = walsh_hadamard(torch.polar(start, phases)) / len(phases)
        chances = state.real.square() + state.imag.square()
        return chances.reshape(2**self.n_bits, -1).sum(1)


def build(
    dim: int,
    *,
    bits: int = 1,
    order: int = 2,
    gates: int = 10_000,
    every: bool = False,
    ancillas: int = 0,
    draws: int = 10,
    light: float = 2.0,
    heavy: float = 6.0,
    spin_flip: bool = False,
    start: float = 0.01,
    noise: float = 1e-4,
    squash: str = "normal",
    gray: bool = True,
) -> IqpMachine:
    """A circuit of ``dim * bits`` wires with a gate on every 1 to `order` wires, or the lightest `gates` of these
    unless `every` one is asked for.

    A step takes 2^draws words and as many samples, at two bandwidths, those of mean weights `light` and `heavy` of a
    word. A feature has 2^bits cells of equal width after `squash`, numbered by a `gray` code or in binary. With
    `spin_flip` all bits are flipped half of the time. So many `ancillas` are wires that gates are on and nothing is
    read of. Angles start as `data_start` has them, with covariances on the scale `start`, and `noise`.

    Raises:
        Refused: no gates or too many of them, ancillas beside a flip of all bits, or what `Cells` or `WordMMD` refuse.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> [count_parameters(build(16, order=order)).quantum for order in (2, 4)], type(build(25)).__name__
        ([136, 2516], 'LargeIqp')
    """
    if ancillas < 0 or (ancillas and spin_flip):
        raise Refused(
            f"iqp_born was given ancillas={ancillas}, spin_flip={spin_flip}; 0 ancillas or more are expected, and none "
            "where all bits are flipped"
        )
    cells, of_loss = Cells(dim, bits, squash, gray), WordMMD(2**draws, 2**draws, light, heavy)
    choice = GateChoice(order, gates, every)
    return tabled_if_few(
        IqpBorn, LargeIqp, cells, choice, of_loss, flip=spin_flip, start=start, noise=noise, ancillas=ancillas
    )
