"""What a command line names is looked up before its verb is loaded: a typo costs no import of torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qinn_bench import catalogue, registry
from qinn_bench.study import study_files
from qinn_bench.study.data_axes import uses_of
from qinn_bench.study.selection import Filters, check_filters

OF_STUDIES = frozenset(
    {"plan", "run", "tune", "status", "table", "figure", "publish", "agree", "export", "roc", "report"}
)
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
        models, data = (tuple(_values(arguments, *names)) for names in (("-m", "--model"), ("-d", "--data")))
        check_filters(study, Filters(models, data))
        if verb == "table":
            columns = [name for text in _values(arguments, "--columns") for name in text.split(",")]
            study_files.check_columns(columns, uses_of(study))


def _values(arguments: Sequence[str], *options: str) -> list[str]:
    """What an option was given, as ``-m x``, ``--model x`` or ``--model=x``."""
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    values = [value for word, value in pairs if word in options]
    return values + [word.partition("=")[2] for word in arguments if word.startswith(tuple(f"{o}=" for o in options))]
