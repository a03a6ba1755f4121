"""Circuit Born machines, their twins and flows with circuits, against sums over all strings and closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.quantum import backends, controls
from qinn_bench.quantum.circuit import Circuit, Gate, z_on
from qinn_bench.quantum.visibility import blind_weights
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused
from reference_models._parts.amplitude_circuit import amplitude_circuit, preparation, preparation_angles
from reference_models._parts.binary_priors import BinaryPrior, all_states
from reference_models._parts.bit_base import BitBase, CircuitBits
from reference_models._parts.bit_cells import bits_of, places_of_bits
from reference_models._parts.born_circuits import ANSAETZE, GRAPHS, inverse_fourier, layered_circuit, start_at
from reference_models._parts.cells import Cells
from reference_models._parts.energies import DeepEnergy, RestrictedBoltzmann
from reference_models._parts.matrix_product import MatrixProduct
from reference_models._parts.waves import drawn_point, waves_at
from reference_models.generators import deep_ebm, mps_born, rbm
from reference_models.quantum_flows import quantum_flow, quantum_latent_flow
from reference_models.quantum_generators import qcbm, qft_generator

NONE = torch.zeros(1, 0, dtype=torch.float64)


def shaken(model: torch.nn.Module, by: float = 0.5) -> torch.nn.Module:
    with torch.no_grad():
        for k, parameter in enumerate(model.parameters()):
            parameter.add_(by * torch.randn(parameter.shape, generator=torch_rng("shaken", k)).to(parameter))
    return model.double()


def rows(n: int, dim: int, name: str) -> Tensor:
    return torch.randn(n, dim, generator=torch_rng(name, dim), dtype=torch.float64)


def states_of(circuit: Circuit, weights: Tensor | None = None, x: Tensor = NONE) -> Tensor:
    found: Tensor = backends.get("torch").state(circuit, x, NONE[0] if weights is None else weights)
    return found


@pytest.mark.parametrize(("name", "count"), [("rx-rz-rx", 3 * 5 * 4), ("rz-rx-rz", (3 * 5 + 1) * 4)])
def test_published_counts_of_layers(name: str, count: int) -> None:
    """3 n L, and (3 L + 1) n where turns about Z at both ends are left out (arXiv:1804.04168)."""
    assert layered_circuit(4, 5, ansatz=name, graph="ring").n_weights == count


@pytest.mark.parametrize("name", ANSAETZE)
@pytest.mark.parametrize("condition", [0, 1])
def test_layers_have_no_weight_that_outcomes_do_not_see(name: str, condition: int) -> None:
    for graph in GRAPHS:
        assert blind_weights(layered_circuit(3, 2, ansatz=name, graph=graph, condition=condition)) == 0


@pytest.mark.parametrize("name", ANSAETZE)
@pytest.mark.parametrize("graph", GRAPHS)
def test_an_even_start_without_noise_is_even_and_a_small_one_at_zero(name: str, graph: str, monkeypatch) -> None:
    monkeypatch.setattr("reference_models._parts.born_circuits.SPREAD", 0.0)
    law = CircuitBits(layered_circuit(3, 2, ansatz=name, graph=graph), "torch").double()
    chances = {}
    for start in ("even", "small"):
        start_at(law.circuit, start)
        with torch.no_grad():
            chances[start] = law.log_prob(all_states(3).double()).exp()
    assert torch.allclose(chances["even"], torch.full((8,), 1 / 8).double(), atol=1e-12)
    assert float(chances["small"][0]) > 0.99


def test_the_transform_as_gates_is_that_of_numpy() -> None:
    for n in (1, 2, 3):
        prepared = [tuple(Gate("X", (w,)) for w in range(n) if k >> (n - 1 - w) & 1) for k in range(2**n)]
        circuit = inverse_fourier(n)
        found = torch.stack([states_of(replace(circuit, gates=gates + circuit.gates))[0] for gates in prepared]).numpy()
        phase = found[0, 0] / abs(found[0, 0])
        assert np.allclose(found / phase, np.fft.fft(np.eye(2**n), norm="ortho"), atol=1e-12)


def small_qcbm(**knobs: object) -> qcbm.MmdBornMachine:
    torch.manual_seed(2)
    return shaken(qcbm.build(2, bits=2, layers=2, backend="torch", **knobs))  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("training", ["bits", "values"])
@pytest.mark.parametrize("condition", [0, 1])
@pytest.mark.parametrize("gray", [False, True])
def test_the_discrepancy_is_the_mean_over_all_pairs(training: str, condition: int, gray: bool) -> None:
    """Of cells drawn from the circuit and rows: sums over all cells and pairs of different rows, kernel by kernel."""
    model, n = small_qcbm(training=training, condition=condition, width=0.8, gray=gray), 7
    x, c = rows(n, 2, "x"), rows(n, 1, "c") if condition else None
    places = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    with torch.no_grad():
        found = float(model.loss(Batch(x, c), 0.5, torch_rng("loss")))
        by_number = model.probabilities(c).expand(n, -1).numpy()
    numbers = model.cells.numbers(places).numpy()
    own = model.cells.numbers(model.cells.places(x)).tolist()
    points = (bits_of(model.cells, places).double() if training == "bits" else model.cells.centres(places)).numpy()
    squares = ((points[:, None] - points[None]) ** 2).sum(2)
    kernel = np.zeros((16, 16))
    for share in (0.125, 0.5, 2.0):
        kernel[np.ix_(numbers, numbers)] += np.exp(-squares / (2 * share * 0.64 * squares.mean())) / 3
    total = 0.0
    for i in range(n):
        for j in range(n):
            apart = [by_number[k] - np.eye(16)[own[k]] for k in (i, j)]
            near = 1.0 if c is None else math.exp(-float((c[i] - c[j]) ** 2) / 2)
            total += (i != j) * near * apart[0] @ kernel @ apart[1]
    assert found == pytest.approx(total / (n * (n - 1)), abs=1e-12)


def test_f32_the_discrepancy_of_bits_is_that_of_words() -> None:
    """MMD^2 by the kernel and as the mean over words a of (<Z_a>_p - <Z_a>_q)^2, bits of a with chance p_sigma."""
    rng = np.random.default_rng(4)
    p, q = rng.dirichlet(np.ones(16)), rng.dirichlet(np.ones(16))
    bits = all_states(4).numpy()
    sigma, difference = 1.3, torch.tensor(p - q)[None]
    factor = torch.exp(-(1 - torch.eye(2, dtype=torch.float64)) / (2 * sigma**2))
    by_kernel = float((difference * qcbm.apart(difference, [factor] * 4)).sum())
    chance = (1 - math.exp(-1 / (2 * sigma**2))) / 2
    weight = chance ** bits.sum(1) * (1 - chance) ** (4 - bits.sum(1))
    words = ((-1.0) ** (bits @ bits.T)) @ (p - q)
    assert by_kernel == pytest.approx(float((weight * words**2).sum()), abs=1e-12)


def test_a_conditional_born_machine_that_is_trained_follows_its_condition() -> None:
    torch.manual_seed(0)
    model = qcbm.build(1, bits=2, layers=2, condition=1, ansatz="ry-cz", backend="torch").double()
    c = rows(120, 1, "c").sign()
    x = c + 0.3 * rows(120, 1, "x")
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        model.loss(Batch(x, c), 0.0, torch_rng("none")).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    drawn = model.sample(400, torch_rng("s"), torch.tensor([[1.0], [-1.0]]).double().repeat_interleave(200, 0))
    assert float(drawn[:200].mean()) > 0.5 and float(drawn[200:].mean()) < -0.5


LAWS = {
    "rbm, sum over visible bits": lambda: RestrictedBoltzmann(4, hidden=6),
    "rbm, sum over hidden bits": lambda: RestrictedBoltzmann(4, hidden=2),
    "deep energy": lambda: DeepEnergy(4, [5, 3]),
    "matrix product": lambda: MatrixProduct(4, bond=3),
    "phased matrix product": lambda: MatrixProduct(4, bond=2, order=[2, 0, 3, 1], phased=True),
    "circuit": lambda: CircuitBits(layered_circuit(4, 2, ansatz="ry-rz", graph="chain"), "torch"),
}


@pytest.mark.parametrize("name", LAWS)
def test_laws_of_bits_are_normalised_and_drawn_by_their_probabilities(name: str) -> None:
    torch.manual_seed(0)
    law: BinaryPrior = shaken(LAWS[name]())  # type: ignore[assignment]
    with torch.no_grad():
        chance = law.log_prob(all_states(4).double()).exp().numpy()
        drawn = law.draw(20_000, torch_rng("draw"))
    assert chance.sum() == pytest.approx(1, abs=1e-12)
    numbers = (drawn @ (2.0 ** torch.arange(3, -1, -1)).double()).long().numpy()
    assert stats.chisquare(np.bincount(numbers, minlength=16), 20_000 * chance).pvalue > 1e-4


def test_a_boltzmann_machine_is_the_sum_over_hidden_bits() -> None:
    machine: RestrictedBoltzmann = shaken(RestrictedBoltzmann(3, hidden=2))  # type: ignore[assignment]
    a, b, w = (p.detach().numpy() for p in (machine.visible, machine.hidden, machine.weights))
    visible, hidden = all_states(3).numpy(), all_states(2).numpy()
    weight = np.array([sum(math.exp(v @ a + h @ b + v @ w @ h) for h in hidden) for v in visible])
    found = machine.log_prob(all_states(3).double()).detach().exp().numpy()
    assert np.allclose(found, weight / weight.sum(), atol=1e-12)


def test_a_matrix_product_is_the_square_of_products_of_matrices() -> None:
    law: MatrixProduct = shaken(MatrixProduct(5, bond=3, phased=True))  # type: ignore[assignment]
    sites = [torch.view_as_complex(site.detach()).numpy() for site in law.sites]
    weights = []
    for bits in all_states(5).tolist():
        product = np.eye(1)
        for site, bit in zip(sites, bits, strict=True):
            product = product @ site[:, bit]
        weights.append(abs(product[0, 0]) ** 2)
    slow = (1 - 1e-6) * np.array(weights) / sum(weights) + 1e-6 / 32
    assert np.allclose(law.log_prob(all_states(5).double()).detach().exp().numpy(), slow, atol=1e-12)


def test_what_is_free_of_a_matrix_product_is_the_rank_of_its_derivative() -> None:
    for phased in (False, True):
        law: MatrixProduct = shaken(MatrixProduct(4, bond=2, phased=phased))  # type: ignore[assignment]
        sizes = [site.numel() for site in law.sites]

        def state(flat: Tensor, law: MatrixProduct = law, sizes: list[int] = sizes) -> Tensor:
            parts = [p.reshape(s.shape) for p, s in zip(flat.split(sizes), law.sites, strict=True)]
            found = torch.ones(1, 1, dtype=torch.complex128 if law.sites[0].shape[3] > 1 else torch.float64)
            for part in parts:
                site = torch.view_as_complex(part) if part.shape[3] > 1 else part[..., 0]
                found = torch.einsum("na,asb->nsb", found, site).flatten(0, 1)
            ray = found[:, 0] / found[:, 0].norm()
            ray = ray * ray[0].conj() / ray[0].abs()
            return torch.view_as_real(ray) if ray.is_complex() else ray

        flat = torch.cat([site.detach().flatten() for site in law.sites])
        jacobian = torch.autograd.functional.jacobian(state, flat).reshape(-1, len(flat))
        assert int(torch.linalg.matrix_rank(jacobian, tol=1e-9)) == law.free


def test_f43_published_sizes_of_boltzmann_machines_and_energies() -> None:
    """The constant of an energy, which the published counts have, is left out."""
    for hidden, count in ((64, 1104), (256, 4368)):
        assert count_parameters(rbm.build(16, bits=1, hidden=hidden)).total == count
    for widths, count in (([100], 1801), ([16, 4, 2], 353)):
        assert count_parameters(DeepEnergy(16, widths)).total == count - 1


def test_bits_of_cells_are_their_numbers_and_go_back() -> None:
    for gray in (False, True):
        cells = Cells(2, bits=3, gray=gray)
        places = torch.cartesian_prod(torch.arange(8), torch.arange(8))
        bits = bits_of(cells, places)
        assert torch.equal((bits * 2 ** torch.arange(5, -1, -1)).sum(1), cells.numbers(places))
        assert torch.equal(places_of_bits(cells, bits), places)


def test_more_bits_than_one_number_holds_have_a_likelihood_and_draws() -> None:
    torch.manual_seed(0)
    model = mps_born.build(25, bits=3, bond=2).double()
    drawn = model.sample(10, torch_rng("s"))
    assert drawn.shape == (10, 25) and bool(model.log_prob(drawn).isfinite().all())


@pytest.mark.parametrize("build", [rbm.build, deep_ebm.build])
def test_chains_lead_to_the_distribution_and_their_gradient_to_that_of_the_likelihood(build) -> None:
    """With many steps from rows, the mean of the chains' losses has the gradient of the exact likelihood."""
    torch.manual_seed(0)
    names = {rbm.build: "pcd", deep_ebm.build: "cd"}
    model = shaken(build(2, bits=1, hidden=2, training=names[build], steps=40))
    model.initialise(Batch(rows(500, 2, "x")), torch_rng("chains"))
    x = Batch(rows(4000, 2, "x"))
    (-model.log_prob(x.rows).mean()).backward()
    exact = torch.cat([p.grad.flatten() for p in model.parameters()])
    model.zero_grad()
    for k in range(10):
        (model.loss(x, 0.5, torch_rng("loss", k)) / 10).backward()
    found = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert float((found - exact).abs().max()) < 0.04


