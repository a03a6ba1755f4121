"""Electromagnetic showers as GFlash parametrises them (Grindhammer and Peters, arXiv:hep-ex/0001020), in layers.

The formulas and constants are those of the paper for a sampling calorimeter, and the medium is lead and liquid argon.
The depths of the layers are like those of the barrel of ATLAS and are not fitted to it. This is a parametrisation: no
particle is transported.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammainc

from qinn_bench.data.showers.spots import LayerShapes
from qinn_bench.values import Array

Z, X0_MM, MOLIERE_MM, CRITICAL_GEV = 65.8, 18.94, 42.2, 9.51e-3
"""Effective charge, radiation length, Moliere radius and critical energy of lead (1.53 mm) and argon (4.2 mm)."""
FS, E_HAT = 3.305, 0.691
"""The sampling frequency X0 / (d_active + d_passive), and the ratio of the signals of electrons and of MIPs."""
RESOLUTION, CONSTANT = 0.10, 0.007
"""The sampling fluctuation, over the root of the energy in GeV, and what does not shrink with energy."""
CONVERSION = 9 / 7
"""Mean depth in X0 at which a photon converts."""
FRONT = ((0, 1.7, 2.1), (1, 2.1, 6.4), (2, 6.4, 22.4), (3, 22.4, 24.4))
"""Number, start and end of the layers of the electromagnetic calorimeter in X0; before them lies dead material."""
TILE = 25.4
"""Where the hadronic calorimeter begins, in X0; what is left of the shower ends in its first layer, 12."""
SLICE, LATE = 1.0, 8
"""Layers are cut into slices of about this depth in X0; the shape in layer 12 is taken from its first so many."""
LARGEST_SIGMA = 0.5
"""Cap of the fluctuations of ln T and ln alpha, whose formulas have poles at low energy."""


class Profiles(NamedTuple):
    """The longitudinal shapes of showers: dE/dt = E gamma(t - start; alpha, beta), with t in X0, ``(n,)`` each.

    `mean_alpha` is exp of the mean of ln alpha, which the radial profile is scaled by.

    Example:
        >>> shapes = profiles(np.full(4, 65.536), np.random.default_rng(0))
        >>> shapes.alpha.shape, bool((shapes.peak > 1).all())
        ((4,), True)
    """

    peak: Array
    alpha: Array
    mean_alpha: Array
    start: Array

    @property
    def beta(self) -> Array:
        """The fall of the profile per X0."""
        return np.asarray((self.alpha - 1) / self.peak)


def profiles(energies: Array, rng: np.random.Generator, *, converts: bool = True) -> Profiles:
    """Draw the longitudinal shapes of showers of these energies in GeV; those of electrons do not wait to convert."""
    logy = np.log(energies / CRITICAL_GEV)
    peak = np.maximum(logy - 0.812 - 0.55 / FS - 0.69 * (1 - E_HAT), 1.0)
    alpha = np.maximum(0.81 + (0.458 + 2.26 / Z) * logy - 0.476 / FS, 1.1)
    sigma_peak, sigma_alpha = _sigma(-2.5 + 1.25 * logy), _sigma(-0.82 + 0.79 * logy)
    rho = 0.784 - 0.023 * logy
    along, across = np.sqrt((1 + rho) / 2), np.sqrt((1 - rho) / 2)
    first, second = rng.normal(size=(2, len(energies)))
    start = rng.exponential(CONVERSION, len(energies)) if converts else np.zeros(len(energies))
    return Profiles(
        peak=np.maximum(np.exp(np.log(peak) + sigma_peak * (along * first + across * second)), 1.0),
        alpha=np.maximum(np.exp(np.log(alpha) + sigma_alpha * (along * first - across * second)), 1.1),
        mean_alpha=alpha,
        start=start,
    )


def _sigma(inverse: Array) -> Array:
    return np.asarray(np.where(inverse > 1 / LARGEST_SIGMA, 1 / np.maximum(inverse, 1e-9), LARGEST_SIGMA))


def contained(shapes: Profiles, depths: Array) -> Array:
    """The share of the energy before each depth in X0, ``(n,), (k,) -> (n, k)``."""
    reach = np.maximum(depths - shapes.start[:, None], 0.0)
    return np.asarray(gammainc(shapes.alpha[:, None], shapes.beta[:, None] * reach))


def photon_layers(energies: Array, rng: np.random.Generator) -> tuple[Array, Profiles]:
    """Draw the energies that photons of these energies in GeV leave in layers 0, 1, 2, 3 and 12, ``(n, 5)`` in GeV.

    The mean of a layer is that of the profile; it fluctuates by sampling as a gamma law of variance a^2 E, and all
    layers together by the constant term.
    """
    shapes = profiles(energies, rng)
    depths = np.array([FRONT[0][1], *(end for _, _, end in FRONT), TILE])
    before = contained(shapes, depths)
    shares = np.column_stack([np.diff(before[:, : len(FRONT) + 1], axis=1), 1 - before[:, -1]])
    means = np.maximum(shares, 0.0) * energies[:, None]
    sampled = RESOLUTION**2 * rng.standard_gamma(means / RESOLUTION**2)
    return sampled * (1 + CONSTANT * rng.normal(size=(len(energies), 1))), shapes


def photon_shapes(energies: Array, layers: Array, shapes: Profiles) -> list[LayerShapes]:
    """The radial shapes of each layer, slice by slice, and how many spots it has."""
    spots = 10.3 / RESOLUTION * energies**0.959
    found = []
    slices = [np.linspace(start, end, max(1, round((end - start) / SLICE)) + 1) for _, start, end in _steps()]
    for i, edges in enumerate(slices):
        middles = (edges[:-1] + edges[1:]) / 2
        weights = _density(shapes, middles)
        core, tail, share = _radii(energies, shapes, middles)
        found.append(LayerShapes(weights, core, tail, share, spots * layers[:, i] / energies, None))
    return found


def _steps() -> tuple[tuple[int, float, float], ...]:
    """Layers with the depths in X0 in which their shape is taken."""
    return (*FRONT, (12, TILE, TILE + LATE))


def _density(shapes: Profiles, depths: Array) -> Array:
    """What each slice holds of its layer, ``(n, k)`` with sums of one; even where the shower has not begun."""
    reach = np.maximum(depths - shapes.start[:, None], 0.0)
    logs = (shapes.alpha[:, None] - 1) * np.log(np.maximum(reach, 1e-12)) - shapes.beta[:, None] * reach
    density = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(density / density.sum(axis=1, keepdims=True))


def _radii(energies: Array, shapes: Profiles, depths: Array) -> tuple[Array, Array, Array]:
    """Radii of core and tail in mm and the share of the core at each depth, ``(n, k)`` each."""
    log_e = np.log(energies)[:, None]
    reach = np.maximum(depths - shapes.start[:, None], 0.0) / shapes.peak[:, None]
    alpha, mean = shapes.alpha[:, None], shapes.mean_alpha[:, None]
    tau = reach * (alpha - 1) / alpha * mean / (mean - 1)
    falling, e_lack = np.exp(-tau), 1 - E_HAT
    core = 0.0251 + 0.00319 * log_e + (0.1162 - 0.000381 * Z) * tau - 0.0203 * e_lack + 0.0397 / FS * falling
    rising = np.exp(-2.59 * (tau - 0.645)) + np.exp((0.3585 + 0.0412 * log_e) * np.minimum(tau - 0.645, 5.0))
    tail = (0.659 - 0.00309 * Z) * rising - 0.14 * e_lack - 0.495 / FS * falling
    u = ((0.401 + 0.00187 * Z) - tau) / (1.313 - 0.0686 * log_e)
    share = (2.632 - 0.00094 * Z) * np.exp(u - np.exp(u))
    share = share + e_lack * (0.348 - 0.642 / FS * np.exp(-((tau - 1) ** 2)))
    return MOLIERE_MM * np.maximum(core, 1e-3), MOLIERE_MM * np.maximum(tail, 0.02), np.clip(share, 0.0, 1.0)
