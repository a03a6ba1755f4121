"""Torch generators from names, as `seeds` has those of NumPy."""

from __future__ import annotations

import torch

from qinn_bench.seeds import seed_of


def torch_rng(*names: str | int) -> torch.Generator:
    """A torch generator (CPU) of its own for these names."""
    return torch.Generator().manual_seed(seed_of(*names))
