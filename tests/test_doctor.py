"""The doctor finds every backend that is here right, names why others are not, and sees one that is not right."""

import json

import pytest
import torch

from qinn_bench.cli import doctor
from qinn_bench.cli.main import main
from qinn_bench.quantum import agreement, backends
from qinn_bench.quantum.pennylane import conformance
from qinn_bench.quantum.simulators import native


def test_all_is_well_here(capsys):
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    rows = {row["backend"]: row for row in told["backends"]}
    assert set(rows) == {*backends.names(), *agreement.ASKED} - {"auto"}
    for name, row in rows.items():
        assert row["reason"] == backends.why_not(name)
        assert row["reason"] or row["values"] is not None
    assert max(rows["torch"][what] for what in ("values", "gradients", "jacobian", "nll")) < agreement.TOLERANCE
    assert told["machine"]["backend auto"] == backends.resolve("auto")


def test_a_backend_that_is_not_right_is_seen(monkeypatch, capsys):
    right = backends.Torch.run
    monkeypatch.setattr(backends, "names", lambda: ("auto", "torch"))
    monkeypatch.setattr(backends.Torch, "run", staticmethod(lambda *given: right(*given) + 1e-9))
    assert main(["doctor"]) == 4
    assert "a backend is not right" in capsys.readouterr().out


def test_broken_seeds_and_shots_are_seen(monkeypatch):
    def noise(*given):
        return torch.rand(len(given[1]), given[0].n_outputs, dtype=torch.float64)

    right = backends.Torch.run
    monkeypatch.setattr(backends, "names", lambda: ("auto", "torch"))
    monkeypatch.setattr(agreement, "ASKED", (f"shots:{agreement.SHOTS}",))
    monkeypatch.setattr("qinn_bench.quantum.simulators.shots.Shots.run", lambda _, *given: noise(*given))
    torch_found, shots_found = agreement.checkup()
    assert torch_found.sound and not shots_found.sound
    assert shots_found.seeds == "not at all" and shots_found.values > agreement.SIGMAS
    assert right is backends.Torch.run


@pytest.mark.skipif(not native.AVAILABLE, reason="the compiled simulator was not built")
def test_a_device_that_gives_wrong_numbers_is_a_verdict(monkeypatch, capsys):
    monkeypatch.setattr(conformance, "LIBRARIES", conformance.LIBRARIES[:2])
    monkeypatch.setattr(conformance, "METHODS", ("adjoint", "best"))
    right = conformance.conformance("qinn.native")
    assert [check for check in right if check.wrong] == []
    done = {(check.interface, check.method, check.quantity): check.status for check in right}
    for interface in ("torch", "autograd"):
        for quantity in conformance.QUANTITIES:
            if (interface, "best", quantity) in done:
                assert done[interface, "best", quantity] == "passed"
    assert done["numpy", "–", "seeds"] == "passed"
    monkeypatch.setattr(doctor, "conformance", lambda name, wires: right)
    assert main(["doctor", "--device", "qinn.native"]) == 0
    assert "no wrong number" in capsys.readouterr().out
    bad = conformance.DeviceCheck("torch", "adjoint", "HVP", "failed", 2.5)
    monkeypatch.setattr(doctor, "conformance", lambda name, wires: (*right, bad))
    assert main(["doctor", "--device", "qinn.native"]) == 1
    printed = capsys.readouterr().out
    assert "failed 2.5e+00" in printed and "wrong numbers: qinn.native" in printed


def test_incomplete_second_derivatives_are_seen(monkeypatch):
    monkeypatch.setattr(conformance, "LIBRARIES", conformance.LIBRARIES[:2])
    monkeypatch.setattr(conformance, "METHODS", ("backprop", "adjoint", "parameter-shift"))
    found = {(c.interface, c.method, c.quantity): c for c in conformance.conformance("default.qubit")}
    assert found["autograd", "backprop", "HVP"].status == "passed"
    # The device's adjoint gives constants to autograd, so that the second derivative lacks a term of order 1.
    assert found["autograd", "adjoint", "HVP"].wrong and found["autograd", "adjoint", "HVP"].difference > 0.01
    shifted = found["autograd", "parameter-shift", "HVP"]
    assert shifted.status == "failed" and not shifted.wrong


def test_a_device_of_zeros_is_wrong(monkeypatch):
    monkeypatch.setattr(conformance, "LIBRARIES", conformance.LIBRARIES[:1])
    monkeypatch.setattr(conformance, "METHODS", ("best",))
    values = next(check for check in conformance.conformance("null.qubit") if check.quantity == "values")
    assert values.wrong and values.difference > 0.01


def test_devices_that_are_not_there_are_named(capsys):
    assert main(["doctor", "--device", "qinn.nativ"]) == 2
    said = capsys.readouterr().err
    assert "there is no PennyLane device 'qinn.nativ'; installed are: " in said and "qinn.native" in said
    assert main(["doctor", "--device", "default.qubit", "--wires", "40"]) == 2
    assert "40 wires were given" in capsys.readouterr().err
