"""Whether a model's likelihood may be believed: density mass, round trips, log-determinant, folds and leaks.

A map that is not exactly one-to-one can claim a density that does not integrate to one, and so a negative
log-likelihood below the entropy of the data. Every likelihood therefore carries a certificate that was measured here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from qinn_bench.contracts import DensityModel
from qinn_bench.dataset import Dataset
from qinn_bench.validity.density_mass import LogDensity, Mass, estimate_mass, fit_proposal, grid_mass, sharpen
from qinn_bench.validity.mass_verdict import (
    Finding,
    is_known,
    is_near,
    judge_grid,
    judge_mass,
    judge_visited,
    stands,
)
from qinn_bench.validity.stored_digits import TIED, most_tied, moved_test_rows
from qinn_bench.validity.visited_rows import Visited, some, visit
from qinn_bench.values import Array, Certificate, Estimate

TOLERANCE = 0.03
"""How far from 1 the mass may be: the NLL is then off by at most 0.03 nats, below the seed-to-seed spread."""
LOGDET_TOLERANCE = 1e-6
"""Relative to 1 + |log-det|: far above what rounding does in float64, far below anything a formula may get wrong."""
DISPLACED = 0.01
"""A round trip that misses by more than this, in feature units of order one, is visible in a fine histogram."""
FOLDED = 0.01
"""Share of rows with the minority sign of det J: folded regions are claimed twice, so 1 % is already 1 % of mass."""
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
    What a certificate that passed guarantees is said in `visited_rows`.
    """
    train = data.transform.forward(data.train)[0]
    leak = 1 - float(data.support(generated).mean()) if len(generated) else None

    def log_density(rows: Array) -> Array:
        with torch.no_grad():
            return model.log_prob(torch.from_numpy(rows)).numpy()

    mass, visited, digits = _measure_mass(log_density, data, generated, rng, max_draws)
    grid = grid_mass(log_density, train, min(GRID_POINTS, max_draws)) if data.dim <= 2 else None
    findings = [*judge_mass(mass, tolerance), *judge_grid(grid, mass, tolerance), *judge_visited(visited, mass)]
    figures: dict[str, float | None] = {}
    if isinstance(model, DensityModel):
        test = data.transform.forward(data.test[:ROUND_TRIP_ROWS])[0]
        for check in (_round_trips(model, test, rng, tolerance), _jacobian(model, train, mass.rows, rng)):
            figures |= check[0]
            findings += check[1]
    tied, column = most_tied(data)
    if tied >= TIED:
        findings.append(Finding("pass", f"{tied:.0%} of the values of '{column}' come more than once"))
    stated = is_normalised(model)
    # A map without a fault in its round trips and its Jacobian needs no measurement of its mass, only none against it.
    excused = stated and stands(mass, visited, tolerance)
    verdicts = {finding.verdict for finding in findings if not (finding.unmeasured and excused)}
    return Certificate(
        verdict="fail" if "fail" in verdicts else "undecided" if "undecided" in verdicts else "pass",
        reasons=tuple(finding.reason for finding in findings),
        mass=_estimate(mass.value, mass.error, mass.draws),
        interval=mass.interval,
        effective_share=mass.effective_share,
        draws=mass.draws,
        grid_mass=grid,
        bridge_mass=_estimate(*visited.bridge) if visited.bridge else None,
        own_above=visited.own_above,
        train_above=visited.train_above,
        excess=visited.excess,
        by_construction=stated and (excused or is_near(mass)),
        mass_known=is_known(mass, visited),
        stored_digits=digits,
        ties=tied,
        support_leak=leak,
        **figures,
    )


def _estimate(value: float, error: float, n: int) -> Estimate:
    return Estimate(value=value, error=error, n=n, better="one")


def is_normalised(model: object) -> bool:
    """Whether a model says that its density integrates to 1 by construction, as that of a one-to-one map does."""
    return bool(getattr(model, "normalised", getattr(model, "one_to_one", False)))


def _measure_mass(
    log_density: LogDensity, data: Dataset, generated: Array, rng: np.random.Generator, max_draws: int
) -> tuple[Mass, Visited, float | None]:
    """The mass, what is claimed where rows lie, and the nats that test rows owe to their last stored digits.

    Half of the own rows are for the proposal, the others for the bridge.
    """
    own, far = _own_features(data, generated)
    fitted, bridged = own[::2], some(own[1::2], max_draws)
    peaks = fitted[: int(PEAK_DRAWS * max_draws)]
    stored, moved = (data.transform.forward(rows) for rows in _test_rows(data, max_draws))
    train, test = (data.transform.forward(part)[0] for part in (data.train, data.test))
    trained = some(train, max_draws)
    spent = len(peaks) + len(bridged) + len(trained) + len(stored[0]) + len(moved[0])
    proposal = fit_proposal(np.concatenate([train, test]), fitted, rng)
    if len(peaks):
        proposal = sharpen(proposal, log_density, peaks, rng)
    mass = estimate_mass(log_density, proposal, rng, max_draws - spent)
    left_out = far * len(bridged) // len(own) if len(own) else far
    visited = visit(log_density, mass, bridged, left_out, trained, moved[0])
    digits = _gain(log_density, stored, moved) if len(stored[0]) else None
    return replace(mass, draws=mass.draws + spent), visited, digits


def _own_features(data: Dataset, generated: Array) -> tuple[Array, int]:
    """The features of generated rows, and how many rows lie so far out that they have none to be looked at."""
    with np.errstate(all="ignore"):
        own = data.transform.forward(_finite(generated))[0]
        near = (np.abs(own) <= FARTHEST).all(1)
    return own[near], int(len(own) - near.sum())


def _test_rows(data: Dataset, max_draws: int) -> tuple[Array, Array]:
    """Test rows as they are stored, and moved within their last digits, as many as may be looked at."""
    return some(data.test, max_draws), some(moved_test_rows(data), max_draws)


def _gain(log_density: LogDensity, stored: tuple[Array, Array], moved: tuple[Array, Array]) -> float | None:
    """By how much the mean log-density of rows, features and log-Jacobian each, is higher as they are stored."""
    with np.errstate(invalid="ignore"):
        here, there = (np.mean(log_density(features) + jacobian) for features, jacobian in (stored, moved))
        return float(here - there) if np.isfinite(here - there) else None


def _finite(rows: Array) -> Array:
    return rows[np.isfinite(rows).all(1)]


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
