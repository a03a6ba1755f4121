"""The box above a study's table: what was trained on what, for how long, and how many settings were tried."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from qinn_bench.dataset import Dataset
from qinn_bench.records.store import data_names
from qinn_bench.values import Record, Use

SELECTION = {"cuts": "cuts {}", "min_ptz": "pT of the muon pair at least {:g} GeV", "quality": "quality {}"}
"""What of the provenance of a data set is said, and how."""


def trained_on(
    records: Sequence[Record], data_sets: Iterable[tuple[Use, Dataset]], trials: Mapping[str, set[int]] | None = None
) -> tuple[str, ...]:
    """A sentence for each data set of the records, on its selection, rows, steps and epochs; one on settings tried.

    `data_sets` are those that the study names, as they are drawn today; of a record that was made of other rows the
    rows are not told. `trials` are how many settings were tried for a family, at each of its sizes; None where nothing
    was tuned.
    """
    if not records:
        return ()
    drawn, names = {str(use): data for use, data in data_sets}, data_names(records)
    of_data: dict[str, list[Record]] = {}
    for record in records:
        of_data.setdefault(str(record.cell.data), []).append(record)
    told = [f"{names[use]}: {_of_data(own, drawn.get(use))}." for use, own in of_data.items()]
    families = dict.fromkeys(record.family or record.row for record in records if record.role == "model")
    return (*told, _tried(families, trials))


def _of_data(records: Sequence[Record], data: Dataset | None) -> str:
    same = data is not None and any(one.provenance.get("data_hash", data.content) == data.content for one in records)
    known = data if same else None
    rows = "its rows are not those of this version"
    if known:
        rows = f"{len(known.train)} training, {len(known.valid)} validation and {len(known.test)} test rows"
    trained = [one for one in records if one.role in ("model", "control") and one.status == "ok"]
    lengths = {(steps, one.cell.budget.batch) for one in trained if (steps := _steps(one))}
    return "; ".join([*(_selection(known) if known else ()), rows, *([_length(lengths, known)] if lengths else ())])


def _selection(data: Dataset) -> list[str]:
    said = {name: data.provenance.get(name) for name in SELECTION}
    return [SELECTION[name].format(value) for name, value in said.items() if value]


def _steps(record: Record) -> int:
    """How many steps a model was trained for: as many as it took, where that is known."""
    return record.training.steps if record.training else record.cell.budget.steps


def _length(lengths: Collection[tuple[int, int]], data: Dataset | None) -> str:
    """In words how long was trained, from the pairs of steps and rows of a batch that there are."""
    told = f"{_span(steps for steps, _ in lengths)} steps of {_span(batch for _, batch in lengths)} rows"
    if data is None:
        return told
    epochs = [steps / max(1, len(data.train) // batch) for steps, batch in lengths]
    return f"{told}, {_span(float(f'{one:.3g}') for one in epochs)} epochs"


def _span(values: Iterable[float]) -> str:
    ordered = sorted(set(values))
    return f"{ordered[0]:.10g}" if len(ordered) == 1 else f"{ordered[0]:.10g} to {ordered[-1]:.10g}"


def _tried(families: Iterable[str], trials: Mapping[str, set[int]] | None) -> str:
    if trials is None:
        return "Settings tried: 1 for each family, as nothing was tuned."
    counts = {family: trials.get(family, set()) for family in families}
    if not any(counts.values()):
        return "Settings tried: it was tuned, but the records of its trials are not here."
    if len(spans := {_span(each) for each in counts.values() if each}) == 1 and all(counts.values()):
        return f"Settings tried: {spans.pop()} for each family."
    told = (f"{family} {_span(each) if each else 'not known'}" for family, each in counts.items())
    return f"Settings tried: {', '.join(told)}."
