"""Metrics at every border: constants, ties, offsets, scales, few rows; each ends as a number or as none with reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import synthetic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import wasserstein_distance

from qinn_bench.dataset import Column, Dataset, Evidence, Metric, Observable, Resonance
from qinn_bench.metrics import classifier, likelihood, mmd, resonance, wasserstein
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.metrics._take import take
from qinn_bench.values import Array, Estimate

METRICS = all_metrics()
SAMPLES = tuple(name for name, metric in METRICS.items() if metric.needs == "samples")
DENSITIES = tuple(name for name, metric in METRICS.items() if metric.needs == "density")
SLOW = {"c2st": 3, "peak": 12}
"""How many examples those metrics are given that take long for each."""


class Identity:
    """Features are the rows."""

    def forward(self, rows: Array) -> tuple[Array, Array]:
        return rows, np.zeros(len(rows))

    def inverse(self, features: Array) -> Array:
        return features


class Flat:
    """A density that is 1 everywhere."""

    entropy = 0.0

    def log_density(self, rows: Array) -> Array:
        return np.zeros(len(rows))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        return rng.random((n, 1))


def evidence(
    truth: Array, generated: Array, log_prob: Array | None = None, scale: float = 1.0, errors: bool = True
) -> Evidence:
    """Evidence of rows ``(n, dim)`` as they are, each column an observable, the first one with a resonance."""
    names = [f"x{i}" for i in range(truth.shape[1])]
    low, high = (float(np.clip(end, -8e307, 8e307)) for end in (truth[:, 0].min(), truth[:, 0].max()))
    low, high = (low, high) if low < high else (low - scale, low + scale)
    data = Dataset(
        name="borders",
        columns=tuple(Column(name, name) for name in names),
        train=truth,
        valid=truth,
        test=truth,
        transform=Identity(),
        observables=lambda rows: {name: rows[:, i] for i, name in enumerate(names)},
        plots=tuple(Observable(name, name, low, high, "GeV", 20) for name in names),
        support=lambda rows: np.ones(len(rows), bool),
        fingerprint="borders",
        density=Flat(),
        resonance=Resonance("x0", low / 2 + high / 2, scale, low, high),
    )
    return Evidence(data, truth, generated, log_prob, Estimate(value=1.0, error=0.01), np.random.default_rng(1), errors)


def ends(columns: dict[str, Estimate]) -> None:
    """Each column is a number, or none with a reason; a number has an error above zero or a note on why not."""
    for name, column in columns.items():
        assert column.value is not None or column.note, name
        assert column.value is None or column.error is None or column.error >= 0
        if column.value is not None and not column.error:
            assert column.note or name.startswith(("nll", "bits", "kl", "mmd", "chi2", "sep")), name


KINDS = ("normal", "constant", "binary", "rare", "padded", "rounded", "heavy", "huge outlier", "two values far apart")


def sample(kind: str, n: int, seed: int) -> Array:
    """``n`` values of one kind, of order one."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n)
    return {
        "normal": values,
        "constant": np.ones(n),
        "binary": (values > 0).astype(float),
        "rare": (np.arange(n) == 0).astype(float),
        "padded": np.where(values > 0.5, values, 0.0),
        "rounded": np.round(values),
        "heavy": values / rng.random(n) ** 3,
        "huge outlier": np.where(np.arange(n) == n - 1, 1e200, values),
        "two values far apart": np.where(values > 0, 1e150, -1e150),
    }[kind]


