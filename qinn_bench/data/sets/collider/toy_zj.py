"""A toy of Z + jet events, pT, eta and phi of mu-, mu+ and jet, with its exact density."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from qinn_bench.data import kinematics
from qinn_bench.data.kinematics import (
    Z_MASS,
    Z_WIDTH,
    Cuts,
    DileptonMass,
    Event,
    RelativeAngles,
    check_coordinates,
    wrap,
)
from qinn_bench.data.toy import log_normal_density, toy
from qinn_bench.data.transforms import Columnwise, Identity, Logit, LogShift, Probit
from qinn_bench.dataset import Column, Dataset, Resonance, Transform
from qinn_bench.values import Array

LOW, HIGH = 66.0, 116.0
WINDOW = Cuts(pt_mu=0.0, eta_mu=np.inf, pt_jet=0.0, eta_jet=np.inf, mass=(LOW, HIGH))
SHAPE, SCALE = 2.0, 20.0
SIGMA_Y, SIGMA_ETA = 1.2, 1.5
SIGMA_PT, SIGMA_PHI = 0.15, 0.15
COLUMNS = (
    Column("pt_mum", r"$p_T(\mu^-)$", "GeV"),
    Column("eta_mum", r"$\eta(\mu^-)$"),
    Column("phi_mum", r"$\phi(\mu^-)$", "rad"),
    Column("pt_mup", r"$p_T(\mu^+)$", "GeV"),
    Column("eta_mup", r"$\eta(\mu^+)$"),
    Column("phi_mup", r"$\phi(\mu^+)$", "rad"),
    Column("pt_j", r"$p_T(j)$", "GeV"),
    Column("eta_j", r"$\eta(j)$"),
    Column("phi_j", r"$\phi(j)$", "rad"),
)
ANGLES = RelativeAngles(reference=2, others=(5, 8))
AS_EVENT = (0, 1, 3, 4, 6, 7, 5, 8)


class ToyZJet:
    """A resonance that decays isotropically into two massless muons and recoils against a jet.

    m^2: relativistic Breit-Wigner with fixed width, m in (66, 116) GeV. pT of the pair: Gamma(2, 20 GeV). Rapidity y:
    N(0, 1.2^2). Jet: pT log-normal around that of the pair with 0.15, phi back to back within N(0, 0.15^2), wrapped,
    eta ~ N(y / 2, 1.5^2).

    Example:
        >>> rows = ToyZJet().sample(4, np.random.default_rng(0))
        >>> rows.shape, bool(np.isfinite(ToyZJet().log_density(rows)).all())
        ((4, 9), True)
    """

    entropy = 17.3276
    """Mean of -log p over 4 million draws, in nats; its standard error is 0.0014."""

    def __init__(self) -> None:
        self._ends = np.arctan((np.array([LOW, HIGH]) ** 2 - Z_MASS**2) / (Z_MASS * Z_WIDTH))

    def log_density(self, rows: Array) -> Array:
        """``(n, 9) -> (n,)`` in nats per GeV^3 rad^3.

        The muons have p(m) p(pT) p(y) / (2 pi) / (4 pi) * 2 pT1 pT2 / (m pT): two-body phase space of massless
        particles, d^3p / 2E = pT dpT deta dphi / 2 each.
        """
        kept = inside(rows)
        out = np.full(len(rows), -np.inf)
        out[kept] = self._log_density(rows[kept])
        return out

    def _log_density(self, rows: Array) -> Array:
        mass, pt, rapidity, phi = pair(rows)
        pt1, pt2, ptj, etaj, phij = rows[:, (0, 3, 6, 7, 8)].T
        muons = (
            self._log_mass(mass)
            + np.log(pt / SCALE**SHAPE)
            - pt / SCALE
            - gammaln(SHAPE)
            + log_normal_density(rapidity, 0.0, SIGMA_Y)
            - np.log(8 * np.pi**2)
            + np.log(2 * pt1 * pt2 / (mass * pt))
        )
        turn = wrap(phij - phi - np.pi)[:, None] + 2 * np.pi * np.array([-1.0, 0.0, 1.0])
        jet = (
            log_normal_density(np.log(ptj / pt), 0.0, SIGMA_PT)
            - np.log(ptj)
            + log_normal_density(etaj, rapidity / 2, SIGMA_ETA)
            + logsumexp(log_normal_density(turn, 0.0, SIGMA_PHI), axis=1)
        )
        return np.asarray(muons + jet)

    def _log_mass(self, mass: Array) -> Array:
        """Log-density of the mass: that of m^2 times 2 m."""
        breadth = Z_MASS * Z_WIDTH
        shape = np.log(breadth) - np.log((mass**2 - Z_MASS**2) ** 2 + breadth**2) - np.log(np.ptp(self._ends))
        return np.asarray(shape + np.log(2 * mass))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent rows, ``(n, 9)``."""
        mass = np.sqrt(Z_MASS**2 + Z_MASS * Z_WIDTH * np.tan(rng.uniform(self._ends[0], self._ends[1], n)))
        pt, rapidity = rng.gamma(SHAPE, SCALE, n), rng.normal(0.0, SIGMA_Y, n)
        phi = rng.uniform(-np.pi, np.pi, n)
        cosine, azimuth = rng.uniform(-1.0, 1.0, n), rng.uniform(-np.pi, np.pi, n)
        muons = decay(mass, pt, rapidity, phi, cosine, azimuth)
        ptj = pt * np.exp(rng.normal(0.0, SIGMA_PT, n))
        etaj = rng.normal(rapidity / 2, SIGMA_ETA)
        phij = wrap(phi + np.pi + rng.normal(0.0, SIGMA_PHI, n))
        return np.column_stack([*muons, ptj, etaj, phij])


