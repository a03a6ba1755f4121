"""The records of a study as a frame, one row a cell and number that was measured, and its files; without torch."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from qinn_bench import catalogue
from qinn_bench.records import measures, store
from qinn_bench.report.csv_cells import LineFeeds, harmless
from qinn_bench.report.study_columns import SECONDS, SPENT
from qinn_bench.study import progress
from qinn_bench.study.progress import CellStanding
from qinn_bench.study.selection import Selection
from qinn_bench.values import Estimate, Record, Refused

TEXT, WHOLE, NUMBER, TRUTH = "object", "Int64", "float64", "bool"
NOTHING = Estimate(value=None)
COLUMNS: dict[str, str] = {
    **dict.fromkeys(("study", "row", "family", "model", "model_knobs", "data", "data_knobs"), TEXT),
    **{"size": WHOLE, "seed": WHOLE, "varies": TEXT},
    **dict.fromkeys(("control", "control_of", "role", "backend", "device", "status", "reason"), TEXT),
    **{"metric": TEXT, "value": NUMBER, "error": NUMBER, "n": WHOLE, "unit": TEXT, "better": TEXT, "note": TEXT},
    **{"certificate": TEXT, "mass": NUMBER, "mass_error": NUMBER, "flags": TEXT},
    **dict.fromkeys(
        ("parameters", "quantum", "classical", "frozen", "blind", "buffers", "critic", "circuits", "flops"), WHOLE
    ),
    **{"rank": WHOLE, "rank_is_bound": "boolean", "shots": WHOLE},
    **dict.fromkeys(("cpu_best_s", "memory_mb", "train_s", "train_wall_s"), NUMBER),
    **{"key": TEXT, "current": TRUTH, "stale": TEXT},
}
"""The columns of the frame with their types: numbers that a record lacks are missing, texts are empty."""
REMEASURED = "its metrics are to be measured again"


def record_frame(selection: Selection) -> pd.DataFrame:
    """One row for each number of each cell that has a record, in the order of the tables.

    A cell of which no number was measured has one row, without a number.

    `row` is the name of the cell in tables, `model` that of its model, `data` that of its data set; `varies` the source
    of randomness that the seed moves. `value`, `error` (one standard deviation), `n` (rows it is of), `unit`, `better`
    and `note` are those of the number in column `metric` of tables. `certificate` and `mass` are of the cell, as are
    the columns of parameters and cost, which tables have under the same names. `current` says whether this version
    would make the same record, `stale` in words why not.
    """
    wanted = measures.fingerprints(selection.study.metrics or tuple(sorted(catalogue.metrics())))
    told = [(one, one.record) for one in selection.cells if one.record]
    names = store.data_names([record for _, record in told])
    rows = [
        row for one, record in told for row in _rows(record, names[str(record.cell.data)], _stale(one, record, wanted))
    ]
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    return pd.DataFrame({name: pd.Series(columns[name], dtype=kind) for name, kind in COLUMNS.items()})


def _stale(one: CellStanding, record: Record, wanted: dict[str, str]) -> str:
    """Why this version would make another record; empty if it would not."""
    again = [REMEASURED] if not one.differs and progress.is_stale(record, wanted) else []
    return "; ".join([*one.differs, *again])


def _rows(record: Record, data: str, stale: str) -> Iterator[dict[str, Any]]:
    cell = record.cell
    facts = {
        **{"study": record.study, "row": record.row, "family": record.family, "size": record.size or None},
        **{"model": cell.model.name, "model_knobs": _knobs(str(cell.model)), "data": data},
        **{"data_knobs": _knobs(str(cell.data)), "seed": cell.seed, "varies": cell.varies, "control": cell.control},
        **{"control_of": record.control_of, "role": record.role, "backend": cell.backend, "device": cell.device},
        **{
            "status": record.status,
            "reason": record.reason,
            "flags": "; ".join(map(str, record.flags)),
            "key": record.key,
        },
        **{"current": not stale, "stale": stale},
        **_certificate(record),
        **_spent(record),
    }
    for name, estimate in record.metrics.items() or [("", NOTHING)]:
        yield facts | {
            **{"metric": name, "value": estimate.value, "error": estimate.error, "n": estimate.n or None},
            **{"unit": estimate.unit, "better": estimate.better if name else "", "note": estimate.note},
        }


def _certificate(record: Record) -> dict[str, Any]:
    if not (known := record.certificate):
        return {"certificate": "", "mass": None, "mass_error": None}
    return {"certificate": known.verdict, "mass": known.mass.value, "mass_error": known.mass.error}


def _spent(record: Record) -> dict[str, Any]:
    count, spent = record.parameters, record.resources
    held = ("quantum", "classical", "frozen", "blind", "buffers", "critic")
    return {
        "parameters": count.total if count else None,
        **{name: getattr(count, name) if count else None for name in held},
        **{name: getattr(spent, field) if spent else None for name, field in SPENT.items()},
        "rank_is_bound": spent.rank_is_bound if spent and spent.rank is not None else None,
        **{name: record.cost.get(entry) for name, entry in SECONDS.items()},
    }


def _knobs(use: str) -> str:
    """The knobs of a model or a data set, as its name has them in brackets."""
    return use.partition("[")[2].removesuffix("]")


def _csv(frame: pd.DataFrame) -> bytes:
    texts = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    plain = frame.assign(**{name: frame[name].map(harmless) for name in texts})
    out = io.StringIO()
    plain.to_csv(LineFeeds(out), index=False, lineterminator="\r\n")
    return out.getvalue().encode()


def _json(frame: pd.DataFrame) -> bytes:
    plain = frame.astype(object).where(frame.notna(), None)
    return (json.dumps(plain.to_dict("records"), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out, engine="pyarrow", index=False)
    return out.getvalue()


WRITERS: dict[str, Callable[[pd.DataFrame], bytes]] = {"csv": _csv, "parquet": _parquet, "json": _json}
BINARY = frozenset({"parquet"})
"""Formats that are no text, so that no terminal shows them."""


def written(frame: pd.DataFrame, form: str) -> bytes:
    """A frame as the content of a file: ``csv``, ``parquet`` or ``json`` (a list of objects), floats exact.

    In CSV a text that a spreadsheet would take for a formula stands behind an apostrophe (`csv_cells.harmless`).

    Raises:
        Refused: another format.

    >>> print(written(pd.DataFrame({"row": ["=1+1", "a"], "value": [0.1, None]}), "csv").decode())
    row,value
    '=1+1,0.1
    a,
    <BLANKLINE>
    """
    if form not in WRITERS:
        raise Refused(f"records are to be written as '{form}', expected one of: {', '.join(WRITERS)}")
    return WRITERS[form](frame)