kinds = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)), min_size=1, max_size=3)
rows = st.sampled_from([1, 2, 3, 19, 20, 21, 39, 40, 41, 120])
scales = st.sampled_from([1e-300, 1e-30, 1.0, 1e9, 1e30, 1e300])
offsets = st.sampled_from([0.0, 1.0, 1e6, -1e9])


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", SAMPLES)
def test_a_metric_of_samples_ends_as_a_number_or_as_none_with_a_reason(name: str) -> None:
    @settings(max_examples=SLOW.get(name, 40), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(kinds, rows, rows, scales, offsets, st.booleans())
    def law(pairs, n, m, scale, offset, errors):
        with np.errstate(over="ignore"):
            truth, generated = (
                np.clip(
                    np.column_stack([sample(pair[side], size, 7 * i + side) + offset for i, pair in enumerate(pairs)])
                    * scale,
                    -1.7e308,
                    1.7e308,
                )
                for side, size in ((0, n), (1, m))
            )
        found = METRICS[name].compute(evidence(truth, generated, scale=scale, errors=errors))
        assert found
        if errors:
            ends(found)
        broken = generated.copy()
        broken[0, 0] = np.nan
        again = METRICS[name].compute(evidence(truth, broken, scale=scale))
        ends(again)
        for column in again.values() if name in ("w1", "swd") else ():
            assert column.value is None and column.note

    law()


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", DENSITIES)
@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(KINDS), st.sampled_from([0, 1, 2, 3, 40]), scales, offsets, st.floats(1e-300, 1e300))
def test_a_metric_of_densities_ends_as_a_number_or_as_none_with_a_reason(name, kind, n, scale, offset, mass):
    with np.errstate(over="ignore"):
        log_prob = np.clip((sample(kind, n, 3) + offset) * scale, -1.7e308, 1.7e308)
    few = evidence(np.arange(max(n, 1.0))[:, None], np.zeros((20, 1)), log_prob)
    few = replace(few, data=replace(few.data, test=few.data.test[:n]), mass=Estimate(value=mass, error=1e-3))
    ends(METRICS[name].compute(few))


# Invariance: what is measured in units of the truth depends neither on the unit nor on the zero of an observable.


def moved(offset: float, scale: float, columns: tuple[str, ...] = SAMPLES) -> dict[str, Estimate]:
    rng = np.random.default_rng(5)
    # On a lattice, so that even at the largest offset the rows themselves keep their digits.
    truth, generated = (np.round(rng.normal(loc, 1.0, (300, 2)) * 2**14) / 2**14 for loc in (0.0, 0.4))
    both = evidence((truth + offset) * scale, (generated + offset) * scale, scale=scale)
    return {key: value for name in columns for key, value in METRICS[name].compute(both).items()}


@pytest.mark.parametrize("scale", [2.0**-990, 1e-6, 1.0, 1e60, 2.0**990])
@pytest.mark.parametrize("offset", [0.0, 1e6, -1e9])
def test_a_metric_in_units_of_the_truth_depends_on_neither_offset_nor_scale(offset, scale):
    names = ("w1", "swd", "mmd", "chi2", "sep")
    here, there = moved(0.0, 1.0, names), moved(offset, scale, names)
    for name, expected in here.items():
        unit = scale if name == "swd" else 1.0
        tolerance = 1e-12 if offset == 0 else 2e-6
        assert there[name].value / unit == pytest.approx(expected.value, rel=tolerance, abs=1e-12), name
        assert there[name].error / unit == pytest.approx(expected.error, rel=1e-3), name


@pytest.mark.parametrize("offset", [1e6, 1e8, 1e9, 1e12])
def test_w1_keeps_its_digits_at_an_offset(offset):
    rng = np.random.default_rng(0)
    x, y = (np.round(rng.normal(size=500) * 1024) / 1024 for _ in range(2))
    found = wasserstein.w1(evidence((x + offset)[:, None], (y + offset)[:, None]))["w1_x0"]
    assert found.value == pytest.approx(wasserstein_distance(x, y) / x.std(), rel=1e-9)


# Constants and ties.


