"""Noise against closed forms, PennyLane's mixed-state simulator and quantum trajectories."""

from __future__ import annotations

from math import cos, pi

import numpy as np
import pennylane as qml
import pytest
import torch
from test_backends import READOUT
from test_quantum import close, dense, dense_gate, gradients, random_circuit, tensors
from torch import Tensor

from qinn_bench.quantum import backends
from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.circuit import AllZero, Angle, Circuit, Gate, Pauli, Probabilities, z_on
from qinn_bench.values import Refused

NONE = torch.zeros(0, dtype=torch.float64)


def value(name: str, circuit: Circuit) -> Tensor:
    return backends.get(name).run(circuit, torch.zeros(1, 0).double(), NONE)[0]


def turned(angle: float, *readout: object, gates: int = 1) -> Circuit:
    turns = (Gate("RY", (0,), (Angle(constant=angle / gates),)),) * gates
    return Circuit(2, 0, (), turns, readout or z_on((0,)))  # type: ignore[arg-type]


@pytest.mark.parametrize("p", [0.0, 0.03, 0.75, 1.0])
@pytest.mark.parametrize("gates", [1, 3])
def test_depolarizing_shrinks_the_bloch_vector_after_each_gate(p: float, gates: int) -> None:
    kept = (1 - 4 * p / 3) ** gates
    found = value(f"noisy:depolarizing={p}", turned(0.7, *z_on((0,)), Pauli("X", (0,)), AllZero((0, 1)), gates=gates))
    wanted = [kept * cos(0.7), kept * np.sin(0.7), (1 + kept * cos(0.7)) / 2]
    close(found, torch.tensor(wanted, dtype=torch.float64), 1e-14)


@pytest.mark.parametrize("g", [0.1, 1.0])
def test_damping_lets_the_excited_state_decay(g: float) -> None:
    close(value(f"noisy:damping={g}", turned(pi)), torch.tensor([2 * g - 1], dtype=torch.float64), 1e-14)
    found = value(f"noisy:damping={g}", turned(pi / 2, *z_on((0,)), Pauli("X", (0,))))
    close(found, torch.tensor([g, (1 - g) ** 0.5], dtype=torch.float64), 1e-14)


def test_readout_flips_each_measured_bit() -> None:
    p, c = 0.1, cos(0.7)
    found = value(f"noisy:readout={p}", turned(0.7, *z_on((0,)), Pauli("ZZ", (0, 1)), Probabilities((1, 0))))
    first, second = [(1 + (1 - 2 * p) * c) / 2, (1 - (1 - 2 * p) * c) / 2], [1 - p, p]
    wanted = [(1 - 2 * p) * c, (1 - 2 * p) ** 2 * c, *np.outer(second, first).ravel()]
    close(found, torch.tensor(wanted, dtype=torch.float64), 1e-14)


def radians(angle: Angle, x: Tensor, w: Tensor) -> Tensor:
    value = x.new_tensor(angle.constant) + (0 if angle.weight is None else w[angle.weight])
    term = 0 if angle.input is None else x[angle.input] * (1 if angle.scale is None else w[angle.scale])
    return angle.factor * (value + term)


def mixed(circuit: Circuit, x: Tensor, w: Tensor, p: float, g: float, flip: float) -> Tensor:
    """PennyLane's own simulator on a circuit that is written here a second time."""

    @qml.qnode(qml.device("default.mixed", wires=circuit.n_wires))
    def node() -> list[object]:
        for gate in circuit.gates:
            name = {"H": "Hadamard", "CPhase": "ControlledPhaseShift"}.get(gate.name, gate.name)
            getattr(qml, name)(*(radians(angle, x, w).item() for angle in gate.angles), wires=gate.wires)
            for wire in gate.wires:
                qml.DepolarizingChannel(p, wires=wire)
                qml.AmplitudeDamping(g, wires=wire)
        for wire in range(circuit.n_wires):
            qml.BitFlip(flip, wires=wire)
        return [qml.probs(wires=range(circuit.n_wires)), *(qml.expval(qml.Z(q)) for q in range(circuit.n_wires))]

    probabilities, *values = node()
    return torch.tensor([*probabilities, *values], dtype=torch.float64)


def kraus(circuit: Circuit, x: Tensor, w: Tensor, p: float, g: float) -> Tensor:
    """The expectation values of Pauli words from the dense density matrix and the Kraus operators of each channel."""
    n = circuit.n_wires
    rho = dense(n, "0" * n, tuple(range(n)))
    for gate in circuit.gates:
        unitary = dense_gate(gate, n, [radians(angle, x, w) for angle in gate.angles])
        rho = unitary @ rho @ unitary.mH
        for wire in gate.wires:
            errors = [(p / 3) ** 0.5 * dense(n, letter, (wire,)) for letter in "XYZ"]
            rho = sum(K @ rho @ K.mH for K in [(1 - p) ** 0.5 * dense(n, "I", (0,)), *errors])
            excited = dense(n, "1", (wire,))
            stays = dense(n, "I", (0,)) - (1 - (1 - g) ** 0.5) * excited
            decays = g**0.5 * dense(n, "X", (wire,)) @ excited
            rho = stays @ rho @ stays.mH + decays @ rho @ decays.mH
    return torch.stack([torch.trace(dense(n, word.word, word.wires) @ rho).real for word in circuit.readout])


