"""What a circuit is said to cost is what it costs, and what cannot fit is refused before anything is allocated."""

import os
import subprocess
import sys

import pytest
import torch

from qinn_bench.quantum import backends
from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.circuit import Circuit, z_on
from qinn_bench.quantum.simulators import forecast, native, statevector
from qinn_bench.values import Refused

ENGINES = [statevector, *([native] if native.AVAILABLE else [])]
CASES = [
    ("torch", 10, 512, "float32", "gradient", 4),
    ("torch", 8, 256, "float64", "nll", 2),
    ("native", 12, 512, "float32", "gradient", 4),
    ("native", 8, 4096, "float32", "nll", 4),
    ("native", 14, 16, "float64", "nll", 2),
    ("default.qubit", 10, 128, "float64", "gradient", 4),
    ("default.qubit", 8, 64, "float64", "nll", 4),
    ("lightning.qubit", 18, 1, "float64", "gradient", 1),
]
STEP = """
import sys, torch
from pathlib import Path
from qinn_bench.quantum import backends
from qinn_bench.quantum.ansatz import reuploading
name, n, batch, dtype, mode, uploads = sys.argv[1:]
simulator, kind = backends.get(name), getattr(torch, dtype)

def step(circuit, batch):
    weights = torch.zeros(circuit.n_weights, dtype=kind, requires_grad=True)
    inputs = torch.zeros(batch, circuit.n_inputs, dtype=kind, requires_grad=True)
    if mode == "gradient":
        torch.autograd.grad(simulator.run(circuit, inputs, weights).sum(), (inputs, weights))
    else:
        torch.autograd.grad(simulator.run_with_jacobian(circuit, inputs, weights)[1].square().sum(), weights)
    # Not ru_maxrss, which a process inherits from the one that started it.
    listed = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in listed if line.startswith("VmHWM:"))

base = step(reuploading(2, uploads=1, entangler="cnot"), 2)
print(step(reuploading(int(n), uploads=int(uploads), entangler="cnot"), int(batch)) - base)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read as Linux tells it")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_bytes_are_those_of_a_fresh_process(case):
    name, n, batch, dtype, mode, uploads = case
    if name == "native" and not native.AVAILABLE:
        pytest.skip("the compiled simulator was not built")
    command = [sys.executable, "-c", STEP, *map(str, case)]
    peak = int(subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ).stdout)
    circuit = reuploading(n, uploads=uploads, entangler="cnot")
    said = forecast.forecast(name, circuit, batch, getattr(torch, dtype), mode).bytes
    assert said / 2 < peak < 2 * said


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__.split(".")[-1])
def test_what_cannot_fit_is_refused(engine, monkeypatch):
    monkeypatch.setattr(forecast, "free_bytes", lambda: 2**33)
    circuit = Circuit(30, 0, (), (), z_on(range(2)))
    with pytest.raises(Refused, match=r"30 wires and 4096 samples need about .* GiB .* are free"):
        engine.run(circuit, torch.zeros(4096, 0), torch.zeros(0))


@pytest.mark.parametrize("name", ["torch", "native", "default.qubit", "lightning.qubit"])
def test_every_simulator_looks_first(monkeypatch, name):
    if reason := backends.why_not(name):
        pytest.skip(reason)
    monkeypatch.setattr(forecast, "free_bytes", lambda: 0)
    monkeypatch.setattr(forecast, "UNNOTICED", 2**16)
    small, large = reuploading(4, uploads=1), reuploading(14, uploads=1)
    backends.get(name).run(small, torch.zeros(8, 4), torch.zeros(small.n_weights))
    with pytest.raises(Refused, match=f"on '{name}'.*are free"):
        backends.get(name).run(large, torch.zeros(64, 14), torch.zeros(large.n_weights))


def test_every_simulator_of_pure_states_has_a_forecast():
    circuit = reuploading(4, uploads=1)
    for name in ("native", "torch", "default.qubit", "lightning.qubit"):
        assert name in backends.names()
        costs = [forecast.forecast(name, circuit, 64, torch.float64, mode) for mode in ("forward", "gradient", "nll")]
        assert 0 < costs[0].bytes < costs[1].bytes <= costs[2].bytes
        assert 0 < costs[0].seconds < costs[1].seconds < costs[2].seconds


def test_what_is_free_is_known_on_linux():
    if sys.platform == "linux":
        assert 2**20 < forecast.free_bytes() < 2**50
