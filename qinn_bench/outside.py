"""What the user named outside of this project: folders whose files join what exists, and files of rows.

Each file in a folder joins the models, the data sets or the metrics. A folder is imported from as a package whose name
says where it lies and what is in it, so that an edited file is never taken for the one that was imported before. Files
of one folder import each other as ``from ._parts import thing``.

A file of rows is a knob of a data set, `PATH`. It goes by its name from then on, so that no record holds a path of a
machine and no seed or key hangs on where it lies; its content is what the fingerprint of the data set is of.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Literal, TypedDict, get_args

from qinn_bench.files import read_bytes
from qinn_bench.values import Refused

Kind = Literal["model", "data", "metric"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WORDS: dict[Kind, str] = {"model": "models", "data": "data sets", "metric": "metrics"}
PATH = "path"
"""The knob of a data set that is a file of the user's, or empty."""
PREFIX = "_qinn_bench_folder_"
Folders = Mapping[Kind, tuple[str, ...]]
"""Kind -> folders, as somebody named them."""


@dataclass(frozen=True)
class Folder:
    """A folder that was named as `said`, the package that its files are modules of, and these files by name.

    Example:
        >>> Folder("my_models/", Path("my_models"), "_qinn_bench_folder_0", {}).said
        'my_models/'
    """

    said: str
    path: Path
    package: str
    files: Mapping[str, Path]


@dataclass
class _Named:
    """The folders that the command line named, and those of the study that was read last; where relative paths of
    files begin, and the files by name."""

    by_options: dict[Kind, tuple[Folder, ...]] = field(default_factory=dict)
    by_study: dict[Kind, tuple[Folder, ...]] = field(default_factory=dict)
    base: Path = field(default_factory=Path)
    files: dict[str, Path] = field(default_factory=dict)


_NAMED = _Named()


class _Fresh(SourceFileLoader):
    """Compiles a file whenever it is imported: what is kept of an earlier one is told from it by whole seconds."""

    def path_stats(self, path: str) -> Mapping[str, object]:
        """No times, so that no compiled file is read or written."""
        raise OSError(path)


def of_options(folders: Folders) -> None:
    """Let the files of these folders join, relative to the working folder, in the place of all that was named before.

    Raises:
        Refused: no such folder.
    """
    _start_over(Path())
    _NAMED.by_options = {}
    _NAMED.by_options = _opened(folders, Path(), "")


def of_study(folders: Folders, base: Path, where: str) -> None:
    """The same for those of a study, beside those of the command line and in the place of another study's; they, and
    files of rows, are relative to the folder `base` of its file.

    Raises:
        Refused: no such folder; `where` says whose it is.
    """
    _start_over(base)
    _NAMED.by_study = _opened(folders, base, f"{where}: ")


def of_file(kind: Kind, path: Path) -> str:
    """Let one file join beside what was named; the name that it goes by. Its neighbours can be imported, and no more.

    Raises:
        Refused: its folder cannot be read.
    """
    folder = _open(kind, str(path.parent), Path(), "")
    alone = replace(folder, files={path.stem: path.resolve()})
    _NAMED.by_options[kind] = (*(one for one in _NAMED.by_options.get(kind, ()) if one.path != folder.path), alone)
    return path.stem


def _start_over(base: Path) -> None:
    _NAMED.by_study, _NAMED.base, _NAMED.files = {}, base.absolute(), {}


def _opened(folders: Folders, base: Path, where: str) -> dict[Kind, tuple[Folder, ...]]:
    return {kind: tuple(_open(kind, said, base, where) for said in named) for kind, named in folders.items()}


def _open(kind: Kind, said: str, base: Path, where: str) -> Folder:
    path = base / said
    try:
        if not path.is_dir():
            what = "it is a file" if path.exists() else "it is not there"
            raise Refused(f"{where}the folder '{said}' of {WORDS[kind]} cannot be read: {what}")
        path = path.resolve()
        # Editors leave hidden files and links that lead nowhere beside those that they have open.
        sources = sorted(file for file in path.glob("*.py") if not (file.name.startswith(".") or file.is_dir()))
        content = [str(path), *(f"{file.name} {hashlib.sha256(read_bytes(file)).hexdigest()}" for file in sources)]
    except Refused:
        raise
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", "") or str(error)
        raise Refused(f"{where}the folder '{said}' of {WORDS[kind]} cannot be read: {why}") from None
    package = PREFIX + hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]
    _make_importable(package, path)
    return Folder(said, path, package, {file.stem: file for file in sources if not file.name.startswith("_")})


