"""Kinematics of Z + jet events: selections, derived quantities, and the changes of coordinates between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.transforms import LIMIT
from qinn_bench.dataset import Observable
from qinn_bench.values import Array, Refused

Z_MASS = 91.1876
Z_WIDTH = 2.4952
COORDINATES = ("momenta", "mass")


@dataclass(frozen=True)
class Cuts:
    """A selection: transverse momenta above and masses within these values in GeV, |eta| below these.

    Example:
        >>> Cuts(pt_mu=25.0, eta_mu=2.4, pt_jet=30.0, eta_jet=2.4, mass=(66.0, 116.0)).mass
        (66.0, 116.0)
    """

    pt_mu: float
    eta_mu: float
    pt_jet: float
    eta_jet: float
    mass: tuple[float, float]


CUTS: dict[str, Cuts] = {
    "lhc": Cuts(pt_mu=15.0, eta_mu=2.5, pt_jet=20.0, eta_jet=4.5, mass=(66.0, 116.0)),
    "paper": Cuts(pt_mu=0.0, eta_mu=np.inf, pt_jet=20.0, eta_jet=5.0, mass=(0.0, np.inf)),
}


class Event(NamedTuple):
    """Columns ``(n,)`` of mu-, mu+ and jet; `dphi_ll` and `dphi_jl` are centred: 0 is back to back with the mu-.

    Example:
        >>> one = np.ones(2)
        >>> Event(50 * one, 0 * one, 40 * one, one, 30 * one, one, 0 * one, one).pt_mum.tolist()
        [50.0, 50.0]
    """

    pt_mum: Array
    eta_mum: Array
    pt_mup: Array
    eta_mup: Array
    pt_j: Array
    eta_j: Array
    dphi_ll: Array
    dphi_jl: Array


def wrap(angle: Array) -> Array:
    """The same angle in [-pi, pi)."""
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


def dilepton_mass(event: Event) -> Array:
    """m^2 = 2 pT1 pT2 (cosh(eta1 - eta2) - cos(phi1 - phi2)) of massless muons; the centred angle turns the sign."""
    gap = np.clip(event.eta_mum - event.eta_mup, -LIMIT, LIMIT)
    return np.asarray(np.sqrt(2 * event.pt_mum * event.pt_mup * (np.cosh(gap) + np.cos(event.dphi_ll))))


def dilepton_pt(event: Event) -> Array:
    """Transverse momentum of the muon pair."""
    return np.hypot(event.pt_mum - event.pt_mup * np.cos(event.dphi_ll), event.pt_mup * np.sin(event.dphi_ll))


def observables(event: Event) -> dict[str, Array]:
    """The quantities that are compared by histogram; azimuthal distances are absolute values in [0, pi]."""
    # With phi(mu-) = 0 the centred angles put the mu+ at pi + dphi_ll and the jet at pi + dphi_jl.
    phi_z = np.arctan2(-event.pt_mup * np.sin(event.dphi_ll), event.pt_mum - event.pt_mup * np.cos(event.dphi_ll))
    dphi_ll = np.abs(wrap(event.dphi_ll + np.pi))
    return {
        "pt_mum": event.pt_mum,
        "eta_mum": event.eta_mum,
        "pt_mup": event.pt_mup,
        "eta_mup": event.eta_mup,
        "pt_j": event.pt_j,
        "eta_j": event.eta_j,
        "m_ll": dilepton_mass(event),
        "pt_z": dilepton_pt(event),
        "dr_ll": np.hypot(event.eta_mum - event.eta_mup, dphi_ll),
        "dphi_ll": dphi_ll,
        "dphi_zj": np.abs(wrap(event.dphi_jl + np.pi - phi_z)),
    }


def plots(cuts: Cuts) -> tuple[Observable, ...]:
    """One histogram a quantity of `observables`, over the range that a selection fills."""
    eta_mu, eta_jet = min(cuts.eta_mu, 6.0), min(cuts.eta_jet, 6.0)
    mass = cuts.mass if cuts.mass[0] > 0 else (60.0, 120.0)
    return (
        Observable("pt_mum", r"$p_T(\mu^-)$", cuts.pt_mu, 120.0, "GeV", falls=True),
        Observable("eta_mum", r"$\eta(\mu^-)$", -eta_mu, eta_mu),
        Observable("pt_mup", r"$p_T(\mu^+)$", cuts.pt_mu, 120.0, "GeV", falls=True),
        Observable("eta_mup", r"$\eta(\mu^+)$", -eta_mu, eta_mu),
        Observable("pt_j", r"$p_T(j)$", cuts.pt_jet, 150.0, "GeV", falls=True),
        Observable("eta_j", r"$\eta(j)$", -eta_jet, eta_jet),
        Observable("m_ll", r"$m_{\mu\mu}$", *mass, "GeV"),
        Observable("pt_z", r"$p_T(Z)$", 0.0, 150.0, "GeV", falls=True),
        Observable("dr_ll", r"$\Delta R(\mu^-,\mu^+)$", 0.0, 5.0),
        Observable("dphi_ll", r"$|\Delta\phi(\mu^-,\mu^+)|$", 0.0, float(np.pi), "rad"),
        Observable("dphi_zj", r"$|\Delta\phi(Z,j)|$", 0.0, float(np.pi), "rad"),
    )


def selected(event: Event, cuts: Cuts, min_ptz: float = 0.0) -> NDArray[np.bool_]:
    """Which events ``(n,)`` lie inside the selection; the bounds themselves do not."""
    mass = dilepton_mass(event)
    return np.asarray(
        (np.minimum(event.pt_mum, event.pt_mup) > cuts.pt_mu)
        & (np.maximum(np.abs(event.eta_mum), np.abs(event.eta_mup)) < cuts.eta_mu)
        & (event.pt_j > cuts.pt_jet)
        & (np.abs(event.eta_j) < cuts.eta_jet)
        & (mass > cuts.mass[0])
        & (mass < cuts.mass[1])
        & (np.abs(event.dphi_ll) <= np.pi)
        & (np.abs(event.dphi_jl) <= np.pi)
        & (dilepton_pt(event) >= min_ptz)
    )


def check_coordinates(owner: str, coordinates: str) -> None:
    """Refuse a name that is none of `COORDINATES`.

    Raises:
        Refused: names the data set, what was given and what exists.
    """
    if coordinates not in COORDINATES:
        raise Refused(f"data '{owner}': coordinates '{coordinates}' do not exist; there are: {', '.join(COORDINATES)}")


@dataclass(frozen=True)
class DileptonMass:
    """Replace pT(mu+) by m_ll, in rows whose columns are an `Event` in the order `columns` (others stay).

    Example:
        >>> row = np.array([[50.0, 0.1, 40.0, -0.2, 30.0, 1.0, 0.1, 2.0]])
        >>> features, logdet = DileptonMass().forward(row)
        >>> bool(np.allclose(DileptonMass().inverse(features), row)), round(float(features[0, 2]), 1)
        (True, 90.3)
    """

    columns: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7)

    def forward(self, rows: Array) -> tuple[Array, Array]:
        """``(n, dim) -> (n, dim), (n,)``; m^2 is linear in pT(mu+), hence d m / d pT(mu+) = m / (2 pT(mu+))."""
        event = Event(*rows[:, self.columns].T)
        mass, out = dilepton_mass(event), rows.copy()
        out[:, self.columns[2]] = mass
        return out, np.log(mass / (2 * event.pt_mup))

    def inverse(self, features: Array) -> Array:
        """``(n, dim) -> (n, dim)``: pT(mu+) from m_ll and the other columns."""
        rows = features.copy()
        mass = features[:, self.columns[2]]
        unit = Event(*features[:, self.columns].T)._replace(pt_mup=np.ones(len(features)))
        rows[:, self.columns[2]] = (mass / dilepton_mass(unit)) ** 2
        return rows


@dataclass(frozen=True)
class RelativeAngles:
    """Replace azimuths by their centred differences to a reference azimuth, wrapped to [-pi, pi).

    An azimuth outside [-pi, pi) keeps its number of turns, so that the map is one-to-one on all reals.

    Example:
        >>> rows = np.array([[3.0, -3.0]])
        >>> turn = RelativeAngles(reference=0, others=(1,))
        >>> turn.forward(rows)[0].round(3).tolist(), turn.inverse(turn.forward(rows)[0]).round(3).tolist()
        ([[3.0, -2.858]], [[3.0, -3.0]])
    """

    reference: int
    others: tuple[int, ...]

    def forward(self, rows: Array) -> tuple[Array, Array]:
        """``(n, dim) -> (n, dim), (n,)``; the Jacobian is triangular with unit diagonal."""
        return self._turn(rows, -1.0), np.zeros(len(rows))

    def inverse(self, features: Array) -> Array:
        """``(n, dim) -> (n, dim)``: azimuths from differences."""
        return self._turn(features, 1.0)

    def _turn(self, rows: Array, sign: float) -> Array:
        out = rows.copy()
        for column in self.others:
            angle = wrap(rows[:, column])
            out[:, column] = wrap(angle + sign * rows[:, self.reference] + np.pi) + (rows[:, column] - angle)
        return out
