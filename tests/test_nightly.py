"""The nightly run on made-up measurements and a made-up clock: verdicts, budget, what is kept, and the report."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import count
from math import log
from pathlib import Path

import pytest
from pages_html import Page, check

from qinn_bench import registry
from qinn_bench.cli import nightly as verb
from qinn_bench.cli.main import main
from qinn_bench.performance.counters.count import Counted
from qinn_bench.performance.counters.golden import Known
from qinn_bench.performance.gate import decide
from qinn_bench.performance.gate.bisection import Culprit
from qinn_bench.performance.gate.compare_versions import GateReport
from qinn_bench.performance.gate.decide import SPENT, Decision
from qinn_bench.performance.gate.growth_terms import GrowthTerm
from qinn_bench.performance.gate.launches import NoVerdict
from qinn_bench.performance.machine import Machine
from qinn_bench.performance.nightly import anchor, findings, history, night, preflight, run_files, tiers, trends
from qinn_bench.performance.nightly.anchor import Anchor
from qinn_bench.performance.nightly.page import page
from qinn_bench.performance.nightly.summary import markdown
from qinn_bench.study import run_cell
from qinn_bench.values import Comparison, Estimate, Refused, Use
from qinn_bench.verdicts import golden_numbers

HEAD, ANCHOR, GREEN = "a" * 40, "b" * 40, "c" * 40
MACHINE = Machine(processor="Toy CPU", architecture="x", cores=2, memory_gib=4, system="Linux", blas="none")
FIT = preflight.Conditions(load=0.5, cores=2, memory_gib=8.0, disk_gib=50.0)
FOUR = Use(name="engine", knobs={"backend": "native", "n_qubits": 4})
EIGHT = Use(name="engine", knobs={"backend": "native", "n_qubits": 8})
NASTY = Use(name="<script>alert(1)</script>", knobs={"x": "a|b*_`&"})
TONIGHT = night.Tonight(
    run="0123abcd",
    utc="2026-03-04T05:06:07+00:00",
    commit=HEAD,
    dirty=False,
    machine=MACHINE.name,
    environment="e" * 12,
    conditions=FIT,
    budget=100.0,
    anchor=ANCHOR,
    green=GREEN,
)


in_git = pytest.mark.skipif(not verb.commit(), reason="the source is no git checkout")


def decision(use, outcome="unchanged", change=0.001, **others):
    launches = (log(1 + change),) * 3
    return Decision(workload=use, outcome=outcome, change=change, screen=launches, seconds=(1.0, 1 + change), **others)


def report(*decisions, base=ANCHOR, **others):
    facts = {"base": base, "head": HEAD, "machine": MACHINE.name, "forked": True, "calibrated": True}
    return GateReport(**facts, decisions=decisions, **others)


def counted(calls=100, use=FOUR, **others):
    return Counted(workload=use, version="v1", counters={"calls": calls}, **others)


def tools(**others):
    """Measurements of a night on which nothing happened."""
    plain = night.Tools(
        counters=lambda spent: [counted()],
        gate=lambda tier, base, spent: report(decision(FOUR), decision(EIGHT), base=base),
        trace=lambda tier, report, spent: (report, []),
        quality=lambda spent: ([moved("same")], [], []),
        known={str(FOUR): Known(version="v1", counters={"calls": 100})},
    )
    return replace(plain, **others)


def moved(outcome, reason=""):
    return golden_numbers.SeriesVerdict(row="qinn", data="moons", metric="nll", outcome=outcome, reason=reason, seeds=5)


def gating(*decisions, **others):
    return lambda tier, base, spent: report(*decisions, base=base, **others)


def test_a_quiet_night_is_ok():
    found = night.night(TONIGHT, tools())
    assert (found.verdict, found.findings, found.absent) == ("ok", (), ())
    assert list(found.gates) == ["anchor", "green"]


def raising(error):
    def tool(*_):
        raise error

    return tool


@pytest.mark.parametrize(
    ("changed", "verdict", "said"),
    [
        ({"counters": lambda _: [counted(102)]}, "regression", "calls 100 -> 102"),
        ({"counters": lambda _: [counted(99)]}, "ok", "calls 100 -> 99"),
        ({"gate": gating(decision(FOUR, "regression", 0.2))}, "regression", "+20.0% of cpu time"),
        ({"gate": gating(decision(FOUR, "improvement", -0.2))}, "ok", "-20.0% of cpu time"),
        ({"gate": gating(Decision(workload=FOUR, outcome="error", reason="broken"))}, "regression", "broken"),
        ({"gate": gating(Decision(workload=FOUR, outcome="missing", reason="gone"))}, "regression", "gone"),
        ({"gate": gating(decision(FOUR, "inconclusive", 0.1))}, "undecided", "inconclusive"),
        ({"quality": lambda _: ([moved("worse", "by far")], [], [])}, "regression", "by far"),
        ({"quality": lambda _: ([moved("inconclusive")], [], [])}, "undecided", "inconclusive"),
        ({"quality": lambda _: ([moved("better", "by 0.1")], [], [])}, "ok", "by 0.1"),
    ],
)
def test_verdicts(changed, verdict, said):
    found = night.night(TONIGHT, tools(**changed))
    assert found.verdict == verdict
    assert any(said in str(one) for one in found.findings)


@pytest.mark.parametrize(
    ("outcome", "effect", "said"),
    [
        ("worse", -0.2, "worse by 0.2 [0.1, 0.3]: why"),
        ("better", 0.2, "better by 0.2 [0.1, 0.3]: why"),
        ("inconclusive", 0.2, "inconclusive, worse by -0.2 [-0.3, -0.1]: why"),
    ],
)
def test_a_finding_of_quality_has_its_size(outcome, effect, said):
    interval = (effect - 0.1, effect + 0.1)
    judged = Comparison(outcome="undecided", reason="", effect=Estimate(value=effect), interval=interval)
    one = moved(outcome, "why").model_copy(update={"comparison": judged})
    assert [found.said for found in findings.of_quality([one])] == [said]


def test_what_cannot_be_measured_is_said():
    broken = tools(gate=raising(NoVerdict("git cannot check it out")), quality=raising(AssertionError), known=None)
    alone = TONIGHT.model_copy(update={"green": "", "no_green": "never green", "no_quality": "no golden numbers"})
    found = night.night(alone, broken)
    assert (found.verdict, night.CODES[found.verdict]) == ("unfit", 4)
    assert [one.tier for one in found.absent] == ["green", "quality", "anchor", "counters"]
    assert "counters --accept" in found.absent[-1].why


def test_a_machine_on_which_equal_versions_differ_is_unfit():
    def compare(tier, base, spent):
        assert (tier, base) == ("self-check", HEAD), "nothing else is measured"
        return report(decision(FOUR, "improvement", -0.06))

    found = night.night(TONIGHT, tools(gate=compare), self_check=True)
    assert found.verdict == "unfit" and "differ by -6.0%" in found.reason
    assert night.night(TONIGHT, tools(), self_check=True).verdict == "ok"
    late = night.night(TONIGHT, tools(gate=gating(Decision(workload=FOUR, outcome="skipped"))), self_check=True)
    assert (late.verdict, late.reason) == (
        "undecided",
        "nothing got worse, but nothing was compared in: self-check, anchor, green; there was no time for 1",
    )


def test_a_regression_names_its_term_and_its_commit():
    slower = decision(EIGHT, "regression", 0.2)
    growth = GrowthTerm(
        workload=Use(name="engine", knobs={"backend": "native"}),
        qubits=(2, 8),
        seconds=(1.0, 2.0),
        changes=(0.2, 0.1),
        terms=("a",),
        by=0.2,
    )
    culprit = Culprit(workload=EIGHT, commit="d" * 40, before=GREEN, decision=slower, probes=5)
    late = night.Absent(tier="trace", what="the commit of another", why=SPENT, late=True)

    def trace(tier, report, spent):
        return report.model_copy(update={"culprits": (culprit,)}), [late]

    found = night.night(TONIGHT, tools(gate=gating(slower, growth=(growth,)), trace=trace))
    assert late in found.absent
    assert not found.gates["anchor"].untraced
    assert report(slower, decision(FOUR), culprits=()).untraced == (EIGHT,)
    assert "the fixed overhead a grew" in found.findings[0].said
    assert "dddddddddddd changes it by +20.0 %, found in 5 probes" in found.findings[0].said


def test_tiers_share_the_budget_and_what_they_leave():
    moment = [0.0]
    budget = night.NightBudget(100.0, ["counters", "anchor", "quality"], now=lambda: moment[0])
    spent = budget.begin("counters")
    for at, over in ((0, False), (5, False), (10, False), (20, False), (24, True)):
        moment[0] = at
        assert spent() == over, "25 s of 100; a step of 6 s that begins at 24 would end later"
    spent = budget.begin("anchor")
    moment[0] = 24 + 76 * 0.35 / 0.6 + 1
    assert spent(), "its share of the 76 s that are left"
    moment[0] = 99.0
    assert not budget.begin("quality")()


def test_no_time_leaves_rows_that_say_so():
    skipped = Decision(workload=EIGHT, outcome="skipped", reason=SPENT)
    late = tools(
        counters=lambda spent: tiers.count([FOUR], lambda: True, print),
        gate=gating(decision(FOUR), skipped),
        quality=lambda spent: ([], [], ["qinn on moons"]),
    )
    found = night.night(TONIGHT, late)
    assert found.verdict == "undecided" and found.changes == ()
    assert found.reason == "nothing got worse, but nothing was compared in: counters, quality; there was no time for 3"
    assert {(one.tier, one.what) for one in found.absent} == {
        ("counters", str(FOUR)),
        ("anchor", str(EIGHT)),
        ("green", str(EIGHT)),
        ("quality", "qinn on moons"),
    }
    kept = [row for row in history.rows(found) if row.status == "timeout"]
    assert len(kept) == 3 and {row.reason for row in kept} == {SPENT}


def test_the_gate_skips_what_there_is_no_time_for():
    asked = count()
    decisions = decide.gate([], [FOUR, EIGHT], raising(AssertionError), spent=lambda: next(asked) >= 0)
    assert [one.outcome for one in decisions] == ["skipped", "skipped"]


def night_of(day, ratio=1.0, calls=100, more=(), **others):
    measured = tools(gate=gating(decision(FOUR, change=ratio - 1), *more), counters=lambda _: [counted(calls)])
    tonight = TONIGHT.model_copy(update={"run": f"{day:08d}", "utc": f"2026-03-{day:02d}T03:00:00+00:00"} | others)
    return night.night(tonight, measured)


def test_nights_are_kept_and_read_back(tmp_path):
    grown = night_of(2, calls=200, commit="2" * 40, ratio=1.02)
    some = night_of(4, workloads="engine*")
    late = night_of(5, more=[Decision(workload=EIGHT, outcome="skipped", reason=SPENT)])
    assert late.reason == "nothing got worse; there was no time for 1"
    for one in (night_of(1, commit="1" * 40), grown, night_of(3, dirty=True), some, late):
        run_files.save(tmp_path, history.rows(one), MACHINE)
    before = run_files.load(tmp_path)
    assert history.last_green(before, lambda _: True) == "1" * 40, "not the others: worse, dirty, in part, late"
    assert history.last_green(before, lambda commit: commit[0] != "1") == ""
    ratios = history.trends(before, TONIGHT)[str(FOUR)]
    assert [round(ratio, 6) for _, ratio in ratios] == [1.0, 1.02, 1.0, 1.0, 1.0]
    assert history.trends(before, TONIGHT.model_copy(update={"anchor": "f" * 40})) == {}


def test_the_most_important_come_first_and_then_the_longest_unmeasured():
    torch = FOUR.model_copy(update={"knobs": FOUR.knobs | {"backend": "torch"}})
    other = Use(name="metric", knobs={"name": "mmd"})
    before = history.rows(night_of(1))
    assert history.in_turns([other, torch, FOUR, EIGHT], before) == [EIGHT, FOUR, torch, other]


STUDY = """
name = "watched"
data = ["moons"]
seeds = 6
budgets.short = {steps = 1}
models = [{model = "gaussian"}, {model = "elementwise"}]
"""
WATCH = golden_numbers.WatchedStudy(study="watched.toml", first_seeds=2, margins={"nll": 0.02})


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A study whose cells are not trained: its numbers are its seeds, of `elementwise` plus what is `added`."""
    added, trained = [0.0], []

    def execute(orders, limits, show):
        for order in orders:
            value = 1.0 + order.cell.seed / 10 + added[0] * (order.row == "elementwise")
            run_cell.save(order, {}, metrics={"nll": Estimate(value=value, better="lower")})
            trained.append((order.row, order.cell.seed))

    monkeypatch.setattr(tiers.campaign, "execute", execute)
    monkeypatch.setattr(run_cell, "provenance", lambda threads: {})
    study = tmp_path / "watched.toml"
    study.write_text(STUDY)
    data = str(registry.spell_out("data", Use(name="moons")))
    series = [
        golden_numbers.Series(row=row, data=data, metric="nll", values=tuple(1 + seed / 10 for seed in range(6)))
        for row in ("gaussian", "elementwise")
    ]
    known = golden_numbers.Golden(study="watched", commit=HEAD, environment="e", series=tuple(series))
    return added, trained, lambda spent: tiers.check(known, WATCH, study, spent, lambda _: None)


