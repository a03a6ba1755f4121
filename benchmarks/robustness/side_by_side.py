"""Several campaigns at once in one folder: nothing is torn, and no cell is trained twice.

All start at the same moment on the same study, with one worker each. Every cell of a model that is installed for this
writes a line into a file when it is trained, so that each training is counted, whatever becomes of its record. The
records must be equal, bit for bit, to those of one campaign alone. Rounds are repeated, each in a folder of its own.

    python benchmarks/robustness/side_by_side.py --campaigns 8 --rounds 10
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import _campaigns
import _misbehaviour as odd

NAME, SECONDS = "shared", 3600
BAD = (
    *("trained twice", "not trained", "records torn or different", "cells lost", "wrong exit codes", "hangs"),
    *("tracebacks", "files left behind"),
)
COUNTING = (
    "import hashlib\n        state = hashlib.sha256(repr(rng.get_state().tolist()).encode()).hexdigest()\n        \
handle = os.open({path!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n        \
os.write(handle, (state + '\\n').encode()); os.close(handle); time.sleep({pause})"
)
"""What a model does before it is trained: its seed tells its cell from all others."""


def main() -> int:
    """Run the rounds and print a table of counts; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--campaigns", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=12, help="of each of two models: cells of a round are twice that")
    parser.add_argument("--pause", type=float, default=0.2, help="seconds that a cell sleeps, to have it met by others")
    options = parser.parse_args()
    counts = Counter[str]()
    with tempfile.TemporaryDirectory(prefix="qinn-side-") as folder:
        root = Path(folder)
        trained = root / "trained.txt"
        text = odd.Case("counted", (), COUNTING.format(path=str(trained), pause=options.pause), "initialise").source()
        _campaigns.plug_in(root / "site", {"counted": text})
        _campaigns.import_all()
        head = _campaigns.STUDY.format(name=NAME, seeds=options.seeds).partition("[[models]]")[0]
        study = root / f"{NAME}.toml"
        study.write_text(head + _campaigns.rows("counted", "product_of_marginals"), encoding="utf8")
        quiet = _campaigns.call(["run", str(study), "--results", str(root / "quiet"), "-j1"], root / "log.txt", SECONDS)
        if quiet.code:
            sys.exit(f"the campaign alone failed: {quiet.said}")
        truth = _campaigns.content(root / "quiet", NAME)
        for number in range(options.rounds):
            trained.unlink(missing_ok=True)
            together(root / f"round{number}", study, options.campaigns, truth, counts)
            starts = Counter(trained.read_text(encoding="utf8").split())
            counts["trained twice"] += sum(n > 1 for n in starts.values())
            counts["not trained"] += options.seeds - len(starts)
            print(f"{number + 1} of {options.rounds} rounds: {dict(counts)}", file=sys.stderr, flush=True)
    print(f"| {options.campaigns} campaigns at once in one folder, {options.rounds} rounds | |\n|---|---:|")
    for what in (*BAD, *(name for name in sorted(counts) if name not in BAD)):
        print(f"| {what} | {counts[what]} |")
    return int(any(counts[what] for what in BAD))


def together(results: Path, study: Path, campaigns: int, truth: dict, counts: Counter[str]) -> None:
    """One round: start all, wait for all, look at what is there."""
    results.mkdir()
    words, began = ["run", str(study), "--results", str(results / "results"), "-j1"], time.monotonic()
    pids = [_campaigns.start(words, results / f"log{at}.txt") for at in range(campaigns)]
    codes = [_campaigns.wait(pid, max(1.0, SECONDS - (time.monotonic() - began))) for pid in pids]
    counts["hangs"] += codes.count(None)
    counts["wrong exit codes"] += sum(code not in (0, None) for code in codes)
    said = [(results / f"log{at}.txt").read_text(encoding="utf8", errors="replace") for at in range(campaigns)]
    counts["tracebacks"] += sum("Traceback" in one for one in said)
    found = _campaigns.content(results / "results", NAME)
    counts["cells lost"] += len(truth.keys() - found.keys())
    counts["records torn or different"] += sum(one != truth.get(key) for key, one in found.items())
    counts["cells that ended well"] += len(found)
    counts["files left behind"] += len(_campaigns.leftovers(results / "results"))


if __name__ == "__main__":
    sys.exit(main())
