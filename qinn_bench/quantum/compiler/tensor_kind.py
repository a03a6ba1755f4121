"""The precision and place of a simulation, and constants of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor


class TensorKind(NamedTuple):
    """The precision and place of a simulation."""

    real: torch.dtype
    device: torch.device

    @property
    def complex(self) -> torch.dtype:
        """The precision of amplitudes."""
        return self.real.to_complex()

    def reals(self, values: ArrayLike) -> Tensor:
        """A constant real tensor."""
        return torch.as_tensor(np.asarray(values, dtype=np.float64)).to(self.device, self.real)

    def complexes(self, values: ArrayLike) -> Tensor:
        """A constant complex tensor."""
        return torch.as_tensor(np.asarray(values, dtype=np.complex128)).to(self.device, self.complex)

    def indices(self, values: ArrayLike) -> Tensor:
        """A constant index tensor."""
        return torch.as_tensor(np.asarray(values, dtype=np.int64)).to(self.device)
