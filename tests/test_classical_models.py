"""The classical models one by one: their univariate maps, masks, starts and ends, against closed forms and twins."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from zoo import FLAT, features, size, tiny, toy

from qinn_bench import registry
from qinn_bench.contracts import Batch, DensityModel
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused, Use
from reference_models._parts.flow import Coupling, Univariate, dense
from reference_models._parts.made import made
from reference_models._parts.rational_quadratic import RationalQuadratic
from reference_models.flows.affine_inn import STEEPEST, Affine
from reference_models.flows.affine_inn import build as build_affine
from reference_models.flows.cubic_inn import FLATTEST, Cubic, Piece, _root

UNIVARIATE: dict[str, Univariate] = {
    "rational-quadratic": RationalQuadratic(5, 3.0),
    "cubic": Cubic(5, 3.0),
    "affine": Affine(),
}
univariate = pytest.mark.parametrize("kind", UNIVARIATE)


@univariate
def test_univariate_map_of_zeros_is_the_identity(kind: str) -> None:
    x = torch.linspace(-6, 6, 101, dtype=torch.float64)[:, None]
    y, log_slope = UNIVARIATE[kind].forward(x, x.new_zeros(101, 1, UNIVARIATE[kind].width))
    torch.testing.assert_close(y, x, rtol=0, atol=1e-14)
    torch.testing.assert_close(log_slope, torch.zeros_like(x), rtol=0, atol=1e-14)


@univariate
@pytest.mark.parametrize("size", [0.3, 3.0])
def test_univariate_map_is_increasing_and_inverted(kind: str, size: float) -> None:
    one, n = UNIVARIATE[kind], 4000
    numbers = size * torch.randn(1, 50, one.width, generator=torch_rng("numbers"), dtype=torch.float64)
    numbers = numbers.expand(n, -1, -1)
    x = torch.linspace(-6, 6, n, dtype=torch.float64)[:, None].expand(-1, 50).clone().requires_grad_()
    y, log_slope = one.forward(x, numbers)
    assert bool((y.diff(dim=0) > 0).all())
    torch.testing.assert_close(log_slope.exp(), torch.autograd.grad(y.sum(), x)[0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(one.inverse(y, numbers), x, rtol=0, atol=1e-9)


@univariate
def test_univariate_map_survives_its_edges_in_float32(kind: str) -> None:
    one = UNIVARIATE[kind]
    edge = torch.tensor([-3.0, 3.0])
    beside = [edge, torch.nextafter(edge, edge * 2), torch.nextafter(edge, edge * 0), edge * 1e6]
    x = torch.cat(beside)[:, None].expand(-1, 200)
    numbers = torch.randn(len(x), 200, one.width, generator=torch_rng("edges"))
    y, log_slope = one.forward(x, numbers)
    assert bool(y.isfinite().all()) and bool(log_slope.isfinite().all())
    torch.testing.assert_close(one.inverse(y, numbers), x, rtol=1e-4, atol=1e-4)


@univariate
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_univariate_map_of_a_broken_row_is_not_finite_and_spares_its_neighbours(kind: str, bad: float) -> None:
    one = UNIVARIATE[kind]
    y = torch.tensor([[0.5], [float("nan")], [0.7]])
    numbers = torch.zeros(3, 1, one.width)
    numbers[2] = bad
    assert one.inverse(y, numbers).isfinite().flatten().tolist() == [True, False, False]
    assert one.forward(y, numbers)[0][:2].isfinite().flatten().tolist() == [True, False]


def test_cubic_root_is_that_of_bisection() -> None:
    one = Cubic(4, 3.0)
    numbers = 2 * torch.randn(300, 7, one.width, generator=torch_rng("cubic"), dtype=torch.float64)
    y = 3 * torch.randn(300, 7, generator=torch_rng("heights"), dtype=torch.float64)
    low, high = torch.full_like(y, -1e5), torch.full_like(y, 1e5)
    for _ in range(80):
        middle = (low + high) / 2
        above = one.forward(middle, numbers)[0] > y
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    torch.testing.assert_close(one.inverse(y, numbers), low, rtol=1e-9, atol=1e-9)


def bisected(piece: Piece, up: Tensor) -> Tensor:
    """The root by halving [0, 1] until no number lies between the ends: the slow twin."""
    low, high = torch.zeros_like(up), torch.ones_like(up)
    for _ in range(60):
        middle = (low + high) / 2
        above = piece.image(middle) > up
        low, high = low.where(above, middle), middle.where(above, high)
    return low


def piece_of(d0: Tensor, d1: Tensor) -> Piece:
    """The cubic on [0, 1] with these slopes at its ends."""
    one = torch.ones_like(d0)
    return Piece(0 * one, 0 * one, one, one, a=d0, b=3 - 2 * d0 - d1, c=d0 + d1 - 2)


def test_cubic_root_where_the_cubic_term_almost_vanishes() -> None:
    number = partial(torch.full, (1, 1), dtype=torch.float64)
    piece = replace(piece_of(number(2.0), number(0.0)), b=number(-1.00077), c=number(0.00077))
    root = float(_root(piece, number(0.99975)))
    assert root == pytest.approx(0.984557, abs=1e-6)
    assert root * (2 + root * (-1.00077 + root * 0.00077)) == pytest.approx(0.99975, abs=1e-15)


@pytest.mark.parametrize("kind", ["any slopes", "a cubic term of 1e-12 to 1e-2", "slopes at their ends"])
@pytest.mark.parametrize("where", ["anywhere", "near 0", "near 1"])
def test_cubic_root_of_a_million_pieces_is_that_of_bisection(kind: str, where: str) -> None:
    rng, n, steepest = torch_rng("pieces", kind, where), 400_000, 3 - 3 * FLATTEST + FLATTEST
    d0, d1, up, size, sign = torch.rand(5, n, 1, generator=rng, dtype=torch.float64)
    d0, d1 = FLATTEST + (steepest - FLATTEST) * d0, FLATTEST + (steepest - FLATTEST) * d1
    if kind == "a cubic term of 1e-12 to 1e-2":
        d1 = (2 - d0 + torch.copysign(10 ** (-12 + 10 * size), sign - 0.5)).clamp(FLATTEST, steepest)
    if kind == "slopes at their ends":
        d0, d1 = (torch.where(d > 1.5, steepest, FLATTEST).double() for d in (d0, d1))
    up = {"anywhere": up, "near 0": 10 ** (-16 * up), "near 1": 1 - 10 ** (-16 * up)}[where]
    piece = piece_of(d0, d1)
    root = _root(piece, up)
    assert float((piece.image(root) - up).abs().max()) < 4e-15
    # What rounding of the image does to the root is larger where the curve is flat.
    assert float(((root - bisected(piece, up)).abs() * piece.slope(root)).max()) < 4e-15


@pytest.mark.parametrize("size", [0.3, 2.0, 10.0])
def test_cubic_map_of_a_million_values_is_inverted_in_both_precisions(size: float) -> None:
    one, rng = Cubic(4, 5.0), torch_rng("cubic", size)
    for _ in range(5):
        numbers = (size * torch.randn(1_000, 70, one.width, generator=rng)).double()
        x = 3 * torch.randn(1_000, 70, generator=rng, dtype=torch.float64)
        y, log_slope = one.forward(x, numbers)
        back = one.inverse(y, numbers)
        # What rounding of the image does to the value is larger where the curve is flat.
        assert float(((back - x).abs() * log_slope.exp().clamp(max=1)).max()) < 1e-13
        rounded = one.inverse(y.float(), numbers.float())
        assert torch.equal(rounded, one.inverse(y.float().double(), numbers).float())


def test_cubic_root_has_the_derivatives_of_the_inverse_function() -> None:
    one, rng = Cubic(4, 3.0), torch_rng("slopes")
    numbers = torch.randn(20, 3, one.width, generator=rng, dtype=torch.float64)
    y = torch.randn(20, 3, generator=rng, dtype=torch.float64).requires_grad_()
    x = one.inverse(y, numbers)
    found = torch.autograd.grad(x.sum(), y)[0]
    torch.testing.assert_close(found.log(), -one.forward(x.detach(), numbers)[1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("blocks", [1, 2, 5, 8, 20])
def test_an_affine_stack_is_no_steeper_than_its_bound_however_deep(blocks: int) -> None:
    torch.manual_seed(0)
    flow = build_affine(4, blocks=blocks, hidden=4).double()
    for name, parameter in flow.named_parameters():
        torch.nn.init.normal_(parameter, std=0.0 if "entries" in name else 3.0)
    x = 100 * torch.randn(500, 4, generator=torch_rng("wide"), dtype=torch.float64)
    with torch.no_grad():
        z, logdet = flow(x)
        assert float(logdet.abs().max()) <= 4 * STEEPEST + 1e-9
        torch.testing.assert_close(flow.inverse(z), x, rtol=1e-9, atol=1e-9)


def test_an_affine_stack_has_linear_tails() -> None:
    torch.manual_seed(1)
    flow = build_affine(3, blocks=6, hidden=5).double()
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=1.0)
    z = torch.randn(200, 3, generator=torch_rng("far"), dtype=torch.float64)
    with torch.no_grad():
        far, farther = flow.inverse(1e9 * z), flow.inverse(1e15 * z)
    assert float(((farther / 1e6 - far).norm(dim=1) / far.norm(dim=1)).max()) < 1e-4


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("jolt", [0.1, 0.5])
def test_no_latent_of_up_to_eight_standard_deviations_gives_a_row_that_is_not_finite(
    name: str, dtype: torch.dtype, jolt: float
) -> None:
    model = tiny(name, 3, jolt=jolt, dtype=dtype)
    if not isinstance(model, DensityModel) or not model.one_to_one:
        pytest.skip("has no latent space, or latents without a pre-image")
    directions = torch.randn(200, 3, generator=torch_rng("latents"), dtype=torch.float64)
    directions = torch.cat([directions / directions.norm(dim=1, keepdim=True), torch.eye(3), -torch.eye(3)])
    with torch.no_grad():
        x = model.inverse((8 * directions).to(dtype))
    assert bool(x.isfinite().all()) and float(x.abs().max()) < 1e4


@pytest.mark.parametrize("hidden", [1, 3, 9])
@pytest.mark.parametrize("hidden_layers", [1, 2])
def test_masked_network_sees_only_what_came_before_and_owns_nothing_idle(hidden: int, hidden_layers: int) -> None:
    torch.manual_seed(0)
    network = made(5, 2, hidden, hidden_layers)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(16, 5, requires_grad=True)
    outputs = network(x).reshape(16, 5, 2)
    for i in range(5):
        reach = torch.autograd.grad(outputs[:, i].sum(), x, retain_graph=True)[0].abs().sum(0)
        assert bool((reach[i:] == 0).all())
    assert hidden < 4 or bool((reach[:i] > 1e-6 * reach.max()).all())
    outputs.square().sum().backward()
    found = torch.cat([p.grad.abs().flatten() for p in network.parameters() if p.grad is not None])
    assert float(found.min()) > 1e-9 * float(found.max())


def test_gaussian_starts_at_the_maximum_of_the_likelihood() -> None:
    model, x = tiny("gaussian", 3), features(3)
    normal: Any = torch.distributions.MultivariateNormal(x.mean(0), torch.cov(x.T, correction=0))
    with torch.no_grad():
        torch.testing.assert_close(model.log_prob(x), normal.log_prob(x))
    model.loss(Batch(x), 0.0, torch_rng("loss")).backward()
    for parameter in model.parameters():
        torch.testing.assert_close(parameter.grad, torch.zeros_like(parameter), rtol=0, atol=1e-10)
    with pytest.raises(Refused, match="singular"):
        model.initialise(Batch(x[:1].expand(10, -1)), torch_rng("initialise"))


def test_elementwise_sees_no_dependence() -> None:
    model = tiny("elementwise", 2, jolt=0.3)
    a, b = features(2)[:50], features(2)[50:100]
    crossed = [torch.stack([a[:, 0], b[:, 1]], 1), torch.stack([b[:, 0], a[:, 1]], 1)]
    with torch.no_grad():
        torch.testing.assert_close(sum(map(model.log_prob, crossed)), model.log_prob(a) + model.log_prob(b))


def test_oracle_knows_the_density_and_draws_from_it() -> None:
    oracle, dim = tiny("oracle", 2), 2
    x = oracle.sample(20_000, torch_rng("s"))
    np.testing.assert_allclose(x.mean(0), [1, 1], atol=0.05)
    np.testing.assert_allclose(x.var(0), [5 / 4, 1 / 4], rtol=0.05)
    centre = oracle.log_prob(torch.tensor([[1.0, 1.0]], dtype=torch.float64))
    assert float(centre) == pytest.approx(-2 - np.log(2 * np.pi) + dim * np.log(2))
    with pytest.raises(Refused, match="two_hills"):
        registry.make("model", Use(name="oracle"), 2, data=toy(2, known=False))


def test_truth_is_disjoint_from_what_metrics_take() -> None:
    data, truth = toy(2), tiny("truth", 2)
    rows = data.transform.inverse(truth.sample(100, torch_rng("s")).numpy())
    np.testing.assert_allclose(rows, data.test[100:])
    with pytest.raises(Refused, match="200 test rows"):
        truth.sample(101, torch_rng("s"))


@pytest.mark.parametrize(
    "name", ["spline_inn", "cubic_inn", "affine_inn", "autoregressive_inn", "monotone_inn", "mixture_made"]
)
def test_flow_of_one_feature_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="dim 1"):
        registry.make("model", Use(name=name), 1)


def test_coupling_leaves_the_features_that_it_reads() -> None:
    torch.manual_seed(0)
    step = Coupling(5, Affine(), dense(3, 1), odd=True)
    for parameter in step.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(4, 5)
    z = step(x)[0]
    assert torch.equal(z[:, ::2], x[:, ::2]) and bool((z[:, 1::2] != x[:, 1::2]).all())


@pytest.mark.parametrize(
    "name",
    [
        *("spline_inn", "cubic_inn", "affine_inn", "autoregressive_inn", "elementwise"),
        *("monotone_inn", "gaussian_mixture", "mixture_made", "flow_matching"),
    ],
)
def test_matcher_finds_classical_models_small_and_large(name: str) -> None:
    knobs = registry.about("model", name).knobs
    least, most = ({knob: values[end] for knob, values in knobs.items()} for end in (0, -1))
    assert size(name, 2, least) <= 40 and size(name, 8, least) <= 150 and size(name, 8, most) >= 20_000


def test_the_memoriser_hands_out_every_training_row_before_any_again() -> None:
    rows, replayed = features(2), tiny("memoriser", 2).sample(1000, torch_rng("s"))
    seen = {tuple(row) for row in replayed[: len(rows)].tolist()}
    assert seen == {tuple(row) for row in rows.tolist()}
    assert {tuple(row) for row in replayed[len(rows) :].tolist()} < seen and len(replayed) == 1000


def test_the_product_of_marginals_keeps_marginals_and_loses_dependence() -> None:
    mixed = torch.tensor([[1.0, 0.9], [0.0, 0.4]], dtype=torch.float64)
    model, rows = tiny("product_of_marginals", 2), features(2) @ mixed
    model.rows = rows
    drawn = model.sample(20_000, torch_rng("s"))
    assert abs(torch.corrcoef(rows.T)[0, 1]) > 0.5 and abs(torch.corrcoef(drawn.T)[0, 1]) < 0.03
    assert torch.allclose(drawn.mean(0), rows.mean(0), atol=0.05) and torch.allclose(
        drawn.std(0), rows.std(0), atol=0.05
    )
    assert all(torch.isin(drawn[:, i], rows[:, i]).all() for i in (0, 1))
