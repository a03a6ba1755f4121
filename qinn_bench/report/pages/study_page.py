"""The page of a study: its table, every number of which leads to its records; verdicts, figures, failures, versions."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qinn_bench.files import at_hand, read_text
from qinn_bench.records import published
from qinn_bench.report.again import compare_again, run_again
from qinn_bench.report.checked_claims import FOLDER
from qinn_bench.report.finished_table import finished_table, shown_records
from qinn_bench.report.pages.claim_pages import ClaimsOnPage, claim_files, shown_claims
from qinn_bench.report.pages.page_figures import PageFigure, page_figures
from qinn_bench.report.pages.page_tables import PageCell, PageTable, page_tables, plain_table
from qinn_bench.report.pages.row_records import RowRecords, column_id, row_records
from qinn_bench.report.pages.shell import filled_in
from qinn_bench.report.study_columns import SECONDS, title_of
from qinn_bench.report.study_rows import Group, groups_of
from qinn_bench.report.table_parts import MISSING, VERDICTS, Line
from qinn_bench.report.table_value import Table
from qinn_bench.study.costs import PHASES, cpu_by_phase
from qinn_bench.study.selection import Selection
from qinn_bench.values import Record, Refused, Study
from qinn_bench.verdicts import claim_file

MOST_COLUMNS = 8
"""Columns of the table of all cells."""
NOT_ENVIRONMENT = {"finished_utc", "data_hash"}
MOST_PACKED = 3_000_000
"""Bytes of records that a page holds; more are left to the bundle, so that a page of 1000 cells stays below 10 MB."""
FIRST = 8
"""Characters of a key that name its record in a table."""


@dataclass(frozen=True)
class StudyPage:
    """All that the page of a study tells, before it is rendered.

    `file` is the study file as commands name it, `text` what it says; `packed` are the records as a published file.

    Example:
        >>> from qinn_bench.study.selection import Filters, select
        >>> from qinn_bench.study.study_files import load_study
        >>> records = Path("results/published/quick.jsonl.gz")
        >>> chosen = select(load_study(Path("quick")), Path("results"), Filters(("spline_inn",), seeds=(0,)), records)
        >>> page = study_page(chosen, Path("quick.toml"), Path("results"), records)
        >>> [row.row for row in page.rows], page.missing
        (['spline_inn'], 0)
    """

    study: Study
    file: str
    text: str
    records: tuple[Record, ...]
    table: Table
    tables: tuple[PageTable, ...]
    cells: PageTable
    phases: PageTable | None
    rows: tuple[RowRecords, ...]
    claims: tuple[ClaimsOnPage, ...]
    figures: tuple[PageFigure, ...]
    figure_notes: tuple[str, ...]
    failures: PageTable | None
    missing: int
    odd: tuple[str, ...]
    environment: PageTable
    packed: bytes

    def html(self) -> str:
        """The page, one file that needs no other; equal records give equal bytes."""
        title = f"Study {self.study.name}" + (f": {self.study.title}" if self.study.title else "")
        counts = Counter(record.status for record in self.records)
        first = next((record for record in self.records if record.status == "ok"), self.records[0])
        return filled_in(
            "study.html",
            title=title,
            page=self,
            counts=dict(counts),
            again=run_again(first, self.file, seed=True),
            agree=compare_again(self.file, self._name),
            example=first,
            name=self._name,
            packed=base64.b64encode(self.packed).decode() if len(self.packed) <= MOST_PACKED else "",
        )

    @property
    def _name(self) -> str:
        return f"{self.study.name}.jsonl.gz"


def study_page(
    selection: Selection,
    file: Path,
    results: Path,
    records: Path | None = None,
    claims: Path = Path(FOLDER),
    columns: Sequence[str] = (),
) -> StudyPage:
    """Everything that is known of a study: from its records in the folder of results, or from published ones.

    `claims` is the folder of files of claims; those about this study are judged. `columns` are those of the table.

    Raises:
        Refused: there are no records of the cells that were selected.
    """
    study = selection.study
    table = finished_table(selection, results, columns, records)
    shown, _ = shown_records(selection, records)
    groups = groups_of(shown)
    ids = {(group.data, group.row): f"r{at}" for at, group in enumerate(groups, 1)}
    rows = tuple(row_records(group, ids[group.data, group.row], _named(file)) for group in groups)
    known = frozenset(id for row in rows for id in row.ids)

    def link(line: Line, column: str) -> str:
        row = ids.get((line.data, line.model)) or ids.get(("", line.model), "")
        return next((id for id in (column_id(row, column), row) if id in known), "")

    names = [one.name for one in table.header[1:]]
    figures, notes = page_figures(selection, groups, names, results, records)
    return StudyPage(
        study=study,
        file=_named(file),
        text=_text(file, study),
        records=tuple(shown),
        table=table,
        tables=tuple(page_tables(table, "rows", link, roles=True)),
        cells=cells_table(shown, ids, names),
        phases=phases_table(groups, ids),
        rows=rows,
        claims=tuple(_claims(study, claims, results, records)),
        figures=tuple(figures),
        figure_notes=tuple(notes),
        failures=_failures(shown),
        missing=sum(one.record is None for one in selection.over_seeds),
        odd=tuple(map(str, selection.odd)),
        environment=_environment(shown),
        packed=published.packed(study.name, shown),
    )


def _named(file: Path) -> str:
    """The study as commands name it: without a folder, which is that of this machine alone."""
    return file.name if file.is_absolute() else file.as_posix()


def _text(file: Path, study: Study) -> str:
    path = at_hand(file)
    return read_text(path) if path.is_file() else study.model_dump_json(indent=1, exclude_defaults=True)


def _claims(study: Study, folder: Path, results: Path, records: Path | None) -> list[ClaimsOnPage]:
    own = [path for path in claim_files(folder) if _is_about(path, study.name)]
    return [shown_claims(path, f"c{at}", results, records, published_first=False) for at, path in enumerate(own, 1)]


def _is_about(path: Path, study: str) -> bool:
    """Whether a file of claims can be read and is about this study; others are no part of its page."""
    try:
        return claim_file.load(path).study_name == study
    except Refused:
        return False


def cells_table(records: Sequence[Record], ids: dict[tuple[str, str], str], columns: Sequence[str]) -> PageTable:
    """One row a cell: where it stands in the study, how it ended, and its main numbers."""
    known = [name for name in columns if any(name in record.metrics for record in records)][:MOST_COLUMNS]
    of_data = {id(record): row for record, row in _rows_of(records, ids)}
    rows = []
    for record in records:
        row = of_data[id(record)]
        verdict = record.certificate.verdict if record.certificate else None
        train = record.cost.get(SECONDS["train_s"])
        rows.append(
            [
                PageCell(record.row, record.row, link=row),
                PageCell(record.cell.data.name, record.cell.data.name, kinds="text"),
                str(record.cell.seed),
                PageCell(record.status, record.status, kinds="text"),
                PageCell(f"{VERDICTS[verdict]} {verdict}" if verdict else MISSING, verdict or "", kinds="text"),
                *(_number(record, name) for name in known),
                MISSING if train is None else f"{train:.4g}",
                PageCell(record.key[:FIRST], record.key, link=f"cell-{record.key}", kinds="text"),
            ]
        )
    header = ("row", "data set", "seed", "status", "certificate", *map(title_of, known), title_of("train_s"), "record")
    return plain_table("cells", "All cells", header, rows)


def phases_table(groups: Sequence[Group], ids: dict[tuple[str, str], str]) -> PageTable | None:
    """The mean CPU seconds of a finished cell of each row by phase; None where no record tells them."""
    spent = {(group.data, group.row): cpu_by_phase(group.ok) for group in groups}
    kept = [phase for phase in PHASES if any(phase in of for of in spent.values())]
    rows: list[list[str | PageCell]] = [
        [
            PageCell(row, row, link=ids[data, row]),
            PageCell(data, data, kinds="text"),
            *(f"{of[phase]:.2f}" if phase in of else MISSING for phase in kept),
            f"{sum(of.values()):.2f}",
        ]
        for (data, row), of in spent.items()
        if of
    ]
    header = ("row", "data set", *kept, "all")
    return plain_table("phases", "CPU seconds of a finished cell by phase", header, rows) if rows else None


def _rows_of(records: Sequence[Record], ids: dict[tuple[str, str], str]) -> list[tuple[Record, str]]:
    return [(record, ids[group.data, group.row]) for group in groups_of(records) for record in group.records]


def _number(record: Record, name: str) -> PageCell | str:
    one = record.metrics.get(name)
    return MISSING if one is None or one.value is None else f"{one.value:.5g}"


def _failures(records: Sequence[Record]) -> PageTable | None:
    """The cells that gave no result, each with how it ended and why."""
    rows = [
        (record.row, record.cell.data.name, str(record.cell.seed), record.status, record.reason or MISSING)
        for record in records
        if record.status != "ok"
    ]
    return (
        plain_table("failures", "Cells without a result", ("row", "data set", "seed", "how it ended", "why"), rows)
        if rows
        else None
    )


def _environment(records: Sequence[Record]) -> PageTable:
    """What the records say of the machines and libraries that made them, each value with the number of its records."""
    names = dict.fromkeys(name for record in records for name in record.provenance if name not in NOT_ENVIRONMENT)
    rows = []
    for name in names:
        counted = Counter(str(record.provenance.get(name, MISSING)) for record in records)
        rows += [(name, value, str(count)) for value, count in counted.most_common()]
    return plain_table("environment", "What made these records", ("what", "value", "records"), rows)