def test_first_seeds_are_enough_while_nothing_moves(watched):
    _, trained, check = watched
    found, records, left = check(lambda: False)
    assert [one.outcome for one in found] == ["same", "same"] and left == []
    assert len(trained) == len(records) == 4


def test_what_moved_is_trained_at_all_seeds(watched):
    added, trained, check = watched
    added[0] = 0.5
    found, _, left = check(lambda: False)
    assert [one.outcome for one in found] == ["same", "worse"] and left == []
    assert {row for row, seed in trained if seed >= WATCH.first_seeds} == {"elementwise"} and len(trained) == 8


def test_seeds_there_is_no_time_for_are_no_findings(watched):
    asked = count()
    found, records, left = watched[2](lambda: next(asked) > 0)
    assert (found, len(records), len(left)) == ([], 2, 2)


@pytest.fixture
def eventful():
    gates = gating(
        decision(NASTY, "regression", 0.2, reason="<q>&"), decision(FOUR), decision(EIGHT, "improvement", -0.1)
    )
    return night.night(
        TONIGHT.model_copy(update={"machine": "<i>toy</i>"}),
        tools(gate=gates, counters=lambda _: [counted(150)], quality=lambda _: ([moved("worse", "<u>")], [], ["<s>"])),
    )


def test_what_comes_from_outside_is_no_markup(eventful):
    nights = {str(NASTY): [("<2026>", 1.0), ("<2027>", 1.2)]}
    html, plain = page(eventful, nights, {"<u> on <s>": [("<2026>", 1.0)]}), markdown(eventful, nights)
    for word in ("<script>alert", "<q>", "<i>", "<u>", "<s>", "<2026>"):
        assert word not in html
    assert html.count("&lt;script&gt;") >= 3
    assert not re.search(r"(?<!\\)<script", plain) and "a\\|b" in plain
    made = Page(html)
    check(made)
    assert len(made.of("table")) == 6 and len(made.of("script")) == 1


