"""The page of a study: it stands alone, every number leads to its records, and hostile names stay text."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pages_html import Page, check
from rows import record as finished

from qinn_bench.cli.main import main
from qinn_bench.records import published
from qinn_bench.report.pages.page_tables import page_tables
from qinn_bench.report.pages.row_records import row_records
from qinn_bench.report.pages.study_page import MOST_PACKED, cells_table, study_page
from qinn_bench.report.pareto import pareto_front
from qinn_bench.report.study_ranks import study_ranks
from qinn_bench.report.study_rows import Group, groups_of
from qinn_bench.report.study_table import table
from qinn_bench.study import planning, run_cell, study_files
from qinn_bench.study.selection import Filters, select
from qinn_bench.values import Estimate, Parameters, Use

ROOT = Path(__file__).parents[1]
QUICK = ROOT / "results" / "published" / "quick.jsonl.gz"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
STUDY = """
name = "toy"
title = {title}
data = ["moons[events=2000]"]
seeds = 2
[budgets.tiny]
steps = 1
[[models]]
model = "truth"
[[models]]
model = "spline_inn"
label = {label}
knobs = {{ blocks = 2, hidden = 4, bins = 3 }}
"""
LARGEST = 10e6


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The page of published records, as the verb writes it."""
    out = tmp_path_factory.mktemp("report") / "quick.html"
    words = [
        str(ROOT / "benchmarks/studies/quick.toml"),
        "--records",
        str(QUICK),
        "-s",
        "0",
        "-s",
        "1",
        "--out",
        str(out),
    ]
    assert main(["report", *words]) == 0
    return out.read_text("utf8")


@pytest.fixture(scope="module")
def parsed(quick):
    return Page(quick)


def test_a_page_stands_alone_and_can_be_used_without_eyes_or_a_mouse(parsed):
    check(parsed)
    headings = [one.words for one in parsed.of("h2")]
    assert headings[:3] == ["Table", "Verdicts of claims about this study", "Figures"]
    assert len(parsed.of("figure")) >= 2 and all(
        len(one.attributes["alt"]) > 20 for one in parsed.of("figure", "img")[1:2]
    )


def test_every_number_of_the_table_leads_to_the_numbers_of_its_records(parsed, quick):
    records = [one for one in published.read(QUICK, "quick") if one.cell.seed < 2]
    spline = [one for one in records if one.row == "spline_inn"]
    at = next(i for i, one in enumerate(parsed.elements) if one.name == "th" and one.words == "spline_inn")
    links = [one for one in parsed.elements[at:] if one.name == "a" and "#r" in one.attributes["href"]][1:4]
    assert [one.attributes["href"].partition("-")[2] for one in links] == ["parameters", "quantum", "nll"]
    target = links[2].attributes["href"][1:]
    line = next(one for one in parsed.of("tr") if one.attributes.get("id") == target)
    for record in spline:
        assert f"{record.metrics['nll'].value:.3f}"[:6] in line.words
        assert f"cell-{record.key}" in parsed.ids and record.key in quick
    assert "certificate" in quick and spline[0].provenance["commit"] in quick


def test_the_records_in_a_page_are_those_that_it_was_made_of(parsed, tmp_path):
    kept = next(one for one in parsed.of("script") if one.attributes.get("id") == "packed")
    path = tmp_path / "quick.jsonl.gz"
    path.write_bytes(base64.b64decode(kept.words))
    again = {one.key: one for one in published.read(path, "quick")}
    assert again == {one.key: one for one in published.read(QUICK, "quick") if one.cell.seed < 2}


