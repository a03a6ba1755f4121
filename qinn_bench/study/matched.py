"""What the matcher and tuning have answered to the rows of a study, so that its cells can be told without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from qinn_bench import catalogue
from qinn_bench.files import read_bytes
from qinn_bench.records import keys
from qinn_bench.study.order import Order
from qinn_bench.study.study_files import is_taken_on, label_of
from qinn_bench.values import Budget, Match, Refused, Row, Study, Use, Value
from qinn_bench.writing import write_whole


class Answer(Value):
    """The model of a row at one size; or, where no shape meets it, the nearest and why it is to be skipped.

    Of a row that is tuned, `budget` is that of its best trial, one of `trials` that count.
    """

    model: Use
    skip: str = ""
    budget: Budget | None = None
    trials: int = 0


Answers = Mapping[str, Answer]
"""By the fingerprint of their question."""
_ANSWERS = TypeAdapter(dict[str, Answer])


def is_tuned(study: Study, row: Row) -> bool:
    """Whether a row is tuned before it is run: a compared one of a study that tunes."""
    return study.tuning is not None and catalogue.made("model", row.model).role == "model"


def question(study: Study, row: Row, size: int, data: Use, fingerprint: str, budget: str) -> str:
    """The fingerprint of all that an answer hangs on: row, size, tolerance, data and the code of the model; of a row
    that is tuned the terms of tuning and the budget, which is named otherwise for nothing."""
    match = (study.match or Match()).model_dump()
    asked = [row.model, row.knobs, row.shape, row.ladder, match, size, str(data), fingerprint]
    if study.tuning and is_tuned(study, row):
        asked += [study.name, study.tuning.model_dump(), study.budgets[budget].model_dump(), label_of(row)]
        asked += [row.model_dump()["tune"]] if row.tune else []
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


def keep_plan(results: Path, study: Study, orders: Iterable[Order]) -> None:
    """Keep the answers of the matcher in a plan beside those of earlier ones."""
    rows = [row for row in study.models if (row.shape or row.ladder) and not is_tuned(study, row)]
    answers = {
        question(study, row, order.size, order.cell.data, order.data_hash, ""): Answer(
            model=order.cell.model, skip=order.skip
        )
        for order in orders
        for row in rows
        if label_of(row) == order.family and is_taken_on(row, order.cell.data) and not order.control_of
    }
    keep(results, study, answers)


def keep(results: Path, study: Study, answers: Answers) -> None:
    """Keep answers beside those of earlier times; a disk that does not take them is no failure."""
    known = read(results, study.name)
    if answers.items() <= known.items():
        return
    text = _ANSWERS.dump_json({**known, **answers}, indent=1)
    with suppress(OSError):
        write_whole(path_of(results, study.name), lambda file: file.write(text))
