"""Tables that one far row cannot ruin: medians with quartiles, bounded numbers, what is bold and how often wrongly."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import record

from qinn_bench.report.best_rows import p_worse
from qinn_bench.report.figure_style import line_handles, pens, pens_of
from qinn_bench.report.latex import latex
from qinn_bench.report.numbers import bounded, number
from qinn_bench.report.study_table import table
from qinn_bench.report.table_parts import Entry
from qinn_bench.statistics.estimates import combine
from qinn_bench.statistics.outlying import Quartiles, far_out, summary
from qinn_bench.values import Estimate


def estimates(values, error=0.1):
    return [Estimate(value=x, error=error, unit="sd", better="lower", n=9) for x in values]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.floats(-1e70, 1e70), min_size=1, max_size=9), st.floats(0, 10))
def test_a_row_is_its_mean_or_its_median_and_quartiles(values, error):
    found, mean = summary(estimates(values, error)), combine(estimates(values, error))
    if isinstance(found, Quartiles):
        assert found.value == pytest.approx(np.median(values)) and found.low <= found.value <= found.high
        sizes = np.abs(values)
        assert len(values) >= 3 and sizes.max() >= 10 * np.median(sizes) and found.error is None
        assert (found.unit, found.better, found.n) == (mean.unit, mean.better, mean.n)
    else:
        assert found == mean


def test_numbers_that_scatter_around_zero_are_not_far_out():
    rng = np.random.default_rng(0)
    for _ in range(300):
        assert not far_out(1.4e-4 * rng.normal(size=5), np.full(5, 1.4e-4))
    assert far_out(np.array([2.1, 2.5, 7.0, 11.0, 9e8]), np.full(5, 0.2))
    assert not far_out(np.array([1.0, 1e9]), np.zeros(0)), "two seeds have no median of their own"


def test_one_cell_of_2e39_among_five_is_a_median_in_every_form():
    values = (0.3, 0.31, 0.33, 0.36, 2e39)
    records = [record("a", seed, "w1_m_ll", x) for seed, x in enumerate(values)]
    records += [record("b", seed, "w1_m_ll", 0.2 + 0.01 * seed) for seed in range(5)]
    made = table(records, ["w1_m_ll", "seeds"])
    entry = made.rows[0].entries[1]
    assert str(entry) == "0.33 [0.31, 0.36]"
    assert "0.33 {[}0.31, 0.36{]}" in latex(made) and "e39" not in made.text() + made.markdown() + latex(made)
    cell = json.loads(made.json())["rows"][0]["cells"]["w1_m_ll"]
    assert (cell["value"], cell["low"], cell["high"]) == (0.33, 0.31, 0.36)
    assert "w1_m_ll,w1_m_ll_error,w1_m_ll_low,w1_m_ll_high" in made.csv()
    assert any("median and quartiles" in note for note in made.footnotes)
    assert made.rows[1].entries[1].best and not entry.best


@pytest.mark.parametrize(("value", "shown"), [(3.1e60, "> 1e6"), (-2e7, "< -1e6"), (1e6, None), (-0.3, None)])
def test_a_number_of_absurd_size_is_bounded(value, shown):
    assert bounded(value, 0.1) == (shown or number(value, 0.1))
    assert bounded(value, None) == (shown or number(value, None))


def test_no_table_shows_an_absurd_number_but_costs_keep_theirs():
    records = [record("a", seed, "w1_m_ll", 1e60 + seed) for seed in range(5)]
    records += [record("b", seed, "w1_m_ll", 10.0**seed) for seed in range(5)]
    made = table(records, ["w1_m_ll", "seeds"])
    assert [str(line.entries[1]) for line in made.rows] == ["> 1e6", "100 [10, 1000]"]
    assert not made.rows[0].entries[1].best and r"$>$ 1e6" in latex(made)
    assert json.loads(made.json())["rows"][0]["cells"]["w1_m_ll"]["value"] == pytest.approx(1e60)
    assert any(note.startswith("> 1e6") for note in made.footnotes)
    assert str(Entry(Estimate(value=3e9))) == "3.000e9", "of a number that is not measured nothing is said"


def test_a_paper_is_told_no_commands():
    records = [record("a", seed, name, 0.3) for seed, name in enumerate(("swd", "c2st", "w1_m_ll"))]
    made = table(records)
    assert "--columns" in made.text() and "qinn-bench" in made.text()
    assert "columns:" not in latex(made) and "qinn-bench" not in latex(made) and "Columns:" in latex(made)


# What is bold.


def side(values, errors=0.0):
    return {at: Estimate(value=float(x), error=errors, better="lower") for at, x in enumerate(values)}


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_a_row_as_good_as_the_best_loses_its_mark_in_at_most_five_per_cent(n):
    """The second of two equal rows, whichever is ahead by chance, with an error of the truth that all seeds share."""
    rng, lost, repeats = np.random.default_rng(n), 0, 2000
    for _ in range(repeats):
        truth = 0.3 * rng.normal()
        one, other = rng.normal(size=n), rng.normal(size=n) + truth
        lost += p_worse(side(one, 0.3 / 2**0.5), side(other, 0.3 / 2**0.5)) <= 0.05
    assert lost / repeats <= 0.05 + 3 * (0.05 * 0.95 / repeats) ** 0.5


def test_a_row_far_behind_is_never_as_good():
    assert p_worse(side([1, 1.1, 0.9, 1.0, 1.05]), side([2, 2.1, 1.9, 2.0, 2.05])) == pytest.approx(1 / 32)
    assert p_worse(side([1, 1.1, 0.9]), side([2, 2.1, 1.9])) < 1e-6
    assert p_worse(side([1.0], 0.1), side([2.0], 0.1)) < 1e-6 < p_worse(side([1.0], 0.1), side([1.1], 0.1))
    assert p_worse(side([1.0] * 5), side([1.0] * 5)) == 1.0
    assert p_worse(side([0.1] * 5, 0.01), side([0.3, 0.4, 9e8, 0.3, 2e39], 1e30)) == pytest.approx(1 / 32)
    assert p_worse({0: Estimate(value=1.0)}, {1: Estimate(value=1.0)}) == 0.0


def test_bold_are_all_that_are_not_worse():
    rng = np.random.default_rng(1)
    at = {"best": 1.0, "close": 1.001, "far": 2.0}
    noise = {row: 0.01 * rng.normal(size=5) for row in at}
    records = [record(row, s, "swd", x + noise[row][s]) for row, x in at.items() for s in range(5)]
    made = table(records, ["swd", "seeds"])
    assert {line.model for line in made.rows if line.entries[1].best} == {"best", "close"}
    assert any("not worse than it at 5 %" in note for note in made.footnotes)


def test_a_colour_belongs_to_a_row_whichever_others_are_drawn():
    rows = [f"row {i}" for i in range(20)]
    places = {row: at for at, row in enumerate(rows)}
    every = dict(zip(rows, pens_of(rows, places), strict=True))
    for chosen in ([rows[7]], rows[3:12:2], rows[::-1]):
        assert pens_of(chosen, places) == [every[row] for row in chosen]
        lines = line_handles(chosen, places)
        assert [line.get_color() for line in lines] == [every[row][0] for row in chosen]
    assert pens_of(rows) == pens(20) and pens_of([]) == []
