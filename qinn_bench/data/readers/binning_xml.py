"""Binnings of calorimeters in the XML of the CaloChallenge: layers with the edges of their rings and their sectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.parsers import expat

from qinn_bench.calorimeter import Calorimeter, CalorimeterLayer
from qinn_bench.data.readers.checks import absent
from qinn_bench.files import MIB, read_bytes, short
from qinn_bench.values import Refused
from qinn_bench.writing import write_text

MOST_BYTES, MOST_LAYERS, MOST_EDGES, MOST_ANGLES = MIB, 1000, 1000, 1000
"""Limits of a file, of its layers, of the edges of one and of its sectors."""
PIDS = {"photon": 22, "electron": 11, "pion": 211}
"""Numbers of particles of the Particle Data Group."""
ALL_LAYERS = 24
"""Layers that a file of dataset 1 names; those without voxels have one edge."""


def read(path: Path) -> Calorimeter:
    """The calorimeter of a file that describes one particle; layers with a single edge have no voxels.

    A document type is refused, since with one a small file can unpack to any size or name other files.

    Raises:
        Refused: no such file, one that is no XML or too large, or no binning.
    """
    elements = _elements(path, read_bytes(path, absent(path), MOST_BYTES))
    particles = [given for depth, tag, given in elements if (depth, tag) == (1, "Bin")]
    if len(particles) != 1 or elements[0][1] != "Bins":
        raise Refused(f"{path.name} has {len(particles)} elements 'Bin' below 'Bins'; one was expected")
    given = [one for depth, tag, one in elements if (depth, tag) == (2, "Layer")]
    if len(given) > MOST_LAYERS:
        raise Refused(f"{path.name} has {len(given)} layers; {MOST_LAYERS} at most were expected")
    layers = tuple(layer for one in given if (layer := _layer(path, one)))
    try:
        return Calorimeter(particles[0].get("name", ""), layers)
    except Refused as refusal:
        raise Refused(f"{path.name}: {refusal}") from None


def _elements(path: Path, content: bytes) -> list[tuple[int, str, dict[str, str]]]:
    """Every element with its depth and attributes, in order."""
    found: list[tuple[int, str, dict[str, str]]] = []
    depth = 0

    def refuse(*_: Any) -> None:
        raise Refused(f"{path.name} has a document type (DOCTYPE), which no binning needs")

    def begin(tag: str, given: dict[str, str]) -> None:
        nonlocal depth
        found.append((depth, tag, given))
        depth += 1

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError) as error:
        raise Refused(f"{path.name} is no XML ({short(error)})") from None
    return found


def _layer(path: Path, given: dict[str, str]) -> CalorimeterLayer | None:
    """A layer from the attributes of its element; None where it has no voxels."""
    try:
        number, angles = int(given["id"]), int(given["n_bin_alpha"])
        texts = given["r_edges"].split(",")
        edges = tuple(map(float, texts[: MOST_EDGES + 1]))
    except (KeyError, ValueError) as error:
        raise Refused(
            f"{path.name}: a layer has {short(str(given))} ({short(error)}); id, r_edges and n_bin_alpha were expected"
        ) from None
    if len(texts) > MOST_EDGES or angles > MOST_ANGLES or angles < 1:
        raise Refused(
            f"{path.name}: layer {number} has {len(texts)} edges and {angles} sectors; {MOST_EDGES} and 1 to "
            f"{MOST_ANGLES} at most were expected"
        )
    return CalorimeterLayer(number, edges, angles) if len(edges) > 1 else None


def write(path: Path, calorimeter: Calorimeter) -> None:
    """Write the binning of a calorimeter, whole or not at all.

    Raises:
        Refused: a particle that has no number.
        OSError: the file cannot be written.
    """
    if calorimeter.particle not in PIDS:
        raise Refused(f"a binning for '{calorimeter.particle}' was asked for; there are: {', '.join(PIDS)}")
    known = {layer.number: layer for layer in calorimeter.layers}
    count = max(max(known) + 1, ALL_LAYERS if calorimeter.grid is None else 0)
    pid = PIDS[calorimeter.particle]
    lines = [f'  <Bin pid="{pid}" etaMin="0" etaMax="130" name="{calorimeter.particle}">']
    for number in range(count):
        layer = known.get(number)
        edges = ",".join(f"{edge:.10g}" for edge in layer.edges) if layer else "0"
        lines.append(f'    <Layer id="{number}" r_edges="{edges}" n_bin_alpha="{layer.angles if layer else 1}"/>')
    write_text(path, "\n".join(["<Bins>", *lines, "  </Bin>", "</Bins>", ""]))
