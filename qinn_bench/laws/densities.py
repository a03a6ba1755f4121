"""The laws of models that state a density, score or rebuild rows: their numbers are what they claim, row by row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from qinn_bench.contracts import Density, DensityModel, Sampler
from qinn_bench.laws.cases import ModelCase
from qinn_bench.laws.law import Spared, collected, expect
from qinn_bench.laws.models import drawn_from, outputs
from qinn_bench.seeds import numpy_rng
from qinn_bench.validity.certificate import certify

JOLTS = (0.0, 0.1)
ROUND_TRIP = 1e-8
LOGDET = 1e-9
GRID = torch.linspace(-9.02, 11.02, 502, dtype=torch.float64)
"""Zero, where cells of features meet, lies half-way between two of them."""
MASS = 0.01
APART = 1e-10
DRAWS = 20_000


def inverts_itself(case: ModelCase) -> str:
    """Features come back from latents, and latents from features, also when its weights are moved."""
    far = 0.0
    for jolt in JOLTS:
        model = _flow(case, jolt)
        x, known = case.batch(n=64).rows, case.known(64)
        with torch.no_grad():
            z = model(x, *known)[0]
            back = model.inverse(z, *known)
            again = model(back, *known)[0]
        tolerance = float(getattr(model, "inverse_tolerance", ROUND_TRIP))
        off = _distance(again, z)
        expect(off <= tolerance, f"z -> x -> z is off by {off:.2g}, at most {tolerance:.0e} was expected")
        if model.one_to_one or jolt == 0:
            off = max(off, _distance(back, x))
            expect(off <= tolerance, f"x -> z -> x is off by {off:.2g}, at most {tolerance:.0e} was expected")
        far = max(far, off)
    return f"off by {far:.1e} at most"


def claims_its_true_logdet(case: ModelCase) -> str:
    """Its log-determinant is that of automatic differentiation."""
    far = 0.0
    for jolt in JOLTS:
        model = _flow(case, jolt)
        x, known = case.batch(n=32).rows, case.known(32)
        true = autodiff_logdet(lambda x, model=model, known=known: model(x, *known)[0], x)  # type: ignore[misc]
        far = max(far, _distance(model(x, *known)[1], true))
    return expect(far <= LOGDET, f"off by {far:.2g} at most, {LOGDET:.0e} was expected")


def integrates_to_one(case: ModelCase) -> str:
    """Its density integrates to one over the plane, also when its weights are moved."""
    if case.data.shape != (2,) or case.data.conditions is not None:
        raise Spared("its rows are no points of a plane")
    grid, area = torch.cartesian_prod(GRID, GRID), float(GRID[1] - GRID[0]) ** 2
    masses = []
    for jolt in JOLTS:
        # The image of a bounded layer that is moved further misses latents that matter.
        model = _density(case, jolt / 2 if case.control else jolt)
        with torch.no_grad():
            masses.append(sum(float(model.log_prob(part).exp().sum()) for part in torch.split(grid, 50_000)) * area)
    worst = max(masses, key=lambda mass: abs(mass - 1))
    return expect(abs(worst - 1) <= MASS, f"its mass is {worst:.4f}, 1 within {MASS} was expected")


def passes_its_certificate(case: ModelCase) -> str:
    """Its certificate does not fail: mass, round trips and log-determinant are as they were measured."""
    model = _density(case, 0.0)
    if case.data.shape != (2,) or case.data.conditions is not None:
        raise Spared("it is asked of points of a plane")
    drawn = drawn_from(model, case, 100) if isinstance(model, Sampler) else torch.zeros(0, case.data.dim)
    generated = case.data.transform.inverse(drawn.double().numpy())
    found = certify(model.eval(), case.data, generated, numpy_rng("laws", "certificate"), DRAWS)
    low, high = found.interval
    said = f"{found.verdict}: the mass is in [{low:.3f}, {high:.3f}]" + "".join(f"; {one}" for one in found.reasons)
    return expect(found.verdict != "fail", said)


def takes_each_row_by_itself(case: ModelCase) -> str:
    """What it says of a row does not hang on the other rows of a batch."""
    model, n = case.make(jolt=0.1), 6
    whole = outputs(model, case, n)
    if not whole:
        raise Spared("it says nothing of rows")
    x, known, far = case.batch(n=n).rows, case.known(n), 0.0
    for what, values in whole.items():
        method: Callable[..., Tensor] = getattr(model, what)
        with torch.no_grad():
            alone = torch.cat([method(x[i : i + 1], *(one[i : i + 1] for one in known)) for i in range(n)])
            turned = method(x.flip(0), *(one.flip(0) for one in known)).flip(0)
        far = max(far, _distance(values, alone), _distance(turned, alone))
    return expect(far <= APART, f"off by {far:.2g} at most, {APART:.0e} was expected")


def says_a_number_of_each_row(case: ModelCase) -> str:
    """Log-densities and scores are a number a row, reconstructions a row a row; none is NaN."""
    n, expected = 40, {"reconstruct": (40, *case.data.shape)}
    for what, values in outputs(case.make(jolt=0.1), case, n).items():
        shape = expected.get(what, (n,))
        expect(tuple(values.shape) == shape, f"its {what} has the shape {tuple(values.shape)}, not {shape}")
        expect(not bool(values.isnan().any()), f"its {what} is NaN in {int(values.isnan().sum())} places")
    return f"of {n} rows"


def agrees_with_itself_in_single_precision(case: ModelCase) -> str:
    """In single precision its numbers are those of double precision, but for rounding."""
    single = case.make(jolt=0.1, dtype=torch.float32)
    found = outputs(single, case, dtype=torch.float32)
    if not found:
        raise Spared("it says nothing of rows")
    rtol, far = 3e-3 if case.control else 1e-3, 0.0
    types = {str(values.dtype) for values in found.values()} if isinstance(single, DensityModel) else set()
    expect(types <= {"torch.float32"}, f"of rows in single precision it gives numbers of type {', '.join(types)}")
    for what, exact in outputs(single.double(), case).items():
        off = ((found[what].double() - exact).abs() - rtol * exact.abs()).nan_to_num(0.0)
        far = max(far, float(off.max()))
    return expect(far <= 1e-3, f"off by {far:.2g} beyond {rtol:.1%}, 0.001 was expected")


def starts_like_a_normal(case: ModelCase) -> str:
    """Before training it is not much worse than a standard normal."""
    model = _density(case, 0.0)
    x = case.batch().rows.flatten(1)
    normal = float((0.5 * x.square().sum(1) + 0.5 * x.shape[1] * np.log(2 * np.pi)).mean())
    with torch.no_grad():
        own = float(-model.log_prob(case.batch().rows, *case.known(len(x))).mean())
    return expect(own < normal + 1, f"its loss is {own:.3f} nats, that of a standard normal {normal:.3f}")


def autodiff_logdet(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``log |det dz/dx|`` row by row from autograd, for ``x`` of ``(n, dim)``."""
    x = x.clone().requires_grad_()
    z = forward(x)
    rows = [torch.autograd.grad(z[:, i].sum(), x, retain_graph=True)[0] for i in range(z.shape[1])]
    logdet: Tensor = torch.linalg.slogdet(torch.stack(rows, dim=1))[1]
    return logdet


def _flow(case: ModelCase, jolt: float) -> DensityModel:
    model = case.make(jolt=jolt)
    if not isinstance(model, DensityModel):
        raise Spared("it has no latent space")
    return model


def _density(case: ModelCase, jolt: float) -> Density:
    model = case.make(jolt=jolt)
    if not isinstance(model, Density):
        raise Spared("it states no density")
    return model


def _distance(a: Tensor, b: Tensor) -> float:
    """The largest difference; infinite where one is no number, but not where both are the same infinity."""
    return float(torch.where(a == b, 0, (a - b).abs()).detach().nan_to_num(nan=torch.inf).max())


OF_NUMBERS = collected(
    inverts_itself,
    claims_its_true_logdet,
    integrates_to_one,
    passes_its_certificate,
    takes_each_row_by_itself,
    says_a_number_of_each_row,
    agrees_with_itself_in_single_precision,
    starts_like_a_normal,
)
"""What models keep that say something of rows."""
