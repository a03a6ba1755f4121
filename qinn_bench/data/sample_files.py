"""Samples of generated events on disk: one ``.npz`` of rows with one ``.json`` of provenance, named by content."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.bounds import EVENTS
from qinn_bench.data.kinematics import CUTS
from qinn_bench.files import read_arrays
from qinn_bench.reading import read_json
from qinn_bench.values import Refused
from qinn_bench.writing import write_together

BUNDLED = "bundled"
USUAL_EVENTS = 30_000
"""How many events the sample of several jets has that stands for the bundled one, which has one jet."""
GENERATOR = "qinn_bench.data.generators.zjets"
LIBRARIES = ("pythia8mc", "fastjet", "awkward", "numpy")
# Counts up when the generator or the layout of a sample changes, so that an old sample is not taken for a new one.
SCHEMA = 1
REQUIRED: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("events", "seed"), int),
    **dict.fromkeys(("quality", "cuts", "rows_sha256"), str),
    "min_ptz": (int, float),
}
"""The keys of a provenance and the types of their values."""
MUONS = ("pt_mum", "eta_mum", "phi_mum", "pt_mup", "eta_mup", "phi_mup")
MOST_JETS = 3
HEADER = 4096
"""Bytes that a file of rows may have beside them."""
NEEDS_EXTRA = "generating zjets needs the extra [hep]: pip install 'qinn-bench[hep]'"

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class SampleRequest:
    """What a sample is made of: all arguments of the generator that change its rows.

    Example:
        >>> SampleRequest(events=1000, seed=7).quality
        'fast'
    """

    events: int
    seed: int = 1
    quality: str = "fast"
    cuts: str = "lhc"
    min_ptz: float = 0.0
    jets: int = 1

    @property
    def stated(self) -> dict[str, Any]:
        """All of it; that there is one jet goes without saying, as it did before there were samples of more."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("jets", 1)}


def columns(jets: int) -> tuple[str, ...]:
    """The columns of a sample, in GeV and rad: pT, eta, phi of mu- and mu+, and pT, eta, phi, m of every jet.

    Example:
        >>> len(columns(1)), columns(2)[-4:]
        (10, ('pt_j2', 'eta_j2', 'phi_j2', 'm_j2'))
    """
    names = ["j", *(f"j{k}" for k in range(2, jets + 1))]
    return (*MUONS, *(f"{part}_{name}" for name in names for part in ("pt", "eta", "phi", "m")))


def folder() -> Path:
    """Where samples are cached: ``$QINN_BENCH_DATA``, or ``~/.cache/qinn-bench``."""
    return Path(os.environ.get("QINN_BENCH_DATA") or Path.home() / ".cache" / "qinn-bench")


def key(request: SampleRequest) -> str:
    """The name of a sample: a hash of the request, the versions of the generators and the schema.

    Raises:
        Refused: the generators are not installed, so that their versions are unknown.
    """
    try:
        versions = {name: version(name) for name in LIBRARIES}
    except PackageNotFoundError:
        raise Refused(NEEDS_EXTRA) from None
    text = json.dumps([SCHEMA, request.stated, versions], sort_keys=True)
    return f"zjets-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def make(request: SampleRequest, workers: int, progress: Callable[[int], None]) -> str:
    """Generate a sample unless it is there and whole, and return its name.

    Raises:
        Refused: the generators are not installed, or refuse the request.
    """
    if request.events > EVENTS:
        raise Refused(f"{request.events} events were asked for; a sample has at most {EVENTS}")
    name = key(request)
    if name in names() and not broken(name):
        return name
    try:
        generator = importlib.import_module(GENERATOR)
    except ImportError:
        raise Refused(NEEDS_EXTRA) from None
    try:
        folder().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"samples go to {folder()} ($QINN_BENCH_DATA), but: {error.strerror}") from None
    rows, provenance = generator.generate(**request.stated, workers=workers, progress=progress)
    write(folder(), name, rows, provenance)
    return name


