"""The audit convicts planted defects, acquits honest models, and says when it cannot tell."""

from functools import cache

import normflows as nf
import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.mixture import GaussianMixture
from torch import nn

from qinn_bench.contracts import LOG_2PI, DensityModel
from qinn_bench.dataset import Column, Dataset
from qinn_bench.validity.certificate import autodiff, certify, judge_mass
from qinn_bench.validity.density_mass import Mass, Proposal, estimate_mass, fit_proposal, grid_mass, sharpen

DRAWS = 40_000


class Identity:
    def forward(self, rows):
        return rows, np.zeros(len(rows))

    def inverse(self, features):
        return features


class Halved(Identity):
    """Features are rows over two."""

    def forward(self, rows):
        return rows / 2, np.full(len(rows), -rows.shape[1] * np.log(2))

    def inverse(self, features):
        return 2 * features


def dataset(rows, transform=None, support=None):
    train, test = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    return Dataset(
        name="tiny",
        columns=tuple(Column(f"x{i}", f"x{i}") for i in range(rows.shape[1])),
        train=train,
        valid=test,
        test=test,
        transform=transform or Identity(),
        observables=lambda rows: {},
        plots=(),
        support=support or (lambda rows: np.ones(len(rows), bool)),
        fingerprint="tiny",
    )


class Affine(DensityModel):
    """z = (x - shift) A^T with a full matrix; `factor` times the log-det plus `offset` is what is claimed."""

    def __init__(self, matrix, factor=1.0, offset=0.0):
        super().__init__(len(matrix))
        self.matrix = torch.as_tensor(matrix, dtype=torch.float64)
        self.factor, self.offset = factor, offset

    def forward(self, x):
        logdet = torch.linalg.slogdet(self.matrix)[1] * self.factor + self.offset
        return x @ self.matrix.T, logdet.expand(len(x))

    def inverse(self, z):
        return torch.linalg.solve(self.matrix, z.T).T


class Elementwise(DensityModel):
    """z = f(x) per feature, log-det from autodiff; the inverse takes one branch."""

    def __init__(self, dim, f, back):
        super().__init__(dim)
        self.f, self.back = f, back

    def forward(self, x):
        with torch.enable_grad():
            leaf = x if x.requires_grad else x.detach().requires_grad_(True)
            z = self.f(leaf)
            slope = torch.autograd.grad(z.sum(), leaf, create_graph=True)[0]
        return z, slope.abs().log().sum(1)

    def inverse(self, z):
        return self.back(z)


class SplineFlow(DensityModel):
    def __init__(self, dim, seed=0):
        super().__init__(dim)
        torch.manual_seed(seed)
        spline = nf.flows.CoupledRationalQuadraticSpline
        self.flow = nn.ModuleList(spline(dim, 1, 16, num_bins=6, reverse_mask=bool(i % 2)) for i in range(2))
        for parameter in self.flow.parameters():
            nn.init.normal_(parameter, std=0.4)

    def forward(self, x):
        total = torch.zeros(len(x), dtype=x.dtype)
        for layer in self.flow:
            x, logdet = layer.inverse(x)
            total = total + logdet
        return x, total

    def inverse(self, z):
        for layer in reversed(self.flow):
            z, _ = layer.forward(z)
        return z


class Claimed:
    """A density without a map: scale * exp(log_density)."""

    def __init__(self, log_density, scale=1.0):
        self.log_density, self.scale = log_density, scale

    def log_prob(self, x):
        return torch.from_numpy(self.log_density(x.numpy()) + np.log(self.scale))


def correlated(dim, n, rng):
    """Rows of a normal with a random full covariance, and the matrix that whitens them."""
    factor = np.linalg.qr(rng.normal(size=(dim, dim)))[0] * np.geomspace(0.3, 2.0, dim)
    return rng.normal(size=(n, dim)) @ factor.T, np.linalg.inv(factor)


def bend(x, sign):
    """The banana map y -> y with the last half shifted by the squares of the first: volume preserving."""
    half = x.shape[1] // 2
    return np.concatenate([x[:, :half], x[:, half:] + sign * 0.5 * (x[:, :half] ** 2 - 1)], 1)


def banana(dim, n, rng):
    rows = bend(rng.normal(size=(n, dim)), 1)
    return rows, lambda x: -0.5 * (bend(x, -1) ** 2).sum(1) - 0.5 * dim * LOG_2PI


