"""Whether a model's likelihood may be believed: density mass, round trips, log-determinant, folds and leaks.

A map that is not exactly one-to-one can claim a density that does not integrate to one, and so a negative
log-likelihood below the entropy of the data. Every likelihood therefore carries a certificate that was measured here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from qinn_bench.contracts import DensityModel
from qinn_bench.dataset import Dataset
from qinn_bench.validity.density_mass import LogDensity, Mass, estimate_mass, fit_proposal, grid_mass, sharpen
from qinn_bench.values import Array, Certificate, Estimate, Verdict

TOLERANCE = 0.03
"""How far from 1 the mass may be: the NLL is then off by at most 0.03 nats, below the seed-to-seed spread."""
LOGDET_TOLERANCE = 1e-6
"""Relative to 1 + |log-det|: far above what rounding does in float64, far below anything a formula may get wrong."""
DISPLACED = 0.01
"""A round trip that misses by more than this, in feature units of order one, is visible in a fine histogram."""
FOLDED = 0.01
"""Share of rows with the minority sign of det J: folded regions are claimed twice, so 1 % is already 1 % of mass."""
HEAVIEST_TAIL = 0.7
"""Pareto shape of the weights above which importance sampling is unreliable at any sample size (arXiv:1507.02646)."""
LEAST_EFFECTIVE = 400
"""Effective draws below which one draw may carry more than 1/20 of the mass, so that no error can be trusted."""
UNDEFINED = 0.001
"""Share of draws without a value that may be taken as zero: a tenth of the accuracy asked of the mass."""
PEAK_DRAWS = 0.05
"""Share of the allowed evaluations that looks for peaks at the model's own rows."""
ROUND_TRIP_ROWS, JACOBIAN_ROWS = 512, 256
JACOBIAN_PASSES = 4096
"""Rows times features: backward passes that the comparison with autodiff may cost for each group of rows."""
LARGEST_JACOBIAN = 512
GRID_POINTS = 40_000
FARTHEST = 1e4
"""Rows of the model beyond this, in feature units of order one, are left out of the proposal: beside them a covariance
of order one is rounding."""
FEW = 8
"""Rows per batch of a Jacobian are at least this many, whatever their dimension."""


class ClaimedDensity(Protocol):
    """What is audited: anything that claims a log-density of features; a `DensityModel` is audited in full."""

    def log_prob(self, x: Tensor) -> Tensor:
        """``(n, dim) -> (n,)`` in nats."""


@dataclass(frozen=True)
class Finding:
    """One thing that speaks against a pass.

    Example:
        >>> Finding("fail", "the density integrates to 12.3").verdict
        'fail'
    """

    verdict: Verdict
    reason: str


def certify(
    model: ClaimedDensity,
    data: Dataset,
    generated: Array,
    rng: np.random.Generator,
    max_draws: int,
    tolerance: float = TOLERANCE,
) -> Certificate:
    """Audit a trained model that is in float64 on the CPU, in feature space.

    `generated` are rows ``(n, dim)`` of the model in physical space; at most `max_draws` evaluations are spent on the
    mass. A model that only claims a density, such as an oracle, has no round trips and no Jacobian: these are None.
    """
    train = data.transform.forward(data.train)[0]
    leak = 1 - float(data.support(generated).mean()) if len(generated) else None
    with np.errstate(all="ignore"):
        own = _finite(data.transform.forward(_finite(generated))[0])
    own = own[(np.abs(own) <= FARTHEST).all(1)]

    def log_density(rows: Array) -> Array:
        with torch.no_grad():
            return model.log_prob(torch.from_numpy(rows)).numpy()

    mass = _measure_mass(log_density, train, own, rng, max_draws)
    grid = grid_mass(log_density, train, min(GRID_POINTS, max_draws)) if data.dim <= 2 else None
    findings = [*judge_mass(mass, tolerance), *_judge_grid(grid, mass, tolerance)]
    figures: dict[str, float | None] = {}
    if isinstance(model, DensityModel):
        test = data.transform.forward(data.test[:ROUND_TRIP_ROWS])[0]
        for check in (_round_trips(model, test, rng, tolerance), _jacobian(model, train, mass.rows, rng)):
            figures |= check[0]
            findings += check[1]
    verdicts = {finding.verdict for finding in findings}
    return Certificate(
        verdict="fail" if "fail" in verdicts else "undecided" if "undecided" in verdicts else "pass",
        reasons=tuple(finding.reason for finding in findings),
        mass=Estimate(value=mass.value, error=mass.error, n=mass.draws, better="one"),
        interval=mass.interval,
        effective_share=mass.effective_share,
        draws=mass.draws,
        grid_mass=grid,
        support_leak=leak,
        **figures,
    )


def _measure_mass(log_density: LogDensity, train: Array, own: Array, rng: np.random.Generator, max_draws: int) -> Mass:
    peaks = own[: int(PEAK_DRAWS * max_draws)]
    proposal = fit_proposal(train, own, rng)
    if len(peaks):
        proposal = sharpen(proposal, log_density, peaks, rng)
    mass = estimate_mass(log_density, proposal, rng, max_draws - len(peaks))
    return replace(mass, draws=mass.draws + len(peaks))


def _finite(rows: Array) -> Array:
    return rows[np.isfinite(rows).all(1)]


