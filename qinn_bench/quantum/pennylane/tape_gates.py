"""Which PennyLane operations the kernel has gates for, which are decomposed, and which are applied as matrices."""

from __future__ import annotations

from math import pi
from typing import Any

import pennylane as qml
import torch
from pennylane.devices.default_qubit import stopping_condition
from pennylane.ops import Adjoint, Evolution, Exp, Prod
from torch import Tensor

from qinn_bench.quantum.circuit import GateName
from qinn_bench.quantum.pennylane.tape_binding import as_tensor, bindable, is_unbindable

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
EXACT = frozenset((
    "CCZ", "CH", "CPhaseShift00", "CPhaseShift01", "CPhaseShift10", "CRot", "DoubleExcitation", "ECR", "FermionicSWAP",
    "ISWAP", "IsingXY", "MultiRZ", "OrbitalRotation", "PSWAP", "PauliRot", "Permute", "QFT", "QubitCarry", "QubitSum",
    "SISWAP", "SX", "SingleExcitation", "SingleExcitationMinus", "SingleExcitationPlus", "TemporaryAND", "U2",
    "GroverOperator", "C(GlobalPhase)", "C(S)", "C(T)",
))  # fmt: skip
"""Operations whose decomposition by PennyLane is the operation to the last digit at every value of their parameters."""


def is_native(operation: Any) -> bool:
    """Whether the kernel has gates for an operation, whatever its parameters."""
    return operation.name in NATIVE


def is_kept(operation: Any) -> bool:
    """Whether an operation is not decomposed: the kernel has it, or its matrix is applied as it is.

    Decompositions of given matrices drop what is below some threshold, and so they are never used.
    """
    return is_native(operation) or (
        not (_is_exact(operation) or is_unbindable(operation)) and bool(stopping_condition(operation, allow_mcms=False))
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

    ``exp(-i angle/2 P)`` of a Pauli word P may have an angle from torch, and ``exp(-i t H)`` of anything else becomes
    an `Exp`, which, other than an `Evolution`, has the parameters of H among its own.
    """
    sentence = operation.base.pauli_rep if isinstance(operation, Exp) else None
    if sentence is not None and len(sentence) == 1:
        ((word, coefficient),) = sentence.items()
        if _is_turn(operation, word, coefficient):
            angle = 2j * operation.coeff * coefficient
            return [qml.PauliRot(qml.math.real(angle), "".join(word.values()), wires=list(word))]
    if is_unbindable(operation):
        return [bindable(operation)]
    gates = operation.decomposition()
    # The power of an exponential decomposes into one operation instead of a list.
    return [gates] if isinstance(gates, qml.operation.Operator) else list(gates)


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
