"""The verb compare: Welch against SciPy, corrected verdicts, options, remarks, the figure, and every format."""

import csv
import io
import json
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_ind_from_stats, ttest_rel, wilcoxon

from qinn_bench.cli.main import main
from qinn_bench.report import comparison_tables as report
from qinn_bench.report.critical_figure import _lanes, critical_figure
from qinn_bench.report.latex import latex
from qinn_bench.statistics.findings import OVERALL, CompareTerms
from qinn_bench.statistics.sign_flips import sign_flip_p
from qinn_bench.statistics.welch import welch
from qinn_bench.verdicts.all_against_all import compared
from qinn_bench.verdicts.outside_results import Columns, Results, read

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
DEMSAR = ["--from", str(EXAMPLES / "demsar2006.csv"), "--row", "classifier", "--column", "dataset", "--value", "auc"]
RUNS = Columns("model", "score", "data", "seed")
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
def verb(table, capsys):
    """Runs compare on scores by row and data set, and returns its exit code and output."""

    def run(scores, *options):
        lines = [f"{row},{at},{score!r}" for row, own in scores.items() for at, score in enumerate(own)]
        names = ["--from", str(table("m,d,v", *lines)), "--row", "m", "--column", "d", "--value", "v"]
        code = main(["compare", *names, *options])
        out, error = capsys.readouterr()
        return (code, json.loads(out)) if "--json" in options and code == 0 else (code, out + error)

    return run


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_welch_agrees_with_scipy(better):
    m, s, n = np.array([[0.8], [0.7]]), np.array([[0.1], [0.03]]), np.array([[9.0], [5.0]])
    found = welch(m, s, n, CompareTerms(better))
    side = "greater" if better == "higher" else "less"
    known = ttest_ind_from_stats(0.8, 0.1, 9, 0.7, 0.03, 5, equal_var=False, alternative=side)
    assert found.p_better == pytest.approx(known.pvalue) and found.p_worse == pytest.approx(1 - known.pvalue)
    assert found.replicates == 5
    two_sided = ttest_ind_from_stats(0.8, 0.1, 9, 0.7, 0.03, 5, equal_var=False)
    assert abs(found.effect.value / found.effect.error) == pytest.approx(abs(two_sided.statistic))


def test_welch_shows_equality_and_needs_five_runs():
    close = np.array([[0.500], [0.501]])
    assert welch(close, np.full((2, 1), 0.01), SIZES, CompareTerms(margin=0.05)).outcome == "equal"
    few = welch(close * [[9.0], [1.0]], np.full((2, 1), 0.01), SIZES / 2, CompareTerms())
    assert few.outcome == "undecided" and "at least 5" in few.reason and few.p_better is None


@pytest.mark.parametrize("apart", [0.0, 1e-16, 0.1])
@pytest.mark.parametrize("margin", [None, 0.05])
def test_no_spread_is_no_evidence(apart, margin):
    found = welch(np.array([[0.5], [0.5 + apart]]), np.zeros((2, 1)), SIZES, CompareTerms(margin=margin))
    assert found.outcome == "undecided" and found.p_better is None and "neither mean has a spread" in found.reason
    rounding = welch(np.array([[0.5], [0.6]]), np.full((2, 1), 1e-17), SIZES, CompareTerms())
    assert rounding.outcome == "undecided"
    one_side = welch(np.array([[0.5], [0.6]]), np.array([[0.0], [0.01]]), SIZES, CompareTerms())
    assert one_side.outcome == "worse"


def test_data_sets_without_spread_are_left_out_of_an_average():
    scores, sds = np.array([[0.5, 0.5, 9.0], [0.4, 0.41, 1.0]]), np.array([[0.01, 0.01, 0.0]] * 2)
    found, known = (welch(scores[:, :n], sds[:, :n], np.full((2, n), 8.0), CompareTerms()) for n in (3, 2))
    assert found.effect == known.effect and found.p_better == known.p_better
    assert "left out 1 of 3 data sets" in found.reason


@pytest.mark.parametrize("unit", [1e-150, 1.0, 1e99])
def test_welch_at_any_scale(unit):
    m, s, n = np.array([[0.8], [0.7]]), np.array([[0.1], [0.03]]), np.array([[9.0], [5.0]])
    assert welch(m * unit, s * unit, n, CompareTerms()).p_better == pytest.approx(
        welch(m, s, n, CompareTerms()).p_better
    )


