"""Mixtures, bases, monotone networks and flow matching against closed forms, SciPy and slow twins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats
from torch import Tensor
from zoo import features, tiny

from qinn_bench import registry
from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused, Use
from reference_models._parts.increasing import increasing_root
from reference_models._parts.mixture import KINDS, Mixture
from reference_models._parts.normal_quantile import normal_quantile
from reference_models.flows.flow_matching import Velocity
from reference_models.flows.monotone_inn import Sigmoidal

TWINS = {
    "normal": stats.norm(),
    "student": stats.t(4),
    "breit-wigner": stats.cauchy(),
    "logistic": stats.logistic(),
}
"""The same distributions in SciPy."""
MAPS = {
    "three normals": Mixture(("normal",) * 3),
    "a Student-t": Mixture(("student",)),
    "normals and Student-ts": Mixture(("normal", "student") * 2),
    "all kinds": Mixture(("normal", "student", "breit-wigner")),
    "sigmoids": Sigmoidal(3, 1),
    "two layers of sigmoids": Sigmoidal(3, 2),
}


def numbers_of(width: int, *name: object, n: int = 1, size: float = 1.0) -> Tensor:
    """Random steering numbers of ten maps."""
    return size * torch.randn(n, 10, width, generator=torch_rng("numbers", *map(str, name)), dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_components_are_those_of_scipy_far_into_their_tails(kind: str) -> None:
    t = np.concatenate([-np.logspace(8, -8, 60), [0.0], np.logspace(-8, 8, 60)])
    t = t[np.isfinite(TWINS[kind].logcdf(t)) & (np.abs(t) < 1e5)]
    ours = KINDS[kind]
    np.testing.assert_allclose(ours.log_density(torch.from_numpy(t)), TWINS[kind].logpdf(t), rtol=1e-10, atol=1e-12)
    below = np.log(TWINS[kind].cdf(t)) if kind == "student" else TWINS[kind].logcdf(t)
    np.testing.assert_allclose(ours.log_below(torch.from_numpy(t)), below, rtol=1e-7, atol=1e-15)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind].drawn])
def test_components_are_drawn_from_their_distribution(kind: str) -> None:
    drawn = Mixture((kind,)).draw(torch.zeros(20_000, 1, 2, dtype=torch.float64), torch_rng("draw", kind))
    assert stats.kstest(drawn[:, 0].numpy(), TWINS[kind].cdf).pvalue > 1e-4


@pytest.mark.parametrize("log_p", [-0.6932, -0.7, -1.0, -5.0, -100.0, -700.0, -1e4, -1e8])
def test_normal_quantile_is_that_of_scipy_on_both_sides(log_p: float) -> None:
    small = torch.tensor([log_p], dtype=torch.float64)
    rest = torch.log1p(-small.exp())
    assert float(normal_quantile(small, rest)) == pytest.approx(special.ndtri_exp(log_p), rel=1e-11, abs=1e-15)
    assert float(normal_quantile(rest, small)) == pytest.approx(-special.ndtri_exp(log_p), rel=1e-11, abs=1e-15)


def test_increasing_root_finds_roots_that_its_first_bracket_misses() -> None:
    y = torch.tensor([1e9, -1e-9, 0.0, 8.0], dtype=torch.float64)
    x = increasing_root(lambda x: (x**3 + x, (3 * x**2 + 1).log()), y, torch.zeros_like(y), torch.ones_like(y))
    torch.testing.assert_close(x**3 + x, y, rtol=1e-13, atol=1e-18)


@pytest.mark.parametrize("name", MAPS)
def test_map_is_increasing_inverted_and_has_its_slope(name: str) -> None:
    one = MAPS[name]
    numbers = numbers_of(one.width, name).expand(501, -1, -1)
    x = torch.linspace(-8, 8, 501, dtype=torch.float64)[:, None].expand(-1, 10).clone().requires_grad_()
    y, log_slope = one.forward(x, numbers)
    assert bool((y.diff(dim=0) > 0).all())
    torch.testing.assert_close(log_slope.exp(), torch.autograd.grad(y.sum(), x)[0], rtol=1e-8, atol=1e-12)
    off = (one.inverse(y, numbers) - x).abs() * log_slope.exp().clamp(max=1)
    assert float(off.max()) < 1e-11


@pytest.mark.parametrize("name", MAPS)
def test_map_spares_the_neighbours_of_a_broken_row(name: str) -> None:
    one = MAPS[name]
    y, numbers = torch.tensor([[0.5], [float("nan")], [0.7]]), torch.zeros(3, 1, one.width)
    numbers[2] = float("inf")
    assert one.inverse(y, numbers).isfinite().flatten().tolist() == [True, False, False]


def test_mixture_is_that_of_scipy_and_its_map_gives_the_same_density() -> None:
    one = MAPS["all kinds"]
    numbers = numbers_of(one.width, "scipy")
    relative, centres, log_scales = numbers[0, 0].split([2, 3, 3])
    weights = torch.cat([relative.new_zeros(1), relative]).softmax(0)
    centres = centres + torch.from_numpy(stats.norm.ppf([1 / 6, 1 / 2, 5 / 6]))
    scales = np.exp(-0.5 * np.log(3) + 5 * np.tanh(log_scales.numpy() / 5))
    x = np.linspace(-10, 10, 41)
    each = zip(one.kinds, weights.tolist(), centres.tolist(), scales.tolist(), strict=True)
    parts = [TWINS[kind].pdf((x - centre) / scale) * weight / scale for kind, weight, centre, scale in each]
    grid = torch.from_numpy(x)[:, None]
    found = one.log_density(grid, numbers[:, :1].expand(41, -1, -1))
    np.testing.assert_allclose(found[:, 0].exp(), sum(parts), rtol=1e-10)
    z, log_slope = one.forward(grid, numbers[:, :1].expand(41, -1, -1))
    torch.testing.assert_close(log_slope + torch.from_numpy(stats.norm.logpdf(z)), found, rtol=0, atol=1e-9)


def test_gaussian_mixture_is_that_of_scipy_and_counts_all_its_numbers() -> None:
    model = tiny("gaussian_mixture", 3, knobs={"components": 4})
    assert count_parameters(model).total == 4 * 10 - 1
    factors, x = model._factors().detach(), features(3)[:50]
    covariances = torch.linalg.inv(factors.mT @ factors)
    weights = torch.cat([torch.zeros(1), model.relative]).softmax(0)
    parts = zip(weights.tolist(), model.means.detach().numpy(), covariances.numpy(), strict=True)
    density = sum(w * stats.multivariate_normal(mean, covariance).pdf(x) for w, mean, covariance in parts)
    np.testing.assert_allclose(model.log_prob(x).detach(), np.log(density), rtol=1e-10)


def test_gaussian_mixture_starts_at_a_maximum_of_the_likelihood() -> None:
    model, x = tiny("gaussian_mixture", 3), features(3)
    model.loss(Batch(x), 0.0, torch_rng("loss")).backward()
    for parameter in model.parameters():
        assert float(parameter.grad.abs().max()) < 0.02
    with pytest.raises(Refused, match="2 normals were to be fitted to 1 rows"):
        model.initialise(Batch(x[:1]), torch_rng("initialise"))


def test_gaussian_mixture_leaves_its_share_of_the_learning_rate() -> None:
    (player,) = tiny("gaussian_mixture", 2, knobs={"refine": 0.25}).players()
    assert player.learning_rate == 0.25 and len(player.parameters) == 4


@pytest.mark.parametrize("name", ["gaussian_mixture", "mixture_made"])
def test_samples_of_a_mixture_agree_with_its_density(name: str) -> None:
    model = tiny(name, 2, jolt=0.3, knobs={} if name == "gaussian_mixture" else {"shapes": "student"})
    with torch.no_grad():
        drawn = model.sample(40_000, torch_rng("s"))
        axis = torch.linspace(-60, 60, 3001, dtype=torch.float64)
        grid = torch.cartesian_prod(torch.linspace(-3, 5, 81, dtype=torch.float64), axis)
        density = model.log_prob(grid).exp().reshape(81, 3001)
    # The distribution of the first feature at 81 places, from the density and from the rows.
    marginal = integrate.simpson(density, x=axis, axis=1)
    expected = integrate.cumulative_simpson(marginal, x=np.linspace(-3, 5, 81), initial=0)
    found = [((drawn[:, 0] < float(edge)) & (drawn[:, 0] >= -3)).double().mean() for edge in grid[::3001, 0]]
    np.testing.assert_allclose(found, expected, atol=4 / np.sqrt(40_000))


@pytest.mark.parametrize("name", ["spline_inn", "autoregressive_inn", "monotone_inn"])
@pytest.mark.parametrize(("base", "more"), [("student", 2), ("mixture", 5)])
def test_flow_on_another_base_has_its_tails_and_inverts(name: str, base: str, more: int) -> None:
    plain, flow = (tiny(name, 3, jolt=0.1, knobs={"base": one}) for one in ("normal", base))
    assert count_parameters(flow).total == count_parameters(plain).total + 3 * more
    z = 1.5 * torch.randn(200, 3, generator=torch_rng("z"), dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(flow(flow.inverse(z))[0], z, rtol=0, atol=1e-8)
        far, farther = (flow.log_prob(torch.full((1, 3), at, dtype=torch.float64)) for at in (1e4, 1e5))
    if base == "student":
        # A Student-t of 4 degrees of freedom falls like the fifth power.
        assert float(far - farther) == pytest.approx(3 * 5 * np.log(10), rel=1e-3)
    with pytest.raises(Refused, match="no base is called 'cauchy'"):
        registry.make("model", Use(name=name, knobs={"base": "cauchy"}), 3)


def test_velocity_has_the_jacobian_of_automatic_differentiation() -> None:
    torch.manual_seed(0)
    velocity = Velocity(3, hidden=5, hidden_layers=2).double()
    for parameter in velocity.parameters():
        torch.nn.init.normal_(parameter)
    x, t = torch.randn(6, 3, dtype=torch.float64), torch.rand(6, 1, dtype=torch.float64)
    value, jacobian = velocity(x, t)
    torch.testing.assert_close(value, velocity.values(x, t))
    for i in range(6):
        row = slice(i, i + 1)
        true = torch.autograd.functional.jacobian(lambda one, row=row: velocity.values(one, t[row])[0], x[row])
        torch.testing.assert_close(jacobian[i], true[:, 0])


def test_flow_matching_of_a_known_velocity_converges_to_its_flow() -> None:
    # v = a x + b t has the solution x(1) = e^a x(0) + b (e^a - 1 - a) / a^2.
    a, b = 0.7, 0.3
    off = []
    for steps in (4, 8):
        model = tiny("flow_matching", 2, knobs={"hidden": 1, "hidden_layers": 1, "steps": steps})
        model.velocity.values = lambda x, t: a * x + b * t
        model.velocity.forward = lambda x, t: (a * x + b * t, a * torch.eye(2).to(x).expand(len(x), -1, -1))
        noise = torch.randn(5, 2, generator=torch_rng("noise"), dtype=torch.float64)
        data = np.exp(a) * noise + b * (np.exp(a) - 1 - a) / a**2
        z, logdet = model(data)
        off.append([float((z - noise).abs().max()), float((logdet + 2 * a).abs().max())])
        torch.testing.assert_close(model.inverse(z), data, rtol=0, atol=1e-9)
    coarse, fine = off
    assert all(c < 1e-4 and 12 < c / f < 40 for c, f in zip(coarse, fine, strict=True))


def test_flow_matching_meets_times_late_or_evenly() -> None:
    seen: list[Tensor] = []
    for late in (1.0, 2.0):
        model = tiny("flow_matching", 2, knobs={"draws": 4, "late": late})
        model.velocity.values = lambda x, t: seen.append(t) or 0 * x
        assert float(model.loss(Batch(features(2)), 0.5, torch_rng("t"))) > 0
    even, late_ones = (t.flatten().sort()[0].numpy() for t in seen)
    assert len(even) == 4 * len(features(2))
    np.testing.assert_allclose(even, (np.arange(len(even)) + 0.5) / len(even), atol=1 / len(even))
    np.testing.assert_allclose(late_ones, 1 - (1 - even) ** 2, atol=1e-12)
