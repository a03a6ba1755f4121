"""Run models, metrics and data sets that misbehave beside others: each ends as it should, no neighbour is lost.

Usage: python benchmarks/robustness/plugins.py [SECONDS] [FOLDER], SECONDS being the limit of each cell.
"""

from __future__ import annotations

import importlib
import shutil
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import _campaigns
import _misbehaviour as odd

STUDY = """
name = "{name}"
data = ["{data}"]
seeds = {seeds}
samples = 100
mass_draws = 500
metrics = {metrics}
floors = {floors}
[budgets.tiny]
steps = 5
batch = 32
"""
ROW = '[[models]]\nmodel = "{}"\n'
NEIGHBOURS = ("gaussian", "truth")
MEMORY = "1"


class Campaign:
    """The folder, its plug-ins, and what has been counted."""

    def __init__(self, root: Path, seconds: int) -> None:
        self.root, self.seconds, self.results = root, seconds, root / "results"
        self.counts, self.lines = Counter[str](), list[str]()

    def study(self, name: str, models: tuple[str, ...], metrics: str = '["swd"]', **more: str) -> Path:
        """Write a study of these models."""
        path = self.root / f"{name}.toml"
        facts = {"data": "moons[events=400]", "seeds": "1", "floors": "false"} | more
        text = STUDY.format(name=name, metrics=metrics, **facts) + "".join(ROW.format(model) for model in models)
        path.write_text(text, encoding="utf8")
        return path

    def run(self, study: Path, *more: str, hurry: bool = False) -> _campaigns.Ended:
        """Run it; nothing may hang, show a traceback or leave anything behind."""
        words = ["run", str(study), "--results", str(self.results), "-j1", *more]
        return self.call(words, hurry=hurry)

    def call(self, words: list[str], hurry: bool = False) -> _campaigns.Ended:
        """Call the program."""
        ended = _campaigns.call(words, self.root / "log.txt", 3000, _hurry if hurry else lambda: None)
        self.counts["hangs"] += ended.code is None
        self.counts["tracebacks"] += "Traceback" in ended.said
        self.counts["files left behind"] += len(_campaigns.leftovers(self.results))
        self.counts["processes left behind"] += _alive(str(self.root / "site"))
        return ended

    def records(self, study: str) -> dict[str, object]:
        """The records of a study by row."""
        store = importlib.import_module("qinn_bench.records.store")
        return {record.row: record for record in store.load_all(self.results, study)}

    def judge(self, case: str, right: bool, got: str) -> None:
        """Count a case."""
        self.counts["misbehaviours"] += 1
        self.counts["ended otherwise than they should"] += not right
        self.lines.append(f"| {case} | {got[:110]} | {'as it should' if right else 'WRONG'} |")

    def neighbours(self, study: str, before: dict[str, object]) -> None:
        """Count neighbours that are not finished, or whose record has changed."""
        found = self.records(study)
        for row in NEIGHBOURS:
            lost = row not in found or found[row].status != "ok" or before.get(row, found[row]) != found[row]
            self.counts["neighbours lost"] += lost


def main(seconds: int = 20, folder: str = "/tmp/qinn-plugins") -> int:
    """Run everything and print a table; 1 if anything went wrong."""
    root = Path(folder)
    shutil.rmtree(root, ignore_errors=True)
    campaign = Campaign(root, seconds)
    odd.install(root / "site", campaign.results)
    sys.path.insert(0, str(root / "site"))
    _campaigns.import_all()
    importlib.import_module("qinn_bench.registry").IMPORT_SECONDS = 3.0
    for part in (models, listed, refused, metrics, data, alone):
        part(campaign)
    bad = [what for what in campaign.counts if what != "misbehaviours"]
    for what in ("misbehaviours", *bad):
        print(f"| {what} | {campaign.counts[what]} |")
    print("\n".join(["", "| misbehaviour | ended | |", "|---|---|---|", *campaign.lines]))
    return int(any(campaign.counts[what] for what in bad))


def models(campaign: Campaign) -> None:
    """All models of one study between two neighbours, of which the first is finished before."""
    first = campaign.study("odd", NEIGHBOURS[:1])
    campaign.run(first)
    before = campaign.records("odd")
    names = tuple(case.name for case in odd.MODELS)
    study = campaign.study("odd", (NEIGHBOURS[0], *names, NEIGHBOURS[1]))
    campaign.run(study, "--timeout", str(campaign.seconds), "--memory", MEMORY)
    found = campaign.records("odd")
    for case in odd.MODELS:
        record = found.get(case.name)
        status, reason = (record.status, record.reason) if record else ("no record", "")
        campaign.judge(case.name, status in case.right, f"{status}: {reason}" if reason else status)
    campaign.neighbours("odd", before)


