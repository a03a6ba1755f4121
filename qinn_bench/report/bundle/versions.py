"""The versions that a study was made with, and those that are installed, as a file that ``pip install -c`` reads."""

from __future__ import annotations

import platform
import re
from collections import Counter
from collections.abc import Sequence
from importlib import metadata

from qinn_bench.values import Record

LOCK = "environment.lock"
PROJECT = "qinn-bench"
NAME = re.compile(r"[A-Za-z0-9._-]+")
LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "pennylane", "normflows", "qinn-bench", "python")
"""What records say of versions."""


def lock(records: Sequence[Record]) -> str:
    """Constraints: every distribution that the project needs at its installed version; comments say what records have.

    >>> text = lock([])
    >>> any(line.startswith("numpy==") for line in text.splitlines())
    True
    """
    lines = [
        f"# Python {platform.python_version()}; what {PROJECT} needs, as it is installed where this was made.",
        "#",
    ]
    for name in LIBRARIES:
        counted = Counter(str(record.provenance[name]) for record in records if name in record.provenance)
        lines += [f"# {count} records were made with {name} {version}" for version, count in counted.most_common()]
    return "\n".join([*lines, *(f"{name}=={version}" for name, version in sorted(_needed().items()))]) + "\n"


def _needed() -> dict[str, str]:
    """The distributions that the project needs, and those that these need, as far as they are installed."""
    waiting, known = [PROJECT], dict[str, str]()
    while waiting:
        name = waiting.pop()
        try:
            one = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        called = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()
        if called not in known:
            known[called] = one.version
            waiting += [match[0] for said in one.requires or () if _is_plain(said) and (match := NAME.match(said))]
    return {name: version for name, version in known.items() if name != PROJECT}


def _is_plain(requirement: str) -> bool:
    """Whether a requirement is none of an extra."""
    return "extra ==" not in requirement