def test_hostile_names_and_reasons_stay_text_and_failures_are_told(tmp_path, capsys):
    file = tmp_path / "toy.toml"
    file.write_text(STUDY.format(title=json.dumps(HOSTILE), label=json.dumps(HOSTILE)))
    results, study = tmp_path / "results", study_files.load_study(file)
    for at, order in enumerate(planning.plan(study, results)[:3]):
        swd = Estimate(value=0.1 / (at + 3), error=0.01, n=100, unit=HOSTILE, better="lower")
        failed = {"status": "diverged", "reason": HOSTILE} if at == 2 else {"metrics": {"swd": swd}}
        run_cell.save(order, {"samples": np.zeros((2, 2))}, **failed)
    assert main(["report", str(file), "--results", str(results), "--claims-folder", str(tmp_path)]) == 0
    page = Page((results / "reports" / "toy.html").read_text("utf8"))
    check(page)
    assert {one.attributes.get("id", "") for one in page.of("script")} == {"", "packed"}
    assert len(page.of("script")) == 2 and HOSTILE in page.of("title")[0].text[0]
    failures = next(one for one in page.of("table") if one.attributes.get("id") == "failures")
    assert "diverged" in failures.words and "<script>alert(1)" in failures.words
    assert "1 cells without a record" in page.of("header")[0].words
    assert "No figures of samples" in page.of("main")[0].words


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "one was expected"),
        (["quick", "--claims"], "one was expected"),
        (["quick", "--badges", "x"], "--badges"),
    ],
)
def test_what_is_no_report_is_refused(words, why, capsys):
    assert main(["report", *words]) == 2
    assert why in capsys.readouterr().err


@pytest.fixture(scope="module")
def value():
    """The same page before it is rendered."""
    chosen = select(study_files.load_study(Path("quick")), ROOT / "results", Filters(seeds=(0, 1)), QUICK)
    return study_page(chosen, ROOT / "benchmarks/studies/quick.toml", Path("results"), QUICK)


def test_equal_records_give_equal_pages(quick, value):
    assert value.html() == quick


def test_a_page_of_a_thousand_cells_stays_below_ten_megabytes(value):
    known = published.read(QUICK, "quick")
    many = [
        one.model_copy(update={"key": f"{at}x{one.key}", "row": f"{one.row} · {at}"})
        for at in range(20)
        for one in known
    ]
    groups = groups_of(many)
    ids = {(group.data, group.row): f"r{at}" for at, group in enumerate(groups)}
    rows = tuple(row_records(group, ids[group.data, group.row], "quick.toml") for group in groups)
    columns = study_files.load_study(Path("quick")).columns
    lines = tuple(line for _ in range(20) for line in value.tables[0].rows)
    main_table = replace(value.tables[0], rows=lines)
    made = replace(value, records=tuple(many), rows=rows, tables=(main_table,), cells=cells_table(many, ids, columns))
    assert len(made.html().encode()) < LARGEST and len(many) == 1000
    assert "Save the records" not in replace(made, packed=bytes(MOST_PACKED + 1)).html()
    assert "Save the records" in replace(made, rows=(), packed=bytes(MOST_PACKED)).html()


def test_a_front_is_what_no_other_point_dominates():
    rng = np.random.default_rng(0)
    for n in (0, 1, 7, 30):
        costs, losses = rng.integers(0, 9, (2, n)).tolist()
        better = [
            [
                (costs[j], losses[j]) != (costs[i], losses[i]) and costs[j] <= costs[i] and losses[j] <= losses[i]
                for j in range(n)
            ]
            for i in range(n)
        ]
        assert sorted(pareto_front(costs, losses)) == [i for i in range(n) if not any(better[i])]


def test_missing_numbers_lead_nowhere_and_are_sorted_last():
    made = page_tables(table(published.read(QUICK, "quick"), ["nll", "swd"]), "t", lambda line, name: "x", roles=True)
    truth = next(row for row in made[0].rows if row.cells[0].text == "truth")
    assert (truth.cells[2].text, truth.cells[2].link, truth.cells[2].value) == ("–", "", "–")
    assert truth.cells[3].link == "x" and float(truth.cells[3].value) > 0


def test_families_are_ranked_where_all_have_a_number():
    def group(data, family, size, value):
        count = Parameters(total=size, quantum=0, classical=size, frozen=0)
        facts = {"data": Use(name=data), "family": family, "size": size, "parameters": count}
        of = finished(f"{family} · {size}", 0, "swd", value, **facts)
        return Group(data, of.row, (of,), 1)

    numbers = {"a": 1.0, "b": 2.0, "c": 3.0}
    groups = [
        group(data, family, size, value)
        for data in ("moons", "gmm8")
        for size in (100, 400)
        for family, value in numbers.items()
        if (data, size, family) != ("gmm8", 400, "c")
    ]
    findings, places = study_ranks(groups, "swd")
    assert [(one.row, one.rank) for one in findings.standings] == [("a", 1.0), ("b", 2.0), ("c", 3.0)]
    assert ("gmm8", 400) not in places and len(places) == 3
    assert study_ranks(groups[:6], "swd") is None  # One data set alone.
