"""Golden numbers: unchanged ones pass without statistics, moved ones are judged, and nothing passes by default."""

import json

import numpy as np
import pytest
from rows import built

from qinn_bench.cli.main import main
from qinn_bench.records import store
from qinn_bench.values import Budget, Estimate, Refused, Use
from qinn_bench.verdicts import golden_numbers
from qinn_bench.verdicts.golden_numbers import WatchedStudy

WATCH = WatchedStudy(study="benchmarks/studies/nightly.toml", first_seeds=3, margins={"nll": 0.02})
SEEDS, SD = 20, 0.05


def record(seed, nll, *, row="spline", status="ok", precision="float32"):
    metrics = {"nll": Estimate(value=nll, error=0.01, n=9, unit="nats", better="lower")} if status == "ok" else {}
    return built(
        key=f"{row}{seed}",
        study="nightly",
        row=row,
        model=Use(name="spline_inn"),
        data=Use(name="moons"),
        budget=Budget(precision=precision),
        seed=seed,
        status=status,
        metrics=metrics,
        reason="why",
    )


def base(seed=0):
    return 1.0 + SD * np.random.default_rng(seed).normal(size=SEEDS)


@pytest.fixture
def golden(tmp_path):
    records = [record(seed, float(nll)) for seed, nll in enumerate(base())]
    golden = golden_numbers.golden_of(WATCH, "nightly", records, "c" * 40, "e")
    golden_numbers.save_golden(tmp_path / "golden.json", golden)
    return golden


def outcome(golden, values, **changes):
    found = golden_numbers.check(golden, WATCH, [record(seed, float(v), **changes) for seed, v in enumerate(values)])
    assert len(found) == 1
    return found[0]


def test_a_golden_metric_that_is_watched_no_more_is_no_pass(golden):
    watch = WatchedStudy(study="benchmarks/studies/nightly.toml", first_seeds=3, margins={"swd": 0.02})
    found = golden_numbers.check(golden, watch, [record(seed, 9.0) for seed in range(SEEDS)])
    assert found[0].outcome == "inconclusive" and "watched no more" in found[0].reason


def test_the_same_numbers_pass_and_the_first_seeds_are_enough(golden, tmp_path):
    assert golden_numbers.load_golden(tmp_path / "golden.json") == golden
    assert outcome(golden, base()).outcome == "same"
    assert outcome(golden, base() * (1 + 5e-5)).outcome == "same"
    assert outcome(golden, base() * (1 + 5e-5), precision="float64").outcome != "same"
    assert outcome(golden, base()[:3]).outcome == "same"
    few = outcome(golden, base()[:2])
    assert few.outcome == "inconclusive" and "seeds 2 were not run" in few.reason


@pytest.mark.parametrize(
    ("shift", "noise", "expected"),
    [(0.1, 0.02, "worse"), (-0.1, 0.02, "better"), (0.002, 0.005, "equal"), (0.02, 0.05, "inconclusive")],
)
def test_moved_numbers_are_judged(golden, shift, noise, expected):
    moved = base() + shift + noise * np.random.default_rng(3).normal(size=SEEDS)
    assert outcome(golden, moved).outcome == expected


def test_moved_numbers_of_few_seeds_ask_for_the_others(golden):
    found = outcome(golden, base()[:5] + 0.3)
    assert found.outcome == "inconclusive" and "run seeds 5, 6" in found.reason


def test_a_row_that_fails_now_is_no_pass(golden):
    all_lost = [record(seed, 0.0, status="diverged") for seed in range(SEEDS)]
    assert golden_numbers.check(golden, WATCH, all_lost)[0].outcome == "worse"
    assert golden_numbers.check(golden, WATCH, [])[0].outcome == "inconclusive"
    one_lost = [record(seed, nll, status="ok" if seed else "diverged") for seed, nll in enumerate(base().tolist())]
    found = golden_numbers.check(golden, WATCH, one_lost)[0]
    assert found.outcome == "inconclusive" and "without a number at seeds 0" in found.reason


def test_false_alarms_are_rare_and_many_series_are_corrected():
    rng, wrong, nights = np.random.default_rng(5), 0, 60
    rows = [f"m{k}" for k in range(4)]
    for _ in range(nights):
        then, now = (
            [record(s, 1 + SD * float(rng.normal()), row=row) for row in rows for s in range(SEEDS)] for _ in range(2)
        )
        golden = golden_numbers.golden_of(WATCH, "nightly", then, "c", "e")
        wrong += any(one.outcome == "worse" for one in golden_numbers.check(golden, WATCH, now))
    assert wrong / nights < 0.05 + 3 * np.sqrt(0.05 * 0.95 / nights)


def test_golden_numbers_need_seeds_and_metrics(tmp_path):
    with pytest.raises(Refused, match="2 seeds"):
        golden_numbers.golden_of(WATCH, "nightly", [record(0, 1.0), record(1, 1.1)], "c", "e")
    other = WATCH.model_copy(update={"margins": {"nll": 0.02, "auc": 0.1}})
    with pytest.raises(Refused, match="metric 'auc'"):
        golden_numbers.golden_of(other, "nightly", [record(s, 1.0 + s) for s in range(6)], "c", "e")
    (tmp_path / "g.json").write_text("{}")
    with pytest.raises(Refused, match="no golden numbers of this version"):
        golden_numbers.load_golden(tmp_path / "g.json")


def test_the_verb(tmp_path, capsys):
    verb = ["quality", "--results", str(tmp_path)]
    assert main(verb) == 2 and "no records yet" in capsys.readouterr().err
    for seed, nll in enumerate(base()):
        one = record(seed, float(nll))
        metrics = one.metrics | {"clipped_swd": one.metrics["nll"], "mmd": one.metrics["nll"]}
        store.save(tmp_path, one.model_copy(update={"metrics": metrics}), {})
    assert main(verb) == 2 and "--accept" in capsys.readouterr().err
    assert main([*verb, "--accept"]) == 0 and main(verb) == 0
    assert "same" in capsys.readouterr().out
    worse = record(0, 5.0)
    more = worse.metrics | {"clipped_swd": worse.metrics["nll"]}
    store.save(tmp_path, worse.model_copy(update={"metrics": more}), {})
    assert main([*verb, "--json"]) == 5
    assert {one["outcome"] for one in json.loads(capsys.readouterr().out)} == {"inconclusive"}
    assert main(["quality", "--watch", str(tmp_path / "none.toml")]) == 2
