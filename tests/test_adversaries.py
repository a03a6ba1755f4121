"""Generators against critics, and networks of FastCaloQ: counts as published, what they learn, what they cannot do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qinn_bench import registry
from qinn_bench.capacity import cost
from qinn_bench.contracts import Batch, Generator, count_parameters, own_parameters
from qinn_bench.quantum.simulators import statevector
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.training.loop import fit
from qinn_bench.values import Budget, Refused, Use
from reference_models._parts.adversarial import Adversary, Critic, Duel
from reference_models._parts.fcq import block_of, median_mmd2, undone
from reference_models._parts.loss_terms import energy_distance


def made(name: str, shape: int, **knobs) -> Generator:
    torch.manual_seed(0)
    model = registry.make("model", Use(name=name, knobs=knobs), shape, backend="torch")
    assert isinstance(model, Generator)
    return model


@pytest.mark.parametrize(
    ("name", "rows", "knobs", "total", "quantum", "frozen"),
    [
        ("fastcalogan", 533, {"output": "relu"}, 118_383, 0, 0),
        ("quantum_gan", 533, {"rz": False}, 5_873, 10, 0),
        ("quantum_gan", 533, {}, 5_883, 20, 0),
        ("quantum_gan", 533, {"hidden": 50, "chains": 4}, 118_403, 20, 0),
        ("fcq_qinn", 100, {"version": "v1"}, 7_038, 24, 0),
        ("fcq_qinn", 533, {}, 838 + 41_237, 72, 0),
        ("fcq_qinn", 533, {"frozen": True}, 41_237, 0, 838),
        ("fcq_qinn", 533, {"version": "wae"}, 7_007, 72, 0),
        ("fcq_qinn", 368, {"version": "wae"}, 4_862, 72, 0),
        ("fcq_twin", 533, {"version": "wae"}, 6_935, 0, 0),
        ("fcq_twin", 533, {"version": "wae", "core": "mlp", "width": 64}, 68_821, 0, 0),
    ],
)
def test_published_sizes_are_met(name, rows, knobs, total, quantum, frozen):
    counted = count_parameters(made(name, rows, **knobs))
    assert (counted.total, counted.quantum, counted.frozen) == (total, quantum, frozen)


def test_a_critic_is_counted_apart_and_has_no_part_in_the_rank():
    model = made("fastcalogan", 533)
    # Published 828 001: the bias of the last layer, which has no effect, is left out.
    assert count_parameters(model).critic == 828_000
    small = made("fastcalogan", 3, hidden=2, stages=1, latent=2, critic=2, trim=True).double()
    assert set(own_parameters(small)) == {name for name, _ in small.named_parameters() if "critic" not in name}
    found = cost.measure(small, Batch(torch.zeros(300, 3).double()), Batch(torch.zeros(8, 3).double()), torch_rng("r"))
    assert found.rank is not None and 0 < found.rank <= count_parameters(small).total


def test_the_published_circuit_has_turns_without_effect():
    """In the direction that generates, the first turns about z come last before z is read: 12 of 72 weights."""
    assert count_parameters(made("fcq_qinn", 533)).blind == 12 + 64
    assert count_parameters(made("fcq_qinn", 533, version="wae")).blind == 0


@pytest.mark.parametrize("version", ["bridge", "v1", "wae"])
def test_rows_of_the_published_network_lie_on_a_sheet_of_six_dimensions(version):
    model = made("fcq_qinn", 20, version=version, output="linear").double()
    noise = model.noise(5, torch_rng("noise"))
    for one in noise:
        jacobian = torch.autograd.functional.jacobian(lambda z: model.generate(z[None])[0], one)
        values = torch.linalg.svdvals(jacobian)
        assert int((values > 1e-10 * values[0]).sum()) <= 6


def test_what_is_undone_after_its_gates_is_the_upload_but_the_directions_are_no_inverses():
    circuit = block_of(3, 2)
    rng = torch_rng("undone")
    x, weights = torch.randn(4, 3, generator=rng).double(), torch.randn(18, generator=rng).double()
    back = undone(circuit)
    n = circuit.n_inputs
    whole = type(circuit)(3, n, circuit.weights, (*circuit.gates, *back.gates[n:]), circuit.readout)
    upload = type(circuit)(3, n, circuit.weights, circuit.gates[:n], circuit.readout)
    states = [statevector.state(one, x, weights) for one in (whole, upload)]
    torch.testing.assert_close(states[0], states[1])
    there = statevector.run(circuit, x, weights)
    again = statevector.run(back, there.arccos(), weights)
    assert float((again - x.cos()).abs().max()) > 0.1


@pytest.mark.parametrize("name", ["fastcalogan", "quantum_gan", "fcq_qinn"])
def test_adversaries_learn_a_shifted_normal(name):
    knobs = {"critic": 8, "unit": "silu", "turns": 2, "penalty": 1.0}
    model = made(name, 2, **knobs)
    rows = 3 + 0.5 * torch.randn(2000, 2, generator=torch_rng("rows"))
    batch = Batch(rows)
    before = float(model.validation_loss(batch, torch_rng("check")))
    outcome = fit(model, batch, batch, Budget(steps=300, batch=64, learning_rate=0.01, check_every=50), ("a", 0))
    after = float(model.validation_loss(batch, torch_rng("check")))
    assert outcome.status == "ok" and after < 0.1 * before


def test_weights_are_judged_at_the_same_noise_in_each_check():
    model, batch = made("fastcalogan", 2, hidden=2, critic=2), Batch(torch.zeros(50, 2))
    first, second = (float(model.validation_loss(batch, torch_rng("check"))) for _ in range(2))
    assert first == second


def test_each_row_is_generated_for_itself_and_from_its_condition():
    model = registry.make("model", Use(name="fastcalogan", knobs={"hidden": 4}), 3, condition=2)
    with torch.no_grad():
        noise, condition = model.noise(6, torch_rng("n")).float(), torch.randn(6, 2)
        rows = model.generate(noise, condition)
        torch.testing.assert_close(model.generate(noise[2:4], condition[2:4]), rows[2:4])
        assert not torch.allclose(model.generate(noise, condition + 1), rows)


def test_the_penalty_holds_the_gradient_of_the_critic_to_length_one():
    """Between rows at 0 and rows at 1 the best critic has slope 1, whatever the width of the network."""
    critic = Critic(1, (16, 16, 16), "silu")
    torch.manual_seed(0)
    model = Adversary(
        (1,), nn.Sequential(nn.Linear(1, 1)), critic, latent=1, mean=0.0, spread=1e-9, duel=Duel(penalty=10.0, turns=1)
    )
    with torch.no_grad():
        model.network[0].weight.zero_(), model.network[0].bias.fill_(0.0)
    optimiser = torch.optim.Adam(critic.parameters(), 0.01)
    for k in range(300):
        optimiser.zero_grad()
        model.critic_loss(Batch(torch.ones(64, 1)), 0.0, torch_rng("penalty", k)).backward()
        optimiser.step()
    with torch.no_grad():
        assert float(critic(torch.ones(1, 1)) - critic(torch.zeros(1, 1))) == pytest.approx(1.05, abs=0.05)


def test_energy_distance_of_two_points_and_of_equal_laws():
    x, y = torch.zeros(4, 2).double(), torch.tensor([[3.0, 4.0]]).double().expand(5, 2)
    assert float(energy_distance(x, y)) == pytest.approx(10.0)
    rng = torch_rng("equal")
    drawn = [float(energy_distance(*torch.randn(2, 50, 3, generator=rng).double())) for _ in range(400)]
    mean = sum(drawn) / 400
    assert abs(mean) < 3 * (sum((one - mean) ** 2 for one in drawn) / 400) ** 0.5 / 20


def test_median_mmd_is_that_of_its_definition():
    rng = torch_rng("mmd")
    x, y = torch.randn(6, 2, generator=rng).double(), 1 + torch.randn(7, 2, generator=rng).double()
    every = torch.cat((x, y))
    squares = [float((a - b).square().sum()) for i, a in enumerate(every) for j, b in enumerate(every) if i != j]
    width = float(torch.tensor(squares, dtype=torch.float64).median())

    def mean(left, right, *, same):
        pairs = [(a, b) for i, a in enumerate(left) for j, b in enumerate(right) if not (same and i == j)]
        return sum(float(torch.exp(-(a - b).square().sum() / width)) for a, b in pairs) / len(pairs)

    wanted = mean(x, x, same=True) + mean(y, y, same=True) - 2 * mean(x, y, same=False)
    assert float(median_mmd2(x, y)) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "knobs", "said"),
    [
        ("fastcalogan", {"hidden": 0}, "at least one unit"),
        ("fastcalogan", {"output": "tanh"}, "not in 'tanh'"),
        ("fastcalogan", {"unit": "gelu"}, "not of 'gelu'"),
        ("fastcalogan", {"turns": 0}, "at least one update"),
        ("quantum_gan", {"chains": 5}, "1 to 4 chains"),
        ("fcq_qinn", {"version": "v2"}, "one of v1, bridge, wae"),
        ("fcq_qinn", {"version": "wae", "frozen": True}, "of which bridge may be frozen"),
        ("fcq_twin", {"core": "cnn"}, "one of linear, mlp"),
    ],
)
def test_what_cannot_be_built_is_refused(name, knobs, said):
    with pytest.raises(Refused, match=said):
        made(name, 4, **knobs)