def test_welch_over_data_sets_keeps_its_level():
    """The mean over three data sets of different scale, five runs each: false alarms of the one-sided test."""
    rng, scale, wrong = np.random.default_rng(3), np.array([0.3, 1.0, 4.0]), 0
    for _ in range(2000):
        runs = rng.normal(size=(2, 3, 5)) * scale[:, None]
        found = welch(runs.mean(2), runs.std(2, ddof=1), np.full((2, 3), 5.0), CompareTerms())
        wrong += found.p_better <= 0.05
    assert abs(wrong / 2000 - 0.05) < 3.5 * np.sqrt(0.05 * 0.95 / 2000)


def test_many_data_sets_are_the_replicates_and_few_are_not():
    scores = np.random.default_rng(0).normal(size=(2, 12))
    many, few = (
        compared(results(scores, columns, seeds), CompareTerms()) for columns, seeds in (("uvwxyz", 2), ("uvw", 4))
    )
    assert many.pairs[0].comparison.replicates == 6 and "6 data sets" in many.replicates
    assert few.pairs[0].comparison.replicates == 12 and "12 pairs" in few.replicates
    differences = scores.reshape(2, 6, 2).mean(2)
    assert many.pairs[0].p == pytest.approx(2 * min(sign_flip_p(differences[0] - differences[1])))
    asked = compared(results(scores, "uvwxyz", 2), CompareTerms(over="pairs"))
    assert asked.pairs[0].comparison.replicates == 12
    assert asked.pairs[0].comparison.interval == pytest.approx(ttest_rel(*scores).confidence_interval(), rel=1e-9)


def test_verdicts_are_two_sided_and_corrected():
    """Of five replicates the smallest two-sided p is 1/16; of eight, six pairs can be told apart."""
    steps = np.arange(4.0)[:, None]
    noise = 0.01 * np.random.default_rng(1).normal(size=(4, 8))
    five = compared(results((steps + noise)[:2, :5], "x", 5), CompareTerms()).pairs[0]
    assert five.comparison.outcome == "undecided" and five.p == five.p_wilcoxon == 1 / 16
    assert "of 5 replicates no p is below 0.062, so that to correct 1 p-value takes 6" in five.comparison.reason
    eight = compared(results(steps + noise, "x", 8), CompareTerms())
    assert {pair.comparison.outcome for pair in eight.pairs} == {"better"}, "the row that ranks better is the first"
    assert (
        {pair.p_corrected for pair in eight.pairs} == {pair.p_wilcoxon_corrected for pair in eight.pairs} == {6 / 128}
    )
    lower = compared(results(steps + noise, "x", 8), CompareTerms("lower"))
    assert {pair.comparison.outcome for pair in lower.pairs} == {"better"}
    assert [one.rank for one in lower.standings] == [1, 2, 3, 4]
    assert [one.row for one in lower.standings] == ["a", "b", "c", "d"] == [one.row for one in eight.standings][::-1]


def test_few_replicates_are_undecided():
    found = compared(results([[9.0, 9.1, 9.2], [1.0, 1.1, 1.2]], "x", 3), CompareTerms())
    assert found.pairs[0].comparison.outcome == "undecided" and found.pairs[0].p is None
    assert found.standings[0].interval is None and found.alike is None


def test_means_are_compared_on_each_data_set_and_over_all():
    block = np.array([[0.9, 0.8, 0.7], [0.5, 0.4, 0.3], [0.5, 0.41, 0.29]])
    found = compared(means(block, 0.02, 6), CompareTerms())
    assert [pair.scope for pair in found.pairs] == [OVERALL] * 3 + ["d0"] * 3 + ["d1"] * 3 + ["d2"] * 3
    assert [pair.comparison.outcome for pair in found.pairs[:3]] == ["better", "better", "undecided"]
    assert "Welch" in found.pairs[0].comparison.method
    raw = ttest_ind_from_stats(0.9, 0.02, 6, 0.5, 0.02, 6, equal_var=False).pvalue
    assert found.pairs[3].p == pytest.approx(raw) and found.pairs[3].p_corrected > 5 * raw
    many = compared(means(np.tile(block, (1, 2)) + 0.01 * np.arange(6), 0.02, 2), CompareTerms())
    assert "sign flips over data sets" in many.pairs[0].comparison.method and many.pairs[0].p == 2 / 64
    assert "means of 2 runs" in many.pairs[-1].comparison.reason
    alone = compared(means(block[:, :1], 0.02, 6), CompareTerms())
    assert [pair.scope for pair in alone.pairs] == ["d0"] * 3


