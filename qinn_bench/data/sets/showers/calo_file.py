"""Showers of a file in the layout of the CaloChallenge, published or of anybody's: layer energies, pixels or voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qinn_bench.about import About
from qinn_bench.calorimeter import CUTS, LAYOUTS, Calorimeter
from qinn_bench.data.readers import binning_xml, calo_challenge
from qinn_bench.data.showers.rows import DrawnShowers, row_form, shower_set
from qinn_bench.dataset import Dataset
from qinn_bench.seeds import numpy_rng
from qinn_bench.values import Knobs, Refused

ABOUT = About(
    citation="arXiv:2410.21611 (CaloChallenge); Zenodo 8099322 (dataset 1), 6366271 (2), 6366324 (3)", needs_path=True
)


def load(
    *,
    path: str = "",
    layout: str = "dataset_1_photons",
    binning: str = "",
    energy: float = 0.0,
    form: str = "layers",
    pixels: int = 12,
    coordinates: str = "",
    noise: float = 0.1,
    cut: float = 0.0,
    max_events: int = 20_000,
    checksum: str = "",
    check: bool = True,
) -> Dataset:
    """Read showers; they are shuffled, always alike, and split. The incident energy is a condition if it varies.

    Args:
        path: a file in HDF5 with ``incident_energies`` ``(n, 1)`` and ``showers`` ``(n, voxels)`` in MeV.
        layout: the geometry: dataset_1_photons, dataset_1_pions, dataset_2 or dataset_3.
        binning: a file in XML that describes the geometry in the place of `layout`, by its name in the same folder.
        energy: only showers at this incident energy in MeV, which is then no condition; 0 takes all.
        form: ``layers``, ``pixels``, ``image`` or ``voxels``, as of photon_showers; or ``grid``, rows ``(1, layers,
            sectors, rings)``, where all layers are alike.
        pixels: of an image: 8, 12 or 25.
        coordinates: in which models see a row: ``cascade``, ``log`` or ``shares``, as of photon_showers.
        noise: the median in MeV of what is added to each number where features are logarithms.
        cut: below so many MeV a voxel counts as empty in what is compared; 0 takes that of the challenge, which with a
            binning of another's is 1 MeV.
        max_events: only the first so many; 0 takes all.
        checksum: the MD5 or SHA-256 that the file has to have.
        check: files with a published name have to be those that were published, by their MD5.

    Raises:
        Refused: no file is named, one that is damaged or of another geometry, or a knob has an impossible value.
    """
    if not path:
        raise Refused("data 'calo_file' needs a file of showers in HDF5: calo_file[path=FILE]")
    wanted = row_form("calo_file", form, pixels, coordinates, noise)
    calorimeter = _calorimeter(Path(path), layout, binning)
    if energy < 0 or cut < 0:
        raise Refused(f"data 'calo_file': energy is {energy:g} and cut {cut:g}; 0 or positive numbers were expected")
    read_in = calo_challenge.read(
        Path(path), calorimeter, energy=energy, max_rows=max_events, checksum=checksum, check=check
    )
    order = numpy_rng("data", "calo_file", len(read_in.incident)).permutation(len(read_in.incident))
    drawn = DrawnShowers(read_in.incident[order], read_in.energies[order], calorimeter)
    about = {
        "description": f"the showers of {Path(path).name}",
        "events": len(order),
        "remarks": list(read_in.remarks),
    }
    knobs: Knobs = {"layout": "" if binning else layout, "energy": energy}
    own = 1.0 if binning else CUTS[layout]
    single = energy or (float(drawn.incident[0]) if np.ptp(drawn.incident) < calo_challenge.SAME else None)
    return shower_set("calo_file", knobs, drawn, wanted, cut=cut or own, energy=single, provenance=about)


def _calorimeter(path: Path, layout: str, binning: str) -> Calorimeter:
    """The geometry that is named, or that of a file beside the showers."""
    if Path(binning).name != binning:
        raise Refused(f"data 'calo_file': binning is '{binning}'; the name of a file beside the showers was expected")
    if binning:
        return binning_xml.read(path.with_name(binning))
    if layout not in LAYOUTS:
        raise Refused(f"data 'calo_file': layout is '{layout}'; there are: {', '.join(LAYOUTS)}")
    return LAYOUTS[layout]