@pytest.mark.parametrize("seed", range(4))
def test_noise_agrees_with_default_mixed(seed: int) -> None:
    made = random_circuit(3, 14, seed)
    circuit = Circuit(3, 3, made.weights, made.gates, (Probabilities((0, 1, 2)), *z_on(range(3))))
    x, w = tensors(circuit, 2)
    found = backends.get("noisy:depolarizing=0.05,damping=0.08,readout=0.03").run(circuit, x, w)
    close(found, torch.stack([mixed(circuit, row, w, 0.05, 0.08, 0.03) for row in x]))


@pytest.mark.parametrize("seed", range(4))
def test_noise_and_its_derivatives_agree_with_dense_kraus_operators(seed: int) -> None:
    circuit = random_circuit(3, 10, seed)
    x, w = tensors(circuit, 2)
    y, J = backends.get("noisy:depolarizing=0.05,damping=0.08").run_with_jacobian(circuit, x, w)
    theirs = torch.stack([kraus(circuit, row, w, 0.05, 0.08) for row in x])
    rows = [torch.autograd.grad(column.sum(), x, create_graph=True)[0] for column in theirs.unbind(1)]
    close(y, theirs)
    close(J, torch.stack(rows, 1))
    mix = torch.linspace(-1, 1, J.numel(), dtype=torch.float64).view(J.shape)
    ours = gradients((mix * J).sum() + y.square().sum(), x, w)
    wanted = gradients((mix * torch.stack(rows, 1)).sum() + theirs.square().sum(), x, w)
    for a, b in zip(ours, wanted, strict=True):
        close(a, b)


def test_without_errors_the_noisy_simulator_is_exact() -> None:
    for seed in range(3):
        made = random_circuit(3, 12, seed)
        circuit = Circuit(3, 3, made.weights, made.gates, READOUT)
        x, w = tensors(circuit, 3)
        for ours, exact in zip(
            backends.get("noisy:depolarizing=0").run_with_jacobian(circuit, x, w),
            backends.get("torch").run_with_jacobian(circuit, x, w),
            strict=True,
        ):
            close(ours, exact)
            mixture = torch.linspace(-1, 1, ours.numel()).double().view(ours.shape)
            for a, b in zip(
                gradients((mixture * ours).sum(), x, w), gradients((mixture * exact).sum(), x, w), strict=True
            ):
                close(a, b)


def trajectory(circuit: Circuit, p: float, g: float, rng: np.random.Generator) -> list[float]:
    """<Z> of each wire at the end of one random history of Kraus operators."""
    n = circuit.n_wires
    psi = torch.eye(2**n, dtype=torch.complex128)[0]
    for gate in circuit.gates:
        angles = [torch.tensor(a.constant, dtype=torch.float64) for a in gate.angles]
        psi = dense_gate(gate, n, angles) @ psi
        for wire in gate.wires:
            if rng.random() < p:
                psi = dense(n, "XYZ"[rng.integers(3)], (wire,)) @ psi
            excited = dense(n, "1", (wire,))
            jump = g * (psi.conj() @ excited @ psi).real.item()
            if rng.random() < jump:
                psi = (dense(n, "X", (wire,)) @ excited) @ psi
            else:
                psi = psi - (1 - (1 - g) ** 0.5) * (excited @ psi)
            psi = psi / psi.norm()
    return [(psi.conj() @ dense(n, "Z", (q,)) @ psi).real.item() for q in range(n)]


def test_noise_is_the_mean_of_trajectories() -> None:
    """2000 histories; five standard errors on two numbers fail by chance once in a million runs."""
    gates = (Gate("H", (0,)), Gate("CNOT", (0, 1)), Gate("RX", (1,), (Angle(constant=0.8),)), Gate("CY", (1, 0)))
    circuit = Circuit(2, 0, (), gates, z_on(range(2)))
    rng = np.random.default_rng(7)
    found = np.array([trajectory(circuit, 0.1, 0.2, rng) for _ in range(2000)])
    wanted = value("noisy:depolarizing=0.1,damping=0.2", circuit).numpy()
    assert (abs(found.mean(0) - wanted) < 5 * found.std(0) / 2000**0.5).all()


def test_a_function_of_the_noisy_jacobian_trains() -> None:
    circuit = reuploading(2, uploads=2)
    x, w = tensors(circuit, 2)
    backend = backends.get("noisy:depolarizing=0.02,damping=0.01")
    assert torch.autograd.gradcheck(
        lambda w: torch.linalg.slogdet(backend.run_with_jacobian(circuit, x, w)[1]).logabsdet, (w,)
    )


def test_what_noise_cannot_do_is_refused() -> None:
    wide = Circuit(9, 0, (), (), z_on(range(9)))
    with pytest.raises(Refused, match="at most 8 wires"):
        value("noisy:damping=0.1", wide)
    with pytest.raises(Refused, match="gives no amplitudes"):
        backends.get("noisy:damping=0.1").state(turned(0.1), torch.zeros(1, 0), NONE)


def test_a_gate_is_noisy_on_its_wires_only() -> None:
    gates = (Gate("X", (0,)), Gate("CSWAP", (0, 1, 2)))
    found = value("noisy:damping=0.25", Circuit(4, 0, (), (*gates, Gate("X", (3,))), z_on(range(4))))
    close(found, torch.tensor([1 - 2 * 0.75**2, 1, 1, 1 - 2 * 0.75], dtype=torch.float64), 1e-14)
