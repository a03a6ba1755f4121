"""Laws that every model of the zoo keeps; a new file in reference_models is tested by being there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from zoo import CONTROLLED, NAMES, features, size, tiny

from qinn_bench import registry
from qinn_bench.contracts import Batch, DensityModel, Model, count_parameters
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Use


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


def autodiff_logdet(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``log |det dz/dx|`` row by row from autograd."""
    x = x.clone().requires_grad_()
    z = forward(x)
    rows = [torch.autograd.grad(z[:, i].sum(), x, retain_graph=True)[0] for i in range(z.shape[1])]
    logdet: Tensor = torch.linalg.slogdet(torch.stack(rows, dim=1))[1]
    return logdet


zoo = pytest.mark.parametrize("name", NAMES)
zoo_and_controls = pytest.mark.parametrize("name", [*NAMES, *CONTROLLED])
moved = [name for name in CONTROLLED if "frozen" not in name]
zoo_and_moved = pytest.mark.parametrize("name", [*NAMES, *moved])
"""Models, and those of their controls that are other maps than their model."""
dims = pytest.mark.parametrize("dim", [2, 3])
cases = pytest.mark.parametrize(
    ("name", "dim"), [*((name, dim) for dim in (2, 3) for name in NAMES), *((name, 2) for name in CONTROLLED)]
)
jolts = pytest.mark.parametrize("jolt", [0.0, 0.1])


@zoo_and_moved
@dims
@jolts
def test_inverse_undoes_forward(name: str, dim: int, jolt: float) -> None:
    model = flow(name, dim, jolt=jolt)
    x = features(dim)[:64]
    with torch.no_grad():
        z = model(x)[0]
        back = model.inverse(z)
        again = model(back)[0]
    tolerance = getattr(model, "inverse_tolerance", 1e-8)
    torch.testing.assert_close(again, z, rtol=0, atol=tolerance)
    if model.one_to_one or jolt == 0:
        torch.testing.assert_close(back, x, rtol=0, atol=tolerance)


@zoo_and_moved
@dims
@jolts
def test_claimed_logdet_is_that_of_autodiff(name: str, dim: int, jolt: float) -> None:
    model = flow(name, dim, jolt=jolt)
    x = features(dim)[:32]
    torch.testing.assert_close(model(x)[1], autodiff_logdet(lambda x: model(x)[0], x), rtol=0, atol=1e-9)


@zoo_and_moved
@jolts
def test_density_integrates_to_one(name: str, jolt: float) -> None:
    # The image of a bounded layer that is moved further misses latents that matter.
    model = density(name, 2, jolt=jolt if name in NAMES else jolt / 2)
    line = torch.linspace(-9, 11, 501, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        mass = sum(float(model.log_prob(part).exp().sum()) for part in torch.split(grid, 50_000)) * 0.04**2
    assert mass == pytest.approx(1, abs=0.01)


UNTRIMMED = {"qinn": {"fidelity": 0.0, "mmd": 0.0}, "hybrid_qinn": {}}
"""Knobs with which circuits end in gates that their readout cannot see, unless they are trimmed."""


def greatest_gradients(model: Any, dim: int) -> Tensor:
    """The largest absolute derivative of the loss along each trained number, over three batches."""
    found = []
    for k in range(3):
        model.zero_grad(set_to_none=True)
        wide = torch.cat([features(dim), (2 + k) * features(dim) - 3])
        model.loss(Batch(wide), 0.5, torch_rng("loss", k)).backward()
        found.append(torch.cat([p.grad.abs().flatten() for p in model.parameters() if p.requires_grad]))
    return torch.stack(found).amax(0)


def dead(gradients: Tensor) -> int:
    """How many trained numbers have no effect: below a billionth of the largest derivative is rounding."""
    return int((gradients < 1e-9 * gradients.max()).sum())


@zoo_and_controls
@dims
def test_gradient_reaches_every_number_that_is_counted(name: str, dim: int) -> None:
    model = tiny(name, dim, jolt=0.1)
    counted = count_parameters(model)
    assert counted.total == sum(p.numel() for p in model.parameters() if p.requires_grad)
    if not counted.total:
        pytest.skip("has nothing to train")
    found = greatest_gradients(model, dim)
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)
    assert counted.blind == dead(found) == 0


