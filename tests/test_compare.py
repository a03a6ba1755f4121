"""The verb compare: refusals of tables, Welch against SciPy, corrected verdicts, dropped scores, and every format."""

import csv
import io
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind_from_stats, ttest_rel

from qinn_bench.cli.main import main
from qinn_bench.paired import sign_flip_p
from qinn_bench.results_table import Columns, Results, read
from qinn_bench.round_robin import OVERALL, Terms, compared, welch
from qinn_bench.values import Refused

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
DEMSAR = ["--from", str(EXAMPLES / "demsar2006.csv"), "--row", "classifier", "--column", "dataset", "--value", "auc"]
RUNS = Columns("model", "score", "data", "seed")
MEANS = Columns("model", "score", "data", "", "sd", "n")
SIZES = np.full((2, 1), 8.0)


def results(scores, columns, seeds):
    replicates = tuple((column, str(seed)) for column, seed in product(columns, range(seeds)))
    return Results(tuple("abcd"[: len(scores)]), replicates, np.asarray(scores, dtype=float))


def means(scores, sds, n):
    block = np.asarray(scores, dtype=float)
    columns = tuple((f"d{at}", "") for at in range(block.shape[1]))
    sizes = np.full(block.shape, float(n))
    return Results(tuple("abcd"[: len(block)]), columns, block, np.full(block.shape, float(sds)), sizes)


@pytest.fixture
def table(tmp_path):
    """Writes lines to a CSV file and returns its path."""

    def write(*lines):
        path = tmp_path / "table.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


