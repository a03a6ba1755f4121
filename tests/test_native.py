"""The compiled simulator against a dense simulator under autograd, in every instruction set of the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import get_args

import pytest
import torch
from torch import Tensor

from qinn_bench.quantum.circuit import ANGLES, WIRES, Angle, Circuit, Gate, GateName, Pauli, WeightBlock, z_on
from qinn_bench.quantum.simulators import native
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused

if not native.AVAILABLE:
    pytest.skip("the compiled simulator was not built", allow_module_level=True)

SETS = native.instruction_sets()
NAMES: tuple[GateName, ...] = get_args(GateName)
EIGHTH = torch.tensor(torch.pi / 4, dtype=torch.float64)
LETTERS = {
    "I": torch.eye(2, dtype=torch.complex128),
    "X": torch.tensor([[0, 1], [1, 0]], dtype=torch.complex128),
    "Y": torch.tensor([[0, -1j], [1j, 0]], dtype=torch.complex128),
    "Z": torch.tensor([[1, 0], [0, -1]], dtype=torch.complex128),
}


def on_wires(letters: dict[int, str], n: int) -> Tensor:
    return reduce(torch.kron, [LETTERS[letters.get(wire, "I")] for wire in range(n)])


def dense_gate(gate: Gate, angles: list[Tensor], n: int) -> Tensor:
    identity, wires = torch.eye(2**n, dtype=torch.complex128), gate.wires

    def turn(letters: dict[int, str], angle: Tensor) -> Tensor:
        return torch.cos(angle / 2) * identity - 1j * torch.sin(angle / 2) * on_wires(letters, n)

    def controlled(controls: tuple[int, ...], target: Tensor) -> Tensor:
        ones = [(identity - on_wires({wire: "Z"}, n)) / 2 for wire in controls]
        on = reduce(torch.matmul, ones, identity)
        return identity - on + on @ target

    def shift(on: tuple[int, ...], angle: Tensor) -> Tensor:
        return controlled(on, torch.exp(1j * angle) * identity)

    if gate.name in ("RX", "RY", "RZ"):
        return turn({wires[0]: gate.name[1]}, angles[0])
    if gate.name == "Rot":
        return reduce(torch.matmul, [turn({wires[0]: a}, t) for a, t in zip("ZYZ", angles[::-1], strict=True)])
    if gate.name == "H":
        return (on_wires({wires[0]: "X"}, n) + on_wires({wires[0]: "Z"}, n)) / 2**0.5
    if gate.name in "XYZ":
        return on_wires({wires[0]: gate.name}, n)
    if gate.name.startswith("Ising"):
        return turn(dict.fromkeys(wires, gate.name[-1]), angles[0])
    if gate.name in ("S", "T", "PhaseShift"):
        return shift(wires, angles[0] if angles else EIGHTH * {"S": 2, "T": 1}[gate.name])
    if gate.name == "U3":
        return shift(wires, angles[1]) @ turn({wires[0]: "Y"}, angles[0]) @ shift(wires, angles[2])
    if gate.name == "CPhase":
        return shift(wires, angles[0])
    if gate.name.startswith("CR"):
        return controlled(wires[:1], turn({wires[1]: gate.name[-1]}, angles[0]))
    if gate.name in ("CNOT", "Toffoli", "CY", "CZ"):
        letter = {"CY": "Y", "CZ": "Z"}.get(gate.name, "X")
        return controlled(wires[:-1], on_wires({wires[-1]: letter}, n))
    swap = torch.stack([on_wires(dict.fromkeys(wires[-2:], p), n) for p in "IXYZ"]).sum(0) / 2
    return controlled(wires[:-2], swap)


def dense_state(circuit: Circuit, x: Tensor, weights: Tensor) -> Tensor:
    psi = torch.eye(2**circuit.n_wires, dtype=torch.complex128)[0]
    for gate in circuit.gates:
        angles = []
        for a in gate.angles:
            angle = torch.tensor(a.constant, dtype=torch.float64)
            angle = angle if a.weight is None else angle + weights[a.weight]
            scale = 1.0 if a.scale is None else weights[a.scale]
            angles.append(a.factor * (angle if a.input is None else angle + scale * x[a.input]))
        psi = dense_gate(gate, angles, circuit.n_wires) @ psi
    return psi


def dense_run(circuit: Circuit, x: Tensor, weights: Tensor) -> Tensor:
    psi = dense_state(circuit, x, weights)
    words = [on_wires(dict(zip(p.wires, p.word, strict=True)), circuit.n_wires) for p in circuit.readout]
    return torch.stack([(psi.conj() @ word @ psi).real for word in words])


def dense_jacobian(circuit: Circuit, x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    values = dense_run(circuit, x, weights)
    rows = [torch.autograd.grad(value, x, create_graph=True, allow_unused=True)[0] for value in values]
    return values, torch.stack([torch.zeros_like(x) if row is None else row for row in rows])


def random_circuit(seed: int, readout: tuple[Pauli, ...] | None = None) -> Circuit:
    rng = torch_rng("circuit", seed)

    def draw(high: int) -> int:
        return int(torch.randint(high, (), generator=rng))

    n, n_inputs, n_weights = 1 + seed % 5, 1 + draw(3), 9

    def angle() -> Angle:
        kind = draw(4)
        return Angle(
            weight=draw(n_weights) if kind != 1 else None,
            input=draw(n_inputs) if kind else None,
            scale=draw(n_weights) if kind == 2 else None,
            constant=0.1 * draw(20),
            factor=(1.0, -0.5, 2.0)[draw(3)],
        )

    names = [name for name in NAMES if WIRES.get(name, 1) <= n]
    gates = []
    for _ in range(12 + draw(16)):
        name = names[draw(len(names))]
        wires = torch.randperm(n, generator=rng)[: WIRES.get(name, 1)].tolist()
        gates.append(Gate(name, tuple(wires), tuple(angle() for _ in range(ANGLES.get(name, 0)))))
    return Circuit(n, n_inputs, (WeightBlock("w", (n_weights,)),), tuple(gates), readout or z_on(range(n)))


def words_of(n: int) -> tuple[Pauli, ...]:
    return tuple(Pauli((letters * n)[:n], tuple(range(n))) for letters in ("XYZ", "YZX", "ZXY", "Y", "X"))


def numbers(circuit: Circuit, batch: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    rng = torch_rng("numbers", circuit.n_inputs, batch)
    shapes = ((batch, circuit.n_inputs), (circuit.n_weights,))
    x, w = (torch.randn(*shape, generator=rng, dtype=torch.float64).to(dtype) for shape in shapes)
    return x.requires_grad_(), w.requires_grad_()


def gradients(loss: Tensor, *of: Tensor) -> list[Tensor]:
    found = torch.autograd.grad(loss, of, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(of, found, strict=True)]


def weigh(values: Tensor, jacobian: Tensor) -> Tensor:
    a = torch.arange(1.0, 1 + values.numel(), dtype=values.dtype).reshape(values.shape)
    b = torch.arange(1.0, 1 + jacobian.numel(), dtype=values.dtype).reshape(jacobian.shape)
    return (values.square() * a.sin()).sum() + (jacobian * b.cos()).sum() + (jacobian**2).sum()


@pytest.fixture(params=SETS)
def on_set(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    best: Callable[..., object] = native.simulator_of
    monkeypatch.setattr(native, "simulator_of", lambda circuit: best(circuit, request.param))
    return str(request.param)


@pytest.mark.parametrize("seed", range(25))
def test_values_jacobian_and_second_order_gradients_of_random_circuits(seed: int, on_set: str) -> None:
    circuit = random_circuit(seed)
    variants = [circuit, replace(circuit, readout=words_of(circuit.n_wires))]
    if circuit.n_wires > 1:
        variants.append(replace(circuit, readout=(Pauli("ZZ", (0, 1)), Pauli("Z", (1,)))))
    for variant in variants if seed % 3 == 0 else variants[:1]:
        x, w = numbers(variant, 3)
        dense = [dense_jacobian(variant, row, w) for row in x]
        wanted = torch.stack([v for v, _ in dense]), torch.stack([j for _, j in dense])
        found = native.run_with_jacobian(variant, x, w)
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-11)
        torch.testing.assert_close(native.run(variant, x, w), wanted[0], rtol=0, atol=1e-11)
        for a, b in zip(gradients(weigh(*found), x, w), gradients(weigh(*wanted), x, w), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
        first = gradients(native.run(variant, x, w).sin().sum(), x, w)
        for a, b in zip(first, gradients(wanted[0].sin().sum(), x, w), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("seed", range(10))
def test_amplitudes_and_their_gradients(seed: int, on_set: str) -> None:
    circuit = random_circuit(100 + seed)
    x, w = numbers(circuit, 2)
    wanted = torch.stack([dense_state(circuit, row, w) for row in x])
    found = native.state(circuit, x, w)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    weight = torch.randn(wanted.shape, generator=torch_rng("cotangent", seed), dtype=torch.complex128)
    losses = [(weight * psi).sum().real + psi[:, 0].abs().square().sum() for psi in (found, wanted)]
    for a, b in zip(gradients(losses[0], x, w), gradients(losses[1], x, w), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


def reuploading(n: int, uploads: int, entangler: GateName = "IsingZZ", n_inputs: int = 0) -> Circuit:
    gates: list[Gate] = []
    weights, n_inputs = iter(range(10**6)), n_inputs or n
    for _ in range(uploads):
        gates += [Gate("RY", (q,), (Angle(next(weights), q % n_inputs, next(weights)),)) for q in range(n)]
        gates += [Gate("Rot", (q,), tuple(Angle(next(weights)) for _ in range(3))) for q in range(n)]
        ring = [(q, (q + 1) % n) for q in range(n)]
        gates += [Gate(entangler, p, (Angle(next(weights)),) if entangler == "IsingZZ" else ()) for p in ring]
    return Circuit(n, n_inputs, (WeightBlock("w", (next(weights),)),), tuple(gates), z_on(range(n)))


def run_on(name: str, circuit: Circuit, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    best = native.simulator_of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "simulator_of", lambda circuit: best(circuit, name))
        return native.run_with_jacobian(circuit, x, w)


def sum_log_det(jacobian: Tensor) -> Tensor:
    total: Tensor = torch.linalg.slogdet(jacobian).logabsdet.sum()
    return total


@pytest.mark.parametrize("entangler", ["IsingZZ", "CNOT"])
def test_gradient_of_log_det(entangler: GateName, on_set: str) -> None:
    circuit = reuploading(4, 2, entangler)
    x, w = numbers(circuit, 3)
    wanted = torch.stack([dense_jacobian(circuit, row, w)[1] for row in x])
    found = native.run_with_jacobian(circuit, x, w)[1]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    for a, b in zip(gradients(sum_log_det(found), x, w), gradients(sum_log_det(wanted), x, w), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("entangler", "n_inputs"), [("IsingZZ", 7), ("CNOT", 7), ("IsingZZ", 2)])
def test_states_that_are_swept_in_pieces(entangler: GateName, n_inputs: int) -> None:
    circuit = reuploading(8, 3, entangler, n_inputs)
    circuit = replace(circuit, readout=circuit.readout[:n_inputs])
    x, w = numbers(circuit, 1)
    x.data[0, 0] = 0.0
    w.data[:2] = 0.0
    values, jacobian = dense_jacobian(circuit, x[0], w)
    wanted = gradients(weigh(values[None], jacobian[None]), w)[0]
    for name in SETS:
        y, found = run_on(name, circuit, x, w)
        torch.testing.assert_close(found[0], jacobian, rtol=0, atol=1e-12)
        torch.testing.assert_close(gradients(weigh(y, found), w)[0], wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("n", "n_inputs"), [(7, 7), (9, 9), (9, 4)])
def test_instruction_sets_and_precisions_agree(n: int, n_inputs: int) -> None:
    entanglers: tuple[GateName, ...] = ("IsingZZ", "CNOT")
    for entangler in entanglers:
        circuit, results = reuploading(n, 3, entangler, n_inputs), []
        for dtype in (torch.float64, torch.float32):
            for name in SETS:
                x, w = numbers(circuit, 11, dtype)
                y, jacobian = run_on(name, circuit, x, w)
                results.append([t.detach().double() for t in (y, jacobian, *gradients(weigh(y, jacobian), x, w))])
        for place, other in enumerate(results[1:], start=1):
            for a, b in zip(results[0], other, strict=True):
                error = (a - b).abs().max() / a.abs().max()
                assert error < (1e-11 if place < len(SETS) else 2e-4)


def test_jacobian_is_the_derivative_of_run_and_weights_at_zero_are_no_special_case() -> None:
    circuit = reuploading(3, 2)
    x, w = numbers(circuit, 4)
    zero = torch.zeros_like(w)
    jacobian = native.run_with_jacobian(circuit, x, zero)[1]
    wanted = torch.stack([dense_jacobian(circuit, row, zero)[1] for row in x])
    torch.testing.assert_close(jacobian, wanted, rtol=0, atol=1e-13)
    found = gradients(native.run(circuit, x, zero.requires_grad_()).sum(), zero)[0]
    dense = gradients(torch.stack([dense_run(circuit, row, zero) for row in x]).sum(), zero)[0]
    torch.testing.assert_close(found, dense, rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", [3, 7])
def test_result_depends_neither_on_threads_nor_on_other_rows(n: int) -> None:
    circuit = reuploading(n, 2)
    x, w = numbers(circuit, 700, torch.float32)
    results = []
    for threads in (1, 3):
        y, jacobian = native.run_with_jacobian(circuit, x, w, threads=threads)
        results.append([y, jacobian, *gradients(weigh(y, jacobian), x, w)])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert torch.equal(native.run(circuit, x[333:334], w)[0], results[0][0][333])


def test_deep_circuits_are_uncomputed_without_drift() -> None:
    circuit = reuploading(4, 100)
    (x, w), (x64, w64) = numbers(circuit, 4, torch.float32), numbers(circuit, 4)
    single = gradients(native.run(circuit, x, w).sum(), x, w)
    exact = gradients(native.run(circuit, x64, w64).sum(), x64, w64)
    for a, b in zip(single, exact, strict=True):
        assert (a - b).abs().max() < 2e-3 * b.abs().max()


def test_a_circuit_without_inputs_and_an_empty_batch() -> None:
    circuit = Circuit(
        2, 0, (WeightBlock("w", (1,)),), (Gate("RY", (0,), (Angle(0),)), Gate("CNOT", (0, 1))), z_on((1,))
    )
    w = torch.tensor([0.3])
    torch.testing.assert_close(native.run(circuit, torch.zeros(2, 0), w), torch.cos(w).expand(2, 1))
    assert native.run_with_jacobian(circuit, torch.zeros(0, 0), w)[1].shape == (0, 1, 0)


def test_refuses_what_does_not_fit() -> None:
    circuit = reuploading(2, 1)
    with pytest.raises(Refused, match="do not fit a circuit of 2 inputs"):
        native.run(circuit, torch.zeros(3, 5), torch.zeros(circuit.n_weights))
    with pytest.raises(Refused, match="float32 or float64"):
        native.run(circuit, torch.zeros(3, 2, dtype=torch.float16), torch.zeros(circuit.n_weights))


@pytest.mark.parametrize(("n", "layers"), [(5, 2), (10, 4)])
def test_operations_are_counted_as_by_hand(n: int, layers: int) -> None:
    simulator = native.simulator_of(reuploading(n, layers, "CNOT"))
    # Per amplitude: the phases take three products of complex numbers, their application one or two; those of the first
    # layer meet real numbers, products of two.
    forward = (18 + 3) + (layers - 2) * (18 + 6) + (layers - 1) * 6 * n + 6
    inner = 18 + (4 + 12) + 16 * n + min(n, 6)
    reverse = 3 + 16 * n + (layers - 2) * inner + (inner - 16 * n + 8) + 6
    assert simulator.flops(reverse=False, tangents=False, state=False) == forward * 2**n
    assert simulator.flops(reverse=True, tangents=False, state=False) == reverse * 2**n
    assert simulator.flops(reverse=True, tangents=True, state=False) > n * reverse * 2 ** (n - 1)


def test_the_peak_of_the_machine_is_a_rate() -> None:
    simulator = native.simulator_of(reuploading(2, 1))
    assert all(simulator.peak_flops(single) > 0 for single in (True, False))
