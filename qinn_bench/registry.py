"""From a name to the file of that name: models, data sets and metrics are found by being there."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from qinn_bench import bounds, outside, row_fit, train_rows
from qinn_bench.about import About
from qinn_bench.dataset import Dataset
from qinn_bench.knob_types import SHARED, as_default
from qinn_bench.knob_types import check_knobs as check_knobs
from qinn_bench.limits import TimeLimit, sentence, time_limit
from qinn_bench.outside import PATH
from qinn_bench.outside import Kind as Kind
from qinn_bench.refusals import refusal
from qinn_bench.use_text import parse_use as parse_use
from qinn_bench.values import Knobs, Refused, Role, Use

PACKAGES: dict[str, str] = {"model": "reference_models", "data": "qinn_bench.data.sets", "metric": "qinn_bench.metrics"}
GIVEN = frozenset({"data", "backend", "condition"})
"""Keywords of a maker that are no knobs: what the program hands it."""
MOVED = frozenset({"ROLE", "KNOBS", "LATER", "NEEDS_DENSITY"})
"""Constants that a file once stated and that would be ignored now: `about.About` has them as fields."""
MAKERS: dict[str, str] = {"model": "build", "data": "load"}
IMPORT_SECONDS = 120.0
"""That the import of one module may take."""


def _modules(kind: Kind) -> dict[str, str]:
    """Name -> dotted module of everything of a kind: ours, that of installed packages, and of folders that were named.

    Raises:
        Refused: a file of a folder has the name of something else.
    """
    package = importlib.import_module(PACKAGES[kind])
    found = _installed(kind) | _own(package.__name__, tuple(package.__path__))
    named = outside.modules(kind)
    if doubled := sorted(found.keys() & named.keys()):
        file = next(folder.files[doubled[0]] for folder in outside.folders(kind) if doubled[0] in folder.files)
        raise Refused(f"{file} has the name of {found[doubled[0]]}, '{doubled[0]}'; a name of its own was expected")
    return found | named


@lru_cache
def _own(package: str, folders: tuple[str, ...]) -> dict[str, str]:
    """The modules of a package in these folders and in those below, by name; they are looked for once.

    Raises:
        Refused: two of them have the same name.
    """
    found: dict[str, str] = {}
    for one in pkgutil.walk_packages(folders, f"{package}."):
        name = one.name.rpartition(".")[2]
        if one.ispkg or any(part.startswith("_") for part in one.name.removeprefix(package).split(".")):
            continue
        if name in found:
            raise Refused(f"both {found[name]} and {one.name} are called '{name}'; names that differ were expected")
        found[name] = one.name
    return found


@lru_cache
def _installed(kind: Kind) -> dict[str, str]:
    """What packages of third parties join with, those that can be read; read once, as it is slow."""
    found: dict[str, str] = {}
    for package in distributions():
        with suppress(Exception):
            found |= {point.name: point.value for point in package.entry_points.select(group=f"qinn_bench.{kind}")}
    return found


def is_foreign(kind: Kind, name: str) -> bool:
    """Whether a name comes from a third party; no such name takes the place of one of ours."""
    return not _modules(kind)[name].startswith(f"{PACKAGES[kind]}.")


def group_of(kind: Kind, name: str) -> str:
    """Where a name comes from: the folder below ours, the folder that was named, or the installed package."""
    module = module_of(kind, name)
    if folder := outside.folder_of(module):
        return folder.said
    inside = module.removeprefix(f"{PACKAGES[kind]}.")
    return inside.rpartition(".")[0] if inside != module else module.partition(".")[0]


def names(kind: Kind) -> list[str]:
    """All names of a kind, sorted; nothing is imported."""
    return sorted(_modules(kind))


def find(kind: Kind, name: str) -> ModuleType:
    """The module of that name.

    Raises:
        Refused: no such name, the message lists those that exist; or its module is broken.
    """
    module = module_of(kind, name)
    if not name.isidentifier():
        raise Refused(f"{kind} '{name}' is broken: its name is no name of Python (letters, digits and _)")
    found = _load(module)
    maker = MAKERS.get(kind, "METRICS")
    if isinstance(found, str) or not hasattr(found, maker):
        raise Refused(f"{kind} '{name}' is broken: {found if isinstance(found, str) else f'it has no {maker}'}")
    return found


def module_of(kind: Kind, name: str) -> str:
    """The dotted module of that name; it is not imported.

    Raises:
        Refused: no such name; the message lists those that exist.
    """
    modules = _modules(kind)
    if name not in modules:
        raise Refused(f"no {kind} is called '{name}'; there are: {', '.join(sorted(modules))}")
    return modules[name]


@lru_cache
def _load(module: str) -> ModuleType | str:
    """A module, or why it cannot be imported; it is not tried twice."""
    try:
        with time_limit(IMPORT_SECONDS):
            return importlib.import_module(module)
    except TimeLimit:
        return f"its import takes longer than {IMPORT_SECONDS:g} s"
    except ValidationError as error:
        return str(refusal(error, About, "its ABOUT", "field")) if error.title == "About" else _ends_in(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # Whatever the module of somebody else does; some raise what is no Exception.
        return _ends_in(error) + outside.said_of_neighbour(module, error)


def _ends_in(error: BaseException) -> str:
    return f"its import ends in {sentence(error)}"


def broken(kind: Kind, among: Sequence[str] | None = None) -> dict[str, str]:
    """Name -> reason of what cannot be used, of everything of a kind or of these; it is listed, and harms nothing."""
    found = {}
    for name in names(kind) if among is None else among:
        try:
            find(kind, name)
            if kind != "metric":
                knob_defaults(kind, name)
                about(kind, name)
        except Refused as refusal:
            found[name] = str(refusal)
    return found


def working(kind: Kind) -> list[str]:
    """All names of a kind that can be used, sorted; everything is imported."""
    without = broken(kind)
    return [name for name in names(kind) if name not in without]


def spell_out(kind: Kind, use: Use) -> Use:
    """Fill in every default, so that changing a default changes the value.

    A knob that came later is left out where it has the value that leaves the model as it was before: seeds, keys and
    places of what was made before stay the same.

    Raises:
        Refused: an unknown name, an unknown knob, or a knob of the wrong type.
    """
    spelled = spelled_with(kind, use, knob_defaults(kind, use.name), later(kind, use.name))
    _check_size(kind, use.name, spelled.knobs)
    return spelled


def spelled_with(kind: Kind, use: Use, defaults: Knobs, before: Knobs) -> Use:
    """The same with defaults that are known, and what knobs that came later stood for `before`.

    Raises:
        Refused: an unknown knob, or a knob of the wrong type.
    """
    check_knobs(kind, use, defaults)
    shared = {knob: value for knob, value in SHARED.get(kind, {}).items() if knob not in defaults}
    defaults, before = shared | defaults, shared | before
    spelled = defaults | {k: as_default(defaults[k], v) for k, v in use.knobs.items()}
    if kind == "data" and spelled.get(PATH):
        spelled[PATH] = outside.file_name(str(spelled[PATH]))
    return Use(name=use.name, knobs={k: v for k, v in spelled.items() if k not in before or v != before[k]})


def later(kind: Kind, name: str) -> Knobs:
    """The knobs that a model or a data set got after it was first published, each with the value that it stood for
    before."""
    return about(kind, name).later


def _check_size(kind: Kind, name: str, knobs: Knobs) -> None:
    if kind == "data":
        bounds.check_data(name, knobs)
    elif kind == "model":
        stated = about("model", name)
        bounds.check_model(name, knobs, stated.knobs, stated.depth)


def knob_defaults(kind: Kind, name: str) -> Knobs:
    """The knobs of a model or a data set with their defaults: the keyword-only arguments of its maker."""
    parameters = arguments(kind, name).values()
    knobs = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in GIVEN}
    for knob, default in knobs.items():
        if not isinstance(default, bool | int | float | str) or default in (math.inf, -math.inf) or default != default:
            given = "none" if default is inspect.Parameter.empty else repr(default)[:50]
            raise Refused(
                f"{kind} '{name}' is broken: the default of its knob '{knob}' is {given}, not a number or text"
            )
    return knobs


def arguments(kind: Kind, name: str) -> Mapping[str, inspect.Parameter]:
    """What the maker of a name takes.

    Raises:
        Refused: it is no function.
    """
    maker = getattr(find(kind, name), MAKERS[kind])
    try:
        return inspect.signature(maker).parameters
    except (TypeError, ValueError):
        raise Refused(f"{kind} '{name}' is broken: its {MAKERS[kind]} is no function") from None


def takes(kind: Kind, name: str, argument: str) -> bool:
    """Whether a maker has this keyword, such as ``backend`` or ``data``."""
    return argument in arguments(kind, name)


def about(kind: Kind, name: str) -> About:
    """What the file of a model or a data set states of itself: its `ABOUT`, or all defaults.

    Raises:
        Refused: its `ABOUT` is something else, or it states constants that are now fields of it.
    """
    module = find(kind, name)
    stated = getattr(module, "ABOUT", None)
    if isinstance(stated, About):
        return stated
    if stated is not None:
        raise Refused(f"{kind} '{name}' is broken: its ABOUT is of type {type(stated).__name__}, expected About(...)")
    if old := sorted(MOVED & vars(module).keys()):
        fields = ", ".join(f"{one.lower()}=..." for one in old)
        raise Refused(f"{kind} '{name}' is broken: it states {', '.join(old)}, expected ABOUT = About({fields})")
    return About()


def role(name: str) -> Role:
    """What a model is in a table: a compared model, a floor or a ceiling."""
    return about("model", name).role


def covers(wanted: Use, use: Use, kind: Kind = "data") -> bool:
    """Whether a use has the name and the knobs of another that names only some; a file is known by its name, and a
    knob that came later and is left out by what it stood for before.

    Example:
        >>> covers(parse_use("table[path=rows/my.csv]"), parse_use("table[path=my.csv,valid=0.2]"))
        True
        >>> covers(parse_use("moons[train_events=0]"), parse_use("moons[events=400]"))
        True
    """
    path = {PATH: Path(str(wanted.knobs[PATH])).name} if PATH in wanted.knobs else {}
    asked, has = wanted.knobs | path, use.knobs
    if wanted.name == use.name and asked.keys() - has.keys() and use.name in names(kind):
        has = SHARED.get(kind, {}) | later(kind, use.name) | has
    return wanted.name == use.name and asked.items() <= has.items()


def make(kind: Kind, use: Use, *args: Any, **extra: Any) -> Any:
    """Call the maker of a name with its knobs; `extra` (``data``, ``backend``) is passed on where it is taken.

    Knobs that are left open have their defaults; where all but later ones are spelled out, these stand as `later` says.

    Raises:
        Refused: a model is asked for rows that it does not take, or whatever the maker refuses.
    """
    if kind == "model" and args:
        row_fit.check(use.name, about("model", use.name), args[0] if isinstance(args[0], tuple) else (args[0],))
    use, events = train_rows.apart(use) if kind == "data" else (use, 0)
    given = {key: value for key, value in extra.items() if takes(kind, use.name, key)}
    before = later(kind, use.name)
    spelled = set(knob_defaults(kind, use.name)) - set(before) <= set(use.knobs)
    knobs = before | use.knobs if spelled else dict(use.knobs)
    if kind == "data" and knobs.get(PATH):
        knobs[PATH] = str(outside.file_path(str(knobs[PATH])))
    made = getattr(find(kind, use.name), MAKERS[kind])(*args, **knobs, **given)
    return train_rows.with_first(made, events) if events and isinstance(made, Dataset) else made
