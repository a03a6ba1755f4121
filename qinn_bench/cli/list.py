"""``qinn-bench list``: what exists."""

from __future__ import annotations

import argparse
import json

from qinn_bench import registry
from qinn_bench.metrics._collect import all_metrics, broken_families
from qinn_bench.quantum import backends

KINDS = ("models", "data", "metrics", "backends")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One kind, or all of them."""
    parser.add_argument("kind", nargs="?", choices=KINDS)
    parser.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Print names with what each is."""
    found = {kind: _entries(kind) for kind in KINDS if options.kind in (None, kind)}
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    for kind, entries in found.items():
        print(kind)
        for name, about in entries.items():
            print(f"  {name:<22} {about}".rstrip())
    return 0


def _backend(name: str, about: str) -> str:
    """What a backend is, and why it cannot run here where it cannot."""
    about = f"{about} (here: {backends.resolve(name)})" if name == "auto" else about
    reason = backends.why_not(name)
    return f"{about}; not here: {reason}" if reason else about


def _entries(kind: str) -> dict[str, str]:
    if kind == "metrics":
        return {name: metric.title for name, metric in sorted(all_metrics().items())} | broken_families()
    if kind == "backends":
        return {name: _backend(name, about) for name, about in backends.NAMES.items()} | backends.FAMILIES
    what: registry.Kind = "model" if kind == "models" else "data"
    return {name: registry.about(what, name) for name in registry.working(what)} | registry.broken(what)
