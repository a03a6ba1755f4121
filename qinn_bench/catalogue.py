"""What exists, read from the text of its files (`file_text`): names, knobs, roles, metrics, columns.

A file whose text does not say it (a knob whose default is computed, a package of a third party) is imported after all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from qinn_bench import file_text, outside, registry
from qinn_bench.dataset import Metric, MetricColumn, column_named, owner_of
from qinn_bench.file_text import FACTS, Made, Measure, Unreadable
from qinn_bench.knob_types import SHARED
from qinn_bench.metrics._collect import all_metrics, broken_families
from qinn_bench.registry import PACKAGES, Kind
from qinn_bench.values import Knobs, Refused, Role, Use

COMPUTED = {
    column.name: column
    for column in (
        MetricColumn("parameters", "param.", "trained parameters"),
        MetricColumn("quantum", "quant.", "those of them in quantum circuits"),
        MetricColumn("blind", "blind", "those in circuits that no readout sees, whatever their values", shown=False),
        MetricColumn("frozen", "frozen", "parameters that are held fixed", shown=False),
        MetricColumn(
            "buffers", "buffers", "fitted numbers that the model keeps outside of its parameters", shown=False
        ),
        MetricColumn(
            "critic", "critic", "trained numbers that judge the model in training and are no part of it", shown=False
        ),
        MetricColumn("mass", "mass", "integral of the density that the model states"),
        MetricColumn(
            "circuits",
            "circuits/step",
            "circuit evaluations of a training step, a circuit and each of its tangents on one row being one",
            shown=False,
        ),
        MetricColumn(
            "shots", "shots/row", "shots of its circuits that a drawn row takes; 0 where none is", shown=False
        ),
        MetricColumn("flops", "flop/step", "floating-point operations of a training step", shown=False),
        MetricColumn("cpu_best_s", "CPU to best", "CPU time of training until the kept weights", shown=False),
        MetricColumn("memory_mb", "memory", "most memory that the process held until training ended", shown=False),
        MetricColumn(
            "rank",
            "rank",
            "numerical rank of the derivative of what a model gives by its parameters at some test rows",
            shown=False,
        ),
        MetricColumn("steps", "steps", "training steps that were taken", shown=False),
        MetricColumn(
            "gain",
            "still falls",
            "by how much the validation loss would fall in another cycle of training, three times as long as the last",
            shown=False,
        ),
        MetricColumn("train_s", "train CPU", "CPU time of training, on all its threads"),
        MetricColumn(
            "train_wall_s",
            "train wall",
            "wall time of training, which other work on the machine and waiting for a GPU lengthen",
            shown=False,
        ),
        MetricColumn("seeds", "seeds", "finished cells of those planned"),
    )
}
"""The columns of a table that are no metric's, in the order that a table has them."""


def made(kind: Literal["model", "data"], name: str) -> Made:
    """What a model or a data set is.

    Raises:
        Refused: no such name, or it is broken.
    """
    file = file_of(kind, name)
    return (file and file_text.made(kind, file)) or _imported(kind, name)


def _imported(kind: Literal["model", "data"], name: str) -> Made:
    module = registry.find(kind, name)
    taken = frozenset(registry.arguments(kind, name))
    return Made.of(module.__doc__, registry.knob_defaults(kind, name), taken, registry.about(kind, name))


def knobs(kind: Literal["model", "data"], name: str) -> Knobs:
    """The knobs of a model or a data set with their defaults, those that all of its kind share included.

    Raises:
        Refused: no such name, or it is broken.
    """
    return SHARED.get(kind, {}) | made(kind, name).knobs


def check(kind: Literal["model", "data"], use: Use) -> None:
    """That a model or a data set exists and has these knobs, without importing it.

    Raises:
        Refused: an unknown name, an unknown knob, or a knob of the wrong type.
    """
    registry.check_knobs(kind, use, made(kind, use.name).knobs)


def spell_out(kind: Literal["model", "data"], use: Use) -> Use:
    """Fill in every default, as `registry.spell_out` does, without importing a file of this project.

    Raises:
        Refused: an unknown name, an unknown knob, or a knob of the wrong type.
    """
    known = made(kind, use.name)
    return registry.spelled_with(kind, use, known.knobs, known.later)


def roles() -> dict[str, Role]:
    """Every model that works, with what it is in a table."""
    listed, broken = registry.names("model"), broken_ones("model")
    return {name: made("model", name).role for name in listed if name not in broken}


def listed(kind: Literal["model", "data"]) -> dict[str, str]:
    """Name -> first line of the docstring of everything of a kind; of what is broken the reason."""
    broken = broken_ones(kind, thoroughly=True)
    return {name: broken.get(name) or made(kind, name).about for name in registry.names(kind)}


