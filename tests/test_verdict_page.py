"""The page of verdicts says what the records say, with hashes and days; badges are told apart by their words."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from claim_files import HEAD, better, duel, equal, write
from pages_html import Page, check
from rows import save

from qinn_bench.cli.main import main
from qinn_bench.records import published
from qinn_bench.report.pages.badge import COLOURS, badge
from qinn_bench.report.pages.claim_pages import NO_RECORDS, claim_files, shown_claims
from qinn_bench.verdicts import claim_file

ROOT = Path(__file__).parents[1]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def folder(tmp_path):
    """Files of claims: one that was frozen and is judged, one without records, one whose ruling was kept."""
    claims = tmp_path / "claims"
    claims.mkdir()
    write(claims, better(), equal()).rename(claims / "judged.toml")
    assert main(["claims", "freeze", str(claims / "judged.toml")]) == 0
    other = HEAD.replace("toy.toml", "other.toml").replace("A small file", HOSTILE).replace('"small"', '"open"')
    write(claims, better(), head=other).rename(claims / "open.toml")
    (claims / "kept.toml").write_text((claims / "open.toml").read_text().replace('"open"', '"kept"'))
    (tmp_path / "results" / "claims").mkdir(parents=True)
    (tmp_path / "results" / "claims" / "kept.txt").write_text("Claims kept: undecided <b>")
    published.write(tmp_path / "results" / "published" / "toy.jsonl.gz", "toy", duel(0.1, 0.3))
    return claims


def test_the_page_says_what_was_frozen_when_and_what_the_records_say(folder, tmp_path, capsys):
    out, results = tmp_path / "page.html", tmp_path / "results"
    where = ["--claims-folder", str(folder), "--results", str(results), "--out", str(out)]
    assert main(["report", "--claims", *where, "--badges", str(tmp_path / "badges")]) == 0
    page = Page(out.read_text("utf8"))
    check(page)
    text = page.of("main")[0].words
    assert claim_file.fingerprint(folder / "judged.toml")[:16] in text
    assert "supported" in text and "refuted" in text and "there are no records yet" in text
    assert "Claims kept: undecided <b>" in text and HOSTILE in text
    rows = {one.words for one in page.of("tr")}
    assert any("small · better" in row and "supported" in row and "never" not in row for row in rows)
    assert any("open · better" in row and NO_RECORDS in row and "never" in row for row in rows)
    assert {path.name for path in (tmp_path / "badges").iterdir()} == {
        "small__better.svg",
        "small__equal.svg",
        "open__better.svg",
        "kept__better.svg",
    }


def test_records_of_a_folder_judge_where_none_are_published(folder, tmp_path):
    (tmp_path / "results" / "published" / "toy.jsonl.gz").unlink()
    save(tmp_path / "results", duel(0.3, 0.1))
    shown = shown_claims(folder / "judged.toml", "c1", tmp_path / "results")
    assert [one.decision for one in shown.verdicts] == ["refuted", "refuted"]
    assert all("what would change it" in dict(one.facts) for one in shown.verdicts)


def test_a_folder_without_claims_is_refused(tmp_path, capsys):
    assert main(["report", "--claims", "--claims-folder", str(tmp_path)]) == 2
    assert "there are no files of claims" in capsys.readouterr().err


def test_claims_may_have_names_that_a_page_has_for_itself(tmp_path, capsys):
    names = ("all", "p0", "freezes", "all-caption", "p0-filter", "small", "main", "claims")
    named = [better().replace('id = "better"', f'id = "{name}"') for name in names]
    assert len({*named}) == len(names)
    claims = tmp_path / "claims"
    claims.mkdir()
    write(claims, *named).rename(claims / "own.toml")
    published.write(tmp_path / "results" / "published" / "toy.jsonl.gz", "toy", duel(0.1, 0.3))
    out = tmp_path / "page.html"
    where = ["--claims-folder", str(claims), "--results", str(tmp_path / "results"), "--out", str(out)]
    assert main(["report", "--claims", *where]) == 0
    page = Page(out.read_text("utf8"))
    check(page)
    assert {f"claim-c1-{name}" for name in names} <= set(page.ids)


def _contrast(colour):
    """The contrast of white with a colour by WCAG 2.1: ratios of relative luminances."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 1.05 / (sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) + 0.05)


@pytest.mark.parametrize("decision", [*COLOURS, NO_RECORDS, HOSTILE])
def test_a_badge_is_a_picture_that_can_be_read_and_heard(decision):
    made = ElementTree.fromstring(badge("a & b", decision))
    assert made.attrib["aria-label"] == f"a & b: {decision}" and made[0].text == f"a & b: {decision}"
    assert not [one for one in made.iter() if one.tag.endswith("script")]
    assert all(_contrast(colour) >= 4.5 for colour in COLOURS.values())


@pytest.mark.slow
def test_all_claims_of_the_project_have_a_verdict(tmp_path):
    out = tmp_path / "all.html"
    assert main(["report", "--claims", "--results", str(ROOT / "results"), "--out", str(out)]) == 0
    page = Page(out.read_text("utf8"))
    check(page)
    table = next(one for one in page.of("table") if one.attributes.get("id") == "claims")
    for path in claim_files():
        assert all(f"{path.stem} · {claim.id}" in table.words for claim in claim_file.load(path).claims)
