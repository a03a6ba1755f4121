"""Single precision: what un-computing loses with depth, and the guard that computes again in double precision."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from qinn_bench.quantum.ansatz import Entangler, reuploading
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.compiler.lowering import simulator_of
from qinn_bench.quantum.simulators import kernel_jobs, native
from qinn_bench.quantum.simulators.kernel_jobs import DRIFT, KernelJob, KernelShape
from qinn_bench.torch_seeds import torch_rng

if not native.AVAILABLE:
    pytest.skip("the compiled simulator was not built", allow_module_level=True)


class Swept(NamedTuple):
    """Values, gradients of a random sum of them, and the drifts that the kernel reports."""

    values: Tensor
    by_inputs: Tensor
    by_weights: Tensor
    norm: float
    start: float


def job_of(circuit: Circuit) -> KernelJob:
    return KernelJob(circuit, KernelShape(circuit.n_outputs), 1, simulator_of(circuit))


def numbers(circuit: Circuit, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch_rng("drift", circuit.n_wires, len(circuit.gates))
    shapes = (rows, circuit.n_inputs), (circuit.n_weights,), (rows, circuit.n_outputs)
    x, w, mix = (torch.randn(*shape, generator=rng) for shape in shapes)
    return x, w, mix


def swept(circuit: Circuit, dtype: torch.dtype, rows: int = 32) -> Swept:
    x, w, mix = (t.to(dtype) for t in numbers(circuit, rows))
    job = job_of(circuit)
    saved = job.saved(x)
    (values,), norm = job.sweep(x, w, saved)
    (by_inputs, by_weights), start = job.sweep_back(x, w, saved, mix)
    return Swept(values, by_inputs, by_weights, norm, start)


def errors(n: int, layers: int, entangler: Entangler) -> tuple[list[float], list[float]]:
    """Largest errors of values, and of gradients over the largest gradient; then the drifts in complex64."""
    circuit = reuploading(n, uploads=layers, entangler=entangler)
    single, exact = swept(circuit, torch.float32), swept(circuit, torch.float64)
    scales = (1.0, exact.by_inputs.abs().max(), exact.by_weights.abs().max())
    pairs = zip(single[:3], exact[:3], scales, strict=True)
    assert max(exact[3:]) < 1e-13
    return [float((a - b).abs().max() / scale) for a, b, scale in pairs], list(single[3:])


@pytest.mark.slow
@pytest.mark.parametrize("entangler", ["cnot", "zz"])
@pytest.mark.parametrize("layers", [4, 20, 50, 100, 200])
@pytest.mark.parametrize("n", [4, 8, 12])
def test_errors_of_single_precision_stay_below_what_is_stated(n: int, layers: int, entangler: Entangler) -> None:
    (values, by_inputs, by_weights), drifts = errors(n, layers, entangler)
    assert values < 1e-5
    assert max(by_inputs, by_weights) < 5e-5
    assert max(drifts) < DRIFT


def test_the_kernel_reports_how_far_a_norm_is_from_one() -> None:
    circuit = reuploading(5, uploads=30, entangler="cnot")
    x, w, _ = numbers(circuit, 21)
    job = KernelJob(circuit, KernelShape(2 << 5, state=True), 1, simulator_of(circuit))
    (amplitudes,), drift = job.sweep(x, w, x.new_empty(0))
    wanted = (amplitudes.double().square().sum(1) - 1).abs().max().item()
    assert wanted > 1e-7
    assert drift == pytest.approx(wanted, rel=0.3)


def test_the_kernel_reports_how_far_an_uncomputed_state_is_from_the_start() -> None:
    circuit = reuploading(5, uploads=3)
    x, w, mix = (t.double() for t in numbers(circuit, 9))
    job = job_of(circuit)
    saved = job.saved(x)
    job.sweep(x, w, saved)
    assert job.sweep_back(x, w, saved, mix)[1] < 1e-14
    assert job.sweep_back(x, w, 1.01 * saved, mix)[1] == pytest.approx(0.01)


def results(circuit: Circuit, x: Tensor, w: Tensor) -> list[Tensor]:
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    y, J = native.run_with_jacobian(circuit, x, w)
    by_jacobian = torch.autograd.grad(J.sum(), (x, w))
    return [native.run(circuit, x, w), y, J, native.state(circuit, x, w), *by_jacobian]


def test_a_call_that_drifts_is_computed_again_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = reuploading(4, uploads=3)
    x, w, _ = numbers(circuit, 5)
    single, exact = results(circuit, x, w), results(circuit, x.double(), w.double())
    monkeypatch.setattr(kernel_jobs, "DRIFT", 0.0)
    guarded = results(circuit, x, w)
    assert all(torch.equal(found, wanted.to(found)) for found, wanted in zip(guarded, exact, strict=True))
    assert not any(torch.equal(found, wanted) for found, wanted in zip(single, guarded, strict=True))


@pytest.mark.parametrize("which", ["sweep", "sweep_back"])
def test_each_sweep_has_its_own_guard(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit, honest, seen = reuploading(3, uploads=2), getattr(KernelJob, which), []

    def drifting(job: KernelJob, x: Tensor, *others: Tensor) -> tuple[tuple[Tensor, ...], float]:
        seen.append(x.dtype)
        return honest(job, x, *others)[0], 1.0

    monkeypatch.setattr(KernelJob, which, drifting)
    x, w, _ = numbers(circuit, 2)
    native.run(circuit, x.requires_grad_(), w).sum().backward()
    assert seen[:2] == [torch.float32, torch.float64]
    seen.clear()
    native.run(circuit, x.detach().double().requires_grad_(), w).sum().backward()
    assert set(seen) == {torch.float64}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_single_circuits_report_their_drift_too(dtype: torch.dtype) -> None:
    circuit = reuploading(9, uploads=40, entangler="cnot")
    job = job_of(circuit)
    x, w, mix = (t.to(dtype) for t in numbers(circuit, 1))
    assert job.layout(x)[0]
    saved = job.saved(x)
    _, norm = job.sweep(x, w, saved)
    _, start = job.sweep_back(x, w, saved, mix)
    smallest, largest = (1e-8, DRIFT) if dtype == torch.float32 else (0.0, 1e-13)
    assert smallest <= norm < largest
    assert smallest < start < largest
    saved *= 1.01
    assert job.sweep_back(x, w, saved, mix)[1] == pytest.approx(0.01, rel=0.01)
