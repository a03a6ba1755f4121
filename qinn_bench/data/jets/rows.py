"""What models see of the jets of a sample: images, their hardest constituents, or a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.class_rows import particle_set, pixel_set
from qinn_bench.data.jets import arrays
from qinn_bench.data.jets.arrays import Jets, hardest
from qinn_bench.data.jets.images import CHANNELS, PITCH, PIXELS, crystals_of, images
from qinn_bench.data.transforms import Columnwise, Identity, LogShift, Map
from qinn_bench.data.two_classes import assemble_classes, check_background, split
from qinn_bench.dataset import Column, Dataset
from qinn_bench.values import Array, Knobs, Refused

MASS_FLOOR = 1.0
"""The logarithm is taken of a mass plus this, in GeV."""
FEATURES: tuple[tuple[Column, Map], ...] = (
    (Column("jet_pt", r"$p_T$", "GeV"), LogShift()),
    (Column("jet_mass", "$m$", "GeV"), LogShift(-MASS_FLOOR)),
    (Column("multiplicity", "multiplicity"), Identity()),
    (Column("tau32", r"$\tau_{32}$"), Identity()),
    (Column("sd_mass", r"$m_{\mathrm{SD}}$", "GeV"), LogShift(-MASS_FLOOR)),
    (Column("width", "width"), Identity()),
    (Column("ptd", r"$p_T^D$"), Identity()),
)
"""The numbers of a jet, and the map of each to what models see before it is standardised."""
MOST_BYTES = 2**30
"""Of the images of a data set, as doubles."""


def image_set(
    name: str,
    knobs: Knobs,
    jets: Mapping[str, Jets],
    pixels: int,
    channels: str,
    mixed: bool,
    provenance: Mapping[str, Any],
) -> Dataset:
    """Images ``(channels, pixels, pixels)``, each channel divided by its maximum; models see the pixels as they are.

    Raises:
        Refused: no such number of pixels, no such channel, a sample without all constituents, or more images than
            fit into memory.
    """
    if pixels not in PIXELS:
        raise Refused(f"data '{name}': pixels is {pixels}; there are: {', '.join(map(str, PIXELS))}")
    if kept := int(provenance.get("particles", 0)):
        raise Refused(
            f"data '{name}': the sample has the {kept} hardest constituents of a jet alone, and an image is of all; a "
            "sample that was made with --particles 0 was expected"
        )
    chosen = channels_of(name, channels, CHANNELS)
    _check_memory(name, sum(len(one.counts) for one in jets.values()), len(chosen), pixels)
    drawn = {label: images(one, pixels, chosen) for label, one in jets.items()}
    side = PITCH * crystals_of(pixels)
    return pixel_set(name, {**knobs, "channels": channels}, drawn, mixed, provenance, extent=(side, side))


def channels_of(name: str, channels: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """One of the channels that are known, or all of them.

    Raises:
        Refused: no such channel.
    """
    if channels not in (*known, "all"):
        raise Refused(f"data '{name}': channels is '{channels}'; there are: {', '.join(known)}, all")
    return known if channels == "all" else (channels,)


def _check_memory(name: str, n: int, channels: int, pixels: int) -> None:
    most = MOST_BYTES // (8 * channels * pixels**2)
    if n > most:
        raise Refused(
            f"data '{name}': {n} images of {channels} x {pixels} x {pixels} do not fit into 1 GiB; max_events of at "
            f"most {most} was expected"
        )


def constituent_set(
    name: str, knobs: Knobs, jets: Mapping[str, Jets], particles: int, mixed: bool, provenance: Mapping[str, Any]
) -> Dataset:
    """Rows ``(3 particles,)`` of the hardest constituents: pT over that of the jet, eta and phi from its axis in rad.

    They are ordered by pT and padded with zeros; models see them as they are.

    Raises:
        Refused: more constituents than the sample has of a jet, or none.
    """
    stored = int(provenance.get("particles", 0)) or max(int(one.counts.max(initial=0)) for one in jets.values())
    if not 1 <= particles <= stored:
        raise Refused(f"data '{name}': particles is {particles}; the sample has 1 to {stored} of a jet")
    rows = {label: hardest(one, particles) for label, one in jets.items()}
    return particle_set(name, knobs, rows, mixed, provenance)


def feature_set(
    name: str, knobs: Knobs, jets: Mapping[str, Jets], mixed: bool, provenance: Mapping[str, Any]
) -> Dataset:
    """Rows of the numbers in `FEATURES`, of which floors are made; features are standardised."""
    background, signal = (split(name, label, _numbers(one)) for label, one in jets.items())
    return assemble_classes(
        name,
        knobs,
        background,
        signal,
        mixed=mixed,
        observables=partial(_named, tuple(column.name for column, _ in FEATURES)),
        labels={column.name: column.label for column, _ in FEATURES},
        support=_positive,
        provenance=provenance,
        columns=tuple(column for column, _ in FEATURES),
        transform=(Columnwise(tuple(one for _, one in FEATURES)),),
    )


def _numbers(jets: Jets) -> Array:
    """Rows ``(n, 7)`` of the numbers of jets."""
    tau2 = jets.column("tau2")
    tau32 = np.divide(jets.column("tau3"), tau2, out=np.zeros(len(tau2)), where=tau2 > 0)
    return np.column_stack([tau32 if c.name == "tau32" else jets.column(c.name) for c, _ in FEATURES])


def _named(names: tuple[str, ...], rows: Array) -> dict[str, Array]:
    return dict(zip(names, rows.T, strict=True))


def _positive(rows: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(rows).all(axis=1) & (rows >= 0).all(axis=1) & (rows[:, 0] > 0))


def by_class(
    name: str, sample: str, background: str, classes: tuple[str, str], max_events: int
) -> tuple[dict[str, Jets], dict[str, Any]]:
    """The jets of the background and of the signal in a sample, half of `max_events` of each or all, and where they are
    from.

    Raises:
        Refused: no such class, a negative number, or a sample that is missing or broken.
    """
    jets, provenance = arrays.read(name, sample)
    label = check_background(name, background, classes)
    if max_events < 0:
        raise Refused(f"data '{name}': max_events is {max_events}, but 0 (all) or a positive number is expected")
    half = (max_events + 1) // 2
    chosen = {"background": jets.of_class(label, half), "signal": jets.of_class(1 - label, half)}
    return chosen, {"background": background, "signal": classes[1 - label], **provenance}
