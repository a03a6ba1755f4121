"""What is asked of a metric is stated in `Metric` and nowhere read off its name; directions are turned in one place."""

from dataclasses import replace

import numpy as np
import pytest
import rows
from hypothesis import given
from hypothesis import strategies as st

from qinn_bench import catalogue, file_text, registry
from qinn_bench.dataset import OF_LIKELIHOODS, Evidence, Metric, MetricColumn
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.metrics._take import take
from qinn_bench.records import certified
from qinn_bench.statistics import corrections, direction
from qinn_bench.validity.truth_against_truth import Nulls, better_than_truth
from qinn_bench.values import Estimate, Refused, Use
from qinn_bench.verdicts.judge import judge

WAYS = st.sampled_from(["lower", "higher", "zero", "one"])
NUMBERS = st.floats(-1e6, 1e6)


def evidence(name="moons", n=100):
    data = registry.make("data", registry.spell_out("data", Use(name=name)))
    truth, generated = data.test[:n], data.train[:n]
    log_prob = data.density.log_density(data.test) if data.density else None
    mass = Estimate(value=1.0, error=0.01)
    return Evidence(data, truth, generated, log_prob, mass, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["moons", "zjets"])
@pytest.mark.parametrize("metric", all_metrics().values(), ids=lambda metric: metric.name)
def test_every_number_of_a_metric_has_the_direction_that_the_metric_states(metric, name):
    for column, estimate in metric.compute(evidence(name)).items():
        assert estimate.better == metric.better_of(column), column


def test_the_text_of_a_file_states_what_its_metrics_do():
    told = catalogue.own_metrics()
    for name, metric in all_metrics().items():
        for fact in file_text.FACTS:
            assert getattr(told[name], fact) == getattr(metric, fact), (name, fact)
        assert told[name].columns == metric.columns or not metric.columns


def test_an_unbiased_square_and_a_loss_of_rows_are_what_they_say():
    """Truth against truth is below zero about as often as above; the mean over rows is the number up to a constant."""
    data = registry.make("data", registry.spell_out("data", Use(name="moons")))
    for metric in all_metrics().values():
        if metric.unbiased_square and metric.needs == "samples":
            signs = []
            for at in range(24):
                own = np.random.default_rng(at).permutation(len(data.train))[:60]
                found = metric.compute(replace(evidence(n=60), generated=data.train[own], errors=False))
                signs.append(found[metric.name].value < 0)
            assert 2 < sum(signs) < 22, metric.name
        if metric.row_loss in OF_LIKELIHOODS:
            scale = data.dim * np.log(2) if metric.row_loss == "bits" else 1.0
            one = evidence()
            other = replace(one, log_prob=one.log_prob - np.linspace(0, 1, len(one.log_prob)))
            change = metric.compute(other)[metric.name].value - metric.compute(one)[metric.name].value
            assert change == pytest.approx(0.5 / scale), metric.name


@given(NUMBERS, NUMBERS, WAYS)
def test_the_better_of_two_numbers_has_the_smaller_loss(first, second, better):
    best = {
        "lower": min,
        "higher": max,
        "zero": lambda *x: min(x, key=abs),
        "one": lambda *x: min(x, key=lambda y: abs(y - 1)),
    }
    chosen = best[better](first, second)
    assert direction.loss(chosen, better) == min(direction.loss(first, better), direction.loss(second, better))
    assert direction.goodness(chosen, better) == -direction.loss(chosen, better)
    assert np.array_equal(direction.loss(np.array([first]), better), [direction.loss(first, better)])


def test_without_a_direction_there_is_no_loss():
    with pytest.raises(Refused, match="neither more nor less is better"):
        direction.loss(1.0, "none")


@given(st.lists(st.floats(0, 1), max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_discoveries_step_up(p, rate):
    """Against the definition: the largest k of which the k-th smallest p is at most rate k / n."""
    ordered = sorted(p)
    kept = [value for rank, value in enumerate(ordered, 1) if value <= rate * rank / len(ordered) * (1 - 1e-12)]
    wider = [value for rank, value in enumerate(ordered, 1) if value <= rate * rank / len(ordered) * (1 + 1e-12)]
    for value, found in zip(p, corrections.discoveries(p, rate), strict=True):
        assert (bool(kept) and value <= kept[-1]) <= found <= (bool(wider) and value <= wider[-1])


def third(compute, **facts):
    return Metric("theirs", "somebody's", facts.pop("needs", "samples"), compute, **facts)


def test_an_estimate_without_a_direction_has_that_of_its_metric():
    ratios = MetricColumn("theirs_ratio_*", "ratio *", better="one")
    found = {
        "theirs": Estimate(value=1.0),
        "theirs_ratio_pt": Estimate(value=2.0),
        "theirs_own": Estimate(value=2.0, better="zero"),
    }
    taken = take(third(lambda evidence: found, better="higher", columns=(ratios,)), evidence())
    assert [one.better for one in taken.values()] == ["higher", "one", "zero"]
    (failed,) = take(third(lambda evidence: 1 / 0, better="higher"), evidence()).values()
    assert failed.value is None and failed.better == "higher"


@pytest.mark.parametrize(("unbiased", "flagged"), [(True, ["theirs"]), (False, [])])
def test_the_unbiased_square_of_a_third_party_cannot_be_far_below_zero(unbiased, flagged):
    data = registry.make("data", registry.spell_out("data", Use(name="moons")))

    def compute(evidence):
        return {"theirs": Estimate(value=float(np.mean(evidence.generated[:, 0])), better="zero")}

    metric = third(compute, better="zero", unbiased_square=unbiased)
    found = {"theirs": Estimate(value=-1e3, better="zero")}
    assert [one.column for one in better_than_truth(found, {"theirs": metric}, Nulls(data, 50))] == flagged


FAMILY = """
from qinn_bench.dataset import Metric
from qinn_bench.values import Estimate

def compute(evidence):
    return {"NAME": Estimate(value=1.0)}

METRICS = (Metric("NAME", "somebody's", "density", compute, better="lower", row_loss="ROW"),)
"""


@pytest.mark.parametrize("row", ["", "nats"])
@pytest.mark.parametrize("name", ["theirs", "nll_of_theirs", "swd_density", "w1_density", "chi2"])
def test_nobodys_density_metric_wins_without_a_certificate(plug_in, monkeypatch, name, row):
    """A density whose mass is 10 has a loss that is smaller by log 10; whatever the metric is called."""
    name = f"{name}x" if name == "chi2" else name
    plug_in("metric", name, FAMILY.replace("NAME", name).replace("ROW", row))
    monkeypatch.setitem(rows.KINDS, name, {"unit": "nats", "better": "lower"})
    cheat = rows.row("a", rows.around(1.0 - np.log(10), seed=1), name, certificate=rows.certificate("fail", 10.0))
    records = cheat + rows.row("b", rows.around(1.0, seed=2), name)
    found = judge(records, "a", "b", name, rng=np.random.default_rng(0))
    assert found.outcome == "undecided" and "not certified" in found.reason and found.p_better is None
    assert certified.is_doubted(name, cheat[0]) and catalogue.row_loss_of(name) == row


@pytest.mark.parametrize("name", ["theirs", "swd_density"])
def test_a_metric_that_is_not_installed_here_may_have_been_a_likelihood(monkeypatch, name):
    monkeypatch.setitem(rows.KINDS, name, {"unit": "", "better": "lower"})
    (cheat,) = rows.row("a", [1.0], name, certificate=rows.certificate("fail", 10.0))
    assert certified.is_doubted(name, cheat)