@cache
def affine_case(dim=3, n=1200):
    return correlated(dim, n, np.random.default_rng(0))


def audit(model, rows, draws=DRAWS, seed=1, generated=None, **kind):
    if isinstance(model, nn.Module):
        model = model.double()
    data = dataset(rows, **kind)
    return certify(model, data, rows if generated is None else generated, np.random.default_rng(seed), draws)


def test_an_affine_map_passes_with_exact_figures():
    rows, matrix = affine_case()
    certificate = audit(Affine(matrix), rows)
    assert certificate.verdict == "pass" and certificate.reasons == ()
    assert certificate.interval[0] < 1 < certificate.interval[1] and certificate.mass.error < 0.006
    assert certificate.logdet_error < 1e-12 and certificate.sign_changes == 0
    assert certificate.round_trip_data < 1e-12 and certificate.round_trip_latent < 1e-12
    assert certificate.inversion_failures == 0 and certificate.support_leak == 0 and certificate.grid_mass is None
    assert certificate.draws <= DRAWS


def test_a_spline_flow_passes():
    flow = SplineFlow(4).double()
    rows = flow.sample(2500, torch.Generator().manual_seed(2)).numpy()
    certificate = audit(flow, rows)
    assert certificate.verdict == "pass", certificate.reasons
    assert certificate.logdet_error < 1e-6 and certificate.round_trip_latent < 1e-6


def test_a_heavy_tailed_true_density_without_a_map_passes():
    law = stats.multivariate_t(shape=[[1, 0.6], [0.6, 1]], df=2.5, seed=3)
    certificate = audit(Claimed(law.logpdf), law.rvs(2000))
    assert certificate.verdict == "pass", certificate.reasons
    assert certificate.round_trip_data is certificate.logdet_error is certificate.inversion_failures is None


@pytest.mark.parametrize("defect", [{"factor": -1.0}, {"factor": 0.5}, {"factor": 1.0001}, {"offset": 0.2}])
def test_a_wrong_log_determinant_fails(defect):
    rows, matrix = affine_case()
    certificate = audit(Affine(matrix, **defect), rows)
    assert certificate.verdict == "fail" and any("autodiff" in reason for reason in certificate.reasons)


FOLDS = {
    "square": (lambda x: x.square() - 1, lambda z: (z + 1).sqrt()),
    "absolute": (torch.abs, torch.abs),
    "bump": (lambda x: x + 1.5 * torch.sin(2 * x), lambda z: z),
}


@pytest.mark.parametrize("fold", FOLDS)
def test_a_folding_map_fails_by_sign_and_round_trip(fold):
    rows = np.random.default_rng(4).normal(size=(2000, 2))
    certificate = audit(Elementwise(2, *FOLDS[fold]), rows)
    assert certificate.verdict == "fail"
    assert certificate.sign_changes > 0.1 and certificate.logdet_error < 1e-9
    text = " ".join(certificate.reasons)
    assert "minority sign" in text and "x -> z -> x" in text


def test_a_fold_may_keep_the_mass_and_is_still_convicted():
    rows = np.random.default_rng(4).normal(size=(2000, 2))
    certificate = audit(Elementwise(2, torch.abs, torch.abs), rows)
    assert certificate.mass.value == pytest.approx(1, abs=0.02) and certificate.verdict == "fail"


def test_a_fold_whose_log_det_is_right_reports_the_mass_that_it_claims_twice():
    rows = np.random.default_rng(5).normal(size=(2000, 1))
    certificate = audit(Elementwise(1, lambda x: 0.7 * x.abs() - 0.2, lambda z: z), rows)
    expected = 2 * stats.norm.sf(-0.2)
    assert certificate.mass.value == pytest.approx(expected, abs=0.03)
    assert certificate.grid_mass.value == pytest.approx(expected, abs=0.01)
    assert any("integrates to" in reason for reason in certificate.reasons)


@pytest.mark.parametrize("scale", [0.8, 1.2])
def test_a_density_that_is_not_normalised_fails(scale):
    law = stats.multivariate_normal([1.0, -1.0], [[1.0, 0.8], [0.8, 1.0]], seed=6)
    certificate = audit(Claimed(law.logpdf, scale), law.rvs(2000))
    assert certificate.verdict == "fail"
    assert certificate.mass.value == pytest.approx(scale, abs=0.02)
    assert certificate.grid_mass.value == pytest.approx(scale, abs=0.005)


