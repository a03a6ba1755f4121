"""What a model costs beside its parameters: circuits and operations of a training step, the rank of its Jacobian."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.utils.flop_counter import flop_registry

from qinn_bench.capacity.torch_calls import TorchCalls, tensors_of
from qinn_bench.contracts import (
    Batch,
    Density,
    DensityModel,
    Generator,
    Model,
    Reconstructor,
    Sampler,
    Scorer,
    density_of,
    given,
    own_parameters,
)
from qinn_bench.quantum.layer import circuit_layers
from qinn_bench.quantum.tally import tallied
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Resources

TOLERANCE = 1e-8
"""Singular values below this share of the largest, of a Jacobian with columns of length one, count as zero: far above
rounding in float64, whose share is about 1e-14."""
OUTPUTS, SPARE = 1024, 1.25
"""The Jacobian has at most this many lines, and no more than needed to see every parameter with some to spare."""
NUMBERS = 8_000_000
"""Entries of the Jacobian at most, which takes a few times 64 MB."""
RANK_FLOPS = 1e10
"""Operations that the rank may cost, from those of a training step; large circuits get fewer rows."""
FEWEST_ROWS = 8


WITHOUT_EFFECT = 1e-9
"""A column of the Jacobian shorter than this share of the longest is rounding: its parameter has no effect."""


class Rank(NamedTuple):
    """The numerical rank of a Jacobian, how many rows it was taken at, and how many parameters have no effect there.

    Example:
        >>> Rank(rank=numerical_rank(torch.diag(torch.tensor([1.0, 1.0, 0.0]))), rows=3, without_effect=1)
        Rank(rank=2, rows=3, without_effect=1)
    """

    rank: int | None
    rows: int
    without_effect: int | None


class StepCost(NamedTuple):
    """One training step: evaluations of circuits, and floating-point operations where they can be counted.

    Example:
        >>> StepCost(circuits=128, flops=None).circuits
        128
    """

    circuits: int
    flops: int | None


def measure(model: Model, rows: Batch, batch: Batch, rng: torch.Generator) -> Resources:
    """The resources of a model in float64 on the CPU: its Jacobian at `rows`, a step on `batch`.

    CPU time and memory are left open.
    """
    step = step_cost(model, batch, rng)
    found = jacobian_rank(model, rows, step, len(batch))
    return Resources(
        circuit_evaluations=step.circuits,
        step_flops=step.flops,
        cpu_to_best_s=None,
        peak_memory_mb=None,
        rank=found.rank,
        rank_rows=found.rows,
        rank_is_bound=found.rank == found.rows * n_outputs(model),
        without_effect=found.without_effect,
        row_shots=row_shots(model, rows[:1], rng),
    )


def step_cost(model: Model, batch: Batch, rng: torch.Generator) -> StepCost:
    """What the losses of a batch and their gradients cost, each player in its turn; the optimiser is not counted.

    Counted are: matrix products and convolutions as `torch.utils.flop_counter` has them; one operation for each number
    that an elementwise function or a sum writes or reads (complex numbers: two, their products six); factorisations
    by their leading term; and both sweeps of the compiled kernel as it states them. The operations of other compiled
    simulators are not known, and the flops are then None. A model without trained parameters takes no steps.
    """
    if not any(p.requires_grad for p in model.parameters()):
        return StepCost(0, 0)
    flops = 0.0

    def see(*call: Any) -> None:
        nonlocal flops
        flops += flops_of(*call)

    with tallied(model) as tally, TorchCalls(see):
        for player in model.players():
            for _ in range(player.updates):
                torch.autograd.grad(player.loss(batch, 0.0, rng), list(player.parameters), allow_unused=True)
    return StepCost(tally.evaluations, None if tally.hidden else round(flops + tally.kernel_flops))


@torch.no_grad()
def row_shots(model: Model, row: Batch, rng: torch.Generator) -> int:
    """The shots of its circuits that a model takes for one row: to draw it, else to say or rebuild what it can.

    Nothing is asked, and 0 returned, where no circuit is sampled.
    """
    if not any(getattr(layer.backend, "shots", 0) for layer in circuit_layers(model).values()):
        return 0
    with tallied(model) as tally:
        if isinstance(model, Sampler):
            model.sample(1, rng, *given(row.condition))
        elif isinstance(model, Density):
            density_of(model, row)
        elif isinstance(model, Scorer):
            model.score(row.rows, *given(row.condition))
        elif isinstance(model, Reconstructor):
            model.reconstruct(row.rows, *given(row.condition))
    return tally.shots


def flops_of(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> float:
    """The floating-point operations of one call of torch, as `step_cost` counts them."""
    packet = func.overloadpacket
    written = tensors_of(result)
    if not written or not args:
        return 0.0
    if packet in flop_registry:
        factor = 4 if written[0].is_complex() else 1
        return factor * float(flop_registry[packet](*args, **kwargs, out_val=result))
    if packet.__name__ in FACTORISATIONS:
        return FACTORISATIONS[packet.__name__](*args)
    if torch.Tag.pointwise in func.tags:
        return sum(_weight(r, packet.__name__) * r.numel() for r in written if _counts(r))
    if packet.__name__ in SUMS and isinstance(args[0], Tensor) and _counts(args[0]):
        return _weight(args[0], "") * args[0].numel()
    return 0.0


def _counts(numbers: Tensor) -> bool:
    return numbers.is_floating_point() or numbers.is_complex()


def _weight(numbers: Tensor, name: str) -> int:
    return (6 if name.startswith("mul") else 2) if numbers.is_complex() else 1


def _cubed(share: float) -> Callable[..., float]:
    """Operations of a factorisation of matrices ``(..., n, n)``: a share of n^3 each."""
    return lambda a, *_: share * a.numel() * a.shape[-1]


FACTORISATIONS: dict[str, Callable[..., float]] = {
    "_linalg_slogdet": _cubed(2 / 3),
    "_linalg_det": _cubed(2 / 3),
    "linalg_lu_factor_ex": _cubed(2 / 3),
    "linalg_cholesky_ex": _cubed(1 / 3),
    "_linalg_eigh": _cubed(9),
    "linalg_inv_ex": _cubed(2),
    "_linalg_solve_ex": lambda a, b, *_: 2 / 3 * a.numel() * a.shape[-1] + 2 * b.numel() * a.shape[-1],
    "linalg_lu_solve": lambda a, _, b, *__: 2 * b.numel() * a.shape[-1],
    "linalg_solve_triangular": lambda a, b, *_: b.numel() * a.shape[-1],
}
"""Leading terms of Golub and Van Loan, Matrix Computations; eigenvalues without their vectors cost less than stated."""
SUMS = frozenset({"sum", "mean", "cumsum", "cumprod", "prod", "logsumexp", "_softmax", "_log_softmax", "amax", "amin"})


def jacobian_rank(model: Model, rows: Batch, step: StepCost, batch: int) -> Rank:
    """The numerical rank of d(outputs) / d(parameters) at some rows, and the parameters without effect.

    The outputs are latents and log-det of a map, else the score, else the reconstruction, and of a generator the rows
    that it makes of as many draws of its noise, the same for all. The rows are as many as
    `OUTPUTS`, `SPARE`, `NUMBERS` and, from the cost of a training step on `batch` rows, `RANK_FLOPS` allow. The rank is
    a lower bound of that at more rows: it cannot exceed ``rows * n_outputs(model)``. None where the model has no such
    outputs or trains nothing, where the operations of its simulator are not known, and where a derivative is not finite
    or cannot be taken row by row.
    """
    parameters = {name: p.detach() for name, p in own_parameters(model).items()}
    outputs = n_outputs(model)
    if not parameters or step.flops is None or not outputs:
        return Rank(None, 0, None)
    n_parameters = sum(p.numel() for p in parameters.values())
    affordable = RANK_FLOPS * batch / max(step.flops, 1)
    lines = min(OUTPUTS, SPARE * n_parameters + outputs - 1, NUMBERS / n_parameters, affordable)
    n = min(len(rows), max(FEWEST_ROWS, int(lines / outputs)))
    given_rows = rows[:n]
    if isinstance(model, Generator):
        given_rows = replace(given_rows, rows=model.noise(n, torch_rng("rank", n)).to(rows.rows))
    try:
        jacobian = row_gradients(model, parameters, given_rows)
    except RuntimeError:
        return Rank(None, 0, None)
    if not torch.isfinite(jacobian).all():
        return Rank(None, 0, None)
    lengths = jacobian.norm(dim=0)
    without = lengths < WITHOUT_EFFECT * lengths.max()
    return Rank(numerical_rank(jacobian[:, ~without]), n, int(without.sum()))


def n_outputs(model: Model) -> int:
    """How many numbers of a row the rank is taken of: latents and log-det, a score, or a row that comes back or is
    made; 0 if none.

    Example:
        >>> from qinn_bench.contracts import Sampler
        >>> class Noise(Sampler):
        ...     def sample(self, n, rng, condition=None):
        ...         return torch.randn(n, *self.shape, generator=rng)
        >>> n_outputs(Noise(3))
        0
    """
    if isinstance(model, DensityModel):
        return model.dim + 1
    return 1 if isinstance(model, Scorer) else model.dim if isinstance(model, Reconstructor | Generator) else 0


class _Outputs(nn.Module):
    """A model as the map from rows, or from noise, to the numbers that the rank is taken of, ``-> (n, n_outputs)``."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: Tensor, *condition: Tensor) -> Tensor:
        model = self.model
        if isinstance(model, DensityModel):
            z, logdet = model(rows, *condition)
            return torch.cat((z, logdet[:, None]), 1)
        if isinstance(model, Scorer):
            scores: Tensor = model.score(rows, *condition)
            return scores[:, None]
        if isinstance(model, Generator):
            return model.generate(rows, *condition).flatten(1)
        assert isinstance(model, Reconstructor)
        rebuilt: Tensor = model.reconstruct(rows, *condition)
        return rebuilt.flatten(1)