def test_the_page_is_that_of_studies_with_trends_that_are_sorted_and_read_out(eventful):
    nights = {str(EIGHT): [("2026-03-01", 1.0), ("2026-03-02", 1.01)], str(NASTY): [("2026-03-01", 1.0)]}
    series = {"m on d, nll, seed 0": [("2026-03-01", 7.5), ("2026-03-02", 7.25)]}
    made = Page(page(eventful, nights, series))
    check(made)
    table = next(one for one in made.of("table") if one.attributes.get("id") == "trends-times")
    assert table.words.index(NASTY.name) < table.words.index("n_qubits=8")
    said = [one.attributes["alt"] for one in made.of("img") if one.attributes.get("class") == "trend"]
    assert "2 nights, 1 to 1.01, now 1.01" in said and "2 nights, 7.25 to 7.5, now 7.25" in said
    assert all("now" in words for words in said)
    assert "all-nights" in made.ids and "--workloads" in made.of("pre")[0].words
    scan = verb._scan(Path(__file__).parents[1] / "results")
    assert scan is not None and "qubits" in Page(page(eventful, nights, {}, scan)).ids and "qubits" not in made.ids
    assert "No night before this one" in Page(page(eventful, {})).of("main")[0].words


def test_numbers_of_quality_are_those_of_one_seed_over_nights_of_this_machine():
    def row(day, seed, value, machine=MACHINE.name):
        facts = {"row": "m", "data": "d"}
        night_of = TONIGHT.model_copy(update={"utc": f"2026-03-{day:02d}T05:06:07+00:00", "machine": machine})
        return history._row(night_of, history.QUALITY, facts, "nll", "nats", value=value, seed=seed)

    rows = [row(2, 0, 7.5), row(1, 0, 7.25), row(2, 1, 9.0), row(3, 0, 1.0, "other")]
    assert history.numbers(rows, TONIGHT) == {
        "m on d, nll, seed 0": (("2026-03-01T05:06:07+00:00", 7.25), ("2026-03-02T05:06:07+00:00", 7.5))
    }