def test_a_mixture_that_was_added_without_weights_fails():
    laws = [stats.multivariate_normal([m] * 4, np.eye(4) * 0.3) for m in (-1.0, 1.0)]
    rng = np.random.default_rng(7)
    rows = rng.permutation(np.concatenate([law.rvs(1000, rng) for law in laws]))
    certificate = audit(Claimed(lambda x: np.logaddexp(*(law.logpdf(x) for law in laws))), rows)
    assert certificate.verdict == "fail" and certificate.mass.value == pytest.approx(2, abs=0.06)


def test_mass_far_from_the_training_rows_is_seen_through_generated_rows():
    near, far = (stats.multivariate_normal([m] * 5, np.eye(5) * 0.2) for m in (0.0, 8.0))
    rng = np.random.default_rng(8)
    model = Claimed(lambda x: np.logaddexp(near.logpdf(x), far.logpdf(x) + np.log(0.5)))
    generated = np.concatenate([near.rvs(1000, rng), far.rvs(500, rng)])
    certificate = audit(model, near.rvs(2000, rng), generated=generated)
    assert certificate.mass.value == pytest.approx(1.5, abs=0.03)


def test_few_draws_leave_the_verdict_open():
    rows, matrix = affine_case()
    certificate = audit(Affine(matrix), rows, draws=200)
    assert certificate.verdict == "undecided" and certificate.draws == 200


def test_a_latent_without_pre_image_is_counted_and_convicts():
    rows = np.random.default_rng(9).normal(size=(2000, 2))
    model = Elementwise(2, torch.tanh, torch.atanh)
    certificate = audit(model, rows)
    assert certificate.inversion_failures == pytest.approx(1 - (2 * stats.norm.cdf(1) - 1) ** 2, abs=0.08)
    assert certificate.verdict == "fail" and any("no pre-image" in reason for reason in certificate.reasons)
    assert certificate.mass.value == pytest.approx((2 * stats.norm.cdf(1) - 1) ** 2, abs=0.02)


def test_an_inverse_that_is_only_near_is_convicted():
    rows, matrix = affine_case()
    model = Affine(matrix)
    exact = model.inverse
    model.inverse = lambda z: exact(z) + 0.05
    certificate = audit(model, rows)
    assert certificate.round_trip_data == pytest.approx(0.05, rel=1e-6)
    assert certificate.verdict == "fail" and any("x -> z -> x" in reason for reason in certificate.reasons)


def test_a_density_that_is_nan_somewhere_cannot_pass():
    law = stats.multivariate_normal(np.zeros(2), np.eye(2), seed=10)
    certificate = audit(Claimed(lambda x: np.where(x[:, 0] > 2.5, np.nan, law.logpdf(x))), law.rvs(2000))
    assert certificate.verdict == "undecided" and "no number" in certificate.reasons[0]


def test_the_mass_is_taken_in_feature_space_and_the_leak_in_physical_space():
    rows, matrix = affine_case()
    certificate = audit(Affine(2 * matrix), rows, transform=Halved(), support=lambda r: r[:, 0] > np.median(rows[:, 0]))
    assert certificate.verdict == "pass" and certificate.support_leak == pytest.approx(0.5, abs=0.01)


def test_rows_that_are_no_numbers_leak_and_do_no_harm():
    rows, matrix = affine_case()
    generated = np.concatenate([rows[:300], np.full((100, 3), np.nan)])
    certificate = audit(Affine(matrix), rows, generated=generated, support=lambda r: np.isfinite(r).all(1))
    assert certificate.verdict == "pass" and certificate.support_leak == pytest.approx(0.25)


def test_a_model_without_gradients_says_that_its_log_det_was_not_compared():
    rows, matrix = affine_case()
    model = Affine(matrix)
    attached = model.forward
    model.forward = lambda x: tuple(part.detach() for part in attached(x))
    certificate = audit(model, rows)
    assert certificate.verdict == "pass" and "was not compared" in certificate.reasons[0]
    assert certificate.logdet_error is None and certificate.sign_changes is None