def _make_importable(package: str, path: Path) -> None:
    """Let the files of a folder be modules of a package; its own ``__init__.py`` is not run."""
    importlib.invalidate_caches()
    if package in sys.modules:
        return
    loaders = (ExtensionFileLoader, EXTENSION_SUFFIXES), (_Fresh, [".py"])
    sys.path_importer_cache[str(path)] = FileFinder(str(path), *loaders)
    module = ModuleType(package)
    module.__spec__ = ModuleSpec(package, None, is_package=True)
    module.__path__ = [str(path)]
    sys.modules[package] = module


def folders(kind: Kind) -> tuple[Folder, ...]:
    """The folders that were named, each once."""
    found = (*_NAMED.by_options.get(kind, ()), *_NAMED.by_study.get(kind, ()))
    return tuple({folder.path: folder for folder in found}.values())


def modules(kind: Kind) -> dict[str, str]:
    """Name -> dotted module of every file of these folders.

    Raises:
        Refused: two files have the same name.
    """
    files: dict[str, Path] = {}
    found: dict[str, str] = {}
    for folder in folders(kind):
        for name, file in folder.files.items():
            if name in files:
                raise Refused(f"both {files[name]} and {file} are called '{name}'; names that differ were expected")
            files[name], found[name] = file, f"{folder.package}.{name}"
    return found


def folder_of(module: str) -> Folder | None:
    """The folder that a dotted module lies in, if it is a named one."""
    package = module.partition(".")[0]
    named = (folder for kind in KINDS for folder in folders(kind))
    return next((folder for folder in named if folder.package == package), None)


def file_name(text: str) -> str:
    """The name by which the file at a path goes from now on; a bare name that is known stands for what it did.

    Raises:
        Refused: another file of that name was named before.
    """
    name = Path(text).name
    path = _NAMED.base / text
    if name != text and _NAMED.files.get(name, path) != path:
        raise Refused(f"both {_NAMED.files[name]} and {path} are called '{name}'; files of rows need names that differ")
    _NAMED.files.setdefault(name, path)
    return name


def file_path(name: str) -> Path:
    """Where the file of a name lies; relative to the study, or to the working folder where there is none."""
    return _NAMED.files.get(name, _NAMED.base / name)


class Told(TypedDict):
    """All that was named, in full, for another process on this machine.

    Example:
        >>> Told(folders={"model": ("/data/my_models",)}, files={})["files"]
        {}
    """

    folders: dict[Kind, tuple[str, ...]]
    files: dict[str, str]


def told() -> Told:
    """What was named; empty where nothing was."""
    named = {kind: tuple(str(folder.path) for folder in folders(kind)) for kind in KINDS if folders(kind)}
    return {"folders": named, "files": {name: str(path) for name, path in _NAMED.files.items()}}


def take_over(told: Told) -> None:
    """Name what another process has `told`.

    Raises:
        Refused: a folder is gone.
    """
    of_options(told["folders"])
    _NAMED.files = {name: Path(path) for name, path in told["files"].items()}


def state() -> tuple[str, ...]:
    """What tells the folders and their content of now from those of another time."""
    if not (_NAMED.by_options or _NAMED.by_study):
        return ()  # It is asked for each cell of a table.
    return tuple(folder.package for kind in KINDS for folder in folders(kind))


def said_of_neighbour(module: str, error: BaseException) -> str:
    """What to write where a file of a named folder looks for its neighbour among the installed packages."""
    folder, wanted = folder_of(module), getattr(error, "name", None) or ""
    beside = folder and isinstance(error, ModuleNotFoundError) and (folder.path / f"{wanted}.py").is_file()
    return f"; files of one folder import each other as 'from .{wanted} import ...'" if beside else ""
