"""Versions of the project side by side: git worktrees in a temporary folder, each with its compiled kernel."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

from qinn_bench.performance.gate.launches import NoVerdict
from qinn_bench.repository import environment, git, is_repository
from qinn_bench.values import Refused

NATIVE = ("CMakeLists.txt", "qinn_bench/quantum/_native")
"""What the compiled kernel is built from."""
KERNEL = "qinn_bench.quantum._kernel"
DIRTY = "."
"""The revision that stands for the working tree as it is."""
BUILD_SECONDS = 900


class Checkouts(AbstractContextManager["Checkouts"]):
    """Folders that hold versions of the repository at `root`; all of them go at the end, whatever happens."""

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        """The kernels that have to be built are kept in `cache`.

        Raises:
            Refused: `root` is not the top of a git repository.
        """
        self.root = root.resolve()
        if not is_repository(self.root):
            raise Refused(f"'{root}' is not the top of a git repository; versions are compared from there")
        self.cache = cache or Path.home() / ".cache" / "qinn-bench" / "kernels"
        self._made: dict[str, Path] = {}

    def __enter__(self) -> Checkouts:
        self.folder = Path(tempfile.mkdtemp(prefix="qinn-bench-")).resolve()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self._git("worktree", "prune")

    def commit(self, revision: str) -> str:
        """The full hash of a revision; `.`, the working tree, is itself.

        Raises:
            Refused: no such revision.
        """
        if revision == DIRTY:
            return DIRTY
        done = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if done.returncode:
            raise Refused(f"no commit is called '{revision}' in '{self.root}'")
        return done.stdout.strip()

    def path(self, first: str, last: str) -> list[str]:
        """The commits after `first` up to `last`, oldest first, along first parents.

        Raises:
            Refused: no such revision, or `last` does not come after `first`.
        """
        start, end = self.commit(first), self.commit("HEAD" if last == DIRTY else last)
        words = ["rev-list", "--first-parent", "--reverse", "--ancestry-path", f"{start}..{end}"]
        commits = self._git(*words).stdout.split()
        if not commits and last != DIRTY:
            raise Refused(f"'{last}' does not come after '{first}', so there are no commits between them")
        return [*commits, *([DIRTY] if last == DIRTY else [])]

    def at(self, revision: str, label: str = "") -> Path:
        """The folder of a revision, made if needed; with a `label` it is made anew, for both sides may be equal.

        Raises:
            Refused: no such revision.
            NoVerdict: git cannot make it, or its kernel cannot be built.
        """
        commit = self.commit(revision)
        key = f"{commit}{label}"
        if key not in self._made:
            # Names of equal length: the length of a path reaches into the layout of memory.
            folder = self.folder / f"{len(self._made):08d}"
            if commit == DIRTY:
                self._copy(folder)
            elif (done := self._git("worktree", "add", "--detach", "--quiet", str(folder), commit)).returncode:
                raise NoVerdict(f"git cannot check out {commit[:12]}: {done.stderr.strip()}")
            place_kernel(self.root, folder, self.cache)
            self._made[key] = folder
        return self._made[key]

    def _copy(self, folder: Path) -> None:
        listed = self._git("ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout.split("\0")
        for name in filter(None, listed):
            if (source := self.root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, folder / name)

    def _git(self, *words: str) -> subprocess.CompletedProcess[str]:
        return git(self.root, *words)


def place_kernel(root: Path, folder: Path, cache: Path) -> None:
    """Put the compiled kernel of the version in `folder` where it is imported from.

    It is the installed one if that was built from the same sources, else one that is built once and kept in `cache`.
    A version without sources has none; where nothing was compiled at installation, no version is.

    Raises:
        NoVerdict: the kernel cannot be built.
    """
    wanted, here = native_hash(folder), installed_kernel()
    if not wanted or here is None:
        return
    if wanted == native_hash(root) and _newer(here, root):
        built = here
    else:
        abi = sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag
        kept = cache / f"{wanted}-{abi}"
        built = next(kept.glob("_kernel*"), None) or _build(folder, kept)
    shutil.copy2(built, folder / "qinn_bench" / "quantum" / built.name)


def native_hash(folder: Path) -> str:
    """The hash of what the kernel of a version is built from; empty where there is none."""
    files = [file for name in NATIVE for file in _files(folder / name)]
    if len(files) < len(NATIVE):
        return ""
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.relative_to(folder)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


def installed_kernel() -> Path | None:
    """The compiled kernel that this installation imports."""
    try:
        spec = find_spec(KERNEL)
    except ImportError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _files(path: Path) -> list[Path]:
    inside = path.rglob("*") if path.is_dir() else [path]
    return sorted(file for file in inside if file.is_file())


def _newer(kernel: Path, root: Path) -> bool:
    """Whether the kernel was built after its sources were last written."""
    return all(file.stat().st_mtime <= kernel.stat().st_mtime for name in NATIVE for file in _files(root / name))


def _build(folder: Path, kept: Path) -> Path:
    """Build a version's wheel as an installation does, and keep the kernel that is in it."""
    with tempfile.TemporaryDirectory() as scratch:
        words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", scratch, str(folder)]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS, env=environment()
            )
        except subprocess.TimeoutExpired:
            raise NoVerdict(f"building the kernel took longer than {BUILD_SECONDS} s") from None
        wheels = sorted(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            raise NoVerdict(f"the kernel cannot be built: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            inside = [name for name in wheel.namelist() if Path(name).name.startswith("_kernel")]
            if not inside:
                raise NoVerdict("the kernel cannot be built: the compiler left none in the wheel")
            return _keep(wheel.read(inside[0]), kept / Path(inside[0]).name)


def _keep(content: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}")
    scratch.write_bytes(content)
    return scratch.replace(path)