def test_waves_square_to_a_density_and_are_drawn_exactly() -> None:
    psi = torch.complex(rows(1, 16, "real"), rows(1, 16, "imaginary"))
    psi = psi / psi.norm()
    grid = (torch.arange(16, dtype=torch.float64) + 0.3) / 16
    points = torch.cartesian_prod(grid, grid)
    chance = waves_at(psi, points, 4).abs().square()
    assert float(chance.mean()) == pytest.approx(1, abs=1e-12), "a polynomial of this degree is its mean on the grid"
    slow = sum(
        psi[0, 4 * a + b] * torch.exp(-2j * math.pi * (a * points[:, 0] + b * points[:, 1]).to(torch.complex128))
        for a in range(4)
        for b in range(4)
    )
    assert torch.allclose(waves_at(psi, points, 4), slow, atol=1e-12)
    even = torch.rand(8000, 2, generator=torch_rng("even"), dtype=torch.float64)
    drawn = drawn_point(psi, even, 4)
    fine = (torch.arange(64, dtype=torch.float64) + 0.5) / 64
    mass = waves_at(psi, torch.cartesian_prod(fine, fine), 4).abs().square().reshape(8, 8, 8, 8).mean((1, 3)) / 64
    counted = np.bincount((8 * drawn).long().clamp(max=7).numpy() @ np.array([8, 1]), minlength=64)
    assert stats.chisquare(counted, 8000 * (mass / mass.sum()).flatten().numpy()).pvalue > 1e-4