def row_gradients(model: Model, parameters: dict[str, Tensor], batch: Batch) -> Tensor:
    """d(output_i) / d(parameters) at each of n rows, ``(n * n_outputs, n_parameters)``, the outputs one by one."""

    rows, condition = batch.rows, batch.condition
    asked, named = _Outputs(model), {f"model.{name}": value for name, value in parameters.items()}

    def output(values: dict[str, Tensor], row: Tensor, of: Tensor | None, which: Tensor) -> Tensor:
        outputs: Tensor = functional_call(asked, values, (row[None], *given(None if of is None else of[None])))
        return (outputs[0] * which).sum()

    components = torch.eye(n_outputs(model), dtype=rows.dtype)
    parts = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        for which in components:
            of = None if condition is None else 0
            gradients = vmap(grad(output), (None, 0, of, None))(named, rows, condition, which)
            parts.append(torch.cat([part.reshape(len(rows), prod(part.shape[1:])) for part in gradients.values()], 1))
    return torch.cat(parts)


def numerical_rank(matrix: Tensor) -> int:
    """How many singular values, after every column has got length one, exceed `TOLERANCE` times the largest."""
    lengths = matrix.norm(dim=0)
    scaled = matrix[:, lengths > 0] / lengths[lengths > 0]
    if scaled.shape[1] > scaled.shape[0]:
        scaled = torch.linalg.qr(scaled.T, mode="r")[1]
    values = torch.linalg.svdvals(scaled)
    return int((values > TOLERANCE * values.max()).sum()) if len(values) else 0
