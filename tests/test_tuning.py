"""Tuning: equal trials for every row, validation rows choose, every budget of trials has a verdict."""

import json
from itertools import combinations

import numpy as np
import pytest
from rows import certificate, record

from qinn_bench.cli.main import main
from qinn_bench.limits import Limits
from qinn_bench.records import store
from qinn_bench.records.trials import STATED_SEED, best_of, is_final, ranked
from qinn_bench.statistics.budget_curves import expected_chosen, permutation_p, weights
from qinn_bench.study import matched, tuning
from qinn_bench.study.selection import Filters
from qinn_bench.study.study_files import load_study, study_of
from qinn_bench.study.tuning_space import space_of, trials_of
from qinn_bench.values import Budget, Estimate, KnobSpan, Refused, Row, Tuning
from qinn_bench.verdicts import tuned_budgets

STUDY = """
name = "mini"
data = ["moons"]
seeds = 2
sizes = [100]
samples = 200
mass_draws = 4000
metrics = ["nll"]
columns = ["nll"]
[match]
tolerance = 0.2
[budgets.short]
steps = 20
batch = 64
check_every = 5
[tuning]
trials = 3
mass_draws = 4000
{more}
[[models]]
model = "spline_inn"
shape = "balanced"
[[models]]
model = "affine_inn"
shape = "balanced"
[[models]]
model = "gaussian"
"""


@pytest.fixture
def study(tmp_path):
    def written(more=""):
        path = tmp_path / "mini.toml"
        path.write_text(STUDY.replace("{more}", more))
        return path

    return written


def run(verb, path, *more):
    return main([verb, str(path), "--results", str(path.parent / "r"), *more])


def test_a_run_tunes_every_compared_row_and_trains_its_seeds_under_the_best_settings(study, capsys):
    path = study()
    assert run("run", path, "-j", "1") == 0
    results = path.parent / "r"
    trials, rows = store.load_all(results, "mini-trials"), store.load_all(results, "mini")
    assert {(one.family, one.size) for one in trials} == {("spline_inn", 100), ("affine_inn", 100)}
    assert len(trials) == 2 * 4
    assert {one.cell.seed for one in trials} == {1000, 1001, 1002, 3000}
    stated = {one.family: one.cell for one in trials if one.cell.seed == 3000}
    assert {cell.budget.learning_rate for cell in stated.values()} == {0.01}
    for family in ("spline_inn", "affine_inn"):
        best = min((one for one in trials if one.family == family), key=lambda one: one.validation.value)
        own = [one for one in rows if one.family == family]
        assert {one.cell.seed for one in own} == {0, 1}
        assert {(str(one.cell.model), one.cell.budget) for one in own} == {(str(best.cell.model), best.cell.budget)}
    assert [one.cell.budget.learning_rate for one in rows if one.family == "gaussian"] == [0.01, 0.01]
    capsys.readouterr()
    assert run("status", path) == 0
    assert "0 to run" in (told := capsys.readouterr().out) or "to run" not in told
    assert run("table", path) == 0
    told = capsys.readouterr().out
    assert "not of this version" not in told and "Settings tried: 4 for each family." in told
    assert run("publish", path) == 0
    published = results / "published" / "mini.jsonl.gz"
    assert run("table", path, "--records", str(published)) == 0
    assert "Settings tried: 4 for each family." in capsys.readouterr().out
    (results / "published" / "mini-trials.jsonl.gz").unlink()
    assert run("table", path, "--records", str(published)) == 0
    assert "the records of its trials are not here" in capsys.readouterr().out


@pytest.mark.slow
def test_what_is_tuned_is_not_tuned_again_and_other_terms_are(study, capsys):
    path = study()
    assert run("tune", path, "-m", "affine_inn", "-j", "1") == 0
    capsys.readouterr()
    assert run("tune", path, "-m", "affine_inn", "-j", "1") == 0
    assert "mini-trials: 4 cells, 4 finished, 0 to run" in capsys.readouterr().err.replace("\n", " ")
    path = study("learning_rate = [0.01, 0.02]")
    assert run("tune", path, "-m", "affine_inn", "-j", "1") == 0
    assert "mini-trials: 4 cells, 1 finished, 3 to run" in capsys.readouterr().err.replace("\n", " ")


