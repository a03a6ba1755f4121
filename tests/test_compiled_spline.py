"""Compiled splines against their twin by torch operations, in every instruction set of the machine."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from qinn_bench.torch_seeds import torch_rng
from reference_models._parts import compiled_spline
from reference_models._parts.flow import Univariate
from reference_models._parts.rational_quadratic import RationalQuadratic
from reference_models.flows.cubic_inn import Cubic

if not compiled_spline.AVAILABLE:
    pytest.skip("the compiled simulator was not built", allow_module_level=True)
from qinn_bench.quantum import _kernel

BOUND = 4.0
SPLINES = {"rational-quadratic": RationalQuadratic, "cubic": Cubic}
COLUMNS = [slice(None), slice(0, None, 2), slice(1, None, 2)]


@pytest.fixture(params=_kernel.instruction_sets())
def compiled(request, monkeypatch):
    """Splines of one instruction set."""
    made = {}

    def kernel_of(spline):
        return made.setdefault(spline, _kernel.Spline(*spline.form, request.param))

    monkeypatch.setattr(compiled_spline, "_kernel_of", kernel_of)
    return request.param


@pytest.fixture(params=SPLINES)
def kind(request):
    return SPLINES[request.param]


def drawn(spline, size: float, shape: tuple[int, ...] = (997, 3), dtype=torch.float64) -> tuple[Tensor, Tensor]:
    """Values of which some lie outside the bound, and numbers of their splines."""
    rng = torch_rng("splines", spline.bins, size)
    x = 0.6 * BOUND * torch.randn(shape, generator=rng, dtype=torch.float64)
    numbers = size * torch.randn(*shape, spline.width, generator=rng, dtype=torch.float64)
    return x.to(dtype).requires_grad_(), numbers.to(dtype).requires_grad_()


def with_gradients(found: tuple[Tensor, ...], given: tuple[Tensor, Tensor]) -> list[Tensor]:
    cotangents = [torch.randn(one.shape, generator=torch_rng("cotangents", k)).to(one) for k, one in enumerate(found)]
    return [*found, *torch.autograd.grad(found, given, cotangents)]


@pytest.mark.parametrize("bins", [1, 2, 3, 10, 32])
@pytest.mark.parametrize("size", [0.3, 3.0])
def test_compiled_spline_is_its_twin(compiled, kind, bins, size):
    spline = kind(bins, BOUND)
    given = drawn(spline, size)
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
def test_compiled_spline_in_float32_is_no_further_from_float64_than_its_twin(compiled, kind, bins):
    spline = kind(bins, BOUND)
    given = drawn(spline, 1.0, (5000, 3), torch.float32)
    exact = tuple(one.detach().double().requires_grad_() for one in given)
    found, twins, right = (
        with_gradients(f(*at), at) for f, at in ((spline.forward, given), (spline.twin, given), (spline.twin, exact))
    )
    for one, twin, truth in zip(found, twins, right, strict=True):
        # The mean is of a few values beside a knot, which rounding moves into the next bin.
        for share in (0.9, 0.99):
            ours, theirs = ((given - truth).abs().flatten().quantile(share).item() for given in (one, twin))
            assert ours < 1.5 * theirs


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 16, 17, 33])
def test_rows_beside_have_no_say(compiled, kind, rows):
    spline = kind(4, BOUND)
    x, numbers = drawn(spline, 1.0, (40, 1))
    every = with_gradients(spline.forward(x, numbers), (x, numbers))
    some = with_gradients(spline.forward(x[:rows], numbers[:rows]), (x, numbers))
    assert all(torch.equal(a[:rows], b[:rows]) for a, b in zip(some[:2], every[:2], strict=True))
    assert torch.equal(spline.inverse(x, numbers)[:rows], spline.inverse(x[:rows], numbers[:rows]))


def test_broken_numbers_break_their_own_row_alone(compiled, kind):
    spline = kind(3, BOUND)
    x, numbers = drawn(spline, 1.0, (64, 1))
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


def test_numbers_of_any_size_give_finite_maps(compiled, kind):
    spline = kind(6, BOUND)
    for dtype, size in ((torch.float32, 1e30), (torch.float64, 1e300)):
        rng = torch_rng("huge")
        numbers = size * torch.randn(200, 3, spline.width, generator=rng).to(dtype).clamp(-1, 1)
        numbers[..., 2 * spline.bins :] = 50 * numbers[..., 2 * spline.bins :].sign()
        x = (BOUND * torch.randn(200, 3, generator=rng)).to(dtype)
        y, log_slope = spline.forward(x, numbers)
        assert bool(y.isfinite().all()) and bool(log_slope.isfinite().all())
        assert bool((y.abs() <= BOUND * (1 + 1e-6)).where(x.abs() < BOUND, True).all())


def test_derivatives_of_every_kind_are_right(compiled, kind):
    spline = kind(3, BOUND)
    x, numbers = drawn(spline, 0.7, (4, 2))
    inside = (x.detach().clamp(-3, 3)).requires_grad_()
    for function in (spline.forward, spline.inverse):
        assert torch.autograd.gradcheck(function, (inside, numbers))
        assert torch.autograd.gradgradcheck(function, (inside, numbers), atol=1e-4)
        for at in (0, 1):
            forwards, backwards = (
                f(function, argnums=at)(inside, numbers) for f in (torch.func.jacfwd, torch.func.jacrev)
            )
            torch.testing.assert_close(forwards, backwards, rtol=1e-9, atol=1e-10)


def test_batches_of_functional_transforms_are_loops(compiled, kind):
    spline = kind(3, BOUND)
    x, numbers = drawn(spline, 0.7, (5, 4, 2))
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
    one = _kernel.Spline(3, 4.0, 1e-2, 1e-3, 0.5, False, compiled)
    x, numbers = torch.zeros(4).numpy(), torch.zeros(4, 8).numpy()
    with pytest.raises(ValueError, match="image has the wrong size"):
        one.forward(x, numbers, x[:3].copy(), x.copy())
    with pytest.raises(ValueError, match="numbers has the wrong size"):
        one.inverse(x, numbers[:, :7].copy(), x.copy())
    with pytest.raises(TypeError):
        one.forward(x, numbers.astype("float64"), x.copy(), x.copy())
    with pytest.raises(ValueError, match="there are no such columns"):
        one.forward(x, numbers, x.copy(), x.copy(), 4, 4, 1)
    with pytest.raises(ValueError, match="x has the wrong size"):
        one.forward(x, numbers, x.copy(), x.copy(), 3, 0, 1)
    with pytest.raises(ValueError, match="bins is out of range"):
        _kernel.Spline(33, 4.0, 1e-2, 1e-3, 0.5, False, compiled)
    with pytest.raises(ValueError, match="no such instruction set"):
        _kernel.Spline(3, 4.0, 1e-2, 1e-3, 0.5, False, "mmx")


def test_what_the_kernel_does_not_cover_is_left_to_the_twin(kind):
    spline = kind(40, BOUND)
    x, numbers = drawn(spline, 0.3, (7, 1))
    assert all(torch.equal(a, b) for a, b in zip(spline.forward(x, numbers), spline.twin(x, numbers), strict=True))
    assert torch.equal(spline.inverse(x, numbers), spline.twin_inverse(x, numbers))


@pytest.mark.parametrize("which", COLUMNS)
@pytest.mark.parametrize("dim", [2, 5, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_columns_of_rows_are_mapped_as_values_are(compiled, kind, which, dim, dtype):
    spline = kind(4, BOUND)
    k = len(range(dim)[which])
    rows = drawn(spline, 1.0, (37, dim), dtype)[0]
    numbers = drawn(spline, 1.0, (37, k), dtype)[1]
    ours = with_gradients(spline.map_columns(rows, which, numbers), (rows, numbers))
    slow = with_gradients(Univariate.map_columns(spline, rows, which, numbers), (rows, numbers))
    assert all(torch.equal(a, b) for a, b in zip(ours, slow, strict=True))
    with torch.no_grad():
        back = spline.unmap_columns(rows, which, numbers)
        assert torch.equal(back, Univariate.unmap_columns(spline, rows, which, numbers))
        assert torch.equal(spline.map_columns(rows, which, numbers)[0], ours[0])
    assert torch.equal(spline.unmap_columns(rows, which, numbers), back)


def test_derivatives_of_mapped_columns_are_right(compiled, kind):
    spline, which = kind(3, BOUND), slice(1, None, 2)
    rows, numbers = drawn(spline, 0.7, (3, 5))[0], drawn(spline, 0.7, (3, 2))[1]
    rows = rows.detach().clamp(-3, 3).requires_grad_()

    def mapped(rows, numbers):
        return spline.map_columns(rows, which, numbers)

    def slow(rows, numbers):
        return Univariate.map_columns(spline, rows, which, numbers)

    assert torch.autograd.gradcheck(mapped, (rows, numbers), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(mapped, (rows, numbers), atol=1e-4)
    for transform in (torch.func.jacfwd, torch.func.jacrev):
        for ours, theirs in zip(transform(mapped)(rows, numbers), transform(slow)(rows, numbers), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)
    rows, numbers = rows.detach(), numbers.detach()
    batched = torch.func.vmap(lambda n: mapped(rows, n)[0])(torch.stack((numbers, -numbers)))
    assert torch.equal(batched, torch.stack((mapped(rows, numbers)[0], mapped(rows, -numbers)[0])))


def test_tangents_of_gradients_are_not_lost(compiled, kind):
    spline = kind(3, BOUND)
    x, numbers = drawn(spline, 0.7, (4, 2))
    along = torch.randn(x.shape, generator=torch_rng("along")).to(x)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x.detach().requires_grad_(), along)
        found = torch.autograd.grad(spline.forward(dual, numbers.detach())[1].sum(), dual)[0]
        pushed = torch.autograd.forward_ad.unpack_dual(found).tangent

    def slope(x):
        return torch.func.grad(lambda x: spline.twin(x, numbers.detach())[1].sum())(x)

    torch.testing.assert_close(pushed, torch.func.jvp(slope, (x.detach(),), (along,))[1], rtol=1e-8, atol=1e-8)


def test_values_on_knots_and_far_outside_are_mapped_as_by_the_twin(compiled, kind):
    spline = kind(4, BOUND)
    numbers = torch.zeros(9, 1, spline.width, dtype=torch.float64).requires_grad_()
    at = torch.tensor([-1e6, -BOUND, -2.0, 0.0, 2.0, BOUND, 1e6, torch.inf, torch.nan], dtype=torch.float64)
    x = at[:, None].requires_grad_()
    ours, twins = spline.forward(x, numbers), spline.twin(x, numbers)
    for one, twin in zip(ours, twins, strict=True):
        torch.testing.assert_close(one, twin, rtol=1e-12, atol=1e-12, equal_nan=True)
    torch.testing.assert_close(ours[0][:8, 0], at[:8], rtol=1e-12, atol=1e-12)
    back = spline.inverse(x, numbers)
    torch.testing.assert_close(back, x, rtol=1e-12, atol=1e-12, equal_nan=True)
    inner = slice(2, 5)
    gradients = torch.autograd.grad((ours[0][inner].sum(), ours[1][inner].sum()), (x, numbers))
    assert all(bool(one[inner].isfinite().all()) for one in gradients)


def test_double_precision_is_exact_to_rounding(compiled, kind):
    spline = kind(5, BOUND)
    given = drawn(spline, 1.0)
    for one, twin in zip(spline.forward(*given), spline.twin(*given), strict=True):
        torch.testing.assert_close(one, twin, rtol=1e-12, atol=2e-12)
    ours, twin = spline.inverse(*given), spline.twin_inverse(*given)
    torch.testing.assert_close(ours, twin, rtol=1e-12, atol=2e-12)
