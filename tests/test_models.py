"""Laws that every model of the zoo keeps; a new file in reference_models is tested by being there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from qinn_bench import registry
from qinn_bench.contracts import DensityModel, Generator, count_parameters
from qinn_bench.seeds import numpy_rng, seed_of, torch_rng
from qinn_bench.values import Array, Column, Dataset, Knobs, Refused, Use
from reference_models._flow import Coupling, dense
from reference_models._rational_quadratic import RationalQuadratic
from reference_models.affine_inn import Affine
from reference_models.autoregressive_inn import made
from reference_models.cubic_inn import Cubic

NAMES = registry.names("model")
DIMS = (2, 3)
BACKEND = "torch"


class Stretched:
    """Features are rows divided by 2, moved by 1."""

    def forward(self, rows: Array) -> tuple[Array, Array]:
        return rows / 2 + 1, np.full(len(rows), -rows.shape[1] * np.log(2))

    def inverse(self, features: Array) -> Array:
        return 2 * (features - 1)


class TwoHills:
    """An even mixture of two normals of width 1 at (+-2, 0, ..., 0)."""

    entropy = np.nan

    def __init__(self, dim: int) -> None:
        self.centre = 2 * np.eye(dim)[0]

    def log_density(self, rows: Array) -> Array:
        hills = [-0.5 * ((rows - sign * self.centre) ** 2).sum(1) for sign in (-1, 1)]
        return np.logaddexp(*hills) - np.log(2) - 0.5 * rows.shape[1] * np.log(2 * np.pi)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        signs = rng.choice([-1.0, 1.0], n)
        return signs[:, None] * self.centre + rng.normal(size=(n, len(self.centre)))


def toy(dim: int, *, known: bool = True) -> Dataset:
    density = TwoHills(dim)
    train, valid, test = (density.sample(n, numpy_rng("toy", n)) for n in (800, 100, 200))
    return Dataset(
        name="two_hills",
        columns=tuple(Column(f"x{i}", f"x{i}") for i in range(dim)),
        train=train,
        valid=valid,
        test=test,
        transform=Stretched(),
        observables=lambda rows: {},
        plots=(),
        support=lambda rows: np.ones(len(rows), dtype=bool),
        fingerprint="",
        density=density if known else None,
    )


def tiny(name: str, dim: int, *, jolt: float = 0.0, dtype: torch.dtype = torch.float64) -> Any:
    """The smallest instance of a model, initialised; its weights, where `jolt` is set, moved by that much noise."""
    torch.manual_seed(seed_of("init", name, dim))
    data = toy(dim)
    use = registry.spell_out("model", Use(name=name, knobs=registry.find("model", name).TINY))
    model = registry.make("model", use, dim, data=data, backend=BACKEND).to(dtype)
    model.initialise(features(dim, dtype), torch_rng("initialise", name))
    rng = torch_rng("jolt", name)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += jolt * torch.randn(parameter.shape, generator=rng, dtype=torch.float64).to(parameter)
    return model


def features(dim: int, dtype: torch.dtype = torch.float64) -> Tensor:
    data = toy(dim)
    return torch.from_numpy(data.transform.forward(data.train)[0]).to(dtype)


def flow(name: str, dim: int, **how: Any) -> DensityModel:
    model = tiny(name, dim, **how)
    if not isinstance(model, DensityModel):
        pytest.skip("has no latent space")
    return model


def density(name: str, dim: int, **how: Any) -> Any:
    model = tiny(name, dim, **how)
    if not hasattr(model, "log_prob"):
        pytest.skip("has no density")
    return model


def size(name: str, dim: int, knobs: Knobs) -> int:
    """The parameters of a model that is built, as the matcher does it, without memory for its weights."""
    with torch.device("meta"):
        model = registry.make("model", Use(name=name, knobs=knobs), dim, data=toy(dim), backend=BACKEND)
    return count_parameters(model).total


def autodiff_logdet(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``log |det dz/dx|`` row by row from autograd."""
    x = x.clone().requires_grad_()
    z = forward(x)
    rows = [torch.autograd.grad(z[:, i].sum(), x, retain_graph=True)[0] for i in range(z.shape[1])]
    return torch.linalg.slogdet(torch.stack(rows, dim=1))[1]


