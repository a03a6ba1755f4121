"""Which PennyLane operations the kernel has gates for, which are decomposed, and which are applied as matrices."""

from __future__ import annotations

from copy import copy
from math import pi
from typing import Any

import pennylane as qml
import torch
from pennylane.devices.default_qubit import stopping_condition
from pennylane.ops import Adjoint, CompositeOp, Evolution, Exp, Prod
from pennylane.ops.op_math import Controlled, Pow, SymbolicOp
from torch import Tensor

from qinn_bench.quantum.circuit import GateName

GATES: dict[str, GateName] = {
    "RX": "RX", "RY": "RY", "RZ": "RZ", "PhaseShift": "PhaseShift", "U1": "PhaseShift", "Rot": "Rot", "U3": "U3",
    "Hadamard": "H", "PauliX": "X", "PauliY": "Y", "PauliZ": "Z", "S": "S", "T": "T",
    "CNOT": "CNOT", "CZ": "CZ", "CY": "CY", "SWAP": "SWAP", "CRX": "CRX", "CRY": "CRY", "CRZ": "CRZ",
    "ControlledPhaseShift": "CPhase", "IsingXX": "IsingXX", "IsingYY": "IsingYY", "IsingZZ": "IsingZZ",
    "Toffoli": "Toffoli", "CSWAP": "CSWAP",
}  # fmt: skip
BACKWARD = {"Adjoint(S)": -pi / 2, "Adjoint(T)": -pi / 4}
IDLE = frozenset(("Identity", "Barrier", "WireCut", "Snapshot"))
NATIVE = frozenset((*GATES, *BACKWARD, *IDLE, "GlobalPhase"))
EXACT = frozenset(
    ("CCZ", "CH", "CPhaseShift00", "CPhaseShift01", "CPhaseShift10", "CRot", "DoubleExcitation", "ECR", "FermionicSWAP")
    + ("ISWAP", "IsingXY", "MultiRZ", "OrbitalRotation", "PSWAP", "PauliRot", "Permute", "QFT")
    + ("QubitCarry", "QubitSum", "SISWAP", "SX", "SingleExcitation", "SingleExcitationMinus", "SingleExcitationPlus")
    + ("TemporaryAND", "U2", "GroverOperator", "C(GlobalPhase)", "C(S)", "C(T)")
)
"""Operations whose decomposition by PennyLane is the operation to the last digit at every value of their parameters."""


def is_native(operation: Any) -> bool:
    """Whether the kernel has gates for an operation, whatever its parameters."""
    return operation.name in NATIVE


def is_kept(operation: Any) -> bool:
    """Whether an operation is not decomposed: the kernel has it, or its matrix is applied as it is.

    Decompositions of given matrices drop what is below some threshold, and so they are never used.
    """
    return is_native(operation) or (
        not (_is_exact(operation) or _is_unbindable(operation)) and bool(stopping_condition(operation, allow_mcms=False))
    )


def is_applied_exactly(operation: Any, data: tuple[Any, ...], real: torch.dtype) -> bool:
    """Whether the kernel's gates are the operation at these parameters: a given matrix must be a unitary of one wire.

    Along a trained matrix there are directions that lead away from the unitaries, which the kernel's gates do not have.
    """
    if operation.name != "QubitUnitary":
        return is_native(operation)
    matrix = data[0]
    if len(operation.wires) > 1 or (isinstance(matrix, Tensor) and matrix.requires_grad):
        return False
    given = as_tensor(matrix)
    error = (given.mH @ given - torch.eye(2, dtype=given.dtype)).abs().max().item()
    return error <= 8 * torch.finfo(real).eps


