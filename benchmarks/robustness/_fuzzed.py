"""Kinds of files that strangers bring, each with a good one, its damages and the function that reads it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _damages
from _good import LAYOUT, make

from qinn_bench.calorimeter import LAYOUTS
from qinn_bench.data.readers import binning_xml, calo_challenge
from qinn_bench.files import read_arrays
from qinn_bench.records import published, store
from qinn_bench.study import study_files
from qinn_bench.values import Refused
from qinn_bench.verdicts import claim_file, outside_results

TABLE = outside_results.Columns(row="classifier", column="dataset", value="auc")


@dataclass(frozen=True)
class Kind:
    """A kind of file: a good one, how to damage what is inside it, and what reads it, in the folder `home`."""

    name: str
    path: Path
    good: bytes
    inside: Callable[[bytes, random.Random], tuple[str, bytes]]
    read: Callable[[Path], Any]


def kinds(home: Path) -> list[Kind]:
    """All of them, their files in a folder of this process."""
    made = make(home / "good", None)
    folder = made.folder
    record = min((folder / "results" / "records" / "toy").glob("*.json"))
    found: list[tuple[str, Path, str, Callable[[Path], Any]]] = [
        ("studies", folder / "toy.toml", "toml", study_files.load_study),
        ("claims", folder / "claims" / "claims.toml", "toml", claim_file.load),
        ("records", record, "json", _record),
        ("published records", folder / "toy.jsonl.gz", "gzip", lambda path: published.read(path, "toy")),
        ("tables", folder / "table.csv", "csv", lambda path: outside_results.read(path, TABLE)),
        ("NPZ", record.with_suffix(".npz"), "arrays", read_arrays),
        ("HDF5", folder / "showers.hdf5", "hdf5", lambda path: calo_challenge.read(path, LAYOUTS[LAYOUT])),
        ("XML", folder / "binning.xml", "xml", binning_xml.read),
    ]
    return [
        Kind(name, path, path.read_bytes(), getattr(_damages, f"in_{form}"), read) for name, path, form, read in found
    ]


def _record(path: Path) -> Any:
    """A record, as it is looked at; a file that is none is told of with its reason, which counts as a refusal."""
    there = store.look(path.parents[2], path.parent.name, path.stem)
    if isinstance(there, store.UnreadableRecord):
        raise Refused(str(there))
    return there
