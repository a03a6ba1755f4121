"""Writes the runs below results/runs in asv's format, with a configuration from which ``asv publish`` makes pages."""

import argparse
import json
from pathlib import Path

from qinn_bench.performance.machine import Machine
from qinn_bench.performance.nightly import run_files
from qinn_bench.performance.nightly.asv_export import export
from qinn_bench.reading import read_json, read_value
from qinn_bench.values import Refused

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Export all runs, and print the command that makes the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="folder of results")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "asv" / "runs", help="a folder of its own")
    options = parser.parse_args()
    try:
        rows = run_files.load(options.results)
        described = (read_value(Machine, p, "describes no machine") for p in options.results.glob("machines/*.json"))
        found = export(rows, {machine.name: machine for machine in described}, options.out / "results", ROOT)
    except Refused as reason:
        parser.error(str(reason))
    path = options.out / "asv.conf.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(configuration(options.out.resolve()), indent=4) + "\n", encoding="utf8")
    print(f"{len(rows)} rows, {len(found)} files of commits; asv publish --config {path}")
    return 0


def configuration(out: Path) -> dict[str, object]:
    """The project's configuration of asv, with absolute paths and with results and pages in `out`."""
    known = read_json(ROOT / "asv.conf.json")
    places = {"repo": ROOT, "benchmark_dir": ROOT / known["benchmark_dir"], "env_dir": out / "env"}
    places |= {"results_dir": out / "results", "html_dir": out / "html"}
    return known | {name: str(path) for name, path in places.items()}


if __name__ == "__main__":
    raise SystemExit(main())
