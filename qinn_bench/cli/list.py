"""``qinn-bench list``: what exists, from the text of its files; nothing is imported that need not be."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from importlib.util import find_spec

from qinn_bench import catalogue, registry
from qinn_bench.cli import _tables
from qinn_bench.quantum.backend_names import FAMILIES, NAMES
from qinn_bench.quantum.compiler import lowering
from qinn_bench.registry import Kind

KINDS = ("models", "data", "metrics", "backends")
FOLDERS: dict[str, Kind] = {"models": "model", "data": "data"}
"""Kinds whose entries are files in folders."""
PLUGIN = "pennylane_lightning"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One kind, or all of them."""
    parser.add_argument("kind", nargs="?", choices=KINDS)
    parser.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Print names with what each is; metrics with the columns of a table that they fill."""
    entries_of = {kind: _entries(kind) for kind in KINDS if options.kind in (None, kind)}
    if options.kind == "metrics":
        entries_of["columns"] = _columns()
    if options.json:
        print(json.dumps(entries_of, indent=1))
        return 0
    for kind, entries in entries_of.items():
        for group, names in _groups(kind, entries).items():
            print(f"{kind}: {group}" if group else kind)
            for name in names:
                print(_tables.entry(name, entries[name]))
    return 0


def _groups(kind: str, entries: Mapping[str, str]) -> dict[str, list[str]]:
    """The names by the folder that they come from; what has none comes first."""
    groups: dict[str, list[str]] = {}
    for name in entries:
        groups.setdefault(registry.group_of(FOLDERS[kind], name) if kind in FOLDERS else "", []).append(name)
    return dict(sorted(groups.items()))


def _entries(kind: str) -> dict[str, str]:
    if kind == "metrics":
        return {one.name: one.title for one in catalogue.metrics().values()} | catalogue.broken_metrics()
    if kind == "backends":
        return {name: _backend(name, about) for name, about in NAMES.items()} | FAMILIES
    return catalogue.listed("model" if kind == "models" else "data")


def _backend(name: str, about: str) -> str:
    """What a backend is, and what is missing here for it; whether the rest runs, `qinn-bench doctor` tries out."""
    if name == "auto":
        return f"{about} (here: {'native' if lowering.AVAILABLE else 'torch'})"
    family, _, kind = name.partition(".")
    if name == "native" and not lowering.AVAILABLE:
        return f"{about}; not here: it {lowering.ABSENCE}"
    if family == "lightning" and (not find_spec(PLUGIN) or not find_spec(f"{PLUGIN}.{family}_{kind}")):
        return f"{about}; not here: it is not installed"
    return about


def _columns() -> dict[str, str]:
    """The columns of a table with what they mean; a ``*`` stands for an observable of the data set."""
    declared = [column for one in catalogue.metrics().values() for column in one.columns]
    listed = [*catalogue.COMPUTED.values(), *declared]
    return {column.name: column.meaning or column.short for column in listed}
