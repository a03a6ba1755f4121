"""Compiled splines against their twin by torch operations, in every instruction set of the machine."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from qinn_bench.torch_seeds import torch_rng
from reference_models._parts import compiled_spline
from reference_models._parts.rational_quadratic import RationalQuadratic

if not compiled_spline.AVAILABLE:
    pytest.skip("the compiled simulator was not built", allow_module_level=True)
from qinn_bench.quantum import _kernel

BOUND = 4.0


@pytest.fixture(params=_kernel.instruction_sets())
def compiled(request, monkeypatch):
    """Splines of one instruction set."""
    made = {}

    def call(spline):
        settings = (spline.bins, spline.bound, spline.narrowest, spline.least_slope, spline.unit_slope)
        return made.setdefault(settings, _kernel.Spline(*settings, request.param))

    monkeypatch.setattr(compiled_spline, "_call", call)
    return request.param


def drawn(bins: int, size: float, shape: tuple[int, ...] = (997, 3), dtype=torch.float64) -> tuple[Tensor, Tensor]:
    """Values of which some lie outside the bound, and numbers of their splines."""
    rng = torch_rng("splines", bins, size)
    x = 0.6 * BOUND * torch.randn(shape, generator=rng, dtype=torch.float64)
    numbers = size * torch.randn(*shape, 3 * bins - 1, generator=rng, dtype=torch.float64)
    return x.to(dtype).requires_grad_(), numbers.to(dtype).requires_grad_()


def with_gradients(found: tuple[Tensor, ...], given: tuple[Tensor, Tensor]) -> list[Tensor]:
    cotangents = [torch.randn(one.shape, generator=torch_rng("cotangents", k)).to(one) for k, one in enumerate(found)]
    return [*found, *torch.autograd.grad(found, given, cotangents)]


@pytest.mark.parametrize("bins", [1, 2, 3, 10, 32])
@pytest.mark.parametrize("size", [0.3, 3.0])
def test_compiled_spline_is_its_twin(compiled, bins, size):
    spline, given = RationalQuadratic(bins, BOUND), drawn(bins, size)
    ours, twins = (with_gradients(f(*given), given) for f in (spline.forward, spline.twin))
    for one, twin in zip(ours, twins, strict=True):
        torch.testing.assert_close(one, twin, rtol=1e-9, atol=1e-10)
    image = ours[0].detach().requires_grad_()
    ours, twins = (
        with_gradients((f(image, given[1]),), (image, given[1])) for f in (spline.inverse, spline.twin_inverse)
    )
    for one, twin in zip(ours, twins, strict=True):
        torch.testing.assert_close(one, twin, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(ours[0], given[0], rtol=0, atol=1e-8)


@pytest.mark.parametrize("bins", [2, 4, 10])
def test_compiled_spline_in_float32_is_no_further_from_float64_than_its_twin(compiled, bins):
    spline, given = RationalQuadratic(bins, BOUND), drawn(bins, 1.0, (5000, 3), torch.float32)
    exact = tuple(one.detach().double().requires_grad_() for one in given)
    ours, twins, right = (
        with_gradients(f(*at), at) for f, at in ((spline.forward, given), (spline.twin, given), (spline.twin, exact))
    )
    for one, twin, truth in zip(ours, twins, right, strict=True):
        errors = [((found - truth).square().mean() ** 0.5).item() for found in (one, twin)]
        assert errors[0] < 1.5 * errors[1]


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 16, 17, 33])
def test_rows_beside_have_no_say(compiled, rows):
    spline, (x, numbers) = RationalQuadratic(4, BOUND), drawn(4, 1.0, (40, 1))
    every = with_gradients(spline.forward(x, numbers), (x, numbers))
    some = with_gradients(spline.forward(x[:rows], numbers[:rows]), (x, numbers))
    assert all(torch.equal(a[:rows], b[:rows]) for a, b in zip(some[:2], every[:2], strict=True))
    assert torch.equal(spline.inverse(x, numbers)[:rows], spline.inverse(x[:rows], numbers[:rows]))


def test_broken_numbers_break_their_own_row_alone(compiled):
    spline, (x, numbers) = RationalQuadratic(3, BOUND), drawn(3, 1.0, (64, 1))
    with torch.no_grad():
        x.clamp_(-3, 3)
        clean = spline.inverse(x, numbers)
        numbers[5, 0, 2], numbers[9, 0, 7] = torch.nan, torch.inf
        found = spline.inverse(x, numbers)
        assert found.isnan().flatten().nonzero().flatten().tolist() == [5, 9]
        others = ~found.isnan()
        assert torch.equal(found[others], clean[others])
        # Without a gradient that is finite, a training ends as diverged.
        assert spline.forward(x, numbers)[0][5].isnan().all()


def test_numbers_of_any_size_give_finite_maps(compiled):
    spline = RationalQuadratic(6, BOUND)
    for dtype, size in ((torch.float32, 1e30), (torch.float64, 1e300)):
        rng = torch_rng("huge")
        numbers = size * torch.randn(200, 3, spline.width, generator=rng).to(dtype).clamp(-1, 1)
        numbers[..., 2 * spline.bins :] = 50 * numbers[..., 2 * spline.bins :].sign()
        x = (BOUND * torch.randn(200, 3, generator=rng)).to(dtype)
        y, log_slope = spline.forward(x, numbers)
        assert bool(y.isfinite().all()) and bool(log_slope.isfinite().all())
        assert bool((y.abs() <= BOUND).where(x.abs() < BOUND, True).all())


def test_derivatives_of_every_kind_are_right(compiled):
    spline, (x, numbers) = RationalQuadratic(3, BOUND), drawn(3, 0.7, (4, 2))
    inside = (x.detach().clamp(-3, 3)).requires_grad_()
    for function in (spline.forward, spline.inverse):
        assert torch.autograd.gradcheck(function, (inside, numbers))
        assert torch.autograd.gradgradcheck(function, (inside, numbers), atol=1e-4)
        for at in (0, 1):
            forwards, backwards = (
                f(function, argnums=at)(inside, numbers) for f in (torch.func.jacfwd, torch.func.jacrev)
            )
            torch.testing.assert_close(forwards, backwards, rtol=1e-9, atol=1e-10)


def test_batches_of_functional_transforms_are_loops(compiled):
    spline, (x, numbers) = RationalQuadratic(3, BOUND), drawn(3, 0.7, (5, 4, 2))
    x, numbers = x.detach(), numbers.detach()

    def log_slopes(x, numbers):
        return spline.forward(x, numbers)[1].sum()

    for f in (log_slopes, torch.func.grad(log_slopes), torch.func.jacfwd(log_slopes, argnums=1)):
        batched = torch.func.vmap(f)(x, numbers)
        assert torch.equal(batched, torch.stack([f(a, b) for a, b in zip(x, numbers, strict=True)]))
        shared = torch.func.vmap(f, in_dims=(0, None))(x, numbers[0])
        assert torch.equal(shared, torch.stack([f(a, numbers[0]) for a in x]))
    inverses = torch.func.vmap(spline.inverse, in_dims=(1, 1), out_dims=1)(x, numbers)
    assert torch.equal(inverses, spline.inverse(x, numbers))


def test_the_kernel_refuses_arrays_that_do_not_fit(compiled):
    one = _kernel.Spline(3, 4.0, 1e-2, 1e-3, 0.5, compiled)
    x, numbers = torch.zeros(4).numpy(), torch.zeros(4, 8).numpy()
    with pytest.raises(ValueError, match="image has the wrong size"):
        one.forward(x, numbers, x[:3].copy(), x.copy())
    with pytest.raises(ValueError, match="numbers has the wrong size"):
        one.inverse(x, numbers[:, :7].copy(), x.copy())
    with pytest.raises(TypeError):
        one.forward(x, numbers.astype("float64"), x.copy(), x.copy())
    with pytest.raises(ValueError, match="bins is out of range"):
        _kernel.Spline(33, 4.0, 1e-2, 1e-3, 0.5, compiled)
    with pytest.raises(ValueError, match="no such instruction set"):
        _kernel.Spline(3, 4.0, 1e-2, 1e-3, 0.5, "mmx")


def test_what_the_kernel_does_not_cover_is_left_to_the_twin():
    spline = RationalQuadratic(40, BOUND)
    x, numbers = drawn(40, 0.3, (7, 1))
    assert all(torch.equal(a, b) for a, b in zip(spline.forward(x, numbers), spline.twin(x, numbers), strict=True))
    assert torch.equal(spline.inverse(x, numbers), spline.twin_inverse(x, numbers))
