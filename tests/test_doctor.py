"""The doctor finds every backend that is here right, names why others are not, and sees one that is not right."""

import json

import torch

from qinn_bench.cli.main import main
from qinn_bench.quantum import backends, checkup


def test_all_is_well_here(capsys):
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    rows = {row["backend"]: row for row in told["backends"]}
    assert set(rows) == {*backends.names(), *checkup.ASKED} - {"auto"}
    for name, row in rows.items():
        assert row["reason"] == backends.why_not(name)
        assert row["reason"] or row["values"] is not None
    assert max(rows["torch"][what] for what in ("values", "gradients", "jacobian", "nll")) < checkup.TOLERANCE
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
    monkeypatch.setattr(checkup, "ASKED", (f"shots:{checkup.SHOTS}",))
    monkeypatch.setattr("qinn_bench.quantum.shots.Shots.run", lambda _, *given: noise(*given))
    torch_found, shots_found = checkup.checkup()
    assert torch_found.sound and not shots_found.sound
    assert shots_found.seeds == "not at all" and shots_found.values > checkup.SIGMAS
    assert right is backends.Torch.run