@pytest.mark.parametrize("condition", [0, 1])
def test_outcomes_after_the_transform_are_the_density_at_the_grid(condition: int) -> None:
    torch.manual_seed(1)
    model = shaken(qft_generator.build(2, bits=2, layers=2, condition=condition, reading="cells", backend="torch"))
    c = rows(3, 1, "c") if condition else None
    with torch.no_grad():
        outcomes = model.outcomes(c)
        points = torch.cartesian_prod(torch.arange(4), torch.arange(4)).double() / 4
        waves = [waves_at(row[None], points, 4).abs().square() / 16 for row in model.amplitudes(c)]
        assert torch.allclose(outcomes, torch.stack(waves), atol=1e-12)
        circuit = model.circuit.circuit
        gates = [
            replace(g, wires=tuple(w + 2 * f for w in g.wires)) for f in range(2) for g in inverse_fourier(2).gates
        ]
        turned = backends.get("torch").run(
            replace(circuit, gates=(*circuit.gates, *gates)), NONE if c is None else c, model.circuit.weights
        )
        assert torch.allclose(outcomes, turned, atol=1e-12)
        drawn = model.sample(8000, torch_rng("s"), None if c is None else c[:1].expand(8000, 1))
    counted = np.bincount(model.cells.numbers(model.cells.places(drawn)).numpy(), minlength=16)
    assert stats.chisquare(counted, 8000 * outcomes[0].numpy() / float(outcomes[0].sum())).pvalue > 1e-4


