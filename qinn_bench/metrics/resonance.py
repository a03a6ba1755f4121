"""Position and width of the resonance: an unbinned maximum-likelihood fit of a relativistic Breit-Wigner."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.func import grad_and_value, hessian, jacfwd

from qinn_bench.dataset import Evidence, Metric, MetricColumn, Resonance
from qinn_bench.metrics._columns import bootstrapped, estimate, missing, noted, observables, with_outliers
from qinn_bench.values import Array, Direction, Estimate

FEWEST = 100
WIDEST = 0.4
NARROWEST = 0.01
REPLICATES = 100


class Peak(NamedTuple):
    """A fitted peak in the unit of the observable; `why` says why there is none, and is empty if there is one.

    Example:
        >>> values = 91.2 + 1.25 * np.random.default_rng(0).standard_cauchy(2000)
        >>> found = fit(values, Resonance("m", 91.2, 2.5, 71.0, 111.0))
        >>> abs(found.mass - 91.2) < 5 * found.mass_error, found.why
        (True, '')
    """

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
    pair = observables(evidence)[resonance.observable]
    unit = next((plot.unit for plot in evidence.data.plots if plot.name == resonance.observable), "")
    if why := missing(pair, outliers=True):
        return _columns(Peak(why=why), "", unit) | _columns(Peak(why=why), "_shift", unit)
    [pair], note = with_outliers(pair)
    truth, generated = (fit(side, resonance) for side in pair)
    shift = Peak(
        mass=generated.mass - truth.mass,
        mass_error=float(np.hypot(generated.mass_error, truth.mass_error)),
        width=generated.width - truth.width,
        width_error=float(np.hypot(generated.width_error, truth.width_error)),
        n=min(generated.n, truth.n),
        why=generated.why or (truth.why and f"the true rows: {truth.why}"),
    )
    return _columns(generated, "", unit, note) | _columns(shift, "_shift", unit, note)


def _columns(found: Peak, suffix: str, unit: str, note: str = "") -> dict[str, Estimate]:
    names = f"peak_mass{suffix}", f"peak_width{suffix}"
    better: Direction = "zero" if suffix else "none"
    if found.why:
        empty = Estimate(value=None, n=found.n, unit=unit, better=better, note=found.why)
        return dict.fromkeys(names, empty)
    numbers = (found.mass, found.mass_error), (found.width, found.width_error)
    return {
        name: estimate(value, error, found.n, unit, better, note)
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
    """Log-density of the values ``(n,) -> (n,)``, normalised over the window of the fit in closed form.

    `parameters` are ((M - nominal) / nominal width, G / nominal width, slope of the line, share of the constant).
    """
    unit, ends = resonance.width, torch.tensor([resonance.low, resonance.high], dtype=rows.dtype)
    span = (resonance.high - resonance.low) / unit
    at, (low, high) = ((values - resonance.mass) / unit - parameters[0] for values in (rows, ends))
    peak = BreitWigner(resonance.mass / unit + parameters[0], parameters[1])
    # The line is 1 + slope (2 m - low - high) / span, here of the distance from the peak.
    tilt = 2 * parameters[2] / span
    start = 1 - tilt * (low + high) / 2
    area = start * peak.area(low, high) + tilt * peak.moment(low, high)
    share = parameters[3]
    shape = (start + tilt * at) * peak.height(at)
    return torch.log((1 - share) * shape / area + share / span) - math.log(unit)


class BreitWigner(NamedTuple):
    """The relativistic Breit-Wigner with running width, m M G^2 / ((m^2 - M^2)^2 + m^4 G^2 / M^2), and its integrals.

    With the root r = M / sqrt(1 - i G / M) it is G Im[m / (m^2 - r^2)], whose integral is G / 2 Im log(m^2 - r^2), and
    that times m has the integral G / 2 Im[r log((m - r) / (m + r))]. Values are distances d = m - M from the peak.

    Example:
        >>> shape = BreitWigner(torch.tensor(91.2, dtype=torch.float64), torch.tensor(2.5, dtype=torch.float64))
        >>> round(float(shape.height(torch.zeros(1, dtype=torch.float64))), 3)
        1.0
    """

    mass: Tensor
    width: Tensor

    def height(self, d: Tensor) -> Tensor:
        """``(n,) -> (n,)``: about 1 at the peak."""
        m = self.mass + d
        above: Tensor = m * self.mass * self.width**2
        return above / ((d * (m + self.mass)) ** 2 + (m**2 * self.width / self.mass) ** 2)

    def area(self, low: Tensor, high: Tensor) -> Tensor:
        """The integral of the height between two distances."""
        return self.width / 2 * (self._turns(high).sum() - self._turns(low).sum())

    def moment(self, low: Tensor, high: Tensor) -> Tensor:
        """The integral of the distance times the height between two distances."""
        return self.width / 2 * (self._first(high) - self._first(low))

    def _root(self) -> tuple[Tensor, Tensor]:
        """Re(r) - M and Im(r)."""
        ratio = self.width / self.mass
        size, turn = (1 + ratio**2) ** -0.25, torch.atan(ratio) / 2
        return self.mass * (size * torch.cos(turn) - 1), self.mass * size * torch.sin(turn)

    def _turns(self, d: Tensor) -> Tensor:
        """The angles of m - r and m + r, ``(2,)``."""
        beside, above = self._root()
        return torch.stack([torch.atan2(-above, d - beside), torch.atan2(above, 2 * self.mass + d + beside)])

    def _first(self, d: Tensor) -> Tensor:
        """Im[r log((m - r) / (m + r))] - M Im log(m^2 - r^2): the M that the distance lacks is taken off each angle."""
        beside, above = self._root()
        minus, plus = self._turns(d)
        sizes = torch.log(((d - beside) ** 2 + above**2) / ((2 * self.mass + d + beside) ** 2 + above**2)) / 2
        first: Tensor = above * sizes + beside * minus - (2 * self.mass + beside) * plus
        return first


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
    names = ("shorth_center", "shorth_width")
    if why := missing(pair, outliers=True):
        return dict.fromkeys(names, Estimate(value=None, n=len(pair[1]), unit=unit, note=why))
    [(_, generated)], note = with_outliers(pair)
    replicates = _shortest_half(generated[evidence.rng.integers(len(generated), size=(REPLICATES, len(generated)))])
    return {
        name: noted(bootstrapped(float(value[0]), spread, len(generated), unit), note)
        for name, value, spread in zip(names, _shortest_half(generated[None]), replicates, strict=True)
    }


def _shortest_half(values: Array) -> tuple[Array, Array]:
    """Centre and length, each ``(k,)``, of the shortest interval with half of each row of ``(k, n)``."""
    ordered = np.sort(values, axis=1)
    half = (values.shape[1] + 1) // 2
    low, high = ordered[:, : values.shape[1] - half + 1], ordered[:, half - 1 :]
    rows = np.arange(len(values))
    with np.errstate(over="ignore"):
        best = (high - low).argmin(1)
        return low[rows, best] / 2 + high[rows, best] / 2, high[rows, best] - low[rows, best]


METRICS: tuple[Metric, ...] = (
    Metric(
        "peak",
        "mass and width of the resonance",
        "samples",
        peak,
        columns=(
            MetricColumn("peak_mass", "peak M", "fitted position of the resonance"),
            MetricColumn("peak_width", "peak Γ", "fitted width of the resonance"),
            MetricColumn(
                "peak_mass_shift", "peak ΔM", "that position less the one of true rows", shown=False, better="zero"
            ),
            MetricColumn(
                "peak_width_shift", "peak ΔΓ", "that width less the one of true rows", shown=False, better="zero"
            ),
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
