"""The gate: its statistics on recorded launches, its flow on made-up ones, and real launches of a small repository."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import limited
from qinn_bench.performance import order_server
from qinn_bench.performance.gate import bisection, calibration, common_words, decide, fork_server, step_timing
from qinn_bench.performance.gate.calibration_table import calibration_table
from qinn_bench.performance.gate.checkouts import Checkouts
from qinn_bench.performance.gate.launches import Failure, Launch, Launcher, agree
from qinn_bench.statistics.corrections import discoveries
from qinn_bench.values import Refused, Use

USE = Use(name="sums", knobs={"n": 3000})
RECORDED = Path(__file__).parent / "data" / "launches.jsonl"


def launch(change, wall=0.0, **others):
    rounds = (1.0,) * 5
    return Launch(
        workload=USE,
        cpu=(rounds, tuple(np.exp(change) for _ in rounds)),
        wall=(rounds, tuple(np.exp(wall) for _ in rounds)),
        **others,
    )


def scripted(changes, walls=None, **others):
    left = iter(zip(changes, walls or [0.0] * len(changes), strict=True))
    return lambda use: launch(*next(left), **others)


def recorded():
    found = defaultdict(list)
    for line in RECORDED.read_text(encoding="utf8").splitlines():
        one = Launch.model_validate_json(line)
        found[str(one.workload), one.planted].append(one)
    return found


@pytest.mark.parametrize(
    ("changes", "outcome", "taken"),
    [
        ([0.0] * 3, "unchanged", 3),
        ([0.05] * 17, "regression", 17),
        ([-0.05] * 17, "improvement", 17),
        ([0.05, 0.05, 0.01, 0.05, 0.05] + [0.05] * 14, "regression", 19),
        ([0.05, 0.05, -0.01, -0.01, 0.05], "unchanged", 5),
        ([0.05] * 3 + [0.0] * 5, "unchanged", 8),
        ([0.05] * 3 + [-0.05] * 5, "inconclusive", 8),
        ([0.05] * 8 + [0.0] * 9, "unchanged", 17),
        ([0.05] * 15 + [-0.01] * 2, "inconclusive", 17),
        ([0.5, 0.0, 0.0], "unchanged", 3),
    ],
)
def test_rules(changes, outcome, taken):
    decision = decide.decide(USE, scripted(changes))
    assert decision.outcome == outcome
    assert sum(map(len, decision.stages("cpu"))) == taken


def test_work_that_waits_is_seen_by_the_wall():
    decision = decide.decide(USE, scripted([0.0] * 17, [0.1] * 17))
    assert (decision.outcome, decision.clock) == ("regression", "wall")
    assert decision.change == pytest.approx(np.expm1(0.1))
    assert decide.decide(USE, scripted([0.0] * 8, [0.1] * 7 + [0.0])).outcome != "regression"


def test_a_workload_that_states_the_wall_is_judged_by_the_wall_alone():
    by_wall = decide.decide(USE, scripted([0.2] * 17, [0.1] * 17, clock="wall"))
    assert (by_wall.outcome, by_wall.clock) == ("regression", "wall")
    assert decide.decide(USE, scripted([0.2] * 8, clock="wall")).outcome == "unchanged"


def test_work_on_a_gpu_is_judged_by_events_alone():
    by_events = decide.decide(USE, scripted([0.2] * 17, [0.1] * 17, clock="cuda"))
    assert (by_events.outcome, by_events.clock) == ("regression", "cuda")
    assert bisection.total(by_events) == pytest.approx(0.1)
    assert decide.decide(USE, scripted([0.2] * 8, clock="cuda")).outcome == "unchanged"


class Event:
    """Stands in for an event of CUDA: a device on which whatever was asked for takes a thousand times as long."""

    def __init__(self, enable_timing):
        assert enable_timing
        self.at = self.waited = None

    def record(self):
        self.at = time.perf_counter()

    def synchronize(self):
        self.waited = True

    def elapsed_time(self, end):
        assert end.waited
        return 1e6 * (end.at - self.at)


def test_a_round_on_a_gpu_is_timed_by_events(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Event", Event)
    taken = step_timing.timed(lambda: time.sleep(0.01), 3, clock="cuda")
    assert taken["wall"] > 10
    assert step_timing.timed(lambda: time.sleep(0.01), 3)["wall"] < 5


def test_cpu_time_counts_processes_that_were_waited_for():
    before, code = step_timing.cpu_seconds(), "import time; sum(range(10**6)); print(time.process_time())"
    said = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    assert step_timing.cpu_seconds() - before >= float(said)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="processes cannot be held to cores here")
def test_sides_share_a_core():
    sides = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    ended = subprocess.Popen(["true"])
    ended.wait()
    try:
        fork_server.share_a_core([*(side.pid for side in sides), ended.pid])
        held = [os.sched_getaffinity(side.pid) for side in sides]
        assert held[0] == held[1] and len(held[0]) == 1 and held[0] <= os.sched_getaffinity(0)
    finally:
        for side in sides:
            side.kill()
            side.wait()


def test_ending_a_server_waits_for_nothing_that_left_its_session(monkeypatch):
    monkeypatch.setattr(order_server, "ENDING", 0.2)
    code = "import subprocess, sys; left = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
    code += "for line in sys.stdin: print('{\"pid\": %d}' % left.pid, flush=True)"
    one = order_server.Server([sys.executable, "-S", "-c", code], {})
    found = one.ask({}, 60)
    try:
        with limited(30):
            one.end()
        assert not one.started
    finally:
        os.kill(found["pid"], 9)


def test_a_test_that_hangs_is_ended():
    with pytest.raises(TimeoutError, match="not done after 1 s"), limited(1):
        subprocess.run(["sleep", "60"], check=True)
    with pytest.raises(TimeoutError, match="not done after 2 s"), limited(2):
        with limited(30):
            pass
        subprocess.run(["sleep", "60"], check=True)


def test_failures_are_findings():
    why, refused = Failure(status="error", reason="broken"), Failure(status="unsupported", reason="not here")

    def outcome(**sides):
        return decide.decide(USE, lambda use: Launch(workload=use, **sides)).outcome

    assert outcome(head_failure=why) == outcome(head_failure=refused) == "error"
    assert outcome(base_failure=why) == "new"
    assert outcome(base_failure=refused, head_failure=refused) == "unsupported"
    assert outcome(base_failure=why, head_failure=why) == "inconclusive"


def test_a_redefined_workload_is_not_judged():
    assert decide.decide(USE, scripted([0.2] * 21, same_version=False)).outcome == "inconclusive"


def test_a_workload_that_went_missing_is_a_finding():
    (one,) = decide.gate([USE], [], scripted([]))
    assert one.outcome == "missing"


def test_discoveries_are_those_of_benjamini_and_hochberg():
    assert discoveries([0.001, 0.5, 0.02, 0.03], 0.05) == [True, False, True, True]
    assert discoveries([0.02, 0.5], 0.05) == [True, False]
    assert discoveries([0.03, 0.5], 0.05) == [False, False]


def test_false_discoveries_of_nights_with_heavy_tails():
    """40 equal workloads a night: Student launches with 3 degrees of freedom and a sd of 2.6 %, 60 of them recorded."""
    rng, nights, workloads = np.random.default_rng(1), 60, 40
    alarms = np.zeros(2)
    for _ in range(nights):
        decisions, nulls = [], {}
        for i in range(workloads):
            use = Use(name=str(i))
            draws = iter(0.015 * rng.standard_t(3, 80))
            decisions.append(decide.decide(use, lambda _, d=draws: launch(float(next(d)))))
            decisions[-1] = decisions[-1].model_copy(update={"workload": use})
            nulls[f"{use} cpu"] = tuple(0.015 * rng.standard_t(3, 60))
        for k, found in enumerate((decisions, decide.controlled(decisions, nulls))):
            alarms[k] += any(one.outcome in ("regression", "improvement") for one in found)
    assert alarms[1] <= alarms[0] <= 0.01 * nights


def test_p_values_are_those_of_equal_versions():
    """For equal versions P(p <= x) <= x, also where launches scatter so much that the stages often call."""
    rng = np.random.default_rng(2)
    p = []
    for _ in range(2000):
        draws = iter(0.06 * rng.standard_normal(23))
        decision = decide.decide(USE, lambda _, d=draws: launch(float(next(d))))
        p.append(decide.p_value(decision, 0.06 * rng.standard_normal(200)))
    for x in (0.01, 0.05, 0.2):
        assert np.mean(np.array(p) <= x) <= x + 3 * np.sqrt(x / len(p))


def resampled(planted, decisions, seed):
    """Outcomes of decisions whose launches are drawn from the recorded ones of each workload."""
    rng = np.random.default_rng(seed)
    for (_, share), launches in sorted(recorded().items()):
        if share == planted:
            for _ in range(decisions):
                yield decide.decide(launches[0].workload, lambda _, of=launches: of[rng.integers(len(of))]).outcome


def test_recorded_launches_of_equal_versions_raise_no_alarm():
    outcomes = list(resampled(0.0, 100, 3))
    assert np.mean([one in ("regression", "improvement") for one in outcomes]) <= 0.01


def test_recorded_slowdowns_are_found():
    assert np.mean([one == "regression" for one in resampled(0.1, 50, 4)]) >= 0.95
    assert np.mean([one == "regression" for one in resampled(0.05, 50, 5)]) >= 0.8


def test_results_are_compared():
    assert agree([[3.0, 1.0, 2.0]], [[3.0, 1.0 + 1e-6, 2.0]])
    assert not agree([[3.0, 1.0, 2.0]], [[3.0, 1.1, 2.0]])
    assert not agree([[3.0, 1.0, 2.0]], [[4.0, 1.0, 2.0]])
    assert not agree([], [[4.0, 1.0, 2.0]])


VALUES = """
class Refused(ValueError): pass
class Use:
    def __init__(self, name, knobs=None): self.name, self.knobs = name, knobs or {}
    def model_dump(self): return {"name": self.name, "knobs": self.knobs}