@pytest.mark.parametrize("wires", [1, 2, 3])
def test_angles_of_amplitudes_prepare_them_with_their_signs(wires: int) -> None:
    amplitudes = rows(5, 2**wires, "amplitudes")
    amplitudes[0, 1:] = 0
    circuit = Circuit(wires, 2**wires - 1, (), preparation(wires), z_on(range(wires)))
    found = states_of(circuit, x=preparation_angles(amplitudes))
    aligned = (found.conj() * amplitudes / amplitudes.norm(dim=1, keepdim=True)).sum(1).abs()
    assert torch.allclose(aligned, torch.ones(5).double(), atol=1e-12)
    assert amplitude_circuit(2**wires - 1, 2, "cnot").n_wires == wires


@pytest.mark.parametrize(("numbers", "wires"), [(1, 1), (3, 2), (4, 3), (7, 3), (8, 4)])
def test_amplitudes_are_numbers_and_a_constant_on_as_few_wires_as_fit(numbers: int, wires: int) -> None:
    assert amplitude_circuit(numbers, 1, "cnot").n_wires == wires


@pytest.mark.parametrize("couplings", quantum_flow.COUPLINGS)
@pytest.mark.parametrize("encoding", ["ry", "amplitude"])
def test_flows_of_circuits_have_the_derivatives_of_their_maps(couplings: str, encoding: str) -> None:
    torch.manual_seed(0)
    knobs = {"blocks": 2, "bins": 2, "uploads": 1, "condition": 1, "backend": "torch"}
    model = shaken(quantum_flow.build(3, couplings=couplings, encoding=encoding, **knobs), 0.3)
    x, c = rows(4, 3, "x"), rows(4, 1, "c")
    z, logdet = model(x, c)
    jacobian = torch.stack(
        [torch.autograd.functional.jacobian(lambda y, k=k: model(y[None], c[k : k + 1])[0][0], x[k]) for k in range(4)]
    )
    assert torch.allclose(logdet, torch.linalg.slogdet(jacobian)[1], atol=1e-9)
    assert torch.allclose(model.inverse(z, c), x, atol=1e-9)


