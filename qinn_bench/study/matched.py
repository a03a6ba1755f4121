"""What the matcher has answered to the rows of a study, kept so that its cells can be told without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from qinn_bench.files import read_bytes
from qinn_bench.records import keys
from qinn_bench.study.order import Order
from qinn_bench.study.study_files import label_of
from qinn_bench.values import Match, Refused, Row, Study, Use, Value
from qinn_bench.writing import write_whole


class Answer(Value):
    """The model of a row at one size; or, where no shape meets it, the nearest and why it is to be skipped."""

    model: Use
    skip: str = ""


Answers = Mapping[str, Answer]
"""By the fingerprint of their question."""
_ANSWERS = TypeAdapter(dict[str, Answer])


def question(study: Study, row: Row, size: int, data: Use, fingerprint: str) -> str:
    """The fingerprint of all that an answer hangs on: row, size, tolerance, data and the code of the model."""
    match = (study.match or Match()).model_dump()
    asked = [row.model, row.knobs, row.shape, row.ladder, match, size, str(data), fingerprint]
    text = json.dumps([*asked, keys.code_of(row.model).get("model", "")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def path_of(results: Path, study: str) -> Path:
    """Where the answers for a study lie: ``results/matched/STUDY.json``."""
    return results / "matched" / f"{study}.json"


def read(results: Path, study: str) -> Answers:
    """The answers that are known; none where they cannot be read, as they can be found again."""
    try:
        return _ANSWERS.validate_json(read_bytes(path_of(results, study)))
    except (OSError, ValidationError, Refused):
        return {}


def keep(results: Path, study: Study, orders: Iterable[Order]) -> None:
    """Keep the answers of a plan beside those of earlier ones; a disk that does not take them is no failure."""
    rows = {label_of(row): row for row in study.models if row.shape or row.ladder}
    answers = {
        question(study, row, order.size, order.cell.data, order.data_hash): Answer(
            model=order.cell.model, skip=order.skip
        )
        for order in orders
        if (row := rows.get(order.family))
    }
    known = read(results, study.name)
    if answers.items() <= known.items():
        return
    text = _ANSWERS.dump_json({**known, **answers}, indent=1)
    with suppress(OSError):
        write_whole(path_of(results, study.name), lambda file: file.write(text))
