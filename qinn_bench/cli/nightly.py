"""``qinn-bench nightly``: everything that is watched, within a budget of time, with one verdict and a report."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

import qinn_bench
from qinn_bench.files import read_text
from qinn_bench.performance import workloads
from qinn_bench.performance.counters import golden
from qinn_bench.performance.counters.count import Counted
from qinn_bench.performance.gate.checkouts import DIRTY, Checkouts
from qinn_bench.performance.gate.compare_versions import GateReport, chosen, judged, traced
from qinn_bench.performance.gate.decide import SPENT, Decision
from qinn_bench.performance.gate.gate_table import line
from qinn_bench.performance.gate.launches import NoVerdict
from qinn_bench.performance.machine import environment, this_machine
from qinn_bench.performance.nightly import anchor, history, preflight, run_files, tiers
from qinn_bench.performance.nightly.anchor import Anchor
from qinn_bench.performance.nightly.findings import Tier
from qinn_bench.performance.nightly.night import CODES, Absent, Night, Spent, Tonight, Tools, night, unfit
from qinn_bench.performance.nightly.page import page
from qinn_bench.performance.nightly.run_files import RunRow
from qinn_bench.performance.nightly.summary import left_out, markdown, title
from qinn_bench.performance.scaling.scan_values import Scan
from qinn_bench.reading import value_of
from qinn_bench.records.provenance import commit
from qinn_bench.repository import git
from qinn_bench.study import study_files
from qinn_bench.values import Record, Refused, Use
from qinn_bench.verdicts import golden_numbers
from qinn_bench.verdicts.golden_numbers import Golden, SeriesVerdict, WatchedStudy
from qinn_bench.writing import write_text

SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
PINNED = "anchor"
SCALING = Path("engine/scaling.json")
"""What ``make scaling`` leaves in a folder of results."""
Log = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long it may take, what is compared with what, and where results are."""
    parser.add_argument("--budget", default="15m", help="time it may take: 90s, 15m, 1h")
    parser.add_argument("--base", default=PINNED, help="the revision to compare with; by default the pinned anchor")
    parser.add_argument("--set-anchor", metavar="REVISION", help="pin this revision as the anchor, and do nothing else")
    parser.add_argument("--reason", default="", help="why this anchor")
    parser.add_argument("--self-check", action="store_true", help="first compare head with itself")
    parser.add_argument("--workloads", default="*", help="patterns such as 'engine*n_qubits=8*', separated by spaces")
    parser.add_argument("--busy", type=float, default=preflight.BUSY, help="share of the cores that others may use")
    parser.add_argument("--watch", type=Path, default=golden_numbers.WATCHED, help="what is watched (TOML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="cells at once, for quality")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")


def run(options: argparse.Namespace) -> int:
    """Measure, keep a run file, write the report; 0 ok, 1 something got worse, 4 no verdict, 5 not all decided."""
    repository = Path(qinn_bench.__file__).parents[1]
    log = Console(stderr=True, soft_wrap=True, markup=False, highlight=False).print
    seconds = _seconds(options.budget)
    with Checkouts(repository) as checkouts:
        if options.set_anchor:
            return _pin(options, checkouts)
        before = run_files.load(options.results)
        tonight = _tonight(options, checkouts, before, seconds)
        why = preflight.unfit(tonight.conditions, options.busy)
        log(f"{tonight.conditions}")
        try:
            tools = _tools(options, checkouts, tonight, before, log)
            tonights = unfit(tonight, why) if why else night(tonight, tools, options.self_check)
        except NoVerdict as reason:
            tonights = unfit(tonight, str(reason))
    _keep(options, tonights, before, log)
    print(tonights.model_dump_json(indent=1, exclude={"records"}) if options.json else _said(tonights))
    return CODES[tonights.verdict]


def _pin(options: argparse.Namespace, checkouts: Checkouts) -> int:
    if not options.reason:
        raise Refused("--set-anchor was given without --reason; why this commit is the anchor is kept beside it")
    day = run_files.new_run()[1][:10]
    path = anchor.save(
        options.results, Anchor(commit=checkouts.commit(options.set_anchor), reason=options.reason, day=day)
    )
    print(path)
    print(f"commit it before the next run, which else measures a version that is not committed: git commit {path}")
    return 0


def _seconds(text: str) -> float:
    written = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not written or not float(written[1]):
        raise Refused(f"--budget is '{text}'; expected a time such as 90s, 15m or 1h")
    return float(written[1]) * SECONDS[written[2]]


