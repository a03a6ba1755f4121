"""What is special to the QINN: its start, loss terms, preparation and inverse, and why it needs a certificate."""

import math

import numpy as np
import pytest
import torch

from qinn_bench import registry
from qinn_bench.contracts import Batch
from qinn_bench.quantum.layer import fidelity
from qinn_bench.training.loop import fit
from qinn_bench.values import Budget, Refused, Use
from reference_models._parts.circuit_maps import ToAngles, ToLatent
from reference_models._parts.solver import solve
from reference_models.quantum_flows import hybrid_qinn, qinn

torch.set_num_threads(1)


def make(dim=2, seed=0, module=qinn, **knobs):
    torch.manual_seed(seed)
    return module.build(dim, **knobs)


def rows(n, dim=2, seed=1):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_elementwise_maps_undo_each_other():
    x = rows(200) * 1.5
    to_angles, to_latent = ToAngles(2).double(), ToLatent(2).double()
    h, slope_in = to_angles(x)
    z, slope_out = to_latent(torch.cos(h))
    assert torch.allclose(z, x, atol=1e-3)
    assert torch.allclose(slope_in + slope_out + torch.log(torch.sin(h)), torch.zeros_like(x), atol=1e-3)
    assert torch.allclose(to_angles.inverse(h), x, atol=1e-9)
    assert torch.allclose(torch.cos(h), to_latent.inverse(z), atol=1e-9)


def test_the_start_is_almost_the_identity():
    model = make(3, uploads=4).double()
    model.circuit.weights.data.mul_(1e-6)
    model.circuit.block("scale").data[0] = 1.0
    x = rows(50, 3)
    z, logdet = model(x)
    assert torch.allclose(z, x, atol=1e-3) and torch.allclose(logdet, torch.zeros(50, dtype=torch.float64), atol=1e-3)


def test_the_state_is_prepared_exactly_at_the_start():
    model = make(2, uploads=3, preparation=2, fidelity=1.0).double()
    for layer in (model.circuit, model.preparation):
        layer.weights.data.zero_()
        layer.block("scale").data[0] = 1.0
    x = rows(20)
    y = model.jacobian(x)[2]
    assert torch.allclose(model.fidelity(x, y), torch.ones(20, dtype=torch.float64), atol=1e-5)
    z = model(x)[0]
    assert torch.allclose(model.guess(z), x, atol=1e-4)


@pytest.mark.parametrize("copies", [1, 2])
def test_the_full_jacobian_is_that_of_autodiff(copies):
    model = make(2, uploads=3, copies=copies, start="random").double()
    x = rows(5)
    jacobian = model.jacobian(x)[1]
    exact = torch.stack([torch.autograd.functional.jacobian(lambda r: model(r[None])[0][0], row) for row in x])
    assert torch.allclose(jacobian, exact, atol=1e-9)
    assert torch.allclose(model(x)[1], torch.linalg.slogdet(exact)[1], atol=1e-9)


def test_each_loss_term_can_be_switched_on_alone():
    x = rows(64)
    rng = torch.Generator()
    off = {"fidelity": 0.0, "mmd": 0.0, "barrier": 0.0}
    plain = make(start="random", trim=False, **off).double()
    nll = -plain.log_prob(x).mean().detach()
    assert float(plain.loss(Batch(x), 0.0, rng.manual_seed(0)).detach()) == pytest.approx(float(nll))
    for term in off:
        model = make(start="random", trim=False, **(off | {term: 1.0})).double()
        model.circuit.load_state_dict(plain.circuit.state_dict())
        assert float(model.loss(Batch(x), 0.0, rng.manual_seed(0)).detach()) != pytest.approx(float(nll))
    with pytest.raises(Refused, match="needs fidelity > 0"):
        make(both=True, fidelity=0.0)
    with pytest.raises(Refused, match="there are: identity, random"):
        make(start="warm")
    with pytest.raises(Refused, match="there are: cnot, none, zz"):
        make(entangler="cz")


def test_the_mmd_term_fades_and_is_the_unbiased_estimate():
    x, y = rows(40, seed=1), rows(30, seed=2)
    slow = 0.0
    for width in (0.25, 1.0, 4.0):

        def k(a, b, width=width):
            return math.exp(-float((a - b).square().sum()) / (4 * width))

        slow += sum(k(x[i], x[j]) for i in range(40) for j in range(40) if i != j) / (40 * 39)
        slow += sum(k(y[i], y[j]) for i in range(30) for j in range(30) if i != j) / (30 * 29)
        slow -= 2 * sum(k(a, b) for a in x for b in y) / 1200
    assert float(qinn.mmd2(x, y)) == pytest.approx(slow / 3)