@pytest.mark.parametrize("control", ["unentangled", "fourier", "tanh"])
def test_circuits_of_amplitudes_have_controls(control: str) -> None:
    torch.manual_seed(0)
    model = quantum_flow.build(4, blocks=1, bins=2, uploads=2, encoding="amplitude", backend="torch").double()
    controls.apply(model, control, torch_rng("control"))  # type: ignore[arg-type]
    x = rows(5, 4, "x")
    assert torch.allclose(model.inverse(model(x)[0]), x, atol=1e-9)
    assert count_parameters(model).quantum == 0 or control == "unentangled"


@pytest.mark.parametrize("build", [qcbm.build, qft_generator.build, quantum_latent_flow.build])
def test_outcomes_and_states_have_no_stand_in(build) -> None:
    with pytest.raises(Refused, match="gives the probabilities of its outcomes"):
        controls.apply(build(2, bits=1, layers=1, backend="torch"), "tanh", torch_rng("control"))


@pytest.mark.parametrize("base", quantum_latent_flow.BASES)
@pytest.mark.parametrize("spread", ["hat", "even"])
def test_bases_integrate_to_one_and_are_drawn_as_they_say(base: str, spread: str) -> None:
    torch.manual_seed(0)
    model = quantum_latent_flow.build(
        2, base=base, bits=2, layers=1, bond=2, latent=3, spread=spread, blocks=1, hidden=2, bins=2, backend="torch"
    )
    own: BitBase = shaken(model).base  # type: ignore[assignment]
    line = torch.special.ndtri((torch.arange(64, dtype=torch.float64) + 0.5) / 64)
    points = torch.cartesian_prod(line, line)
    with torch.no_grad():
        share = (own.log_prob(points) - own.cells.log_even(points)).exp() / 64**2
        drawn = own.draw(8000, torch_rng("draw"))
    assert float(share.sum()) == pytest.approx(1, abs=1e-9), "linear between the middles of cells, which are no points"
    unit = (8 * torch.special.ndtr(drawn)).long().clamp(max=7).numpy() @ np.array([8, 1])
    mass = share.reshape(8, 8, 8, 8).sum((1, 3)).flatten().numpy()
    assert stats.chisquare(np.bincount(unit, minlength=64), 8000 * mass / mass.sum()).pvalue > 1e-4


