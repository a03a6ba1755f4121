"""Metrics: closed forms, zero or floor at identity, growth under distortion, and errors that cover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import synthetic
from scipy.special import ndtr
from scipy.stats import wasserstein_distance

from qinn_bench.dataset import Evidence, Observable
from qinn_bench.laws.law import Spared
from qinn_bench.laws.metrics import OF_METRICS, MetricCase
from qinn_bench.metrics import classifier, histograms, likelihood, mmd, resonance, wasserstein
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.values import Estimate, Refused

SAMPLES = ("mmd", "w1", "swd", "chi2", "sep", "peak", "c2st")
UNBOUNDED = ("w1", "swd")
"""Means that do not exist for a law with heavy tails: one row that is not finite leaves no number."""
UNITS = {"w1": "sd", "swd": "sd", "peak": "GeV", "c2st": "AUC", "mmd": "", "chi2": "", "sep": ""}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(16146)


def pair(n: int, rng: np.random.Generator, distortion: float = 0.0, seed: int = 0) -> Evidence:
    generated = synthetic.rows(n, rng, mass=synthetic.MASS + 3 * distortion, shift=distortion, scale=1 + distortion)
    return synthetic.evidence(synthetic.rows(n, rng), generated, seed=seed)


# All metrics alike


@pytest.mark.parametrize("law", OF_METRICS, ids=lambda law: law.name)
@pytest.mark.parametrize("name", sorted(all_metrics()))
def test_every_metric_keeps_every_law(name, law):
    try:
        law.check(MetricCase(all_metrics()[name]))
    except Spared as spared:
        pytest.skip(str(spared))


def test_all_metrics_are_found_by_name():
    found = all_metrics()
    assert set(SAMPLES) | {"nll", "bits_per_dim", "kl"} <= set(found)
    assert all(name == metric.name for name, metric in found.items())


def test_two_families_may_not_define_one_metric(monkeypatch):
    monkeypatch.setattr("qinn_bench.registry.names", lambda kind: ["mmd", "mmd"])
    with pytest.raises(Refused, match="'mmd'"):
        all_metrics()


@pytest.mark.parametrize("name", SAMPLES)
def test_columns_start_with_the_name_and_state_error_unit_direction_and_n(name, rng):
    for column, estimate in all_metrics()[name].compute(pair(500, rng)).items():
        assert column.startswith(name)
        assert estimate.value is not None
        assert estimate.error is not None and estimate.error > 0
        assert 0 < estimate.n <= 500
        assert estimate.unit == UNITS[name]
        assert (estimate.better == "none") == (column in ("peak_mass", "peak_width"))


@pytest.mark.parametrize("name", SAMPLES)
def test_values_are_the_same_without_errors(name, rng):
    evidence = pair(300, rng)
    full, bare = (
        all_metrics()[name].compute(replace(evidence, rng=np.random.default_rng(3), errors=errors))
        for errors in (True, False)
    )
    assert {c: e.value for c, e in full.items()} == pytest.approx({c: e.value for c, e in bare.items()}, rel=1e-9)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_generator_gives_the_same_numbers(name, rng):
    evidence = pair(300, rng)
    first, second = (all_metrics()[name].compute(replace(evidence, rng=np.random.default_rng(3))) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_may_differ_in_size(name, rng):
    uneven = synthetic.evidence(synthetic.rows(300, rng), synthetic.rows(450, rng))
    assert all(estimate.value is not None for estimate in all_metrics()[name].compute(uneven).values())


@pytest.mark.parametrize("name", SAMPLES)
def test_a_row_that_is_not_finite_is_an_outlier_where_a_number_is_bounded(name, rng):
    evidence, whole = pair(300, rng), pair(300, rng)
    evidence.generated[7] = np.nan
    columns, before = all_metrics()[name].compute(evidence), all_metrics()[name].compute(whole)
    assert set(columns) == set(before)
    if name in UNBOUNDED:
        assert {e.value for e in columns.values()} == {None}
        assert {e.note for e in columns.values()} == {"1 of 300 generated rows are not finite"}
    elif name != "peak":
        assert None not in {e.value for e in columns.values()}


@pytest.mark.parametrize("name", SAMPLES)
def test_an_empty_sample_leaves_no_number(name, rng):
    empty = synthetic.evidence(synthetic.rows(50, rng), np.empty((0, 3)))
    columns = all_metrics()[name].compute(empty)
    assert columns
    assert all(e.value is None and e.note.startswith("only 0 rows") for e in columns.values())


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("mmd", "mmd"),
        ("mmd", "mmd_bw"),
        ("w1", "w1_mean"),
        ("swd", "swd"),
        ("chi2", "chi2_mean"),
        ("sep", "sep_mean"),
        ("c2st", "c2st"),
    ],
)
def test_growing_distortion_is_seen_as_growing(name, column):
    values = [
        all_metrics()[name].compute(pair(800, np.random.default_rng(1), d))[column].value for d in (0, 0.2, 0.5, 1.0)
    ]
    assert values == sorted(values)
    assert values[0] < 0.5 * values[-1] or column == "c2st"


@pytest.mark.parametrize("distortion", [0.0, 0.3])
@pytest.mark.parametrize(
    ("name", "n", "repeats"),
    [
        ("mmd", 100, 100),
        ("w1", 200, 100),
        ("swd", 200, 60),
        ("chi2", 400, 120),
        ("sep", 400, 120),
        pytest.param("peak", 1000, 60, marks=pytest.mark.slow),
        pytest.param("c2st", 400, 80, marks=pytest.mark.slow),
    ],
)
def test_the_stated_error_is_the_scatter_over_repeats(name, n, repeats, distortion):
    rng = np.random.default_rng(68)
    found = [all_metrics()[name].compute(pair(n, rng, distortion, seed)) for seed in range(repeats)]
    for column in found[0]:
        values, errors = np.array([[f[column].value, f[column].error] for f in found]).T
        covered = np.mean(np.abs(values - values.mean()) < errors)
        assert 0.5 <= covered <= 0.87, column


# Likelihood


def _gaussian(n: int, rng: np.random.Generator, mass: float, claimed: float = 1.0) -> Evidence:
    """Standard normal test rows, and the log-density of N(0, 1) in three dimensions times `claimed`."""
    test = rng.normal(size=(n, 3))
    log_prob = -0.5 * np.sum(test**2, axis=1) - 1.5 * np.log(2 * np.pi) + np.log(claimed)
    data = replace(synthetic.dataset(20), test=test)
    certified = Estimate(value=mass, error=0.01 * mass)
    return synthetic.evidence(test, test, data=data, log_prob=log_prob, mass=certified)


ENTROPY = 1.5 * np.log(2 * np.pi * np.e)


def test_nll_of_a_gaussian_is_its_entropy(rng):
    found = likelihood.nll(_gaussian(100_000, rng, 1.0))
    assert found["nll"].value == pytest.approx(ENTROPY, abs=4 * found["nll"].error)
    assert found["nll_claimed"].error == pytest.approx(np.sqrt(1.5 / 100_000), rel=0.02)
    assert found["nll"].error == pytest.approx(np.hypot(np.sqrt(1.5 / 100_000), 0.01), rel=0.02)


def test_a_density_that_claims_too_much_gains_nothing(rng):
    honest = likelihood.nll(_gaussian(1000, np.random.default_rng(0), 1.0))
    liar = likelihood.nll(_gaussian(1000, np.random.default_rng(0), 32.4, claimed=32.4))
    assert liar["nll_claimed"].value == pytest.approx(honest["nll_claimed"].value - np.log(32.4))
    assert liar["nll"].value == pytest.approx(honest["nll"].value)


def test_bits_per_dim_is_nll_in_bits_per_coordinate(rng):
    evidence = _gaussian(1000, rng, 1.3)
    bits, nats = likelihood.bits_per_dim(evidence)["bits_per_dim"], likelihood.nll(evidence)["nll"]
    assert bits.value == pytest.approx(nats.value / (3 * np.log(2)))
    assert bits.error == pytest.approx(nats.error / (3 * np.log(2)))
    assert (bits.unit, nats.unit, bits.better, nats.better) == ("bits", "nats", "lower", "lower")


def test_rows_without_a_finite_density_are_counted_not_averaged(rng):
    evidence = _gaussian(100, rng, 1.0)
    evidence.log_prob[[3, 5]] = -np.inf, np.nan
    for estimate in (likelihood.nll(evidence) | likelihood.bits_per_dim(evidence)).values():
        assert estimate.value is None
        assert estimate.note == "the log-density of 2 of 100 test rows is not finite"


@pytest.mark.parametrize("mass", [None, Estimate(value=None, note="too few draws"), Estimate(value=0.0)])
def test_without_a_mass_only_the_claim_is_reported(rng, mass):
    found = likelihood.nll(replace(_gaussian(100, rng, 1.0), mass=mass))
    assert found["nll"].value is None and "mass" in found["nll"].note
    assert found["nll_claimed"].value is not None


class _Normal:
    entropy = ENTROPY

    def log_density(self, rows):
        return -0.5 * np.sum(rows**2, axis=1) - 1.5 * np.log(2 * np.pi)

    def sample(self, n, rng):
        return rng.normal(size=(n, 3))


def test_kl_of_shifted_gaussians_is_half_the_squared_shift(rng):
    evidence = _gaussian(20_000, rng, 1.0)
    shifted = _Normal().log_density(evidence.data.test - 0.5)
    evidence = replace(evidence, data=replace(evidence.data, density=_Normal()), log_prob=shifted)
    found = likelihood.kl(evidence)["kl"]
    assert found.value == pytest.approx(0.375, abs=4 * found.error)
    assert likelihood.kl(_gaussian(20, rng, 1.0)) == {}


def test_nll_error_covers_the_entropy():
    rng = np.random.default_rng(68)
    covered = 0
    for _ in range(200):
        found = likelihood.nll(_gaussian(100, rng, float(1 + 0.01 * rng.normal())))["nll"]
        covered += abs(found.value - ENTROPY) < found.error
    assert 0.6 < covered / 200 < 0.76


# MMD


def _by_loops(x, y, kernel):
    def k(a, b):
        return kernel(np.sum((a - b) ** 2, keepdims=True))[0]

    n = len(x)
    within = sum(k(s[i], s[j]) for s in (x, y) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return within - 2 * sum(k(a, b) for a in x for b in y) / n**2


def test_mmd_is_the_plain_double_sum(rng):
    x, y = rng.normal(size=(12, 2)), rng.normal(1.0, 1.0, size=(12, 2))
    for kernel in (mmd.gaussians(0.7), mmd.breit_wigner(2.0)):
        assert mmd.discrepancy(x, y, kernel, rng).value == pytest.approx(_by_loops(x, y, kernel))


def test_mmd_jackknife_leaves_out_each_pair_in_turn(rng):
    x, y, kernel = rng.normal(size=(8, 1)), rng.normal(2.0, 1.0, size=(8, 1)), mmd.breit_wigner(1.0)
    both = np.concatenate([x, y])
    gram = kernel((both - both.T) ** 2) - np.eye(16)
    without = [_by_loops(np.delete(x, i, 0), np.delete(y, i, 0), kernel) for i in range(8)]
    assert mmd._jackknife(gram, 8)[1] == pytest.approx(49 / 8 * np.var(without, ddof=1))


def test_mmd_null_is_mmd_of_relabelled_rows(rng):
    x, y, kernel = rng.normal(size=(10, 1)), rng.normal(size=(10, 1)), mmd.breit_wigner(1.0)
    null = mmd.discrepancy(x, y, kernel, np.random.default_rng(4)).null
    both, order = np.concatenate([x, y]), np.random.default_rng(4).permutation(20)
    assert null[0] == pytest.approx(_by_loops(both[order < 10], both[order >= 10], kernel))


def test_mmd_of_two_gaussians_has_its_closed_form(rng):
    """E k = s / sqrt(s^2 + 2) exp(-shift^2 / (2 (s^2 + 2))) for unit normals and one Gaussian kernel of width s."""
    shift, width, n = 0.8, 1.5, 1000
    x, y = rng.normal(size=(n, 1)), rng.normal(shift, 1.0, size=(n, 1))
    s2 = (np.array(mmd.WIDTHS) * width) ** 2
    expected = np.mean(np.sqrt(s2 / (s2 + 2)) * 2 * (1 - np.exp(-(shift**2) / (2 * (s2 + 2)))))
    found = mmd.discrepancy(x, y, mmd.gaussians(width), rng)
    assert found.value == pytest.approx(expected, abs=4 * found.error)
    assert found.error < 0.15 * expected


def test_mmd_of_a_sample_with_itself_is_not_positive(rng):
    x = rng.normal(size=(200, 2))
    assert -0.02 < mmd.discrepancy(x, x, mmd.gaussians(1.0), rng).value <= 0


def test_the_gaussian_mixture_is_the_mean_of_its_gaussians(rng):
    d2 = rng.exponential(size=50)
    plain = np.mean([np.exp(-d2 / (2 * (0.8 * f) ** 2)) for f in (0.25, 0.5, 1, 2, 4)], axis=0)
    assert mmd.gaussians(0.8)(d2) == pytest.approx(plain)


def test_f17_the_breit_wigner_kernel_is_half_at_half_its_width():
    assert mmd.breit_wigner(2.5)(np.array([0.0, 1.25**2])) == pytest.approx([1.0, 0.5])


def test_the_median_width_is_that_of_the_rows():
    assert mmd.median_width(np.array([[0.0], [3.0]])) == pytest.approx(3 / np.sqrt(2))


def test_without_a_resonance_there_is_no_resonance_column(rng):
    data = synthetic.dataset(20, resonance=False)
    evidence = replace(pair(100, rng), data=data)
    assert set(mmd.mmd(evidence)) == {"mmd"}
    assert resonance.peak(evidence) == {}


def test_mmd_p_value_is_small_only_for_different_laws():
    notes = [mmd.mmd(pair(300, np.random.default_rng(9), d))["mmd"].note for d in (0.0, 0.5)]
    same, different = (float(note.split()[3].rstrip(",")) for note in notes)
    assert different < 0.01 < same


# Wasserstein


def test_w1_agrees_with_scipy(rng):
    evidence = pair(700, rng, 0.2)
    found = wasserstein.w1(evidence)
    for name, column in (("mass", 0), ("x", 1), ("t", 2)):
        truth, generated = evidence.truth[:, column], evidence.generated[:, column]
        assert found[f"w1_{name}"].value == pytest.approx(wasserstein_distance(truth, generated) / truth.std())
    each = [found[f"w1_{name}"].value for name in ("mass", "x", "t")]
    assert found["w1_mean"].value == pytest.approx(np.mean(each))


def test_w1_of_samples_of_unequal_size_agrees_with_scipy(rng):
    x, y = rng.normal(size=300), rng.normal(0.4, 2.0, size=170)
    weights = np.repeat([[1 / 300], [-1 / 170]], [300, 170], axis=0)
    assert wasserstein.distances(np.concatenate([x, y]), weights)[0] == pytest.approx(wasserstein_distance(x, y))


@pytest.mark.parametrize(("shift", "scale", "expected"), [(0.7, 1.0, 0.7), (0.0, 1.5, 0.5 * np.sqrt(2 / np.pi))])
def test_w1_of_shifted_and_of_scaled_normals_has_its_closed_form(rng, shift, scale, expected):
    truth, generated = synthetic.rows(40_000, rng), synthetic.rows(40_000, rng, shift=shift, scale=scale)
    found = wasserstein.w1(synthetic.evidence(truth, generated))["w1_x"]
    assert found.value == pytest.approx(expected, abs=4 * found.error)


def test_w1_and_swd_vanish_at_identity(rng):
    same = synthetic.rows(500, rng)
    found = wasserstein.w1(synthetic.evidence(same, same)) | wasserstein.swd(synthetic.evidence(same, same))
    assert max(e.value for e in found.values()) < 1e-12


def test_swd_of_a_shift_is_the_mean_projection_of_the_shift(rng):
    """For a common shift v in 3 dimensions the mean of |v . u| over directions u is |v| / 2."""
    truth = synthetic.rows(500, rng)
    features = synthetic.Standardise().forward(truth)[0]
    generated = synthetic.Standardise().inverse(features + np.array([0.6, 0.0, -0.8]))
    found = wasserstein.swd(synthetic.evidence(truth, generated))["swd"]
    assert found.value == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / wasserstein.DIRECTIONS))


# Histograms


def _ww(y1, y2):
    w1, w2, total, ndf = y1.sum(), y2.sum(), 0.0, -1
    for a, b in zip(y1, y2, strict=True):
        if a + b:
            total, ndf = total + (w1 * b - w2 * a) ** 2 / (w1**2 * b + w2**2 * a), ndf + 1
    return total / ndf


def test_chi2_is_the_sum_over_filled_bins(rng):
    y1, y2 = np.array([5.0, 0, 7, 30, 0]), np.array([4.0, 0, 12, 10, 3])
    assert histograms.chi2_per_ndf(y1, y2)[0] == pytest.approx(_ww(y1, y2))


def test_separation_is_zero_at_identity_and_one_without_overlap():
    y = np.array([3.0, 4.0, 0.0])
    assert histograms.separation_power(y, 2 * y)[0] == 0
    assert histograms.separation_power(y, np.array([0.0, 0.0, 9.0]))[0] == pytest.approx(1.0)


def test_separation_of_two_bins_by_hand():
    assert histograms.separation_power(np.array([1.0, 1.0]), np.array([3.0, 1.0]))[0] == pytest.approx(1 / 15)


@pytest.mark.parametrize("distance", [histograms.chi2_per_ndf, histograms.separation_power])
def test_the_stated_slopes_are_the_derivatives_by_the_shares(distance):
    y1, y2, step = np.array([20.0, 30, 50]), np.array([30.0, 25, 45]), 1e-5
    _, d1, _, _ = distance(y1, y2)
    for i, j in ((0, 1), (1, 2)):
        move = 100 * step * (np.eye(3)[i] - np.eye(3)[j])
        numeric = (distance(y1 + move, y2)[0] - distance(y1 - move, y2)[0]) / (2 * step)
        assert d1[i] - d1[j] == pytest.approx(numeric, rel=1e-5)


def test_under_equal_laws_chi2_is_one_and_separation_its_floor():
    rng, n, bins = np.random.default_rng(0), 4000, 50
    chi2, floor = [], []
    for _ in range(100):
        y1, y2 = rng.multinomial(n, np.full(bins, 1 / bins), size=2).astype(float)
        chi2.append(histograms.chi2_per_ndf(y1, y2)[0])
        floor.append(histograms.separation_power(y1, y2)[0])
    assert np.mean(chi2) == pytest.approx(1.0, abs=4 * np.sqrt(2 / (bins - 1) / 100))
    assert np.mean(floor) == pytest.approx((bins - 1) / 4 * 2 / n, rel=0.08)


def test_rows_outside_the_histogram_are_told(rng):
    evidence = pair(100, rng)
    evidence.generated[:25, 1] = 50.0
    assert histograms.chi2(evidence)["chi2_x"].note == "25.0% of the generated rows outside the histogram"
    evidence.generated[:, 1] = 50.0
    found = histograms.separation(evidence)
    assert found["sep_x"].value is None and "no entries" in found["sep_x"].note
    assert found["sep_mean"].value is None and found["sep_t"].value is not None


def test_influence_finds_the_bins_that_the_histogram_finds(rng):
    plot, values = Observable("x", "x", -1.0, 2.0, "", 7), rng.normal(size=500)
    filled = histograms.counts(values, plot)
    slope = rng.normal(size=7)
    found = histograms._influence(values, filled, slope, plot)
    assert np.count_nonzero(found) == filled.sum()
    assert np.sum(found**2) * filled.sum() == pytest.approx(np.cov(slope, aweights=filled, ddof=0))


def test_ratio_is_one_for_equal_histograms_with_garwood_ends():
    ratio, low, high = histograms.ratio(np.array([100.0, 0.0, 4.0]), np.array([200.0, 0.0, 8.0]))
    assert ratio[[0, 2]] == pytest.approx([1.0, 1.0])
    assert np.isnan([ratio[1], low[1], high[1]]).all()
    assert low[0] == pytest.approx(1 - 1 / np.sqrt(200), abs=0.005)
    assert high[2] == pytest.approx(11.9451 / 8, abs=1e-3)


# The peak


def _window(*, low=76.0, high=106.0):
    return replace(synthetic.dataset(20).resonance, low=low, high=high)


def test_the_fit_recovers_mass_and_width(rng):
    found = resonance.fit(synthetic.breit_wigner(20_000, rng, 91.0, 2.6), _window())
    assert found.mass == pytest.approx(91.0, abs=4 * found.mass_error)
    assert found.width == pytest.approx(2.6, abs=4 * found.width_error)
    assert found.mass_error < 0.03 and found.width_error < 0.06


def test_the_fit_recovers_the_peak_on_a_background(rng):
    values = np.concatenate([synthetic.breit_wigner(10_000, rng), rng.uniform(71, 111, 4000)])
    found = resonance.fit(values, _window())
    assert found.mass == pytest.approx(synthetic.MASS, abs=4 * found.mass_error)
    assert found.width == pytest.approx(synthetic.WIDTH, abs=4 * found.width_error)


def test_the_fitted_density_integrates_to_one():
    torch = pytest.importorskip("torch")
    grid = torch.linspace(76, 106, 30_001, dtype=torch.float64)
    parameters = torch.tensor([0.1, 1.2, 0.3, 0.2], dtype=torch.float64)
    mass = torch.trapezoid(resonance.log_density(parameters, grid, _window()).exp(), grid)
    assert float(mass) == pytest.approx(1.0, abs=1e-4)


def test_fit_errors_cover_the_truth():
    rng = np.random.default_rng(68)
    fits = [resonance.fit(synthetic.breit_wigner(1000, rng), _window()) for _ in range(60)]
    assert 0.5 < np.mean([abs(f.mass - synthetic.MASS) < f.mass_error for f in fits]) < 0.85
    assert 0.5 < np.mean([abs(f.width - synthetic.WIDTH) < f.width_error for f in fits]) < 0.85


def test_the_shift_is_measured_against_the_truths_own_fit(rng):
    truth, generated = synthetic.rows(4000, rng), synthetic.rows(4000, rng, mass=synthetic.MASS + 0.5)
    found = resonance.peak(synthetic.evidence(truth, generated))
    own = resonance.fit(truth[:, 0], synthetic.dataset(20).resonance)
    assert found["peak_mass_shift"].value == pytest.approx(found["peak_mass"].value - own.mass)
    assert found["peak_mass_shift"].value == pytest.approx(0.5, abs=4 * found["peak_mass_shift"].error)
    assert found["peak_mass_shift"].better == "zero"


def test_a_sample_without_a_peak_has_no_mass_but_a_reason(rng):
    few = resonance.fit(np.full(1000, 20.0), _window())
    assert few.why == "only 0 rows in the window of the fit, at least 100 are needed"
    edge = resonance.fit(76 + rng.exponential(4.0, 2000), _window())
    assert "end of its range" in edge.why
    spike = resonance.fit(np.full(500, 91.0), _window())
    assert spike.why
    evidence = synthetic.evidence(synthetic.rows(500, rng), np.full((500, 3), 20.0))
    assert {e.value for e in resonance.peak(evidence).values()} == {None}


# The classifier


def _auc_by_pairs(signal, background):
    return np.mean((signal[:, None] > background) + 0.5 * (signal[:, None] == background))


def test_auc_is_the_share_of_ordered_pairs_with_ties_counted_half(rng):
    signal, background = rng.integers(0, 6, 40).astype(float), rng.integers(0, 5, 30).astype(float)
    assert classifier.auc(signal, background).value == pytest.approx(_auc_by_pairs(signal, background))


def test_auc_of_shifted_normals_has_its_closed_form_and_covers_it():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(300):
        found = classifier.auc(rng.normal(0.8, 1.0, 200), rng.normal(size=150))
        covered += abs(found.value - ndtr(0.8 / np.sqrt(2))) < found.error
    assert 0.6 < covered / 300 < 0.76


def test_auc_error_at_one_half_is_the_closed_form(rng):
    found = classifier.auc(rng.normal(size=1200), rng.normal(size=1200))
    assert found.error == pytest.approx(np.sqrt(1 / 12 * 2 / 1200), rel=0.05)


def test_c2st_is_one_half_for_one_law_and_finds_a_known_shift(rng):
    same = classifier.c2st(pair(2000, rng))["c2st"]
    assert abs(same.value - 0.5) < 4 * same.error
    truth, generated = synthetic.rows(4000, rng), synthetic.rows(4000, rng, shift=1.0)
    shifted = classifier.c2st(synthetic.evidence(truth, generated))["c2st"]
    assert ndtr(1 / np.sqrt(2)) - 0.05 < shifted.value < ndtr(1 / np.sqrt(2)) + 4 * shifted.error


def test_the_shortest_half_of_a_breit_wigner_is_its_width(rng: np.random.Generator) -> None:
    rows = synthetic.rows(20_000, rng)
    rows[:, 0] = 91.2 + 1.25 * rng.standard_cauchy(20_000)
    found = resonance.shorth(synthetic.evidence(rows, rows))
    for name, truth in (("shorth_center", 91.2), ("shorth_width", 2.5)):
        estimate = found[name]
        assert estimate.value is not None and estimate.error is not None
        assert abs(estimate.value - truth) < 4 * estimate.error < 0.8
