"""Jets and events from files that others have published, as background and signal: CMS, JetClass and others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from qinn_bench.about import About
from qinn_bench.data.class_rows import number_set, particle_set, pixel_set
from qinn_bench.data.jets.images import DIGITS, of_window
from qinn_bench.data.jets.rows import channels_of
from qinn_bench.data.readers import (
    cms_electron_photon,
    cms_quark_gluon,
    energyflow_qg,
    jetclass,
    jetnet,
    latents,
    lhc_olympics,
    top_tagging,
)
from qinn_bench.data.readers.published import Published, hardest_first
from qinn_bench.dataset import Dataset
from qinn_bench.values import Array, Knobs, Refused

ABOUT = About(citation="the files' own, as each reader in qinn_bench/data/readers names them", needs_path=True)
READERS: dict[str, Callable[..., Published]] = {
    "cms_quark_gluon": cms_quark_gluon.read,
    "cms_electron_photon": cms_electron_photon.read,
    "energyflow_qg": energyflow_qg.read,
    "jetclass": jetclass.read,
    "jetnet": jetnet.read,
    "latents": latents.read,
    "lhc_olympics": lhc_olympics.read,
    "top_tagging": top_tagging.read,
}
TAKES_CHANNELS = ("cms_quark_gluon", "cms_electron_photon")
TAKES_ONES = (*TAKES_CHANNELS, "energyflow_qg", "lhc_olympics", "top_tagging")
SHOWN = {"cms_quark_gluon": cms_quark_gluon.CHANNELS, "cms_electron_photon": cms_electron_photon.CHANNELS}


def load(
    *,
    path: str = "",
    files: str = "",
    layout: str = "cms_quark_gluon",
    background: str = "",
    signal: str = "",
    order: str = "",
    ones: str = "",
    channels: str = "ecal",
    pixels: int = 12,
    particles: int = 10,
    mixed: bool = False,
    max_events: int = 20_000,
    checksum: str = "",
) -> Dataset:
    """Read files of a published layout; training and validation rows are background, test rows hold signal too.

    Images of quarks and gluons are averaged over the middle 80 % and divided by their maxima, those of electrons and
    photons averaged over all; constituents are pT over that of all, eta and phi from the axis; latents and
    features are numbers. What the self-check of a reader remarks is in the provenance (`remarks`).

    Args:
        path: a file, or the folder of several.
        files: the names of files in the folder, separated by ``;``, such as one of each class.
        layout: what the files are: cms_quark_gluon, cms_electron_photon, energyflow_qg, jetclass, jetnet, latents,
            lhc_olympics or top_tagging.
        background: the class that is background; the first one of the layout that the files have if empty.
        signal: the class that is signal; the only other one if empty.
        order: of the channels in the files, separated by ``;``, where it is not the usual one.
        ones: the class that label 1 stands for, where it is not the usual one.
        channels: of images: one of them, or ``all``.
        pixels: of images along a side: 12, 20, 40, or all that there are (125 and 32).
        particles: so many hardest constituents.
        mixed: training and validation rows hold both classes, with their labels, for models that may see them.
        max_events: only the first so many of each file; 0 takes all.
        checksum: the MD5 or SHA-256 that the file has to have.

    Raises:
        Refused: no file is named, one that its reader refuses, a class that the files do not have, or a knob that the
            layout does not take or that has an impossible value.
    """
    if layout not in READERS:
        raise Refused(f"data 'published_jets': layout is '{layout}'; there are: {', '.join(READERS)}")
    options: dict[str, object] = {"max_rows": max_events}
    options |= _taken("order", layout, order, "channels", TAKES_CHANNELS) | _taken(
        "ones", layout, ones, "ones", TAKES_ONES
    )
    named = _files(path, files)
    if layout == "cms_quark_gluon":
        # Whole images of 20 000 jets would take 4 GB.
        channels_of("published_jets", channels, cms_quark_gluon.CHANNELS)
        options["shrink"] = partial(of_window, pixels=pixels, crop=True)
    if checksum and len(named) > 1:
        raise Refused("data 'published_jets': checksum is of one file, but several were named")
    read_in = [READERS[layout](one, checksum=checksum, **options) for one in named]
    by_class = _by_class(read_in)
    classes = _chosen(by_class, background, signal)
    about = {
        "description": f"published files: {'; '.join(one.name for one in named)}",
        "background": classes[0],
        "signal": classes[1],
        "remarks": [remark for one in read_in for remark in one.remarks],
    }
    rows = {label: by_class[name] for label, name in zip(("background", "signal"), classes, strict=True)}
    knobs: Knobs = {"layout": layout, "background": classes[0], "signal": classes[1]}
    if layout in SHOWN:
        chosen = [SHOWN[layout].index(one) for one in channels_of("published_jets", channels, SHOWN[layout])]
        drawn, low = {label: one[:, chosen] for label, one in rows.items()}, 0.0
        if layout == "cms_electron_photon":
            low, drawn = -1.0, {label: of_window(one, pixels=pixels, crop=False) for label, one in drawn.items()}
        return pixel_set("published_jets", {**knobs, "channels": channels}, drawn, mixed, about, low=low)
    if next(iter(rows.values())).ndim == 3:
        shares = {label: _shares(one, particles) for label, one in rows.items()}
        return particle_set("published_jets", knobs, shares, mixed, about)
    return number_set("published_jets", knobs, rows, mixed, about, fixed=layout == "latents")


def _shares(rows: Array, particles: int) -> Array:
    """The hardest constituents ``(n, particles, 3)`` with pT over that of the sum of all, rounded to what processors
    agree on.

    Raises:
        Refused: more constituents than there are, or none.
    """
    if not 1 <= particles <= rows.shape[1]:
        raise Refused(f"data 'published_jets': particles is {particles}; the files have 1 to {rows.shape[1]} of a jet")
    pt, phi = rows[:, :, 0], rows[:, :, 2]
    total = np.hypot((pt * np.cos(phi)).sum(1), (pt * np.sin(phi)).sum(1))
    parts = hardest_first(*np.moveaxis(rows, 2, 0))[:, :particles]
    parts[:, :, 0] /= np.maximum(total, 1e-12)[:, None]
    return np.asarray(np.round(parts, DIGITS))


def _taken(knob: str, layout: str, value: str, name: str, takes: tuple[str, ...]) -> dict[str, object]:
    if value and layout not in takes:
        raise Refused(f"data 'published_jets': layout {layout} has no {knob}; {', '.join(takes)} have one")
    return {name: value} if value else {}


def _files(path: str, files: str) -> list[Path]:
    """The file, or those in the folder, which lie in it and nowhere else."""
    if not path:
        raise Refused("data 'published_jets' needs a file, or a folder and files in it: published_jets[path=FILE]")
    names = [name.strip() for name in files.split(";") if name.strip()]
    for name in names:
        if Path(name).name != name:
            raise Refused(f"data 'published_jets': files names '{name}'; names of files in the folder were expected")
    return [Path(path) / name for name in names] or [Path(path)]


def _by_class(read_in: list[Published]) -> dict[str, Array]:
    """The rows of every class that the files have, in the order of the classes."""
    if len({one.rows.shape[1:] for one in read_in}) > 1:
        shapes = ", ".join(str(one.rows.shape[1:]) for one in read_in)
        raise Refused(f"data 'published_jets': the files have rows of {shapes}; rows of one shape were expected")
    parts: dict[str, list[Array]] = {}
    for one in read_in:
        for label in np.unique(one.labels):
            parts.setdefault(one.classes[int(label)], []).append(one.rows[one.labels == label])
    return {name: np.concatenate(several) for name, several in parts.items()}


def _chosen(by_class: dict[str, Array], background: str, signal: str) -> tuple[str, str]:
    """The class of background and that of signal."""
    known = ", ".join(by_class)
    background = background or next(iter(by_class))
    others = [name for name in by_class if name != background]
    signal = signal or (others[0] if len(others) == 1 else "")
    if background not in by_class or signal not in others:
        raise Refused(
            f"data 'published_jets': background is '{background}' and signal '{signal}'; two of the classes in the "
            f"files were expected: {known}"
        )
    return background, signal
