"""Circuits with one particle a wire: counts, ranks, their closed form, and how constituents become angles."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qinn_bench import registry
from qinn_bench.capacity import cost
from qinn_bench.capacity.cost import StepCost
from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.quantum.simulators import native
from qinn_bench.quantum.visibility import trimmed
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused, Use
from reference_models._parts.particles import ParticleAngles, angle_of
from reference_models.quantum_autoencoders import closed_1p1q, qae_1p1q, vqc_1p1q

torch.set_num_threads(1)

BACKENDS = ["torch", pytest.param("native", marks=pytest.mark.skipif(not native.AVAILABLE, reason="not built"))]


def jets(n: int, particles: int, seed: int = 0) -> Tensor:
    """Constituents with shares of the transverse momentum that fall, and places within the jet."""
    rng = torch_rng("jets", seed)
    pt = torch.rand(n, particles, generator=rng, dtype=torch.float64).sort(1, descending=True)[0]
    places = 0.3 * torch.randn(n, particles, 2, generator=rng, dtype=torch.float64)
    return torch.cat((pt[:, :, None] / pt.sum(1)[:, None, None], places), 2).flatten(1)


def made(name: str, particles: int, seed: int = 0, **knobs: object):
    torch.manual_seed(seed)
    use = registry.spell_out("model", Use(name=name, knobs=knobs))
    return registry.make("model", use, 3 * particles, backend=knobs.pop("backend", "torch")).double()


def rank(model, particles: int, n: int = 200) -> int | None:
    return cost.jacobian_rank(model, Batch(jets(n, particles)), StepCost(0, 1), 1).rank


def test_parameters_are_those_that_are_published():
    assert count_parameters(made("vqc_1p1q", 10)).total == 32
    assert count_parameters(made("vqc_1p1q", 10, readout="sum")).total == 42
    assert count_parameters(made("qae_1p1q", 10)).total == 31
    assert count_parameters(made("qae_1p1q", 10, scale=False)).total == 30
    assert count_parameters(made("closed_1p1q", 10)).total == 4


@pytest.mark.parametrize(("readout", "expected"), [("z0", 4), ("sum", 17)])
def test_the_rank_of_the_supervised_circuit(readout, expected):
    model = made("vqc_1p1q", 5, readout=readout)
    assert rank(model, 5) == expected
    assert count_parameters(model).blind == (12 if readout == "z0" else 0)


def test_the_closed_form_has_the_rank_of_its_circuit():
    assert rank(made("closed_1p1q", 5), 5) == 4


@pytest.mark.parametrize(("trash", "expected"), [(1, 3), (2, 5), (3, 7), (4, 9)])
def test_the_rank_of_the_autoencoder(trash, expected):
    model = made("qae_1p1q", 5, trash=trash)
    short = made("qae_1p1q", 5, trash=trash, trim=True)
    assert rank(model, 5) == expected and count_parameters(model).total == 16
    assert count_parameters(model).live == count_parameters(short).total == expected


@pytest.mark.parametrize("trash", [1, 2, 3, 4])
def test_turns_before_the_entangler_matter_on_the_trash_and_the_wire_before_it(trash):
    assert rank(made("qae_1p1q", 5, trash=trash, turned="before"), 5) == 2 * trash + 3


def bloch(angles: Tensor) -> Tensor:
    """The vector n with U^dagger Z U = n . (X, Y, Z) for U = RX(c) RZ(b) RY(a), by matrices."""
    matrices = [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]
    x, y, z = (torch.tensor(matrix, dtype=torch.complex128) for matrix in matrices)
    one = torch.eye(2, dtype=torch.complex128)
    turn = one
    for pauli, angle in zip((y, z, x), angles, strict=True):
        turn = ((angle / 2).cos() * one - 1j * (angle / 2).sin() * pauli) @ turn
    return torch.stack([(turn.mH @ z @ turn @ pauli).trace().real / 2 for pauli in (x, y, z)])


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=8, deadline=None)
@given(particles=st.integers(2, 10), seed=st.integers(0, 1000))
def test_one_layer_read_on_the_first_wire_is_three_products(backend, particles, seed):
    particles = min(particles, 5) if backend == "torch" else particles
    torch.manual_seed(seed)
    circuit = vqc_1p1q.build(3 * particles, backend=backend).double()
    x = jets(20, particles, seed)
    with torch.no_grad():
        n = bloch(circuit.circuit.weights[:3])
        assert torch.allclose(n.norm(), torch.ones((), dtype=torch.float64), atol=1e-12)
        closed = circuit.bias + closed_1p1q.products(*circuit.angles(x).chunk(2, 1)) @ n
        torch.testing.assert_close(circuit.score(x), closed, rtol=0, atol=1e-12)
        twin = closed_1p1q.build(3 * particles).double()
        twin.angles.load_state_dict(circuit.angles.state_dict())
        twin.bias.copy_(circuit.bias)
        twin.polar.copy_(n[2].arccos())
        twin.azimuth.copy_(torch.atan2(n[1], n[0]))
        torch.testing.assert_close(twin.score(x), closed, rtol=0, atol=1e-12)


@pytest.mark.parametrize("trash", [1, 3])
@pytest.mark.parametrize("turned", qae_1p1q.TURNED)
def test_a_swap_test_gives_the_exact_fidelity(trash, turned):
    exact, swap = (made("qae_1p1q", 4, trash=trash, turned=turned, readout=readout) for readout in ("exact", "swap"))
    swap.load_state_dict(exact.state_dict())
    x = jets(20, 4)
    with torch.no_grad():
        torch.testing.assert_close(swap.score(x), exact.score(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["qae_1p1q", "vqc_1p1q"])
def test_what_is_left_out_changes_nothing(name):
    full, short = made(name, 4), made(name, 4, trim=True)
    kept = trimmed(full.circuit.circuit)[1]
    with torch.no_grad():
        short.load_state_dict(full.state_dict() | {"circuit.weights": full.circuit.weights.detach()[kept]})
        x = jets(20, 4)
        torch.testing.assert_close(short.score(x), full.score(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("w", "scale"), [(0.0, 4.1416), (torch.pi, 7.0229)])
def test_the_scale_of_the_angles(w, scale):
    angles = ParticleAngles(scaled=True).double()
    torch.nn.init.constant_(angles.w, w)
    assert float(angles.scale.detach()) == pytest.approx(scale, abs=5e-5)


def test_places_become_angles_linearly():
    eta = torch.tensor([0.8, -0.8, 1.6], dtype=torch.float64)
    assert angle_of(eta).tolist() == pytest.approx([torch.pi - 1e-4, -torch.pi, 2 * torch.pi - 1.5e-4], abs=1e-12)


def test_padded_particles_turn_nothing():
    x = jets(5, 4)
    x[:, 9:] = 0
    angles = ParticleAngles(scaled=True).double()(x)
    assert bool((angles[:, [3, 7]] == 0).all())


@pytest.mark.parametrize(
    ("name", "dim", "knobs", "says"),
    [
        ("qae_1p1q", 7, {}, "a multiple of 3 numbers, but was asked for flat rows of 7 numbers"),
        ("qae_1p1q", 6, {"trash": 2}, "2 trash wires of 2 were asked for"),
        ("qae_1p1q", 6, {"turned": "never"}, "there are: after, before"),
        ("qae_1p1q", 6, {"readout": "z"}, "there are: exact, swap"),
        ("vqc_1p1q", 6, {"readout": "z1"}, "there are: z0, sum"),
        ("closed_1p1q", 3, {}, "at least 2 are expected"),
        ("vqc_1p1q", (1, 12, 12), {}, "takes flat rows"),
    ],
)
def test_what_does_not_fit_is_refused(name, dim, knobs, says):
    with pytest.raises(Refused, match=says):
        registry.make("model", Use(name=name, knobs=knobs), dim, backend="torch")