def test_w1_of_a_constant_truth_has_no_unit_and_the_mean_names_it(rng=np.random.default_rng(2)) -> None:  # noqa: B008
    truth, generated = rng.normal(size=(100, 3)), rng.normal(size=(100, 3))
    truth[:, 1] = 0.1 + 0.2
    found = wasserstein.w1(evidence(truth, generated))
    assert found["w1_x1"].value is None and "same value" in found["w1_x1"].note
    others = [found[f"w1_x{i}"].value for i in (0, 2)]
    assert found["w1_mean"].value == pytest.approx(np.mean(others))
    assert found["w1_mean"].note == "without x1, of which all true rows have the same value"
    assert list(found) == ["w1_x0", "w1_x1", "w1_x2", "w1_mean"]


@pytest.mark.parametrize("at", [1.0, 1e9, 1e300])
def test_what_differs_by_rounding_only_has_no_spread(at):
    truth = np.full((60, 1), at)
    truth[::2] = np.nextafter(at, np.inf)
    assert wasserstein.w1(evidence(truth, truth))["w1_mean"].value is None


def test_w1_of_binary_features_is_the_difference_of_their_means_in_sd():
    truth, generated = ((np.arange(200) < k).astype(float)[:, None] for k in (20, 50))
    found = wasserstein.w1(evidence(truth, generated))["w1_x0"]
    assert found.value == pytest.approx(0.15 / np.sqrt(0.1 * 0.9)) and found.error > 0


def test_w1_says_where_its_error_is_not_known():
    truth = np.zeros((100, 1))
    truth[3] = 1.0
    found = wasserstein.w1(evidence(truth, truth))["w1_x0"]
    assert (
        found.value == pytest.approx(0, abs=1e-12) and found.error is None and "resamplings have no value" in found.note
    )


@pytest.mark.parametrize("share", [0.1, 0.3, 0.8])
def test_mmd_of_binary_features_has_a_width(share):
    rng = np.random.default_rng(3)
    truth, generated = ((rng.random((300, 1)) < p).astype(float) for p in (share, share + 0.15))
    found = mmd.mmd(evidence(truth, generated))["mmd"]
    width = 1 / np.sqrt(2)
    kernel = np.mean(np.exp(-1 / (2 * (np.array(mmd.WIDTHS) * width) ** 2)))
    p, q = truth.mean(), generated.mean()
    assert found.value == pytest.approx(2 * (1 - kernel) * (p - q) ** 2, abs=0.006)
    assert found.error > 0


def test_mmd_of_a_constant_truth_is_none():
    found = mmd.mmd(evidence(np.ones((50, 2)), np.random.default_rng(0).normal(size=(50, 2))))["mmd"]
    assert found.value is None and "all true rows are the same" in found.note


def test_an_error_that_no_resampling_moves_is_not_zero_but_unknown():
    rng = np.random.default_rng(0)
    same = np.concatenate([np.full(90, 2.0), rng.normal(size=10)])[:, None]
    width = resonance.shorth(evidence(same, same))["shorth_width"]
    assert width.value == 0 and width.error is None and "not known" in width.note


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("name", ["w1", "swd", "mmd", "chi2", "sep", "shorth"])
def test_the_error_of_twenty_rows_is_their_scatter(name, shift):
    rng = np.random.default_rng(3)
    pairs = [(synthetic.rows(20, rng), synthetic.rows(20, rng, shift=shift, scale=1 + shift)) for _ in range(80)]
    found = [METRICS[name].compute(synthetic.evidence(*pair, seed=seed)) for seed, pair in enumerate(pairs)]
    for column in found[0]:
        values, errors = np.array([[one[column].value, one[column].error] for one in found]).T
        assert errors.min() > 0
        assert 0.5 <= np.mean(np.abs(values - values.mean()) < errors) <= 0.95, column


# The classifier.


@pytest.mark.parametrize("n", [20, 30, 39])
def test_c2st_of_rows_too_few_for_its_trees_is_none(n):
    rng = np.random.default_rng(0)
    found = classifier.c2st(evidence(rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) + 1e3))["c2st"]
    assert found.value is None and found.note == f"only {n} rows, at least 40 are needed"


