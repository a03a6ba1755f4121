"""What machine this is: a description without anything that changes from boot to boot, and the name that it gives."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib.metadata import distributions

import numpy as np

from qinn_bench.records.provenance import processor
from qinn_bench.values import Value

GIBIBYTE = 2**30


class Machine(Value):
    """Hardware and system libraries that a time depends on; equal descriptions have equal names."""

    processor: str
    architecture: str
    cores: int
    memory_gib: int
    system: str
    blas: str

    @property
    def name(self) -> str:
        """A word of the processor and eight digits of the hash of the description."""
        word = next((w for w in self.processor.lower().split() if w.isascii() and w.isalnum()), "machine")
        return f"{word}-{hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]}"


def this_machine() -> Machine:
    """The machine of this process; cores are those that it may use."""
    return Machine(
        processor=processor(),
        architecture=platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gib=_memory() // GIBIBYTE,
        system=platform.system(),
        blas=_blas(),
    )


def environment() -> str:
    """Twelve digits of a hash of Python's version and of every installed package: a bump of one is no regression."""
    packages = sorted(
        {f"{package.name.lower()}=={package.version}" for package in distributions() if _foreign(package.name)}
    )
    return hashlib.sha256(" ".join([platform.python_version(), *packages]).encode()).hexdigest()[:12]


def _foreign(name: str | None) -> bool:
    return name is not None and name.lower().replace("_", "-") != "qinn-bench"


def _memory() -> int:
    """Physical memory in bytes; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def _blas() -> str:
    """The linear algebra library of NumPy with its version."""
    config = np.show_config(mode="dicts") or {}
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
