"""Samples of generated events on disk: one ``.npz`` of arrays with one ``.json`` of provenance, named by content."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qinn_bench.bounds import EVENTS
from qinn_bench.data.sample_sources import BUNDLED, LIBRARIES, SOURCES, Request, SampleSource
from qinn_bench.files import read_arrays
from qinn_bench.reading import read_json
from qinn_bench.values import Refused
from qinn_bench.writing import write_together

HEADER = 4096
"""Bytes that a file may have beside its arrays."""

Arrays = dict[str, NDArray[Any]]


def folder() -> Path:
    """Where samples are cached: ``$QINN_BENCH_DATA``, or ``~/.cache/qinn-bench``."""
    return Path(os.environ.get("QINN_BENCH_DATA") or Path.home() / ".cache" / "qinn-bench")


def source_of(name: str) -> SampleSource:
    """What makes samples of that name."""
    return next((one for one in SOURCES.values() if name.startswith(f"{one.name}-")), SOURCES["zjets"])


def _source_for(request: Request) -> SampleSource:
    return next(one for one in SOURCES.values() if one.request is type(request))


def key(request: Request) -> str:
    """The name of a sample: a hash of the request, the versions of the generators and the schema.

    Raises:
        Refused: the generators are not installed, so that their versions are unknown.
    """
    source = _source_for(request)
    try:
        versions = {name: version(name) for name in LIBRARIES}
    except PackageNotFoundError:
        raise Refused(source.needs_extra) from None
    text = json.dumps([source.schema, request.stated, versions], sort_keys=True)
    return f"{source.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def make(request: Request, workers: int, progress: Callable[[int], None]) -> str:
    """Generate a sample unless it is there and whole, and return its name.

    Raises:
        Refused: the generators are not installed, or refuse the request.
    """
    if request.events > EVENTS:
        raise Refused(f"{request.events} events were asked for; a sample has at most {EVENTS}")
    name, source = key(request), _source_for(request)
    if name in names() and not broken(name):
        return name
    try:
        generator = importlib.import_module(source.generator)
    except ImportError:
        raise Refused(source.needs_extra) from None
    try:
        folder().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"samples go to {folder()} ($QINN_BENCH_DATA), but: {error.strerror}") from None
    arrays, provenance = generator.generate(**request.stated, workers=workers, progress=progress)
    write(folder(), name, arrays, provenance)
    return name


def names() -> list[str]:
    """The bundled samples and those in the cache."""
    bundled = [source.bundled for source in SOURCES.values()]
    cached = (path.stem for source in SOURCES for path in folder().glob(f"{source}-*.json"))
    return [*bundled, *sorted(set(cached) - set(bundled))]


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
    source = source_of(name)
    if not source.is_one(provenance, EVENTS):
        raise Refused(f"the provenance {path} of sample '{name}' is not one of {source.name}; {_remedy(name)}")
    return dict(provenance)


def read(name: str) -> tuple[Arrays, dict[str, Any]]:
    """The arrays that the source of a sample describes, and provenance; they have the hash that they had when made.

    Raises:
        Refused: no such sample, its files are broken, or values are not finite.
    """
    provenance, path = info(name), _place(name).with_suffix(".npz")
    layout = source_of(name).layout(provenance)
    most = sum(one.bytes for one in layout.values()) + HEADER * len(layout)
    try:
        arrays = {one: array for one, array in read_arrays(path, most=most).items() if one in layout}
    except (OSError, KeyError, Refused):
        raise Refused(f"the rows {path} of sample '{name}' cannot be read; {_remedy(name)}") from None
    whole = all(one in arrays and _fits(arrays[one], *layout[one][:2]) for one in layout)
    if not whole or arrays_hash(arrays := {one: arrays[one] for one in layout}) != provenance["rows_sha256"]:
        raise Refused(f"the rows {path} of sample '{name}' are not those that were made; {_remedy(name)}")
    for one, array in arrays.items():
        bad = (~np.isfinite(array)).reshape(len(array), -1).sum(0).tolist()
        columns = layout[one].columns or (range(len(bad)) if len(bad) > 1 else (one,))
        if said := [f"'{c}' in {n}" for c, n in zip(columns, bad, strict=True) if n]:
            raise Refused(
                f"of the {len(array)} {one} {path} of sample '{name}', values are not finite in the columns: "
                f"{', '.join(said)}; {_remedy(name)}"
            )
    return arrays, provenance


def _fits(array: NDArray[Any], shape: tuple[int, ...], dtype: str) -> bool:
    return array.shape == shape and array.dtype == np.dtype(dtype)


def _remedy(name: str) -> str:
    return "install qinn-bench again" if name == source_of(name).bundled else "delete it and make it again"


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


def arrays_hash(arrays: Arrays) -> str:
    """SHA-256 of the bytes of arrays, one after the other."""
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def write(where: Path, name: str, arrays: Arrays, provenance: dict[str, Any]) -> None:
    """Write both files whole or not at all; the provenance last, since a sample exists once it has one."""
    text = json.dumps(provenance, indent=1, allow_nan=False) + "\n"
    packed = source_of(name).packed
    save: Callable[..., None] = np.savez_compressed if packed else np.savez
    stored = {one: np.asfortranarray(array) if packed else array for one, array in arrays.items()}
    write_together(
        [
            (where / f"{name}.npz", lambda file: save(file, **stored)),
            (where / f"{name}.json", lambda file: file.write(text.encode())),
        ]
    )


def _place(name: str) -> Path:
    """The path of a sample without suffix."""
    source = source_of(name)
    if name == source.bundled:
        return Path(__file__).parent / "samples" / source.name
    if name not in names():
        own = f'; a table of yours is the data set "table[path={name}]"' if Path(name).is_file() else ""
        raise Refused(f"no sample is called '{name}'; there are: {', '.join(names())}{own}")
    return folder() / name


def sample_of(source: str, sample: str) -> str:
    """The sample that a data set asks for by the knob `sample`; ``bundled`` is its own that ships.

    Raises:
        Refused: it is a sample of something else.
    """
    name = SOURCES[source].bundled if sample == BUNDLED else sample
    if name in names() and source_of(name).name != source:
        raise Refused(f"data '{source}': sample '{sample}' is one of {source_of(name).name}")
    return name