HEAD = "model,data,seed,score,sd,n"
GOOD = ("a,x,0,1.0,1,5", "b,x,0,2.0,1,5")
REFUSALS = {
    "no column": (RUNS._replace(value="accuracy"), GOOD, "no column 'accuracy'; it has: model, data, seed, score"),
    "no number": (RUNS, (*GOOD, "a,x,1,good,1,5"), "line 4 has 'good' in column 'score', expected a finite number"),
    "empty": (RUNS, (*GOOD, "a,x,1,,1,5"), "line 4 has '' in column 'score'"),
    "not finite": (RUNS, (*GOOD, "a,x,1,nan,1,5"), "line 4 has 'nan'"),
    "fields": (RUNS, (*GOOD, "a,x,1"), "line 4 has 3 fields, its header 6"),
    "no name": (RUNS, (*GOOD, ",x,1,1.0,1,5"), "line 4 has nothing in column 'model'"),
    "twice": (RUNS, (*GOOD, GOOD[0]), "lines 2 and 4 both hold the score of 'a' on 'x', seed 0$"),
    "no seed": (RUNS._replace(seed=""), (*GOOD, "a,x,1,1.0,1,5"), "lines 2 and 4 .*'x'; name the column .* --seed"),
    "missing": (RUNS, (*GOOD, "b,y,3,1.0,1,5"), "no score of 'a' on 'y', seed 3; --drop"),
    "one row": (RUNS, GOOD[:1], "has 1 row, at least 2"),
    "no row": (RUNS, (), "has 0 rows, at least 2"),
    "sd alone": (MEANS._replace(n=""), GOOD, "need both columns"),
    "sd and seed": (MEANS._replace(seed="seed"), GOOD, "not both"),
    "one run": (MEANS, ("a,x,0,1.0,1,1",), "line 2 has sd 1 of 1 runs"),
    "negative sd": (MEANS, ("a,x,0,1.0,-1,5",), "line 2 has sd -1 of 5 runs"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_tables_are_refused_in_one_sentence(table, name):
    columns, lines, said = REFUSALS[name]
    with pytest.raises(Refused, match=said):
        read(table(HEAD, *lines), columns)


def test_no_file_no_header_no_text(tmp_path, table):
    with pytest.raises(Refused, match="there is no file"):
        read(tmp_path / "none.csv", RUNS)
    with pytest.raises(Refused, match="it has: none"):
        read(table(""), RUNS)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refused, match="not CSV in UTF-8"):
        read(tmp_path / "binary.csv", RUNS)


def test_what_is_missing_is_named_and_counted_or_dropped(table):
    lines = [f"{row},{data},0,{at}.5,1,5" for at, (row, data) in enumerate(product("ab", "uvwxyz"))]
    path = table(HEAD, *lines, *(f"c,{data},0,9.0,1,5" for data in "u"))
    with pytest.raises(Refused, match=r"'c' on 'v', seed 0, 'c' on 'w', seed 0, 'c' on 'x', seed 0 and 2 more"):
        read(path, RUNS)
    found = read(path, RUNS, drop=True)
    assert found.columns == ("u",) and len(found.dropped) == 5
    with pytest.raises(Refused, match="nothing is left"):
        read(table(HEAD, GOOD[0], "b,y,0,1.0,1,5"), RUNS, drop=True)


def test_scores_are_arranged_whatever_the_order_of_lines(table):
    lines = [f"{row},{data},{seed},{ord(row) + ord(data) * seed}" for row, data, seed in product("ab", "xy", (0, 1))]
    found = read(table("model,data,seed,score", *reversed(lines)), RUNS)
    for at, row in enumerate(found.rows):
        expected = [ord(row) + ord(data) * int(seed) for data, seed in found.replicates]
        assert found.scores[at].tolist() == expected
    alone = read(table("model,score", "a,1", "b,2"), Columns("model", "score"))
    assert alone.replicates == (("all", ""),)


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_welch_agrees_with_scipy(better):
    m, s, n = np.array([[0.8], [0.7]]), np.array([[0.1], [0.03]]), np.array([[9.0], [5.0]])
    found = welch(m, s, n, Terms(better))
    side = "greater" if better == "higher" else "less"
    known = ttest_ind_from_stats(0.8, 0.1, 9, 0.7, 0.03, 5, equal_var=False, alternative=side)
    assert found.p_better == pytest.approx(known.pvalue) and found.p_worse == pytest.approx(1 - known.pvalue)
    assert found.replicates == 5
    two_sided = ttest_ind_from_stats(0.8, 0.1, 9, 0.7, 0.03, 5, equal_var=False)
    assert abs(found.effect.value / found.effect.error) == pytest.approx(abs(two_sided.statistic))


def test_welch_shows_equality_and_needs_five_runs():
    close = np.array([[0.500], [0.501]])
    assert welch(close, np.full((2, 1), 0.01), SIZES, Terms(margin=0.05)).outcome == "equal"
    few = welch(close * [[9.0], [1.0]], np.full((2, 1), 0.01), SIZES / 2, Terms())
    assert few.outcome == "undecided" and "at least 5" in few.reason and few.p_better is None
    exact = welch(close, np.zeros((2, 1)), SIZES, Terms(margin=0.05))
    assert (exact.p_better, exact.p_worse, exact.p_equal) == (1.0, 0.0, 0.0)


def test_welch_over_data_sets_keeps_its_level():
    """The mean over three data sets of different scale, five runs each: false alarms of the one-sided test."""
    rng, scale, wrong = np.random.default_rng(3), np.array([0.3, 1.0, 4.0]), 0
    for _ in range(2000):
        runs = rng.normal(size=(2, 3, 5)) * scale[:, None]
        found = welch(runs.mean(2), runs.std(2, ddof=1), np.full((2, 3), 5.0), Terms())
        wrong += found.p_better <= 0.05
    assert abs(wrong / 2000 - 0.05) < 3.5 * np.sqrt(0.05 * 0.95 / 2000)


def test_many_data_sets_are_the_replicates_and_few_are_not():
    scores = np.random.default_rng(0).normal(size=(2, 12))
    many, few = (compared(results(scores, columns, seeds), Terms()) for columns, seeds in (("uvwxyz", 2), ("uvw", 4)))
    assert many.pairs[0].comparison.replicates == 6 and "6 data sets" in many.replicates
    assert few.pairs[0].comparison.replicates == 12 and "12 pairs" in few.replicates
    differences = scores.reshape(2, 6, 2).mean(2)
    assert many.pairs[0].p == pytest.approx(2 * min(sign_flip_p(differences[0] - differences[1])))
    asked = compared(results(scores, "uvwxyz", 2), Terms(over="pairs"))
    assert asked.pairs[0].comparison.replicates == 12
    assert asked.pairs[0].comparison.interval == pytest.approx(ttest_rel(*scores).confidence_interval(), rel=1e-9)


def test_verdicts_are_two_sided_and_corrected():
    """Of five replicates the smallest two-sided p is 1/16; of eight, six pairs can be told apart."""
    steps = np.arange(4.0)[:, None]
    noise = 0.01 * np.random.default_rng(1).normal(size=(4, 8))
    five = compared(results((steps + noise)[:2, :5], "x", 5), Terms()).pairs[0]
    assert five.comparison.outcome == "undecided" and five.p == 1 / 16
    assert "of 5 replicates no p is below 0.062, so that to correct 1 p-value takes 6" in five.comparison.reason
    eight = compared(results(steps + noise, "x", 8), Terms())
    assert {pair.comparison.outcome for pair in eight.pairs} == {"worse"}
    assert {pair.p_corrected for pair in eight.pairs} == {6 / 128}
    lower = compared(results(steps + noise, "x", 8), Terms("lower"))
    assert {pair.comparison.outcome for pair in lower.pairs} == {"better"}
    assert [one.rank for one in lower.standings] == [1, 2, 3, 4]


def test_few_replicates_are_undecided():
    found = compared(results([[9.0, 9.1, 9.2], [1.0, 1.1, 1.2]], "x", 3), Terms())
    assert found.pairs[0].comparison.outcome == "undecided" and found.pairs[0].p is None
    assert found.standings[0].interval is None and found.alike is None


def test_means_are_compared_on_each_data_set_and_over_all():
    block = np.array([[0.9, 0.8, 0.7], [0.5, 0.4, 0.3], [0.5, 0.41, 0.29]])
    found = compared(means(block, 0.02, 6), Terms())
    assert [pair.scope for pair in found.pairs] == [OVERALL] * 3 + ["d0"] * 3 + ["d1"] * 3 + ["d2"] * 3
    assert [pair.comparison.outcome for pair in found.pairs[:3]] == ["better", "better", "undecided"]
    assert "Welch" in found.pairs[0].comparison.method
    raw = ttest_ind_from_stats(0.9, 0.02, 6, 0.5, 0.02, 6, equal_var=False).pvalue
    assert found.pairs[3].p == pytest.approx(raw) and found.pairs[3].p_corrected > 5 * raw
    many = compared(means(np.tile(block, (1, 2)) + 0.01 * np.arange(6), 0.02, 2), Terms())
    assert "sign flips over data sets" in many.pairs[0].comparison.method and many.pairs[0].p == 2 / 64
    assert "means of 2 runs" in many.pairs[-1].comparison.reason
    alone = compared(means(block[:, :1], 0.02, 6), Terms())
    assert [pair.scope for pair in alone.pairs] == ["d0"] * 3


def test_rows_that_never_differ():
    found = compared(results(np.ones((2, 6)) * np.arange(6), "uvwxyz", 1), Terms(margin=0.1)).pairs[0]
    assert (found.comparison.outcome, found.p, found.p_wilcoxon) == ("equal", 1.0, None)


def test_any_false_verdict_among_equal_rows_is_rare():
    """Four equal rows on eight data sets, means over seeds: any better or worse among the six pairs."""
    rng, wrong = np.random.default_rng(11), 0
    for _ in range(300):
        found = compared(results(rng.normal(size=(4, 8)), "abcdefgh", 1), Terms())
        wrong += any(pair.comparison.outcome != "undecided" for pair in found.pairs)
    assert wrong / 300 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("text", "Friedman: chi2 = 10.23, p = 0.0167"),
        ("md", "| C4.5+m – C4.5+m+cf |"),
        ("latex", r"\toprule"),
        ("csv", "model,data,role,effect,effect_error,interval,p,"),
        ("json", '"columns": 14'),
    ],
)
def test_a_published_table_end_to_end(capsys, form, said):
    assert main(["compare", *DEMSAR, "--format", form]) == 0
    out = capsys.readouterr().out
    assert said in out
    if form == "csv":
        lines = list(csv.DictReader(io.StringIO(out)))
        assert len(lines) == 6 and float(lines[0]["effect"]) == pytest.approx(-0.0155)
    if form == "json":
        found = json.loads(out)
        assert [round(one["rank"], 3) for one in found["standings"]] == [3.143, 2.0, 2.893, 1.964]
        assert found["alike"]["critical"] == pytest.approx(1.2536, abs=1e-3) and found["alike"]["apart"] == []


