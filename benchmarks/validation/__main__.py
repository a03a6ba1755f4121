"""All validations: `run()` of each file here gives its table and what it missed; they go to results/validation."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("[!_]*.py"))


def main() -> int:
    """Write a table for each validation asked for; 1 if one of them misses what is demanded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of: {', '.join(NAMES)}")
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "results" / "validation")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"there is no validation '{unknown[0]}'; there are: {', '.join(NAMES)}")
    missed = []
    for name in options.names or NAMES:
        text, lines = importlib.import_module(name).run()
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{name}.md").write_text(text, encoding="utf8")
        print(f"{name}\n\n{text}")
        missed += [f"{name}: {line}" for line in lines]
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