def decay(mass: Array, pt: Array, rapidity: Array, phi: Array, cosine: Array, azimuth: Array) -> tuple[Array, ...]:
    """pT, eta and phi of both muons, six of ``(n,)``, from the pair and the direction of the mu- at rest.

    The axes at rest are the transverse flight direction of the pair, the one beside it, and the beam.
    """
    sine, transverse = np.sqrt(1 - cosine**2), np.hypot(mass, pt)
    out: list[Array] = []
    for sign in (1.0, -1.0):
        at_rest = sine * np.cos(azimuth), sine * np.sin(azimuth), cosine
        along, beside, beam = (sign * mass / 2 * part for part in at_rest)
        along = pt / 2 + transverse / mass * along
        size = np.hypot(along, beside)
        # The transverse boost leaves the momentum along the beam; the boost along the beam then adds the rapidity.
        out += [size, rapidity + np.arcsinh(beam / size), wrap(phi + np.arctan2(beside, along))]
    return tuple(out)


def pair(rows: Array) -> tuple[Array, Array, Array, Array]:
    """Mass, pT, rapidity and phi of the muon pair, four of ``(n,)``."""
    pt1, eta1, phi1, pt2, eta2, phi2 = rows[:, :6].T
    mass = kinematics.dilepton_mass(as_event(rows))
    px, py = pt1 * np.cos(phi1) + pt2 * np.cos(phi2), pt1 * np.sin(phi1) + pt2 * np.sin(phi2)
    pt = np.hypot(px, py)
    rapidity = np.arcsinh((pt1 * np.sinh(eta1) + pt2 * np.sinh(eta2)) / np.hypot(mass, pt))
    return mass, pt, rapidity, np.arctan2(py, px)


def as_event(rows: Array) -> Event:
    """The event columns of rows ``(n, 9)``."""
    return Event(*ANGLES.forward(rows)[0][:, AS_EVENT].T)


def inside(rows: Array) -> NDArray[np.bool_]:
    """Which rows ``(n, 9)`` lie in the support."""
    angles = np.abs(rows[:, (2, 5, 8)]).max(axis=1) <= np.pi
    return np.asarray(angles & kinematics.selected(as_event(rows), WINDOW))


def _observables(rows: Array) -> dict[str, Array]:
    return kinematics.observables(as_event(rows))


def load(*, events: int = 80_000, coordinates: str = "momenta") -> Dataset:
    """Draw toy events; `coordinates` "mass" lets models see m_ll in the place of the pT of the mu+.

    Raises:
        Refused: unknown coordinates, or fewer events than a split needs.
    """
    check_coordinates("toy_zj", coordinates)
    by_mass = coordinates == "mass"
    one, log, phi = Identity(), LogShift(), Probit(-np.pi, np.pi)
    maps = Columnwise((log, one, phi, Logit(LOW, HIGH) if by_mass else log, one, one, log, one, one))
    steps: tuple[Transform, ...] = (ANGLES, DileptonMass(AS_EVENT), maps) if by_mass else (ANGLES, maps)
    return toy(
        "toy_zj",
        {"coordinates": coordinates},
        ToyZJet(),
        events,
        "Breit-Wigner pair of massless muons, isotropic, recoiling against a jet",
        columns=COLUMNS,
        steps=steps,
        observables=_observables,
        plots=kinematics.plots(WINDOW),
        support=inside,
        resonance=Resonance("m_ll", Z_MASS, Z_WIDTH, 81.0, 101.0),
    )
