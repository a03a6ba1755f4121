"""A module of QUARK (arXiv:2202.03028): the numbers of a study, run or read, as a step of somebody's pipeline.

QUARK (the package ``QUARK-framework``) names ``qinn_bench.quark_plugin`` among its plug-ins, calls `register`, and
makes modules by name with the parameters of its configuration. It is imported only when it registers.
"""

from __future__ import annotations

import hashlib
import importlib
from typing import Any

from qinn_bench import api
from qinn_bench.values import Estimate

NAME = "qinn_bench_study"
"""What configurations of QUARK call the module."""
MeanNumbers = dict[str, dict[str, dict[str, float | str | None]]]


class QuarkStudy:
    """A study as a module of QUARK: its three methods, and the name of its results.

    `study` is the name or the file of a study; `model`, `data` and `seed` keep some of its cells; with `records` (a
    file of published ones) nothing is run. `columns` are those of the table whose numbers are the metrics.

    Example:
        >>> step = QuarkStudy("quick", model="spline_inn", records="results/published/quick.jsonl.gz", columns="nll")
        >>> step.postprocess(step.preprocess(None))["zjets · spline_inn"]["nll"]["unit"]
        'nats'
    """

    def __init__(
        self,
        study: str,
        model: str = "",
        data: str = "",
        seed: int | None = None,
        results: str = "results",
        records: str = "",
        columns: str = "",
    ) -> None:
        self.study, self.results, self.records, self.columns = study, results, records, columns
        self.chosen: dict[str, Any] = {"model": model or (), "data": data or (), "seed": () if seed is None else seed}
        self.numbers: MeanNumbers = {}

    def preprocess(self, data: object) -> object:
        """Run what is missing of the study, or read its records; what comes from above is handed on below.

        Raises:
            Refused: a study, a filter or records that are wrong.
        """
        if not self.records:
            api.run(self.study, results=self.results, jobs=1, progress=False, **self.chosen)
        known = self.records or None
        columns = self.columns.split(",") if self.columns else ()
        shown = api.table(self.study, results=self.results, records=known, columns=columns, **self.chosen)
        self.numbers = _numbers(shown.table.header, shown.table.rows)
        return data

    def postprocess(self, data: object) -> MeanNumbers:  # noqa: ARG002 What comes from below changes no number.
        """The numbers of the study, for what stands above: by row and column a value, its uncertainty and its unit."""
        return self.numbers

    def get_metrics(self) -> MeanNumbers:
        """The same numbers, for QUARK's file of results."""
        return self.numbers

    def get_unique_name(self) -> str:
        """What tells this module from one with other parameters."""
        told = repr([self.study, self.results, self.records, self.columns, self.chosen])
        plain = "".join(letter if letter.isalnum() else "_" for letter in self.study)
        return f"{plain}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def _numbers(header: Any, rows: Any) -> MeanNumbers:
    """The numbers of a table with their errors; texts and what is missing are left out."""
    made: MeanNumbers = {}
    for line in rows:
        own: dict[str, dict[str, float | str | None]] = {}
        for heading, entry in zip(header[1:], line.entries[1:], strict=True):
            content = entry.content
            found = (content.value, content.error) if isinstance(content, Estimate) else (entry.plain.get(""), None)
            if isinstance(found[0], int | float):
                own[heading.name] = {"value": found[0], "uncertainty": found[1], "unit": heading.unit}
        made[" · ".join(filter(None, (line.data, line.model)))] = own
    return made


def register() -> None:
    """Tell QUARK of the module, as a class of its kind.

    Raises:
        ModuleNotFoundError: QUARK is not installed.
    """
    core = importlib.import_module("quark.core").Core
    factory = importlib.import_module("quark.plugin_manager.factory")
    factory.register(NAME, type("QinnBenchStudy", (QuarkStudy, core), {}))