def broken_ones(kind: Kind, *, thoroughly: bool = False) -> dict[str, str]:
    """Name -> why it cannot be used; a file is imported only where its text does not tell, or, where it is done
    `thoroughly`, if somebody else wrote it."""
    asked = registry.names(kind)
    doubted = [one for one in asked if (thoroughly and registry.is_foreign(kind, one)) or not _tells(kind, one)]
    return registry.broken(kind, doubted)


def _packages_measure() -> bool:
    """Whether there are metrics of installed packages, which are imported to be known."""
    return any(file_of("metric", family) is None for family in registry.names("metric"))


def _tells(kind: Kind, name: str) -> bool:
    """Whether the text of a file says what it is."""
    file = file_of(kind, name)
    if file is None or not name.isidentifier():
        return False
    try:
        return bool(_declared(file)) if kind == "metric" else file_text.made(kind, file) is not None
    except Unreadable:
        return False


def metrics() -> dict[str, Measure]:
    """Every metric that works, by name, with the columns that it declares; those of packages are imported."""
    own = own_metrics()
    if not _packages_measure():
        return own
    return {name: own.get(name) or _measured(one) for name, one in all_metrics().items()}


def broken_metrics() -> dict[str, str]:
    """Family -> why its metrics cannot be used; without third parties nothing is imported whose text tells."""
    others = any(registry.is_foreign("metric", family) for family in registry.names("metric"))
    return broken_families() if others else broken_ones("metric")


def own_metrics() -> dict[str, Measure]:
    """The metrics of this package, and then those of folders that were named, which work; nothing is imported.

    Raises:
        Refused: two files of this package define metrics of one name.
    """
    return dict(_metrics_of_files(tuple(registry.names("metric")), outside.state()))


@lru_cache
def _metrics_of_files(families: tuple[str, ...], _folders: tuple[str, ...]) -> dict[str, Measure]:
    found: dict[str, Measure] = {}
    own = [family for family in families if file_of("metric", family) is not None]
    for family in sorted(own, key=lambda family: registry.is_foreign("metric", family)):
        measures = _own_measures(family)
        if registry.is_foreign("metric", family) and any(one.name in found for one in measures):
            continue
        for one in measures:
            if one.name in found:
                raise Refused(f"metric family '{family}' defines '{one.name}', which another family defines already")
            found[one.name] = one
    return found


def _own_measures(family: str) -> tuple[Measure, ...]:
    """The metrics of a file of ours, which is imported only where its text does not tell; none if it is broken."""
    file = file_of("metric", family)
    try:
        if file:
            return _declared(file)
    except Unreadable:
        pass
    try:
        return tuple(map(_measured, registry.find("metric", family).METRICS))
    except Refused:
        return ()


def _declared(file: Path) -> tuple[Measure, ...]:
    return file_text.measures(file, registry.module_of("metric", file.stem))


def _measured(metric: Metric) -> Measure:
    compute = metric.compute
    source = f"{compute.__module__}:{compute.__qualname__}"
    return Measure(
        metric.name,
        metric.title,
        metric.needs,
        metric.stated,
        source,
        **{fact: getattr(metric, fact) for fact in FACTS},
    )


def measure_of(column: str) -> Measure | None:
    """The metric that a column is of; None where no metric that is known here has such a column."""
    known = own_metrics()
    if not any(column == one.name for measure in known.values() for one in measure.columns):
        known = metrics()
    owner = owner_of(column, {name: measure.columns for name, measure in known.items()})
    return known[owner] if owner else None


def row_loss_of(column: str) -> str:
    """Of what a column is a mean over the test rows (`Metric.row_loss`); empty where it is none."""
    measure = measure_of(column)
    return measure.row_loss if measure else ""


def column_of(name: str) -> MetricColumn | None:
    """What is declared of a column, an observable put in the place of the ``*``; None where no metric declares it."""
    found = COMPUTED.get(name) or _declared_as(name, own_metrics()) or _declared_as(name, metrics())
    if found is None or found.name == name:
        return found
    return replace(found, name=name, short=found.short.replace("*", name.removeprefix(found.name[:-1])))


def stem_of(name: str) -> str:
    """What the columns of the observables begin with, of which this is one; empty where it is none."""
    found = _declared_as(name, own_metrics()) or _declared_as(name, metrics())
    return "" if found is None or found.name == name else found.name[:-1]


def _declared_as(name: str, measures: Mapping[str, Measure]) -> MetricColumn | None:
    """The column of this name, or the one with a ``*`` that stands for it."""
    return column_named(name, (column for measure in measures.values() for column in measure.columns))


def file_of(kind: Kind, name: str) -> Path | None:
    """The file of something of ours or of a named folder; None for what a package joins with, which is imported.

    Raises:
        Refused: no such name.
    """
    package, module = PACKAGES[kind], registry.module_of(kind, name)
    if folder := outside.folder_of(module):
        return folder.files[name]
    if not module.startswith(f"{package}."):
        return None
    spec = find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    place = Path(*module.removeprefix(f"{package}.").split(".")).with_suffix(".py")
    return next((file for folder in folders if (file := Path(folder) / place).is_file()), None)
