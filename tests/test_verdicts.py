"""Verdicts on rows: what makes one better, and every reason to say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from rows import CONTROLS, around, certificate, quantum, record, row, save

from qinn_bench.sensitivity import licence
from qinn_bench.sensitivity.licence import Licence, Sight
from qinn_bench.values import Budget, Flag, Refused, Use
from qinn_bench.verdicts.judge import judge


def verdict(records, metric="swd", margin=None, first="a", second="b", **more):
    return judge(records, first, second, metric, margin, rng=np.random.default_rng(0), **more)


def duel(a=0.1, b=0.3, **more):
    """Two classical rows."""
    return row("a", around(a, seed=1), **more) + row("b", around(b, seed=2), **more)


def circuits(mean=0.1, **of_controls):
    """The quantum row `a`, its controls, at 0.3 or where they are said to be, and the classical row `b` at 0.3."""
    controls = {kind: around(of_controls.get(kind, 0.3), seed=3 + i) for i, kind in enumerate(CONTROLS)}
    return quantum("a", around(mean, seed=1), controls) + row("b", around(0.3, seed=2))


def test_the_smaller_distance_is_better_and_the_effect_is_its_mean():
    found = verdict(duel())
    assert found.outcome == "better" and found.p_better <= 1 / 32
    assert found.effect.value == pytest.approx(0.2, abs=0.02) and found.effect.unit == "sd"
    assert found.replicates == 6
    assert verdict(duel(), first="b", second="a").outcome == "worse"


def test_a_margin_makes_equality_provable():
    assert verdict(duel(0.1, 0.1), margin=0.1).outcome == "equal"
    assert verdict(duel(0.1, 0.1)).outcome == "undecided"


def test_equality_says_how_small_a_flaw_the_metric_can_see(tmp_path):
    records = duel(0.1, 0.1)
    content, size = records[0].provenance["data_hash"], records[0].cell.samples
    facts = {"metric": "swd", "column": "swd", "samples": size, "top": 1.0, "repeats": 40, "null": 200}
    sight = Sight(deformation="shift", epsilon=0.03, low=0.02, high=0.04, **facts)
    licence.write(licence.path(tmp_path, "toy"), Licence(data="toy", fingerprint=str(content), sights=(sight,)))
    said = "by swd that is equal down to a shift of 0.03 sd"
    assert said in verdict(records, margin=0.1, results=tmp_path).reason
    assert said not in verdict(records, margin=0.001, results=tmp_path).reason
    assert said not in verdict(records, margin=0.1).reason


def test_seeds_are_paired_and_not_pooled():
    """What a seed adds to both rows cancels, however much the seeds differ."""
    drift = np.linspace(0, 100, 6)
    together = row("a", list(drift + around(0.0, seed=1))) + row("b", list(drift + around(0.2, seed=2)))
    assert verdict(together).outcome == "better"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda r: [x for x in r if x.row != "b"], "there is no record of 'b'"),
        (lambda r: [x for x in r if x.cell.seed < 4], "4 pairs of seeds, at least 5 are needed"),
        (lambda r: [*r, record("a", 0, "swd", 0.1)], "'a' has 7 records of 6 seeds"),
        (lambda r: [*r[:6], *row("b", around(0.3), provenance={"data_hash": "e"})], "different data at seed 0"),
        (lambda r: [*r[:6], *row("b", around(0.3), n=50)], "tested on 100 and 50 rows"),
        (lambda r: [*r[:6], *row("b", around(0.3), samples=50)], "were tested on"),
        (lambda r: [*r[:6], *row("b", around(0.3), budget=Budget(steps=7))], "different budgets: steps 1000 and 7"),
        (lambda r: [*row("a", [None] * 6), *r[6:]], "0 pairs of seeds, at least 5 are needed; seeds 0, 1, 2, 3, 4, 5"),
    ],
)
def test_what_cannot_be_compared_is_undecided_and_says_why(spoil, said):
    found = verdict(spoil(duel()))
    assert found.outcome == "undecided" and said in found.reason
    assert found.p_better is found.p_worse is found.p_equal is None


def test_budgets_may_differ_where_that_is_asked_for():
    records = duel()[:6] + row("b", around(0.3), budget=Budget(steps=7))
    assert verdict(records, other_budgets=True).outcome == "better"


def test_more_replicates_may_be_asked_for_but_never_fewer_than_five():
    assert "at least 9" in verdict(duel(), replicates=9).reason
    few = [r for r in duel() if r.cell.seed < 4]
    assert "at least 5" in verdict(few, replicates=2).reason


def test_data_sets_are_chosen_by_name_or_knob():
    elsewhere = [
        r.model_copy(update={"cell": r.cell.model_copy(update={"data": Use(name="t", knobs={"n": 3})})})
        for r in duel(0.3, 0.1)
    ]
    both = duel() + elsewhere
    assert verdict(both, data="toy").outcome == "better"
    assert verdict(both, data="t[n=3]").outcome == "worse"
    assert "no record of 'a' on t[n=4]" in verdict(both, data="t[n=4]").reason
    assert verdict(both).replicates == 12


def test_cells_of_the_variance_study_are_not_replicates():
    varied = [r.model_copy(update={"cell": r.cell.model_copy(update={"varies": "batches"})}) for r in duel()]
    assert "no record" in verdict(varied).reason
    assert verdict(duel() + varied).replicates == 6


@pytest.mark.parametrize("failed", ["fail", "undecided"])
@pytest.mark.parametrize("side", ["a", "b"])
def test_a_likelihood_without_a_certificate_is_no_likelihood(failed, side):
    records = [
        r.model_copy(update={"certificate": certificate(failed, 9.3)}) if r.row == side and r.cell.seed in (2, 4) else r
        for r in duel(metric="nll")
    ]
    found = verdict(records, "nll")
    assert found.outcome == "undecided" and f"'{side}' is not certified at seeds 2, 4" in found.reason
    assert "integrates to 9.3" in found.reason
    assert verdict([r.model_copy(update={"certificate": None}) for r in duel(metric="nll")], "nll").p_better is None


def test_samples_need_no_certificate():
    records = [r.model_copy(update={"certificate": certificate("fail")}) for r in duel()]
    assert verdict(records).outcome == "better"


@pytest.mark.parametrize("name", ["better-than-truth", "memoriser", "leak", "idle-circuit"])
def test_a_flagged_row_is_never_better_nor_equal_but_may_be_worse(name):
    flags = (Flag(kind=name, said="so it is"),)

    def flag(records, whose):
        return [r.model_copy(update={"flags": flags}) if r.row == whose and r.cell.seed == 1 else r for r in records]

    found = verdict(flag(duel(), "a"))
    assert found.outcome == "undecided" and name in found.reason and "seed 1" in found.reason and found.p_better is None
    assert verdict(flag(duel(), "a"), first="b", second="a").outcome == "undecided"
    assert verdict(flag(duel(0.1, 0.1), "a"), margin=0.1).outcome == "undecided"
    assert verdict(flag(duel(), "b")).outcome == "better"


def test_a_row_whose_seeds_failed_does_not_win_on_the_others():
    records = [
        r.model_copy(update={"status": "diverged", "reason": "the loss is not finite", "metrics": {}})
        if r.row == "a" and r.cell.seed == 3
        else r
        for r in duel()
    ]
    found = verdict(records)
    assert found.outcome == "undecided" and "seed 3 of 'a': diverged: the loss is not finite" in found.reason
    assert verdict(records, first="b", second="a").outcome == "undecided"
    swapped = [r.model_copy(update={"row": {"a": "b", "b": "a"}[r.row]}) for r in records]
    assert verdict(swapped).outcome == "worse" or verdict(swapped).p_better is not None


def test_circuits_win_only_over_their_controls():
    found = verdict(circuits())
    assert found.outcome == "better" and "over its controls" in found.reason


def test_circuits_do_not_win_where_a_control_is_as_good():
    found = verdict(circuits(unentangled=0.1))
    assert found.outcome == "undecided" and "the unentangled control is as good" in found.reason
    assert found.p_better is None and found.effect.value == pytest.approx(0.2, abs=0.02)


def test_circuits_do_not_win_without_controls():
    records = [r for r in circuits() if r.role != "control"]
    found = verdict(records)
    assert found.outcome == "undecided" and "no controls" in found.reason
    assert "no controls" in verdict(records, first="b", second="a").reason


def lost(status, *kinds, seeds=range(9)):
    """The records of a winner whose controls of these kinds ended otherwise at some seeds."""

    def ended(one):
        hit = one.cell.control in kinds and one.cell.seed in seeds
        return one.model_copy(update={"status": status, "metrics": {}}) if hit else one

    return list(map(ended, circuits()))


def test_circuits_do_not_win_over_a_control_that_crashed():
    assert "'a · frozen' cannot be compared" in verdict(lost("crashed", "frozen")).reason


def test_a_control_that_diverged_does_not_block_while_another_one_is_a_rival():
    found = verdict(lost("diverged", "frozen"))
    assert found.outcome == "better" and "'a · frozen' diverged at seeds 0, 1, 2, 3, 4, 5" in found.reason
    trained = ("frozen", "unentangled", "fourier", "tanh")
    assert "no controls that could be trained" in verdict(lost("diverged", *trained)).reason
    some = verdict(lost("diverged", "frozen", seeds=(0, 1, 2)))
    assert some.outcome == "better" and some.p_better == pytest.approx(2**-6)
    as_good = [
        r if r.cell.control != "frozen" or r.status == "diverged" else r.model_copy(update={"metrics": best(r, 0.05)})
        for r in lost("diverged", "frozen", seeds=(0, 1))
    ]
    assert "the frozen control is as good" in verdict(as_good).reason


def best(one, value):
    return {name: estimate.model_copy(update={"value": value}) for name, estimate in one.metrics.items()}


@pytest.mark.parametrize(
    ("nll", "claimed", "outcome"), [(0.9, 0.8, "better"), (0.9, 0.0, "undecided"), (0.0, 0.9, "undecided")]
)
def test_a_control_without_a_certificate_is_worse_if_both_of_its_likelihoods_are(nll, claimed, outcome):
    """And by more than the margin: 0.9 and 0.8 are worse than 0.1 by 0.7 and more, of which 0.05 count as none."""

    def doubted(one):
        both = {"nll": one.metrics["nll"].model_copy(update={"value": nll + 0.001 * one.cell.seed})}
        both["nll_claimed"] = both["nll"].model_copy(update={"value": claimed + 0.001 * one.cell.seed})
        return one.model_copy(update={"certificate": certificate("fail", 3.0), "metrics": both})

    ours = quantum("a", around(0.1, seed=1), {"frozen": around(0.5), "tanh": around(0.5)}, "nll")
    records = [doubted(one) if one.cell.control == "frozen" else one for one in ours] + row("b", around(0.3), "nll")
    found = verdict(records, "nll", 0.05)
    assert found.outcome == outcome, found.reason
    assert "not certified" in found.reason
    assert verdict(records, "nll", 0.75).outcome != "better"


def test_nothing_is_asked_over_the_untrained_control():
    records = [r for r in circuits(untrained=0.01)]
    assert verdict(records).outcome == "better"
    alone = [r for r in records if r.cell.control in ("", "untrained")]
    assert "no controls" in verdict(alone).reason


@pytest.mark.parametrize("status", ["skipped", "unsupported"])
def test_a_control_that_a_model_cannot_have_is_not_asked_for(status):
    def without(*kinds):
        return [
            r.model_copy(update={"status": status, "metrics": {}}) if r.cell.control in kinds else r for r in circuits()
        ]

    assert verdict(without("fourier", "tanh")).outcome == "better"
    assert "no controls" in verdict(without("frozen", "unentangled", "fourier", "tanh")).reason


def test_a_control_counts_against_its_own_model_only():
    """Between two rows with circuits, and of a model against its control, no win over classical models is claimed."""
    records = [r for r in circuits() if r.cell.control in ("", "tanh")]
    assert verdict(records, second="a · tanh").outcome == "better"
    assert verdict(circuits(unentangled=0.1), second="a · frozen").outcome == "better"
    theirs = quantum("c", around(0.3), {"tanh": around(0.3)}) + row("a", around(0.1, seed=1), backend="native")
    assert "no controls" in verdict(theirs, second="c · tanh").reason
    other = row("c", around(0.3), backend="native") + row("a", around(0.1, seed=1), backend="native")
    assert verdict(other, second="c").outcome == "better"


def test_circuits_may_lose_without_controls():
    records = [r for r in circuits(0.5) if r.role != "control"]
    assert verdict(records).outcome == "worse"


def test_a_metric_without_a_direction_is_refused():
    with pytest.raises(Refused, match="neither more nor less is better"):
        verdict(duel(metric="shorth_width"), "shorth_width")


def test_likelihoods_are_compared_row_by_row_after_division_by_the_mass(tmp_path, mocker):
    rng = np.random.default_rng(5)
    records, arrays, truth = [], [], []
    for name, shift in (("a", 0.0), ("b", 0.4)):
        for seed in range(5):
            losses = rng.normal(2 + shift, 1.0, 100)
            truth.append(losses + 0.2)
            arrays.append({"log_prob": -losses, "samples": np.zeros((100, 3))})
            records.append(record(name, seed, "nll", float(losses.mean() + 0.2)))
    save(tmp_path, records, arrays)
    seen = mocker.spy(__import__("qinn_bench.statistics.paired", fromlist=["compare"]), "compare")
    verdict(records, "nll", results=tmp_path)
    rows = seen.call_args.kwargs["rows"]
    assert np.allclose(rows[0], truth[:5]) and np.allclose(rows[1], truth[5:])
    verdict(records, "nll", results=tmp_path / "elsewhere")
    assert seen.call_args.kwargs["rows"] is None


def test_circuits_as_good_as_one_control_seldom_win():
    """The worst case of the intersection-union test: all but one control are far worse, and that one is as good."""
    rng, wins, trials = np.random.default_rng(11), 0, 400
    for _ in range(trials):
        controls = {kind: rng.normal(0 if kind == "frozen" else 9, 1, 6).tolist() for kind in CONTROLS[:3]}
        wins += (
            verdict(quantum("a", rng.normal(size=6).tolist(), controls) + row("b", [9.0 + i for i in range(6)])).outcome
            == "better"
        )
    assert 0 < wins / trials < 0.08


@pytest.mark.parametrize("what", ["budget", "inputs"])
def test_seeds_of_several_settings_decide_nothing(what):
    """Some seeds of both rows were run again after the budget or the code was changed."""
    assert verdict(duel()).outcome == "better"
    found = verdict([_otherwise(one, what) if one.cell.seed > 2 else one for one in duel()])
    assert found.outcome == "undecided" and "made under several settings" in found.reason


def _otherwise(one, what):
    budget = one.cell.budget.model_copy(update={"steps": 77})
    if what == "budget":
        return one.model_copy(update={"cell": one.cell.model_copy(update={"budget": budget})})
    return one.model_copy(update={"inputs": {"model": "another"}})
