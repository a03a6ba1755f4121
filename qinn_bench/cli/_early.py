"""What a command line names is looked up before its verb is loaded: a typo costs no import of torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qinn_bench import catalogue, registry
from qinn_bench.labels import is_of
from qinn_bench.study import study_files
from qinn_bench.values import Refused, Study

OF_STUDIES = frozenset({"run", "status", "table", "figure", "publish", "agree"})
"""Verbs that take a study and look up all that it names."""
OF_MODELS = frozenset({"match"})
"""Verbs whose ``-m`` and ``-d`` are models and data sets and no filters."""


def check(verb: str, arguments: Sequence[str]) -> None:
    """Refuse what does not exist: in the study among the arguments, in filters, columns, models and data sets.

    Anything that only the verb itself understands is left to it.

    Raises:
        Refused: a name, knob, metric or column that does not exist, or a study that is none.
    """
    if verb in OF_MODELS:
        for text in _values(arguments, "-m", "--model"):
            catalogue.check("model", registry.parse_use(text))
        for text in _values(arguments, "-d", "--data"):
            catalogue.check("data", registry.parse_use(text))
    named = [word for word in arguments if word.endswith(".toml") and not word.startswith("-")]
    if verb in OF_STUDIES and named:
        study = study_files.load_study(Path(named[0]))
        _check_filters(study, arguments)
        if verb == "table":
            columns = [name for text in _values(arguments, "--columns") for name in text.split(",")]
            study_files.check_columns(columns, [registry.parse_use(text) for text in study.data])


def _check_filters(study: Study, arguments: Sequence[str]) -> None:
    """That every ``-m`` is a row of the study, or the start of one, or a model; and every ``-d`` one of its data."""
    rows = [study_files.label_of(row) for row in study.models]
    bounds = [name for name, role in catalogue.roles().items() if role in ("floor", "ceiling")] if study.floors else []
    for text in _values(arguments, "-m", "--model"):
        if not any(is_of(text, row) for row in [*rows, *bounds]):
            _check_use("row", text, [row.model for row in study.models] + bounds, [*rows, *bounds], study)
    for text in _values(arguments, "-d", "--data"):
        names = [registry.parse_use(data).name for data in study.data]
        _check_use("data set", text, names, study.data, study)


def _check_use(what: str, text: str, names: Sequence[str], shown: Sequence[str], study: Study) -> None:
    try:
        known = registry.parse_use(text).name in names
    except Refused:
        known = False
    if not known:
        raise Refused(f"'{study.name}' has no {what} '{text}'; there are: {', '.join(dict.fromkeys(shown))}")


def _values(arguments: Sequence[str], *options: str) -> list[str]:
    """What an option was given, as ``-m x``, ``--model x`` or ``--model=x``."""
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    values = [value for word, value in pairs if word in options]
    return values + [word.partition("=")[2] for word in arguments if word.startswith(tuple(f"{o}=" for o in options))]
