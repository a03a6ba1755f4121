"""Finite shots: the law of the estimates, what is measured together, derivatives by parameter shifts, and seeds.

Each bound on a mean is 5.5 standard errors, which one number passes by chance in 26 million; at most 200 are compared.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from test_backends import CIRCUITS, READOUT
from test_quantum import close, gradients, random_circuit, tensors
from torch import Tensor

from qinn_bench import registry
from qinn_bench.capacity import cost
from qinn_bench.contracts import Batch
from qinn_bench.quantum import backends
from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.circuit import (
    AllZero,
    Angle,
    Circuit,
    Gate,
    Pauli,
    Probabilities,
    WeightBlock,
    WeightedSum,
    z_on,
)
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.quantum.simulators.measurement import measurement
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused, Use

ROWS = 4000
MANY = "shots:100000000000000"
"""So many shots that their scatter is 1e-7."""


def same_mean(found: Tensor, wanted: Tensor) -> None:
    """Rows ``(n, ...)`` of independent estimates have this mean ``(...)``."""
    error = found.std(0) / len(found) ** 0.5
    assert ((found.mean(0) - wanted).abs() <= 5.5 * error + 1e-12).all()


def repeated(circuit: Circuit, rows: int = ROWS) -> tuple[Tensor, Tensor]:
    x, w = tensors(circuit, 1)
    return x.detach().repeat(rows, 1), w


def test_an_expectation_scatters_as_coin_tosses_do() -> None:
    """The variance of <Z> is (1 - <Z>^2)/N; its estimate from 4000 rows has the relative error sqrt(2/4000)."""
    circuit = Circuit(2, 1, (), (Gate("RY", (1,), (Angle(input=0),)),), z_on((1,)))
    x = torch.full((ROWS, 1), 1.1, dtype=torch.float64)
    found = backends.get("shots:50", seed=3).run(circuit, x, x.new_zeros(0))[:, 0]
    exact = x[0, 0].cos()
    same_mean(found, exact)
    assert (found.var() / ((1 - exact**2) / 50) - 1).abs() < 5.5 * (2 / ROWS) ** 0.5
    close(found * 25, (found * 25).round(), 1e-12)


@pytest.mark.parametrize("name", ["shots:20", "noisy:depolarizing=0.05,damping=0.1,readout=0.02,shots=20"])
def test_estimates_of_every_readout_are_unbiased(name: str) -> None:
    exact = backends.get(name.removesuffix(",shots=20") if "noisy" in name else "torch")
    for circuit in CIRCUITS[:2]:
        x, w = repeated(circuit)
        same_mean(backends.get(name, seed=5).run(circuit, x, w).detach(), exact.run(circuit, x[:1], w)[0].detach())


def test_what_shares_a_basis_is_read_off_the_same_bits() -> None:
    bell = (Gate("H", (0,)), Gate("CNOT", (0, 1)))
    both = (*z_on(range(2)), Pauli("ZZ", (0, 1)), Probabilities((1, 0)), AllZero((0,)), Pauli("XX", (1, 0)))
    circuit = Circuit(3, 1, (), bell, (*both, Pauli("X", (0,)), Pauli("YI", (0, 1))))
    x = torch.zeros(ROWS, 1).double()
    found = backends.get("shots:9", seed=1).run(circuit, x, x.new_zeros(0))
    first, second, product, *chances, zero, xx, plus, _ = found.unbind(1)
    assert first.std() > 0.3
    close(first, second, 1e-12)
    close(product, torch.ones(ROWS).double(), 1e-12)
    close(xx, torch.ones(ROWS).double(), 1e-12)
    close(chances[0], zero, 1e-12)
    close(sum(chances), torch.ones(ROWS).double(), 1e-12)
    assert torch.corrcoef(torch.stack([first, plus]))[0, 1].abs() < 5.5 / ROWS**0.5


def test_words_are_grouped_qubit_by_qubit() -> None:
    words = (Pauli("ZI", (0, 1)), Pauli("IX", (0, 1)), Pauli("XX", (0, 1)), Pauli("X", (1,)), Pauli("", ()))
    settings = measurement((WeightedSum((1.0,) * 5, words), Probabilities((0,)))).settings
    assert [(setting.wires, setting.basis) for setting in settings] == [((0, 1), "ZX"), ((0, 1), "XX")]


@pytest.mark.parametrize("noise", ["", "noisy:damping=0.1,readout=0.05"])
@pytest.mark.parametrize("seed", range(3))
def test_with_endless_shots_values_and_derivatives_are_exact(seed: int, noise: str) -> None:
    """Every gate's shift rule, through gates, scaled weights and inputs that enter twice."""
    made = random_circuit(3, 16, seed)
    circuit = Circuit(3, 3, made.weights, made.gates, READOUT)
    x, w = tensors(circuit, 2)
    sampled = backends.get(f"{noise},{MANY.replace(':', '=')}" if noise else MANY, seed=0)
    exact = backends.get(noise or "torch")
    y, J = sampled.run_with_jacobian(circuit, x, w)
    wanted, wanted_J = exact.run_with_jacobian(circuit, x, w)
    close(y, wanted, 2e-6)
    close(J.detach(), wanted_J.detach(), 5e-6)
    mix = torch.linspace(-1, 1, y.shape[1]).double()
    for a, b in zip(gradients((mix * y).sum(), x, w), gradients((mix * wanted).sum(), x, w), strict=True):
        close(a, b, 1e-5)


