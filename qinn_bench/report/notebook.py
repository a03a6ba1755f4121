"""What notebooks show of an answer: its tables in HTML, Markdown or LaTeX, as text, and as a frame of numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

import pandas as pd

from qinn_bench.report.checked_claims import CheckedClaims
from qinn_bench.report.compared_rows import ComparedRows
from qinn_bench.report.forms import text
from qinn_bench.report.html_table import html
from qinn_bench.report.latex import latex
from qinn_bench.report.table_value import Table


class Shown(ABC):
    """An answer that shows itself: `str` is what its verb prints, notebooks take the rich forms.

    Example:
        >>> class Answer(Shown):
        ...     tables = ()
        ...     def rows(self):
        ...         return [{"row": "a", "n": 1}, {"row": "b", "n": None}]
        >>> Answer().frame().dtypes.astype(str).to_dict()
        {'row': 'object', 'n': 'Int64'}
    """

    @property
    @abstractmethod
    def tables(self) -> tuple[Table, ...]:
        """The tables of the answer, what decides first."""

    @abstractmethod
    def rows(self) -> Iterable[Mapping[str, object]]:
        """One mapping a line of the frame, numbers in full precision."""

    def frame(self) -> pd.DataFrame:
        """The numbers of the answer as a `pandas.DataFrame`, in full precision; what does not exist is missing."""
        rows = list(self.rows())
        return pd.DataFrame({name: _column([row[name] for row in rows]) for name in (rows[0] if rows else ())})

    def __str__(self) -> str:
        return "\n".join(map(text, self.tables))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return "\n".join(map(html, self.tables))

    def _repr_markdown_(self) -> str:
        return "\n".join(table.markdown() for table in self.tables)

    def _repr_latex_(self) -> str:
        return "\n".join(map(latex, self.tables))


class ShownTable(Shown):
    """The table of a study, as `qinn_bench.table` and `qinn_bench.run` give it.

    `table` is the table as a value; `complete` says of a run whether every cell gave a result, and `problems` name the
    cells that could not be run.

    Example:
        >>> from qinn_bench import api
        >>> shown = api.table("quick", records="results/published/quick.jsonl.gz", columns="nll", model="spline_inn")
        >>> print(*[line for line in shown._repr_markdown_().splitlines() if line.startswith("| model")])
        | model | NLL [nats] |
    """

    def __init__(self, table: Table, problems: tuple[str, ...] = (), *, complete: bool = True) -> None:
        self.table, self.problems, self.complete = table, problems, complete

    @property
    def tables(self) -> tuple[Table, ...]:
        """The one table."""
        return (self.table,)

    def rows(self) -> Iterable[Mapping[str, object]]:
        """A mapping a row of the table, with the cells that its CSV has."""
        names, lines = self.table.cells()
        return (dict(zip(names, line, strict=True)) for line in lines)


class ShownClaims(Shown):
    """A file of claims with what the records say of each, as `qinn_bench.claims` gives it: `checked` is the value.

    Example:
        >>> from qinn_bench import api
        >>> ruled = api.claims("rousselot2024", records="results/published/capacity_zjets.jsonl.gz")
        >>> ruled.checked.standing, len(ruled.frame())
        ('frozen', 5)
    """

    def __init__(self, checked: CheckedClaims) -> None:
        self.checked = checked

    @property
    def tables(self) -> tuple[Table, ...]:
        """One row a claim; then, for each claim about several rows, all pairs of these."""
        return self.checked.tables

    def rows(self) -> Iterable[Mapping[str, object]]:
        """One mapping a claim."""
        return self.checked.rows()


class ShownComparison(Shown):
    """Rows of a table of results against each other, as `qinn_bench.compare` gives it: `compared` is the value.

    Example:
        >>> from qinn_bench import api
        >>> shown = api.compare("docs/examples/demsar2006.csv", row="classifier", column="dataset", value="auc")
        >>> [table.title for table in shown.tables]
        ['Rows of demsar2006.csv', 'Verdicts of demsar2006.csv', 'Pairs of rows of demsar2006.csv']
    """

    def __init__(self, compared: ComparedRows) -> None:
        self.compared = compared

    @property
    def tables(self) -> tuple[Table, ...]:
        """How the rows stand, who is better than whom, each pair, and the pairs on single data sets."""
        return self.compared.tables

    def rows(self) -> Iterable[Mapping[str, object]]:
        """One mapping a pair of rows."""
        return self.compared.rows()


def _column(cells: list[object]) -> pd.Series:
    """The cells of a column under the type that holds them all; an empty text among numbers is a missing one."""
    told = [cell for cell in cells if cell is not None and cell != ""]
    if told and all(isinstance(cell, int) for cell in told):
        return pd.Series([None if cell == "" else cell for cell in cells], dtype="Int64")
    if all(isinstance(cell, int | float) for cell in told) and (told or "" not in cells):
        return pd.Series([None if cell == "" else cell for cell in cells], dtype="float64")
    return pd.Series(["" if cell is None else cell for cell in cells], dtype="object")
