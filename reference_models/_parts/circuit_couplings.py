"""Flows whose maps circuits steer: affine maps with a circuit each for scales and shifts, and the kinds of maps."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil

from torch import nn

from qinn_bench.values import Refused
from reference_models._parts.circuit_conditioner import SideBySide
from reference_models._parts.flow import Conditioner
from reference_models.flows.affine_inn import STEEPEST, Affine


def one_for_each_number(steering: Conditioner) -> Conditioner:
    """A maker of conditioners of affine maps, with a network each for scales and for shifts.

    Example:
        >>> import torch
        >>> one_for_each_number(lambda n_in, n_out: nn.Linear(n_in, n_out))(3, 4)(torch.zeros(5, 3)).shape
        torch.Size([5, 4])
    """

    def apart(n_in: int, n_out: int) -> nn.Module:
        return SideBySide([steering(n_in, n_out // Affine.width) for _ in range(Affine.width)])

    return apart


def affine_in(blocks: int) -> Affine:
    """The affine map of so many blocks, every second of which maps the same half of the features.

    Example:
        >>> affine_in(1).width
        2
    """
    return Affine(STEEPEST / ceil(blocks / 2))


def known_maps(owner: str, kind: str, kinds: Collection[str]) -> str:
    """The kind of maps that circuits steer, which has to be one that there is.

    Raises:
        Refused: there is no such kind.

    Example:
        >>> known_maps("quantum_flow", "affine", ("affine", "spline"))
        'affine'
    """
    if kind not in kinds:
        raise Refused(f"the circuits of {owner} steer no '{kind}' maps; there are: {', '.join(kinds)}")
    return kind
