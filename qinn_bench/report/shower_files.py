"""The showers of a study in files of the CaloChallenge's layout, for its own evaluation program."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qinn_bench.data.readers import binning_xml, calo_challenge
from qinn_bench.dataset import Dataset
from qinn_bench.files import file_name
from qinn_bench.records import store
from qinn_bench.study.selection import Selection
from qinn_bench.values import Array, Refused


def write_showers(selection: Selection, results: Path, folder: Path) -> list[Path]:
    """For each data set of showers: the test rows, what each row has drawn at each seed, and the binning in XML.

    Showers are in MeV; those of the truth are the test rows that metrics compare with. What is not finite, or below
    zero, is written as zero.

    Raises:
        Refused: no data set of showers, or no finished cell with samples; h5py is not installed.
        OSError: a file cannot be written.
    """
    written: list[Path] = []
    uses = [drawn.use for drawn in selection.drawn]
    for drawn in selection.drawn:
        cells = [one for one in selection.over_seeds if one.slot.cell.data == drawn.use]
        records = [one.current for one in cells if one.current and one.current.status == "ok"]
        samples = [(record, store.load_arrays(results, record).get("samples")) for record in records]
        known = [(record, rows) for record, rows in samples if rows is not None]
        if drawn.data.showers is None or not known:
            continue
        name = str(store.told_apart(drawn.use, uses))
        binning = folder / f"{file_name(name)}_binning.xml"
        binning_xml.write(binning, drawn.data.showers.calorimeter)
        most = max(len(rows) for _, rows in known)
        files = {f"{name}_truth": drawn.data.test[:most]}
        files |= {f"{name}_{record.row}_seed{record.cell.seed}": rows for record, rows in known}
        written.append(binning)
        for stem, rows in files.items():
            path = folder / f"{file_name(stem)}.hdf5"
            calo_challenge.write(path, *_showers(drawn.data, rows))
            written.append(path)
    if not written:
        raise Refused(f"'{selection.study.name}' has no finished cell that has drawn showers; run it first")
    return written


def _showers(data: Dataset, rows: Array) -> tuple[Array, Array]:
    """Incident energies and voxels in MeV; nothing is cut, as the evaluation cuts by itself."""
    facts = data.showers
    assert facts is not None
    incident = facts.incident(len(rows), None if data.conditions is None else data.conditions.test)
    energies = rows.reshape(len(rows), -1) * incident[:, None]
    return incident, np.where(np.isfinite(energies) & (energies > 0), energies, 0.0)
