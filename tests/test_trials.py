"""Verdicts at every budget of trials: what is read, what is refused, coin flips, flips, and a published table."""

import json
from pathlib import Path

import numpy as np
import pytest

from qinn_bench.cli.main import main
from qinn_bench.statistics.findings import CompareTerms
from qinn_bench.values import Refused
from qinn_bench.verdicts.outside_results import Columns
from qinn_bench.verdicts.outside_trials import Trials, at_budgets, flips, read_trials

GRIDS = Path(__file__).parents[2] / "shared" / "data" / "qml_grids.csv"
COLUMNS = Columns("model", "score", "data", trial="trial")
HEAD = "model,data,trial,score"


def lines(scores):
    return [f"{row},{data},{k},{value}" for (row, data), values in scores.items() for k, value in enumerate(values)]


def many(table, scores):
    return table(HEAD, *lines(scores))


def test_trials_are_read_by_row_and_data_set(table):
    path = many(table, {("a", "x"): [0.1, "nan", 0.3], ("b", "x"): [0.2], ("a", "y"): [0.5], ("b", "y"): [0.6, 0.7]})
    found = read_trials(path, COLUMNS)
    assert found.rows == ("a", "b") and found.columns == ("x", "y") and (found.failed, found.fewest) == (1, 1)
    assert found.scores["a", "x"].tolist() == [0.1, 0.3]


@pytest.mark.parametrize(
    ("more", "columns", "says"),
    [
        (["a,x,0,0.5"], COLUMNS, "both hold trial '0' of 'a' on 'x'"),
        (["a,z,0,0.5"], COLUMNS, "'b' has no trial on 'z'"),
        (["a,x,,0.5"], COLUMNS, "nothing in column 'trial' (--trial)"),
        (["a,x,9,much"], COLUMNS, "'much' in column 'score'"),
        ([], COLUMNS._replace(seed="trial"), "not both"),
        ([], COLUMNS._replace(trial="try"), "no column 'try'"),
    ],
)
def test_what_cannot_be_read_is_refused(table, more, columns, says):
    path = table(HEAD, *lines({("a", "x"): [0.1, 0.3], ("b", "x"): [0.2, 0.4]}), *more)
    with pytest.raises(Refused) as refusal:
        read_trials(path, columns)
    assert says in str(refusal.value)


def test_a_data_set_without_trials_of_some_row_is_dropped_if_asked(table):
    path = many(table, {("a", "x"): [1, 2], ("b", "x"): [2, 3], ("a", "z"): [5]})
    assert read_trials(path, COLUMNS, drop=True).dropped == ("z",)


def drawn(rng, families, n_data=20, n_trials=24):
    """Trials of families, each a function of the generator, on data sets that differ in difficulty."""
    columns = tuple(f"d{at}" for at in range(n_data))
    scores = {
        (row, column): level + draw(rng, n_trials)
        for column, level in zip(columns, rng.normal(size=n_data), strict=True)
        for row, draw in families.items()
    }
    return Trials(tuple(families), columns, scores, 0)


@pytest.mark.parametrize("tables", [30, pytest.param(300, marks=pytest.mark.slow)])
def test_equal_families_are_told_apart_at_no_more_than_the_level_at_any_budget(tables):
    """Two names of one family: each budget alone decides in at most 5 % of the tables, up to chance."""
    rng, same = np.random.default_rng(0), lambda rng, n: rng.normal(size=n)
    decided: dict[int | None, int] = {}
    for _ in range(tables):
        for at in at_budgets(drawn(rng, {"a": same, "b": same}), CompareTerms()):
            (pair,) = at.findings.overall
            decided[at.trials] = decided.get(at.trials, 0) + (pair.comparison.outcome != "undecided")
    allowed = 0.05 * tables + 3 * (0.05 * tables) ** 0.5
    assert len(decided) >= 5 and all(count <= allowed for count in decided.values()), decided


def test_a_wide_family_overtakes_a_narrow_one_and_the_budget_is_named():
    """The narrow one is better on average, the wide one has the better best: the verdict flips."""
    families = {
        "narrow": lambda rng, n: 0.5 + 0.05 * rng.normal(size=n),
        "wide": lambda rng, n: 0.6 * rng.normal(size=n),
    }
    budgets = at_budgets(drawn(np.random.default_rng(1), families), CompareTerms())
    (flip,) = flips(budgets)
    assert flip.flips and flip.better_at["1"] == "narrow" and flip.better_at["all"] == "wide"
    assert budgets[0].means["narrow"].error and budgets[-1].means["narrow"].error is None


@pytest.mark.parametrize("form", ["text", "md", "latex", "csv", "json"])
def test_the_verb_prints_every_form(table, capsys, form):
    rng = np.random.default_rng(2)
    scores = {(row, f"d{k}"): rng.normal(size=6).tolist() for row in "ab" for k in range(8)}
    words = ["compare", "--from", str(many(table, scores)), "--row", "model", "--column", "data", "--value", "score"]
    assert main([*words, "--trial", "trial", "--format", form]) == 0
    said = capsys.readouterr().out
    if form == "json":
        assert [at["trials"] for at in json.loads(said)["budgets"]] == [1, 2, 3, 4, 6, None]
    else:
        assert "a" in said and "all" in said


@pytest.mark.skipif(not GRIDS.exists(), reason="the published grids are not at hand")
def test_published_grids_say_how_the_verdict_hangs_on_the_budget():
    """Cross-validated grids of a public suite: the network wins everywhere at few trials, and not with full grids."""
    columns = Columns("model", "cv_accuracy", "dataset", trial="trial")
    trials = read_trials(GRIDS, columns, drop=True, rows=("MLPClassifier", "ProjectedQuantumKernel"))
    assert len(trials.columns) == 102
    wins = {at.trials: at.findings.overall[0] for at in at_budgets(trials, CompareTerms())}
    ahead = {k: pair.wins if pair.first == "MLPClassifier" else pair.losses for k, pair in wins.items()}
    assert (ahead[1], ahead[3], ahead[8]) == (102, 102, 93)
    # On 18 data sets the best of both full grids is the same number: ahead on 55, behind on 29.
    assert (wins[None].wins, wins[None].losses) in ((55, 29), (29, 55)) and ahead[None] == 55
    assert wins[8].comparison.outcome == "better"
