"""Events with two leptons, two b jets and missing energy against a heavy resonance, as arXiv:2112.04958 has them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qinn_bench.about import About
from qinn_bench.data.table_files import read_table
from qinn_bench.data.transforms import FixedRange
from qinn_bench.data.two_classes import Split, assemble_classes
from qinn_bench.dataset import Column, Dataset
from qinn_bench.values import Array, Refused

ABOUT = About(citation="Ngairangbam, Spannowsky and Takeuchi, arXiv:2112.04958", needs_path=True)
COLUMNS: dict[str, tuple[float, Column]] = {
    "MET": (1000.0, Column("MET", r"$E_T^{\mathrm{miss}}$", "GeV")),
    "b1pt": (1000.0, Column("b1pt", "$p_T(b_1)$", "GeV")),
    "b2pt": (900.0, Column("b2pt", "$p_T(b_2)$", "GeV")),
    "lep1pt": (1000.0, Column("lep1pt", r"$p_T(\ell_1)$", "GeV")),
    "lep2pt": (900.0, Column("lep2pt", r"$p_T(\ell_2)$", "GeV")),
    "theta_bb": (float(np.pi), Column("theta_bb", r"$\theta_{bb}$", "rad")),
    "theta_ll": (float(np.pi), Column("theta_ll", r"$\theta_{\ell\ell}$", "rad")),
}
"""Every column with its maximum, above which an event is dropped; the order is that of the wires of the published
circuit, which sorted them by name."""
USED = {4: ("MET", "b1pt", "lep1pt", "lep2pt"), 7: tuple(COLUMNS)}
FILES = {
    "background": ("qae_background.csv", "sample_bg_morestat.csv"),
    "signal": ("qae_signal_mH2500.csv", "sample_mH2500_morestat.csv"),
}
"""The names by which each file is looked for."""
TRAIN, VALID, TEST = 30_000, 5_000, 15_000
FEWEST = 100


def load(*, path: str = "", features: int = 4, train_rows: int = 30_000) -> Dataset:
    """The published split: the first 30 000 events of background train, 5000 validate and 15 000 test, with all signal.

    Models see each column linearly mapped from 0 to its fixed maximum to 0 to pi, as the angles of the published
    circuit.

    Args:
        path: the folder of the two files, qae_background.csv and qae_signal_mH2500.csv, or by the names that they were
            published under, sample_bg_morestat.csv and sample_mH2500_morestat.csv.
        features: 4 (missing energy, pT of the first b jet and of both leptons), or 7 with the second b jet and the
            angles between the b jets and between the leptons.
        train_rows: so many of the first events train, before the 5000 that validate.

    Raises:
        Refused: no folder is named, a file is missing or has other columns, or there are too few events.
    """
    if not path:
        raise Refused("data 'qae_events' needs the folder of its two tables: qae_events[path=FOLDER]")
    if features not in USED:
        raise Refused(f"data 'qae_events': features is {features}; there are: {', '.join(map(str, USED))}")
    names = USED[features]
    highs = tuple(COLUMNS[name][0] for name in names)
    background, signal = (_events(Path(path), kind, names) for kind in FILES)
    if not FEWEST <= train_rows <= TRAIN or len(background) < train_rows + VALID + TEST or len(signal) < FEWEST:
        raise Refused(
            f"data 'qae_events' has {len(background)} events of background and {len(signal)} of signal, of which "
            f"{train_rows} train; {FEWEST} to {TRAIN} to train, {VALID + TEST} beside them and {FEWEST} of signal were "
            "expected"
        )
    first, valid, test, _ = np.split(background, np.cumsum([train_rows, VALID, TEST]))
    return assemble_classes(
        "qae_events",
        {"features": features},
        Split(first, valid, test),
        Split(signal[:0], signal[:0], signal),
        mixed=False,
        observables=partial(_observables, names),
        labels={name: COLUMNS[name][1].label for name in names},
        support=partial(_inside, highs),
        provenance={"description": "events of arXiv:2112.04958", "signal": "heavy Higgs boson of 2500 GeV"},
        columns=tuple(COLUMNS[name][1] for name in names),
        transform=FixedRange((0.0,) * features, highs, float(np.pi)),
    )


def _events(folder: Path, kind: str, names: tuple[str, ...]) -> Array:
    """The events of a file whose columns lie between 0 and their maxima, in the order of the file."""
    path = next((folder / name for name in FILES[kind] if (folder / name).exists()), folder / FILES[kind][0])
    table = read_table(path)
    if lacking := [name for name in names if name not in table.names or table.odd[table.names.index(name)]]:
        raise Refused(f"{path.name} has no column of numbers '{lacking[0]}'; there are: {', '.join(table.names)[:200]}")
    rows = table.rows[:, [table.names.index(name) for name in names]]
    return rows[_inside(tuple(COLUMNS[name][0] for name in names), rows)]


def _inside(highs: tuple[float, ...], rows: Array) -> NDArray[np.bool_]:
    return np.asarray(((rows >= 0) & (rows <= np.array(highs))).all(axis=1))


def _observables(names: tuple[str, ...], rows: Array) -> dict[str, Array]:
    return dict(zip(names, rows.T, strict=True))
