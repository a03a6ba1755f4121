"""A study file, read and checked by names alone, before anything that it names is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qinn_bench import catalogue, outside, registry
from qinn_bench.bounds import check_study
from qinn_bench.file_text import Measure
from qinn_bench.files import at_hand, named
from qinn_bench.quantum import backend_names
from qinn_bench.reading import parse, read_toml
from qinn_bench.study.data_axes import uses_of
from qinn_bench.values import NAME, Knob, KnobSpan, Match, Plugins, Refused, Row, Study, Use

FOLDER = "benchmarks/studies"
UNWRITTEN = Path("the study")
"""What a study is called that is in no file."""
FEWEST_VARIED = 4
"""A source of randomness that is moved alone needs so many seeds to show its variance."""


def load_study(path: Path) -> Study:
    """Read and check a study file, or one of the project's own by its name; torch is not needed for it.

    Raises:
        Refused: no such file, no TOML, or a key, model, data set, knob, metric, column or backend that does not exist,
            or a backend with options that it does not have.
    """
    path, absent = named(path, FOLDER, "study file")
    return _checked(parse(Study, read_toml(path, absent), str(path)), at_hand(path))


def study_of(asked: Path | str | Mapping[str, Any] | Study) -> Study:
    """The study that is asked for: a file or the name of one of the project's own, what such a file says, or a value.

    Folders that the latter two name lie where the program runs.

    Raises:
        Refused: as for `load_study`; or it is something else.
    """
    if isinstance(asked, Study):
        return _checked(asked, UNWRITTEN)
    if isinstance(asked, Mapping):
        return _checked(parse(Study, asked, "the study"), UNWRITTEN)
    if isinstance(asked, str | Path):
        return load_study(Path(asked))
    raise Refused(f"a study is asked for by a {type(asked).__name__}; a path, a name, a dict or a Study was expected")


def _checked(study: Study, path: Path) -> Study:
    """A study of the file at `path`, if all that it names exists and goes together."""
    join(study.plugins, path)
    check_study(study)
    _check_names(study)
    _check_apart(study)
    _check_grid(study)
    return study


def join(plugins: Plugins, path: Path) -> None:
    """Let the folders that a study file at `path` names join, and its relative paths begin beside it.

    Raises:
        Refused: no such folder, or a file in it has the name of something else.
    """
    said = {"model": plugins.models, "data": plugins.data_sets, "metric": plugins.metric_files}
    outside.of_study({kind: (said[kind],) for kind in outside.KINDS if said[kind]}, path.parent, str(path))
    for kind in outside.KINDS:
        registry.names(kind)


def read_plain(study: Path) -> dict[str, Any]:
    """What a study file says, its models not looked up; it has a name.

    Raises:
        Refused: no such file, or no study.
    """
    study, absent = named(study, FOLDER, "study file")
    content = read_toml(study, absent, "a study in TOML")
    if "name" not in content:
        raise Refused(f"{study} is not a study: it has no name")
    name, models = content["name"], content.get("models", [])
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise Refused(f"{study}: 'name' is {name!r:.60}, but lower-case letters, digits, - and _ were expected")
    if not isinstance(models, list) or not all(isinstance(row, dict) for row in models):
        raise Refused(f"{study}: 'models' is {models!r:.60}, but [[models]] was expected")
    join(parse(Plugins, content.get("plugins", {}), f"{study}: plugins"), at_hand(study))
    return content


def _check_names(study: Study) -> None:
    uses = uses_of(study)
    for use in uses:
        catalogue.check("data", use)
    for row in study.models:
        for rung in row.ladder or ({},):
            catalogue.check("model", Use(name=row.model, knobs=row.knobs | rung))
        _check_tuned(study, row)
    for backend in study.backends:
        backend_names.parse(backend)
    check_metrics(study.metrics)
    check_metrics(study.tuning.metrics if study.tuning else ())
    check_columns(study.columns, uses)
    if study.variance and study.seeds < FEWEST_VARIED:
        raise Refused(
            f"study '{study.name}' asks for the variance of {study.seeds} seeds; {FEWEST_VARIED} or more were expected"
        )
    _check_rows(study, [catalogue.spell_out("data", use) for use in uses])


def _check_tuned(study: Study, row: Row) -> None:
    """That what a row lets tuning try are values of knobs that it leaves open, in a study that tunes."""
    where = f"row '{label_of(row)}' of study '{study.name}'"
    if row.tune and study.tuning is None:
        raise Refused(f"{where} states what to tune, but the study has no [tuning]")
    for knob, tried in row.tune.items():
        if knob in row.knobs:
            raise Refused(f"{where} holds '{knob}' in knobs and lets tuning try it; one of the two was expected")
        if not isinstance(tried, KnobSpan) and len(set(tried)) < 2:
            raise Refused(f"{where} lets tuning try {list(tried)} of '{knob}'; two values or more were expected")
        for value in _ends(row, knob, tried) if isinstance(tried, KnobSpan) else tried:
            catalogue.check("model", Use(name=row.model, knobs={**row.knobs, knob: value}))


def _ends(row: Row, knob: str, span: KnobSpan) -> tuple[Knob, ...]:
    whole = isinstance(registry.knob_defaults("model", row.model).get(knob), int)
    return tuple(round(end) if whole else end for end in (span.low, span.high))


def _check_rows(study: Study, uses: list[Use]) -> None:
    """That rows have labels of their own on each data set, and are on data sets that there are."""
    for use in uses:
        labels = [label_of(row) for row in study.models if is_taken_on(row, use)]
        if doubled := {label for label in labels if labels.count(label) > 1}:
            raise Refused(
                f"two rows of study '{study.name}' are called '{doubled.pop()}' on data '{use.name}'; give each its "
                "own label"
            )

    for row in study.models:
        for text in row.data:
            if not any(registry.covers(registry.parse_use(text), use) for use in uses):
                there = ", ".join(study.data)
                raise Refused(
                    f"row '{label_of(row)}' is on data '{text}', which '{study.name}' has not; it has: {there}"
                )

        if odd := [name for name in row.budgets if name not in study.budgets]:
            there = ", ".join(study.budgets)
            raise Refused(
                f"row '{label_of(row)}' has the budget '{odd[0]}', which '{study.name}' has not; it has: {there}"
            )


def _check_apart(study: Study) -> None:
    """That no cell is asked for twice, under one name or under two."""
    _check_different(study, "data", [(str(use), str(catalogue.spell_out("data", use))) for use in uses_of(study)])
    _check_different(study, "devices", [(text, text) for text in study.devices])
    for device in study.devices:
        _check_different(study, "backends", [(text, backend_names.resolve(text, device)) for text in study.backends])


def _check_different(study: Study, kind: str, named: Iterable[tuple[str, str]]) -> None:
    first: dict[str, str] = {}
    for text, same in named:
        if same in first:
            raise Refused(f"study '{study.name}' names {kind} '{first[same]}' and '{text}', which are the same here")
        first[same] = text


def check_metrics(names: Iterable[str]) -> None:
    """That metrics of these names exist.

    Raises:
        Refused: one does not.
    """
    asked, known = list(names), catalogue.own_metrics()
    if any(name not in known for name in asked):
        known = catalogue.metrics()
    for name in asked:
        if name not in known:
            broken = "".join(f"; broken: {reason}" for reason in catalogue.broken_metrics().values())
            raise Refused(f"no metric is called '{name}'; there are: {', '.join(sorted(known))}{broken}")


def check_columns(names: Iterable[str], data: Iterable[Use]) -> None:
    """That a table of these data sets can have columns of these names.

    A metric that declares no columns may fill any whose name starts with its own. The data sets are read only where a
    column of one observable is asked for.

    Raises:
        Refused: a column that does not exist.
    """
    asked = list(names)
    unknown = _unknown(asked, catalogue.own_metrics(), ())
    if not unknown:
        return
    read = data if any(map(catalogue.stem_of, unknown)) else ()
    plots = {plot.name: None for use in read for plot in registry.make("data", registry.spell_out("data", use)).plots}
    if not _unknown(asked, catalogue.own_metrics(), plots):
        return
    measures = catalogue.metrics()
    if wrong := _unknown(asked, measures, plots):
        columns = [column.name for one in measures.values() for column in one.columns]
        every = ", ".join(sorted({*catalogue.COMPUTED, *(name.replace("*", "OBSERVABLE") for name in columns)}))
        known = f", with the observables: {', '.join(plots)}" if plots else ""
        raise Refused(f"no column is called '{wrong[0]}'; there are: {every}{known}")


def _unknown(asked: Sequence[str], measures: Mapping[str, Measure], plots: Iterable[str]) -> list[str]:
    """The names that are no column of these metrics, with a column for each of these observables where one says so."""
    declared = [column.name for one in measures.values() for column in one.columns]
    each = {name[:-1] + plot for name in declared if name.endswith("*") for plot in plots}
    free = [one.name for one in measures.values() if not one.columns]
    known = {*catalogue.COMPUTED, *declared, *each}
    return [name for name in asked if name not in known and not any(name.startswith(one) for one in free)]


def _check_grid(study: Study) -> None:
    """That sizes, match and controls make sense together."""
    match = study.match or Match()
    if doubled := {size for size in study.sizes if study.sizes.count(size) > 1}:
        raise Refused(f"study '{study.name}' names the size {doubled.pop()} twice; each size was expected once")
    if study.sizes and match.target:
        raise Refused(
            f"study '{study.name}' names both sizes and match.{match.axis} = {match.target}; of the two, one was "
            "expected"
        )
    if study.sizes and not any(row.shape or row.ladder for row in study.models):
        raise Refused(f"study '{study.name}' names sizes, but none of its rows has a shape or a ladder to meet them")
    for row in study.models:
        if row.ladder and (row.shape or not study.sizes):
            raise Refused(f"row '{label_of(row)}' has a ladder, which takes the study's sizes and no shape of its own")
    if study.match and not (study.sizes or match.target):
        raise Refused(f"[match] of study '{study.name}' names no amount; expected such as parameters = 370")
    if odd := set(study.control_sizes) - set(study.sizes):
        raise Refused(
            f"study '{study.name}' has controls at size {odd.pop()}, which is none of its sizes {study.sizes}"
        )
    if study.equal_controls and not study.controls:
        raise Refused(f"study '{study.name}' says equal_controls, but has no controls; expected controls = true too")
    if study.controls and not any(has_circuit(row.model) for row in study.models):
        names = ", ".join(name for name in registry.names("model") if has_circuit(name))
        raise Refused(
            f"study '{study.name}' asks for controls, but none of its models has a circuit; there are: {names}"
        )


def has_circuit(model: str) -> bool:
    """Whether a model runs circuits, so that it has controls."""
    return "backend" in catalogue.made("model", model).takes


def label_of(row: Row) -> str:
    """What a row is called in tables."""
    return row.label or row.model


def is_taken_on(row: Row, use: Use) -> bool:
    """Whether a row is taken on a data set of its study: on any, or on what has the knobs of one that it names."""
    return not row.data or any(registry.covers(registry.parse_use(text), use) for text in row.data)