def listed(campaign: Campaign) -> None:
    """What is broken is listed so, and a study with floors goes on."""
    ended = campaign.call(["list"])
    for case in (*odd.REFUSED, *odd.BROKEN_METRICS):
        line = next((line for line in ended.said.splitlines() if line.split()[:1] == [case.name]), "not listed")
        told = any(word in line for word in ("broken", "declares", "defines"))
        campaign.judge(f"{case.name} (list)", ended.code == 0 and told, line.strip())
    study = campaign.study("floors", NEIGHBOURS, floors="true")
    ended = campaign.run(study)
    campaign.judge("floors beside broken files", ended.code == 0, f"exit code {ended.code}")
    campaign.neighbours("floors", {})


def refused(campaign: Campaign) -> None:
    """A study that names a broken model is refused in a sentence."""
    for case in odd.REFUSED:
        ended = campaign.run(campaign.study("refused", (*NEIGHBOURS, case.name)))
        campaign.judge(f"{case.name} (run)", ended.code == 2, ended.said.strip())


def metrics(campaign: Campaign) -> None:
    """Metrics that fail leave the others; measured again, they leave the old numbers."""
    names = [case.name for case in odd.METRICS]
    ended = campaign.run(campaign.study("metrics", NEIGHBOURS, f'["swd", "nll", {", ".join(map(repr, names))}]'))
    found = campaign.records("metrics")
    for name in names:
        estimates = [record.metrics[name] for record in found.values() if name in record.metrics]
        right = ended.code == 0 and len(estimates) == len(NEIGHBOURS) and all(one.value is None for one in estimates)
        campaign.judge(name, right, estimates[0].note if estimates else "no column")
    campaign.neighbours("metrics", {})
    campaign.run(campaign.study("again", NEIGHBOURS))
    before = campaign.records("again")
    ended = campaign.run(campaign.study("again", NEIGHBOURS, '["swd", "metric_raises"]'))
    after = campaign.records("again")
    right = ended.code == 3 and all(after[row].metrics == before[row].metrics for row in NEIGHBOURS)
    campaign.judge("metric_raises (measured again)", right, ended.said.strip().splitlines()[-1])


def data(campaign: Campaign) -> None:
    """Data that cannot be drawn under the limits are refused in a sentence."""
    for case in odd.DATA:
        study = campaign.study("data", NEIGHBOURS, data=case.name)
        ended = campaign.run(study, "--timeout", "3", "--memory", MEMORY)
        campaign.judge(case.name, ended.code == 2, ended.said.strip())


def alone(campaign: Campaign) -> None:
    """What takes more than its own cell: each in a study of its own."""
    for case in odd.ALONE:
        name = case.name
        campaign.run(campaign.study(name, NEIGHBOURS[:1]))
        before = {} if name == "deletes_results" else campaign.records(name)
        study = campaign.study(name, (NEIGHBOURS[0], name, NEIGHBOURS[1]))
        ended = campaign.run(study, "--timeout", str(campaign.seconds), hurry=True)
        record = campaign.records(name).get(name)
        status, reason = (record.status, record.reason) if record else ("", ended.said.strip().splitlines()[-1])
        campaign.judge(name, status in case.right, f"{status}: {reason}")
        if (
            name == "deletes_results"
        ):  # What a process of the same user deletes is gone: the cell itself and later ones stay.
            campaign.run(study)
        campaign.neighbours(name, before)


def _hurry() -> None:
    """Wait less for a server that does not answer."""
    workers = importlib.import_module("qinn_bench.study.schedulers.local")
    workers.SILENCE_SECONDS, workers.PING_SECONDS, workers.KILL_SECONDS = 6.0, 1.0, 3.0


def _alive(mark: str) -> int:
    """Processes of a campaign that has ended: servers and workers are started with the folder of the plug-ins."""
    time.sleep(0.2)
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes()
            ours = mark.encode() in words and b"-P" in words.split(b"\0")
            found += ours or words == b"sleep\0001000\0"
    return found


if __name__ == "__main__":
    sys.exit(main(*(kind(given) for kind, given in zip((int, str), sys.argv[1:], strict=False))))
