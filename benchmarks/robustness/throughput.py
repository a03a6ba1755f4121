"""How much faster two workers are than one, on the same cells; that says something only where two cores are free.

Cells of a few seconds each are run with one worker and with two, in turns, each time in a new folder. The start of a
campaign counts on both sides, so that enough cells are needed for it not to matter. Where the machine does something
else the ratio is printed and not judged.

    python benchmarks/robustness/throughput.py --seeds 40 --steps 2000 --repeats 3
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

import _campaigns

NAME, TARGET, IDLE, SECONDS = "steady", 1.8, 0.3, 7200
STUDY = """
name = "steady"
data = ["moons[events=4000]"]
seeds = {seeds}
samples = 1000
mass_draws = 5000
metrics = ["nll", "swd"]
[budgets.some]
steps = {steps}
batch = 256
[[models]]
model = "affine_inn"
"""


def main() -> int:
    """Run in turns, print a table; 1 if two workers are too slow on a machine that does nothing else."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    free = len(os.sched_getaffinity(0)) >= 2 and os.getloadavg()[0] < IDLE
    before = _campaigns.busy()
    _campaigns.import_all()
    taken: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="qinn-throughput-") as folder:
        root = Path(folder)
        study = root / f"{NAME}.toml"
        study.write_text(STUDY.format(seeds=options.seeds, steps=options.steps), encoding="utf8")
        for at in range(options.repeats):
            for workers in (1, 2) if at % 2 == 0 else (2, 1):
                results = root / f"{at}-{workers}"
                words = ["run", str(study), "--results", str(results), f"-j{workers}"]
                ended = _campaigns.call(words, root / "log.txt", SECONDS)
                if ended.code:
                    sys.exit(f"a campaign ended with {ended.code}: {ended.said}")
                taken[workers].append(ended.seconds)
    one, two = (median(taken[workers]) for workers in (1, 2))
    print(f"| {options.repeats} x {options.seeds} cells of {options.steps} steps ({before}) | |\n|---|---:|")
    print(f"| one worker | {one:.1f} s |\n| two workers | {two:.1f} s |\n| ratio | {one / two:.2f} |")
    print(f"| judged (two cores were free) | {'yes' if free else 'no'} |")
    return int(free and one / two < TARGET)


if __name__ == "__main__":
    sys.exit(main())