def test_rows_that_never_differ():
    found = compared(results(np.ones((2, 6)) * np.arange(6), "uvwxyz", 1), CompareTerms(margin=0.1)).pairs[0]
    assert (found.comparison.outcome, found.p, found.p_wilcoxon) == ("equal", 1.0, None)


def test_any_false_verdict_among_equal_rows_is_rare():
    """Four equal rows on eight data sets, means over seeds: any better or worse among the six pairs."""
    rng, wrong = np.random.default_rng(11), 0
    for _ in range(300):
        found = compared(results(rng.normal(size=(4, 8)), "abcdefgh", 1), CompareTerms())
        wrong += any(pair.comparison.outcome != "undecided" for pair in found.pairs)
    assert wrong / 300 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("text", "Friedman: chi2 = 10.23, p = 0.0167"),
        ("md", "| C4.5+m+cf – C4.5+m |"),
        ("latex", r"\toprule"),
        ("csv", "model,first,second,data,role,effect,effect_error,interval_low,interval_high,p,"),
        ("json", '"columns": 14'),
    ],
)
def test_a_published_table_end_to_end(capsys, form, said):
    assert main(["compare", *DEMSAR, "--format", form]) == 0
    out = capsys.readouterr().out
    assert said in out
    if form == "csv":
        lines = list(csv.DictReader(io.StringIO(out)))
        assert len(lines) == 6 and float(lines[0]["effect"]) == pytest.approx(0.0155)
        assert (lines[0]["first"], lines[0]["second"], lines[0]["record_wins"]) == ("C4.5+m", "C4.5", "10")
        words = ("model", "first", "second", "data", "role", "verdict", "certificate", "remarks")
        assert all(np.isfinite(float(line[name])) for line in lines for name in line if name not in words)
    if form == "json":
        found = json.loads(out)
        assert [round(one["rank"], 3) for one in found["standings"]] == [1.964, 2.0, 2.893, 3.143]
        assert found["alike"]["critical"] == pytest.approx(1.2536, abs=1e-3) and found["alike"]["apart"] == []
        assert found["alike"]["freedom"] == [3, 39] and found["alike"]["f"] == pytest.approx(4.19, abs=0.01)
        assert found["alike"]["groups"] == [["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]]


def test_the_page_shows_what_is_printed(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["compare", *DEMSAR, "--figure", str(tmp_path / "demsar2006.png")]) == 0
    assert f"```text\n{capsys.readouterr().out.strip()}\n```" in (EXAMPLES.parent / "compare.md").read_text()


def test_published_single_numbers_end_to_end(capsys, tmp_path):
    """Areas under the curve of 2400 events near 0.5, where one event has a standard deviation of 1/sqrt(3)."""
    out = tmp_path / "out.json"
    path = str(EXAMPLES / "quark_gluon_auc.csv")
    names = ["--row", "model", "--column", "data", "--value", "auc", "--sd", "sd", "--n", "events"]
    assert main(["compare", "--from", path, *names, "--json", "--out", str(out)]) == 0
    pairs = json.loads(out.read_text())["pairs"]
    assert [pair["comparison"]["outcome"] for pair in pairs] == ["undecided", "better", "undecided"]
    assert pairs[0]["comparison"]["effect"]["error"] == pytest.approx(0.0167, abs=1e-4)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--margin", "0"], "the margin is 0"),
        (["--margin", "inf"], "the margin is inf, expected the largest difference"),
        (["--margin", "0_8"], "the margin is 0_8"),
        (["--margin", "1e308"], "the margin is 1e308"),
        (["--margin", "1e-300"], "the margin is 1e-300"),
        (["--margin=-1"], "the margin is -1"),
        (["--level", "0.7"], "the level is 0.7"),
        (["--level", "nan"], "the level is nan"),
        (["--sd", "auc"], "need both"),
        (["--seed", "run"], "no column 'run'; it has: classifier, dataset, auc"),
        (["--seed", "dataset"], "column 'dataset' is named for --column and --seed"),
        (["--control", "C4.6"], "no row is called 'C4.6' (--control); the nearest are: C4.5"),
        (["--rows", "C4.5,C9"], "has no row 'C9'; of its 4 rows the nearest are: C4.5"),
        (["--rows", "C4.5"], "has 1 row, at least 2"),
        (["--figure", "cd.jpg"], "expected a name that ends with .png or .pdf"),
        (["--rows", "C4.5,C4.5+m", "--figure", "cd.png"], "needs three rows or more"),
    ],
)
def test_wrong_terms_exit_with_two(capsys, more, said):
    assert main(["compare", *DEMSAR, *more]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not Path("cd.png").exists()


def test_a_margin_adds_a_column_and_few_data_sets_a_warning(capsys, table):
    lines = [f"{row},{data},{ord(row) % 7 + ord(data) % 3}" for row, data in product("abcd", "xy")]
    given = ["--from", str(table("m,d,v", *lines)), "--row", "m", "--column", "d", "--value", "v", "--margin", "0.5"]
    assert main(["compare", *given]) == 0
    out = capsys.readouterr().out
    assert "p equal (Holm)" in out and "Ranks on 2 data sets mean little" in out
    assert "2 independent replicates, at least 5 are needed" in out


A = [1.00, 1.00, 1.00, 0.95, 0.95, 0.95, 0.90, 0.85, 0.85, 0.70]
B = [1.00, 1.00, 1.00, 0.90, 0.90, 0.90, 0.90, 0.90, 0.80, 0.75]


def test_equal_scores_on_different_data_sets_are_different_measurements(verb):
    code, found = verb({"A": A, "B": B}, "--json")
    pair = found["pairs"][0]
    assert code == 0 and pair["comparison"]["effect"]["value"] == pytest.approx(0.010, abs=1e-15)
    assert pair["comparison"]["replicates"] == 10 and (pair["wins"], pair["ties"], pair["losses"]) == (4, 4, 2)


def test_a_win_everywhere_is_decided_though_its_size_never_changes(verb):
    scores = [0.9, 0.8, 0.8, 0.7, 0.7, 0.9, 0.6, 0.8, 0.9, 0.7]
    _, found = verb({"A": scores, "B": [round(x - 0.05, 2) for x in scores]}, "--json")
    pair = found["pairs"][0]
    assert pair["p"] == 2.0**-9 == pytest.approx(0.0020, abs=5e-5) and pair["comparison"]["outcome"] == "better"
    assert pair["comparison"]["interval"] is None


def test_items_of_zeros_and_ones_are_a_sign_test(verb, table, capsys):
    right = [1] * 8 + [0] * 4
    _, found = verb({"A": right, "B": [1 - x for x in right]}, "--json")
    pair = found["pairs"][0]
    assert pair["comparison"]["effect"]["value"] == pytest.approx(1 / 3) and pair["comparison"]["replicates"] == 12
    assert pair["p"] == pytest.approx(binomtest(8, 12).pvalue) == pytest.approx(pair["p_wilcoxon"])


def test_sums_that_tie_on_paper_tie(verb):
    a = [0.8, 0.9, 0.8, 0.9, 0.8, 0.9, 0.8, 0.9, 0.8, 0.9, 0.8, 0.9, 0.7, 0.7, 0.7]
    b = [0.7, 0.8, 0.7, 0.8, 0.7, 0.8, 0.7, 0.8, 0.7, 0.8, 0.7, 0.8, 0.8, 0.8, 0.8]
    _, found = verb({"A": a, "B": b}, "--json")
    assert found["pairs"][0]["p"] == pytest.approx(binomtest(12, 15).pvalue) == pytest.approx(0.0352, abs=5e-5)


def test_wilcoxon_of_decimals_ranks_what_ties_on_paper_alike(verb):
    a, b = [0.525, 0.75, 0.95, 0.325, 0.575, 0.55, 0.7], [0.45, 0.7, 0.9, 0.25, 0.525, 0.5, 0.775]
    assert wilcoxon(a, b).pvalue == 0.3125, "so that rounding matters here"
    _, found = verb({"A": a, "B": b}, "--json")
    assert found["pairs"][0]["p_wilcoxon"] == 0.21875 == wilcoxon([3, 2, 2, 3, 2, 2, -3]).pvalue


def test_seeds_in_another_order_make_no_rank(table):
    orders = ((1, 2, 3), (3, 2, 1), (2, 3, 1), (1, 3, 2))
    lines = [
        f"{row},{data},{seed},0.{digit}"
        for row, order in zip("abcd", orders, strict=True)
        for data in "uvwxyz"
        for seed, digit in enumerate(order)
    ]
    found = compared(read(table("model,data,seed,score", *lines), RUNS), CompareTerms())
    assert found.alike.chi2 == 0 and found.alike.p_chi2 == found.alike.p_f == 1.0
    assert {one.rank for one in found.standings} == {2.5} and {pair.p for pair in found.pairs} == {1.0}


def test_forty_rows_far_apart_are_all_decided():
    scores = np.arange(40)[:, None] + np.random.default_rng(2).normal(0, 0.0177, (40, 50))
    columns = tuple((f"d{at}", "") for at in range(50))
    found = compared(Results(tuple(map(str, range(40))), columns, scores), CompareTerms())
    assert len(found.pairs) == 780 and {pair.comparison.outcome for pair in found.pairs} == {"better"}
    assert max(pair.p_corrected for pair in found.pairs) < 1e-10


@pytest.mark.parametrize("kind", ["single", "seeds", "means"])
def test_no_digit_depends_on_names_or_order(kind):
    """Rows and data sets renamed and shuffled, seeds in another order: every number is the same, to the last digit."""
    rng = np.random.default_rng(5)
    shape = (4, 18) if kind == "seeds" else (4, 17)
    scores = np.round(rng.normal(0.5, 0.1, shape), 3)
    replicates = [(f"d{at % 6}", str(at // 6)) if kind == "seeds" else (f"d{at}", "") for at in range(shape[1])]
    spread = (np.round(rng.uniform(0, 0.1, shape), 3), np.full(shape, 7.0)) if kind == "means" else (None, None)
    rows, cells = rng.permutation(4), rng.permutation(shape[1])

    def numbers(found, name_of):
        told = {
            frozenset(
                (name_of[p.first], name_of[p.second]),
            ): p
            for p in found.overall
        }
        pairs = {
            names: (
                *(p.p, p.p_corrected, p.p_wilcoxon, p.p_wilcoxon_corrected, p.median, p.wins, p.losses),
                *(p.comparison.effect.value, p.comparison.effect.error, p.comparison.interval),
            )
            for names, p in told.items()
        }
        single = sorted((p.p, p.p_corrected, p.comparison.effect.value) for p in found.single)
        return pairs, single, {name_of[s.row]: s.model_dump(exclude={"row"}) for s in found.standings}, found.alike.p_f

    first = compared(Results(("a", "b", "c", "d"), tuple(replicates), scores, *spread), CompareTerms(margin=0.2))
    renamed = tuple(f"{['z', 'y', 'x', 'w'][at]}" for at in rows)
    moved = tuple((f"other {replicates[at][0]}", replicates[at][1]) for at in cells)
    shuffled = [None if block is None else block[rows][:, cells] for block in (scores, *spread)]
    second = compared(Results(renamed, moved, *shuffled), CompareTerms(margin=0.2))
    names = dict(zip("zyxw", "abcd", strict=True))
    assert numbers(first, {name: name for name in "abcd"}) == numbers(second, names)


SCALES = st.sampled_from([0.0, 1e-100, 3e-99, 1e-50, 0.1, 0.3, 1.0, 7.0, 1e9, -2.0, 2e39, -1e100, 1e100])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([1, 2, 5, 6, 33, 210]).flatmap(lambda n: st.lists(SCALES, min_size=3 * n, max_size=3 * n)),
    st.sampled_from([None, 1e-100, 0.1, 1e100]),
    st.sampled_from(["single", "seeds", "means"]),
    st.sampled_from(["", "a"]),
)
def test_any_finite_scores_end_in_findings(scores, margin, kind, control):
    """Constant, zero, smallest and largest scores: no warning, no error, p-values in (0, 1], every format."""
    block = np.array(scores).reshape(3, -1)
    n = block.shape[1]
    replicates = tuple((f"d{at % 3}", str(at)) if kind == "seeds" else (f"d{at}", "") for at in range(n))
    spread = (np.abs(block[::-1]), np.full(block.shape, 6.0)) if kind == "means" else (None, None)
    found = compared(Results(("a", "b", "c"), replicates, block, *spread), CompareTerms(margin=margin, control=control))
    assert all(pair.p is None or 0 < pair.p <= 1 for pair in found.pairs)
    for made in (report.standings(found, "t"), report.matrix(found, "t"), report.pairs(found, "t")):
        for form in (made.text, made.markdown, partial(latex, made), made.csv) if made else ():
            assert form()


def test_one_absurd_score_decides_nothing_and_is_named(verb):
    w1 = {"A": [0.31, 0.33, 0.30, 0.35, 2e39, 0.30, 0.34], "B": [0.41, 0.44, 0.42, 0.46, 0.43, 0.40, 0.47]}
    _, found = verb(w1, "--better", "lower", "--json")
    pair = next(p for p in found["pairs"])
    assert pair["comparison"]["replicates"] == 7 and pair["comparison"]["outcome"] == "undecided"
    assert abs(pair["median"]) == pytest.approx(0.11) and {pair["wins"], pair["losses"]} == {6, 1}
    assert pair["p_wilcoxon"] > 0.05 and "single score makes the mean" in found["remarks"][0]
    assert "'A' on '4' (2e+39)" in found["remarks"][0]
    _, text = verb(w1, "--better", "lower")
    assert "W/T/L" in text and "A single score makes the mean of a row: 'A' on '4' (2e+39)" in text


def test_seeds_that_move_nothing_are_said_to(table):
    lines = [f"{row},x,{seed},{value}" for row, value in (("a", 0.9), ("b", 0.8)) for seed in range(6)]
    found = compared(read(table("model,data,seed,score", *lines), RUNS), CompareTerms())
    assert found.pairs[0].comparison.outcome == "undecided"
    assert "5 repetitions over which neither row varies" in found.pairs[0].comparison.reason
    assert "No spread over the runs of 2 of 2 cells: 'a' on 'x', 'b' on 'x'." in found.remarks[0]


def test_ceilings_and_cells_without_spread_are_told():
    block = np.array([[1.0, 1.0, 0.7], [1.0, 0.9, 0.6], [0.8, 1.0, 0.5]])
    many = compared(means(block, 0.0, 6), CompareTerms())
    assert any("On 2 of 3 data sets several rows share the best score of the table, 1:" in one for one in many.remarks)
    assert any("No spread over the runs of 9 of 9 cells" in one for one in many.remarks)
    assert compared(means(block * [1, 0.99, 1], 0.1, 6), CompareTerms("lower")).remarks == ()


def test_a_control_is_compared_with_every_other_row_only(capsys):
    assert main(["compare", *DEMSAR, "--control", "C4.5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(pair["first"], pair["second"]) for pair in found["pairs"]] == [
        ("C4.5+m+cf", "C4.5"),
        ("C4.5+m", "C4.5"),
        ("C4.5+cf", "C4.5"),
    ]
    assert found["pairs"][1]["p_corrected"] == pytest.approx(3 * found["pairs"][1]["p"])
    critical = 2.394 * np.sqrt(4 * 5 / (6 * 14))
    assert found["alike"]["critical"] == pytest.approx(critical, rel=1e-3) and found["alike"]["groups"] == []
    assert found["alike"]["apart"] == [["C4.5+m+cf", "C4.5"]], "Demsar 2006, section 3.2.3, against C4.5, at 10 %"
    assert main(["compare", *DEMSAR, "--control", "C4.5", "--rows", "C4.5+m,C4.5+cf"]) == 0
    out = capsys.readouterr().out
    assert "2 comparisons" in out and "Bonferroni and Dunn" in out and "C4.5+m+cf" not in out


def test_chosen_rows_and_what_each_row_costs(table, capsys):
    lines = [f"{row},{data},0.{ord(row) % 5}{ord(data) % 7}" for row, data in product("abc", "stuvwxyz")]
    holes = [line for line in lines if not (line.startswith("c") and line[2] in "stu") and line[:3] != "b,z"]
    given = ["--from", str(table("m,d,v", *holes)), "--row", "m", "--column", "d", "--value", "v"]
    assert main(["compare", *given]) == 2
    error = capsys.readouterr().err
    assert "no score of 'c' on 's', 'c' on 't', 'c' on 'u' and 1 more" in error and error.count("\n") == 1
    assert "--drop compares on the 4 of 8 data sets or seeds that are complete" in error
    assert "complete are 3 more without 'c', 1 more without 'b' (--rows)" in error
    assert main(["compare", *given, "--drop", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["columns"] == 4 and found["costs"] == [["c", 3], ["b", 1]] and len(found["dropped"]) == 4
    assert main(["compare", *given, "--drop", "--rows", "b, a", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["columns"] == 7 and {one["row"] for one in found["standings"]} == {"a", "b"}
    assert main(["compare", *given, "--drop"]) == 0
    assert "Left out, because a row has no score there: s, t, u and 1 more." in capsys.readouterr().out


def test_a_summary_leaves_out_the_single_data_sets(capsys, table):
    lines = [
        f"{row},{data},{0.5 + 0.1 * ord(row) % 1 + 0.01 * (ord(data) % 5)},0.02,9" for row in "abc" for data in "xyz"
    ]
    given = ["--from", str(table("m,d,v,s,n", *lines)), "--row", "m", "--column", "d", "--value", "v"]
    given += ["--sd", "s", "--n", "n"]
    outputs = {}
    for form, more in product(("text", "md", "latex", "csv", "json"), ((), ("--summary",))):
        assert main(["compare", *given, "--format", form, *more]) == 0
        outputs[form, bool(more)] = capsys.readouterr().out
    assert "on each data set" in outputs["text", False] and "on each data set" not in outputs["text", True]
    assert [len(json.loads(outputs["json", short])["pairs"]) for short in (False, True)] == [12, 3]
    assert [len(list(csv.DictReader(io.StringIO(outputs["csv", short])))) for short in (False, True)] == [12, 3]
    order = [
        outputs["text", False].index(title) for title in ("Rows of", "Verdicts of", "Pairs of", "on each data set")
    ]
    assert order == sorted(order), "what decides comes first"


def test_the_matrix_of_verdicts_mirrors():
    steps = np.arange(4.0)[:, None] + 0.01 * np.random.default_rng(1).normal(size=(4, 12))
    steps[2] = steps[1] + 0.001 * np.random.default_rng(2).normal(size=12)
    found = compared(results(steps, "abcdefghijkl", 1), CompareTerms(margin=0.1))
    made = report.matrix(found, "t")
    signs = [[str(entry) for entry in row.entries[1:]] for row in made.rows]
    assert signs == [["", "+", "+", "+"], ["-", "", "=", "+"], ["-", "=", "", "+"], ["-", "-", "-", ""]]
    assert [str(row.entries[0])[:2] for row in made.rows] == ["1 ", "2 ", "3 ", "4 "]
    assert report.matrix(compared(results(steps[:2], "abcdefghijkl", 1), CompareTerms()), "t") is None


@pytest.mark.parametrize("ending", [".png", ".pdf"])
def test_the_figure_is_drawn_to_the_file_that_is_named(tmp_path, capsys, ending):
    path = tmp_path / "new" / f"cd{ending}"
    assert main(["compare", *DEMSAR, "--figure", str(path), "--summary"]) == 0
    assert path.stat().st_size > 5000 and list(path.parent.iterdir()) == [path]


def test_the_figure_shows_ranks_groups_and_the_difference():
    scores = np.random.default_rng(3).normal(size=(7, 30)) + np.array([0, 0.2, 1.5, 1.7, 3.5, 3.6, 3.7])[:, None]
    found = compared(Results(tuple("abcdef$"), tuple((str(at), "") for at in range(30)), scores), CompareTerms())
    axes = critical_figure(found).axes[0]
    shown = {text.get_text() for text in axes.texts}
    assert {f"{one.row}  {one.rank:.2f}" for one in found.standings[:4]} <= shown
    assert {f"{one.rank:.2f}  {one.row}" for one in found.standings[4:]} <= shown
    assert any(text.startswith(f"critical difference {found.alike.critical:.3g}") for text in shown)
    bars = [line.get_xdata() for line in axes.lines if line.get_linewidth() > 2]
    rank_of = {one.row: one.rank for one in found.standings}
    assert sorted(map(tuple, bars)) == sorted((rank_of[g[0]], rank_of[g[-1]]) for g in found.alike.groups)
    with_control = compared(
        Results(tuple("abcdef$"), tuple((str(at), "") for at in range(30)), scores), CompareTerms(control="c")
    )
    axes = critical_figure(with_control).axes[0]
    (bar,) = [line.get_xdata() for line in axes.lines if line.get_linewidth() > 2]
    assert bar[0] <= rank_of["c"] <= bar[1]


def test_bars_that_overlap_lie_on_lines_of_their_own():
    assert _lanes([(1, 2), (1.5, 3), (2.5, 4), (5, 6)]) == [0, 1, 0, 0]
