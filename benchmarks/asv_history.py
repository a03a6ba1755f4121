"""Runs asv on commits of this repository in this environment: each from a worktree of its own, with its own kernel.

The benchmarks are those of this checkout; words after the two revisions go to ``asv run``.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from qinn_bench.performance.gate.checkouts import Checkouts
from qinn_bench.performance.gate.launches import VARIABLES, NoVerdict
from qinn_bench.repository import environment
from qinn_bench.values import Refused

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Measure `first` and the commits after it up to `last`, oldest first; 1 if asv could not measure one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", help="the oldest revision")
    parser.add_argument("last", help="the newest revision")
    options, words = parser.parse_known_args()
    try:
        with Checkouts(ROOT) as checkouts:
            first = checkouts.commit(options.first)
            later = [] if first == checkouts.commit(options.last) else checkouts.path(first, options.last)
            failed = [commit for commit in (first, *later) if not measured(commit, checkouts.at(commit), words)]
    except (Refused, NoVerdict) as reason:
        parser.error(str(reason))
    for commit in failed:
        print(f"asv could not measure {commit}", file=sys.stderr)
    return int(bool(failed))


def measured(commit: str, folder: Path, words: list[str]) -> bool:
    """Whether ``asv run`` measured the source in `folder` and kept it under the name of its commit."""
    print(f"{commit[:12]} in {folder}", flush=True)
    run = [sys.executable, "-m", "asv", "run", "--python=same", "--set-commit-hash", commit, "--record-samples"]
    variables = environment() | VARIABLES | {"ASV_PYTHONPATH": str(folder)}
    return subprocess.run([*run, *words], cwd=ROOT, env=variables, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
