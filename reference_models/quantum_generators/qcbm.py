"""A circuit Born machine: a row's cell is a bit string, which is an outcome of a circuit, trained by MMD or likelihood.

Its likelihood is exact, with the volumes of the cells, and so are draws. `reversible_circuit` is the same density with
other gates, which is only trained on its likelihood.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from qinn_bench.about import About, KnobSpan
from qinn_bench.contracts import Batch
from qinn_bench.values import Refused
from reference_models._parts.born_circuits import apart, layered_circuit, start_at
from reference_models._parts.cells import Cells
from reference_models.quantum_generators.reversible_circuit import BornMachine

ABOUT = About(
    citation="Liu, Wang, Differentiable learning of quantum circuit Born machines, arXiv:1804.04168; Benedetti et al., "
    "A generative modeling approach for benchmarking and training shallow quantum circuits, arXiv:1801.07686; for "
    "events of colliders, with conditions: Kiss, Grossi, Kajomovitz, Vallecorsa, arXiv:2205.07674",
    published={
        "parameters": "(3 L + 1) n of L layers of RZ-RX-RZ on n qubits",
        "claim": "a conditional Born machine reproduces marginals and correlations of muonic force carriers",
    },
    deviations=(
        "the discrepancy is taken of exact probabilities, instead of strings drawn from the circuit",
        "the widths of its kernels are a choice: they follow from the mean squared distance of two even draws",
        "CNOTs are on a ring, a chain or all pairs, instead of on a tree of mutual information",
        "it starts near equally probable outcomes, instead of at uniform angles (`start=uniform`)",
        "a millionth of the probability is spread evenly over all cells, so that no row is impossible",
        "conditions turn each wire before every layer, in a way that is a choice",
    ),
    knobs={"layers": (*range(1, 17), 18, 20, 22, 24, 28, 32, 36, 40, 48, 56, 64)},
    depth="layers",
    tiny={"bits": 1, "layers": 2},
    tune={
        "bits": (2, 3, 4),
        "ansatz": ("rx-rz-rx", "rz-rx-rz", "ry-rz", "ry-cz"),
        "graph": ("ring", "chain", "all"),
        "training": ("values", "bits", "nll"),
        "width": KnobSpan(low=0.3, high=3.0),
        "gray": (False, True),
    },
)
TRAININGS = ("values", "bits", "nll")
WIDTHS = (0.125, 0.5, 2.0)
"""The squared widths of the kernels, in mean squared distances of two even draws."""


@lru_cache(maxsize=16)
def bit_factors(bits: int, width: float) -> list[list[Tensor]]:
    """Gaussian kernels of the Hamming distance of strings, each as the factors of its bits.

    Example:
        >>> [round(float(kernel[0][0, 1]), 3) for kernel in bit_factors(4, 1.0)]
        [0.135, 0.607, 0.882]
    """
    distance = 1 - torch.eye(2, dtype=torch.float64)
    return [[torch.exp(-distance / (width**2 * share * bits))] * bits for share in WIDTHS]


@lru_cache(maxsize=16)
def value_factors(cells: Cells, width: float) -> list[list[Tensor]]:
    """Gaussian kernels of the features in the middle of cells, each as the factors of its features.

    Example:
        >>> [tuple(kernel[0].shape) for kernel in value_factors(Cells(2, bits=3), 1.0)]
        [(8, 8), (8, 8), (8, 8)]
    """
    one = Cells(1, cells.bits, cells.squash, cells.gray)
    values = one.centres(one.places_of(torch.arange(one.each)))
    distance = (values - values.T).square()
    scale = width**2 * float(distance.mean()) * cells.dim
    return [[torch.exp(-distance / (2 * share * scale))] * cells.dim for share in WIDTHS]


class MmdBornMachine(BornMachine):
    """The density of a circuit's outcomes, with the maximum mean discrepancy from rows as a loss.

    Example:
        >>> model = build(2, bits=2, layers=1, backend="torch")
        >>> model.log_prob(torch.zeros(1, 2)).shape, model.sample(5, torch.Generator().manual_seed(0)).shape
        (torch.Size([1]), torch.Size([5, 2]))
    """

    by, width = "nll", 1.0

    def kernels(self) -> list[list[Tensor]]:
        """Those of the discrepancy of ``values`` or of ``bits``; none where the loss is the likelihood."""
        if self.by == "values":
            return value_factors(self.cells, self.width)
        return bit_factors(self.cells.n_bits, self.width) if self.by == "bits" else []

    def loss(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The squared discrepancy, unbiased in the rows and exact in the circuit, or the mean negative log-likelihood.

        With conditions it is that of the joint distribution, with a Gaussian kernel of the conditions.
        """
        if not (kernels := self.kernels()):
            return super().loss(batch, progress, rng)
        numbers, chances = self.cells.numbers(self.cells.places(batch.rows)), self.probabilities(batch.condition)
        found = [self._squared(numbers, chances, batch.condition, kernel) for kernel in kernels]
        return torch.stack(found).mean()

    def _squared(self, numbers: Tensor, chances: Tensor, condition: Tensor | None, kernel: list[Tensor]) -> Tensor:
        """Of rows with these numbers ``(n,)`` from these probabilities ``(1 or n, N)``."""
        kernel, n = [factor.to(chances) for factor in kernel], len(numbers)
        if condition is None:
            rows = torch.bincount(numbers, minlength=chances.shape[1]).to(chances)[None] / n
            of_rows = (float((rows * apart(rows, kernel)).sum()) * n - 1) / (n - 1)
            smooth = apart(chances, kernel)
            return (chances * smooth).sum() - 2 * (rows * smooth).sum() + of_rows
        beyond = chances.scatter_add(1, numbers[:, None], chances.new_full((n, 1), -1.0))
        pairs = torch.exp(-torch.cdist(condition, condition).square() / (2 * condition.shape[1]))
        pairs = (pairs - torch.diag_embed(pairs.diagonal())) / (n * (n - 1))
        return ((beyond @ apart(beyond, kernel).T) * pairs).sum()


