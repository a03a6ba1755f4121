"""Seeds from names: the same names give the same stream, whatever else runs and in whatever order."""

from __future__ import annotations

import hashlib

import numpy as np


def seed_of(*names: str | int) -> int:
    """A 63-bit seed that is the SHA-256 of the names; ``seed_of("a", "b") != seed_of("ab")``."""
    text = "\x1f".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_rng(*names: str | int) -> np.random.Generator:
    """A NumPy generator of its own for these names."""
    return np.random.default_rng(seed_of(*names))