def test_autodiff_agrees_with_finite_differences():
    flow, x = SplineFlow(3).double(), torch.from_numpy(np.random.default_rng(11).normal(size=(4, 3)))
    _, sign, logdet = autodiff(flow.forward, x)
    steps = 1e-6 * torch.eye(3, dtype=torch.float64)
    with torch.no_grad():
        columns = [(flow.forward(x + step)[0] - flow.forward(x - step)[0]) / 2e-6 for step in steps]
    expected = torch.linalg.det(torch.stack(columns, 2))
    torch.testing.assert_close(sign * logdet.exp(), expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("case", ["correlated", "banana"])
def test_eight_dimensions_to_one_per_cent(case):
    rng = np.random.default_rng(12)
    if case == "banana":
        rows, log_density = banana(8, 6000, rng)
    else:
        rows, matrix = correlated(8, 6000, rng)
        shift = np.linalg.slogdet(matrix)[1] - 4 * LOG_2PI
        log_density = lambda x: shift - 0.5 * ((x @ matrix.T) ** 2).sum(1)  # noqa: E731
    mass = estimate_mass(log_density, fit_proposal(rows[:3000], rows[3000:], rng), rng, 200_000)
    assert mass.interval[1] - mass.interval[0] <= 0.02 and mass.interval[0] - 0.005 < 1 < mass.interval[1] + 0.005
    assert mass.draws < 200_000 and mass.tail_index < 0.7


def test_a_peak_that_few_draws_hit_is_seen_after_sharpening():
    rng = np.random.default_rng(18)
    wide, peak = (stats.multivariate_normal([m] * 4, s**2 * np.eye(4)) for m, s in ((0, 1), (1, 0.02)))

    def log_density(x):
        return np.logaddexp(np.log(0.95) + wide.logpdf(x), np.log(0.05) + peak.logpdf(x))

    rows = np.concatenate([wide.rvs(3800, rng), peak.rvs(200, rng)])
    blunt = fit_proposal(wide.rvs(2000, rng), rows[:0], rng, components=3)
    sharp = sharpen(blunt, log_density, rows, rng)
    before, after = (estimate_mass(log_density, proposal, rng, 50_000) for proposal in (blunt, sharp))
    assert before.value < 0.97
    assert after.value == pytest.approx(1, abs=4 * after.error) and after.error < 0.006


def test_grid_and_draws_agree_in_two_dimensions():
    rng = np.random.default_rng(13)
    angle = rng.uniform(0, np.pi, 3000)
    rows = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.1 * rng.normal(size=(3000, 2))
    mixture = GaussianMixture(12, random_state=0).fit(rows)
    mass = estimate_mass(mixture.score_samples, fit_proposal(rows[:1500], rows[1500:], rng), rng, 100_000)
    grid = grid_mass(mixture.score_samples, rows, 40_000)
    assert grid.value == pytest.approx(1, abs=1e-3) and grid.error < 1e-3
    assert mass.interval[0] < grid.value < mass.interval[1]


def rough_proposal():
    """One component with the wrong width and a displaced centre, beside a broad one."""
    scale = np.stack([np.eye(3) * 0.9, np.eye(3) * 2.0])
    return Proposal(np.array([0.9, 0.1]), np.array([[0.4, 0.0, 0.0], [0.0, 0.0, 0.0]]), scale, np.array([5.0, 1.0]))


@pytest.mark.parametrize("scale", [0.7, 1.0])
def test_the_interval_covers_the_known_mass_in_95_of_100(scale):
    def log_density(x):
        return np.log(scale) - 0.5 * (x**2).sum(1) - 1.5 * LOG_2PI

    proposal = rough_proposal()
    found = [estimate_mass(log_density, proposal, np.random.default_rng([14, i]), 1500).interval for i in range(250)]
    assert 0.90 < np.mean([low <= scale <= high for low, high in found]) < 0.99


def test_a_larger_budget_is_not_used_once_the_goal_is_met():
    mass = estimate_mass(
        lambda x: -0.5 * (x**2).sum(1) - 1.5 * LOG_2PI, rough_proposal(), np.random.default_rng(15), 10_000_000
    )
    assert mass.draws < 200_000 and mass.interval[1] - mass.interval[0] <= 0.02


def test_the_proposal_is_a_density_and_samples_itself():
    rng = np.random.default_rng(16)
    proposal = fit_proposal(rng.normal(size=(2000, 2)), rng.normal(size=(500, 2)), rng, components=5)
    assert proposal.share.sum() == pytest.approx(1)
    assert grid_mass(proposal.log_density, np.array([[-150.0] * 2, [150.0] * 2]), 1_000_000).value > 0.97
    rows = proposal.sample(50_000, rng)
    inside = proposal.log_density(rows) > np.log(0.05)
    mesh = np.stack(np.meshgrid(*[np.linspace(-6, 6, 600)] * 2), -1).reshape(-1, 2)
    density = np.exp(proposal.log_density(mesh))
    assert inside.mean() == pytest.approx(density[density > 0.05].sum() * (12 / 599) ** 2, abs=0.01)


def test_tails_lighter_in_the_proposal_than_in_the_density_are_noticed():
    thin = Proposal(np.ones(1), np.zeros((1, 2)), np.eye(2)[None] * 0.5, np.array([50.0]))
    law = stats.multivariate_t(shape=np.eye(2), df=1)
    mass = estimate_mass(law.logpdf, thin, np.random.default_rng(17), 20_000)
    assert mass.tail_index > 0.7 and judge_mass(mass, 0.03)[0].verdict == "undecided"


def figures(value, error, **other):
    usual = {"effective_share": 0.1, "effective": 5000.0, "draws": 50_000, "tail_index": 0.3}
    rows = np.empty((0, 2))
    return Mass(value, error, **(usual | {"at_least": value - 3 * error, "undefined": 0.0, "rows": rows} | other))


@pytest.mark.parametrize(
    ("mass", "verdict"),
    [
        (figures(1.005, 0.004), None),
        (figures(0.90, 0.004), "fail"),
        (figures(1.10, 0.004), "fail"),
        (figures(1.00, 0.03), "undecided"),
        (figures(1.04, 0.01), "undecided"),
        (figures(1.00, 0.004, tail_index=0.9), "undecided"),
        (figures(0.50, 0.004, tail_index=0.9), "undecided"),
        (figures(30.0, 5.0, tail_index=0.9, at_least=9.0), "fail"),
        (figures(1.00, 0.004, effective=50.0), "undecided"),
    ],
)
def test_the_verdict_follows_from_the_interval_and_how_far_it_can_be_trusted(mass, verdict):
    found = judge_mass(mass, 0.03)
    assert (found[0].verdict if found else None) == verdict


@pytest.mark.parametrize("far", [1e3, 1e8, 1e30, 1e60, 1e155, 1e300])
@pytest.mark.parametrize("share", [3, 600, 1200])
def test_rows_far_out_do_not_end_the_audit(far, share):
    rows, matrix = affine_case()
    generated = rows.copy()
    generated[:share] *= far
    certificate = audit(Affine(matrix), rows, generated=generated)
    assert certificate.mass.value == pytest.approx(1, abs=0.02) and certificate.verdict != "fail"
    if share == 3:
        assert certificate.verdict == "pass", certificate.reasons
    elif far > 1e4:
        assert certificate.verdict == "undecided" and "too far out" in certificate.reasons[0]


@pytest.mark.parametrize("draws", [1, 2, 3, 10])
def test_a_handful_of_draws_has_a_number_and_no_verdict(draws):
    rows, matrix = affine_case()
    certificate = audit(Affine(matrix), rows, draws=draws)
    assert certificate.verdict == "undecided" and certificate.mass.value > 0 and certificate.mass.error > 0


@pytest.mark.parametrize("factor", [1e200, 1e-320, np.inf])
def test_an_inverse_that_is_far_off_is_convicted_with_a_number_or_none(factor):
    rows, matrix = affine_case()
    model = Affine(matrix)
    exact = model.inverse
    model.inverse = lambda z: exact(z) * factor
    certificate = audit(model, rows)
    assert certificate.verdict == "fail"
    assert certificate.round_trip_data is None or certificate.round_trip_data > 1


@pytest.mark.parametrize("height", [1e300, -1e300, np.nan, np.inf, -np.inf])
def test_a_density_of_any_height_has_a_certificate_that_does_not_pass(height):
    rows, _ = affine_case()
    certificate = audit(Claimed(lambda x: np.full(len(x), height)), rows[:, :2])
    assert certificate.verdict != "pass" and all(len(reason) < 200 for reason in certificate.reasons)
