"""Give published records keys of content, after asserting that their old hashes, of files, are this tree's.

To be run once, at the commit that brings it: models that are edited later are no longer those of the old hashes.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import pkgutil
from pathlib import Path

from qinn_bench import audit, flags, keys, measuring, published, registry, resources
from qinn_bench.dataset import Dataset
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.values import Record

STUDY = "capacity_zjets"
MEASURING = (
    *("qinn_bench.metrics", "qinn_bench.statistics", "qinn_bench.density_mass"),
    *("qinn_bench.resources", "qinn_bench.quantum.tally", "qinn_bench.nulls"),
)


def main() -> None:
    path = published.path_of(Path("results"), STUDY)
    records = published.read(path, STUDY)
    code = sum(old_code(record) == record.provenance["code_hash"] for record in records)
    key = sum(old_key(record) == record.key for record in records)
    measured = [record for record in records if record.measured]
    same = sum(old_measured(record) == record.measured for record in measured)
    print(f"code {code} of {len(records)}, keys {key} of {len(records)}, measured {same} of {len(measured)}")
    assert code == key == len(records) and same == len(measured)
    data = {str(record.cell.data): record.cell.data for record in records}
    sets = {name: registry.make("data", use) for name, use in data.items()}
    made = [renewed(record, sets[str(record.cell.data)]) for record in records]
    assert len({record.key for record in made}) == len(records)
    published.write(path, STUDY, made)


def renewed(record: Record, data: Dataset) -> Record:
    """The same record under its key of content."""
    assert data.fingerprint == record.provenance["data_hash"]
    inputs = keys.inputs_of(record.cell, data, record.size if record.status == "skipped" else None)
    metrics = tuple(name for name in record.measured if name not in measuring.MEASURING)
    changed = {
        "key": keys.key_of(inputs),
        "inputs": inputs,
        "measured": measuring.fingerprints(metrics) if record.measured else {},
        "provenance": {name: value for name, value in record.provenance.items() if name != "code_hash"},
    }
    return record.model_copy(update=changed)


def old_key(record: Record) -> str:
    code = str(record.provenance["code_hash"])
    skipped = f"{code} {record.size} skipped" if record.status == "skipped" else code
    content = {"cell": record.cell.model_dump(), "data": record.provenance["data_hash"], "code": skipped}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def old_code(record: Record) -> str:
    own = old_source(
        registry.module_of("model", record.cell.model.name), ("reference_models.", "qinn_bench.quantum.ansatz")
    )
    if not record.cell.control:
        return own
    made_by = old_source("qinn_bench.quantum.controls", ("qinn_bench.quantum.stand_ins",))
    return hashlib.sha256(f"{own} {made_by}".encode()).hexdigest()


def old_measured(record: Record) -> dict[str, str]:
    others = {"certificate": audit.__name__, "resources": resources.__name__, "flags": flags.__name__}
    makers = {name: others.get(name) or all_metrics()[name].compute.__module__ for name in record.measured}
    return {name: old_source(module, MEASURING)[:12] for name, module in makers.items()}


def old_source(module: str, follow: tuple[str, ...]) -> str:
    todo, seen = [module], dict[str, str]()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        source = Path(inspect.getfile(importlib.import_module(name))).read_bytes()
        seen[name] = hashlib.sha256(source).hexdigest()
        todo += [m for m in imports(ast.parse(source)) if m.startswith(follow) and is_module(m)]
    return hashlib.sha256("".join(f"{m}:{seen[m]};" for m in sorted(seen)).encode()).hexdigest()


def is_module(name: str) -> bool:
    parent, _, child = name.rpartition(".")
    paths = getattr(importlib.import_module(parent), "__path__", [])
    return child in {info.name for info in pkgutil.iter_modules(paths)}


def imports(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


if __name__ == "__main__":
    main()
