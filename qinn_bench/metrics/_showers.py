"""Truth and generated showers as the CaloChallenge evaluates them: cut voxels, features, and histograms in its bins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qinn_bench.calorimeter import Calorimeter, CalorimeterLayer, HighLevel, high_level, sectored
from qinn_bench.dataset import Evidence
from qinn_bench.metrics._columns import FEWEST
from qinn_bench.values import Array

LAYER_EDGES, VOXEL_EDGES = 40, 50
"""Edges, equally far in the logarithm, of histograms of layer and voxel energies."""
SHARP_FROM = 4000.0
"""Incident energy in MeV from which the response of photons is histogrammed within 10 %."""
MOST_ENERGIES = 50
"""More different incident energies are no steps, but a continuous range."""
FAR_LAYERS, DEEP_LAYERS = (12, 13), (12, 13, 14)
SMALL_RADIUS = 100.0
"""Calorimeters that reach no further in mm are those of datasets 2 and 3."""


class ShowerSample(NamedTuple):
    """Voxels in MeV after the cut ``(n, voxels)``, and their high-level features.

    Example:
        >>> from qinn_bench.calorimeter import PHOTON, high_level
        >>> voxels, incident = np.zeros((2, 368)), np.full(2, 1000.0)
        >>> ShowerSample(voxels, high_level(PHOTON, voxels, incident)).features.vector().shape
        (2, 30)
    """

    voxels: Array
    features: HighLevel


class ShowerPair(NamedTuple):
    """Both samples, the calorimeter that they lie in, and the cut in MeV.

    Example:
        >>> ShowerPair._fields
        ('truth', 'generated', 'calorimeter', 'cut')
    """

    truth: ShowerSample
    generated: ShowerSample
    calorimeter: Calorimeter
    cut: float

    @property
    def rows(self) -> int:
        """The number of rows of the smaller sample."""
        return min(len(self.truth.voxels), len(self.generated.voxels))


class ShowerHistogram(NamedTuple):
    """A quantity of both samples, ``(n, m)`` with m entries a shower, and the edges of its bins ``(k + 1,)``.

    Example:
        >>> one = ShowerHistogram("x", "$x$", "", np.array([0.0, 1.0, 2.0]), np.array([[0.5]]), np.array([[2.0]]))
        >>> [of.tolist() for of in one.counts]
        [[1.0, 0.0], [0.0, 1.0]]
    """

    name: str
    label: str
    unit: str
    edges: Array
    truth: Array
    generated: Array

    @property
    def counts(self) -> tuple[Array, Array]:
        """The entries of each bin of both samples; the last bin holds its upper edge."""
        truth, generated = (
            np.histogram(side, bins=self.edges)[0].astype(np.float64) for side in (self.truth, self.generated)
        )
        return truth, generated

    @property
    def in_logarithm(self) -> bool:
        """Whether the bins are equal in the logarithm."""
        return bool(self.edges[0] > 0 and self.edges[-1] > 5 * self.edges[0])


def showers_of(evidence: Evidence, fewest: int = FEWEST) -> ShowerPair | str:
    """Both samples, or why they cannot be compared."""
    facts = evidence.data.showers
    if facts is None:
        return "the rows of the data set are no showers"
    sides = []
    conditions = None if evidence.data.conditions is None else evidence.data.conditions.test
    for name, rows in (("true", evidence.truth), ("generated", evidence.generated)):
        if len(rows) < fewest:
            return f"only {len(rows)} row{'s' * (len(rows) != 1)}, at least {fewest} are needed"
        bad = ~np.isfinite(rows).reshape(len(rows), -1).all(1)
        if bad.any():
            return f"{int(bad.sum())} of {len(rows)} {name} rows are not finite"
        incident = facts.incident(len(rows), conditions)
        if len(incident) < len(rows):
            return f"{len(rows)} {name} rows, but conditions of {len(incident)}"
        voxels = facts.voxels(rows, incident)
        sides.append(ShowerSample(voxels, high_level(facts.calorimeter, voxels, incident)))
    return ShowerPair(sides[0], sides[1], facts.calorimeter, facts.cut)


def shower_histograms(pair: ShowerPair, *, more: bool = False) -> list[ShowerHistogram]:
    """The histograms of the challenge: response, layer energies, centres and widths, voxel energies.

    Ranges are fixed but for energies, which go from the cut to the largest of the truth; an energy that the truth never
    has above the cut has no histogram. With `more` sparsities and radii too, which its evaluation leaves out.
    """
    found = [_response(pair), *_responses_by_energy(pair)]
    found += _energies(pair)
    for place, i in enumerate(sectored(pair.calorimeter)):
        found += _around(pair, place, pair.calorimeter.layers[i])
    found += _voxels(pair)
    return found + (_radial(pair) if more else [])


def _column(pair: ShowerPair, name: str, place: int) -> tuple[Array, Array]:
    truth, generated = (getattr(side.features, name)[:, place, None] for side in (pair.truth, pair.generated))
    return truth, generated


def _response(pair: ShowerPair) -> ShowerHistogram:
    truth, generated = (
        (side.features.total / side.features.incident)[:, None] for side in (pair.truth, pair.generated)
    )
    return ShowerHistogram("response", r"$E_{\rm tot}/E_{\rm inc}$", "", np.linspace(0.5, 1.5, 101), truth, generated)


def _responses_by_energy(pair: ShowerPair) -> list[ShowerHistogram]:
    """The response at each incident energy, where there are several steps of it."""
    whole, incident = _response(pair), pair.truth.features.incident
    steps = np.unique(incident.round(3))
    if not 1 < len(steps) <= MOST_ENERGIES:
        return []
    found = []
    for step in steps:
        sides = [
            of[np.abs(side.features.incident - step) < 1]
            for of, side in ((whole.truth, pair.truth), (whole.generated, pair.generated))
        ]
        sharp = pair.calorimeter.particle == "photon" and step > SHARP_FROM
        edges = np.linspace(0.9, 1.1, 21) if sharp else np.linspace(0.4, 1.4, 21)
        if min(map(len, sides)) >= FEWEST:
            label = rf"{whole.label} at {step / 1000:g} GeV"
            found.append(ShowerHistogram(f"response_{step:g}_mev", label, "", edges, *sides))
    return found


def _energies(pair: ShowerPair) -> list[ShowerHistogram]:
    found = []
    for place, number in enumerate(pair.calorimeter.numbers):
        sides = _column(pair, "layers", place)
        if sides[0].max() > pair.cut:
            edges = np.geomspace(pair.cut, sides[0].max(), LAYER_EDGES)
            found.append(ShowerHistogram(f"layer_{number}", rf"$E_{{{number}}}$", "MeV", edges, *sides))
    return found


def _around(pair: ShowerPair, place: int, layer: CalorimeterLayer) -> list[ShowerHistogram]:
    """Centres and widths along eta and phi of a layer with sectors."""
    reach, width = (500.0, 400.0) if layer.number in FAR_LAYERS else (100.0, 100.0)
    if layer.edges[-1] <= SMALL_RADIUS:
        reach, width = 30.0, 30.0
    found = []
    for kind, low, high, symbol in (("centre", -reach, reach, "C"), ("width", 0.0, width, r"\sigma")):
        for axis in ("eta", "phi"):
            label = rf"${symbol}_\{axis}$ in layer {layer.number}"
            edges, sides = np.linspace(low, high, 101), _column(pair, f"{kind}_{axis}", place)
            found.append(ShowerHistogram(f"{kind}_{axis}_{layer.number}", label, "mm", edges, *sides))
    return found


def _voxels(pair: ShowerPair) -> list[ShowerHistogram]:
    highest = float(pair.truth.voxels.max())
    if highest <= pair.cut or pair.calorimeter.voxels == len(pair.calorimeter.layers):
        return []
    edges = np.geomspace(pair.cut, highest, VOXEL_EDGES)
    return [ShowerHistogram("voxel", r"$E_{\rm voxel}$", "MeV", edges, pair.truth.voxels, pair.generated.voxels)]


def _radial(pair: ShowerPair) -> list[ShowerHistogram]:
    """Sparsities, and centres and widths of the radius."""
    found = []
    for place, layer in enumerate(pair.calorimeter.layers):
        reach = width = 1500.0 if layer.number in DEEP_LAYERS else 500.0
        if layer.edges[-1] <= SMALL_RADIUS:
            reach, width = 42.0, 20.0
        spans = {
            "sparsity": (1.0, 20, "sparsity"),
            "centre_r": (reach, 100, "$C_r$"),
            "width_r": (width, 100, r"$\sigma_r$"),
        }
        for kind, (high, bins, symbol) in spans.items():
            edges, label = np.linspace(0, high, bins + 1), f"{symbol} in layer {layer.number}"
            unit = "" if kind == "sparsity" else "mm"
            found.append(ShowerHistogram(f"{kind}_{layer.number}", label, unit, edges, *_column(pair, kind, place)))
    return found