def test_rows_that_are_not_tuned_run_by_themselves_and_tune_refuses_them(study, capsys):
    path = study()
    assert run("run", path, "-m", "gaussian", "-s", "0", "-j", "1") == 0
    assert not store.load_all(path.parent / "r", "mini-trials")
    assert run("tune", path, "-m", "gaussian") == 2
    assert "the filters keep no row of 'mini' that is tuned" in capsys.readouterr().err


def test_a_control_tunes_the_row_that_it_is_of(tmp_path):
    rows = [{"model": "hybrid_qinn", "knobs": {"uploads": 1}}, {"model": "affine_inn"}]
    asked = {"name": "mini", "data": ["moons[events=400]"], "models": rows, "budgets": {"short": {"steps": 10}}}
    mini = study_of(asked | {"controls": True, "tuning": {"trials": 2}})
    found = tuning.tuned_rows(mini, tmp_path, Filters(models=("hybrid_qinn · frozen",)), Limits())
    assert [one.row.model for one in found] == ["hybrid_qinn"]


def test_no_trial_is_begun_after_the_cpu_seconds_of_a_row(study):
    path = study("cpu_s = 1e-6")
    assert run("tune", path, "-j", "1") == 0
    assert len(store.load_all(path.parent / "r", "mini-trials")) == 2


@pytest.mark.slow
def test_tune_prints_the_curve_and_the_verdict_at_each_budget(study, capsys):
    path = study()
    assert run("tune", path, "-j", "1", "--json") == 0
    curve, verdicts = json.loads(capsys.readouterr().out)
    assert "Tuning of mini: nll" in json.dumps(curve)
    assert "spline_inn against affine_inn" in json.dumps(verdicts)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("trials = 1", "trials"),
        ("learning_rate = [0.1, 0.01]", "learning_rate is [0.1, 0.01]"),
        ("learning_rate = [0.0, 0.01]", "learning_rate"),
        ('metrics = ["nil"]', "no metric is called 'nil'"),
        ("batch = [0]", "batch"),
        ("cpu_s = -1.0", "cpu_s"),
        ("turns = 3", "turns"),
    ],
)
def test_terms_that_make_no_sense_are_refused_in_a_sentence(study, capsys, more, said):
    path = study(more)
    if more.startswith("trials"):
        path.write_text(path.read_text().replace("trials = 3\n", ""))
    assert run("tune", path) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


def test_a_study_without_tuning_says_what_is_missing(study, capsys):
    path = study()
    path.write_text(path.read_text().replace("[tuning]\ntrials = 3\nmass_draws = 4000\n", ""))
    assert run("tune", path) == 2
    assert "a table [tuning] was expected" in capsys.readouterr().err


def test_the_points_are_the_same_for_the_same_names_and_fill_each_dimension():
    row, tuning, budget = Row(model="qinn", shape="deep"), Tuning(trials=16), Budget()
    trials = trials_of(row, tuning, budget, ("a",))
    assert trials == trials_of(row, tuning, budget, ("a",))
    assert trials != trials_of(row, tuning, budget, ("b",))
    rates = np.log([trial.budget.learning_rate for trial in trials])
    low, high = np.log(tuning.learning_rate)
    # Rounded to three digits a rate may lie just outside of its sixteenth.
    assert np.abs(np.sort((rates - low) / (high - low)) * 16 - np.arange(0.5, 16)).max() < 0.51
    shapes = [trial.row.shape for trial in trials]
    assert all(3 <= shapes.count(shape) <= 8 for shape in ("shallow", "balanced", "deep"))


def test_a_knob_that_the_row_holds_is_not_tried():
    assert "barrier" in space_of(Row(model="qinn"), Tuning(), Budget())
    assert "barrier" not in space_of(Row(model="qinn", knobs={"barrier": 60.0}), Tuning(), Budget())


