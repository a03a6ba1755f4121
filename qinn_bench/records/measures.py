"""The code by which a record was measured, told from later code by its content; torch is not needed for it."""

from __future__ import annotations

from functools import lru_cache

from qinn_bench import catalogue
from qinn_bench.records import keys

MEASURING = {
    "certificate": ("qinn_bench.validity.certificate:certify",),
    "resources": ("qinn_bench.capacity.cost:measure",),
    "flags": (
        *(f"qinn_bench.validity.flags:{name}" for name in ("too_good", "memoriser", "leak", "idle_circuit")),
        "qinn_bench.validity.truth_against_truth:Nulls",
    ),
}
"""What is measured of a record beside its metrics, and the code that does it."""


def fingerprints(metrics: tuple[str, ...]) -> dict[str, str]:
    """The fingerprints of the code that measures a record: certificate, resources, flags and each of these metrics.

    A record with others is measured again.
    """
    known = catalogue.metrics() if metrics else {}
    return {name: _fingerprint(name, MEASURING.get(name) or (known[name].source,)) for name in (*metrics, *MEASURING)}


@lru_cache
def _fingerprint(name: str, roots: tuple[str, ...]) -> str:
    return keys.settled(name, keys.content(roots))
