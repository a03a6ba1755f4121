"""Other forms of the QINN's circuits: axes of the data, what is read out, copies; their Jacobians, starts and names."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from qinn_bench import registry
from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.laws.densities import autodiff_logdet
from qinn_bench.laws.models import without_effect
from qinn_bench.quantum import controls
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused, Use
from reference_models._parts.circuit_form import ENCODINGS, READOUTS, CircuitForm

LIKELIHOOD = {"fidelity": 0.0, "mmd": 0.0, "barrier": 0.0}
CONSTRUCTIONS = ("composition", "conditioner", "elementwise")


def made(name: str, dim: int = 2, jolt: float = 0.0, **knobs: Any) -> Any:
    """A small model in double precision, its weights moved by some noise."""
    torch.manual_seed(1)
    model = registry.make("model", Use(name=name, knobs={"uploads": 3, **LIKELIHOOD, **knobs}), dim, backend="torch")
    model = model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(jolt * torch.randn(parameter.shape, generator=torch_rng("jolt"), dtype=torch.float64))
    return model


def rows(n: int, dim: int = 2) -> Tensor:
    return torch.randn(n, dim, generator=torch_rng("rows"), dtype=torch.float64)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("entangler", ["zz", "cnot", "none"])
def test_uploads_take_turns_and_cost_the_same(encoding: str, entangler: str) -> None:
    form, plain = CircuitForm(2, entangler, encoding), CircuitForm(2, entangler)
    circuit = form.circuit(3, uploads=4, layers=2)
    uploads = [gate for gate in circuit.gates if gate.angles and gate.angles[0].input is not None]
    turns = [ENCODINGS[encoding][k % len(ENCODINGS[encoding])] for k in range(4)]
    assert [gate.name for gate in uploads] == [turn for turn in turns for _ in range(6)]
    assert circuit.n_weights == plain.circuit(3, uploads=4, layers=2).n_weights


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("copies", [1, 2])
def test_every_form_of_a_qinn_has_its_true_logdet_and_starts_near_the_identity(
    encoding: str, readout: str, copies: int
) -> None:
    knobs = {"encoding": encoding, "readout": readout, "copies": copies}
    model, x = made("qinn", jolt=0.2, **knobs), rows(8)
    torch.testing.assert_close(model(x)[1], autodiff_logdet(lambda x: model(x)[0], x), rtol=0, atol=1e-9)
    fresh = made("qinn", **knobs)
    fresh.circuit.weights.data.mul_(1e-3)
    fresh.circuit.block("scale").data.view(-1)[: 2 * copies] = 1.0
    if encoding == "ry":
        assert float((fresh(x)[0] - x).abs().max()) < 0.4
    batch = Batch(rows(200))
    model.loss(batch, 0.5, torch_rng("loss")).backward()
    found = torch.cat([p.grad.abs().flatten() for p in model.parameters()])
    assert without_effect(found) == count_parameters(model).blind == 0


@pytest.mark.parametrize("readout", READOUTS)
def test_every_form_of_a_qinn_inverts_with_and_without_its_preparation(readout: str) -> None:
    for fidelity in (0.0, 0.5):
        model = made("qinn", readout=readout, encoding="ry-rx", fidelity=fidelity)
        model.initialise(Batch(rows(600)), torch_rng("anchors"))
        x = 0.5 * rows(20)
        with torch.no_grad():
            torch.testing.assert_close(model(model.inverse(model(x)[0]))[0], model(x)[0], rtol=0, atol=1e-7)


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("readout", READOUTS)
def test_every_form_of_a_hybrid_has_its_true_logdet(construction: str, readout: str) -> None:
    knobs = {"blocks": 2, "hidden": 2, "bins": 2, "copies": 2, "encoding": "ry-rx-rz", "entangler": "cnot"}
    model, x = made("hybrid_qinn", 3, 0.1, construction=construction, readout=readout, **knobs), rows(8, 3)
    torch.testing.assert_close(model(x)[1], autodiff_logdet(lambda x: model(x)[0], x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("control", ["unentangled", "fourier", "tanh"])
@pytest.mark.parametrize("readout", READOUTS)
def test_every_form_has_its_controls(control: Any, readout: str) -> None:
    model, x = made("qinn", 3, 0.1, readout=readout, copies=2, encoding="ry-rx"), rows(8, 3)
    controls.apply(model, control, torch_rng("control"))
    model = model.double()
    torch.testing.assert_close(model(x)[1], autodiff_logdet(lambda x: model(x)[0], x), rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ["qinn", "hybrid_qinn"])
def test_forms_that_came_later_leave_names_as_they_were(name: str) -> None:
    spelled = registry.spell_out("model", Use(name=name))
    assert not {"encoding", "readout"} & spelled.knobs.keys()
    assert registry.spell_out("model", Use(name=name, knobs={"encoding": "ry-rx"})).knobs["encoding"] == "ry-rx"


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"entangler": "cz"}, "no entangler 'cz'; there are: cnot, none, zz"),
        ({"encoding": "rx"}, "no encoding 'rx'; there are: ry, ry-rx, ry-rx-rz"),
        ({"readout": "y"}, "no readout 'y'; there are: z, zz, mixed"),
        ({"copies": 0}, "0 copies"),
    ],
)
@pytest.mark.parametrize("name", ["qinn", "hybrid_qinn"])
def test_forms_that_do_not_exist_are_one_sentence(name: str, knobs: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says):
        made(name, **knobs)