zoo = pytest.mark.parametrize("name", NAMES)
dims = pytest.mark.parametrize("dim", DIMS)
jolts = pytest.mark.parametrize("jolt", [0.0, 0.1])


@zoo
@dims
@jolts
def test_inverse_undoes_forward(name: str, dim: int, jolt: float) -> None:
    model = flow(name, dim, jolt=jolt)
    x = features(dim)[:64]
    with torch.no_grad():
        back = model.inverse(model(x)[0])
    torch.testing.assert_close(back, x, rtol=0, atol=getattr(model, "inverse_tolerance", 1e-8))


@zoo
@dims
@jolts
def test_claimed_logdet_is_that_of_autodiff(name: str, dim: int, jolt: float) -> None:
    model = flow(name, dim, jolt=jolt)
    x = features(dim)[:32]
    torch.testing.assert_close(model(x)[1], autodiff_logdet(lambda x: model(x)[0], x), rtol=0, atol=1e-9)


@zoo
@jolts
def test_density_integrates_to_one(name: str, jolt: float) -> None:
    model = density(name, 2, jolt=jolt)
    line = torch.linspace(-9, 11, 501, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        mass = sum(float(model.log_prob(part).exp().sum()) for part in grid.split(50_000)) * 0.04**2
    assert mass == pytest.approx(1, abs=0.01)


@zoo
@dims
def test_gradient_reaches_every_number_that_is_counted(name: str, dim: int) -> None:
    model = tiny(name, dim, jolt=0.1)
    total = count_parameters(model).total
    assert total == sum(p.numel() for p in model.parameters() if p.requires_grad)
    if not total:
        pytest.skip("has nothing to train")
    wide = torch.cat([features(dim), 3 * features(dim) - 3])
    model.loss(wide, 0.5, torch_rng("loss")).backward()
    for label, parameter in model.named_parameters():
        assert parameter.grad is not None and bool((parameter.grad != 0).all()), f"{label} is not trained in full"


@zoo
@dims
def test_same_seed_same_numbers(name: str, dim: int) -> None:
    one, two = (tiny(name, dim, jolt=0.1) for _ in range(2))
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(one.sample(20, torch_rng("s")), two.sample(20, torch_rng("s")))


@zoo
def test_drawing_leaves_the_global_stream_alone(name: str) -> None:
    model = tiny(name, 2)
    before = torch.get_rng_state()
    model.sample(5, torch_rng("s"))
    assert torch.equal(torch.get_rng_state(), before)


@zoo
@dims
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_works_in_both_precisions(name: str, dim: int, dtype: torch.dtype) -> None:
    model = tiny(name, dim, jolt=0.1, dtype=dtype)
    drawn = model.sample(50, torch_rng("s"))
    assert drawn.shape == (50, dim) and bool(drawn.isfinite().all())
    if isinstance(model, DensityModel):
        assert drawn.dtype == dtype
        x = features(dim, dtype)
        with torch.no_grad():
            log_prob = model.log_prob(x)
            assert log_prob.dtype == dtype and log_prob.shape == (len(x),)
            expected = model.double().log_prob(x.double())
        torch.testing.assert_close(log_prob.double(), expected, rtol=1e-3, atol=1e-3)


@zoo
@dims
def test_rows_are_independent(name: str, dim: int) -> None:
    model = density(name, dim, jolt=0.1)
    x = features(dim)[:6]
    with torch.no_grad():
        one_by_one = torch.cat([model.log_prob(row[None]) for row in x])
        torch.testing.assert_close(model.log_prob(x), one_by_one, rtol=0, atol=1e-10)
        torch.testing.assert_close(model.log_prob(x.flip(0)).flip(0), one_by_one, rtol=0, atol=1e-10)


@zoo
def test_state_dict_carries_the_model_over(name: str) -> None:
    model, other = tiny(name, 2, jolt=0.1), tiny(name, 2, jolt=0.3)
    other.load_state_dict(model.state_dict())
    assert torch.equal(model.sample(20, torch_rng("s")), other.sample(20, torch_rng("s")))
    if hasattr(model, "log_prob"):
        with torch.no_grad():
            assert torch.equal(model.log_prob(features(2)), other.log_prob(features(2)))


@zoo
def test_starts_close_to_a_standard_normal_or_better(name: str) -> None:
    model = density(name, 2)
    x = features(2)
    with torch.no_grad():
        normal = (0.5 * x.square().sum(1) + np.log(2 * np.pi)).mean()
        assert float(-model.log_prob(x).mean()) < float(normal) + 1


@zoo
def test_file_says_what_the_harness_asks(name: str) -> None:
    module = registry.find("model", name)
    defaults = registry.knob_defaults("model", name)
    assert isinstance(tiny(name, 2), Generator)
    assert (module.__doc__ or "").strip() and module.CITATION
    assert isinstance(module.PUBLISHED, dict)
    assert registry.role(name) in ("model", "floor", "ceiling")
    assert set(module.KNOBS) <= set(defaults) and set(module.TINY) <= set(defaults)
    assert (module.DEPTH in module.KNOBS) == bool(module.KNOBS)
    for knob, values in module.KNOBS.items():
        assert list(values) == sorted(set(values)), f"{knob} does not increase"
        assert all(type(value) is type(defaults[knob]) for value in values)
    spelled = registry.spell_out("model", Use(name=name, knobs=module.TINY))
    assert spelled.knobs == defaults | module.TINY
    assert registry.spell_out("model", spelled) == spelled


@zoo
def test_size_never_falls_along_the_knob_that_the_matcher_bisects(name: str) -> None:
    module = registry.find("model", name)
    if not module.KNOBS:
        pytest.skip("has one size")
    knob = max(module.KNOBS, key=lambda k: len(module.KNOBS[k]))
    values = module.KNOBS[knob]
    sizes = [size(name, 8, module.TINY | {knob: value}) for value in values[:: max(1, len(values) // 40)]]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


@pytest.mark.parametrize("name", ["spline_inn", "cubic_inn", "affine_inn", "autoregressive_inn", "elementwise"])
def test_matcher_finds_classical_models_small_and_large(name: str) -> None:
    knobs = registry.find("model", name).KNOBS
    least, most = ({knob: values[end] for knob, values in knobs.items()} for end in (0, -1))
    assert size(name, 2, least) <= 40 and size(name, 8, least) <= 150 and size(name, 8, most) >= 20_000


UNIVARIATE = {"rational-quadratic": RationalQuadratic(5, 3.0), "cubic": Cubic(5, 3.0), "affine": Affine()}
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
    assert hidden < 4 or bool((reach[:4] > 0).all())
    outputs.square().sum().backward()
    assert all(bool((p.grad != 0).all()) for p in network.parameters() if p.grad is not None)


def test_gaussian_starts_at_the_maximum_of_the_likelihood() -> None:
    model, x = tiny("gaussian", 3), features(3)
    normal = torch.distributions.MultivariateNormal(x.mean(0), torch.cov(x.T, correction=0))
    with torch.no_grad():
        torch.testing.assert_close(model.log_prob(x), normal.log_prob(x))
    model.loss(x, 0.0, torch_rng("loss")).backward()
    for parameter in model.parameters():
        torch.testing.assert_close(parameter.grad, torch.zeros_like(parameter), rtol=0, atol=1e-10)
    with pytest.raises(Refused, match="singular"):
        model.initialise(x[:1].expand(10, -1), torch_rng("initialise"))


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


@pytest.mark.parametrize("name", ["spline_inn", "cubic_inn", "affine_inn", "autoregressive_inn"])
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
