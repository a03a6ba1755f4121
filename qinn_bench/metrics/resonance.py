"""Position and width of the resonance: an unbinned maximum-likelihood fit of a relativistic Breit-Wigner."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.func import grad_and_value, hessian, jacfwd

from qinn_bench.dataset import Evidence, Metric, MetricColumn, Resonance
from qinn_bench.metrics._columns import missing, observables
from qinn_bench.values import Array, Direction, Estimate

GRID = 1001
FEWEST = 100
WIDEST = 0.4
NARROWEST = 0.01
REPLICATES = 100


class Peak(NamedTuple):
    """A fitted peak in the unit of the observable; `why` says why there is none, and is empty if there is one."""

    mass: float = 0.0
    mass_error: float = 0.0
    width: float = 0.0
    width_error: float = 0.0
    n: int = 0
    why: str = ""


def peak(evidence: Evidence) -> dict[str, Estimate]:
    """Mass and width of the generated resonance, and their shifts from the same fit to the true rows.

    The density is a relativistic Breit-Wigner with running width, m / ((m^2 - M^2)^2 + m^4 G^2 / M^2), times a straight
    line, plus a constant, within the window of the resonance. Empty where the data have no resonance.
    """
    resonance = evidence.data.resonance
    if resonance is None:
        return {}
    truth, generated = (fit(side, resonance) for side in observables(evidence)[resonance.observable])
    unit = next((plot.unit for plot in evidence.data.plots if plot.name == resonance.observable), "")
    shift = Peak(
        mass=generated.mass - truth.mass,
        mass_error=float(np.hypot(generated.mass_error, truth.mass_error)),
        width=generated.width - truth.width,
        width_error=float(np.hypot(generated.width_error, truth.width_error)),
        n=min(generated.n, truth.n),
        why=generated.why or (truth.why and f"the true rows: {truth.why}"),
    )
    return _columns(generated, "", unit) | _columns(shift, "_shift", unit)


def _columns(found: Peak, suffix: str, unit: str) -> dict[str, Estimate]:
    names = f"peak_mass{suffix}", f"peak_width{suffix}"
    better: Direction = "zero" if suffix else "none"
    if found.why:
        empty = Estimate(value=None, n=found.n, unit=unit, better=better, note=found.why)
        return dict.fromkeys(names, empty)
    numbers = (found.mass, found.mass_error), (found.width, found.width_error)
    return {
        name: Estimate(value=value, error=error, n=found.n, unit=unit, better=better)
        for name, (value, error) in zip(names, numbers, strict=True)
    }


def fit(values: Array, resonance: Resonance) -> Peak:
    """Fit mass, width, slope and constant share to the values ``(n,)`` inside the window of the resonance.

    Errors are H^-1 S H^-1 with the observed information H and the sum S of squared scores, which holds also where a
    generated peak has another shape than the fitted one (White, Econometrica 50, 1 (1982)).
    """
    span = resonance.high - resonance.low
    inside = values[(values >= resonance.low) & (values <= resonance.high)]
    if len(inside) < FEWEST:
        return Peak(
            n=len(inside), why=f"only {len(inside)} rows in the window of the fit, at least {FEWEST} are needed"
        )
    rows = torch.as_tensor(inside, dtype=torch.float64)
    # A Cauchy distribution has its full width at half maximum between its quartiles.
    lower, middle, upper = np.quantile(inside, [0.25, 0.5, 0.75])
    widest = WIDEST * span / resonance.width
    wide = np.clip((upper - lower) / resonance.width, 2 * NARROWEST, 0.9 * widest)
    start = np.array([(middle - resonance.mass) / resonance.width, wide, 0.0, 0.02])
    ends = np.array([resonance.low, resonance.high]) - resonance.mass
    bounds = [tuple(ends / resonance.width), (NARROWEST, widest), (-0.95, 0.95), (0.0, 0.99)]
    slope = grad_and_value(lambda p: -log_density(p, rows, resonance).mean())
    found = minimize(lambda p: _plain(slope(torch.as_tensor(p))), start, jac=True, method="L-BFGS-B", bounds=bounds)
    if not np.isfinite(found.fun):
        return Peak(n=len(inside), why="the fit of the peak did not converge")
    return _peak(np.asarray(found.x), np.array(bounds), rows, resonance)


def _plain(found: tuple[Tensor, Tensor]) -> tuple[float, Array]:
    gradient, value = found
    return float(value), np.asarray(gradient.numpy())


def log_density(parameters: Tensor, rows: Tensor, resonance: Resonance) -> Tensor:
    """Log-density of the values ``(n,) -> (n,)``, normalised on a grid over the window of the fit.

    `parameters` are ((M - nominal) / nominal width, G / nominal width, slope of the line, share of the constant).
    """
    span = resonance.high - resonance.low
    grid = torch.linspace(resonance.low, resonance.high, GRID, dtype=rows.dtype)
    area = torch.trapezoid(_shape(parameters, grid, resonance), grid)
    share = parameters[3]
    return torch.log((1 - share) * _shape(parameters, rows, resonance) / area + share / span)


def _shape(parameters: Tensor, m: Tensor, resonance: Resonance) -> Tensor:
    """The Breit-Wigner with running width times the line, up to a factor (about 1 at the peak)."""
    mass, width = resonance.mass + resonance.width * parameters[0], resonance.width * parameters[1]
    line = 1 + parameters[2] * (2 * m - resonance.low - resonance.high) / (resonance.high - resonance.low)
    return line * m * mass * width**2 / ((m**2 - mass**2) ** 2 + (m**2 * width / mass) ** 2)


def _peak(best: Array, bounds: Array, rows: Tensor, resonance: Resonance) -> Peak:
    """The peak at the optimum, with errors from the parameters that are not at the end of their range."""
    free = np.flatnonzero(np.min(np.abs(bounds - best[:, None]), axis=1) > 1e-6)
    if not {0, 1} <= set(free.tolist()):
        at = "mass" if 0 not in free else "width"
        return Peak(n=len(rows), why=f"the fitted {at} of the peak is at the end of its range")
    covariance = _sandwich(torch.as_tensor(best), rows, resonance, free)
    if covariance is None:
        return Peak(n=len(rows), why="the likelihood of the peak has no clear maximum")
    mass_error, width_error = resonance.width * np.sqrt(np.diag(covariance)[:2])
    mass, width = resonance.mass + resonance.width * best[0], resonance.width * best[1]
    return Peak(float(mass), float(mass_error), float(width), float(width_error), len(rows))


def _sandwich(best: Tensor, rows: Tensor, resonance: Resonance, free: NDArray[np.intp]) -> Array | None:
    """Covariance H^-1 S H^-1 of the free parameters; None where H is not positive definite."""
    information = -hessian(lambda p: log_density(p, rows, resonance).sum())(best).numpy()[np.ix_(free, free)]
    if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 0:
        return None
    scores = jacfwd(lambda p: log_density(p, rows, resonance))(best).numpy()[:, free]
    bread = np.linalg.inv(information)
    return np.asarray(bread @ (scores.T @ scores) @ bread)


def shorth(evidence: Evidence) -> dict[str, Estimate]:
    """Centre and length of the shortest interval that holds half of the generated rows of the resonance's observable.

    It exists for every sample, also where there is no peak to fit (Andrews et al., Robust Estimates of Location, 1972);
    errors by bootstrap. Empty where the data have no resonance.
    """
    resonance = evidence.data.resonance
    if resonance is None:
        return {}
    pair = observables(evidence)[resonance.observable]
    unit = next((plot.unit for plot in evidence.data.plots if plot.name == resonance.observable), "")
    generated, names = pair[1], ("shorth_center", "shorth_width")
    if why := missing(pair):
        return dict.fromkeys(names, Estimate(value=None, n=len(generated), unit=unit, note=why))
    replicates = _shortest_half(generated[evidence.rng.integers(len(generated), size=(REPLICATES, len(generated)))])
    return {
        name: Estimate(value=float(value[0]), error=float(spread.std(ddof=1)), n=len(generated), unit=unit)
        for name, value, spread in zip(names, _shortest_half(generated[None]), replicates, strict=True)
    }


def _shortest_half(values: Array) -> tuple[Array, Array]:
    """Centre and length, each ``(k,)``, of the shortest interval with half of each row of ``(k, n)``."""
    ordered = np.sort(values, axis=1)
    half = (values.shape[1] + 1) // 2
    low, high = ordered[:, : values.shape[1] - half + 1], ordered[:, half - 1 :]
    best = (high - low).argmin(1)
    rows = np.arange(len(values))
    return (low[rows, best] + high[rows, best]) / 2, high[rows, best] - low[rows, best]


METRICS: tuple[Metric, ...] = (
    Metric(
        "peak",
        "mass and width of the resonance",
        "samples",
        peak,
        columns=(
            MetricColumn("peak_mass", "peak M", "fitted position of the resonance"),
            MetricColumn("peak_width", "peak Γ", "fitted width of the resonance"),
            MetricColumn("peak_mass_shift", "peak ΔM", "that position less the one of true rows", shown=False),
            MetricColumn("peak_width_shift", "peak ΔΓ", "that width less the one of true rows", shown=False),
        ),
    ),
    Metric(
        "shorth",
        "shortest half of the resonance's observable",
        "samples",
        shorth,
        columns=(
            MetricColumn(
                "shorth_center",
                "shorth centre",
                "centre of the shortest interval with half of the rows of the resonance's observable",
            ),
            MetricColumn("shorth_width", "shorth width", "length of that interval"),
        ),
    ),
)