"""
WORKLOADS = """
from qinn_bench.values import Refused, Use
def uses(): return [Use("sums", {"n": 3000})]
def make(use):
    n = use.knobs["n"]
    if n < 0: raise Refused("n is negative")
    return lambda: (sum(k * k for k in range(n)),)
"""


def write(root, workloads):
    package = root / "qinn_bench" / "performance"
    package.mkdir(parents=True, exist_ok=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("", encoding="utf8")
    (package.parent / "values.py").write_text(VALUES, encoding="utf8")
    (package / "workloads.py").write_text(workloads, encoding="utf8")
    return root


@pytest.mark.parametrize("fork", [True, False])
def test_launches_run_both_versions(tmp_path, fork):
    base, head = (
        write(tmp_path / "base", WORKLOADS),
        write(tmp_path / "head", WORKLOADS.replace("range(n)", "range(2 * n)")),
    )
    with Launcher(base, head, ("numpy",), fork=fork) as start:
        assert [str(use) for use in start.uses()[1]] == [str(USE)]
        one = start(USE)
        assert not one.failed and one.number > 1 and len(one.cpu[0]) == len(one.wall[1]) >= 6
        assert not one.same_work
        assert start(USE).number == one.number
        failed = start(Use(name="sums", knobs={"n": -1}))
        assert failed.base_failure == failed.head_failure == Failure(status="unsupported", reason="n is negative")


def test_a_side_that_breaks_or_dies_is_told(tmp_path):
    base = write(tmp_path / "base", WORKLOADS)
    for ending, reason in (
        ("raise OSError('gone')", "OSError: gone"),
        ("os._exit(7)", "the process ended with code 7"),
    ):
        head = write(tmp_path / "head", WORKLOADS.replace("    n = ", f"    import os; {ending}\n    n = "))
        with Launcher(base, head, ("numpy",)) as start:
            one = start(USE)
        assert one.base_failure is None
        assert one.head_failure == Failure(status="error", reason=reason)


def git(root, *words):
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "-C", str(root), *who, *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    root = write(tmp_path / "scratch", WORKLOADS)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "."), git(root, "commit", "-qm", "first")
    (root / "note.txt").write_text("second", encoding="utf8")
    git(root, "add", "."), git(root, "commit", "-qm", "second")
    return root


def test_checkouts_hold_versions_and_go(repository):
    (repository / "note.txt").write_text("dirty", encoding="utf8")
    (repository / "new.txt").write_text("untracked", encoding="utf8")
    with Checkouts(repository) as checkouts:
        first, second, tree = checkouts.at("HEAD~1"), checkouts.at("HEAD"), checkouts.at(".")
        assert not (first / "note.txt").exists()
        assert (second / "note.txt").read_text(encoding="utf8") == "second"
        assert (tree / "note.txt").read_text(encoding="utf8") == "dirty"
        assert (tree / "new.txt").exists()
        assert checkouts.at("HEAD~0") == second != checkouts.at("HEAD", "again")
        assert checkouts.path("HEAD~1", "HEAD") == [checkouts.commit("HEAD")]
        with pytest.raises(Refused, match="no commit is called 'nowhere'"):
            checkouts.at("nowhere")
        with pytest.raises(Refused, match="does not come after"):
            checkouts.path("HEAD", "HEAD~1")
    assert not first.exists() and not tree.exists()
    listed = subprocess.run(
        ["git", "-C", str(repository), "worktree", "list"], capture_output=True, text=True, check=True
    )
    assert len(listed.stdout.splitlines()) == 1


def test_changes_are_medians_of_logarithms():
    one = Launch(workload=USE, cpu=((1.0, 2.0, 4.0), (1.1, 2.2, 9.0)), wall=((1.0,) * 3, (2.0,) * 3))
    assert one.change() == pytest.approx(log(1.1))
    assert one.change("wall") == pytest.approx(log(2.0))
    assert one.seconds() == (2.0, 2.2)


@pytest.mark.parametrize("planted", range(32))
def test_a_search_finds_a_small_slowdown_in_six_probes(planted):
    rng = np.random.default_rng(planted)
    commits = [f"{k:02d}" for k in range(32)]

    def between(first, second):
        slow = 0.05 * ((second >= commits[planted]) - (first != "base" and first >= commits[planted]))
        return lambda _: launch(slow + 0.01 * float(rng.standard_normal()))

    found = bisection.search(USE, "base", commits, 0.05, between)
    assert found.commit == commits[planted]
    assert found.probes <= 6


def test_a_search_passes_over_what_cannot_run():
    why = Failure(status="error", reason="broken")

    def between(first, second):
        return lambda use: Launch(workload=use, head_failure=why) if second in "cd" else launch(0.2 * (second >= "e"))

    found = bisection.search(USE, "0", list("abcdefgh"), 0.2, between)
    assert (found.before, found.commit, found.skipped) == ("b", "e", ("c", "d"))
    assert "with 2 commits that cannot run it" in bisection.sentence(found)


@pytest.mark.slow
def test_a_planted_commit_is_found_by_real_launches(repository):
    source = repository / "qinn_bench" / "performance" / "workloads.py"
    for k in range(6):
        if k == 3:
            source.write_text(WORKLOADS.replace("range(n)", "range(2 * n)"), encoding="utf8")
        (repository / "note.txt").write_text(str(k), encoding="utf8")
        git(repository, "commit", "-qam", f"change {k}")
    told = []
    with Checkouts(repository) as checkouts:
        commits = checkouts.path("HEAD~6", "HEAD")
        with Launcher(checkouts.at("HEAD~6"), checkouts.at("HEAD"), ("numpy",)) as launcher:

            def between(first, second):
                return launcher.turn_to(checkouts.at(first), checkouts.at(second))

            base = checkouts.commit("HEAD~6")
            found = bisection.search(USE, base, commits, log(2), between, tell=told.append)
    assert found.commit == commits[3] and found.confirmed
    assert found.probes == len(told) <= 4
    assert "is gated against the commit before it" in told[-1]


def calibrated(repeats=8, scatter=0.005):
    rng = np.random.default_rng(6)

    def start(use, planted=0.0):
        return launch(log(1 + planted) + scatter * float(rng.standard_normal()))

    trials = tuple(calibration.calibrate([USE], start, repeats))
    return calibration.Calibration(machine="here", forked=True, trials=trials)


def test_a_calibration_knows_what_was_planted(tmp_path):
    known = calibrated(40)
    called = {rate.planted: rate.called / rate.trials for rate in known.rates()}
    assert called[0.0] == 0.0 and called[0.05] > 0.95 and called[0.5] == 1.0
    assert known.smallest() == 0.05
    page = calibration_table(known).text()
    assert "0/40" in page and "40/40" in page and "slowdowns from 5 % on" in page
    assert "****" not in calibration_table(known).markdown() and "─\n\n" not in page.partition("40/40")[0]
    path = calibration.path_of(tmp_path, "here")
    path.parent.mkdir()
    path.write_text(known.model_dump_json(), encoding="utf8")
    assert calibration.load(tmp_path, "here") == known
    assert calibration.load(tmp_path, "elsewhere") is None


def test_a_noisy_machine_supports_no_alarm():
    slower = decide.decide(USE, scripted([0.05] * 21))
    (kept,), _ = calibration.supported([slower], calibrated(20))
    (withdrawn,), notes = calibration.supported([slower], calibrated(20, scatter=0.1))
    assert kept.outcome == "regression" and kept.p < 0.01
    assert withdrawn.outcome == "inconclusive" and "too often" in withdrawn.reason
    assert "no slowdown is found" in notes[0]


@pytest.mark.parametrize(("slow", "words"), [("nll", ("mode=nll",)), ("", ()), ("all", ())])
def test_regressions_are_put_down_to_what_they_have_in_common(slow, words):
    decisions = []
    for mode in ("forward", "nll"):
        for n in (4, 8):
            use = Use(name="engine", knobs={"mode": mode, "n_qubits": n})
            made = decide.decide(USE, scripted([0.1 * (slow in (mode, "all"))] * 21))
            decisions.append(made.model_copy(update={"workload": use}))
    assert common_words.common(decisions) == words