def decomposition(operation: Any) -> list[Any]:
    """PennyLane's decomposition, except for exponentials.

    ``exp(-i angle/2 P)`` of a Pauli word P may have an angle from torch, and ``exp(-i t H)`` of anything else becomes an
    `Exp`, which, other than an `Evolution`, has the parameters of H among its own.
    """
    sentence = operation.base.pauli_rep if isinstance(operation, Exp) else None
    if sentence is not None and len(sentence) == 1:
        ((word, coefficient),) = sentence.items()
        if _is_turn(operation, word, coefficient):
            angle = 2j * operation.coeff * coefficient
            return [qml.PauliRot(qml.math.real(angle), "".join(word.values()), wires=list(word))]
    if _is_unbindable(operation):
        return [_bindable(operation)]
    found: list[Any] = operation.decomposition()
    return found


def unseen_parameters(operation: Any) -> list[Any]:
    """The parameters of an operation that are not among its `data`: those of H in ``Evolution(H, t)``."""
    if isinstance(operation, CompositeOp):
        return [value for operand in operation.operands for value in unseen_parameters(operand)]
    if not isinstance(operation, SymbolicOp):
        return []
    own = list(operation.base.data) if isinstance(operation, Evolution) else []
    return own + unseen_parameters(operation.base)


def as_tensor(value: Any) -> Tensor:
    """A number or an array of any library in double precision on the CPU."""
    tensor = value if isinstance(value, Tensor) else torch.as_tensor(qml.math.toarray(value))
    if not (tensor.is_complex() or tensor.is_floating_point()):
        return tensor.to("cpu")
    return tensor.to("cpu", torch.complex128 if tensor.is_complex() else torch.float64)


def _is_exact(operation: Any) -> bool:
    """Whether the decomposition of an operation is the operation to the last digit."""
    if isinstance(operation, Adjoint):
        base = operation.base
        return is_native(base) or base.name == "QubitUnitary" or _is_exact(base)
    if isinstance(operation, Exp):
        sentence = operation.base.pauli_rep
        return sentence is not None and len(sentence) == 1 and _is_turn(operation, *next(iter(sentence.items())))
    if isinstance(operation, qml.MultiControlledX):
        return len(operation.wires) <= 3
    return operation.name in EXACT or isinstance(operation, Prod)


def _is_turn(operation: Any, word: Any, coefficient: Any) -> bool:
    """Whether the exponential of a Pauli word is a rotation, also where a parameter moves it."""
    angle = 2j * operation.coeff * coefficient
    if not word or qml.math.ndim(angle) > 0:
        return False
    if not isinstance(operation, Evolution) and qml.math.requires_grad(operation.coeff):
        # Along a trained complex number there is a direction that leads away from the rotations.
        return False
    return qml.math.is_abstract(angle) or bool(qml.math.imag(angle) == 0)


def _is_unbindable(operation: Any) -> bool:
    """Whether there is an operation in it that PennyLane cannot give other parameters without an error or a fault."""
    if isinstance(operation, Evolution | qml.ControlledQubitUnitary | qml.BlockEncode):
        return True
    if isinstance(operation, SymbolicOp):
        return _is_unbindable(operation.base)
    return isinstance(operation, CompositeOp) and any(map(_is_unbindable, operation.operands))


def _bindable(operation: Any) -> Any:
    """The same as operations of which PennyLane can make copies with other parameters.

    It cannot bind parameters of H in ``Evolution(H, t)``, forgets for which values of its controls a
    `ControlledQubitUnitary` acts, and cannot copy a `BlockEncode` that is differentiated.
    """
    if isinstance(operation, qml.BlockEncode):
        return qml.QubitUnitary(operation.matrix(), wires=operation.wires)
    if isinstance(operation, CompositeOp):
        return type(operation)(*map(_bindable, operation.operands))
    if not isinstance(operation, SymbolicOp):
        return operation
    base = _bindable(operation.base)
    if isinstance(operation, Evolution):
        return Exp(base, -1j * operation.param)
    if isinstance(operation, qml.ControlledQubitUnitary):
        return Controlled(base, operation.control_wires, operation.control_values)
    if isinstance(operation, Pow):
        return Pow(base, operation.z)
    changed = copy(operation)
    changed.hyperparameters["base"] = base
    return changed
