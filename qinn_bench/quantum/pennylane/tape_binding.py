"""PennyLane's operations with other parameters: where its own way of making them fails, or loses something."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2
from typing import Any

import pennylane as qml
import torch
from pennylane.exceptions import DeviceError
from pennylane.ops import Adjoint, CompositeOp, Evolution, Exp, LinearCombination, SProd
from pennylane.ops.functions import bind_new_parameters
from pennylane.ops.op_math import Controlled, Pow, SymbolicOp
from torch import Tensor

ORDER = 16
"""Of the Taylor series of an exponential: beyond it 2^-17/17! of a matrix of norm 1/2 is left out."""


def concrete(value: Any) -> Any:
    """The value itself.

    Raises:
        DeviceError: it is still followed by autograd or jax, whose derivative would be lost without a word.
    """
    if any(kind.__name__ in ("ArrayBox", "Tracer") for kind in type(value).__mro__):
        raise DeviceError(
            "qinn.native gives autograd and jax first derivatives in reverse mode; second ones take max_diff=2, or the "
            "torch interface, and parameters that PennyLane does not see take the name of their interface"
        )
    return value


def as_tensor(value: Any) -> Tensor:
    """A number or an array of any library in double precision on the CPU; of a traced one see `concrete`."""
    tensor = value if isinstance(value, Tensor) else torch.as_tensor(qml.math.toarray(concrete(value)))
    if not (tensor.is_complex() or tensor.is_floating_point()):
        return tensor.to("cpu")
    return tensor.to("cpu", torch.complex128 if tensor.is_complex() else torch.float64)


def unseen_parameters(operation: Any) -> list[Any]:
    """The parameters of an operation that are not among its `data`: those of H in ``Evolution(H, t)``."""
    if isinstance(operation, CompositeOp):
        return [value for operand in operation.operands for value in unseen_parameters(operand)]
    if not isinstance(operation, SymbolicOp):
        return []
    own = list(operation.base.data) if isinstance(operation, Evolution) else []
    return own + unseen_parameters(operation.base)


def is_unbindable(operation: Any) -> bool:
    """Whether there is an operation in it that PennyLane cannot give other parameters without an error or a fault."""
    if isinstance(operation, Evolution | qml.ControlledQubitUnitary | qml.BlockEncode):
        return True
    if isinstance(operation, SymbolicOp):
        return is_unbindable(operation.base)
    return isinstance(operation, CompositeOp) and any(map(is_unbindable, operation.operands))


def bindable(operation: Any) -> Any:
    """The same as operations of which PennyLane can make copies with other parameters.

    It cannot bind parameters of H in ``Evolution(H, t)``, forgets for which values of its controls a
    `ControlledQubitUnitary` acts, and cannot copy a `BlockEncode` that is differentiated.
    """
    if isinstance(operation, qml.BlockEncode):
        return qml.QubitUnitary(operation.matrix(), wires=operation.wires)
    if isinstance(operation, CompositeOp):
        return type(operation)(*map(bindable, operation.operands)) if is_unbindable(operation) else operation
    if not isinstance(operation, SymbolicOp):
        return operation
    base = bindable(operation.base)
    if isinstance(operation, Exp):
        # Of an evolution the coefficient is -i t.
        return Exp(base, operation.coeff)
    return SProd(operation.scalar, base) if isinstance(operation, SProd) else _over(base, operation)


def bound(operation: Any, values: Sequence[Tensor]) -> Any:
    """An operation with these parameters in place of its own, exponentials as the matrices that they are."""
    if isinstance(operation, CompositeOp) and not isinstance(operation, LinearCombination):
        left = iter(values)
        return type(operation)(*(bound(part, [next(left) for _ in part.data]) for part in operation.operands))
    if isinstance(operation, Exp) and operation.base.has_matrix:
        matrix = bound(operation.base, values[1:]).matrix()
        return qml.QubitUnitary(exponential(_scaled(values[0], as_tensor(matrix))), wires=operation.wires)
    if isinstance(operation, Pow) and isinstance(operation.base, Exp):
        return bound(Exp(operation.base.base, operation.base.coeff), [operation.z * values[0], *values[1:]])
    if isinstance(operation, Adjoint | Controlled | Pow):
        return _over(bound(operation.base, values), operation)
    return bind_new_parameters(operation, values) if values else operation


def exponential(matrix: Tensor) -> Tensor:
    """``exp`` of matrices ``(..., d, d)`` to the last digits, differentiable to any order.

    By scaling and squaring (Moler and Van Loan, SIAM Review 45, 3, method 3). torch's own is off by up to 2e-10 where
    the norm is between 0.005 and 0.05, and so is its derivative where that of what follows is.
    """
    if matrix.ndim > 2:
        return torch.stack([exponential(slice_) for slice_ in matrix])
    norm = matrix.detach().abs().sum(-2).max().item()
    halvings = max(0, ceil(log2(2 * norm))) if norm > 0 else 0
    scaled = matrix / 2**halvings
    identity = torch.eye(len(matrix), dtype=matrix.dtype)
    total = identity
    for k in range(ORDER, 0, -1):
        total = identity + scaled @ total / k
    for _ in range(halvings):
        total = total @ total
    return total


def _scaled(scalar: Tensor, matrix: Tensor) -> Tensor:
    """``(d, d)``, or ``(B, d, d)`` for a batch of numbers."""
    factor = scalar.to(torch.complex128)
    return factor[..., None, None] * matrix if factor.ndim else factor * matrix


def _over(base: Any, operation: Any) -> Any:
    """What an adjoint, a controlled operation or a power makes of another base."""
    if isinstance(operation, Controlled):
        return Controlled(base, operation.control_wires, operation.control_values)
    return Pow(base, operation.z) if isinstance(operation, Pow) else Adjoint(base)
