"""The validations that make validate runs: each has its run, and the fast forms of tests agree with the slow ones."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from qinn_bench.performance.gate.launches import Failure, Launch
from qinn_bench.statistics.paired import compare, sign_flip_p
from qinn_bench.values import Refused, Use

FOLDER = Path(__file__).parents[1] / "benchmarks" / "validation"
sys.path.insert(0, str(FOLDER))


rates, plants, planted, equal = map(
    importlib.import_module, ("error_rates", "_plants", "planted_history", "equal_versions")
)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("[!_]*.py")))
def test_every_validation_can_be_run(name):
    assert callable(importlib.import_module(name).run)


def test_many_samples_at_once_agree_with_one_by_one():
    noise = np.random.default_rng(0).normal(0.3, 1, (30, 6))
    assert rates.flips(noise) == pytest.approx([sign_flip_p(line)[0] for line in noise], abs=1e-12)
    for line, p in zip(noise, rates.equal(noise, 1.2), strict=True):
        known = compare(line, np.zeros(6), better="higher", rng=np.random.default_rng(0), margin=1.2)
        assert p == pytest.approx(known.p_equal, rel=1e-9)


def test_a_missed_rate_is_told():
    assert rates.Rate("x", "normal", "5", 0.059, 4000).kept, "within three binomial errors of 5 %"
    assert not rates.Rate("x", "normal", "5", 0.061, 4000).kept
    assert not rates.Rate("x", "normal", "5", 0.9, 4000, (0.93, 0.97)).kept
    assert "✗" in rates.Rate("x", "normal", "5", 0.061, 4000).line()
    assert rates.Rate("x", "skewed", "5", 0.5, 4000, None).kept


def test_power_is_that_of_the_closed_form():
    """Of five replicates only five of one sign decide: the effect is where the chance of each is the fifth root."""
    noise = np.random.default_rng(1).normal(size=(20_000, 5))
    effect = rates._smallest(lambda e: rates.better(noise, e), 0.05, 0.8)
    assert effect == pytest.approx(norm.ppf(0.8**0.2), abs=0.03)


def test_a_few_simulations_end_to_end():
    text, missed = rates.run(16)
    assert text.count("| called better") == 15 + 2 * len(rates.KINDS) and "| 12 |" in text and isinstance(missed, list)


def test_every_plant_fits_and_is_one_commit(tmp_path):
    commits = plants.make(tmp_path / "repository")
    assert len(commits) == len(set(commits)) == 13
    for number, plant in enumerate(plants.HISTORY, 1):
        words = ("show", "--name-only", "--format=%s", commits[number])
        assert plants.git(tmp_path / "repository", *words).split("\n\n") == [plant.title, f"{plant.path}\n"]
    with pytest.raises(Refused, match="is not empty"):
        plants.make(tmp_path / "repository")


def test_a_plant_that_does_not_fit_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\nx = 1\n", encoding="utf8")
    for old, times in (("x = 1", 2), ("y", 0)):
        with pytest.raises(Refused, match=f"{times} times; expected once"):
            plants.apply(plants.Plant("edit", "a.py", old, "z"), tmp_path)


def test_a_planted_history_has_a_python_that_takes_its_source(tmp_path):
    (tmp_path / "qinn_bench").mkdir()
    (tmp_path / "qinn_bench" / "__init__.py").touch()
    words = [str(plants.interpreter(tmp_path / "python")), "-c", "import numpy, qinn_bench; print(qinn_bench.__file__)"]
    said = subprocess.run(
        words, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(tmp_path / "qinn_bench" / "__init__.py")


@pytest.mark.parametrize("culprit", range(1, 13))
def test_the_first_bad_commit_is_found_in_four_probes(culprit):
    probes = []
    assert planted.first(12, lambda at: probes.append(at) or at >= culprit) == culprit
    assert len(probes) <= 4


def test_what_was_not_found_and_what_was_not_planted_is_missed():
    night = {"verdict": "regression", "reason": "", "findings": [], "absent": [], "counted": [], "gates": {}}
    all_of = [planted.Found(plant.tier, plant.what, "worse", number) for number, plant in planted.planted()]
    assert len(all_of) == 4 and planted.missed(all_of, night) == []
    assert planted.missed(all_of[1:], night) == [f"commit 3, {plants.HISTORY[2].title}: not found by gate"]
    assert "commit 5" in planted.missed([*all_of, planted.Found("gate", "metric[name=mmd]", "", 5)], night)[0]
    assert "Nothing else" in planted.table(all_of, night)


def equal_launches(name, centre, rng):
    """Launches of a workload that seems slower by `centre` and is not, with a scatter of half a per cent."""
    cpu, wall = ([(1.0, float(ratio)) for ratio in np.exp(rng.normal(centre, 0.005, 12))] for _ in range(2))
    return [
        Launch(workload=Use(name=name), cpu=((b,), (h,)), wall=((b,), (w,)))
        for (b, h), (_, w) in zip(cpu, wall, strict=True)
    ]


def test_false_alarms_of_a_suite_are_told():
    rng = np.random.default_rng(3)
    suite = {name: equal_launches(name, 0.0, rng) for name in "abcdefgh"}
    text, missed = equal.report(suite, equal.Counter({"no GPU": 2}), 3.2, nights=100, again=10)
    assert (
        missed == []
        and "| of 8 equal workloads |" in text
        and "| a workload raises an alarm | 0 | 0 to 0 | 0 to 1 |" in text
    )
    assert "* 2 not measured: no GPU" in text and "took 3.2 s" in text and "called " not in text.partition("\n\n")[2]
    assert "| a slowdown of 5 % is found | 100 | 100 to 100 | 90 to 100 |" in text

    biased = {name: equal_launches(name, 0.02, rng) for name in suite}
    assert "8 of 8 workloads prefer one of two equal versions" in equal.report(biased, equal.Counter(), 3.2, 10, 2)[1]

    suite["i"] = [*equal_launches("i", 0.06, rng)[:4], *equal_launches("i", -0.06, rng)[:4]]
    text, missed = equal.report(suite, equal.Counter(), 3.2, nights=400, again=10)
    shares = equal.judged(suite, 400, rng)[0]
    assert 0.0 < shares["a workload raises an alarm"] < shares["a night raises an alarm"] < 0.1
    assert "* i: called" in text and "CPU -" in text

    broken = Launch(workload=Use(name="i"), head_failure=Failure(status="error", reason="no answer"))
    suite["i"] = [*equal_launches("i", 0.0, rng), broken]
    text, missed = equal.report(suite, equal.Counter(), 3.2, nights=100, again=10)
    assert missed and "1 of 13 launches failed (no answer)" in text
