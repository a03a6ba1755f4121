"""The description of a bundle as an RO-Crate 1.1 (https://w3id.org/ro/crate/1.1), and the rules that it has to keep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

from qinn_bench import __version__
from qinn_bench.report.bundle.recipe import said_of
from qinn_bench.report.pages.study_page import StudyPage

CRATE = "ro-crate-metadata.json"
CONTEXT, PROFILE = "https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/crate/1.1"
FORMATS = {
    ".html": "text/html",
    ".toml": "application/toml",
    ".json": "application/json",
    ".md": "text/markdown",
    ".gz": "application/gzip",
    ".lock": "text/plain",
    ".py": "text/x-python",
}
NO_DATE = "1970-01-01"
"""The date of records that say none."""
SOFTWARE, RUN, LICENCE = "#qinn-bench", "#run", "https://spdx.org/licenses/MIT"


def crate(page: StudyPage, files: Mapping[str, bytes]) -> str:
    """The metadata of a bundle with these files, in JSON-LD; its date is that of the newest record."""
    times = sorted(str(one.provenance["finished_utc"]) for one in page.records if "finished_utc" in one.provenance)
    described = [_file(name, content) for name, content in sorted(files.items())]
    parts = [{"@id": one["@id"]} for one in described]
    title = page.study.title or page.study.name
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Study {page.study.name}: {title}",
        "description": f"{len(page.records)} records of a comparison of models, with its files and its page",
        "datePublished": (times[-1] if times else NO_DATE)[:10],
        "license": {"@id": LICENCE},
        "hasPart": parts,
        "mentions": {"@id": RUN},
    }
    run = {
        "@id": RUN,
        "@type": "CreateAction",
        "name": f"The run of study {page.study.name}",
        "instrument": {"@id": SOFTWARE},
        "result": [part for part in parts if part["@id"].startswith("results/published/")],
        **({"startTime": times[0], "endTime": times[-1]} if times else {}),
    }
    graph = [
        {"@id": CRATE, "@type": "CreativeWork", "conformsTo": {"@id": PROFILE}, "about": {"@id": "./"}},
        root,
        run,
        {"@id": SOFTWARE, "@type": "SoftwareApplication", "name": "qinn-bench", "softwareVersion": __version__},
        {"@id": LICENCE, "@type": "CreativeWork", "name": "MIT License", "identifier": "MIT"},
        *described,
    ]
    return json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False) + "\n"


def _file(name: str, content: bytes) -> dict[str, Any]:
    return {
        "@id": quote(name),
        "@type": "File",
        "name": said_of(name),
        "encodingFormat": FORMATS.get(PurePosixPath(name).suffix, "application/octet-stream"),
        "contentSize": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def problems(text: str, files: Mapping[str, bytes]) -> list[str]:
    """What in the metadata of a bundle breaks the rules of RO-Crate 1.1, or is not so; nothing where all is well.

    The rules are those of its sections on the root, on data entities and on the JSON-LD form: a flat graph of entities
    with an ``@id`` of their own and an ``@type``, a descriptor about the root, a root with a name, a description, a
    date and a licence, from which every file is reached, and files that are there. This project's bundles also
    describe every file, with its size and checksum.

    >>> problems("[]", {})
    ['the metadata are no JSON object with an @context and an @graph']
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return ["the metadata are no JSON"]
    if not isinstance(whole, dict) or not isinstance(whole.get("@graph"), list) or "@context" not in whole:
        return ["the metadata are no JSON object with an @context and an @graph"]
    graph = whole["@graph"]
    if wrong := [
        one for one in graph if not isinstance(one, dict) or not isinstance(one.get("@id"), str) or "@type" not in one
    ]:
        return [f"an entity has no @id or no @type: {json.dumps(wrong[0])[:80]}"]
    entities: dict[str, dict[str, Any]] = {one["@id"]: one for one in graph}
    found = [] if len(entities) == len(graph) else ["two entities have the same @id"]
    if whole["@context"] != CONTEXT:
        found.append(f"the context is not {CONTEXT}")
    return [*found, *_of_references(entities), *_of_root(entities), *_of_files(entities, files)]


def _references(value: Any) -> Iterator[Any]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            yield one


def _of_references(entities: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    for id, entity in entities.items():
        for name, value in entity.items():
            for one in _references(value):
                if one.keys() != {"@id"}:
                    yield f"'{id}' holds an entity in '{name}', which the graph should hold"
                elif str(one["@id"]) not in entities and "://" not in str(one["@id"]):
                    yield f"'{id}' names '{one['@id']}' in '{name}', which is not described"


def _types(entity: Mapping[str, Any]) -> list[Any]:
    return entity["@type"] if isinstance(entity["@type"], list) else [entity["@type"]]


def _of_root(entities: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    descriptor = entities.get(CRATE, {})
    if descriptor.get("@type") != "CreativeWork" or descriptor.get("about") != {"@id": "./"}:
        yield f"there is no descriptor '{CRATE}' of type CreativeWork about './'"
    named = [str(one.get("@id", "")) for one in _references(descriptor.get("conformsTo"))]
    if not any(one.startswith("https://w3id.org/ro/crate/") for one in named):
        yield "the descriptor does not say which RO-Crate it conforms to"
    root = entities.get("./", {})
    if root.get("@type") != "Dataset":
        yield "the root './' is no Dataset"
    yield from (f"the root has no {name}" for name in ("name", "description", "license") if not root.get(name))
    try:
        datetime.fromisoformat(str(root.get("datePublished", "")))
    except ValueError:
        yield "the root has no datePublished in ISO 8601"


def _of_files(entities: Mapping[str, dict[str, Any]], files: Mapping[str, bytes]) -> Iterator[str]:
    reached = {str(one.get("@id")) for one in _references(entities.get("./", {}).get("hasPart", []))}
    described = {unquote(id): (id, entity) for id, entity in entities.items() if "File" in _types(entity)}
    for name, (id, entity) in described.items():
        if id not in reached:
            yield f"'{name}' is not reached from the root by hasPart"
        if name not in files:
            yield f"'{name}' is described and not there"
        elif entity.get("sha256") != hashlib.sha256(files[name]).hexdigest():
            yield f"'{name}' has another SHA-256 than its description, or that has none"
    yield from (
        f"'{name}' is there and not described" for name in files if name not in {*described, CRATE, "SHA256SUMS"}
    )