def trial(k, score, loss, family="a", verdict="pass", **more):
    return record(
        f"{family} · trial {k}",
        1000 + k,
        "nll",
        loss,
        family=family,
        validation=Estimate(value=score, better="lower"),
        certificate=certificate(verdict),
        cost={"train_cpu_s": 1.0},
        **more,
    )


def test_validation_rows_choose_and_a_refuted_likelihood_never_does():
    kept = [trial(0, 1.0, 5.0), trial(1, 0.5, 9.0), trial(2, 0.1, 0.1, verdict="fail")]
    assert best_of(kept).key == kept[1].key
    open_one = trial(0, 1.0, 5.0, verdict="undecided")
    assert best_of([open_one, trial(1, 2.0, 5.0)]).cell.seed == 1001
    by_construction = certificate("undecided").model_copy(update={"by_construction": True})
    normalised = open_one.model_copy(update={"certificate": by_construction})
    assert best_of([normalised, trial(1, 2.0, 5.0)]).cell.seed == 1000
    assert best_of([trial(0, 1.0, 5.0, status="diverged")]) is None


def test_the_curve_is_that_of_what_validation_rows_choose():
    found = tuned_budgets.families([trial(k, -k, k) for k in range(4)], "nll")[0]
    assert found.best_of(4).value == 3.0
    assert found.best_of(1).value == pytest.approx(1.5)
    assert found.best_of(2).value == pytest.approx(np.mean([max(i, j) for i in range(4) for j in range(i)]))


@pytest.mark.slow
def test_the_best_trials_are_trained_on_before_one_is_chosen(study):
    path = study("finalists = 2")
    converged = path.read_text().replace("check_every = 5", 'check_every = 5\nuntil = "converged"\ncycles = 2')
    path.write_text(converged)
    assert run("tune", path, "-m", "affine_inn", "-j", "1") == 0
    results = path.parent / "r"
    records = store.load_all(results, "mini-trials")
    short, finals = ([one for one in records if is_final(one) is last] for last in (False, True))
    assert len(short) == 4 and {one.cell.seed for one in finals} == {one.cell.seed for one in ranked(short)[:2]}
    assert {one.training.steps for one in finals} == {80} and {one.training.steps for one in short} == {20}
    (answer,) = matched.read(results, "mini").values()
    assert answer.model == best_of(finals).cell.model and answer.trials == 4
    assert best_of(records) == best_of(finals)
    assert len(tuned_budgets.families(records, "nll")[0].scores) == 3


def test_what_a_row_states_is_tried_and_is_in_no_curve():
    stated = trial(2000, -9.0, 0.5)
    assert stated.cell.seed == STATED_SEED
    records = [trial(0, 1.0, 5.0), trial(1, 2.0, 7.0), stated]
    found = tuned_budgets.families(records, "nll")[0]
    assert best_of(records) is stated and found.stated.value == 0.5
    assert len(found.scores) == 2 and found.best_of(1).value == pytest.approx(6.0)


def test_a_trial_that_failed_counts_as_the_worst():
    found = tuned_budgets.families([trial(0, 1.0, 5.0), trial(1, 2.0, 7.0), trial(2, 0.0, 0.0, verdict="fail")], "nll")
    assert found[0].failed == 1
    assert found[0].best_of(1).value == pytest.approx((5 + 7 + 7) / 3)


def drawn(rng, shift=0.0, n=8):
    scores = rng.gamma(2.0, 0.1, n) + shift
    return scores, scores + rng.normal(0, 0.02, n)


def verdicts_of(rng, shift, cost=(1.0, 1.0)):
    kept = []
    for family, moved, seconds in (("a", 0.0, cost[0]), ("b", shift, cost[1])):
        for k, (score, loss) in enumerate(zip(*drawn(rng, moved), strict=True)):
            one = trial(k, float(score), float(loss), family)
            kept.append(one.model_copy(update={"cost": {"train_cpu_s": seconds}}))
    return tuned_budgets.verdicts(tuned_budgets.families(kept, "nll"), "nll")[0]


