"""What a detector like CMS sees of the constituents of a jet: where they meet the calorimeter and what they leave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qinn_bench.values import Array

PHOTON, ELECTRON, MUON, CHARGED, NEUTRAL = range(5)
"""What a constituent is; the names are `sample_sources.KINDS`."""
FIELD, CALORIMETER = 3.8, 1.29
"""The field of the solenoid in tesla, and the distance of the crystals from the beam in metres."""
BEND = 0.3 * FIELD * CALORIMETER / 2
"""sin(turn) = BEND / pT in GeV for a particle of charge 1; softer ones curl up before they reach the calorimeter."""
MIP_SHARE, MIP_FRACTION = 0.45, 0.02
"""The share of hadrons that pass the crystals as minimum-ionising particles, and the fraction that these leave."""
SHOWER = (1.2, 1.6)
"""The parameters of the Beta distribution of the fraction that other hadrons leave in the crystals."""
ECAL, HCAL = (0.03, 0.005), (1.00, 0.05)
"""Stochastic (times sqrt(GeV)) and constant terms of the relative resolution of energies."""
STEP = 1024
"""Energies are multiples of 1 / STEP GeV, so that sums of them are exact and images the same on every processor."""
DIGITS = 8
"""Bits of an energy, far finer than its resolution; angles of turn are multiples of 1 / 512 rad. Both pack well."""
TURN_STEP = 512


def kinds_of(codes: NDArray[np.int64], charges: NDArray[np.int8]) -> NDArray[np.uint8]:
    """What constituents are, from their PDG codes and charges, all ``(n,)``.

    Example:
        >>> kinds_of(np.array([22, -11, 13, -211, 130]), np.array([0, 1, -1, -1, 0], np.int8)).tolist()
        [0, 1, 2, 3, 4]
    """
    size = np.abs(codes)
    named = [size == 22, size == 11, size == 13, charges != 0]
    return np.select(named, [PHOTON, ELECTRON, MUON, CHARGED], default=NEUTRAL).astype(np.uint8)


def hits(
    pt: Array, eta: Array, kinds: NDArray[np.uint8], charges: NDArray[np.int8], rng: np.random.Generator
) -> NDArray[np.float16]:
    """Turn and transverse energies ``(n, 3)`` of constituents with these pT (GeV) and pseudorapidities.

    Photons and electrons leave all in the crystals, muons nothing, hadrons a fraction and the rest in the hadron
    calorimeter. The model is of data that are not from a simulation of a detector: a barrel at all eta, no noise.
    """
    hadronic = kinds >= CHARGED
    fraction = np.where(rng.random(len(pt)) < MIP_SHARE, MIP_FRACTION, rng.beta(*SHOWER, size=len(pt)))
    fraction = np.where(hadronic, fraction, 1.0)
    swing = np.minimum(BEND * np.abs(charges) / pt, 1.0)
    arrives = (swing < 1) & (kinds != MUON)
    # A positive particle turns clockwise in a field along the beam.
    turn = np.where(arrives, -np.sign(charges) * np.arcsin(swing), 0.0)
    energy = pt * np.cosh(eta)
    left = [
        np.where(arrives, pt * part * _smeared(energy * part, resolution, rng), 0.0)
        for part, resolution in ((fraction, ECAL), (1 - fraction, HCAL))
    ]
    return np.column_stack([np.round(turn * TURN_STEP) / TURN_STEP, *map(_rounded, left)]).astype(np.float16)


def _rounded(energy: Array) -> Array:
    """Energies as they are stored."""
    mantissa, exponent = np.frexp(energy)
    short = np.ldexp(np.round(mantissa * 2**DIGITS), exponent - DIGITS)
    return np.asarray(np.round(short * STEP) / STEP)


def _smeared(energy: Array, resolution: tuple[float, float], rng: np.random.Generator) -> Array:
    """By which factor the measured energies are off, never below 0."""
    stochastic, constant = resolution
    sigma = np.hypot(stochastic / np.sqrt(np.maximum(energy, 1e-9)), constant)
    return np.maximum(1 + sigma * rng.normal(size=len(energy)), 0.0)
