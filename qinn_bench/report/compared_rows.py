"""How the rows of anybody's table of results stand and what is said of each two, in the forms that it is shown in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qinn_bench.report import comparison_tables as report
from qinn_bench.report.forms import FORMS
from qinn_bench.report.table_value import Table
from qinn_bench.statistics.findings import Findings


@dataclass(frozen=True)
class ComparedRows:
    """What was found, the name of the table it was found in, and whether pairs on single data sets are left out.

    Example:
        >>> from pathlib import Path
        >>> from qinn_bench.verdicts import all_against_all, outside_results
        >>> columns = outside_results.Columns("classifier", "auc", "dataset")
        >>> results = outside_results.read(Path("docs/examples/demsar2006.csv"), columns)
        >>> shown = ComparedRows(all_against_all.compared(results, all_against_all.terms_of()), "demsar2006.csv")
        >>> len(shown.tables), len(list(shown.rows()))
        (3, 6)
    """

    findings: Findings
    name: str
    summary: bool = False

    @property
    def tables(self) -> tuple[Table, ...]:
        """How the rows stand, who is better than whom, the pairs over all, and the pairs on single data sets."""
        findings = self._shown
        matrix = report.matrix(findings, self.name)
        single = report.pairs(findings, f"{self.name}, on each data set", findings.single) if findings.single else None
        standings = report.standings(findings, self.name)
        pairs = report.pairs(findings, self.name, findings.overall)
        return tuple(table for table in (standings, matrix, pairs, single) if table)

    def rendered(self, form: str) -> str:
        """All tables in a form of `FORMS`; CSV has the pairs alone, JSON all numbers in full."""
        if form == "json":
            return self._shown.model_dump_json(indent=1)
        if form == "csv":
            return report.pairs(self._shown, self.name).csv()
        return "\n".join(FORMS[form](table) for table in self.tables)

    def rows(self) -> Iterable[Mapping[str, object]]:
        """One mapping a pair, in the order of the CSV, numbers in full precision; what does not exist is None."""
        for pair in sorted(self._shown.pairs, key=report.decided_first):
            told = pair.comparison
            low, high = told.interval or (None, None)
            yield {
                **{"scope": pair.scope, "first": pair.first, "second": pair.second, "verdict": told.outcome},
                **{"effect": told.effect.value, "error": told.effect.error, "interval_low": low, "interval_high": high},
                **{"p": pair.p, "p_corrected": pair.p_corrected, "p_equal_corrected": pair.p_equal_corrected},
                **{"replicates": told.replicates, "wins": pair.wins, "ties": pair.ties, "losses": pair.losses},
                **{"median": pair.median, "p_wilcoxon": pair.p_wilcoxon},
                **{"p_wilcoxon_corrected": pair.p_wilcoxon_corrected, "method": told.method, "reason": told.reason},
            }

    @property
    def _shown(self) -> Findings:
        if not self.summary:
            return self.findings
        return self.findings.model_copy(update={"pairs": self.findings.overall})