REFUSED = {
    "a circuit knows no graph": lambda: qcbm.build(2, graph="star"),
    "at most 20 are expected": lambda: qcbm.build(7, bits=3),
    "a circuit knows no start": lambda: qcbm.build(2, start="cold"),
    "qcbm was given training=mmd": lambda: qcbm.build(2, training="mmd"),
    "one of 'rx' was asked for|layers of 'rx'": lambda: qcbm.build(2, ansatz="rx"),
    "qft_generator was given reading=rough": lambda: qft_generator.build(2, reading="rough"),
    "1 to 16 are expected in the smaller layer": lambda: rbm.build(9, bits=2, hidden=17),
    "1 to 16 bits": lambda: deep_ebm.build(9, bits=2),
    "bond 0": lambda: mps_born.build(2, bond=0),
    "circuits of quantum_flow steer no 'cubic' maps": lambda: quantum_flow.build(2, couplings="cubic"),
    "knows no entangler 'cz'": lambda: quantum_flow.build(2, entangler="cz"),
    "quantum_latent_flow knows no base": lambda: quantum_latent_flow.build(2, base="iqp"),
    "at most 8 features and 16 bits": lambda: quantum_latent_flow.build(6, bits=3),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_built_is_refused(said: str) -> None:
    with pytest.raises(Refused, match=said):
        REFUSED[said]()


@pytest.mark.parametrize(("hidden", "condition"), [(2, 2), (5, 1)])
def test_a_conditional_boltzmann_machine_is_one_machine_for_each_condition(hidden: int, condition: int) -> None:
    torch.manual_seed(0)
    law = RestrictedBoltzmann(3, hidden, condition).double()
    for parameter in law.parameters():
        nn.init.normal_(parameter)
    given, states = torch.randn(4, condition, dtype=torch.float64), all_states(3).double()
    for row in given:
        alone = RestrictedBoltzmann(3, hidden).double()
        alone.weights, (visible, biases) = law.weights, law.biases(row[None])
        alone.visible, alone.hidden = nn.Parameter(visible[0]), nn.Parameter(biases[0])
        found = law.log_prob(states, row.expand(8, condition))
        assert torch.allclose(found, alone.log_prob(states)) and abs(found.exp().sum() - 1) < 1e-9
    assert law.draw(8, torch_rng("draw"), given.repeat(2, 1)).shape == (8, 3)


def test_a_conditional_energy_is_normalised_at_each_condition_and_drawn_by_it() -> None:
    torch.manual_seed(0)
    law = DeepEnergy(3, [6], condition=1).double()
    for parameter in law.parameters():
        nn.init.normal_(parameter)
    row, states = torch.tensor([[0.7]], dtype=torch.float64), all_states(3).double()
    chances = law.log_prob(states, row.expand(8, 1)).exp()
    assert abs(chances.sum() - 1) < 1e-9
    drawn = law.draw(4000, torch_rng("draw"), row.expand(4000, 1)).long()
    seen = torch.bincount(drawn @ torch.tensor([4, 2, 1]), minlength=8) / 4000
    assert (seen - chances).abs().max() < 0.04


def test_the_transform_of_many_features_is_that_of_each_in_turn() -> None:
    torch.manual_seed(0)
    model = qft_generator.build(9, bits=1, layers=1, reading="cells", backend="torch").double()
    found = model.outcomes().detach()[0]
    psi = model.amplitudes().detach()[0].numpy().reshape((2,) * 9)
    expected = np.abs(np.fft.fftn(psi, norm="ortho")) ** 2
    np.testing.assert_allclose(found, expected.reshape(-1), atol=1e-12)
