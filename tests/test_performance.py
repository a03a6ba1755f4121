"""Workloads: every simulator does the same work, and wrong names are refused in words."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from qinn_bench.performance import engine, peers, workloads
from qinn_bench.performance.peers import ring_source
from qinn_bench.quantum.simulators import native
from qinn_bench.values import Refused, Use

installed = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed"))
    for name in peers.PEERS
]


def difference(name, n, batch, mode):
    """The largest relative difference between the results of a simulator and of torch in complex128."""
    pairs = zip(engine.step(name, n, batch, mode)(), engine.step("torch:complex128", n, batch, mode)(), strict=True)
    arrays = [(np.asarray(one, dtype=np.float64), np.asarray(two)) for one, two in pairs]
    return max(float(np.max(np.abs(one - two)) / (1 + np.max(np.abs(two)))) for one, two in arrays)


@pytest.mark.parametrize("mode", engine.MODES)
@pytest.mark.parametrize(("n", "batch"), [(2, 4), (6, 3)])
@pytest.mark.parametrize("name", installed)
def test_peers_agree_with_torch(name, n, batch, mode):
    if (name, mode) == ("qulacs", "nll"):
        with pytest.raises(Refused, match="first derivatives only"):
            engine.step(name, n, batch, mode)
    else:
        assert difference("jax:complex128" if name == "jax" else name, n, batch, mode) < 1e-10


@pytest.mark.parametrize("mode", engine.MODES)
@pytest.mark.parametrize("name", ["native:complex128", "default.qubit", "default.qubit:rot"])
def test_forms_agree_with_torch(name, mode):
    if name.startswith("native") and not native.AVAILABLE:
        pytest.skip("the kernel was not built")
    assert difference(name, 3, 4, mode) < 1e-10


def test_single_precision_is_single():
    assert 1e-9 < difference("torch", 3, 4, "gradient") < 1e-5


def test_the_ring_is_a_chain_of_cnots():
    def through(index, n):
        bits = [index >> (n - 1 - wire) & 1 for wire in range(n)]
        for control in range(n):
            bits[(control + 1) % n] ^= bits[control]
        return sum(bit << (n - 1 - wire) for wire, bit in enumerate(bits))

    source = ring_source(4)
    assert all(source[through(index, 4)] == index for index in range(16))


def test_both_spellings_of_the_circuit_have_the_same_weights():
    spelled, rot = engine.circuit(3), engine.circuit(3, rot=True)
    assert spelled.weights == rot.weights
    assert spelled.counts == {"RY": 24, "RZ": 24, "CNOT": 12}
    assert rot.counts == {"RY": 12, "Rot": 12, "CNOT": 12}


def test_problems_are_the_same_each_time():
    assert all(np.array_equal(one, two) for one, two in zip(engine.problem(3, 5), engine.problem(3, 5), strict=True))


@pytest.mark.parametrize(
    ("backend", "mode", "words"),
    [
        ("lightening", "forward", "no backend is called 'lightening'; there are: native"),
        ("torch", "backward", "no mode is called 'backward'; there are: forward, gradient, nll"),
        ("default.qubit:complex64", "forward", "complex128 only"),
        ("native:cuda", "forward", "exists for torch"),
        ("lightning.qubit", "nll", "first derivatives only"),
    ],
)
def test_wrong_names_are_refused_in_words(backend, mode, words):
    with pytest.raises(Refused, match=words):
        engine.step(backend, 2, 2, mode)


def test_forms_are_read_off_the_name():
    chosen = engine.candidate("torch:complex128:cuda")
    assert (chosen.simulator, chosen.precision, chosen.device, chosen.on_gpu) == ("torch", "complex128", "cuda", True)
    assert engine.candidate("default.qubit:unitary").simulator == "default.qubit:unitary"
    assert {"native", "native:complex128", "torch", "default.qubit", "jax", "qulacs"} <= set(engine.candidates())


def test_peers_stay_out_of_what_everyone_installs():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf8"))["project"]
    extras = project["optional-dependencies"]
    everyone = " ".join([*project["dependencies"], *extras["test"], *extras["bench"]])
    assert not any(name in everyone for name in peers.PEERS)
    assert all(any(name in line for line in extras["peers"]) for name in peers.PEERS)


def test_workloads_are_found_by_name():
    use = Use(name="engine", knobs={"backend": "torch", "n_qubits": 2, "batch": 3, "mode": "forward"})
    assert workloads.make(use)()[0].shape == (3, 2)
    assert len({str(use) for use in workloads.uses()}) == len(workloads.uses())
    with pytest.raises(Refused, match="no workload is called 'motor'; there are: engine"):
        workloads.make(Use(name="motor"))