@pytest.mark.parametrize("trim", [True, False])
@pytest.mark.parametrize("control", ["", "+unentangled"])
@pytest.mark.parametrize("name", UNTRIMMED)
def test_weights_that_no_readout_sees_are_counted_and_can_be_left_out(name: str, control: str, trim: bool) -> None:
    full, short = (tiny(name + control, 3, jolt=0.1, knobs=UNTRIMMED[name] | {"trim": trim}) for trim in (False, True))
    counted = count_parameters(short if trim else full)
    assert counted.blind == dead(greatest_gradients(short if trim else full, 3))
    assert (counted.blind == 0) == trim
    assert count_parameters(full).live == count_parameters(short).total


@cases
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


@cases
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
        rtol = 1e-3 if name in NAMES else 3e-3
        torch.testing.assert_close(log_prob.double(), expected, rtol=rtol, atol=1e-3)


@zoo_and_moved
@dims
def test_rows_are_independent(name: str, dim: int) -> None:
    model = density(name, dim, jolt=0.1)
    x = features(dim)[:6]
    with torch.no_grad():
        one_by_one = torch.cat([model.log_prob(row[None]) for row in x])
        torch.testing.assert_close(model.log_prob(x), one_by_one, rtol=0, atol=1e-10)
        torch.testing.assert_close(model.log_prob(x.flip(0)).flip(0), one_by_one, rtol=0, atol=1e-10)


@zoo_and_controls
def test_state_dict_carries_the_model_over(name: str) -> None:
    model, other = tiny(name, 2, jolt=0.1), tiny(name, 2, jolt=0.3)
    other.load_state_dict(model.state_dict())
    assert torch.equal(model.sample(20, torch_rng("s")), other.sample(20, torch_rng("s")))
    if hasattr(model, "log_prob"):
        with torch.no_grad():
            assert torch.equal(model.log_prob(features(2)), other.log_prob(features(2)))


@zoo_and_moved
def test_starts_close_to_a_standard_normal_or_better(name: str) -> None:
    model = density(name, 2)
    x = features(2)
    with torch.no_grad():
        normal = (0.5 * x.square().sum(1) + np.log(2 * np.pi)).mean()
        assert float(-model.log_prob(x).mean()) < float(normal) + 1


@zoo
def test_file_says_what_the_harness_asks(name: str) -> None:
    module, about = registry.find("model", name), registry.about("model", name)
    defaults = registry.knob_defaults("model", name)
    assert isinstance(tiny(name, 2), Model)
    assert (module.__doc__ or "").strip() and about.citation
    assert set(about.knobs) <= set(defaults) and set(about.tiny) <= set(defaults)
    assert (about.depth in about.knobs) == bool(about.knobs)
    for knob, values in about.knobs.items():
        assert list(values) == sorted(set(values)), f"{knob} does not increase"
        assert all(type(value) is type(defaults[knob]) for value in values)
    spelled = registry.spell_out("model", Use(name=name, knobs=about.tiny))
    assert spelled.knobs == defaults | about.tiny
    assert registry.spell_out("model", spelled) == spelled


@zoo
def test_size_never_falls_along_the_knob_that_the_matcher_bisects(name: str) -> None:
    about = registry.about("model", name)
    if not about.knobs:
        pytest.skip("has one size")
    knob = max(about.knobs, key=lambda k: len(about.knobs[k]))
    values = about.knobs[knob]
    sizes = [size(name, 8, about.tiny | {knob: value}) for value in values[:: max(1, len(values) // 10)]]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]
