"""The angles of many gates at once: what the weights alone give, and what the inputs add."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qinn_bench.quantum.circuit import Angle
from qinn_bench.quantum.compiler.plan import Angles
from qinn_bench.quantum.compiler.tensor_kind import TensorKind


class Radians:
    """A list of angles as index vectors; `fed` are the places of those that an input enters.

    Attributes:
        inputs: which input enters, for each of `fed`.
    """

    def __init__(self, listed: Sequence[Angle], n_weights: int, kind: TensorKind) -> None:
        self.fed = [k for k, angle in enumerate(listed) if angle.input is not None]
        self.places = kind.indices(self.fed)
        self._all = Angles(listed, n_weights, kind)
        self._fed = Angles([listed[k] for k in self.fed], n_weights, kind)
        self.inputs = self._fed.input
        self._zero_one = kind.reals([0.0, 1.0])

    def shared(self, weights: Tensor) -> Tensor:
        """The angles without what the inputs add, ``(n_angles,)``."""
        return self._all.shared(self._padded(weights))

    def slopes(self, weights: Tensor) -> Tensor:
        """The derivative of each angle of `fed` along its input, ``(fed,)``."""
        return self._fed.slopes(self._padded(weights))

    def mixed(self, inputs: Tensor, weights: Tensor) -> list[Tensor]:
        """Every angle: ``(B,)`` where an input enters, else a scalar."""
        shared = self.shared(weights)
        values = list(shared.unbind())
        sampled = shared[self.places][:, None] + self.slopes(weights)[:, None] * inputs.T[self.inputs]
        for place, value in zip(self.fed, sampled.unbind(), strict=True):
            values[place] = value
        return values

    def rows(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Every angle for every row of the inputs, ``(B, n_angles)``."""
        shared = self.shared(weights).expand(len(inputs), -1)
        return shared.index_add(1, self.places, inputs[:, self.inputs] * self.slopes(weights))

    def _padded(self, weights: Tensor) -> Tensor:
        return torch.cat([weights.to(self._zero_one), self._zero_one])
