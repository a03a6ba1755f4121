"""``qinn-bench init``: a study, a model, a data set or a metric to start from, commented, that runs as it is."""

from __future__ import annotations

import argparse
import keyword
import re
from pathlib import Path

from qinn_bench import catalogue, registry
from qinn_bench.files import read_text
from qinn_bench.outside import Kind
from qinn_bench.values import NAME, Refused
from qinn_bench.writing import write_text

TEMPLATES = Path(__file__).parents[1] / "templates"
KINDS: dict[str, Kind | None] = {"study": None, "model": "model", "data": "data", "metric": "metric"}
"""What can be written, and what it joins."""
WORD = {"data": "data set"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What, its name, and the folder."""
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("name", help="letters, digits and _; it is the name of the file")
    parser.add_argument("--folder", type=Path, default=Path(), help="where (default: the working folder)")


def run(options: argparse.Namespace) -> int:
    """Write the file and say what can be done with it."""
    kind, name = options.kind, options.name
    _check_name(kind, name)
    path = options.folder / f"{name}.{'toml' if kind == 'study' else 'py'}"
    if path.exists() or path.is_symlink():
        raise Refused(f"{path} exists and is left as it is; a name that is free was expected")
    template = TEMPLATES / f"{kind}.{path.suffix[1:]}.txt"
    try:
        write_text(path, read_text(template).replace("NAME", name))
    except (NotADirectoryError, FileExistsError):
        raise Refused(f"{path} cannot be written: {options.folder} is no folder") from None
    print(f"{path}\nnext: qinn-bench {'run' if kind == 'study' else 'check'} {path}")
    return 0


def _check_name(kind: str, name: str) -> None:
    """That a file of this name can join."""
    joins = KINDS[kind]
    if joins is None:
        if not re.fullmatch(NAME, name) or len(name) > 100:
            raise Refused(f"a study was to be called '{name}'; lower-case letters, digits, - and _ were expected")
        return
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name) or name.startswith("_"):
        raise Refused(
            f"a {WORD.get(kind, kind)} was to be called '{name}'; a name of letters, digits and _ was expected"
        )
    if name in registry.names(joins) or (joins == "metric" and name in catalogue.metrics()):
        raise Refused(f"there is a {WORD.get(kind, kind)} called '{name}' already; a name of its own was expected")
    if joins == "metric":
        _check_column(name)


def _check_column(name: str) -> None:
    """That no metric's columns begin like another's: they are told apart by the name of their metric."""
    for other in (*catalogue.metrics(), *catalogue.COMPUTED):
        if name.startswith(other) or other.startswith(name):
            raise Refused(
                f"a metric was to be called '{name}', but '{other}' is there; one that begins otherwise was expected"
            )
