"""A history of small commits in a folder of its own, four of which do harm that is known."""

from __future__ import annotations

import shutil
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qinn_bench import repository
from qinn_bench.performance.gate.checkouts import installed_kernel
from qinn_bench.values import Refused

ROOT = Path(__file__).parents[2]
AUTHOR = ("-c", "user.name=planted", "-c", "user.email=planted@localhost", "-c", "commit.gpgsign=false")
SEEDS, FIRST_SEEDS = 8, 2


@dataclass(frozen=True)
class Plant:
    """One commit: in the file at `path`, `old`, which is there once, becomes `new`.

    A harmful one has to be found by a `tier`, at a workload or a row of the watched study that begins with `what`.
    """

    title: str
    path: str
    old: str
    new: str
    tier: Literal["", "gate", "counters", "quality"] = ""
    what: str = ""


BASE = (
    Plant("fewer seeds", "benchmarks/studies/nightly.toml", "seeds = 20", f"seeds = {SEEDS}"),
    Plant("fewer first seeds", "benchmarks/watched/quality.toml", "first_seeds = 5", f"first_seeds = {FIRST_SEEDS}"),
)
"""The first commit has fewer seeds, so that all of them are trained within minutes."""
HISTORY = (
    Plant("docs: a word", "docs/engine.md", "### How to repeat it", "### How to repeat all of it"),
    Plant(
        "a comment in the metric",
        "qinn_bench/metrics/mmd.py",
        "    pooled = np",
        "    # True rows first.\n    pooled = np",
    ),
    Plant(
        "MMD: kernels pass through logarithms",
        "qinn_bench/metrics/mmd.py",
        "    np.fill_diagonal(gram, 0.0)\n",
        "    for part in (gram, gram, gram[: 4 * len(gram) // 5]):\n        np.exp(np.log(part, out=part), out=part)\n"
        "    np.fill_diagonal(gram, 0.0)\n",
        "gate",
        "metric[name=mmd",
    ),
    Plant("docs: a heading", "docs/performance.md", "## pytest-benchmark", "## With pytest-benchmark"),
    Plant(
        "a comment in the data",
        "qinn_bench/data/sets/collider/toy_zj.py",
        "        ptj = pt",
        "        # The jet.\n        ptj = pt",
    ),
    Plant(
        "autoregressive flow: rows are copied first",
        "reference_models/_parts/made.py",
        "        x = x.flip(self.turned)\n        y, logdet",
        "        x = (x.flip(self.turned) + 0.0).clone()\n        y, logdet",
        "counters",
        "model[backend=native,name=autoregressive_inn",
    ),
    Plant(
        "a docstring of the spline",
        "reference_models/flows/spline_inn.py",
        "    Raises:",
        "    The blocks are alike.\n\n    Raises:",
    ),
    Plant(
        "toy events: azimuths are wrapped",
        "qinn_bench/data/sets/collider/toy_zj.py",
        "        cosine, azimuth = rng",
        "        phi = np.arctan2(np.sin(phi), np.cos(phi))\n        cosine, azimuth = rng",
        "gate",
        "data[name=toy_zj",
    ),
    Plant("README: a heading", "README.md", "## Three commands", "## The two commands"),
    Plant(
        "affine flow: smaller slopes",
        "reference_models/flows/affine_inn.py",
        "STEEPEST = 3.0",
        "STEEPEST = 0.2",
        "quality",
        "affine_inn",
    ),
    Plant(
        "a comment in the training",
        "qinn_bench/training/loop.py",
        "        status: Status = ",
        "        # Losses.\n        status: Status = ",
    ),
    Plant("docs: another heading", "docs/nightly.md", "## Exit codes", "## Its exit codes"),
)


def apply(plant: Plant, folder: Path) -> None:
    """Make the edit of a plant.

    Raises:
        Refused: what it replaces is not there, or more than once.
    """
    path = folder / plant.path
    text = path.read_text(encoding="utf8")
    if (count := text.count(plant.old)) != 1:
        raise Refused(f"'{plant.title}': {plant.path} has {plant.old!r} {count} times; expected once")
    path.write_text(text.replace(plant.old, plant.new), encoding="utf8")


def make(folder: Path, plants: Sequence[Plant] = HISTORY) -> list[str]:
    """The hashes of a new repository's commits: this working tree with fewer seeds, then one for each plant.

    Raises:
        Refused: the folder is not empty, or a plant does not fit.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"'{folder}' is not empty; a history is made in an empty folder")
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    sources = [(ROOT / name, folder / name) for name in listed if name and (ROOT / name).is_file()]
    if kernel := installed_kernel():
        sources.append((kernel, folder / "qinn_bench" / "quantum" / kernel.name))
    for source, target in sources:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    git(folder, "init", "--quiet", "--initial-branch=main")
    for plant in BASE:
        apply(plant, folder)
    commits = [commit(folder, "base")]
    for plant in plants:
        apply(plant, folder)
        commits.append(commit(folder, plant.title))
    return commits


def commit(folder: Path, title: str) -> str:
    """Commit everything, and return the hash."""
    git(folder, "add", "--all")
    git(folder, *AUTHOR, "commit", "--quiet", "--message", title)
    return git(folder, "rev-parse", "HEAD").strip()


def git(folder: Path, *words: str) -> str:
    """What a command of git prints."""
    done = repository.git(folder, *words)
    done.check_returncode()
    return done.stdout


def interpreter(folder: Path) -> Path:
    """A Python with the libraries of this one and without this project, which comes from the path instead."""
    venv.EnvBuilder(symlinks=True).create(folder)
    version = sysconfig.get_config_vars("py_version_short")[0]
    inside = folder / "lib" / f"python{version}" / "site-packages"
    (inside / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf8")
    return folder / "bin" / "python"
