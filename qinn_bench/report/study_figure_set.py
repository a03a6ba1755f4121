"""The figures of the finished cells of a study: observables against the truth, losses, ROC curves, reconstructions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from qinn_bench.calorimeter import high_level
from qinn_bench.dataset import Dataset
from qinn_bench.metrics._showers import ShowerPair, ShowerSample
from qinn_bench.records import store
from qinn_bench.report import score_figures, shower_figures, study_figures
from qinn_bench.study.selection import Selection
from qinn_bench.values import Record, Refused

CURVES = ("curve_step", "curve_train", "curve_valid")
OBSERVABLES, LOSSES = "observables", "losses"
ROC, SCORES, GALLERY, AVERAGES = "roc", "scores", "reconstructions", "averages"
SHOWERS, PROFILES, HISTOGRAMS, CORRELATIONS = "average_showers", "profiles", "histograms", "correlations"


def figures_of(selection: Selection, results: Path, single: Sequence[str] = ()) -> dict[tuple[str, str], Figure]:
    """Figures by data set and kind: ``observables`` on one page, each of the `single` ones alone, and ``losses``; where
    test rows are labelled ``roc`` and ``scores``, of images ``reconstructions`` and ``averages``, and of showers
    ``average_showers``, ``profiles``, ``histograms`` and ``correlations``.

    A data set goes by its name, with its knobs where several share it; kinds that it has nothing for are absent.
    Controls are left out unless the filters keep nothing else. The cells' arrays are read from the folder of results.

    Raises:
        Refused: no finished cell on a data set, arrays that are missing or cannot be drawn, no such observable.
    """
    made: dict[tuple[str, str], Figure] = {}
    uses = [drawn.use for drawn in selection.drawn]
    for drawn in selection.drawn:
        name = str(store.told_apart(drawn.use, uses))
        group = [one.current for one in selection.over_seeds if one.slot.cell.data == drawn.use]
        if not group:
            continue
        finished = [record for record in group if record and record.status == "ok"]
        records = [record for record in finished if not record.control_of] or finished
        if not records:
            raise Refused(f"'{selection.study.name}' has no finished cell on {drawn.data.name} yet; run it first")
        figures = _drawn(drawn.data, records, results, single, selection.places)
        made |= {(name, kind): figure for kind, figure in figures.items()}
    return made


def _drawn(
    data: Dataset, records: Sequence[Record], results: Path, single: Sequence[str], places: Mapping[str, int]
) -> dict[str, Figure]:
    known = {plot.name for plot in data.plots}
    if wrong := set(single) - known:
        raise Refused(f"{data.name} has no observable '{wrong.pop()}'; there are: {', '.join(sorted(known))}")
    samples: dict[str, list[np.ndarray]] = defaultdict(list)
    given: dict[str, list[store.Arrays]] = defaultdict(list)
    curves: dict[str, list[store.Arrays]] = defaultdict(list)
    for record in records:
        arrays = _drawable(store.load_arrays(results, record), record, data)
        given[record.row].append(arrays)
        if "samples" in arrays:
            samples[record.row].append(arrays["samples"])
        if len(arrays["curve_step"]):
            curves[record.row].append(arrays)
    pooled = {row: np.concatenate(parts) for row, parts in samples.items() if _compared(row, records)}
    made: dict[str, Figure] = {}
    if data.plots and pooled:
        made[OBSERVABLES] = study_figures.observables_figure(data, pooled, [plot.name for plot in data.plots], places)
    made |= {name: study_figures.observable_figure(data, pooled, name, places) for name in single}
    if curves:
        made[LOSSES] = study_figures.loss_figure(curves, places)
    drawn = {row: parts for row, parts in samples.items() if row in pooled}
    return made | _of_scores(data, given, places) | _of_images(data, given) | _of_showers(data, drawn, places)


def _of_scores(
    data: Dataset, given: Mapping[str, Sequence[store.Arrays]], places: Mapping[str, int]
) -> dict[str, Figure]:
    """ROC curves and histograms of the rows whose seeds all score every labelled test row."""
    if data.labels is None or len(set(data.labels.test.tolist())) < 2:
        return {}
    labels = data.labels.test
    seeds = {row: [store.anomaly_scores(arrays) for arrays in of] for row, of in given.items()}
    scores = {
        row: [one for one in of if one is not None and one.shape == labels.shape and np.isfinite(one).all()]
        for row, of in seeds.items()
    }
    drawn = {row: of for row, of in scores.items() if of and len(of) == len(seeds[row])}
    if not drawn:
        return {}
    return {
        ROC: score_figures.roc_figure(drawn, labels, places),
        SCORES: score_figures.score_figure(drawn, labels, places),
    }


def _of_images(data: Dataset, given: Mapping[str, Sequence[store.Arrays]]) -> dict[str, Figure]:
    """What the first seed of each row makes of test images, and the mean of it."""
    rebuilt = {row: of[0]["reconstructions"] for row, of in given.items() if "reconstructions" in of[0]}
    rebuilt = {row: made for row, made in rebuilt.items() if made.shape[1:] == data.shape and np.isfinite(made).all()}
    if data.kind != "image" or not rebuilt:
        return {}
    n = min(map(len, rebuilt.values()))
    rows, made = data.test[:n], {row: images[:n] for row, images in rebuilt.items()}
    labels = np.zeros(n) if data.labels is None else data.labels.test[:n]
    return {
        GALLERY: score_figures.gallery_figure(rows, made, labels),
        AVERAGES: score_figures.average_figure(rows, made, labels),
    }


def _of_showers(
    data: Dataset, samples: Mapping[str, Sequence[np.ndarray]], places: Mapping[str, int]
) -> dict[str, Figure]:
    """Showers of all seeds of each row, against as many test rows as a seed has drawn."""
    facts = data.showers
    known = None if data.conditions is None else data.conditions.test

    def sample(parts: Sequence[np.ndarray]) -> ShowerSample:
        assert facts is not None
        rows = np.concatenate([part.reshape(len(part), -1) for part in parts])
        incident = np.concatenate([facts.incident(len(part), known) for part in parts])
        finite = np.isfinite(rows).all(axis=1)
        voxels = facts.voxels(rows[finite], incident[finite])
        return ShowerSample(voxels, high_level(facts.calorimeter, voxels, incident[finite]))

    if facts is None or not samples:
        return {}
    rows = {row: sample(parts) for row, parts in samples.items()}
    rows = {row: one for row, one in rows.items() if len(one.voxels)}
    truth, shape = (
        sample([data.test[: max(len(part) for parts in samples.values() for part in parts)]]),
        facts.calorimeter,
    )
    if not rows:
        return {}
    pairs = {row: ShowerPair(truth, one, shape, facts.cut) for row, one in rows.items()}
    made = {
        PROFILES: shower_figures.profiles_figure(truth, rows, shape, places),
        HISTOGRAMS: shower_figures.histograms_figure(pairs, places),
        CORRELATIONS: shower_figures.correlations_figure(truth, rows, shape),
    }
    if shape.voxels > len(shape.layers):
        made[SHOWERS] = shower_figures.average_showers_figure(truth, rows, shape)
    return made


def _drawable(arrays: store.Arrays, record: Record, data: Dataset) -> store.Arrays:
    """The arrays of a record, if they are what a cell leaves: numbers, rows of the data's width, curves of one length.

    Raises:
        Refused: they are not.
    """
    lengths = {len(arrays[name]) for name in CURVES if name in arrays and arrays[name].ndim == 1}
    wanted = dict.fromkeys(CURVES, 1)
    if not arrays.keys() & {"scores", "reconstructions"} or "samples" in arrays:  # Scorers draw nothing.
        wanted["samples"] = 1 + len(data.shape)
    odd = [
        n
        for n, axes in wanted.items()
        if n not in arrays or arrays[n].ndim != axes or arrays[n].dtype.kind not in "iuf"
    ]
    if not odd and "samples" in wanted and arrays["samples"].shape[1:] != data.shape:
        odd = ["samples"]
    if odd or len(lengths) > 1:
        name = odd[0] if odd else "curves"
        raise Refused(f"the {name} of row '{record.row}', seed {record.cell.seed}, cannot be drawn; run the cell again")
    return arrays


def _compared(row: str, records: Sequence[Record]) -> bool:
    """Whether a row is drawn: the truth row is not, as the truth itself is, nor a floor that replays it."""
    own = [record for record in records if record.row == row]
    return not any(one.cell.model.name == "truth" or (one.role == "floor" and one.flags) for one in own)