def judge_mass(mass: Mass, tolerance: float) -> list[Finding]:
    """What the mass alone says against a model; empty when it is 1 within the tolerance.

    A heavy tail of weights hides mass and never invents it, so a lower bound far above 1 convicts in any case.
    """
    low, high = mass.interval
    span = f"[{_figure(low)}, {_figure(high)}]"
    if mass.at_least > 1 + tolerance:
        return [Finding("fail", f"the density integrates to {span}, at least {_figure(mass.at_least)}, instead of 1")]
    doubts = [
        (mass.undefined > UNDEFINED, f"the density is no number at {mass.undefined:.1%} of the draws"),
        (mass.tail_index > HEAVIEST_TAIL, f"the weights are too heavy-tailed (Pareto k = {mass.tail_index:.2f})"),
        (mass.effective < LEAST_EFFECTIVE, f"the mass rests on {mass.effective:.0f} effective draws"),
    ]
    if found := [Finding("undecided", text) for doubt, text in doubts if doubt]:
        return found
    if high < 1 - tolerance or low > 1 + tolerance:
        return [Finding("fail", f"the density integrates to {span} instead of 1")]
    if low < 1 - tolerance or high > 1 + tolerance:
        return [Finding("undecided", f"the mass interval {span} is not within {tolerance:g} of 1")]
    return []


def _figure(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1e6 else f"{value:.3g}"


def _judge_grid(grid: Estimate | None, mass: Mass, tolerance: float) -> list[Finding]:
    """The grid sees only a box, so it may find less than the draws do; finding more means that they missed some."""
    if grid is None or grid.value is None or grid.value - (grid.error or 0.0) <= mass.interval[1] + tolerance:
        return []
    return [Finding("undecided", f"the grid finds a mass of {_figure(grid.value)}, the draws {_figure(mass.value)}")]


Check = tuple[dict[str, float | None], list[Finding]]


@torch.no_grad()
def _round_trips(model: DensityModel, test: Array, rng: np.random.Generator, tolerance: float) -> Check:
    """x -> z -> x on test rows and z -> x -> z on latent draws."""
    latents = torch.from_numpy(rng.standard_normal((ROUND_TRIP_ROWS, test.shape[1])))
    x = torch.from_numpy(test)
    pre_images = model.inverse(latents)
    data_rms, data_off = _displacement(x, model.inverse(model.forward(x)[0]))
    latent_rms, latent_off = _displacement(latents, model.forward(pre_images)[0])
    failures = 1 - float(torch.isfinite(pre_images).all(1).double().mean())
    moved = latent_off - failures
    judged = [
        (data_off, f"x -> z -> x misses by more than {DISPLACED:g} on {data_off:.1%} of the test rows"),
        (moved, f"z -> x -> z misses by more than {DISPLACED:g} on {moved:.1%} of the latents"),
        (failures, f"{failures:.1%} of the latents have no pre-image"),
    ]
    figures = {"round_trip_data": data_rms, "round_trip_latent": latent_rms, "inversion_failures": failures}
    return figures, [Finding("fail", text) for share, text in judged if share > tolerance]


def _displacement(start: Tensor, end: Tensor) -> tuple[float | None, float]:
    """The RMS of ``end - start`` per feature over the rows that came back, and the share that missed or did not."""
    miss = (end - start).abs().amax(1)
    back = torch.isfinite(miss)
    rms = _root_mean_square((end - start)[back]) if back.any() else None
    return rms, 1 - float((miss <= DISPLACED).double().mean())


def _root_mean_square(values: Tensor) -> float:
    """Also where squares are too large or too small for a number; multiplying by a power of two is exact."""
    unit = torch.ldexp(torch.ones((), dtype=values.dtype), torch.frexp(values.abs().max()).exponent.clamp(-1000, 1000))
    return float((values / unit).square().mean().sqrt() * unit)


def _jacobian(model: DensityModel, train: Array, claimed: Array, rng: np.random.Generator) -> Check:
    """The claimed log-det against autodiff, and the sign of det J, on training rows and on draws of the density."""
    dim = train.shape[1]
    figures: dict[str, float | None] = {"logdet_error": None, "sign_changes": None}
    if dim > LARGEST_JACOBIAN:
        return figures, [Finding("pass", f"the log-det was not compared: {dim} features are too many for autodiff")]
    n = int(np.clip(JACOBIAN_PASSES // dim, FEW, JACOBIAN_ROWS))
    rows = torch.from_numpy(np.concatenate([train[rng.permutation(len(train))[:n]], claimed[:n]]))
    try:
        parts = [autodiff(model.forward, part) for part in torch.split(rows, 64)]
    except RuntimeError as error:
        return figures, [Finding("pass", f"the log-det was not compared: {str(error).splitlines()[0]}")]
    logdet, sign, found = (torch.cat(column) for column in zip(*parts, strict=True))
    difference = ((logdet - found) / (1 + found.abs())).abs().nan_to_num(torch.inf)
    worst = float(torch.where(logdet == found, 0.0, difference).max())
    minority = float(torch.minimum((sign < 0).double().mean(), (sign > 0).double().mean()))
    figures = {"logdet_error": worst if np.isfinite(worst) else None, "sign_changes": minority}
    judged = [
        (worst > LOGDET_TOLERANCE, f"the claimed log-det differs from autodiff by {worst:.1e}"),
        (minority > FOLDED, f"det J has the minority sign on {minority:.1%} of the rows"),
    ]
    return figures, [Finding("fail", text) for bad, text in judged if bad]


def autodiff(forward: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Claimed log-det, and sign and log |det| of dz/dx by one backward pass per feature, each ``(n,)``.

    Rows are treated independently by contract, so that the gradient of a sum over rows holds every row's own.
    """
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_(True)
        z, logdet = forward(x)
        columns = [torch.autograd.grad(z[:, i].sum(), x, retain_graph=True)[0] for i in range(z.shape[1])]
    sign, found = torch.linalg.slogdet(torch.stack(columns, 1))
    return logdet.detach(), sign, found
