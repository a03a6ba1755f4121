"""Sample metrics on other draws of true rows: what they are taken on, who shares them, what verdicts make of them."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rows import around, row
from scipy.stats import wasserstein_distance

from qinn_bench import registry
from qinn_bench.dataset import Evidence, Metric
from qinn_bench.metrics import _truth_rows as truth_rows
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.statistics.paired import compare
from qinn_bench.values import Estimate, Record
from qinn_bench.verdicts.judge import judge
from qinn_bench.verdicts.row_pairs import TRUTH_LEFT_OUT

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "validation"))
rates = importlib.import_module("error_rates")


def stream():
    return np.random.default_rng(5)


@pytest.fixture(scope="module")
def evidence():
    data = registry.make("data", registry.parse_use("bwexp[events=2000]"))
    generated = data.train[:300] * 1.02
    return Evidence(data, data.test[:300], generated, None, None, stream(), errors=False)


def taken(name, evidence):
    metric = all_metrics()[name]
    found = metric.compute(replace(evidence, rng=stream()))
    values = {column: one.value for column, one in found.items() if one.value is not None}
    return truth_rows.over_truth(metric, evidence, stream, values), values


def test_every_model_meets_the_same_draws_and_other_data_meet_others():
    first, again, other = (truth_rows.picks(content, 320) for content in ("a", "a", "b"))
    assert (first == again).all() and (first != other).any()
    moved = (first != np.arange(320)).sum(1)
    assert (moved <= 20).all() and moved.min() >= 15


@pytest.mark.parametrize("name", ["w1", "clipped_w1", "chi2", "sep"])
def test_a_draw_is_the_metric_on_other_true_rows_stretched_about_the_value(name, evidence):
    found, values = taken(name, evidence)
    rows = truth_rows.picks(evidence.data.content, 300)
    slow = [all_metrics()[name].compute(replace(evidence, truth=evidence.truth[one], rng=stream())) for one in rows]
    for column, draws in found.items():
        plain = np.array([one[column].value for one in slow])
        assert draws.mean() == pytest.approx(values[column])
        assert np.corrcoef(draws, plain)[0, 1] == pytest.approx(1)
    assert found


@pytest.mark.parametrize("name", ["swd", "clipped_swd", "w1", "clipped_w1"])
@pytest.mark.parametrize("factor", [1.02, 3.0, -1.0])
def test_distances_by_weights_are_those_of_the_drawn_rows(name, factor, evidence):
    evidence = replace(evidence, generated=evidence.data.train[:250] * factor)
    rows = truth_rows.picks(evidence.data.content, 300)
    fast = truth_rows.WEIGHTED[name](replace(evidence, rng=stream()), truth_rows.counts(rows))
    metric = all_metrics()[name]
    slow = [metric.compute(replace(evidence, truth=evidence.truth[one], rng=stream())) for one in rows]
    for column, values in (fast or {}).items():
        assert values == pytest.approx([one[column].value for one in slow], rel=1e-9, abs=1e-12)
    assert fast or slow[0][f"{name}_mean" if "w1" in name else name].value is None


def test_an_observable_that_is_constant_once_it_is_clipped_is_in_no_draw(evidence):
    """It is in no value either, so that draws by weights would be those of another mean."""
    often, flat = truth_rows.counts(truth_rows.picks("x", 4000)), np.zeros(4000)
    flat[7] = 1.0

    def drawn(second):
        rows = np.stack([np.random.default_rng(4).normal(size=4000), second], axis=1)
        plots = tuple(replace(evidence.data.plots[0], name=name) for name in "ab")
        data = replace(evidence.data, plots=plots, observables=lambda x: {"a": x[:, 0], "b": x[:, 1]})
        asked = replace(evidence, data=data, truth=rows)
        return truth_rows._of_observables("clipped_w1", rows, asked, often, clip=True)

    assert drawn(np.arange(4000.0)) and drawn(flat) is None


def test_the_end_of_a_range_is_the_quantile_of_the_drawn_rows():
    truth = np.random.default_rng(3).normal(size=5000)
    for rows in (truth_rows.picks("x", 5000), np.tile(np.arange(2500), (16, 2))):
        low, high = truth_rows._core(truth, truth_rows.counts(rows))
        expected = np.quantile(truth[rows], [0.001, 0.999], axis=1)
        assert low == pytest.approx(expected[0]) and high == pytest.approx(expected[1])


def test_a_discrepancy_by_weights_is_the_sum_over_pairs_of_different_rows():
    rng = np.random.default_rng(1)
    truth, generated = rng.normal(size=(40, 2)), rng.normal(size=(40, 2))
    often = truth_rows.counts(truth_rows.picks("x", 40))

    def kernel(d2):
        return np.exp(-d2 / 2)

    found = truth_rows._discrepancies(truth, generated, kernel, often)
    for k, draw in enumerate(often.T):
        rows = np.repeat(np.arange(40), draw.astype(int))
        pairs = [(a, b) for a in rows for b in rows if a != b]
        inside = np.mean([kernel(np.sum((truth[a] - truth[b]) ** 2)) for a, b in pairs])
        own = [kernel(np.sum((a - b) ** 2)) for i, a in enumerate(generated) for j, b in enumerate(generated) if i != j]
        across = np.mean([kernel(np.sum((truth[a] - generated) ** 2, axis=1)) for a in rows])
        assert found[k] == pytest.approx(inside + np.mean(own) - 2 * across, abs=1e-9)


def test_what_has_no_better_side_is_not_drawn_and_a_likelihood_has_its_rows(evidence):
    assert taken("shorth", evidence)[0] == {}
    assert truth_rows.over_truth(all_metrics()["nll"], evidence, stream, {"nll": 1.0}) == {}


def test_a_metric_of_scores_is_taken_on_other_test_rows(evidence):
    def squares(given):
        return {"squares": Estimate(value=float(np.mean(given.scores**2)), better="lower")}

    metric = Metric("squares", "mean square", "scores", squares)
    scores = np.random.default_rng(2).normal(size=len(evidence.data.test))
    found = truth_rows.over_truth(metric, replace(evidence, scores=scores), stream, {"squares": np.mean(scores**2)})
    assert found["squares"].std(ddof=1) == pytest.approx(np.std(scores**2) / np.sqrt(len(scores)), rel=0.6)


def test_draws_scatter_as_other_truths_do():
    """A flawed sample, W1: the spread over draws against that over truths that are drawn anew."""
    rng = np.random.default_rng(7)
    sample = rng.normal(size=400) + 0.3
    others = [wasserstein_distance(sample, rng.normal(size=400)) for _ in range(400)]
    spreads = []
    for k in range(20):
        truth = rng.normal(size=400)
        draws = [wasserstein_distance(sample, truth[one]) for one in truth_rows.picks(str(k), 400)]
        spreads.append(truth_rows.about(0.0, np.array(draws)).var(ddof=1))
    assert np.mean(spreads) == pytest.approx(np.var(others), rel=0.4)


def told(records: list[Record], scatter: float, seed: int) -> list[Record]:
    """The same records with draws of the truth that all of a row's seeds share."""
    shared = scatter * np.random.default_rng(seed).normal(size=16)
    return [r.model_copy(update={"over_truth": {"swd": tuple(r.metrics["swd"].value + shared)}}) for r in records]


