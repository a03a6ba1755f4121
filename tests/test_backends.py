"""Every simulator behind the one interface: readouts of all kinds, values, gradients and Jacobians against torch."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from test_quantum import close, gradients, here, random_circuit, tensors
from torch import Tensor

from qinn_bench.cli.main import main
from qinn_bench.quantum import backend_names, backends
from qinn_bench.quantum.circuit import AllZero, Angle, Circuit, Gate, Pauli, Probabilities, WeightBlock, WeightedSum
from qinn_bench.quantum.compiler import lowering
from qinn_bench.values import Refused

READOUT = (
    Pauli("ZX", (2, 0)),
    WeightedSum((0.7, -1.3, 0.4), (Pauli("Z", (1,)), Pauli("YX", (0, 2)), Pauli("", ()))),
    Probabilities((2, 0)),
    AllZero((1, 2)),
    Pauli("", ()),
    WeightedSum((2.0,), (Pauli("Z", (0,)),)),
    Probabilities((1,)),
)
CIRCUITS = [
    Circuit(3, 3, circuit.weights, circuit.gates, READOUT) for circuit in (random_circuit(3, 16, k) for k in range(3))
]
PENNYLANE = here("default.qubit", "default.qubit:unitary", "lightning.qubit", "lightning.kokkos", "lightning.gpu")


def derivatives(backend: backends.Backend, circuit: Circuit, x: Tensor, w: Tensor) -> list[Tensor]:
    """Values, the gradient of a function of them, and the Jacobian."""
    y = backend.run(circuit, x, w)
    by_values = gradients((y.square() * torch.arange(1.0, 1 + y.shape[1])).sum(), x, w)
    return [y, *by_values, *backend.run_with_jacobian(circuit, x, w)]


@pytest.mark.parametrize("name", PENNYLANE)
@pytest.mark.parametrize("circuit", CIRCUITS)
def test_every_readout_agrees_with_torch(name: str, circuit: Circuit) -> None:
    x, w = tensors(circuit, 3)
    ours, theirs = (derivatives(backends.get(key), circuit, x, w) for key in ("torch", name))
    for a, b in zip(ours, theirs, strict=True):
        close(b, a)
    close(backends.get(name).state(circuit, x, w), backends.get("torch").state(circuit, x, w))


@pytest.mark.parametrize("name", PENNYLANE)
def test_a_circuit_without_inputs_or_angles_is_read_out_for_every_row(name: str) -> None:
    block = (WeightBlock("w", (1,)),)
    for gates in ((Gate("H", (0,)), Gate("CNOT", (0, 1))), (Gate("RX", (1,), (Angle(weight=0),)),), ()):
        circuit = Circuit(2, 1, block, gates, (Probabilities((1, 0)), AllZero((1,)), Pauli("X", (0,))))
        x, w = torch.zeros(3, 1).double(), torch.tensor([0.4]).double()
        close(backends.get(name).run(circuit, x, w), backends.get("torch").run(circuit, x, w))
        assert not backends.get(name).run_with_jacobian(circuit, x, w)[1].any()
        assert backends.get(name).run(circuit, x[:0], w).shape == (0, 6) or name == "default.qubit"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("qpu", "no backend is called 'qpu'; there are: auto, native, .*shots:N, noisy:"),
        ("lightning.qubit:unitary", "no backend is called"),
        ("shots", "no backend is called 'shots'"),
        ("shots:0", "'0' shots; expected a positive whole number"),
        ("shots:x", "'x' shots; expected"),
        ("shots:1e3", "'1e3' shots; expected"),
        ("noisy:", "'' in backend 'noisy:' is no option; there are, each once: depolarizing=P"),
        ("noisy:foo=1", "'foo=1' in backend"),
        ("noisy:damping", "'damping' in backend"),
        ("noisy:damping=0.1,damping=0.2", "each once"),
        ("noisy:damping=1.1", "probability '1.1'; expected a number between 0 and 1"),
        ("noisy:readout=nan", "probability 'nan'"),
        ("noisy:readout=0.1,shots=-1", "'-1' shots"),
        ("noisy:shots=5", "says no error; expected such as noisy:depolarizing=0.01, or shots:5"),
    ],
)
def test_a_wrong_name_is_refused_in_one_sentence(name: str, says: str) -> None:
    for verb in (backends.parse, backends.resolve, backends.why_not, backends.get):
        with pytest.raises(Refused, match=says) as found:
            verb(name)
        assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("torch", "torch"),
        ("shots:0064", "shots:64"),
        ("noisy:shots=5, damping=.1,depolarizing=1e-2", "noisy:depolarizing=0.01,damping=0.1,shots=5"),
        ("noisy:damping=0", "noisy:depolarizing=0.0"),
    ],
)
def test_a_name_has_one_spelling(name: str, spelled: str) -> None:
    assert backends.resolve(name) == backends.resolve(spelled) == backends.get(name).name == spelled


def without_kernel(monkeypatch: pytest.MonkeyPatch, built_from: str) -> None:
    """An installation without a kernel, or with one that was built from other sources."""
    for module in (lowering, backends.native):
        monkeypatch.setattr(module, "AVAILABLE", False)
        monkeypatch.setattr(module, "BUILT_FROM", built_from)
        monkeypatch.setattr(module, "ABSENCE", lowering.why_unusable(built_from, lowering.sources()))


def test_auto_says_once_what_it_took_without_the_kernel(monkeypatch, caplog) -> None:  # type: ignore[no-untyped-def]
    without_kernel(monkeypatch, built_from="")
    backend_names._say_once.cache_clear()
    assert [backends.resolve("auto", device) for device in ("cuda", "cpu", "cpu")] == ["torch"] * 3
    assert caplog.messages == ["native was not built; using torch"]
    assert backends.get("auto").name == "torch"
    with pytest.raises(Refused, match="'native' was not built with this installation"):
        backends.get("native")


def test_a_kernel_of_other_sources_is_refused(monkeypatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    without_kernel(monkeypatch, built_from="other")
    for name in ("auto", "native"):
        with pytest.raises(Refused, match="was built from other sources than are here now; install the project again"):
            backends.get(name)
    assert backends.resolve("auto", "cuda") == "torch"
    (tmp_path / "module.cpp").write_text("int one;")
    before = lowering.sources(tmp_path)
    (tmp_path / "module.cpp").write_text("int two;")
    assert before != lowering.sources(tmp_path) != lowering.sources(tmp_path / "nowhere") == ""
    assert not lowering.why_unusable("built", sources=""), "without sources the kernel is taken at its word"


def test_what_cannot_run_here_says_why(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(backends.torch.cuda, "is_available", lambda: False)
    assert backends.why_not("torch", "cuda") == "device 'cuda' was asked for, but torch finds no CUDA device"
    assert [backends.why_not(name) for name in ("auto", "torch", "default.qubit", "lightning.qubit", "shots:3")] == [
        ""
    ] * 5


def test_simulators_of_the_cpu_say_so_where_a_gpu_was_asked_for(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(backends.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(backends, "_pennylane_says", lambda name: "")
    for name in ("native", "default.qubit", "default.qubit:unitary", "lightning.qubit", "lightning.kokkos"):
        said = backends.why_not(name, "cuda")
        assert said == f"backend '{name}' runs on the CPU only, not on 'cuda'; 'torch' does"
    others = ("auto", "torch", "lightning.gpu", "shots:3", "noisy:damping=0.1")
    assert [backends.why_not(name, "cuda") for name in others] == [""] * len(others)
    assert set(backends.names()) == {*backends.CPU_ONLY, *others[:3]}


def test_a_plugin_without_its_driver_says_why(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def broken(name: str, wires: int) -> None:
        raise RuntimeError("CUDA driver version is\n insufficient")

    devices = pytest.importorskip("qinn_bench.quantum.pennylane.backends")
    monkeypatch.setattr(devices, "qml", SimpleNamespace(device=broken))
    monkeypatch.setattr(backends, "find_spec", lambda name: name)
    backends._pennylane_says.cache_clear()
    devices._device.cache_clear()
    assert backends.why_not("lightning.gpu").endswith("cannot run here: CUDA driver version is insufficient")
    backends._pennylane_says.cache_clear()
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert backends.why_not("lightning.gpu").endswith("is not installed; the extra [gpu] brings it")
    backends._pennylane_says.cache_clear()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("lightning.gpu", "the extra [gpu]"),
        ("lightning.kokkos", "the extra [kokkos]"),
        ("lightning.qubit", "pennylane-lightning"),
    ],
)
def test_a_plugin_whose_package_is_not_there_is_not_installed(name, what, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setitem(backends.HOMES, name, "no_such_package.plugin")
    backends._pennylane_says.cache_clear()
    assert backends.why_not(name) == f"backend '{name}' is not installed; {what} brings it"
    backends._pennylane_says.cache_clear()


def test_the_list_says_what_each_backend_is(capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["list", "backends", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["backends"]
    assert set(listed) == {*backends.NAMES, *backend_names.FAMILIES}
    assert all(listed.values()) and f"here: {backends.resolve('auto')}" in listed["auto"]


def test_exact_backends_do_not_load_pennylane() -> None:
    names = ["auto", "shots:3", "noisy:damping=0.1"]
    code = f"import sys; from qinn_bench.quantum import backends; [backends.get(name) for name in {names}]"
    found = subprocess.run([sys.executable, "-c", f"{code}; print('pennylane' in sys.modules)"], capture_output=True)
    assert found.stdout.split() == [b"False"]


def test_every_backend_states_how_it_honours_seeds() -> None:
    """The exact backends repeat themselves to the bit in one process, as they claim."""
    circuit = CIRCUITS[0]
    x, w = tensors(circuit, 3)
    for name in ("native", "torch", "default.qubit", "default.qubit:unitary", "lightning.qubit", "noisy:damping=0.1"):
        if not backends.why_not(name):
            once, twice = (derivatives(backends.get(name), circuit, x, w) for _ in range(2))
            assert backends.seeds_honoured(name) == "bitwise"
            assert all(torch.equal(a, b) for a, b in zip(once, twice, strict=True))
    assert backends.seeds_honoured("shots:3") == "bitwise"
    assert backends.seeds_honoured("torch", "cuda") == "statistical"
