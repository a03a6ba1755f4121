"""A 2x2 unitary as gates is that unitary, phase included, and its derivatives are those of the matrix, everywhere."""

import cmath
from math import cos, hypot, pi, sin

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qinn_bench.quantum.circuit import Angle, Circuit, Gate, z_on
from qinn_bench.quantum.pennylane.unitaries import N_INPUTS, angles_of, fixed_unitary, sampled_unitary
from qinn_bench.quantum.simulators import statevector
from qinn_bench.values import Refused

X = torch.tensor([[0, 1], [1, 0]], dtype=torch.complex128)
Y = torch.tensor([[0, -1j], [1j, 0]], dtype=torch.complex128)
Z = torch.tensor([[1, 0], [0, -1]], dtype=torch.complex128)
I2 = torch.eye(2, dtype=torch.complex128)
NOTHING = torch.zeros(0, dtype=torch.float64)
ANGLE = st.sampled_from([0.0, pi / 2, pi, -pi, 2 * pi, 1e-9]) | st.floats(-7, 7)


def exponential(vector, phase):
    generator = sum(v * letter for v, letter in zip(vector, (X, Y, Z), strict=True))
    return torch.linalg.matrix_exp(1j * (phase * I2 - generator / 2))


def product(gates, inputs=None):
    """The matrix of gates on one wire, from what they make of |0> and |1>."""
    inputs = torch.zeros(1, 0, dtype=torch.float64) if inputs is None else inputs
    columns = [
        statevector.state(Circuit(1, inputs.shape[1], (), (*first, *gates)), inputs, NOTHING)
        for first in ((), (Gate("X", (0,)),))
    ]
    return torch.stack(columns, -1)


@settings(max_examples=60, deadline=None)
@given(st.tuples(ANGLE, ANGLE, ANGLE), ANGLE)
def test_the_gates_are_the_matrix(vector, phase):
    size = hypot(*vector) or 1.0
    axis = sum(v / size * letter for v, letter in zip(vector, (X, Y, Z), strict=True))
    matrix = cmath.exp(1j * phase) * (cos(size / 2) * I2 - 1j * sin(size / 2) * axis) if any(vector) else I2
    torch.testing.assert_close(product(fixed_unitary(matrix, 0))[0], matrix, rtol=0, atol=1e-12)
    rows = torch.stack([matrix, matrix @ X, I2])
    torch.testing.assert_close(product(sampled_unitary(0), angles_of(rows)), rows, rtol=0, atol=1e-12)


@pytest.mark.parametrize("vector", [(0.0, 0.0, 0.0), (0.0, 0.0, 1.3), (pi, 0.0, 0.0), (0.4, -1.1, 0.8)])
def test_derivatives_are_those_of_the_matrix(vector):
    """Also at the identity and at half turns, where Euler angles have none; up to the second order."""
    vector = torch.tensor(vector, dtype=torch.float64)
    rest = (Gate("RY", (1,), (Angle(constant=0.7),)), Gate("CNOT", (0, 1)), Gate("RX", (1,), (Angle(constant=0.3),)))
    first = (Gate("RY", (0,), (Angle(constant=0.9),)), Gate("RX", (0,), (Angle(constant=-0.5),)))
    circuit = Circuit(2, N_INPUTS, (), (*first, *sampled_unitary(0), *rest), z_on(range(2)))

    def by_angles(v):
        return statevector.run(circuit, angles_of(exponential(v, 0.2)[None]), NOTHING)[0]

    def by_matrix(v):
        fixed = Circuit(2, 0, (), first)
        psi = statevector.state(fixed, torch.zeros(1, 0, dtype=torch.float64), NOTHING)[0].view(2, 2)
        after = Circuit(2, 0, (), rest)
        columns = [
            statevector.state(
                Circuit(2, 0, (), (*flips, *after.gates)), torch.zeros(1, 0, dtype=torch.float64), NOTHING
            )
            for flips in ((), (Gate("X", (1,)),), (Gate("X", (0,)),), (Gate("X", (0,)), Gate("X", (1,))))
        ]
        final = torch.cat(columns).T @ (exponential(v, 0.2) @ psi).flatten()
        p = final.abs().square().view(2, 2)
        return torch.stack([(p[0] - p[1]).sum(), (p[:, 0] - p[:, 1]).sum()])

    torch.testing.assert_close(by_angles(vector), by_matrix(vector), rtol=0, atol=1e-12)
    for k in range(2):
        ask = lambda f, k=k: lambda v: f(v)[k]  # noqa: E731
        got, wanted = (torch.autograd.functional.jacobian(ask(f), vector) for f in (by_angles, by_matrix))
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-10)
        got, wanted = (torch.autograd.functional.hessian(ask(f), vector) for f in (by_angles, by_matrix))
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-9)


def test_what_is_no_unitary_is_refused():
    with pytest.raises(Refused, match="no unitary"):
        angles_of(torch.stack([I2, 1.1 * I2]))
    with pytest.raises(Refused, match="complex"):
        fixed_unitary(torch.eye(2), 0)
