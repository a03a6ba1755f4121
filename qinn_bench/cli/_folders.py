"""Folders of models, data sets and metrics that a command line names."""

from __future__ import annotations

from collections.abc import Sequence

from qinn_bench import outside
from qinn_bench.outside import Kind
from qinn_bench.values import Refused

FOLDERS: dict[str, Kind] = {"--models": "model", "--data-sets": "data", "--metric-files": "metric"}


def join(arguments: Sequence[str]) -> list[str]:
    """Let the files in all folders join that are named; the arguments without them.

    Raises:
        Refused: an option without a folder, or a folder that is not there.
    """
    left: list[str] = []
    named: dict[Kind, list[str]] = {}
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if option not in FOLDERS:
            left.append(word)
            continue
        value = value if equals else next(words, "")
        if not value or value.startswith("-"):
            raise Refused(f"{option} was given no folder; expected such as {option} my_folder/")
        named.setdefault(FOLDERS[option], []).append(value)
    outside.of_options({kind: tuple(dict.fromkeys(said)) for kind, said in named.items()})
    return left