def build(
    dim: int,
    *,
    bits: int = 3,
    layers: int = 6,
    ansatz: str = "rx-rz-rx",
    graph: str = "ring",
    training: str = "values",
    width: float = 1.0,
    start: str = "even",
    squash: str = "normal",
    gray: bool = True,
    condition: int = 0,
    backend: str = "auto",
) -> MmdBornMachine:
    """A circuit of ``dim * bits`` wires with so many layers: a feature has 2^bits cells of equal width after `squash`.

    An `ansatz` of `ANSAETZE` on a `graph` (``ring``, ``chain``, ``all``, ``none``) starts ``even``, ``small`` or
    ``uniform``. The `training` is the discrepancy of ``values`` or of ``bits``, with kernels of three widths, all
    multiplied by `width`, or ``nll``, the exact likelihood.

    Raises:
        Refused: a training that does not exist, a width of 0 or below, or what `Cells`, `layered_circuit` or `start_at`
            refuse.

    Example:
        >>> from qinn_bench.contracts import count_parameters
        >>> count_parameters(build(3, bits=2, layers=4, backend="torch")).quantum  # 3 layers n
        72
    """
    if training not in TRAININGS or width <= 0:
        raise Refused(
            f"qcbm was given training={training}, width={width:g}; one of {', '.join(TRAININGS)} and a width above 0 "
            "are expected"
        )
    cells = Cells(dim, bits, squash, gray)
    circuit = layered_circuit(cells.n_bits, layers, ansatz=ansatz, graph=graph, condition=condition)
    model = MmdBornMachine(cells, circuit, backend)
    start_at(model.circuit, start)
    model.by, model.width = training, width
    return model
