"""Rows whose amplitudes fill the lanes against the torch simulator and the kernel with a row in each lane."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.circuit import (
    ANGLES,
    WIRES,
    AllZero,
    Angle,
    Circuit,
    Gate,
    GateName,
    Pauli,
    Probabilities,
    WeightBlock,
    WeightedSum,
    z_on,
)
from qinn_bench.quantum.compiler import lowering
from qinn_bench.quantum.simulators import kernel_jobs, native, statevector
from qinn_bench.torch_seeds import torch_rng
from tests.test_gates import circuits, close, gradients, numbers

if not native.AVAILABLE:
    pytest.skip("the compiled simulator was not built", allow_module_level=True)

SETS = native.instruction_sets()
NAMES: tuple[GateName, ...] = get_args(GateName)
QUICK = settings(max_examples=8, derandomize=True, deadline=None)


def going(wide: bool, name: str, work: Callable[[], list[Tensor]]) -> list[Tensor]:
    """What some work gives with one instruction set and one arrangement; states must fill the lanes."""
    best = native.simulator_of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "simulator_of", lambda circuit: best(circuit, name))
        patch.setattr(kernel_jobs, "amplitudes_fill_lanes", lambda n, _, lanes: wide and 2**n >= lanes)
        patch.setattr(kernel_jobs, "_JOBS", {})
        return work()


def results(executor: object, circuit: Circuit, x: Tensor, w: Tensor, **options: int) -> list[Tensor]:
    """Values, their gradients, the state and the gradients of a function of it."""
    y = executor.run(circuit, x, w, **options)  # type: ignore[attr-defined]
    psi = executor.state(circuit, x, w, **options)  # type: ignore[attr-defined]
    weight = torch.randn(psi.shape, generator=torch_rng("cotangent", circuit.n_wires), dtype=psi.dtype)
    loss = (weight * psi).sum().real + psi[:, 0].abs().square().sum()
    return [y, *gradients(y.sin().sum(), x, w), psi, *gradients(loss, x, w)]


def random_circuit(n: int, seed: int, n_gates: int = 60) -> Circuit:
    """Gates of every kind on far and near wires, read out by <Z> or by random words."""
    rng = torch_rng("wide", n, seed)

    def draw(high: int) -> int:
        return int(torch.randint(high, (), generator=rng))

    def angle() -> Angle:
        kind = draw(4)
        fed, scaled = (draw(3) if kind else None), (draw(5) if kind == 2 else None)
        return Angle(draw(5) if kind != 1 else None, fed, scaled, 0.1 * draw(20), (1.0, -0.5)[draw(2)])

    made = [Gate("RY", (q,), (Angle(q % 5, q % 3),)) for q in range(n)]
    for _ in range(n_gates):
        name = NAMES[draw(len(NAMES))]
        wires = torch.randperm(n, generator=rng)[: WIRES.get(name, 1)].tolist()
        made.append(Gate(name, tuple(wires), tuple(angle() for _ in range(ANGLES.get(name, 0)))))
    words = tuple(Pauli("".join("IXYZ"[draw(4)] for _ in range(n)), tuple(range(n))) for _ in range(3))
    return Circuit(n, 3, (WeightBlock("w", (5,)),), tuple(made), words if seed % 2 else z_on(range(n)))


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("n", [1, 3, 4, 6])
def test_random_circuits_agree_with_torch(n: int, name: str) -> None:
    @given(circuits(n))
    @QUICK
    def check(circuit: Circuit) -> None:
        words = tuple(p for o in circuit.readout for p in getattr(o, "paulis", (o,)) if isinstance(p, Pauli))
        diagonal = tuple(Pauli(word.word.replace("X", "Z").replace("Y", "Z"), word.wires) for word in words)
        for variant in (circuit, replace(circuit, readout=diagonal)):
            x, w = numbers(variant)
            ours = going(True, name, lambda: results(native, variant, x, w))  # noqa: B023
            for found, wanted in zip(ours, results(statevector, variant, x, w), strict=True):
                close(found, wanted)

    check()


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(("n", "seed"), [(11, 0), (12, 1), (13, 0), (14, 1)])
def test_blocks_and_tiles_agree_with_a_row_in_each_lane(n: int, seed: int, name: str) -> None:
    circuit = random_circuit(n, seed)
    x, w = numbers(circuit)
    ours, others = (going(wide, name, lambda: results(native, circuit, x, w)) for wide in (True, False))
    for found, wanted in zip(ours, others, strict=True):
        close(found, wanted)


@pytest.mark.parametrize("entangler", ["zz", "cnot"])
def test_single_precision_and_a_state_of_many_tiles(entangler: str) -> None:
    circuit = reuploading(16, uploads=2, entangler=entangler)  # type: ignore[arg-type]
    rng = torch_rng("numbers", entangler)
    x, w = (torch.randn(*shape, generator=rng, dtype=torch.float64) for shape in ((1, 16), (circuit.n_weights,)))
    found = []
    for dtype in (torch.float64, torch.float32):
        given_x, given_w = x.to(dtype).requires_grad_(), w.to(dtype).requires_grad_()
        y = native.run(circuit, given_x, given_w)
        found.append([y, *gradients(y.sin().sum(), given_x, given_w)])
    for exact, single in zip(*found, strict=True):
        assert (exact - single).abs().max() < 2e-6


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_states_of_two_tiers_of_tiles_agree_with_torch(seed: int) -> None:
    circuit = random_circuit(22, seed, n_gates=12)
    x, w = numbers(circuit)
    x = x.detach()[:1].requires_grad_()
    found = [native.run(circuit, x, w), statevector.run(circuit, x, w)]
    close(*found)
    for ours, wanted in zip(*(gradients(y.sin().sum(), x, w) for y in found), strict=True):
        close(ours, wanted)


def test_registers_sums_and_words_together() -> None:
    mixed = WeightedSum((0.5, -2.0), (Pauli("ZZ", (13, 1)), Pauli("YX", (4, 13))))
    readout = (Probabilities((13, 2)), Pauli("XZ", (0, 3)), mixed, AllZero((1, 5)), Pauli("Z", (0,)))
    circuit = replace(random_circuit(14, 0), readout=readout)
    x, w = numbers(circuit)
    for found, wanted in zip(*(results(executor, circuit, x, w) for executor in (native, statevector)), strict=True):
        close(found, wanted)


def test_results_do_not_depend_on_threads() -> None:
    circuit = random_circuit(16, 0)
    x, w = numbers(circuit)
    one, three = (results(native, circuit, x, w, threads=threads) for threads in (1, 3))
    assert all(torch.equal(a, b) for a, b in zip(one, three, strict=True))


def test_few_rows_of_wide_circuits_fill_the_lanes_with_amplitudes() -> None:
    assert lowering.amplitudes_fill_lanes(8, 1, 16)
    assert lowering.amplitudes_fill_lanes(20, 100, 16)
    assert not lowering.amplitudes_fill_lanes(10, 64, 16)
    assert not lowering.amplitudes_fill_lanes(3, 1, 16)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
@pytest.mark.parametrize("call", ["run(circuit, x, w)", "run(circuit, x, w.requires_grad_())", "state(circuit, x, w)"])
def test_a_state_that_does_not_fit_is_a_memory_error(call: str) -> None:
    code = f"""
import resource, torch
from qinn_bench.quantum.simulators import forecast, native
from qinn_bench.quantum.ansatz import reuploading
forecast.free_bytes = lambda: None
circuit = reuploading(28, uploads=1)
x, w = torch.zeros(1, 28, dtype=torch.float64), torch.zeros(circuit.n_weights, dtype=torch.float64)
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, resource.RLIM_INFINITY))
try:
    native.{call}
except MemoryError:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "refused"
