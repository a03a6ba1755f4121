"""Showers as rows of a data set: energies of layers, images of a few pixels, or voxels, over the incident energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qinn_bench.calorimeter import Calorimeter, ShowerRows, condition_of, high_level, sectored
from qinn_bench.data.assemble import FEWEST, PUBLISHED, assemble, fingerprint
from qinn_bench.data.showers.coordinates import Cascade
from qinn_bench.data.showers.reduced import PIXELS, layers_only, pooled
from qinn_bench.data.transforms import AsTheyAre, Columnwise, LogShift
from qinn_bench.dataset import Column, Dataset, Observable, Parts, Transform
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Array, Knobs, Refused

FORMS = {"layers": "cascade", "pixels": "cascade", "image": "shares", "voxels": "log", "grid": "shares"}
"""What rows can be, each with the coordinates in which models see them if nothing is said."""
COORDINATES = ("cascade", "log", "shares")
SHARP = 0.5
"""The standard deviation of the logarithm of the noise."""
TINY = 1e-8
"""Shares below are drawn as this."""
EDGES = (0.001, 0.999)
ROOM = 0.1
"""Observables are drawn between these quantiles, with so much room on either side."""


class DrawnShowers(NamedTuple):
    """Showers: incident energies in MeV ``(n,)``, energies in MeV ``(n, k)``, and the calorimeter that they lie in.

    Example:
        >>> from qinn_bench.calorimeter import PHOTON
        >>> DrawnShowers(np.array([1000.0]), np.zeros((1, 368)), PHOTON).energies.shape
        (1, 368)
    """

    incident: Array
    energies: Array
    calorimeter: Calorimeter


class RowForm(NamedTuple):
    """What rows are asked for: a form, pixels of an image, coordinates of models, and the noise in MeV.

    Example:
        >>> row_form("mine", "layers", 12, "", 0.1)
        RowForm(form='layers', pixels=12, coordinates='cascade', noise=0.1)
    """

    form: str
    pixels: int
    coordinates: str
    noise: float

    @property
    def whole(self) -> bool:
        """Whether voxels are needed; the energies of layers are enough otherwise."""
        return self.form != "layers"


def row_form(name: str, form: str, pixels: int, coordinates: str, noise: float) -> RowForm:
    """The knobs of rows, checked; coordinates that are not said are those of the form.

    Raises:
        Refused: a form, a number of pixels or coordinates that there are not, or a noise that leaves zeros in a
            logarithm.
    """
    if form not in FORMS:
        raise Refused(f"data '{name}': form is '{form}'; there are: {', '.join(FORMS)}")
    if pixels not in PIXELS:
        raise Refused(f"data '{name}': pixels is {pixels}; there are images of {', '.join(map(str, PIXELS))}")
    chosen = coordinates or FORMS[form]
    if chosen not in COORDINATES or (form in ("image", "grid") and chosen != "shares"):
        known = "shares alone" if form in ("image", "grid") else ", ".join(COORDINATES)
        raise Refused(f"data '{name}': coordinates is '{coordinates}'; of {form} there are: {known}")
    if not 0 <= noise < np.inf or (chosen != "shares" and noise == 0):
        raise Refused(
            f"data '{name}': noise is {noise:g} MeV; a positive number was expected, since features are logarithms "
            "(coordinates=shares does without)"
        )
    return RowForm(form, pixels, chosen, noise if chosen != "shares" else 0.0)


def shower_set(
    name: str,
    knobs: Knobs,
    drawn: DrawnShowers,
    wanted: RowForm,
    *,
    cut: float,
    energy: float | None,
    provenance: Mapping[str, Any],
) -> Dataset:
    """A data set of showers; the incident energy is a condition where `energy` is None.

    Rows are energies over the incident energy. Where features are logarithms, a log-normal noise with the given median
    is added to every number, far below the cut: a layer without energy is then a bump and not a point, which no
    density could describe.

    Raises:
        Refused: rows that cannot be split or standardised, or a form that the calorimeter does not have.
    """
    if len(drawn.incident) < FEWEST:
        raise Refused(f"data '{name}' has {len(drawn.incident)} showers; at least {FEWEST} are needed to split them")
    shape, energies = _reduced(name, drawn, wanted)
    rows = energies / drawn.incident[:, None]
    if wanted.noise:
        scatter = numpy_rng("data", name, "noise").normal(size=rows.shape)
        rows = rows + wanted.noise * np.exp(SHARP * scatter) / drawn.incident[:, None]
    knobs = {**knobs, **dict(wanted._asdict())}
    facts = ShowerRows(shape, cut, energy)
    data = _standardised(name, knobs, rows, facts, wanted, provenance)
    parts = PUBLISHED.split(condition_of(drawn.incident)[:, None])
    return replace(data, showers=facts, conditions=Parts(*parts) if energy is None else None)


def _reduced(name: str, drawn: DrawnShowers, wanted: RowForm) -> tuple[Calorimeter, Array]:
    """The calorimeter that a row has, and its energies in MeV, ``(n, voxels)``."""
    whole = drawn.energies.shape[1] == drawn.calorimeter.voxels
    if wanted.form == "layers":
        of_layers = drawn.calorimeter.layer_energies(drawn.energies) if whole else drawn.energies
        return layers_only(drawn.calorimeter), of_layers
    if wanted.form in ("pixels", "image"):
        shape, sums = pooled(drawn.calorimeter, wanted.pixels)
        return shape, drawn.energies @ sums
    if wanted.form == "grid" and drawn.calorimeter.grid is None:
        raise Refused(f"data '{name}': form is 'grid', but its layers differ in rings or sectors; voxels was expected")
    return drawn.calorimeter, drawn.energies


def _standardised(
    name: str, knobs: Knobs, rows: Array, facts: ShowerRows, wanted: RowForm, provenance: Mapping[str, Any]
) -> Dataset:
    """The rows split in their order, with their map to features."""
    calorimeter = facts.calorimeter
    observables, support = partial(_observables, calorimeter), partial(_inside, wanted.coordinates != "shares")
    plots, columns = _plots(observables(rows)), tuple(_columns(calorimeter))
    if wanted.coordinates != "shares":
        return assemble(
            name,
            knobs,
            rows,
            columns=columns,
            steps=_steps(wanted.coordinates, rows.shape[1]),
            observables=observables,
            plots=plots,
            support=support,
            provenance=provenance,
        )
    shape = _row_shape(wanted, calorimeter)
    train, valid, test = (part.reshape(len(part), *shape) for part in PUBLISHED.split(rows))
    return Dataset(
        name=name,
        columns=columns,
        train=train,
        valid=valid,
        test=test,
        transform=AsTheyAre(),
        observables=observables,
        plots=plots,
        support=support,
        fingerprint=fingerprint(name, knobs, train, valid, test),
        provenance=provenance,
    )


def _row_shape(wanted: RowForm, calorimeter: Calorimeter) -> tuple[int, ...]:
    if wanted.form == "image":
        return (1, *PIXELS[wanted.pixels])
    if wanted.form == "grid" and calorimeter.grid:
        return (1, *calorimeter.grid)
    return (calorimeter.voxels,)


def _steps(coordinates: str, dim: int) -> Sequence[Transform]:
    return (Cascade(),) if coordinates == "cascade" else (Columnwise((LogShift(),) * dim),)


def _columns(calorimeter: Calorimeter) -> list[Column]:
    """The names of voxels, those of a layer, ring or sector where it has one alone without saying so."""
    found = []
    for layer in calorimeter.layers:
        for sector in range(layer.angles):
            for ring in range(layer.radii):
                places = [str(layer.number), *[str(sector)] * (layer.angles > 1), *[str(ring)] * (layer.radii > 1)]
                found.append(Column(f"e_{'_'.join(places)}", rf"$E_{{{','.join(places)}}}/E_{{\rm inc}}$"))
    return found


def _observables(calorimeter: Calorimeter, rows: Array) -> dict[str, Array]:
    """The response, the logarithm of the share of each layer, and the widths of layers with sectors in mm."""
    shares = np.maximum(rows.reshape(len(rows), -1), 0.0)
    found = high_level(calorimeter, shares, np.ones(len(rows)))
    out = {"response": found.total}
    for number, share in zip(calorimeter.numbers, found.layers.T, strict=True):
        out[f"layer_{number}"] = np.log10(np.maximum(share, TINY))
    for place, width in zip(sectored(calorimeter)[:WIDTHS], found.width_eta.T, strict=False):
        out[f"width_{calorimeter.numbers[place]}"] = width
    return out


WIDTHS = 5
"""Layers whose width is an observable, at most."""


def _plots(values: Mapping[str, Array]) -> tuple[Observable, ...]:
    return tuple(_plot(name, of) for name, of in values.items())


def _plot(name: str, values: Array) -> Observable:
    low, high = (float(end) for end in np.quantile(values, EDGES))
    room = ROOM * (high - low) or 1.0
    kind, _, number = name.partition("_")
    label, unit = {
        "response": (r"$E_{\rm tot}/E_{\rm inc}$", ""),
        "layer": (rf"$\log_{{10}}\,E_{{{number}}}/E_{{\rm inc}}$", ""),
        "width": (rf"$\sigma_\eta$ in layer {number}", "mm"),
    }[kind]
    return Observable(name, label, low - room, high + room, unit)


def _inside(positive: bool, rows: Array) -> NDArray[np.bool_]:
    """Which rows are finite and have energies above zero, or not below it."""
    flat = rows.reshape(len(rows), -1)
    with np.errstate(invalid="ignore"):
        inside = (flat > 0) if positive else (flat >= 0)
    return np.asarray((np.isfinite(flat) & inside).all(axis=1))
