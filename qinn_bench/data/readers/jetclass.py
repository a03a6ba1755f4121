"""Jets of JetClass (arXiv:2202.03772, Zenodo 6619768): trees of ROOT, read through uproot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.data.readers.checks import check_file, library
from qinn_bench.data.readers.published import Published, check_lengths, check_rows, hardest_first
from qinn_bench.files import short
from qinn_bench.values import Refused

TREE = "tree"
PARTICLES = ("part_px", "part_py", "part_deta", "part_dphi")
JETS = ("jet_pt", "jet_eta", "jet_nparticles", "jet_sdmass", "jet_tau1", "jet_tau2", "jet_tau3", "jet_tau4")
CLASSES = {
    **{"label_QCD": "QCD", "label_Hbb": "H to bb", "label_Hcc": "H to cc", "label_Hgg": "H to gg"},
    **{"label_H4q": "H to 4q", "label_Hqql": "H to l nu qq", "label_Zqq": "Z to qq", "label_Wqq": "W to qq"},
    **{"label_Tbqq": "t to bqq", "label_Tbl": "t to bl nu"},
}
"""The flags of a jet, exactly one of which is set."""
BY_NAME = {"ZJetsToNuNu": "QCD", "TTBarLep": "t to bl nu", "TTBar_": "t to bqq", "WToQQ": "W to qq", "ZToQQ": "Z to qq"}
"""What the first letters of a file's name say of its jets."""
MAGIC = b"root"


def read(path: Path, *, particles: int = 128, max_rows: int = 0, checksum: str = "") -> Published:
    """Constituents ``(n, particles, 3)`` about the axes of jets, pT in GeV, and the features of the jets beside.

    Labels are places in the classes, in the order of `CLASSES`. The self-check compares them with the name of the file,
    and the numbers of constituents with what the jets say.

    Raises:
        Refused: no such file, another checksum, no tree of JetClass, a damaged file, a jet with no class or several.
    """
    stop = check_rows(path, max_rows)
    if particles < 1:
        raise Refused(f"{path.name}: particles is {particles}; 1 or more was expected")
    uproot = library("uproot", f"'{path.name}'")
    with check_file(path, checksum).open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise Refused(f"{path.name} is no file of ROOT")
    try:
        with uproot.open(path) as root:
            arrays = _branches(path, root, stop)
    except Refused:
        raise
    except Exception as error:  # Damaged bytes make uproot raise errors of many kinds.
        raise Refused(f"{path.name} is damaged, no whole file of ROOT ({short(error)})") from None
    flags = np.column_stack([np.asarray(arrays[name]) for name in CLASSES]).astype(np.int64)
    if bad := int((flags.sum(1) != 1).sum()):
        raise Refused(f"{path.name}: {bad} jets have no class or several; one flag of each jet was expected to be set")
    px, py, eta, phi = (_padded(arrays[name], particles) for name in PARTICLES)
    beside = {name: np.asarray(arrays[name], dtype=np.float64) for name in JETS}
    rows = hardest_first(np.hypot(px, py), eta, phi)
    check_lengths(path, {"part_px": rows, **beside})
    labels = np.argmax(flags, axis=1)
    counts = np.array([len(one) for one in arrays["part_px"]])
    return Published(rows, labels, tuple(CLASSES.values()), beside, tuple(_remarks(path, labels, counts, beside)))


def _branches(path: Path, root: Any, stop: int | None) -> dict[str, Any]:
    names = [key.partition(";")[0] for key in root.keys()]  # noqa: SIM118 - a directory of uproot is no dict.
    if TREE not in names:
        raise Refused(f"{path.name} has no tree '{TREE}'; there are: {', '.join(names)[:200] or 'none'}")
    wanted = (*PARTICLES, *JETS, *CLASSES)
    known = list(root[TREE].keys())
    if lacking := [name for name in wanted if name not in known]:
        raise Refused(f"{path.name} has no branch '{lacking[0]}'; there are: {', '.join(known)[:200]}")
    return {name: root[TREE][name].array(entry_stop=stop, library="np") for name in wanted}


def _padded(ragged: NDArray[Any], particles: int) -> NDArray[np.float64]:
    """Lists of numbers ``(n, particles)``, cut off and filled with zeros."""
    rows = np.zeros((len(ragged), particles))
    for row, values in zip(rows, ragged, strict=True):
        row[: len(values)] = np.asarray(values)[:particles]
    return rows


def _remarks(path: Path, labels: NDArray[Any], counts: NDArray[Any], beside: dict[str, NDArray[Any]]) -> list[str]:
    names, said = tuple(CLASSES.values()), []
    expected = next((label for prefix, label in BY_NAME.items() if path.name.startswith(prefix)), "")
    if expected and (labels != names.index(expected)).any():
        most = names[int(np.bincount(labels).argmax())]
        said.append(f"{path.name}: its name says '{expected}', most of its labels '{most}'")
    if (counts != beside["jet_nparticles"]).any():
        said.append(f"{path.name}: some jets have other numbers of constituents than they say")
    return said
