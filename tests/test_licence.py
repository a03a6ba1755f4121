"""The metric licence: deformations are what they say, alarms are 5 %, strengths agree with theory, words are right."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from rows import built
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2, norm

from qinn_bench.cli.main import main
from qinn_bench.data.toy import plane_toy
from qinn_bench.dataset import Dataset, Evidence, Metric
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.report import sensitivity_table as report
from qinn_bench.report.study_table import table as study_table
from qinn_bench.sensitivity import deformations, licence, power_curves
from qinn_bench.sensitivity.deformations import DEFORMATIONS, NONE, Pool
from qinn_bench.sensitivity.licence import Licence, Sight
from qinn_bench.values import Array, Estimate, Refused, Use

NAMED = {d.name: d for d in DEFORMATIONS}
BOX = 2.5


class Normal:
    """A standard normal pair with correlation 0.6."""

    entropy = float(np.log(2 * np.pi * np.e) + np.log(0.8))

    def log_density(self, rows: Array) -> Array:
        return norm.logpdf(rows[:, 0]) + norm.logpdf(rows[:, 1], 0.6 * rows[:, 0], 0.8)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        x = rng.normal(size=n)
        return np.column_stack([x, 0.6 * x + 0.8 * rng.normal(size=n)])


@cache
def data() -> Dataset:
    return plane_toy("normal", Normal(), 20_000, (-BOX, BOX, -BOX, BOX), "a correlated normal pair")


@cache
def rows(observable: str = "") -> Pool:
    """The rows of the data set alone, so that drawing from them is quick."""
    whole = deformations.pool(replace(data(), density=None))
    return deformations.marginal(whole, observable) if observable else whole


@cache
def source(observable: str = "") -> Pool:
    return deformations.marginal(source(), observable) if observable else deformations.pool(data())


def gap(evidence: Evidence) -> dict[str, Estimate]:
    """How far the mean of the first column lies above that of the truth, in standard deviations: normal by theory."""
    value = float(evidence.generated[:, 0].mean() - evidence.truth[:, 0].mean())
    return {"gap": Estimate(value=value, better="lower")}


GAP = Metric("gap", "difference of means", "samples", gap)


def planted(name: str, strength: float, n: int = 4000, seed: int = 5, observable: str = ""):
    rng = np.random.default_rng(seed)
    drawn = deformations.draw(source(observable), n, rng)
    return drawn, NAMED[name].plant(source(observable), drawn, strength, rng)


# Deformations


def test_the_two_samples_share_no_row():
    drawn = deformations.draw(source(), 1000, np.random.default_rng(0))
    assert len(drawn.truth) == 1000
    assert not set(drawn.truth) & set(drawn.spare)


@pytest.mark.parametrize("name", ["shift", "rescaling", "correlation"])
def test_without_strength_rows_stay_as_they_are(name):
    drawn, found = planted(name, 0.0)
    assert np.allclose(found.rows, source().rows[drawn.spare[:4000]], atol=1e-9)


def test_a_shift_moves_one_feature_by_standard_deviations():
    drawn, found = planted("shift", 0.3)
    moved = (data().transform.forward(found.rows)[0] - source().features[drawn.spare[:4000]]).mean(0)
    assert sorted(moved) == pytest.approx([0.0, 0.3], abs=1e-9)


def test_a_rescaling_widens_one_feature_and_keeps_its_mean():
    drawn, found = planted("rescaling", 0.2)
    before, after = source().features[drawn.spare[:4000]], data().transform.forward(found.rows)[0]
    assert sorted(after.std(0) / before.std(0)) == pytest.approx([1.0, 1.2])
    assert after.mean(0) == pytest.approx(before.mean(0), abs=0.02)


def test_a_change_of_correlation_keeps_both_marginals():
    drawn, found = planted("correlation", 0.25)
    before = source().rows[drawn.spare[:4000]]
    assert np.allclose(np.sort(found.rows, axis=0), np.sort(before, axis=0), atol=1e-9)
    fall = np.corrcoef(before.T)[0, 1] - np.corrcoef(found.rows.T)[0, 1]
    assert fall == pytest.approx(0.25, abs=0.02)


def test_a_mode_is_dropped_in_whole_or_in_part():
    def modes(strength: float) -> Array:
        rows = planted("dropped mode", strength)[1].rows
        return np.bincount(source().modes.predict(data().transform.forward(rows)[0]), minlength=8) / len(rows)

    share = np.bincount(source().labels) / len(source().labels)
    gone = int(modes(1.0).argmin())
    assert modes(1.0)[gone] == 0
    assert modes(0.5)[gone] / share[gone] == pytest.approx(0.5 / (1 - 0.5 * share[gone]), rel=0.15)


def test_a_tail_is_made_heavier():
    rows = planted("tail", 4.0, n=10_000, observable="x")[1].rows[:, 0]
    edge = np.quantile(source("x").rows, 0.99)
    assert np.mean(rows > edge) == pytest.approx(0.05 / 1.04, abs=0.007)


@pytest.mark.parametrize("name", ["shift", "rescaling", "dropped mode", "tail"])
def test_the_density_of_deformed_rows_is_theirs(name):
    """The mean of q / p over rows of p is one, and the mean of log q / p over rows of q is a divergence."""
    drawn, found = planted(name, 0.4, n=50_000)
    ratio = np.exp(found.log_prob - Normal().log_density(source().rows[drawn.truth]))
    assert ratio.mean() == pytest.approx(1.0, abs=4 * ratio.std() / np.sqrt(len(ratio)))
    assert np.log(ratio).mean() < -1e-4


def test_the_density_of_a_shift_is_that_of_the_origin():
    drawn, found = planted("shift", 0.3)
    rows, spread = source().rows[drawn.truth], data().train.std(0)
    known = [Normal().log_density(rows - 0.3 * spread * axis) for axis in np.eye(2)]
    assert any(np.allclose(found.log_prob, one) for one in known)


def test_a_pool_that_is_too_small_is_refused():
    with pytest.raises(Refused, match="100000 at most, 100001"):
        deformations.draw(source(), 100_001, np.random.default_rng(0))


# Alarms and power


def test_the_alarm_is_false_in_five_percent():
    null = power_curves.simulate(GAP, rows("x"), 200, NONE, 0.0, range(400))["gap"].values
    fresh = power_curves.simulate(GAP, rows("x"), 200, NONE, 0.0, range(400, 2000))["gap"].values
    rate = np.mean(fresh > power_curves.threshold(null))
    assert rate == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 * (1 / 400 + 1 / 1600)))


@pytest.mark.parametrize("size", [19, 20, 100, 999])
def test_the_threshold_is_exceeded_with_chance_five_percent_at_most(size):
    rng = np.random.default_rng(size)
    exceeded = np.mean([1 - power_curves.threshold(rng.random(size)) for _ in range(4000)])
    assert 0.04 - 1 / size < exceeded < 0.05 + 0.002


@pytest.mark.parametrize(
    ("better", "worst"), [("lower", 3.0), ("higher", -3.0), ("zero", -3.0), ("one", -3.0), ("none", -3.0)]
)
def test_distance_grows_to_the_worse_and_is_infinite_without_a_value(better, worst):
    null = np.array([0.9, 1.0, 1.1])
    found = power_curves.distance(np.array([worst, 1.0, np.nan]), better, null)
    assert found[0] > found[1]
    assert found[2] == np.inf


def test_the_same_names_give_the_same_values():
    first, second = (power_curves.simulate(GAP, rows("x"), 100, NAMED["tail"], 0.5, range(3)) for _ in range(2))
    assert np.array_equal(first["gap"].values, second["gap"].values)


def test_the_crossing_of_a_power_curve_is_found_and_covered():
    rng, truth = np.random.default_rng(3), 0.1
    strengths, trials = np.array([0.05, 0.07, 0.1, 0.14]), np.array([8.0, 40.0, 40.0, 40.0])
    chance = 0.05 + 0.95 * norm.cdf(3.0 * np.log(strengths / truth) + norm.ppf(0.9 / 0.95))
    found = [power_curves.crossing(strengths, rng.binomial(trials.astype(int), chance), trials) for _ in range(200)]
    assert np.median([f.strength for f in found]) == pytest.approx(truth, rel=0.06)
    assert np.mean([f.low < truth < f.high for f in found]) == pytest.approx(0.95, abs=0.045)


def agrees(sight: Sight, theory: float) -> None:
    assert sight.low < theory < sight.high, f"{sight} does not hold {theory}"
    assert sight.high / sight.low < 1.6


def seen(metric: Metric, pool: Pool, n: int, repeats: int, *names: str) -> dict[str, Sight]:
    return {s.deformation: s for s in power_curves.sights(metric, pool, n, repeats, [NAMED[name] for name in names])}


def only(name: str, column: str) -> Metric:
    """One column of a metric, as a metric."""
    compute = all_metrics()[name].compute
    return Metric("own", column, "samples", lambda evidence: {"own": compute(evidence)[column]})


def test_a_difference_of_means_is_seen_as_theory_says():
    """A normal statistic of standard deviation sqrt(2 / n): 1.645 to the alarm and 1.645 more to its 5 % quantile."""
    found = seen(GAP, rows("x"), 500, 120, "shift", "rescaling", "correlation")
    agrees(found["shift"], 2 * norm.isf(0.05) * np.sqrt(2 / 500))
    assert "correlation" not in found
    assert found["rescaling"].epsilon is None


def test_a_chi2_is_seen_as_theory_says():
    """chi2 of 50 bins is non-central with the sum of (p - q)^2 / (p / n + q / n)."""
    n, edges = 2000, np.linspace(-BOX, BOX, 51)

    def power_at(shift: float) -> float:
        p, q = (np.diff(norm.cdf(edges - s)) for s in (0.0, shift))
        p, q = p / p.sum(), q / q.sum()
        inside = n * (norm.cdf(BOX) - norm.cdf(-BOX))
        return float(ncx2.sf(chi2.isf(0.05, 49), 49, np.sum((p - q) ** 2 / (p + q)) * inside))

    theory = brentq(lambda s: power_at(s) - 0.95, 0.05, 0.5)
    agrees(seen(only("chi2", "chi2_x"), rows("x"), n, 80, "shift")["shift"], theory)


def test_a_divergence_is_seen_as_theory_says():
    """log p - log q of a shift s has mean s^2 v / 2 and variance s^2 v; v is the inverse variance given the rest.

    The alarm is a value of 1.645 errors, since the truth has no divergence from itself in any sample.
    """
    found = seen(all_metrics()["kl"], source(), 1000, 120, "shift")
    agrees(found["shift"], 4 * norm.isf(0.05) * 0.8 / np.sqrt(1000))
    assert seen(all_metrics()["kl"], source(), 1000, 10, "correlation") == {}


def test_the_licence_keeps_its_word_in_fresh_samples():
    sights = [seen(GAP, rows("x"), n, 40, "shift")["shift"] for n in range(100, 116)]
    alarms, powers = np.transpose([power_curves.kept(GAP, rows("x"), sight, 200) for sight in sights])
    assert alarms.mean() == pytest.approx(0.05, abs=0.015)
    assert powers.mean() == pytest.approx(0.95, abs=0.02)


def test_marginals_alone_are_blind_to_correlations():
    found = seen(only("sep", "sep_mean"), rows(), 500, 10, "correlation")
    assert found["correlation"].epsilon is None


# Files, sentences, tables


def made(**changes: object) -> Licence:
    facts = {"metric": "w1", "column": "w1_x", "samples": 2000, "top": 1.0, "repeats": 40, "null": 200}
    sights = (
        Sight(deformation="shift", epsilon=0.034, low=0.03, high=0.04, **facts),
        Sight(deformation="rescaling", epsilon=0.021, low=0.02, high=0.022, **facts),
        Sight(deformation="correlation", epsilon=None, **facts),
    )
    more = sights[0].model_copy(update={"samples": 10_000, "epsilon": 0.015})
    return Licence(data="normal", fingerprint="abc", sights=(*sights, more)).model_copy(update=changes)


def test_a_licence_is_a_sentence():
    said = "equal down to a shift of 0.034 sd, a rescaling by 2.1 %; blind to a change of correlation by 1"
    assert made().epsilon("w1_x", 2000) == said
    assert made().epsilon("w1_x", 9999) == said
    assert made().epsilon("w1_x", 10_000) == "equal down to a shift of 0.015 sd"
    assert made().epsilon("w1_x", 1999) == ""
    assert made().epsilon("mmd", 2000) == ""


def test_every_deformation_has_words():
    assert set(licence.WORDS) == set(NAMED)


def test_new_sights_replace_those_of_the_same_place():
    fresh = made().sights[-1].model_copy(update={"epsilon": 0.02})
    code = {fresh.metric: "code"}
    assert made().replacing([fresh], code).of("w1_x", 10_000) == [fresh]
    assert len(made().replacing([fresh], code).sights) == len(made().sights)
    edited = made().replacing([fresh], code).replacing([fresh], {fresh.metric: "other"})
    assert [s for s in edited.sights if s.metric == fresh.metric] == [fresh], "sights of edited code are dropped"


def test_a_licence_is_written_and_read(tmp_path):
    assert licence.load(tmp_path, "normal") is None
    licence.write(licence.path(tmp_path, "normal"), made())
    assert licence.load(tmp_path, "normal") == made()
    licence.path(tmp_path, "normal").write_text("{}")
    with pytest.raises(Refused, match="is not a metric licence"):
        licence.load(tmp_path, "normal")


def test_the_table_has_a_row_a_column_and_size():
    found = report.table(made())
    assert [(row.data, row.model) for row in found.rows] == [("2000 rows", "w1_x"), ("10000 rows", "w1_x")]
    assert "0.0340(25)" in found.text() and "> 1" in found.markdown()


def test_the_footnote_says_what_metrics_can_see():
    assert "W₁ x: equal down to a shift of 0.034 sd" in report.footnote(made(), ["w1_x", "mmd"], 2000)
    assert "W₁ x (by 2000 rows): equal down to" in report.footnote(made(), ["w1_x"], 3000)
    assert report.footnote(made(), ["mmd"], 2000) == ""


def test_a_study_table_says_what_its_metrics_can_see_on_the_licensed_content(tmp_path):
    record = built(
        row="inn",
        data=Use(name="normal"),
        samples=2500,
        metrics={"w1_x": Estimate(value=0.1)},
        provenance={"data_hash": "abc"},
    )
    plain = study_table([record], ["w1_x"])
    assert report.licensed(plain, [record], tmp_path) == plain
    assert licence.equality(tmp_path, record, "w1_x") == ""
    licence.write(licence.path(tmp_path, "normal"), made())
    assert licence.equality(tmp_path, record, "w1_x") == made().epsilon("w1_x", 2500)
    assert "shift of 0.034 sd" in report.licensed(plain, [record], tmp_path).footnotes[-1]
    licence.write(licence.path(tmp_path, "normal"), made(fingerprint="other"))
    assert report.licensed(plain, [record], tmp_path) == plain


def test_the_verb_simulates_once_and_refuses_nonsense(tmp_path, capsys):
    file = tmp_path / "gmm8.json"
    order = ["licence", "gmm8[events=400]", "--metrics", "sep", "--samples", "200", "--repeats", "10"]
    assert main([*order, "--out", str(file), "--json"]) == 0
    first, log = capsys.readouterr()
    assert "sep shift, 200 rows" in log
    assert {s["column"] for s in json.loads(first)["sights"]} == {"sep_x", "sep_y", "sep_mean"}
    assert main([*order, "--out", str(file), "--json"]) == 0
    assert capsys.readouterr() == (first, "")
    for wrong in (["--samples", "ten"], ["--repeats", "2"], ["--metrics", "nosuch"]):
        assert main([*order, "--out", str(file), *wrong]) == 2