def test_gradients_and_jacobians_of_few_shots_are_unbiased() -> None:
    circuit = reuploading(2, uploads=2)
    x, w = repeated(circuit, 1000)
    backend, exact = backends.get("shots:10", seed=2), backends.get("torch")
    x.requires_grad_()
    along_x, _ = gradients(backend.run(circuit, x, w).sum(), x, w)
    wanted_x, wanted_w = gradients(exact.run(circuit, x[:1], w).sum(), x, w)
    same_mean(along_x, wanted_x[0])
    same_mean(
        backend.run_with_jacobian(circuit, x, w)[1].detach(), exact.run_with_jacobian(circuit, x[:1], w)[1][0].detach()
    )
    same_mean(
        torch.stack([gradients(backend.run(circuit, x[:20], w).mean(0).sum(), w)[0] for _ in range(60)]), wanted_w
    )


@pytest.mark.parametrize("name", ["shots:100", "noisy:damping=0.1,shots=100"])
def test_the_seed_decides_the_bits(name: str) -> None:
    circuit = reuploading(2, uploads=1)
    x, w = tensors(circuit, 3)

    def drawn(backend: backends.Backend) -> list[Tensor]:
        y, J = backend.run_with_jacobian(circuit, x, w)
        return [y, J, *gradients(y.sum(), x, w)]

    first, again, other = (drawn(backends.get(name, seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    backend = backends.get(name, seed=1)
    assert not torch.equal(drawn(backend)[0], drawn(backend)[0])


def test_layers_take_their_streams_from_the_seed_of_the_cell() -> None:
    circuit, x = reuploading(2, uploads=1), torch.zeros(5, 2)

    def values(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        layers = [CircuitLayer(circuit, "shots:1000") for _ in range(2)]
        for layer in layers:
            torch.nn.init.constant_(layer.weights, 0.4)
        return [copy.deepcopy(layer)(x).detach() for layer in layers]

    once, twice, other = values(1), values(1), values(2)
    assert torch.equal(once[0], twice[0])
    assert torch.equal(once[1], twice[1])
    assert not torch.equal(once[0], once[1])
    assert not torch.equal(once[0], other[0])
    before = torch_rng("left alone").get_state()
    torch.random.set_rng_state(before)
    CircuitLayer(circuit, "torch")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_shots_cannot_do_is_refused() -> None:
    circuit = reuploading(2, uploads=1)
    x, w = tensors(circuit, 3)
    backend = backends.get("shots:10", seed=0)
    with pytest.raises(Refused, match="cannot train through a Jacobian"):
        backend.run_with_jacobian(circuit, x, w)[1].sum().backward()
    with pytest.raises(Refused, match="gives no amplitudes"):
        backend.state(circuit, x, w)


def test_nothing_measured_and_nothing_to_run() -> None:
    circuit = reuploading(2, uploads=1)
    x, w = tensors(circuit, 3)
    backend = backends.get("shots:10", seed=0)
    assert backend.run(circuit, x[:0], w).shape == (0, 2)
    assert backend.run(replace(circuit, readout=()), x, w).shape == (3, 0)
    close(backend.run(replace(circuit, readout=(Pauli("", ()),)), x, w), torch.ones(3, 1).double())


def test_simultaneous_perturbations_are_right_in_the_mean_from_two_evaluations() -> None:
    """Their bias is of the order of the squared step: here below 0.03."""
    gates = (
        Gate("RY", (0,), (Angle(weight=0, input=0),)),
        Gate("RX", (1,), (Angle(weight=1, scale=2, input=1),)),
        Gate("CNOT", (0, 1)),
        Gate("RY", (1,), (Angle(weight=3),)),
    )
    circuit = Circuit(2, 2, (WeightBlock("w", (4,)),), gates, z_on(range(2)))
    x = torch.tensor([[0.4, -0.9]]).double().repeat(ROWS, 1).requires_grad_()
    w = torch.tensor([0.3, -0.2, 0.8, 0.5]).double()
    found = {}
    for name in ("torch", MANY.replace("shots", "spsa")):
        values = backends.get(name, seed=4).run(circuit, x, w)
        (found[name],) = torch.autograd.grad(values @ torch.tensor([1.0, -2.0]).double(), x, torch.ones(ROWS).double())
    exact, drawn = found.values()
    assert not torch.allclose(drawn[0], drawn[1])
    error = drawn.std(0) / ROWS**0.5
    assert ((drawn.mean(0) - exact[0]).abs() <= 5.5 * error + 0.03).all()


def test_the_backend_of_perturbations_is_spelled_like_that_of_shots() -> None:
    backend = backends.get("spsa:64", seed=1)
    assert backend.name == str(backends.parse("spsa:64")) == "spsa:64"
    for wrong in ("spsa", "spsa:0", "spsa:x"):
        with pytest.raises(Refused):
            backends.get(wrong)


def test_shots_of_a_drawn_row_are_those_of_all_settings_of_its_circuits() -> None:
    """A style-based generator of latents reads X and Z of its wires: two settings; one of rows reads Z alone."""
    none = Batch(torch.zeros(1, 3).double())
    for name, knobs, settings in (("style_qgan", {"latent": 2}, 1), ("latent_style_qgan", {"wires": 2}, 2)):
        for backend, wanted in (("shots:50", 50 * settings), ("spsa:7", 7 * settings), ("torch", 0)):
            model = registry.make("model", Use(name=name, knobs=knobs), 3, backend=backend).double()
            assert cost.row_shots(model, none, torch_rng("shots")) == wanted
