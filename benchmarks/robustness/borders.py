"""Full and read-only disks, odd locales, long names, few descriptors: what the program says of each, and its exit code.

    python benchmarks/robustness/borders.py --out results/validation/borders.md

The disks are file systems in memory, which only root may mount; without, those rows are left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERB = f"{sys.executable} -m qinn_bench.cli.main"
TABLE = f"--from {ROOT}/docs/examples/demsar2006.csv --row classifier --column dataset --value auc"
STUDY = """name = "toy"
data = ["moons[events=2000]"]
seeds = 1
samples = 100
mass_draws = 1000
metrics = ["swd"]
[budgets.tiny]
steps = 1
[[models]]
model = "truth"
"""
SECONDS = 300
C = "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"
COMPARE, RUN = f"{VERB} compare {TABLE}", f"{VERB} run toy.toml -j 1"
Row = tuple[str, str, int, str]


def rows(folder: Path) -> Iterator[Row]:
    """Each border: what it is, the command, its exit code, and what it said."""
    (folder / "toy.toml").write_text(STUDY, encoding="utf8")
    (folder / "file").write_text("", encoding="utf8")
    long = folder / ("t" * 120)
    long.mkdir()
    borders = {
        "standard output on a full disk": f"{COMPARE} > /dev/full",
        "output into `head`": f"{COMPARE} --json | head -c 10 > /dev/null; exit ${{PIPESTATUS[0]}}",
        "a results folder that is a file": f"{RUN} --results file",
        "a file below a file": f"{COMPARE} --out file/found.txt",
        "a name of 300 characters": f"{COMPARE} --out {'x' * 300}",
        "the C locale": f"{C} {COMPARE}",
        "ASCII output, strict": f"PYTHONIOENCODING=ascii:strict {COMPARE} --json",
        "TMPDIR of 120 characters": f"TMPDIR={long} {RUN} --results tmpdir",
        "8 descriptors": f"ulimit -n 8; {RUN} --results few",
        "200 MB of address space": f"ulimit -v 200000; {COMPARE}",
        "a study that is a folder": f"{VERB} status {folder}",
        "a study that is a pipe": f"mkfifo pipe; {VERB} status pipe",
        "a study of 200 MB": f"truncate -s 200M big.toml; {VERB} status big.toml",
        "a table with a line of 2 GB": f"truncate -s 2G big.csv; {VERB} compare --from big.csv --row a --value b",
        "5000 nested brackets": f"printf 'a = %05000d' 0 | tr 0 '[' > deep.toml; {VERB} status deep.toml",
    }
    for what, command in borders.items():
        yield _called(what, command, folder)
    for what, options in (("a full disk", "size=64k"), ("a read-only disk", "size=64k,ro")):
        with _disk(folder / options.replace(",", "-"), options) as disk:
            if disk is None:
                continue
            if "ro" not in options:
                (disk / "filler").write_bytes(bytes(61_000))
            yield _called(f"{what}: a table", f"{COMPARE} --json --out {disk}/found.json", folder)
            yield _called(f"{what}: the results of `run`", f"{RUN} --results {disk}/results", folder)
            yield _called(f"{what}: temporary files", f"TMPDIR={disk} {COMPARE}", folder)


def _called(what: str, command: str, folder: Path) -> Row:
    words = ["bash", "-c", command]
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace"
    )
    said = [line for line in done.stderr.strip().split("\n") if line]
    if "Traceback" in done.stderr:
        said = ["TRACEBACK", *said[-1:]]
    shown = (
        command.replace(VERB, "qinn-bench").replace(TABLE, "…").replace(str(ROOT), "").replace(str(folder), "FOLDER")
    )
    plain = (said[-1] if said else "(nothing; the answer is on standard output)").replace(str(folder), "FOLDER")
    return (
        what,
        shown.replace("x" * 300, "xxx…").replace("t" * 120, "ttt…"),
        done.returncode,
        plain.replace("x" * 300, "xxx…"),
    )


@contextmanager
def _disk(place: Path, options: str) -> Iterator[Path | None]:
    """A small file system in memory; None where this user may not mount one."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False
    )
    try:
        yield None if done.returncode else place
    finally:
        if not done.returncode:
            subprocess.run(["umount", str(place)], check=False)


def main() -> int:
    """Print the table; 1 if a row is a traceback or a verdict's exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, help="write the table to this file too")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = ""
    with tempfile.TemporaryDirectory(prefix="qb-") as folder:
        found = list(rows(Path(folder)))
    lines = [
        "# Borders",
        "",
        "What the program says where the system sets a limit (`benchmarks/robustness/borders.py`).",
        "",
    ]
    lines += ["| border | command | exit code | last line on standard error |", "| --- | --- | ---: | --- |"]
    cells = [(w, f"`{c}`".replace("|", "\\|"), str(code), said.replace("|", "\\|")) for w, c, code, said in found]
    page = "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in cells)]) + "\n"
    print(page)
    if options.out:
        options.out.write_text(page, encoding="utf8")
    return int(any(code == 1 or "TRACEBACK" in said for _, _, code, said in found))


if __name__ == "__main__":
    sys.exit(main())
