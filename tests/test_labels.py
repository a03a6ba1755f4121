"""Whatever rows, data sets and metrics are called, figures draw it and tables stay tables in every form."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qinn_bench import registry
from qinn_bench.capacity.families import Curve
from qinn_bench.dataset import Observable
from qinn_bench.performance.counters.count import Counted
from qinn_bench.performance.nightly.night import Tonight, unfit
from qinn_bench.performance.nightly.page import page
from qinn_bench.performance.nightly.preflight import Conditions, Rival
from qinn_bench.performance.nightly.summary import markdown
from qinn_bench.report import figure_style, study_figures
from qinn_bench.report.capacity_figure import capacity_figure
from qinn_bench.report.latex import latex
from qinn_bench.report.table_parts import Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.values import Estimate, Use

ODD = (
    *("Ba$$in", "$\\frac{", "a|b", "<script>alert(1)</script>", "%&#_{}~^\\", "a\nb\r\n", "a\rb", "_x", "שלום"),
    *("😀", "\u202ea", "*a*"),
)
LABELS = st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))


@pytest.fixture(scope="module")
def moons():
    return registry.make("data", registry.spell_out("data", registry.parse_use("moons[events=2000]")))


def drawn(figure):
    for form in figure_style.METADATA:
        figure.savefig(io.BytesIO(), format=form)


@settings(max_examples=6, deadline=None)
@given(labels=st.lists(LABELS, min_size=1, max_size=4, unique=True))
@pytest.mark.filterwarnings("ignore:.*Glyph .* missing from.*")
def test_every_label_can_be_drawn(moons, labels):
    rows = np.random.default_rng(0).normal(size=(50, 2))
    steps = np.arange(1, 4)
    drawn(study_figures.observables_figure(moons, dict.fromkeys(labels, rows), ["x", "y"]))
    curves = dict.fromkeys(("curve_step", "curve_train", "curve_valid"), steps)
    drawn(study_figures.loss_figure({label: [curves] for label in labels}))


@pytest.mark.parametrize("label", ODD)
@pytest.mark.filterwarnings("ignore:.*Glyph .* missing from.*")
def test_families_bounds_and_units_can_be_drawn(label):
    numbers = {"sizes": (1.0, 2.0), "losses": ((1.0, 2.0), (0.5, 1.0)), "seeds": (0, 1)}
    curve = Curve(family=label, quantum=True, **numbers)
    drawn(capacity_figure([curve], {label: Estimate(value=1.0)}, "nll", "parameters", label))


@pytest.mark.parametrize("label", [*ODD, "$m_{\\ell\\ell}$"])
@pytest.mark.filterwarnings("ignore:.*Glyph .* missing from.*")
def test_an_observable_of_somebody_else_can_be_drawn(moons, label):
    odd = replace(moons, plots=(Observable("x", label, -1.0, 1.0, unit=label),))
    drawn(study_figures.observable_figure(odd, {"a": np.zeros((5, 2))}, "x"))


def test_formulas_of_observables_stay_formulas():
    assert figure_style.words("$m_{\\ell\\ell}$ [GeV]", math=True) == "$m_{\\ell\\ell}$ [GeV]"
    assert figure_style.words("$m_{\\ell\\ell}$") == "\\$m_{\\ell\\ell}\\$"
    assert figure_style.words("Ba$$in", math=True) == "Ba\\$\\$in"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
def test_numbers_that_are_not_finite_can_be_drawn(moons, value):
    good = {"curve_step": np.arange(1, 4), "curve_train": np.ones(3), "curve_valid": np.ones(3)}
    for key in good:
        drawn(study_figures.loss_figure({"a": [good], "b": [good | {key: np.full(3, value)}]}))
    drawn(study_figures.observables_figure(moons, {"a": np.full((50, 2), value)}, ["x", "y"]))


def a_table(first, second):
    heads = (Heading("model", "model"), Heading("swd", first, second), Heading("note", second))
    lines = tuple(
        Line(first, name, "model", "", (Entry(name), Entry(Estimate(value=0.5, error=0.1)), Entry(second)), (second,))
        for name in (first, second)
    )
    return Table(first, heads, lines, (second,))


@settings(max_examples=150, deadline=None)
@given(first=LABELS, second=LABELS)
def test_tables_stay_tables(first, second):
    made = a_table(first, second)
    found = list(csv.reader(io.StringIO(made.csv(), newline="")))
    assert len(found) == 3 and {len(row) for row in found} == {len(found[0])}
    assert [row["model"] for row in json.loads(made.json())["rows"]] == [first, second]
    lines = made.markdown().split("\n")
    rows = [line for line in lines if line.startswith("|")]
    assert {line.replace("\\\\", "").replace("\\|", "").count("|") for line in rows} == {4}
    assert not any("<script" in line.replace("\\<", "") for line in lines)
    body = latex(made)
    assert len(re.findall(r"\\begin\{", body)) == len(re.findall(r"\\end\{", body)) and "\n\n" not in body
    bare = body.partition("\n")[2].replace(r"\$", "").replace(r"\%", "").replace(r"\#", "")
    assert bare.count("$") % 2 == 0 and "%" not in bare and "#" not in bare
    assert "\r" not in made.text() and "\n\n\n\n" not in made.text()


class Tags(HTMLParser):
    """Collects the names of tags."""

    def __init__(self):
        super().__init__()
        self.tags = set()
        self.scripts = 0

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.scripts += tag == "script"


@settings(max_examples=25, deadline=None)
@given(label=LABELS)
def test_the_page_of_a_night_has_no_tags_but_its_own(label):
    found = Counted(workload=Use(name="engine", knobs={"odd": label}), version=label, counters={}, reason=label)
    conditions = Conditions(load=0.0, cores=1, memory_gib=1.0, disk_gib=1.0, rivals=(Rival(name=label, share=0.5),))
    tonight = Tonight(
        **dict.fromkeys(("run", "commit", "machine", "environment", "workloads", "anchor", "green"), label),
        **{"utc": "2026-01-01T00:00:00+00:00", "dirty": False, "conditions": conditions, "budget": 1.0},
    )
    seen = []
    for night in (unfit(tonight, label), unfit(tonight, "plain")):
        night = night.model_copy(update={"counted": (found,)})
        reader = Tags()
        reader.feed(page(night, {}))
        assert reader.scripts == 1
        seen.append(reader.tags)
        assert "\n#" not in markdown(night, {}).replace("\n# ", "").replace("\n## ", "").replace("\n### ", "")
    assert seen[0] == seen[1]