def test_published_single_numbers_end_to_end(capsys, tmp_path):
    """Areas under the curve of 2400 events near 0.5, where one event has a standard deviation of 1/sqrt(3)."""
    out = tmp_path / "out.json"
    path = str(EXAMPLES / "quark_gluon_auc.csv")
    names = ["--row", "model", "--column", "data", "--value", "auc", "--sd", "sd", "--n", "events"]
    assert main(["compare", "--from", path, *names, "--json", "--out", str(out)]) == 0
    pairs = json.loads(out.read_text())["pairs"]
    assert [pair["comparison"]["outcome"] for pair in pairs] == ["undecided", "undecided", "worse"]
    assert pairs[0]["comparison"]["effect"]["error"] == pytest.approx(0.0167, abs=1e-4)
    assert capsys.readouterr().out == ""


def test_wrong_terms_exit_with_two(capsys):
    for more, said in (
        (["--margin", "0"], "the margin is 0"),
        (["--level", "0.7"], "the level is 0.7"),
        (["--sd", "auc"], "need both"),
        (["--seed", "run"], "no column 'run'; it has: classifier, dataset, auc"),
    ):
        assert main(["compare", *DEMSAR, *more]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1


def test_a_margin_adds_a_column_and_few_data_sets_a_warning(capsys, table):
    lines = [f"{row},{data},{ord(row) % 7 + ord(data) % 3}" for row, data in product("abcd", "xy")]
    given = ["--from", str(table("m,d,v", *lines)), "--row", "m", "--column", "d", "--value", "v", "--margin", "0.5"]
    assert main(["compare", *given]) == 0
    out = capsys.readouterr().out
    assert "p equal (Holm)" in out and "Ranks on 2 data sets mean little" in out
    assert "2 independent replicates, at least 5 are needed" in out