@pytest.mark.parametrize("n", [12, pytest.param(160, marks=pytest.mark.slow)])
def test_identical_families_are_a_coin_flip_at_every_budget(n):
    """The sign is even and no budget decides above its level, whatever a trial costs."""
    rng = np.random.default_rng(1)
    pairs = [verdicts_of(rng, 0.0, cost=(1.0, 3.0)) for _ in range(n)]
    for at, one in enumerate(pairs[0].verdicts):
        decided = np.mean([bool(pair.verdicts[at].better) for pair in pairs])
        assert decided <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / n), one.budget
        if one.budget != "equal CPU":
            first = np.mean([pair.verdicts[at].ahead > 0 for pair in pairs])
            assert abs(first - 0.5) < 3 * np.sqrt(0.25 / n), one.budget


def test_a_difference_is_seen():
    pair = verdicts_of(np.random.default_rng(2), 1.0)
    assert [one.better for one in pair.verdicts] == ["a"] * 9


def test_in_equal_time_a_dearer_family_has_fewer_trials():
    pair = verdicts_of(np.random.default_rng(3), 0.0, cost=(1.0, 3.0))
    assert pair.verdicts[-1].trials == (8, 2)


def test_the_permutation_is_exact_where_all_can_be_tried():
    """Against all ways to share out, one by one."""
    rng = np.random.default_rng(4)
    (a, x), (b, y) = drawn(rng, 0.0, 4), drawn(rng, 0.1, 3)
    score, loss = np.concatenate([a, b]), np.concatenate([x, y])

    def apart(first):
        rest = [i for i in range(7) if i not in first]
        one = expected_chosen(score[list(first)], loss[list(first)], 2, higher=False)
        return abs(one - expected_chosen(score[rest], loss[rest], 3, higher=False))

    every = [apart(first) for first in combinations(range(7), 4)]
    expected = np.mean([one >= apart((0, 1, 2, 3)) - 1e-12 for one in every])
    assert permutation_p((a, b), (x, y), (2, 3), rng) == pytest.approx(expected)


def test_the_weights_of_all_trials_are_those_of_the_best():
    assert weights(5, 5).tolist() == [1, 0, 0, 0, 0]
    assert weights(5, 1).tolist() == [0.2] * 5


def test_the_terms_of_the_study_file_are_those_of_the_value(study):
    assert load_study(study("batch = [32, 64]")).tuning.batch == (32, 64)


def test_a_row_may_let_tuning_try_more_than_its_model_does():
    row = Row(
        model="qinn", tune={"copies": (1, 2), "stretch": ("tanh", "monotone"), "barrier": KnobSpan(low=1, high=9)}
    )
    space = space_of(row, Tuning(), Budget())
    assert space["copies"] == (1, 2) and space["barrier"].high == 9 and "entangler" in space
    drawn = {trial.row.knobs["copies"] for trial in trials_of(row, Tuning(trials=8), Budget(), ("a",))}
    assert drawn == {1, 2}
    held = row.model_copy(update={"knobs": {"copies": 1}})
    assert "copies" not in space_of(held, Tuning(), Budget())


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            "knobs = { uploads = 2, copies = 2 }\ntune = { copies = [1, 2] }",
            "holds 'copies' in knobs and lets tuning try it",
        ),
        ("tune = { copes = [1, 2] }", "copes"),
        ("tune = { copies = { low = 2.0, high = 1.0 } }", "low"),
        ('tune = { copies = [1, "many"] }', "many"),
    ],
)
def test_what_a_row_lets_tuning_try_has_to_exist(study, more, says):
    with pytest.raises(Refused) as refusal:
        path = study()
        path.write_text(f'{path.read_text()}\n[[models]]\nmodel = "qinn"\nlabel = "own"\n{more}\n')
        load_study(path)
    assert says in str(refusal.value) and "\n" not in str(refusal.value)
