"""Any 2x2 unitary as gates: fixed ones, and ones that differ from sample to sample and are differentiated."""

from __future__ import annotations

import torch
from torch import Tensor

from qinn_bench.quantum.circuit import Angle, Gate
from qinn_bench.values import Refused

N_INPUTS = 7
"""Inputs that a per-sample unitary takes."""
TOLERANCE = 1e-4


def fixed_unitary(matrix: Tensor, wire: int) -> tuple[Gate, ...]:
    """Gates on a wire whose product is this ``(2, 2)`` unitary exactly, global phase included.

    Raises:
        Refused: the matrix is not a unitary.
    """
    angles = _euler(_checked(matrix.detach())).tolist()
    return _gates(wire, [Angle(constant=angle) for angle in (0.0, 0.0, 0.0, *angles)])[3:]


def sampled_unitary(wire: int, first_input: int = 0) -> tuple[Gate, ...]:
    """Gates of a unitary that differs from sample to sample; `angles_of` gives its inputs, from `first_input` on."""
    return _gates(wire, [Angle(input=first_input + k) for k in range(N_INPUTS)])


def angles_of(matrices: Tensor) -> Tensor:
    """The inputs of `sampled_unitary` for unitaries ``(..., 2, 2)``: ``(..., N_INPUTS)``, differentiable to any order.

    Euler angles have no gradient where the middle one is 0, as at the identity. So each matrix is the constant Euler
    product of its own value, preceded by turns about x, y and z that are 0 and carry its derivatives.

    Raises:
        Refused: a matrix is not a unitary.
    """
    base = _euler(_checked(matrices.detach()))
    local = _euler_product(base).mH @ matrices
    phase, (w, x, y, z) = _quaternion(local)
    turns = (
        torch.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y)),
        torch.asin(2 * (w * y - z * x)),
        torch.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)),
    )
    return torch.cat((torch.stack(turns, -1), base[..., :3], (base[..., 3] + phase)[..., None]), -1)


def _gates(wire: int, angles: list[Angle]) -> tuple[Gate, ...]:
    """RX, RY, RZ of the first three angles, Rot of the next three, then ``exp(i angle)`` of the last."""
    x, y, z, first, middle, last, phase = angles
    doubled, undone = (Angle(None, phase.input, None, phase.constant, factor) for factor in (2.0, -2.0))
    local = tuple(Gate(name, (wire,), (angle,)) for name, angle in (("RX", x), ("RY", y), ("RZ", z)))  # type: ignore[arg-type]
    global_phase = Gate("PhaseShift", (wire,), (doubled,)), Gate("RZ", (wire,), (undone,))
    return *local, Gate("Rot", (wire,), (first, middle, last)), *global_phase


def _checked(matrices: Tensor) -> Tensor:
    if matrices.shape[-2:] != (2, 2) or not matrices.is_complex():
        raise Refused(f"a unitary of one wire is a complex (2, 2), not {matrices.dtype} {tuple(matrices.shape)}")
    error = (matrices.mH @ matrices - torch.eye(2).to(matrices)).abs().max() if matrices.numel() else torch.zeros(())
    if not error < TOLERANCE:
        raise Refused(
            f"a matrix that is no unitary was given: it is off by {error:.2g}, at most {TOLERANCE} is allowed"
        )
    return matrices


def _quaternion(matrices: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The angle of ``exp(i angle) (w - i (x X + y Y + z Z))`` and its w, x, y, z."""
    determinant = torch.linalg.det(matrices)
    phase = 0.5 * torch.atan2(determinant.imag, determinant.real)
    special = matrices * torch.polar(torch.ones_like(phase), -phase)[..., None, None]
    a, b, c, d = (special[..., row, column] for row in (0, 1) for column in (0, 1))
    return phase, ((a + d).real / 2, -(b + c).imag / 2, (c - b).real / 2, (d - a).imag / 2)


def _euler(matrices: Tensor) -> Tensor:
    """``(..., 4)``: phi, theta, omega, alpha of ``exp(i alpha) RZ(omega) RY(theta) RZ(phi)``."""
    phase, (w, x, y, z) = _quaternion(matrices)
    total, difference = torch.atan2(z, w), torch.atan2(-x, y)
    middle = 2 * torch.atan2(torch.hypot(x, y), torch.hypot(w, z))
    return torch.stack((total - difference, middle, total + difference, phase), -1)


def _euler_product(angles: Tensor) -> Tensor:
    """The matrices of `_euler`, ``(..., 4) -> (..., 2, 2)``."""
    first, middle, last, phase = angles.unbind(-1)
    cosine, sine = (middle / 2).cos(), (middle / 2).sin()
    total, difference = (first + last) / 2, (last - first) / 2
    entries = (
        torch.polar(cosine, phase - total),
        -torch.polar(sine, phase - difference),
        torch.polar(sine, phase + difference),
        torch.polar(cosine, phase + total),
    )
    return torch.stack((torch.stack(entries[:2], -1), torch.stack(entries[2:], -1)), -2)