def test_reports_have_all_sections(eventful):
    for text in (page(eventful, {}), markdown(eventful, {})):
        for words in (
            "something got worse",
            "Worse",
            "Better",
            "Against the anchor",
            "Counters",
            "Quality",
            "Not measured",
        ):
            assert words in text
    assert "150" in page(eventful, {}) and "+50.000%" in page(eventful, {})


def test_trends_are_drawn():
    rising = [(f"2026-03-{day:02d}", 1 + day / 100) for day in range(1, 21)]
    assert trends.bars(rising)[-1] == "█" and len(trends.bars(rising)) == trends.SHOWN
    assert trends.bars([("", 1.0)]) in "▄▅" and trends.bars([]) == trends.drawing([]) == trends.overview({}) == ""
    drawn = ET.fromstring(trends.drawing(rising, alarm=True))
    heights = [float(pair.split(",")[1]) for pair in drawn.find("{*}polyline").get("points").split()]
    assert heights == sorted(heights, reverse=True) and len(heights) == 20
    assert all(0 <= height <= trends.HEIGHT for height in heights)
    every = ET.fromstring(trends.overview({"a": rising, "b": rising[5:], "c": rising[:1]}))
    assert len(every.findall("{*}circle")) == 16, "nights of one workload out of three are left out"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"load": 9.0}, "the load is 9.0 on 2 cores"),
        ({"memory_gib": 0.5}, "0.5 GiB of memory are free"),
        ({"memory_gib": None}, ""),
        ({"disk_gib": 0.1}, "0.1 GiB of disk are free"),
        ({"rivals": (preflight.Rival(name="other", share=0.9),)}, ""),
        ({"rivals": (preflight.Rival(name="other", share=0.9),) * 2}, "1.8 of 2 cores (other 90%, other 90%)"),
    ],
)
def test_machines_that_are_unfit_say_why(changed, said):
    found = preflight.unfit(FIT.model_copy(update=changed))
    assert said in found and bool(found) == bool(said)