def test_single_upload_with_perfect_fidelity_cannot_change_a_volume():
    """The no-go: equal Fubini-Study metrics (1/4 per angle) on both sides leave only isometries of the angles."""
    model = make(2, seed=3, uploads=1, fidelity=1.0, start="random").double()
    x = rows(256)

    def volume_and_fidelity():
        h = model.to_angles(x)[0]
        y, jacobian = model.circuit.jacobian(h)
        into = model.circuit.block("scale")[0]
        out = -model.preparation.block("scale")[0] / torch.sqrt(1 - y.square())
        volume = torch.linalg.det(out[:, :, None] * jacobian / into).abs()
        return volume.detach(), model.fidelity(x, y)

    volume, before = volume_and_fidelity()
    assert float(before.detach().mean()) < 0.9 and float((volume - 1).abs().mean()) > 0.1
    optimiser = torch.optim.Adam([*model.circuit.parameters(), *model.preparation.parameters()], 0.03)
    for _ in range(600):
        optimiser.zero_grad()
        (1 - volume_and_fidelity()[1].mean()).backward()
        model.circuit.weights.grad[model.circuit.circuit.block("scale")] = 0  # an encoding of nothing is no solution
        optimiser.step()
    volume, after = volume_and_fidelity()
    assert float(1 - after.detach().mean()) < 1e-4
    assert float((volume - 1).abs().quantile(0.95)) < 0.05


def test_the_inverse_solves_to_machine_precision_or_says_nan():
    model = make(2, uploads=3).double()
    model.initialise(Batch(rows(500)), torch.Generator().manual_seed(0))
    x = rows(200, seed=5)
    z = model(x)[0].detach()
    back = model.inverse(z)
    found = back.isfinite().all(1)
    assert found.double().mean() > 0.95
    assert float((model(back[found])[0] - z[found]).detach().abs().max()) < 1e-9


def test_a_target_outside_the_image_is_nan():
    def bounded(x):
        return torch.tanh(x), torch.diag_embed(1 - torch.tanh(x).square())

    z = torch.tensor([[0.5, -0.5], [0.5, 1.5]], dtype=torch.float64)
    x = solve(bounded, z, [torch.zeros_like(z)])
    assert torch.allclose(torch.tanh(x[0]), z[0]) and x[1].isnan().all()


@pytest.mark.parametrize("construction", list(hybrid_qinn.CONSTRUCTIONS))
def test_each_hybrid_inverts_and_has_quantum_parameters(construction):
    model = make(4, module=hybrid_qinn, construction=construction, blocks=2, hidden=3, bins=3, uploads=2).double()
    x = rows(100, 4)
    model.initialise(Batch(x), torch.Generator().manual_seed(0))
    back = model.inverse(model(x)[0].detach())
    found = back.isfinite().all(1)
    assert found.double().mean() > 0.9 and torch.allclose(back[found], x[found], atol=1e-6)
    assert any(getattr(module, "is_quantum", False) for module in model.modules())


def test_a_hybrid_of_unknown_construction_is_refused():
    with pytest.raises(Refused, match="there are: composition, conditioner, elementwise"):
        make(4, module=hybrid_qinn, construction="sandwich")


def test_fidelity_is_one_with_itself():
    model = make(2, uploads=2, start="random").double()
    psi = model.circuit.state(rows(4))
    assert torch.allclose(fidelity(psi, psi), torch.ones(4, dtype=torch.float64))


def trained_on_moons(**knobs):
    """A QINN of 152 parameters after 1200 steps: its claimed NLL in nats, and its mass on a grid."""
    data = registry.make("data", registry.spell_out("data", Use(name="moons")))
    train, valid = (
        torch.as_tensor(data.transform.forward(part)[0], dtype=torch.float32) for part in (data.train, data.valid)
    )
    model = make(2, copies=2, uploads=6, fidelity=0.0, mmd=0.0, trim=False, **knobs)
    assert sum(p.numel() for p in model.parameters()) == 152
    assert (
        fit(model, Batch(train), Batch(valid), Budget(steps=1200, batch=256, learning_rate=0.01), ("trap",)).status
        == "ok"
    )
    model = model.double()
    features, logdet = data.transform.forward(data.test[:5000])
    edges = torch.linspace(-6, 6, 301, dtype=torch.float64)
    grid = torch.cartesian_prod(edges, edges)
    with torch.no_grad():
        nll = -float(np.mean(model.log_prob(torch.as_tensor(features)).numpy() + logdet))
        mass = sum(float(model.log_prob(part).exp().sum()) for part in torch.split(grid, 5000))
    return nll, mass * float(edges[1] - edges[0]) ** 2


MOONS_ENTROPY = 1.0076


@pytest.mark.slow
def test_likelihood_alone_lies_and_the_barrier_mends_it():
    nll, mass = trained_on_moons(barrier=0.0, start="random")
    assert nll < MOONS_ENTROPY - 0.5 and mass > 3
    assert nll + math.log(mass) > MOONS_ENTROPY
    nll, mass = trained_on_moons(barrier=10.0)
    assert mass == pytest.approx(1, abs=0.02)
    assert MOONS_ENTROPY < nll + math.log(mass) < 1.91
