"""A second estimate of the mass: against closed forms, its interval, and what it sees that draws do not."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import cKDTree
from test_audit import Affine, Claimed, Halved, affine_case, audit, dataset

from qinn_bench.torch_seeds import torch_rng
from qinn_bench.validity.bridge import Bridge, bridge_mass
from qinn_bench.validity.certificate import certify
from qinn_bench.validity.density_mass import Mass, Proposal, estimate_mass
from qinn_bench.validity.mass_verdict import contradicts, is_known, judge_visited, stands
from qinn_bench.validity.visited_rows import Visited

DRAWS = 30_000
POWER = 0.85
NARROW = 0.018
"""A tolerance that the interval of so many draws exceeds and that of own rows does not."""


def iterated(own, drawn, rounds=2000):
    """The fixed point of Meng and Wong, as it is written: the slow twin."""
    mass, first, second = 1.0, len(own) / (len(own) + len(drawn)), len(drawn) / (len(own) + len(drawn))
    own, drawn = np.exp(own), np.exp(drawn)
    for _ in range(rounds):
        above = np.mean(drawn / (first * drawn + second * mass))
        mass = above / np.mean(1 / (first * own + second * mass))
    return mass


def gaussians(constant, width, n, m, rng):
    """Log-ratios of a normal that claims the mass `constant` to one `width` times as wide: at own rows, at draws."""

    def ratio(x):
        return np.log(constant) + stats.norm.logpdf(x) - stats.norm.logpdf(x, scale=width)

    return ratio(rng.normal(size=n)), ratio(width * rng.normal(size=m))


@pytest.mark.parametrize("constant", [1e-8, 0.7, 1.0, 1.5, 1e12])
@pytest.mark.parametrize("width", [0.6, 1.0, 1.7])
def test_a_known_constant_is_found(constant, width):
    found = bridge_mass(*gaussians(constant, width, 4000, 6000, np.random.default_rng([1, int(10 * width)])))
    assert found.value == pytest.approx(constant, abs=4 * found.error + 1e-9 * constant)
    assert found.error < 0.02 * constant and found.n == 4000


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**20), st.floats(0.3, 3.0), st.integers(5, 80), st.integers(5, 80))
def test_it_is_the_fixed_point_that_was_published(seed, width, n, m):
    own, drawn = gaussians(1.3, width, n, m, np.random.default_rng(seed))
    assert bridge_mass(own, drawn).value == pytest.approx(iterated(own, drawn), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.floats(-200, 200))
def test_a_constant_factor_of_the_density_is_one_of_the_mass(shift):
    own, drawn = gaussians(1.0, 1.5, 300, 500, np.random.default_rng(2))
    first, second = bridge_mass(own, drawn), bridge_mass(own + shift, drawn + shift)
    assert np.log(second.value) == pytest.approx(np.log(first.value) + shift, abs=1e-6)
    assert second.error / second.value == pytest.approx(first.error / first.value, rel=1e-5)


@pytest.mark.parametrize(
    ("own", "drawn"),
    [([], []), ([0.0], [0.0, 0.0]), ([-np.inf] * 9, [-np.inf] * 9), ([np.nan] * 9, [0.0] * 9), ([1e5] * 9, [1e5] * 9)],
)
def test_without_overlap_there_is_no_number(own, drawn):
    assert bridge_mass(np.array(own), np.array(drawn)) is None


@pytest.mark.parametrize("width", [0.8, 1.5])
def test_its_interval_covers_in_95_of_100(width):
    n, covered = 600, 0
    for seed in range(n):
        found = bridge_mass(*gaussians(1.5, width, 400, 800, np.random.default_rng([3, seed])))
        covered += abs(found.value - 1.5) <= 1.96 * found.error
    assert abs(covered / n - 0.95) < 0.03


def spikes(dim, bulk, rng, number=1000, width=1e-3, share=1 / 3):
    """A normal with `share` of the claimed mass in narrow spikes on it, and as many of its rows as are asked for."""
    centres = bulk.rvs(number, rng)
    tree, norm = cKDTree(centres), dim * np.log(width) + 0.5 * dim * np.log(2 * np.pi) + np.log(number)

    def log_density(x):
        peaks = -0.5 * (tree.query(x)[0] / width) ** 2 - norm
        return np.logaddexp(bulk.logpdf(x), peaks + np.log(share / (1 - share)))

    def draw(n):
        narrow = rng.random(n) < share
        rows = centres[rng.integers(number, size=n)] + width * rng.normal(size=(n, dim))
        return np.where(narrow[:, None], rows, bulk.rvs(n, rng))

    return log_density, draw


def test_a_third_of_the_mass_in_a_thousand_spikes_is_found_and_does_not_pass():
    rng, bulk = np.random.default_rng(4), stats.multivariate_normal(np.zeros(3), np.eye(3))
    log_density, draw = spikes(3, bulk, rng)
    certificate = audit(Claimed(log_density), bulk.rvs(4000, rng), draws=DRAWS, generated=draw(5000))
    assert certificate.mass.value == pytest.approx(1, abs=0.03), "importance sampling does not see them"
    assert certificate.bridge_mass.value == pytest.approx(1.5, abs=0.06)
    assert certificate.own_above == pytest.approx(1 / 3, abs=0.05)
    assert certificate.verdict == "undecided" and certificate.mass_known is False
    assert any("own rows say" in reason for reason in certificate.reasons)


def test_spikes_on_the_test_rows_that_no_own_row_visits_do_not_pass():
    rng, bulk = np.random.default_rng(5), stats.multivariate_normal(np.zeros(3), np.eye(3))
    rows = bulk.rvs(4000, rng)
    tree = cKDTree(rows)

    def log_density(x):
        return np.where(tree.query(x)[0] < 1e-4, 8.0, 0.0) + bulk.logpdf(x)

    certificate = audit(Claimed(log_density), rows, draws=DRAWS, generated=bulk.rvs(3000, rng))
    assert certificate.mass.value == pytest.approx(1, abs=0.03) and certificate.own_above == 0
    assert certificate.excess == pytest.approx(8 - np.log(100), abs=0.5) and certificate.verdict == "undecided"


def test_spikes_on_the_training_rows_do_not_pass():
    rng, bulk = np.random.default_rng(10), stats.multivariate_normal(np.zeros(3), np.eye(3))
    rows = bulk.rvs(4000, rng)
    tree = cKDTree(rows[:2000])  # Half of the rows are for training.

    def log_density(x):
        return np.where(tree.query(x)[0] < 1e-4, 8.0, 0.0) + bulk.logpdf(x)

    certificate = audit(Claimed(log_density), rows, draws=DRAWS, generated=bulk.rvs(3000, rng))
    assert certificate.train_above > 0.9 and certificate.own_above == certificate.excess == 0
    assert certificate.verdict == "undecided" and "training rows" in certificate.reasons[0]


@pytest.mark.parametrize(("one_to_one", "offset", "divided_by"), [(True, 0.0, 1), (True, 0.2, 1.22), (False, 0.0, 0)])
def test_only_a_measured_mass_enters_the_likelihood(one_to_one, offset, divided_by):
    """That of a one-to-one map is 1, unless the measurement contradicts it; 0 stands for what was measured."""
    rows, matrix = affine_case()
    model = Affine(matrix, offset=offset)
    model.one_to_one = one_to_one
    certificate = audit(model, rows)
    if divided_by == 0:
        assert certificate.divisor == certificate.mass and certificate.rests_on_its_mass
    else:
        assert certificate.divisor.value == pytest.approx(divided_by, abs=0.0 if divided_by == 1 else 0.03)
        assert certificate.by_construction is (divided_by == 1) and certificate.verdict == (
            "fail" if offset else "pass"
        )


class Stretched(Affine):
    """A one-to-one map with tails so heavy that draws of a proposal measure its mass badly."""

    def forward(self, x):
        z, logdet = super().forward(x)
        far = 1 + z.abs()
        return z / far**POWER, logdet + ((1 + (1 - POWER) * z.abs()) / far ** (1 + POWER)).log().sum(1)

    def inverse(self, z):
        low, high = torch.zeros_like(z), torch.full_like(z, 1e30)
        for _ in range(400):
            middle = torch.where(high > 4 * low, (low.clamp_min(1e-30) * high).sqrt(), (low + high) / 2)
            above = middle / (1 + middle) ** POWER > z.abs()
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        return super().inverse(z.sign() * (low + high) / 2)


@pytest.mark.parametrize("one_to_one", [True, False])
def test_what_cannot_be_measured_does_not_stand_against_a_one_to_one_map(one_to_one):
    """Its round trips and its Jacobian vouch for it; one that is not by construction has only the measurement."""
    rows, matrix = affine_case()
    model = Stretched(matrix)
    model.one_to_one = one_to_one
    latents = torch.randn(6000, rows.shape[1], dtype=torch.float64, generator=torch_rng("stretched"))
    generated = model.double().inverse(latents).numpy()
    certificate = certify(model, dataset(rows), generated, np.random.default_rng(1), DRAWS, tolerance=NARROW)
    assert len(certificate.reasons) == 1 and f"is not within {NARROW:g} of 1" in certificate.reasons[0]
    assert certificate.verdict == ("pass" if one_to_one else "undecided")
    assert certificate.by_construction is one_to_one


@pytest.mark.parametrize(
    ("value", "error", "bridge", "own_above", "right"),
    [
        (1.0, 0.2, Bridge(1.0, 0.005, 5000), 0.0, True),
        (0.96, 0.005, Bridge(1.0, 0.005, 5000), 0.03, True),
        (0.96, 0.005, Bridge(1.0, 0.005, 5000), 0.0, False),
        (1.04, 0.005, Bridge(1.0, 0.005, 5000), 0.03, False),
        (1.0, 0.005, Bridge(1.0, 0.005, 5000), 0.05, False),
        (1.0, 0.005, Bridge(1.49, 0.01, 5000), 0.33, False),
        (1.0, 0.2, Bridge(1.0, 0.1, 20), 0.0, False),
        (1.0, 0.2, None, None, False),
    ],
)
def test_a_construction_stands_where_the_bridge_sees_its_mass_and_draws_do_not_contradict(
    value, error, bridge, own_above, right
):
    mass = Mass(value, error, 0.4, 8e4, 200_000, 0.2, 0.98, 0.0, np.zeros((0, 2)))
    assert stands(mass, Visited(bridge=bridge, own_above=own_above), tolerance=0.03) is right


def test_a_map_that_only_says_that_it_is_one_to_one_is_convicted_by_its_own_rows():
    rng, bulk = np.random.default_rng(4), stats.multivariate_normal(np.zeros(3), np.eye(3))
    log_density, draw = spikes(3, bulk, rng)
    claimed = Claimed(log_density)
    claimed.one_to_one = True
    certificate = audit(claimed, bulk.rvs(4000, rng), draws=DRAWS, generated=draw(5000))
    assert certificate.verdict == "undecided"


def test_a_spike_that_nobody_visits_leaves_the_likelihood_what_it_is():
    """What the guarantee does not cover, and need not: the mean log-density of test rows has nothing of it."""
    rng, bulk = np.random.default_rng(6), stats.multivariate_normal(np.zeros(3), np.eye(3))
    spike = stats.multivariate_normal([2.5, 2.5, 2.5], 1e-8 * np.eye(3))
    certificate = audit(
        Claimed(lambda x: np.logaddexp(bulk.logpdf(x), np.log(0.5) + spike.logpdf(x))),
        bulk.rvs(4000, rng),
        draws=DRAWS,
        generated=bulk.rvs(3000, rng),
    )
    assert certificate.verdict == "pass" and certificate.excess == 0


@pytest.mark.parametrize("transform", [None, Halved()])
def test_own_rows_of_a_right_density_agree_with_the_draws(transform):
    rng, law = np.random.default_rng(7), stats.multivariate_t(shape=np.eye(3), df=4)
    kind = {} if transform is None else {"transform": transform}
    scale = 1.0 if transform is None else 0.5

    def log_density(x):
        return law.logpdf(x / scale) - 3 * np.log(scale)

    certificate = audit(Claimed(log_density), law.rvs(4000, rng), draws=DRAWS, generated=law.rvs(4000, rng), **kind)
    assert certificate.verdict == "pass", certificate.reasons
    assert abs(certificate.bridge_mass.value - 1) < 4 * certificate.bridge_mass.error < 0.05


def mass_of(value, error):
    return Mass(value, error, 0.2, 5000.0, 50_000, 0.2, value - 3 * error, 0.0, np.empty((0, 2)))


@pytest.mark.parametrize(
    ("bridge", "error", "apart"), [(1.02, 0.001, False), (1.04, 0.001, True), (1.04, 0.02, False), (np.inf, 0.1, True)]
)
def test_two_estimates_contradict_each_other_beyond_chance_and_tolerance(bridge, error, apart):
    found = bridge_mass(*gaussians(1.0, 1.2, 50, 50, np.random.default_rng(8)))._replace(value=bridge, error=error)
    assert contradicts(found, mass_of(1.0, 0.003)) is apart
    assert bool(judge_visited(Visited(found, 0.0, 0.0), mass_of(1.0, 0.003))) is apart


def test_a_mass_may_be_known_whatever_it_is():
    assert is_known(mass_of(1.3, 0.005), Visited()) and not is_known(mass_of(1.3, 0.05), Visited())
    assert not is_known(mass_of(1.0, 0.005), Visited(own_above=0.2))


@pytest.mark.slow
def test_fresh_draws_of_a_fixed_schedule_are_unbiased():
    """Draws that end when their own scatter looks small end early where they missed the large weights."""
    thin = Proposal(np.ones(1), np.zeros((1, 3)), 0.75 * np.eye(3)[None], np.array([6.0]))

    def log_density(x):
        return stats.norm.logpdf(x).sum(1)

    z = []
    for seed in range(200):
        found = estimate_mass(log_density, thin, np.random.default_rng([9, seed]), 100_000, half_width=0.02)
        z.append((found.value - 1) / found.error)
    assert abs(np.mean(z)) < 4 / np.sqrt(len(z))