def _tonight(options: argparse.Namespace, checkouts: Checkouts, before: Sequence[RunRow], seconds: float) -> Tonight:
    """What is compared with what."""
    here, (name, utc) = commit(), run_files.new_run()
    head, dirty = str(here["commit"]), bool(here["dirty"])
    pinned = anchor.load(options.results)
    base = (pinned.commit if pinned else "") if options.base == PINNED else checkouts.commit(options.base)
    base = checkouts.commit(base) if base else ""
    green = history.last_green(before, lambda one: _is_before(one, head, checkouts.root))
    no_green = "" if green else "no run on this branch was green so far"
    if green and green == head and not dirty:
        green, no_green = "", "this commit is the last green one itself"
    elif green and green == base:
        green, no_green = "", "the last green run is of the anchor itself"
    try:
        no_quality = ""
        _watched(options)
    except Refused as reason:
        no_quality = str(reason)
    return Tonight(
        run=name,
        utc=utc,
        commit=head,
        dirty=dirty,
        machine=this_machine().name,
        environment=environment(),
        conditions=preflight.survey(options.results),
        budget=seconds,
        workloads=options.workloads,
        anchor=base,
        green=green,
        no_green=no_green,
        no_quality=no_quality,
    )


def _watched(options: argparse.Namespace) -> tuple[Golden, WatchedStudy, Path]:
    """The golden numbers, what is watched, and its study."""
    watched = golden_numbers.load_watch(options.watch)
    study = Path(watched.study)
    kept = options.results / "golden" / "quality" / f"{study_files.load_study(study).name}.json"
    return golden_numbers.load_golden(kept), watched, study


def _is_before(first: str, last: str, root: Path) -> bool:
    return git(root, "merge-base", "--is-ancestor", first, last).returncode == 0


def _tools(
    options: argparse.Namespace, checkouts: Checkouts, tonight: Tonight, before: Sequence[RunRow], log: Log
) -> Tools:
    """The real measurements; each says what it does."""
    head = DIRTY if tonight.dirty else tonight.commit
    newest: Tier = "green" if tonight.green else "anchor"

    def order(uses: Sequence[Use]) -> list[Use]:
        return history.in_turns(chosen(uses, options.workloads), before)

    def count(spent: Spent) -> list[Counted]:
        uses = history.in_turns(chosen(workloads.uses(), options.workloads), before, "calls")
        log(f"counters of {len(uses)} workloads")
        return tiers.count(uses, spent, lambda one: log(f"counters: {one.workload}"))

    def compare(tier: Tier, base: str, spent: Spent) -> GateReport:
        if spent():
            return _too_late(tonight, base, order(workloads.uses()))

        def watch(one: Decision) -> None:
            if one.outcome != "skipped":
                log(f"{tier}: {line(one)}")

        if tier == "self-check":
            return judged(checkouts, head, head, options.results, order, watch, spent)
        return judged(checkouts, base, head, options.results, order, watch, spent)

    def trace(tier: Tier, report: GateReport, spent: Spent) -> tuple[GateReport, list[Absent]]:
        if tier != newest:
            return report, []
        try:
            report, why, late = traced(checkouts, report, log, spent), SPENT, True
        except (NoVerdict, Refused) as reason:
            why, late = str(reason), False
        untraced = [f"the commit of {use}" for use in report.untraced]
        return report, [Absent(tier="trace", what=what, why=why, late=late) for what in untraced]

    def check(spent: Spent) -> tuple[list[SeriesVerdict], list[Record], list[str]]:
        numbers, watched, study = _watched(options)
        return tiers.check(numbers, watched, study, spent, trained_one, max(1, options.jobs))

    def trained_one(record: Record) -> None:
        log(f"quality: {record.row} on {record.cell.data}, seed {record.cell.seed}: {record.status}")

    known = golden.load(options.results / "golden" / "counters.json").get(golden.environment())
    return Tools(counters=count, gate=compare, trace=trace, quality=check, known=known)


def _too_late(tonight: Tonight, base: str, uses: Sequence[Use]) -> GateReport:
    """A comparison that there was no time to begin."""
    return GateReport(
        base=base,
        head=tonight.commit,
        machine=tonight.machine,
        forked=True,
        calibrated=True,
        decisions=tuple(Decision(workload=use, outcome="skipped", reason=SPENT) for use in uses),
    )


def _keep(options: argparse.Namespace, ended: Night, before: Sequence[RunRow], log: Log) -> None:
    """Write the run and its report, and say where."""
    rows = history.rows(ended)
    path = run_files.save(options.results, rows, this_machine())
    trends, numbers = (of([*before, *rows], ended.tonight) for of in (history.trends, history.numbers))
    log(f"run: {path}")
    for ending, text in (
        ("md", markdown(ended, trends)),
        ("html", page(ended, trends, numbers, _scan(options.results))),
    ):
        report = options.results / "reports" / f"{path.stem}.{ending}"
        write_text(report, text)
        log(f"report: {report}")


def _scan(results: Path) -> Scan | None:
    """How the simulators grow with the number of qubits, where that was measured and can be read."""
    path = results / SCALING
    try:
        return value_of(Scan, read_text(path), str(path)) if path.is_file() else None
    except Refused:
        return None


def _said(ended: Night) -> str:
    """The verdict and its reasons, in lines."""
    lines = [title(ended), f"{ended.verdict}: {ended.reason}", *(f"{one.kind}: {one}" for one in ended.findings)]
    return "\n".join([*lines, *(f"not measured: {one}" for one in left_out(ended))])
