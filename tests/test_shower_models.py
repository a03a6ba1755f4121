"""Generative models of showers: chain rules, exact cells and priors against slow twins, and closed forms."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.quantum import controls
from qinn_bench.quantum.layer import circuit_layers
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused
from reference_models._parts.binary_priors import AutoregressiveBits, BinaryPrior, Boltzmann, Factorised, all_states
from reference_models._parts.cells import SQUASHES, Cells
from reference_models._parts.straight_paths import follow, straight_lines
from reference_models.flows import calo_inn, spline_inn
from reference_models.generators import calo_cfm, calo_dit, categorical_made, cosine_blocks, dvae_rbm, gaussian_copula
from reference_models.quantum_flows import quantum_calo_inn
from reference_models.quantum_generators import angle_generator, qfan_like, reversible_circuit

torch.set_num_threads(1)


def rows(n: int, dim: int, name: str) -> Tensor:
    return torch.randn(n, dim, generator=torch_rng(name, dim), dtype=torch.float64)


def shaken(model: torch.nn.Module, size: float = 0.3) -> torch.nn.Module:
    """The model in double precision, its weights moved."""
    rng = torch_rng("shaken")
    with torch.no_grad():
        for parameter in model.double().parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=rng, dtype=torch.float64))
    return model


MADE = {
    "networks": lambda: calo_inn.build(6, layers=2, blocks=2, hidden=3, bins=3, condition=1),
    "s and t": lambda: quantum_calo_inn.build(6, layers=2, blocks=2, uploads=1, condition=1, backend="torch"),
    "splines": lambda: quantum_calo_inn.build(
        6, layers=2, steers="spline", blocks=1, uploads=1, wires=2, condition=1, backend="torch"
    ),
}


@pytest.mark.parametrize("kind", MADE)
def test_layers_depend_on_the_condition_only_and_the_rest_on_both(kind: str) -> None:
    torch.manual_seed(0)
    model, x, known = shaken(MADE[kind]()), rows(8, 6, "x"), rows(8, 1, "c")
    other = torch.cat((x[:, :2], x[:, 2:] + 1), 1)
    with torch.no_grad():
        z, changed, at_other = model(x, known)[0], model(other, known)[0], model(x, known + 1)[0]
    assert torch.equal(z[:, :2], changed[:, :2])
    assert bool((z[:, 2:] != changed[:, 2:]).all()) and bool((z != at_other).any(1).all())
    moved = x.clone()
    moved[:, :2] += 0.5
    with torch.no_grad():
        assert bool((model(moved, known)[0][:, 2:] != z[:, 2:]).any(1).all()), "the rest reads the layers"


@pytest.mark.parametrize("layers", [0, 6, 9])
def test_one_part_is_the_flow_that_it_is_made_of(layers: int) -> None:
    torch.manual_seed(0)
    model = calo_inn.build(6, layers=layers, blocks=3, hidden=4, bins=5, condition=2)
    torch.manual_seed(0)
    twin = spline_inn.build(6, blocks=3, hidden=4, bins=5, condition=2)
    assert count_parameters(model) == count_parameters(twin)
    x, known = rows(5, 6, "x"), rows(5, 2, "c")
    with torch.no_grad():
        assert torch.equal(shaken(model).log_prob(x, known), shaken(twin).log_prob(x, known))


def test_scale_and_shift_have_circuits_of_their_own() -> None:
    model = quantum_calo_inn.build(4, layers=4, blocks=1, uploads=1, backend="torch")
    assert len(circuit_layers(model)) == 2
    assert len(circuit_layers(quantum_calo_inn.build(4, layers=4, steers="spline", blocks=1, backend="torch"))) == 1
    wide = quantum_calo_inn.build(60, layers=5, blocks=1, uploads=1, wires=3, condition=1, backend="torch")
    assert {layer.circuit.n_wires for layer in circuit_layers(wide).values()} == {3}


@pytest.mark.parametrize("control", ["fourier", "tanh", "frozen", "unentangled"])
def test_controls_of_conditioned_models_are_fitted_where_their_circuits_are_met(control: str) -> None:
    torch.manual_seed(0)
    model = quantum_calo_inn.build(3, layers=1, blocks=1, uploads=1, condition=2, backend="torch")
    model.conditions = 2
    controls.apply(model, control, torch_rng("control"))  # type: ignore[arg-type]
    z, logdet = model(torch.zeros(5, 3), torch.ones(5, 2))
    assert bool(z.isfinite().all()) and bool(logdet.isfinite().all())


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("squash", SQUASHES)
def test_cells_are_found_again_and_have_equal_shares_of_an_even_density(squash: str, gray: bool) -> None:
    cells = Cells(2, 3, squash, gray)
    numbers = torch.arange(64)
    places = cells.places_of(numbers)
    assert torch.equal(cells.numbers(places), numbers) and len({tuple(row) for row in places.tolist()}) == 64
    drawn = cells.drawn_in(places.repeat(50, 1), torch_rng("drawn"))
    assert torch.equal(cells.places(drawn), places.repeat(50, 1))
    assert torch.equal(cells.places(cells.centres(places)), places)
    if gray:
        line = Cells(1, 3, squash, gray).numbers(torch.arange(8)[:, None]).tolist()
        assert all((a ^ b).bit_count() == 1 for a, b in pairwise(line))
    x = torch.linspace(-30, 30, 60_001, dtype=torch.float64)[:, None]
    density = Cells(1, 3, squash, gray).log_even(x).exp()
    shares = torch.zeros(8, dtype=torch.float64).index_add(0, Cells(1, 3, squash).places(x)[:, 0], density * 1e-3)
    assert float((shares - 1 / 8).abs().max()) < 1e-3


def born(dim: int = 2, bits: int = 2, **knobs: object) -> reversible_circuit.BornMachine:
    torch.manual_seed(1)
    model = reversible_circuit.build(dim, bits=bits, layers=2, backend="torch", **knobs)  # type: ignore[arg-type]
    return shaken(model, 1.0)  # type: ignore[return-value]


@pytest.mark.parametrize("entangler", reversible_circuit.ENTANGLERS)
@pytest.mark.parametrize("gray", [False, True])
def test_the_density_is_the_squared_amplitude_of_the_cell_over_its_volume(entangler: str, gray: bool) -> None:
    model = born(entangler=entangler, gray=gray)
    with torch.no_grad():
        amplitudes = model.circuit.state(torch.zeros(1, 0, dtype=torch.float64))[0]
        x = rows(30, 2, "x")
        for row, found in zip(x, model.log_prob(x), strict=True):
            bits = ""
            for value in row.tolist():
                place = int(stats.norm.cdf(value) * 4)
                bits += f"{place ^ place >> 1 if gray else place:02b}"
            chance = (1 - reversible_circuit.EVEN) * abs(amplitudes[int(bits, 2)]) ** 2 + reversible_circuit.EVEN / 16
            slow = math.log(chance) + 4 * math.log(2) + stats.norm.logpdf(row.numpy()).sum()
            assert float(found) == pytest.approx(slow, abs=1e-10)


@pytest.mark.parametrize("condition", [0, 1])
def test_a_born_machine_draws_cells_by_their_probabilities(condition: int) -> None:
    model, n = born(condition=condition), 20_000
    known = torch.full((n, condition), 0.7, dtype=torch.float64) if condition else None
    drawn = model.sample(n, torch_rng("draw"), known)
    counted = np.bincount(model.cells.numbers(model.cells.places(drawn)).numpy(), minlength=16)
    with torch.no_grad():
        expected = model.probabilities(None if known is None else known[:1])[0].numpy()
    assert expected.sum() == pytest.approx(1, abs=1e-12)
    assert stats.chisquare(counted, n * expected / expected.sum()).pvalue > 1e-4


def test_a_born_machine_that_is_trained_finds_a_distribution_of_cells() -> None:
    """Rows in two of four cells: the best likelihood is that of half a chance each."""
    torch.manual_seed(0)
    model = reversible_circuit.build(2, bits=1, layers=2, backend="torch").double()
    x = rows(400, 2, "x").abs() * torch.sign(rows(400, 1, "side"))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(80):
        optimiser.zero_grad()
        loss = model.loss(Batch(x), 0.0, torch_rng("none"))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    share = float((x[:, 0] > 0).double().mean())
    entropy = -(share * math.log(share) + (1 - share) * math.log(1 - share))
    best = entropy - 2 * math.log(2) - float(model.cells.log_even(x).mean())
    assert best - 1e-6 <= float(loss.detach()) < best + 0.02


def test_probabilities_have_no_stand_in_and_wires_an_end() -> None:
    with pytest.raises(Refused, match="gives the probabilities of its outcomes"):
        controls.apply(born(), "tanh", torch_rng("control"))
    with pytest.raises(Refused, match="at most 20 are expected"):
        reversible_circuit.build(7, bits=3)


def test_the_classical_twin_is_even_within_cells_and_normalised() -> None:
    torch.manual_seed(0)
    model = shaken(categorical_made.build(2, bits=2, hidden=5))
    places = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    x = model.cells.centres(places)
    with torch.no_grad():
        chance = (model.log_prob(x) - model.cells.log_even(x)).exp() / 16
        drawn = model.sample(20_000, torch_rng("draw"))
    assert float(chance.sum()) == pytest.approx(1, abs=1e-12)
    counted = np.bincount(model.cells.numbers(model.cells.places(drawn)).numpy(), minlength=16)
    assert stats.chisquare(counted, 20_000 * chance.numpy()).pvalue > 1e-4


def test_a_copula_of_normal_rows_is_their_normal_distribution() -> None:
    factor = torch.tensor([[1.0, 0, 0], [0.8, 0.6, 0], [-0.3, 0.5, 0.8]], dtype=torch.float64)
    x = rows(40_000, 3, "x") @ factor.T + 2
    model = gaussian_copula.build(3, quantiles=50).double()
    model.initialise(Batch(x[:20_000]), torch_rng("none"))
    normal = torch.distributions.MultivariateNormal(x[:20_000].mean(0), torch.cov(x[:20_000].T))
    true = float(normal.log_prob(x[20_000:]).mean())  # type: ignore[no-untyped-call]
    assert float(model.log_prob(x[20_000:]).mean()) == pytest.approx(true, abs=0.02)


def test_a_copula_keeps_marginals_and_rank_correlation_and_follows_conditions() -> None:
    known = rows(8000, 1, "c")
    z = rows(8000, 2, "z") @ torch.tensor([[1.0, 0.6], [0, 0.8]], dtype=torch.float64) + known
    x = torch.stack((z[:, 0].exp(), z[:, 1] ** 3), 1)
    model = gaussian_copula.build(2, condition=1).double()
    model.initialise(Batch(x, known), torch_rng("none"))
    drawn = model.sample(8000, torch_rng("draw"), known)
    for k in range(2):
        assert stats.ks_2samp(x[:, k].numpy(), drawn[:, k].numpy()).statistic < 0.03
    true, found = (stats.spearmanr(part.numpy()).statistic for part in (x, drawn))
    assert found == pytest.approx(true, abs=0.03)
    high, low = (model.sample(4000, torch_rng("at", k), torch.full((4000, 1), k).double()) for k in (1, -1))
    assert float(high[:, 0].median()) / float(low[:, 0].median()) == pytest.approx(math.exp(2), rel=0.1)


def test_a_copula_of_rows_with_ties_is_finite() -> None:
    x = rows(500, 2, "x").clamp_min(0)
    model = gaussian_copula.build(2).double()
    model.initialise(Batch(x), torch_rng("none"))
    assert bool(model.log_prob(x).isfinite().all()) and bool(model.sample(500, torch_rng("s")).isfinite().all())


BLOCKS = {
    "circuit": lambda dim, **knobs: qfan_like.build(dim, backend="torch", **knobs),
    "cosines": cosine_blocks.build,
}


def test_qfan_has_twelve_angles_whatever_the_rows_and_its_twin_none() -> None:
    for dim in (6, 12, 25):
        model = qfan_like.build(dim, backend="torch")
        assert count_parameters(model).quantum == count_parameters(model).total == 12
        assert count_parameters(model).blind == 0
    assert count_parameters(cosine_blocks.build(12)).total == 0
    assert cosine_blocks.build(12).features(torch.zeros(1, 3)).shape == (1, 12)


@pytest.mark.parametrize("kind", BLOCKS)
def test_the_first_block_is_that_of_kept_rows_and_decoders_are_ridge_regressions(kind: str) -> None:
    torch.manual_seed(0)
    x = rows(300, 8, "x").cumsum(1)
    model = BLOCKS[kind](8, rows=300).double()
    model.initialise(Batch(x), torch_rng("none"))
    drawn = model.sample(200, torch_rng("s"))
    assert drawn.shape == (200, 8)
    nearest = torch.cdist(drawn[:, :3], x[:, :3]).amin(1)
    assert float(nearest.max()) < 1e-6, "nothing comes before the first block"
    with torch.no_grad():
        fixed = model._fixed(x)
        read = model._read(fixed, x.new_zeros(300, 0))
        found = model._decoders(read, fixed)[1]
        shrink = torch.diag(torch.full((read.shape[2],), 1e-3 + 1e-9)).double()
        shrink[-1, -1] = 1e-6 + 1e-9
        slow = np.linalg.solve((read[1].T @ read[1] / 300 + shrink).numpy(), (read[1].T @ x[:, 3:6] / 300).numpy())
    assert np.allclose(found.numpy(), slow, atol=1e-8)


@pytest.mark.parametrize("kind", BLOCKS)
def test_the_summary_is_of_what_came_before_and_fades(kind: str) -> None:
    model = BLOCKS[kind](9, condition=1).double()
    x, known = rows(4, 9, "x").reshape(4, 3, 3), rows(4, 1, "c")
    before = model.summaries(x, known)
    assert torch.allclose(before[:, 0], known * torch.tensor([1.0, 0.25, 0.5]).double())
    later = x.clone()
    later[:, 1:] += 1
    assert torch.equal(model.summaries(later, known)[:, :2], before[:, :2])
    first, last = (x + torch.nn.functional.one_hot(torch.tensor(k), 3)[:, None] for k in (0, 1))
    moved = [model.summaries(part, known)[:, 2] - before[:, 2] for part in (first, last)]
    assert torch.allclose(2 * moved[0], moved[1])


@pytest.mark.parametrize("kind", BLOCKS)
def test_block_samplers_follow_correlations_between_blocks(kind: str) -> None:
    torch.manual_seed(0)
    x = rows(2000, 1, "x") + 0.5 * rows(2000, 6, "noise")
    model = BLOCKS[kind](6).double()
    model.initialise(Batch(x), torch_rng("none"))
    drawn = model.sample(4000, torch_rng("s"))
    between = [float(torch.corrcoef(part.T)[:3, 3:].mean()) for part in (x, drawn)]
    assert between[1] > 0.5 * between[0] > 0.3
    assert float((drawn.mean(0) - x.mean(0)).abs().max()) < 0.15


def test_pixels_are_angles_of_wires_and_noise_reaches_them() -> None:
    torch.manual_seed(0)
    model = angle_generator.build(8, layers=2, condition=1, backend="torch").double()
    noise, known = rows(20, 8, "noise"), rows(20, 1, "c")
    with torch.no_grad():
        found = model.generate(noise, known)
        values = model.circuit(torch.cat((noise, known), 1))
        assert torch.allclose(found, torch.acos(values * (1 - 1e-6)) - math.pi / 2)
        assert bool((model.generate(noise, known + 1) != found).any(0).all())
    assert float(found.abs().max()) <= math.pi / 2


@pytest.mark.parametrize(("layout", "cnots"), [("mera", 11), ("ring", 8)])
def test_layouts_connect_all_wires(layout: str, cnots: int) -> None:
    circuit = angle_generator.angle_circuit(8, 1, layout)
    pairs = [gate.wires for gate in circuit.gates if gate.name == "CNOT"]
    assert len(pairs) == cnots
    reached = {0}
    for _ in range(8):
        reached |= {w for pair in pairs if reached & set(pair) for w in pair}
    assert reached == set(range(8))


def test_correlations_are_numpys() -> None:
    x = rows(50, 4, "x") + rows(50, 1, "common")
    assert np.allclose(angle_generator.correlations(x).numpy(), np.corrcoef(x.numpy().T), atol=1e-9)


PRIORS = {"rbm": lambda: Boltzmann(5), "factorised": lambda: Factorised(5), "made": lambda: AutoregressiveBits(5, 6)}


@pytest.mark.parametrize("name", PRIORS)
def test_priors_are_normalised_and_drawn_by_their_probabilities(name: str) -> None:
    torch.manual_seed(0)
    prior: BinaryPrior = shaken(PRIORS[name](), 0.8)  # type: ignore[assignment]
    states = all_states(5)
    with torch.no_grad():
        chance = prior.log_prob(states.double()).exp().numpy()
        drawn = prior.draw(20_000, torch_rng("draw"))
    assert chance.sum() == pytest.approx(1, abs=1e-12)
    numbers = (drawn @ (2.0 ** torch.arange(4, -1, -1)).double()).long().numpy()
    assert stats.chisquare(np.bincount(numbers, minlength=32), 20_000 * chance).pvalue > 1e-4


def test_the_boltzmann_machine_is_the_sum_over_all_states() -> None:
    torch.manual_seed(0)
    machine = shaken(Boltzmann(5))
    b, w = machine.biases.detach().numpy(), machine.weights.detach().numpy()
    states = all_states(5).numpy()
    energies = np.array([z @ b + z[:2] @ w @ z[2:] for z in states])
    slow = energies - np.log(np.exp(energies).sum())
    assert np.allclose(machine.log_prob(all_states(5).double()).detach().numpy(), slow, atol=1e-12)


@pytest.mark.parametrize("prior", dvae_rbm.PRIORS)
@pytest.mark.parametrize("condition", [0, 2])
def test_the_likelihood_of_a_discrete_autoencoder_is_the_mixture_and_the_bound_is_below(
    prior: str, condition: int
) -> None:
    torch.manual_seed(0)
    model = shaken(dvae_rbm.build(3, prior=prior, latent=3, hidden=4, condition=condition))
    x, known = rows(6, 3, "x"), rows(6, condition, "c") if condition else None
    with torch.no_grad():
        found = model.log_prob(x, known)
        for k in range(6):
            total = 0.0
            for z in all_states(3).double():
                read = z if known is None else torch.cat((z, known[k]))
                mean, spread = model.decoder(read).numpy(), model.log_spread.exp().numpy()
                near = stats.norm.pdf(x[k].numpy(), mean, spread).prod()
                total += float(model.prior.log_prob(z[None]).exp()) * near
            assert float(found[k]) == pytest.approx(math.log(total), abs=1e-10)
        many = Batch(x, known)
        bounds = [float(model.loss(many, 1.0, torch_rng("loss", k))) for k in range(200)]
    assert np.mean(bounds) > -float(found.mean()) - 3 * np.std(bounds) / math.sqrt(200)


def test_a_path_is_followed_as_an_equation_is_solved() -> None:
    start = rows(5, 2, "x")
    turned = follow(lambda x, t: math.pi / 2 * torch.stack((-x[:, 1], x[:, 0]), 1), start, steps=20)
    assert torch.allclose(turned, torch.stack((-start[:, 1], start[:, 0]), 1), atol=1e-5)
    points, t, velocity = straight_lines(start, 3, 1.0, torch_rng("lines"))
    assert torch.allclose(points + (1 - t) * velocity, start.repeat(3, 1))
    assert sorted((15 * t[:, 0]).floor().long().tolist()) == list(range(15)), "times are stratified"


@pytest.mark.parametrize("build", [calo_cfm.build, calo_dit.build], ids=["dense", "transformer"])
def test_a_model_without_training_draws_noise_and_a_velocity_to_a_point_arrives_there(build) -> None:
    torch.manual_seed(0)
    model = build((1, 2, 3), steps=8)
    drawn = model.sample(4000, torch_rng("s")).flatten(1)
    assert float((torch.cov(drawn.T) - torch.eye(6)).abs().max()) < 0.1
    model.network.forward = lambda x, t, condition: (condition - x) / (1 - t).clamp_min(0.1)
    goal = torch.full((50, 6), 3.0)
    assert float((model.sample(50, torch_rng("s"), goal).flatten(1) - goal).abs().max()) < 0.5


def test_tokens_are_two_at_least() -> None:
    assert len(calo_dit.build(3, patch=8).network.positions) == 2
    with pytest.raises(Refused, match="a width that the heads divide"):
        calo_dit.build(8, hidden=5, heads=2)