def ruled(records):
    return judge(records, "a", "b", "swd", None, rng=np.random.default_rng(0))


def test_a_verdict_adds_what_the_truth_does_to_the_difference_or_says_that_it_cannot():
    a, b = row("a", around(0.10, seed=1)), row("b", around(0.13, seed=2))
    blind = ruled(a + b)
    assert blind.outcome == "better" and TRUTH_LEFT_OUT in blind.method
    same = ruled(told(a, 0.2, 3) + told(b, 0.2, 3))
    assert same.outcome == "better" and same.effect.error == pytest.approx(blind.effect.error), "it falls out"
    assert TRUTH_LEFT_OUT not in same.method and "truth rows" in same.method and "interval by that t" in same.method
    apart = ruled(told(a, 0.05, 3) + told(b, 0.05, 4))
    assert apart.outcome == "undecided" and apart.effect.error > 2 * blind.effect.error
    assert TRUTH_LEFT_OUT in ruled(told(a, 0.2, 3) + b).method, "one side alone says nothing of the difference"


def test_two_deterministic_models_are_judged_by_the_true_rows():
    same, drawn = np.full(6, 0.3), np.random.default_rng(0).normal(0, 0.01, 16)
    found = compare(same, same + 0.2, better="lower", truth=(np.tile(0.3 + drawn, (6, 1)), np.full((6, 16), 0.5)))
    assert found.outcome == "better" and found.effect.error == pytest.approx(drawn.std(ddof=1))


@pytest.mark.parametrize("kind", ["W1", "chi2", "MMD2"])
def test_rows_that_are_equally_far_from_one_truth_are_seldom_told_apart(kind):
    rng = np.random.default_rng(11)
    found = np.mean([rates.shared_truth(rates.KINDS[kind], 6, rng) for _ in range(60)], axis=0)
    false = 0.05 + 3 * (0.05 * 0.95 / 60) ** 0.5
    assert max(found[:2]) <= false and found[2] >= 0.93 - 3 * (0.93 * 0.07 / 60) ** 0.5
    assert found[3] > 0.15, "without the true rows false verdicts are many"


@pytest.mark.slow
@pytest.mark.parametrize("kind", rates.KINDS)
def test_verdicts_with_one_truth_keep_their_rates(kind):
    rng = np.random.default_rng(12)
    found = np.mean([rates.shared_truth(rates.KINDS[kind], 7, rng) for _ in range(300)], axis=0)
    assert max(found[:2]) <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5
    assert found[2] >= 0.93 - 3 * (0.93 * 0.07 / 300) ** 0.5


def test_a_real_lead_is_still_won():
    rng = np.random.default_rng(13)
    found = np.mean([rates.shared_truth(rates.KINDS["W1, large flaws"], 6, rng, lead=0.35) for _ in range(40)], axis=0)
    assert found[0] >= 0.5 and found[1] == 0