@pytest.mark.parametrize("n", [40, 41, 60])
def test_c2st_of_few_rows_far_apart_is_one_within_an_honest_error(n):
    rng = np.random.default_rng(0)
    found = classifier.c2st(evidence(rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) + 1e3))["c2st"]
    assert found.value == 1
    assert 1.5 / (n // 2 + 1) < found.error < 2 / (n // 2)


def test_c2st_of_rows_that_are_all_the_same_has_an_error():
    found = classifier.c2st(evidence(np.ones((100, 2)), np.ones((100, 2))))["c2st"]
    assert found.value == 0.5 and found.error > 0


@pytest.mark.parametrize("reverse", [False, True])
def test_the_error_of_a_perfect_auc_is_the_interval_of_clopper_and_pearson(reverse):
    high, low = np.arange(10.0, 30.0), np.arange(5.0)
    found = classifier.auc(low, high) if reverse else classifier.auc(high, low)
    assert found.value == (0.0 if reverse else 1.0)
    # With one pair in five misordered at this rate, five of five are seen right in 15.9 % of the cases.
    assert (1 - found.error) ** 5 == pytest.approx((1 - 0.6826894921) / 2)


@pytest.mark.parametrize(("n", "shift"), [(20, 2.5), (20, 3.5), (50, 3.5), (50, 4.5), (200, 4.5), (50, 6.0)])
def test_the_error_of_an_auc_near_one_covers_it(n, shift):
    rng = np.random.default_rng(68)
    truth = ndtr(shift / np.sqrt(2))
    found = [classifier.auc(rng.normal(shift, 1.0, n), rng.normal(size=n)) for _ in range(400)]
    assert np.mean([abs(f.value - truth) < f.error for f in found]) > 0.57
    assert min(f.error for f in found) > 0


# The peak.


@pytest.mark.parametrize("width", [0.03, 0.1, 0.5, 2.5])
def test_the_width_of_a_narrow_peak_is_not_made_by_a_grid(width):
    rng = np.random.default_rng(11)
    window = Resonance("m", 91.0, 2.5, 81.0, 101.0)
    cauchy = 91.0 + width / 2 * np.tan(np.pi * (np.random.default_rng(1).random(20_000) - 0.5))
    values = np.concatenate([cauchy, rng.uniform(81.0, 101.0, 400)])
    found = resonance.fit(values, window)
    assert found.width == pytest.approx(width, abs=4 * found.width_error)
    assert found.width_error < 0.03 * width


def test_the_density_of_a_peak_integrates_to_one_at_any_width_and_scale():
    torch = pytest.importorskip("torch")
    for scale in (1e-200, 1.0, 1e200):
        window = Resonance("m", 91.0 * scale, 2.5 * scale, 76.0 * scale, 106.0 * scale)
        for share, width in ((0.0, 0.011), (0.3, 0.2), (0.2, 4.0)):
            edges = np.concatenate([[-15.0], -np.geomspace(15, 1e-5, 4000), np.geomspace(1e-5, 15, 4000), [15.0]])
            nodes, weights = np.polynomial.legendre.leggauss(5)
            left, right = edges[:-1, None], edges[1:, None]
            at = ((left + right) / 2 + (right - left) / 2 * nodes).ravel()
            area = ((right - left) / 2 * weights).ravel() * scale
            parameters = torch.tensor([0.0, width, 0.4, share], dtype=torch.float64)
            log_density = resonance.log_density(parameters, torch.as_tensor((91.0 + at) * scale), window).numpy()
            assert np.sum(np.exp(log_density + np.log(area))) == pytest.approx(1.0, abs=2e-8)


def test_the_peak_does_not_drop_rows_in_silence(rng=np.random.default_rng(4)) -> None:  # noqa: B008
    truth, generated = synthetic.rows(500, rng), synthetic.rows(500, rng)
    generated[[3, 8], 0] = np.nan, np.inf
    for column in resonance.peak(synthetic.evidence(truth, generated)).values():
        assert column.value is not None
        assert column.note == "2 of 500 generated rows are not finite and count as outliers"


# Likelihoods.


def test_one_test_row_has_a_value_and_no_error():
    one = evidence(np.zeros((1, 1)), np.zeros((20, 1)), np.array([-2.5]))
    found = likelihood.nll(replace(one, mass=Estimate(value=2.0, error=0.1)))
    assert found["nll_claimed"].value == 2.5
    assert found["nll"].value == pytest.approx(2.5 + np.log(2)) and found["nll"].error is None
    assert "no error" in found["nll"].note


def test_nll_keeps_its_digits_at_an_offset_and_a_scale():
    rng = np.random.default_rng(0)
    log_prob = np.round(rng.normal(size=100) * 1024) / 1024
    for offset, scale in ((1e9, 1.0), (0.0, 2.0**1000), (0.0, 2.0**-1000)):
        found = likelihood.nll(evidence(np.zeros((100, 1)), np.zeros((20, 1)), (log_prob + offset) * scale))
        claimed = found["nll_claimed"]
        assert claimed.value / scale + offset == pytest.approx(-log_prob.mean(), abs=1e-6)
        assert claimed.error / scale == pytest.approx(np.std(log_prob, ddof=1) / 10, rel=1e-9)


# Metrics of third parties.


def third(compute) -> Metric:
    return Metric("theirs", "somebody's", "samples", compute)


def _raises(evidence):
    raise KeyError("no such thing")


def _not_finite(evidence):
    return {"theirs": Estimate(value=float("nan"))}


def _smuggled(evidence):
    return {"theirs_a": Estimate(value=1.0, error=0.1), "theirs_b": Estimate.model_construct(value=float("inf"))}


@pytest.mark.parametrize(
    ("compute", "column", "why"),
    [
        (_raises, "theirs", "the metric ended in an error: KeyError: 'no such thing'"),
        (_not_finite, "theirs", "value is nan"),
        (_smuggled, "theirs_b", "value is inf"),
        (lambda evidence: {"theirs_x": 3.0}, "theirs_x", "a float instead of an estimate"),
        (lambda evidence: None, "theirs", "a NoneType instead of columns"),
        (lambda evidence: evidence.truth.sort(), "theirs", "read-only"),
        (lambda evidence: evidence.generated.__setitem__(0, 0.0), "theirs", "read-only"),
    ],
    ids=["raises", "nan", "inf", "number", "nothing", "writes truth", "writes generated"],
)
def test_a_metric_that_breaks_its_contract_is_none_with_the_reason(compute, column, why):
    both = evidence(np.arange(30.0)[:, None], np.arange(30.0)[:, None])
    found = take(third(compute), both)
    assert found[column].value is None and why in found[column].note
    assert "theirs_a" not in found or found["theirs_a"].value == 1.0
    assert both.truth[0, 0] == 0 and both.generated[0, 0] == 0


def test_a_metric_without_memory_is_not_at_fault():
    def compute(evidence):
        raise MemoryError

    with pytest.raises(MemoryError):
        take(third(compute), evidence(np.zeros((30, 1)), np.zeros((30, 1))))


@pytest.mark.parametrize("name", [*SAMPLES, *DENSITIES])
def test_taking_a_metric_changes_no_column(name):
    rng = np.random.default_rng(0)
    truth, generated = synthetic.rows(200, rng), synthetic.rows(200, rng)
    both = synthetic.evidence(truth, generated, log_prob=rng.normal(size=20), mass=Estimate(value=1.0, error=0.01))
    direct = METRICS[name].compute(replace(both, rng=np.random.default_rng(1)))
    assert take(METRICS[name], replace(both, rng=np.random.default_rng(1))) == direct