def of_jets(sample: str, jets: int) -> str:
    """The sample of so many jets that a data set asks for; with several jets, the bundled one stands for one that
    ``qinn-bench data make zjets`` has made of `USUAL_EVENTS` events.

    Raises:
        Refused: it was not made yet; or no such number of jets.
    """
    if not 1 <= jets <= MOST_JETS:
        raise Refused(f"data 'zjets': jets is {jets}; 1 to {MOST_JETS} were expected")
    if sample != BUNDLED or jets == 1:
        return sample
    usual = SampleRequest(events=USUAL_EVENTS, jets=jets).stated
    for name in names():
        with suppress(Refused):
            if usual.items() <= info(name).items():
                return name
    raise Refused(
        f"the sample of {jets} jets does not come with qinn-bench and was not made here yet; to make it: qinn-bench "
        f"data make zjets --jets {jets} --events {USUAL_EVENTS}"
    )


def names() -> list[str]:
    """The bundled sample and those in the cache."""
    return [BUNDLED, *sorted(path.stem for path in folder().glob("zjets-*.json"))]


def info(name: str) -> dict[str, Any]:
    """The provenance of a sample.

    Raises:
        Refused: no such sample, or its provenance cannot be read.
    """
    path = _place(name).with_suffix(".json")
    try:
        provenance: Any = read_json(path)
    except (OSError, Refused):
        raise Refused(f"the provenance {path} of sample '{name}' is broken; {_remedy(name)}") from None
    typed = isinstance(provenance, dict) and all(isinstance(provenance.get(k), REQUIRED[k]) for k in REQUIRED)
    typed = typed and provenance.get("jets", 1) in range(1, MOST_JETS + 1)
    if not typed or not 0 <= provenance["events"] <= EVENTS or provenance["cuts"] not in CUTS:
        raise Refused(f"the provenance {path} of sample '{name}' is not one of zjets; {_remedy(name)}")
    return dict(provenance)


def read(name: str) -> tuple[Rows, dict[str, Any]]:
    """Rows ``(n, 6 + 4 jets)`` in GeV and rad, and provenance; the rows have the hash that they had when made.

    Raises:
        Refused: no such sample, its files are broken, or values are not finite.
    """
    provenance, path = info(name), _place(name).with_suffix(".npz")
    named = columns(provenance.get("jets", 1))
    shape = provenance["events"], len(named)
    try:
        rows: Rows = read_arrays(path, most=4 * shape[0] * shape[1] + HEADER)["rows"]
    except (OSError, KeyError, Refused):
        raise Refused(f"the rows {path} of sample '{name}' cannot be read; {_remedy(name)}") from None
    if rows.shape != shape or rows.dtype != np.float32 or rows_hash(rows) != provenance["rows_sha256"]:
        raise Refused(f"the rows {path} of sample '{name}' are not those that were made; {_remedy(name)}")
    if bad := [f"'{c}' in {n}" for c, n in zip(named, (~np.isfinite(rows)).sum(0).tolist(), strict=True) if n]:
        raise Refused(
            f"of the {len(rows)} rows {path} of sample '{name}', values are not finite in the columns: "
            f"{', '.join(bad)}; {_remedy(name)}"
        )
    return rows, provenance


def _remedy(name: str) -> str:
    return "install qinn-bench again" if name == BUNDLED else "delete it and make it again"


def broken(name: str) -> str:
    """Why a sample cannot be used; empty if it can.

    Raises:
        Refused: no such sample.
    """
    _place(name)
    try:
        read(name)
    except Refused as refusal:
        return str(refusal)
    return ""


def rows_hash(rows: Rows) -> str:
    """SHA-256 of the bytes of rows."""
    return hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()


def write(where: Path, name: str, rows: Rows, provenance: dict[str, Any]) -> None:
    """Write both files whole or not at all; the provenance last, since a sample exists once it has one."""
    text = json.dumps(provenance, indent=1, allow_nan=False) + "\n"
    write_together(
        [
            (where / f"{name}.npz", lambda file: np.savez(file, rows=rows)),
            (where / f"{name}.json", lambda file: file.write(text.encode())),
        ]
    )


def _place(name: str) -> Path:
    """The path of a sample without suffix."""
    if name == BUNDLED:
        return Path(__file__).parent / "samples" / "zjets"
    if name not in names():
        own = f'; a table of yours is the data set "table[path={name}]"' if Path(name).is_file() else ""
        raise Refused(f"no sample is called '{name}'; there are: {', '.join(names())}{own}")
    return folder() / name
