"""A page in a browser: no errors, nothing fetched, sorting, filtering, links, enlarging; where there is a browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qinn_bench.cli.main import main

ROOT = Path(__file__).parents[1]
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A page of published records in a browser, with what it printed and what it asked for."""
    file = tmp_path_factory.mktemp("browser") / "quick.html"
    records = ROOT / "results/published/quick.jsonl.gz"
    assert (
        main(["report", str(ROOT / "benchmarks/studies/quick.toml"), "--records", str(records), "--out", str(file)])
        == 0
    )
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(accept_downloads=True)
        told, asked = [], []
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"file://{file}")
        yield page, told, [url for url in asked if not url.startswith(("data:", f"file://{file}"))]
        browser.close()


def column(page, at):
    rows = page.locator("table.sortable").first.locator("tbody")
    return [rows.nth(i).locator("th, td").nth(at).get_attribute("data-v") or "" for i in range(rows.count())]


def test_nothing_is_printed_and_nothing_is_fetched(opened):
    _, told, fetched = opened
    assert (told, fetched) == ([], [])


def test_a_heading_sorts_numbers_both_ways_and_back(opened):
    page, told, _ = opened
    before, head = column(page, 4), page.locator("table.sortable").first.locator("thead th").nth(4)
    for way in ("ascending", "descending", "none"):
        head.locator("button").focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == way
        known = [float(value) for value in column(page, 4) if value]
        assert known == sorted(known, reverse=way == "descending") or way == "none"
        assert way == "none" or not any(column(page, 4)[len(known) :])
    assert column(page, 4) == before and not told


def test_a_field_filters_rows_and_says_how_many_are_left(opened):
    page, _, _ = opened
    page.locator("input[type=search]").first.fill("QINN model")
    assert page.locator("output").first.inner_text() == "3 of 10 rows"
    assert page.locator("table.sortable").first.locator("tbody:visible").count() == 3
    page.locator("input[type=search]").first.fill("")


def test_a_number_leads_to_its_line_and_opens_what_it_stands_in(opened):
    page, _, _ = opened
    page.locator("table.sortable").first.locator("tbody").nth(6).locator("td a").nth(2).click()
    assert page.url.endswith("-nll") and page.locator("tr:target").is_visible()


def test_a_figure_is_enlarged_and_the_records_are_saved(opened, tmp_path):
    page, told, _ = opened
    page.locator("figure button").first.click()
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    with page.expect_download() as saved:
        page.locator("button[data-file]").click()
    saved.value.save_as(tmp_path / "quick.jsonl.gz")
    words = ["agree", str(ROOT / "benchmarks/studies/quick.toml"), "--records", str(tmp_path / "quick.jsonl.gz")]
    assert main([*words, "--with", str(ROOT / "results/published/quick.jsonl.gz")]) == 0
    assert not told