def test_this_machine_is_surveyed(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "WATCHED_SECONDS", 0.05)
    seen = preflight.survey(tmp_path / "not" / "there")
    assert seen.cores >= 1 and seen.disk_gib > 0


@in_git
def test_an_anchor_is_pinned_with_its_reason(tmp_path, capsys):
    assert main(["nightly", "--set-anchor", "HEAD", "--results", str(tmp_path)]) == 2
    assert "without --reason" in capsys.readouterr().err
    assert main(["nightly", "--set-anchor", "HEAD", "--reason", "release", "--results", str(tmp_path)]) == 0
    assert anchor.load(tmp_path).reason == "release"
    (tmp_path / "anchor.json").write_text('{"commit": "x"}')
    with pytest.raises(Refused, match=r"holds no anchor: commit"):
        anchor.load(tmp_path)


@pytest.mark.parametrize("budget", ["", "0m", "soon", "-5s"])
def test_budgets_that_are_no_times_are_refused(budget, capsys):
    assert main(["nightly", f"--budget={budget}"]) == 2
    assert "expected a time such as 90s" in capsys.readouterr().err


@in_git
def test_the_command_keeps_a_run_and_a_report(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(verb, "_tools", lambda *_: tools(gate=gating(decision(FOUR, "regression", 0.2))))
    monkeypatch.setattr(preflight, "survey", lambda _: FIT)
    anchor.save(tmp_path, Anchor(commit=git_head(), reason="test", day="2026-03-04"))
    assert main(["nightly", "--results", str(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "regression"
    (kept,) = run_files.files(tmp_path)
    assert {path.suffix for path in (tmp_path / "reports").glob(f"{kept.stem}.*")} == {".md", ".html"}
    monkeypatch.setattr(preflight, "survey", lambda _: FIT.model_copy(update={"load": 50.0}))
    assert main(["nightly", "--results", str(tmp_path)]) == 4
    assert "the load is 50.0" in capsys.readouterr().out and len(list(run_files.files(tmp_path))) == 2


def git_head():
    return str(verb.commit()["commit"])
